// Recorded runs: a curve beside another's, and digits from the averaged weights. state:
// runs [{ lr, warm, batch_size, steps, curve, at, held_out [decay][look] }]; decays;
// pictures (runs, decays, looks, 10, H, W); beside; top; run, decay, look: what is seen

function render({ model, el }) {
  const body = frame(model, el);
  const runs = model.get("runs"),
    decays = model.get("decays"),
    pictures = tensor(model.get("pictures")),
    [, , looks, , height, width] = pictures.shape,
    other = runs[model.get("beside")],
    top = model.get("top");
  const AXES = [
    ["lr", "rate", value => number(value, 2)],
    ["warm", "warm-up", value => (value ? `${number(100 * value, 2)} %` : "none")],
    ["batch_size", "batch", value => String(value)],
  ];
  const of = run => AXES.map(([key]) => run[key]);
  const pick = (key, value) => {
    const wanted = { ...runs[model.get("run")], [key]: value };
    const index = runs.findIndex(run => AXES.every(([k]) => run[k] === wanted[k]));
    put(model, "run", index);
  };
  const controls = AXES.map(([key, label, format]) =>
    segmented({
      label,
      options: [...new Set(runs.map(run => run[key]))]
        .sort((a, b) => a - b)
        .map(value => ({ value, name: format(value) })),
      value: runs[model.get("run")][key],
      change: value => pick(key, value),
    }),
  );
  const average = segmented({
    label: "average (EMA)",
    options: decays.map((decay, i) => ({
      value: i,
      name: decay ? String(decay) : "none",
    })),
    value: model.get("decay"),
    change: value => put(model, "decay", value),
  });
  const time = slider({
    label: "step",
    min: 0,
    max: looks - 1,
    step: 1,
    value: model.get("look"),
    format: i => {
      const run = runs[model.get("run")];
      return `${run.at[i]} of ${run.steps}`;
    },
    input: value => put(model, "look", value),
  });
  const story = h("output", { class: "dit-story", "aria-live": "polite" }),
    place = h("div", { class: "dit-replay-plot" });
  const tiles = Array.from({ length: 10 }, (_, k) =>
    tile(height, width, `sample of class ${k}`),
  );
  body.append(
    story,
    h("div", { class: "dit-controls" }, ...controls.map(c => c.node), average.node),
    time.node,
    h("div", { class: "dit-replay-digits" }, ...tiles.map(({ node }) => node)),
    place,
  );

  const named = run =>
    `rate ${AXES[0][2](run.lr)}, warm-up ${AXES[1][2](run.warm)}, batch ${run.batch_size}`;
  const loss = value => (value >= 1e6 ? "not finite" : number(value, 3));
  const line = (run, color, name) => ({
    name,
    color,
    points: run.curve.map((value, i) => [
      (100 * (i + 0.5)) / run.curve.length,
      Math.min(value, top),
    ]),
  });

  function draw() {
    const run = runs[model.get("run")],
      decay = model.get("decay"),
      look = model.get("look");
    const { node, mark } = plot({
      title: "training loss over the course of the run (%); grey: another run",
      x: [0, 100],
      y: [0, top],
      xTicks: [[0], [25], [50], [75], [100]],
      yTicks: [
        [0, "0"],
        [top / 2, number(top / 2)],
        [top, number(top)],
      ],
      series: [line(other, "edge", "grey"), line(run, "blue", "this run")],
    });
    place.replaceChildren(node);
    const count = run.curve.length,
      passed = Math.round((count * run.at[look]) / run.steps),
      point = Math.max(0, passed - 1);
    mark(
      (100 * (point + 0.5)) / count,
      [other, run].map(({ curve }) => Math.min(curve[point], top)),
    );
    tiles.forEach(({ paint }, k) =>
      paint(pictures.at(model.get("run"), decay, look, k), value => value),
    );
    time.set(look);
    const value = run.held_out[decay][look],
      best = Math.min(...runs.map(({ held_out }) => held_out[decay][looks - 1]));
    story.textContent =
      `${named(run)}: held-out loss ${loss(value)} after ${run.at[look]} steps, ` +
      `with ${decays[decay] ? `an average of decay ${decays[decay]}` : "the last weights"}. ` +
      `The best run ends at ${loss(best)}. Grey: ${named(other)}.`;
    Object.assign(el.dataset, { loss: value, run: of(run).join(" ") });
  }
  for (const key of ["run", "decay", "look"]) model.on(`change:${key}`, draw);
  draw();
}
export default { render };
