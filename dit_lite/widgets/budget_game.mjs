// Spend a compute budget on runs, see only what was bought, predict a larger run.
// state: runs [{ patch, width, seed, sizes: [Psi, FLOPs per image], losses }]; images,
// held; budget in FLOPs, lengths (places in images that can be bought), from; bought
// [[width, length], ...], judged, scores; signs, squares, picks: the random numbers of
// the refits

function render({ model, el }) {
  const body = frame(model, el);
  const [runs, images, held, budget, lengths, from] = [
    "runs",
    "images",
    "held",
    "budget",
    "lengths",
    "from",
  ].map(key => model.get(key));
  const [signs, squares, picks] = ["signs", "squares", "picks"].map(key =>
    tensor(model.get(key)),
  );
  const draws = signs.shape[0],
    last = images.at(-1),
    target = runs.filter(run => run.width === held);
  const widths = [...new Set(runs.map(run => run.width))]
    .filter(width => width !== held)
    .sort((a, b) => a - b);
  const ofWidth = width => runs.filter(run => run.width === width);
  const price = (width, length) => ofWidth(width)[0].sizes[1] * images[length];
  const percent = value => {
    const share = (100 * value) / budget;
    return `${share < 9.95 ? share.toFixed(1) : Math.round(share)} %`;
  };
  const count = n => n.toLocaleString("en-US");
  const colors = ["sky", "blue", "green", "amber", "purple", "red"];
  const color = width => colors[widths.indexOf(width) % colors.length];

  /** What was bought: runs with their last place in images. Each purchase of a width
   *  is another seed. */
  function mine() {
    const taken = {};
    return model.get("bought").map(([width, length]) => {
      const k = taken[width] ?? 0;
      taken[width] = k + 1;
      const run = ofWidth(width)[k];
      return { run, number: runs.indexOf(run), length };
    });
  }
  const spent = () =>
    model.get("bought").reduce((sum, [width, length]) => sum + price(width, length), 0);

  const cells = widths.flatMap(width =>
    lengths.map(length => {
      const node = button("", () => buy(width, length), {
        class: "dit-button dit-game-cell",
      });
      return { width, length, node };
    }),
  );
  const shop = h(
    "table",
    { class: "dit-game-shop" },
    h("caption", { class: "dit-title" }, "price of a run as a share of the budget"),
    h(
      "tr",
      {},
      h("th", { scope: "col" }, "images"),
      ...lengths.map(length => h("th", { scope: "col" }, short(images[length]))),
    ),
    ...widths.map(width =>
      h(
        "tr",
        {},
        h(
          "th",
          { scope: "row" },
          h("span", { style: `color: var(--dit-${color(width)})` }, "● "),
          `D = ${width}`,
        ),
        ...cells
          .filter(cell => cell.width === width)
          .map(({ node }) => h("td", {}, node)),
      ),
    ),
  );
  const gauge = h("span"),
    left = h("span", { class: "dit-value" });
  const curve = loglog({
    title: "the runs that you bought",
    xName: "images seen n",
    yName: "loss",
  });
  const story = h("output", {
    class: "dit-story dit-game-story",
    "aria-live": "polite",
  });
  const predict = button(`Predict D = ${held}`, judge, {
    class: "dit-button dit-primary",
  });
  const undo = button("undo", () => {
    if (!model.get("judged")) put(model, "bought", model.get("bought").slice(0, -1));
  });
  const again = button("start again", () => {
    put(model, "judged", false);
    put(model, "bought", []);
  });
  body.append(
    h(
      "div",
      { class: "dit-game-gauge" },
      h("span", { class: "dit-name" }, "budget left"),
      h("div", { class: "dit-game-bar" }, gauge),
      left,
    ),
    h("div", { class: "dit-game-room" }, shop, curve.node),
    story,
    h("div", { class: "dit-controls" }, predict, undo, again),
  );

  function buy(width, length) {
    if (model.get("judged")) return;
    put(model, "bought", [...model.get("bought"), [width, length]]);
  }
  /** The points of runs up to their ends, without the first ones. */
  const pointsOf = some =>
    some.flatMap(({ run, number, length }) =>
      images
        .slice(0, length + 1)
        .map((n, i) => ({ n, i, run: number, psi: run.sizes[0], loss: run.losses[i] }))
        .filter(({ i }) => i >= from),
    );
  function trouble(points) {
    const different = key => new Set(points.map(point => point[key])).size;
    if (different("psi") < 2)
      return "Buy runs of at least two sizes: the exponent of Ψ cannot be fitted to one.";
    if (different("n") < 2)
      return "Buy longer runs: the exponent of n needs at least two image counts.";
    if (points.length < 6)
      return "Fitting five parameters takes at least six points: buy more runs.";
    return "";
  }
  function verdict(points) {
    const law = fitLaw(
      points.map(({ psi }) => psi),
      points.map(({ n }) => n),
      points.map(({ loss }) => loss),
      true,
    );
    const psi = target[0].sizes[0],
      predicted = lawAt(law, psi, last),
      measured = mean(target.map(run => run.losses.at(-1)));
    return { law, psi, predicted, measured, error: 100 * (predicted / measured - 1) };
  }
  function judge() {
    const points = pointsOf(mine());
    if (trouble(points)) return;
    const { error } = verdict(points);
    put(model, "scores", [...model.get("scores"), Math.abs(error)]);
    put(model, "judged", true);
  }

  function draw() {
    const some = mine(),
      points = pointsOf(some),
      why = trouble(points),
      judged = model.get("judged"),
      rest = budget - spent();
    gauge.style.width = `${Math.max(0, (100 * rest) / budget)}%`;
    left.textContent = percent(rest);
    el.dataset.left = rest;
    for (const { width, length, node } of cells) {
      const owned = some.filter(
        one => one.run.width === width && one.length === length,
      ).length;
      const seeds = ofWidth(width).length,
        used = some.filter(one => one.run.width === width).length;
      node.textContent = `${percent(price(width, length))}${owned > 1 ? ` ×${owned}` : ""}`;
      node.classList.toggle("dit-game-owned", owned > 0);
      node.disabled =
        judged || used >= seeds || price(width, length) > rest * (1 + 1e-9);
      node.setAttribute(
        "aria-label",
        `buy D = ${width} for ${count(images[length])} images, ${percent(price(width, length))} of the budget${owned ? `, bought ${owned} times` : ""}`,
      );
    }
    predict.disabled = judged || why !== "";
    undo.disabled = judged || !some.length;
    again.disabled = !some.length;
    const losses = some.flatMap(({ run, length }) => run.losses.slice(0, length + 1));
    const found = judged ? verdict(points) : null;
    const every = [
      ...losses,
      ...(found ? [found.predicted, found.measured] : []),
      ...(losses.length ? [] : [0.1, 1]),
    ];
    delete el.dataset.score;
    let text = some.length
      ? why || `${points.length} points of ${some.length} runs. Buy more, or predict.`
      : `You have ${number(budget)} FLOPs. Buy runs, then predict the loss of D = ${held} after ${count(last)} images. That run alone would cost ${percent(price(held, images.length - 1))} of the budget.`;
    const bands = [];
    if (found) {
      const { laws, scatter } = refits(
        found.law,
        points.map(({ run }) => run),
        draws,
        d => signs.at(d),
        d => squares.at(d),
      );
      const values = laws.map(
        (law, d) =>
          lawAt(law, found.psi, last) *
          Math.exp(scatter[Math.floor(picks.values[d] * scatter.length)]),
      );
      const [low, high] = [quantile(values, 0.05), quantile(values, 0.95)];
      const full = verdict(
        pointsOf(
          runs
            .filter(run => run.width !== held)
            .map(run => ({
              run,
              number: runs.indexOf(run),
              length: images.length - 1,
            })),
        ),
      );
      const cost = runs
        .filter(run => run.width !== held)
        .reduce((sum, run) => sum + price(run.width, images.length - 1), 0);
      const scores = model.get("scores");
      text =
        `Predicted ${number(found.predicted, 4)} (90 % interval for a new run: ${number(low, 3)} to ${number(high, 3)}); measured ${number(found.measured, 4)}. ` +
        `Your error: ${number(Math.abs(found.error), 2)} %, for ${percent(spent())} of the budget${scores.length > 1 ? ` (your best so far: ${number(Math.min(...scores), 2)} %)` : ""}. ` +
        `All the small runs together cost ${number(cost / budget, 2)} times the budget and give an error of ${number(Math.abs(full.error), 2)} %.`;
      el.dataset.score = Math.abs(found.error);
      every.push(low, high);
      bands.push({
        color: "blue",
        points: [
          [last / 1.04, low, high],
          [last * 1.04, low, high],
        ],
      });
    }
    story.textContent = text;
    curve.draw({
      x: [images[0] / 1.1, last * 1.2],
      y: [Math.min(...every) * 0.92, Math.max(...every) * 1.08],
      bands,
      lines: some.map(({ run, length }) => ({
        color: color(run.width),
        points: images.slice(0, length + 1).map((n, i) => [n, run.losses[i]]),
      })),
      dots: found
        ? [
            { x: last, y: found.predicted, color: "blue", hollow: true },
            { x: last, y: found.measured, color: "red" },
          ]
        : [],
      labels: found
        ? [
            {
              x: images[Math.floor(images.length / 2)],
              y: Math.max(...every),
              text: "red: measured, ring: predicted",
              color: "red",
            },
          ]
        : [],
    });
  }
  for (const key of ["bought", "judged"]) model.on(`change:${key}`, draw);
  draw();
}
export default { render };
