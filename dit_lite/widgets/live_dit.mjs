// A Diffusion Transformer that runs in the reader's browser: dit.mjs is its forward
// pass, walk.mjs its walk, here is what is shown. state: config; weights
// {name: uint8 (..., 2)}, the two bytes of each float16; y, the class (num_classes:
// none); guidance; steps; seed; step; layer, head and patch whose attention is seen

const SHOWN = 12;

function render({ model, el }) {
  const body = frame(model, el),
    config = model.get("config");
  const {
    image_size: size,
    channels,
    patch_size: P,
    depth,
    heads,
    num_classes: none,
    data_mean: mean,
    data_std: std,
  } = config;
  const grid = size / P,
    count = grid * grid,
    names = [...config.class_names, "none"];
  const network = dit(
    config,
    Object.fromEntries(
      Object.entries(model.get("weights")).map(([name, bits]) => [
        name,
        half(tensor(bits).values),
      ]),
    ),
  );
  const last = () => model.get("steps"),
    now = () => model.get("step");
  let seen; // the pass on view

  /** What the network says of the state x at a step, asked with the class and the
   *  guidance of this moment. */
  function ask(x, step) {
    const y = model.get("y");
    return {
      ...answer(network, x, 1 - step / last(), y, none, model.get("guidance")),
      y,
    };
  }
  const state = (step, before) =>
    before
      ? euler(before, 1 - step / last())
      : noiseOf(model.get("seed"), channels * size * size);

  // -- choices: midway, class and guidance act from here on; a finished picture is made
  // again from the same noise --

  function choose(key, value, finished) {
    put(model, key, value);
    walk.change(finished);
  }
  function restart(key, value) {
    const share = now() / last();
    put(model, key, value);
    if (key === "steps") lay();
    walk.restart(share);
  }

  const klass = segmented({
    label: "class",
    value: model.get("y"),
    options: names.map((name, value) => ({
      value,
      name: value === none ? "no class" : name,
      content: name,
    })),
    change: y => choose("y", y),
  });
  const guidance = slider({
    label: "guidance",
    min: 0,
    max: 4,
    step: 0.25,
    value: model.get("guidance"),
    input: w => choose("guidance", w, () => walk.reach(last())),
  });
  const steps = slider({
    label: "steps",
    min: 4,
    max: 50,
    step: 1,
    value: last(),
    input: value => restart("steps", value),
  });
  const seed = slider({
    label: "seed",
    min: 0,
    max: SEEDS - 1,
    step: 1,
    value: model.get("seed"),
    input: value => restart("seed", value),
  });
  const again = button("new noise", () => {
    walk.stop();
    restart("seed", (model.get("seed") + 1) % SEEDS);
    seed.set(model.get("seed"));
    walk.watch();
  });
  const play = button(GO, () => walk.toggle(), {
    class: "dit-button dit-primary",
  });
  const scrub = slider({
    label: "step",
    min: 0,
    max: last(),
    step: 1,
    value: now(),
    format: k => `${k} of ${last()}`,
    input: step => walk.reach(step),
  });

  // -- what is shown --

  const noisy = tile(size, size, "state x_t"),
    clean = tile(size, size, "predicted image x0"),
    time = h("span", { class: "dit-value" });
  const picture = ({ node }, ...caption) =>
    h("div", {}, node, h("div", { class: "dit-caption" }, ...caption));
  const story = h("output", { class: "dit-story", "aria-live": "polite" }),
    said = h("output", { class: "dit-story", "aria-live": "polite" });
  const strip = h("div", {});
  let thumbs = [];

  const gaze = tile(size, size),
    spot = h("span", { class: "dit-here" });
  const area = h(
    "div",
    {
      class: "dit-gaze",
      role: "slider",
      tabindex: 0,
      "aria-label": "patch",
      "aria-valuemin": 1,
      "aria-valuemax": count,
      style: `--grid: ${grid}`,
    },
    gaze.node,
    spot,
  );
  const small = Array.from({ length: heads }, () => tile(grid, grid));
  const chosen = (key, length, content) =>
    segmented({
      label: key,
      value: model.get(key),
      change: value => (put(model, key, value), drawGaze()),
      options: Array.from({ length }, (_, value) => ({
        value,
        name: `${key} ${value + 1}`,
        content: content(value),
      })),
    });
  const layer = chosen("layer", depth, value => String(value + 1)),
    head = chosen("head", heads, value => small[value].node);
  const turn = patch =>
    patch !== model.get("patch") && (put(model, "patch", patch), drawGaze());
  for (const event of ["pointerdown", "pointermove"]) {
    area.addEventListener(event, ({ clientX, clientY }) => {
      const box = area.getBoundingClientRect(),
        cell = (place, length) =>
          Math.min(grid - 1, Math.max(0, Math.floor((grid * place) / length)));
      turn(
        cell(clientY - box.top, box.height) * grid +
          cell(clientX - box.left, box.width),
      );
    });
  }
  area.addEventListener("keydown", event => {
    const move = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
    }[event.key];
    if (!move) return;
    event.preventDefault();
    const [row, column] = [
      Math.floor(model.get("patch") / grid) + move[0],
      (model.get("patch") % grid) + move[1],
    ];
    if (row >= 0 && row < grid && column >= 0 && column < grid)
      turn(row * grid + column);
  });

  body.append(
    h("div", { class: "dit-controls" }, klass.node),
    h("div", { class: "dit-controls" }, guidance.node, steps.node, seed.node),
    h(
      "div",
      { class: "dit-live" },
      picture(noisy, symbol("x", "t"), ", what the network is given, at ", time),
      picture(clean, symbol("x̂", "0"), ", the image it sees in it"),
      h(
        "div",
        { class: "dit-live-run" },
        h("div", { class: "dit-controls" }, play, again, scrub.node),
        story,
      ),
      h(
        "div",
        { class: "dit-live-gaze" },
        area,
        h(
          "div",
          { class: "dit-caption" },
          "attention of this pass: where the framed patch looks, darker is more",
        ),
      ),
      h("div", { class: "dit-live-look" }, layer.node, head.node, said),
    ),
    h(
      "div",
      {},
      h(
        "div",
        { class: "dit-title" },
        "the walk from noise to image: states above, what the network sees below",
      ),
      strip,
    ),
  );

  const shades = (values, paint) =>
    paint(
      channels === 1
        ? values
        : Float32Array.from(
            values,
            (_, i) => values[(i % 3) * size * size + Math.floor(i / 3)],
          ),
      value => (value * std + mean + 1) * 127.5,
    );
  const where = patch =>
    `row ${Math.floor(patch / grid) + 1}, column ${(patch % grid) + 1}`;

  /** The overview for this number of steps. */
  function lay() {
    const n = Math.min(SHOWN, last() + 1),
      picked = Array.from({ length: n }, (_, i) => Math.round((i * last()) / (n - 1)));
    thumbs = picked.map(step => ({
      step,
      tiles: [tile(size, size), tile(size, size)],
    }));
    const bar = segmented({
      label: "overview",
      visible: false,
      value: -1,
      change: walk.reach,
      options: thumbs.map(({ step, tiles }) => ({
        value: step,
        name: `step ${step}`,
        content: h("span", {}, ...tiles.map(({ node }) => node)),
      })),
    });
    bar.node.classList.add("dit-strip");
    strip.replaceChildren(bar.node);
    strip.set = step => bar.set(picked.findLast(value => value <= step));
  }
  function draw() {
    const step = now(),
      { x, t, x0 } = (seen = passed[step]);
    shades(x, noisy.paint);
    shades(x0, clean.paint);
    thumbs.forEach(({ step, tiles: [above, below] }) => {
      above.node.parentNode.classList.toggle("dit-ahead", !passed[step]);
      if (passed[step])
        shades(passed[step].x, above.paint), shades(passed[step].x0, below.paint);
    });
    strip.set(step);
    scrub.set(step);
    time.textContent = `t\u00a0=\u00a0${t.toFixed(2)}`;
    noisy.node.dataset.values = x.join(" ");
    clean.node.dataset.values = x0.join(" ");
    el.dataset.step = step;
    el.dataset.ms = passed
      .slice(0, step)
      .map(({ ms }) => ms)
      .join(" ");
    story.textContent = tell(step);
    drawGaze();
  }
  function tell(step) {
    const called = y => (y === none ? "no class in particular" : `class ${names[y]}`),
      asked = passed.slice(0, Math.max(1, step));
    const turns = asked.flatMap(({ y }, k) =>
      k && y !== asked[k - 1].y ? [{ y: asked[k - 1].y, k }] : [],
    );
    const history = turns
      .map(({ y, k }) => `${called(y)} until step ${k}`)
      .concat(`${turns.length ? "then " : ""}${called(asked.at(-1).y)}`)
      .join(", ");
    if (step === 0)
      return `Pure noise. The network answers with what is typical of ${called(passed[0].y)}.`;
    if (step === last()) {
      const [calls, ms] = ["calls", "ms"].map(key =>
        asked.reduce((sum, pass) => sum + pass[key], 0),
      );
      return `Finished: ${history}. ${step} steps, ${calls} calls of the network, ${(ms / 1000).toFixed(2)} s of arithmetic in your browser.`;
    }
    const change =
      Math.sqrt(
        passed[step].x0.reduce(
          (sum, value, i) => sum + (value - passed[step - 1].x0[i]) ** 2,
          0,
        ) /
          (channels * size * size),
      ) * std;
    return `Asked for ${history}. ${Math.round(100 * passed[step].t)} % of the way is left; in the last step the image it sees changed by ${number(change, 2)} a pixel, where black is −1 and white 1.`;
  }
  function drawGaze() {
    const { maps, x0 } = seen,
      patch = model.get("patch"),
      rows = maps[model.get("layer")].map(map =>
        map.subarray(patch * count, (patch + 1) * count),
      );
    const row = rows[model.get("head")],
      most = Math.max(...row),
      heat = (weight, most) => SIGNED[Math.round(127.5 * (1 + weight / most))];
    small.forEach(({ paint }, i) =>
      paint(
        Uint8Array.from(
          { length: 3 * count },
          (_, k) => heat(rows[i][Math.floor(k / 3)], Math.max(...rows[i]))[k % 3],
        ),
      ),
    );
    const mixed = Float32Array.from({ length: 3 * size * size }, (_, k) => {
      // the heat of a patch, on a pale print of the image it sees
      const place = Math.floor(k / 3),
        patch = Math.floor(place / size / P) * grid + Math.floor((place % size) / P);
      const value =
        x0[(channels === 3 ? (k % 3) * size * size : 0) + place] * std + mean;
      return (
        heat(row[patch], most)[k % 3] * (0.92 + 0.08 * Math.min(1, Math.max(-1, value)))
      );
    });
    gaze.paint(mixed);
    Object.assign(spot.style, {
      left: `${(100 * (patch % grid)) / grid}%`,
      top: `${(100 * Math.floor(patch / grid)) / grid}%`,
    });
    const spread = Math.exp(
        -row.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0),
      ),
      first = row.indexOf(most);
    said.textContent = `Looks most ${first === patch ? "at itself" : `at ${where(first)}`} (${Math.round(100 * most)} %), spread over about ${number(spread, 2)} of ${count} patches.`;
    area.dataset.weights = row.join(" ");
    build(
      area,
      {
        "aria-valuenow": patch + 1,
        "aria-valuetext": `${where(patch)}: ${said.textContent}`,
      },
      [],
    );
    layer.set(model.get("layer"));
    head.set(model.get("head"));
  }

  const walk = walker({ el, model, state, ask, draw, play, story, scrub }),
    { passed } = walk;
  lay();
  walk.begin();
  walk.reach(last());
  walk.playWhenSeen(noisy.node, body);
  return walk.stop;
}
export default { render };
