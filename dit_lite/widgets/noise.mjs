// One image on three paths to noise: x_t and the four targets, with a(t), s(t) and the
// log-SNR. state: images, eps float32 (n, H, W[, 3]); names; t; index; seed

// log a^2 of the ddpm path at its 1,000 steps: entry i + 1 belongs to t = i/1000
const LOG_ALPHA2 = new Float64Array(1002);
for (let i = 0; i <= 1000; i++)
  LOG_ALPHA2[i + 1] =
    LOG_ALPHA2[i] + Math.log1p(-(1e-4 + ((0.02 - 1e-4) * Math.min(i, 999)) / 999));

/** path -> t -> [a, s, da/dt, ds/dt], as in dit_lite.diffusion.paths */
const PATHS = {
  linear: t => [1 - t, t, -1, 1],
  cosine(t) {
    const c = Math.PI / 2,
      a = t === 1 ? 0 : Math.cos(t * c),
      s = Math.sin(t * c);
    return [a, s, -s * c, a * c];
  },
  ddpm(t) {
    const nearest = Math.round(t * 1000 + 1),
      place = Math.abs(t * 1000 + 1 - nearest) < 1e-3 ? nearest : t * 1000 + 1;
    const low = Math.min(1000, Math.max(0, Math.floor(place))),
      slope = LOG_ALPHA2[low + 1] - LOG_ALPHA2[low];
    const logAlpha2 = LOG_ALPHA2[low] + (place - low) * slope,
      a = Math.exp(logAlpha2 / 2),
      s = Math.sqrt(-Math.expm1(logAlpha2));
    return [a, s, a * slope * 500, (-a * a * slope * 500) / s];
  },
};
const COLORS = { linear: "blue", cosine: "green", ddpm: "red" };
const logSnr = (a, s) => 2 * (Math.log(a) - Math.log(s));

/** column -> the shares [p, q] of p x0 + q eps */
const COLUMNS = {
  x_t: {
    head: () => [symbol("x", "t")],
    note: "noisy",
    picture: true,
    mix: (a, s) => [a, s],
  },
  eps: { head: () => [symbol("ε")], note: "noise", mix: () => [0, 1] },
  x0: {
    head: () => [symbol("x", "0")],
    note: "image",
    picture: true,
    mix: () => [1, 0],
  },
  v: { head: () => [symbol("v")], note: "aε − sx₀", mix: (a, s) => [-s, a] },
  flow: { head: () => ["flow"], note: "dx/dt", mix: (a, s, da, ds) => [da, ds] },
};
const RANGE = 2.5; // of the colour scale of everything that is not an image

function render({ model, el }) {
  const body = frame(model, el);
  const [, height, width, channels = 1] = model.get("images").shape;
  const names = model.get("names");
  let images, eps;

  const time = slider({
    label: "time t",
    min: 0,
    max: 1,
    step: 0.01,
    value: model.get("t"),
    format: t => t.toFixed(2),
    input: t => put(model, "t", t),
  });
  const thumbs = names.map(() => tile(height, width));
  const choice = segmented({
    label: "image",
    value: model.get("index"),
    change: index => put(model, "index", index),
    options: names.map((name, value) => ({ value, name, content: thumbs[value].node })),
  });
  choice.node.classList.add("dit-pictures");
  const again = model.get("recomputed").includes("seed")
    ? [button("new noise", () => put(model, "seed", model.get("seed") + 1))]
    : [];

  const heads = Object.values(COLUMNS).map(({ head, note }) =>
    h("div", { class: "dit-head" }, ...head(), h("span", { class: "dit-note" }, note)),
  );
  const rows = Object.keys(PATHS).map(path => {
    const numbers = [symbol("a"), symbol("s"), "log SNR"].map(name => [
      name,
      h("output", { class: "dit-value" }),
    ]);
    const tiles = Object.keys(COLUMNS).map(column =>
      tile(height, width, `${column} on the ${path} path`),
    );
    const node = h(
      "div",
      { class: "dit-row", "data-path": path },
      h(
        "div",
        { class: "dit-path" },
        h("b", { style: `color: var(--dit-${COLORS[path]})` }, path),
        h(
          "span",
          { class: "dit-numbers" },
          ...numbers.map(([name, output]) => h("span", {}, name, " ", output)),
        ),
      ),
      ...tiles.map(({ node }) => node),
    );
    return { path, node, tiles, outputs: numbers.map(([, output]) => output) };
  });
  const scale = tile(1, 256);
  scale.paint(
    Float32Array.from({ length: 256 }, (_, i) => i),
    undefined,
    SIGNED,
  );
  const legend = h(
    "div",
    { class: "dit-legend" },
    h(
      "span",
      {},
      symbol("ε"),
      ", ",
      symbol("v"),
      ", flow: ",
      ...(channels === 1
        ? [`−${RANGE} `, scale.node, ` +${RANGE}`]
        : [`black −${RANGE}, white +${RANGE}`]),
    ),
    h("span", {}, symbol("x", "t"), ", ", symbol("x", "0"), ": black −1, white +1"),
  );

  const grid = Array.from({ length: 101 }, (_, i) => i / 100);
  const curve = pick =>
    Object.keys(PATHS).map(path => ({
      path,
      name: path,
      color: COLORS[path],
      points: grid.map(t => [t, pick(...PATHS[path](t))]),
    }));
  const label = (series, places) =>
    series.map(line => ({ ...line, at: places[line.path] }));
  const xTicks = [[0], [0.5], [1]],
    share = { x: [0, 1], y: [0, 1], xTicks, yTicks: [[0], [0.5], [1]] };
  const plots = [
    plot({
      ...share,
      title: "a(t), weight of x₀",
      series: label(
        curve(a => a),
        { cosine: [0.82, 0.62], ddpm: [0.17, 0.34] },
      ),
    }),
    plot({
      ...share,
      title: "s(t), weight of ε",
      series: label(
        curve((a, s) => s),
        { linear: [0.8, 0.5], ddpm: [0.15, 0.88] },
      ),
    }),
    plot({
      ...share,
      title: "log SNR",
      y: [-10, 10],
      yTicks: [[-10, "−10"], [0], [10]],
      series: label(curve(logSnr), { ddpm: [0.25, -5] }),
    }),
  ];
  const story = h("output", { class: "dit-story", "aria-live": "polite" });
  body.append(
    h("div", { class: "dit-controls" }, time.node, choice.node, ...again),
    story,
    h(
      "div",
      { class: "dit-matrix" },
      h(
        "div",
        { class: "dit-row dit-heads" },
        h("div", { class: "dit-path" }),
        ...heads,
      ),
      ...rows.map(({ node }) => node),
    ),
    legend,
    h("div", { class: "dit-plots" }, ...plots.map(({ node }) => node)),
  );

  function load() {
    [images, eps] = [tensor(model.get("images")), tensor(model.get("eps"))];
    thumbs.forEach((thumb, i) =>
      thumb.paint(images.at(i), value => (value + 1) * 127.5),
    );
    draw();
  }
  function draw() {
    const t = model.get("t"),
      x0 = images.at(model.get("index")),
      noise = eps.at(model.get("index")),
      at = {};
    for (const { path, node, tiles, outputs } of rows) {
      const [a, s, da, ds] = (at[path] = PATHS[path](t)),
        ratio = logSnr(a, s);
      Object.assign(node.dataset, { a, s, da, ds, logSnr: ratio });
      [
        a.toFixed(2),
        s.toFixed(2),
        Number.isFinite(ratio) ? ratio.toFixed(1).replace("-", "−") : number(ratio),
      ].forEach((text, i) => (outputs[i].textContent = text));
      Object.values(COLUMNS).forEach(({ mix, picture }, i) => {
        const [p, q] = mix(a, s, da, ds),
          values = x0.map((value, k) => p * value + q * noise[k]);
        if (picture) tiles[i].paint(values, value => (value + 1) * 127.5);
        else tiles[i].paint(values, value => (value / RANGE + 1) * 127.5, SIGNED);
      });
    }
    const [curvesA, curvesS] = [0, 1].map(k => rows.map(({ path }) => at[path][k]));
    plots[0].mark(t, curvesA);
    plots[1].mark(t, curvesS);
    plots[2].mark(
      t,
      rows.map(({ path }) => logSnr(at[path][0], at[path][1])),
    );
    const [linear, cosine, ddpm] = curvesA.map(a => a.toFixed(2));
    story.textContent =
      `At t = ${t.toFixed(2)} the image still has weight ${linear} on the linear path, ${cosine} on cosine and ${ddpm} on ddpm: ` +
      (t > 0.04 && t < 0.97
        ? "the same t is not the same noise level."
        : t < 0.5
          ? "all three are still almost the image."
          : "all three are almost noise.");
    time.set(t);
    choice.set(model.get("index"));
  }
  model.on("change:t", draw);
  model.on("change:index", draw);
  model.on("change:eps", load);
  load();
}
export default { render };
