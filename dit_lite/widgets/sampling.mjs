// A sampling trajectory: the state x_t beside the image predicted from it, over a
// few choices. state: frames, x0 uint8 (...axes, S+1, H, W[, 3]); times, taken float32
// (...axes, S+1), the steps that lead to a state; axes [{ name, values }]; scores [{
// name, curve, values }]; step; index; seed

const THUMBS = 12;
const PLAY = "\u25b6\ufe0e play",
  PAUSE = "\u275a\u275a pause"; // \ufe0e: a sign, not an emoji

function render({ model, el }) {
  const body = frame(model, el);
  const axes = model.get("axes"),
    times = tensor(model.get("times")),
    taken = tensor(model.get("taken"));
  const [states, height, width] = model.get("frames").shape.slice(axes.length),
    last = states - 1;
  const slow = matchMedia("(prefers-reduced-motion: reduce)");
  let frames,
    predicted,
    curves,
    timer = null;

  const choices = axes.map(({ name, values }, axis) => {
    const change = i => put(model, "index", model.get("index").with(axis, i));
    const few = values.length <= 10;
    const control = few
      ? segmented({
          label: name,
          value: model.get("index")[axis],
          change,
          options: values.map((text, value) => ({ value, name: text })),
        })
      : slider({
          label: name,
          min: 0,
          max: values.length - 1,
          step: 1,
          value: model.get("index")[axis],
          format: i => values[i],
          input: change,
        });
    return control;
  });
  const again = model.get("recomputed").includes("seed")
    ? [button("new seed", () => put(model, "seed", model.get("seed") + 1))]
    : [];

  const state = tile(height, width, "state x_t"),
    predictedTile = tile(height, width, "predicted image x0");
  const time = h("span", { class: "dit-value" });
  const picture = ({ node }, ...caption) =>
    h(
      "div",
      { class: "dit-picture" },
      node,
      h("div", { class: "dit-caption" }, ...caption),
    );
  const panel = h("div", { class: "dit-scores" });

  const stepsTaken = (i, steps = taken.at(...model.get("index"))) =>
    `${steps[i]} of ${steps[last]}`;
  const play = button(PLAY, () => (timer ? stop() : start()), {
    "aria-pressed": "false",
  });
  const scrub = slider({
    label: "step",
    min: 0,
    max: last,
    step: 1,
    value: model.get("step"),
    format: i => stepsTaken(i),
    input: i => (stop(), put(model, "step", i)),
  });
  const shown = [
    ...new Set(
      Array.from(
        { length: Math.min(THUMBS, last + 1) },
        (_, i, n = Math.min(THUMBS, last + 1)) =>
          Math.round((i * last) / Math.max(1, n - 1)),
      ),
    ),
  ];
  const thumbs = shown.map(() => [tile(height, width), tile(height, width)]);
  const strip = segmented({
    label: "overview",
    visible: false,
    value: -1,
    change: i => (stop(), put(model, "step", i)),
    options: shown.map((value, i) => ({
      value,
      name: `step ${value}`,
      content: h("span", {}, ...thumbs[i].map(({ node }) => node)),
    })),
  });
  strip.node.classList.add("dit-strip");
  strip.node.style = `--broad: ${Math.max(8, shown.length)}; --narrow: ${shown.length > 7 ? Math.ceil(shown.length / 2) : shown.length}`;
  const stretch = taken.at(...model.get("index"))[0]
    ? "the end of the trajectory"
    : "the whole trajectory, from noise to image";
  const story = h("output", { class: "dit-spoken", "aria-live": "polite" });
  body.append(
    h("div", { class: "dit-controls" }, ...choices.map(({ node }) => node), ...again),
    h(
      "div",
      { class: "dit-stage" },
      picture(state, symbol("x", "t"), ", the state at ", time),
      picture(predictedTile, symbol("x̂", "0"), ", the image predicted from it"),
      panel,
    ),
    h("div", { class: "dit-controls" }, play, scrub.node),
    story,
    h(
      "div",
      {},
      h(
        "div",
        { class: "dit-title" },
        `${stretch}: states above, predicted images below`,
      ),
      strip.node,
    ),
  );

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = PLAY;
    play.setAttribute("aria-pressed", "false");
    story.setAttribute("aria-live", "polite");
  }
  function start() {
    story.setAttribute("aria-live", "off"); // silent while it plays
    play.textContent = PAUSE;
    play.setAttribute("aria-pressed", "true");
    if (model.get("step") === last) put(model, "step", 0);
    timer = setInterval(
      () => {
        if (!el.isConnected || model.get("step") === last) return stop();
        put(model, "step", model.get("step") + 1);
        if (model.get("step") === last) stop();
      },
      slow.matches ? 1000 : Math.min(400, Math.max(80, 5000 / last)),
    );
  }
  function load() {
    [frames, predicted] = [tensor(model.get("frames")), tensor(model.get("x0"))];
    choose();
  }
  function choose() {
    const index = model.get("index"),
      row =
        index.reduce((sum, i, axis) => sum * axes[axis].values.length + i, 0) *
        (last + 1);
    choices.forEach((control, axis) => control.set(index[axis]));
    shown.forEach((step, i) =>
      strip.inputs[i].setAttribute("aria-label", `step ${taken.at(...index)[step]}`),
    );
    shown.forEach((step, i) =>
      [frames, predicted].forEach((source, k) =>
        thumbs[i][k].paint(source.at(...index, step)),
      ),
    );
    curves = model.get("scores").map(({ name, curve, values }) => {
      const value = h("span", { class: "dit-value" }),
        title = h("span", { class: "dit-note" }, name);
      if (!curve)
        return {
          nodes: [title, value],
          read: () => `${name} ${value.textContent}`,
          show: step => (value.textContent = values[row + step]),
        };
      const { values: all } = tensor(values),
        low = Math.min(0, ...all),
        high = Math.max(low + 1e-9, ...all);
      const line = plot({
        title: "",
        x: [0, last],
        y: [low, high],
        xTicks: [],
        yTicks: [
          [low, number(low, 2)],
          [high, number(high, 2)],
        ],
        series: [
          {
            color: "blue",
            points: Array.from({ length: states }, (_, step) => [
              step,
              all[row + step],
            ]),
          },
        ],
      });
      const show = step => (
        (value.textContent = number(all[row + step], 2)),
        line.mark(step, [all[row + step]])
      );
      return {
        nodes: [title, value, line.node],
        read: () => `${name} ${value.textContent}`,
        show,
      };
    });
    panel.replaceChildren(...curves.flatMap(({ nodes }) => nodes));
    panel.hidden = !curves.length;
    draw();
  }
  function draw() {
    const step = model.get("step"),
      index = model.get("index");
    state.paint(frames.at(...index, step));
    predictedTile.paint(predicted.at(...index, step));
    curves.forEach(({ show }) => show(step));
    scrub.set(step);
    const t = times.at(...index)[step];
    time.textContent = `t = ${t.toFixed(2)}`;
    strip.set(shown.findLast(value => value <= step));
    const where = axes.map(
      ({ name, values }, axis) => `${name} ${values[index[axis]]}`,
    );
    story.textContent = [
      `Step ${stepsTaken(step)}, t = ${number(t, 2)}`,
      ...where,
      ...curves.map(({ read }) => read()),
    ].join(", ");
  }
  model.on("change:step", draw);
  model.on("change:index", choose);
  for (const key of ["frames", "x0", "scores"]) model.on("change:" + key, load);
  load();
  return stop;
}
export default { render };
