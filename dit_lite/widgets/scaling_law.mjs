// A law fitted in the page to the runs that the reader leaves in, and its prediction
// for the size that was held out. state: runs [{ patch, width, seed, sizes, losses }];
// images, counts, held; patch, count, method, floor, from, low, high, revealed; signs
// uint8 (draws, runs), squares and picks float32: the random numbers of the refits

function render({ model, el }) {
  const body = frame(model, el);
  const [runs, images, counts, held] = ["runs", "images", "counts", "held"].map(key =>
    model.get(key),
  );
  const [signs, squares, picks] = ["signs", "squares", "picks"].map(key =>
    tensor(model.get(key)),
  );
  const draws = signs.shape[0];
  const distinct = key => [...new Set(runs.map(run => run[key]))].sort((a, b) => a - b);
  const patches = distinct("patch"),
    widths = distinct("width").filter(width => width !== held);
  const count = n => n.toLocaleString("en-US");
  // a floor that the fit pushed to its bound does not count
  const small = value => (value < 1e-5 ? "0" : number(value));

  const choice = (key, label, options) =>
    segmented({
      label,
      value: model.get(key),
      options,
      change: v => put(model, key, v),
    });
  const patch = choice(
    "patch",
    "patch",
    patches.map(value => ({ value, name: `P = ${value}`, content: String(value) })),
  );
  const size = choice(
    "count",
    "Ψ counts",
    counts.map((name, value) => ({ value, name })),
  );
  const method = choice("method", "fit to", [
    { value: "all", name: "all points, Ψ and n" },
    { value: "ends", name: "last points, Ψ alone" },
  ]);
  const floor = choice("floor", "floor", [
    { value: true, name: "E free" },
    { value: false, name: "E = 0" },
  ]);
  const range = (key, label, values, format) =>
    slider({
      label,
      min: 0,
      max: values.length - 1,
      step: 1,
      value: model.get(key),
      format: i => format(values[i]),
      input: i => put(model, key, i),
    });
  const from = range("from", "from n =", images, count);
  const low = range("low", "smallest D", widths, String),
    high = range("high", "largest D", widths, String);
  const sizesPlot = loglog({
    title: "loss at the last number of images, over size",
    xName: "Ψ",
    xMost: 4,
    yName: "loss",
  });
  const heldPlot = loglog({
    title: `loss of the held-out model, D = ${held}`,
    xName: "images seen n",
    xMost: 4,
    yName: "loss",
  });
  const story = h("output", {
    class: "dit-story dit-law-story",
    "aria-live": "polite",
  });
  const reveal = button(
    "Reveal the held-out runs",
    () => put(model, "revealed", !model.get("revealed")),
    { class: "dit-button dit-primary" },
  );
  body.append(
    h("div", { class: "dit-controls" }, patch.node, size.node),
    h("div", { class: "dit-controls" }, method.node, floor.node),
    h("div", { class: "dit-controls" }, low.node, high.node, from.node),
    h("div", { class: "dit-plots dit-law-plots" }, sizesPlot.node, heldPlot.node),
    story,
    h("div", { class: "dit-controls" }, reveal),
  );

  /** The points that the reader leaves in, one row per loss. */
  function chosen() {
    const [p, c, lo, hi] = ["patch", "count", "low", "high"].map(key => model.get(key));
    const first =
      model.get("method") === "ends" ? images.length - 1 : model.get("from");
    return runs.flatMap((run, number) =>
      run.patch === p &&
      run.width !== held &&
      run.width >= widths[lo] &&
      run.width <= widths[hi]
        ? images
            .map((n, i) => ({
              n,
              i,
              run: number,
              psi: run.sizes[c],
              loss: run.losses[i],
            }))
            .filter(({ i }) => i >= first)
        : [],
    );
  }
  /** Why no law can be fitted to points, or nothing. */
  function trouble(points, alone) {
    const different = key => new Set(points.map(point => point[key])).size;
    const need = alone && model.get("floor") ? 3 : 2;
    if (different("psi") < need)
      return `This law needs at least ${need} sizes: widen the range of D.`;
    if (!alone && different("n") < 2)
      return "The exponent of n needs at least two image counts: start from a smaller n.";
    return "";
  }

  let waiting;
  function draw() {
    const alone = model.get("method") === "ends",
      points = chosen(),
      why = trouble(points, alone);
    for (const part of [low, high, from]) part.range.disabled = false;
    from.range.disabled = alone;
    clearTimeout(waiting);
    if (why) {
      story.textContent = why;
      el.dataset.law = "";
      paint(points, null, null);
      return;
    }
    const law = fitLaw(
      points.map(({ psi }) => psi),
      alone ? null : points.map(({ n }) => n),
      points.map(({ loss }) => loss),
      model.get("floor"),
    );
    show(points, law, null);
    waiting = setTimeout(() => {
      const again = refits(
        law,
        points.map(({ run }) => run),
        draws,
        d => signs.at(d),
        d => squares.at(d),
      );
      show(points, law, again);
    }, 60);
  }
  /** Where 90 of 100 new runs of a size should end. */
  function interval(again, psi, n) {
    const m = again.scatter.length;
    const values = again.laws.map(
      (law, d) =>
        lawAt(law, psi, n) * Math.exp(again.scatter[Math.floor(picks.values[d] * m)]),
    );
    return [quantile(values, 0.05), quantile(values, 0.95)];
  }
  const heldRuns = () =>
    runs.filter(run => run.width === held && run.patch === model.get("patch"));

  function show(points, law, again) {
    const last = images.at(-1),
      c = model.get("count"),
      seen = heldRuns(),
      psi = seen[0].sizes[c],
      predicted = lawAt(law, psi, last),
      revealed = model.get("revealed");
    const ends = again && interval(again, psi, last);
    const between = name => {
      if (!again) return "";
      const values = again.laws.map(one => one[name]);
      return ` (${small(quantile(values, 0.05))} to ${small(quantile(values, 0.95))})`;
    };
    const terms = law.design.floor ? [`E = ${small(law.E)}${between("E")}`] : [];
    terms.push(`α = ${number(law.alpha)}${between("alpha")}`);
    if (law.B) terms.push(`β = ${number(law.beta)}${between("beta")}`);
    const measured = seen.map(run => run.losses.at(-1)),
      centre = mean(measured);
    const parts = [
      `${points.length} points of ${new Set(points.map(p => p.run)).size} runs. ${terms.join(", ")}.`,
      `Predicted for D = ${held}, Ψ = ${number(psi)}, after ${count(last)} images: ${number(predicted, 4)}${ends ? ` (90 % interval for a new run: ${number(ends[0], 4)} to ${number(ends[1], 4)})` : ""}.`,
    ];
    if (revealed) {
      const inside =
        ends && measured.filter(loss => loss >= ends[0] && loss <= ends[1]).length;
      const error = 100 * (predicted / centre - 1);
      parts.push(
        `Measured: ${number(centre, 4)}, the mean of ${measured.length} seeds. The prediction is ${number(Math.abs(error), 2)} % too ${error > 0 ? "high" : "low"}${ends ? `, and ${inside} of ${measured.length} runs end within the interval` : ""}.`,
      );
    }
    story.textContent = parts.join(" ");
    reveal.textContent = revealed
      ? "Hide the held-out runs"
      : "Reveal the held-out runs";
    const { E, A, alpha, B, beta, delta } = law;
    el.dataset.law = JSON.stringify({ E, A, alpha, B, beta, delta, predicted });
    if (ends) el.dataset.interval = JSON.stringify(ends);
    else delete el.dataset.interval;
    paint(points, law, again);
  }

  function paint(points, law, again) {
    const c = model.get("count"),
      last = images.at(-1),
      used = new Set(points.map(point => point.run)),
      revealed = model.get("revealed"),
      seen = heldRuns();
    const small = runs.filter(
      run => run.patch === model.get("patch") && run.width !== held,
    );
    const psis = [...small, ...seen].map(run => run.sizes[c]),
      x = [Math.min(...psis) / 1.25, Math.max(...psis) * 1.35],
      psi = seen[0].sizes[c];
    const line = (ends, steps = 40) =>
      Array.from(
        { length: steps + 1 },
        (_, i) => ends[0] * (ends[1] / ends[0]) ** (i / steps),
      );
    const losses = [...small, ...seen].map(run => run.losses.at(-1));
    const y = [Math.min(...losses) * 0.9, Math.max(...losses) * 1.06];
    sizesPlot.draw({
      x,
      y,
      bands: again
        ? [
            {
              color: "blue",
              points: line(x, 12).map(v => [v, ...interval(again, v, last)]),
            },
          ]
        : [],
      lines: law
        ? [{ color: "blue", points: line(x).map(v => [v, lawAt(law, v, last)]) }]
        : [],
      dots: [
        ...small.map((run, i) => ({
          x: run.sizes[c],
          y: run.losses.at(-1),
          color: "blue",
          hollow: !used.has(runs.indexOf(run)),
        })),
        ...(revealed
          ? seen.map(run => ({ x: psi, y: run.losses.at(-1), color: "red" }))
          : []),
      ],
      labels: law ? [{ x: psi, y: y[1], text: `D = ${held}`, color: "red" }] : [],
    });
    const all = [images[0] / 1.1, last * 1.15],
      start = [images[model.get("from")], last];
    const high = Math.max(...seen.flatMap(run => run.losses)),
      lowest = Math.min(...seen.flatMap(run => run.losses));
    heldPlot.draw({
      x: all,
      y: [lowest * 0.88, high * 1.1],
      bands:
        again && law.B
          ? [
              {
                color: "blue",
                points: line(start, 12).map(v => [v, ...interval(again, psi, v)]),
              },
            ]
          : [],
      lines: law?.B
        ? [{ color: "blue", points: line(all).map(v => [v, lawAt(law, psi, v)]) }]
        : [],
      dots: [
        ...(law && !law.B
          ? [{ x: last, y: lawAt(law, psi, last), color: "blue", hollow: true }]
          : []),
        ...(revealed
          ? seen.flatMap(run =>
              images.map((n, i) => ({ x: n, y: run.losses[i], color: "red" })),
            )
          : []),
      ],
      labels: law
        ? [
            revealed
              ? { x: images[2] ?? last, y: high * 1.05, text: "measured", color: "red" }
              : {
                  x: images[2] ?? last,
                  y: high * 1.05,
                  text: "predicted",
                  color: "blue",
                },
          ]
        : [],
    });
  }
  for (const [key, part] of Object.entries({ patch, count: size, method, floor, from }))
    model.on(`change:${key}`, () => (part.set(model.get(key)), draw()));
  // the ends of the range may not cross
  model.on("change:low", () => {
    low.set(model.get("low"));
    if (model.get("high") < model.get("low")) put(model, "high", model.get("low"));
    draw();
  });
  model.on("change:high", () => {
    high.set(model.get("high"));
    if (model.get("low") > model.get("high")) put(model, "low", model.get("high"));
    draw();
  });
  model.on("change:revealed", draw);
  draw();
}
export default { render };
