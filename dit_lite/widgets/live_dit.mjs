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
    data_std: std,
  } = config;
  const grid = size / P,
    count = grid * grid,
    names = [...config.class_names, "none"];
  const network = networkOf(model);
  const last = () => model.get("steps"),
    now = () => model.get("step");
  let seen; // the pass on view

  /** The network's output for the state x at a step, with the current class and
   *  guidance. */
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
  const { steps, seed, again, play, scrub } = walkControls({
    model,
    restart,
    walk: () => walk,
  });

  // -- what is shown --

  const noisy = tile(size, size, "state x_t"),
    clean = tile(size, size, "predicted image x0"),
    time = h("span", { class: "dit-value" });
  const story = h("output", { class: "dit-story", "aria-live": "polite" }),
    said = h("output", { class: "dit-story", "aria-live": "polite" });
  const strip = h("div", {});
  let thumbs = [];

  const gaze = tile(size, size);
  const area = patchArea({ model, grid, tile: gaze, draw: () => drawGaze() });
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
  body.append(
    h("div", { class: "dit-controls" }, klass.node),
    h("div", { class: "dit-controls" }, guidance.node, steps.node, seed.node),
    h(
      "div",
      { class: "dit-live" },
      picture(noisy, symbol("x", "t"), ", the noisy input, at ", time),
      picture(clean, symbol("x̂", "0"), ", the image predicted from it"),
      h(
        "div",
        { class: "dit-live-run" },
        h("div", { class: "dit-controls" }, play, again, scrub.node),
        story,
      ),
      h(
        "div",
        { class: "dit-live-gaze" },
        area.node,
        h(
          "div",
          { class: "dit-caption" },
          "what the framed patch attends to at this step; darker is more",
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
        "from noise to image: the noisy input above, the predicted image below",
      ),
      strip,
    ),
  );

  const shades = shader(config);

  const patchOf = place =>
    Math.floor(place / size / P) * grid + Math.floor((place % size) / P);

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
    shades(noisy, x);
    shades(clean, x0);
    thumbs.forEach(({ step, tiles: [above, below] }) => {
      above.node.parentNode.classList.toggle("dit-ahead", !passed[step]);
      if (passed[step]) shades(above, passed[step].x), shades(below, passed[step].x0);
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
    const called = y => (y === none ? "no class" : `class ${names[y]}`),
      asked = passed.slice(0, Math.max(1, step));
    const turns = asked.flatMap(({ y }, k) =>
      k && y !== asked[k - 1].y ? [{ y: asked[k - 1].y, k }] : [],
    );
    const history = turns
      .map(({ y, k }) => `${called(y)} until step ${k}`)
      .concat(`${turns.length ? "then " : ""}${called(asked.at(-1).y)}`)
      .join(", ");
    if (step === 0)
      return `Pure noise. The prediction resembles the average image of ${passed[0].y === none ? "all classes" : called(passed[0].y)}.`;
    if (step === last()) {
      const [calls, ms] = ["calls", "ms"].map(key =>
        asked.reduce((sum, pass) => sum + pass[key], 0),
      );
      return `Finished: ${history}. ${step} steps, ${calls} network calls, ${(ms / 1000).toFixed(2)} s in your browser.`;
    }
    const change =
      Math.sqrt(
        passed[step].x0.reduce(
          (sum, value, i) => sum + (value - passed[step - 1].x0[i]) ** 2,
          0,
        ) /
          (channels * size * size),
      ) * std;
    // a new class moves the image too
    const by =
      passed[step].y === passed[step - 1].y
        ? "The last step"
        : "The last step and the new class";
    return `Asked for ${history}; t = ${passed[step].t.toFixed(2)}. ${by} changed the predicted image by ${number(change, 2)} per pixel; black is −1, white 1.`;
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
    // the heat of a patch, on a pale print of the image it sees
    gaze.paint(printed(config, x0, 0.08, place => heat(row[patchOf(place)], most)));
    const spread = Math.exp(
        -row.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0),
      ),
      first = row.indexOf(most);
    said.textContent = `Largest weight: ${first === patch ? "the patch itself" : area.where(first)} (${Math.round(100 * most)} %); spread over about ${number(spread, 2)} of ${count} patches.`;
    area.show(said.textContent, row);
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
