// What the models that run in the page share: their weights, their noise, Euler's steps
// with guidance, and a walk that is computed as it is watched.

const GO = "\u25b6\ufe0e play",
  HOLD = "\u275a\u275a pause"; // \ufe0e: a sign, not an emoji
const SEEDS = 100;

/** float16 to float32: a sign, five bits of exponent, ten of fraction. */
const half = bytes =>
  Float32Array.from(new Uint16Array(bytes.buffer), bits => {
    const exponent = (bits >> 10) & 31,
      fraction = (bits & 1023) / 1024;
    return (
      (bits >> 15 ? -1 : 1) *
      (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction)
    );
  });

/** The network whose configuration and float16 weights the model of a page holds. */
const networkOf = model =>
  dit(
    model.get("config"),
    Object.fromEntries(
      Object.entries(model.get("weights")).map(([name, bits]) => [
        name,
        half(tensor(bits).values),
      ]),
    ),
  );

/** `count` independent normal numbers from a seed: uniform ones by mulberry32 (a 32-bit
 *  counter, hashed), transformed in pairs by Box-Muller. */
function noiseOf(seed, count) {
  let counter = seed | 0;
  const uniform = () => {
    counter = (counter + 0x6d2b79f5) | 0;
    let bits = Math.imul(counter ^ (counter >>> 15), counter | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())),
      angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** The network's prediction for the state x at time t, with guidance w towards a
 *  condition and away from `none` (dit_lite/diffusion/guidance.py), for the linear path
 *  and the flow objective. The maps are from the conditional call. */
function answer(network, x, t, condition, none, w) {
  const began = performance.now(),
    {
      output: [conditional, unconditional],
      attention,
      cross,
    } = network(x, t, w === 1 ? [condition] : [condition, none]);
  const velocity =
    w === 1 ? conditional : unconditional.map((u, i) => u + w * (conditional[i] - u));
  return {
    x,
    t,
    velocity,
    x0: x.map((value, i) => value - t * velocity[i]),
    maps: attention.map(layer => layer[0]),
    cross: cross?.map(layer => layer[0]),
    calls: w === 1 ? 1 : 2,
    ms: performance.now() - began,
  };
}
/** The state at time r, straight on from a pass (dit_lite/diffusion/samplers.py). */
const euler = ({ x, t, velocity }, r) =>
  x.map((value, i) => value + (r - t) * velocity[i]);

/** What steers a walk, `walk()` by the time that it is used: how many steps, the seed,
 *  play and pause, the step on view. `restart(key, value)` begins it again. */
function walkControls({ model, restart, walk }) {
  const last = () => model.get("steps");
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
    walk().stop();
    restart("seed", (model.get("seed") + 1) % SEEDS);
    seed.set(model.get("seed"));
    walk().watch();
  });
  const play = button(GO, () => walk().toggle(), { class: "dit-button dit-primary" });
  const scrub = slider({
    label: "step",
    min: 0,
    max: last(),
    step: 1,
    value: model.get("step"),
    format: k => `${k} of ${last()}`,
    input: step => walk().reach(step),
  });
  return { steps, seed, again, play, scrub };
}

/** A picture with what is said below it. */
const picture = ({ node }, ...caption) =>
  h("div", {}, node, h("div", { class: "dit-caption" }, ...caption));

/** Draws values (C·H·W) in the model's units on a tile. */
const shader =
  ({ image_size: size, channels, data_mean: mean, data_std: std }) =>
  ({ paint }, values) =>
    paint(
      channels === 1
        ? values
        : Float32Array.from(
            values,
            (_, i) => values[(i % 3) * size * size + Math.floor(i / 3)],
          ),
      value => (value * std + mean + 1) * 127.5,
    );

/** What to paint where an image (C·H·W, the model's units) lies faintly, by `depth`,
 *  below the colour that `colour(place)` gives each pixel. */
function printed(config, image, depth, colour) {
  const { image_size: size, channels, data_mean: mean, data_std: std } = config,
    shade = value => 1 - depth + depth * Math.min(1, Math.max(-1, value));
  return Float32Array.from({ length: 3 * size * size }, (_, k) => {
    const place = Math.floor(k / 3),
      value = image[(channels === 3 ? (k % 3) * size * size : 0) + place];
    return colour(place)[k % 3] * shade(value * std + mean);
  });
}

/** A tile whose patches can be selected, also with the arrow keys: this sets the
 *  model's "patch" and calls `draw`. `show(text, weights)` frames it and says so. */
function patchArea({ model, grid, tile, draw }) {
  const spot = h("span", { class: "dit-here" });
  const node = h(
    "div",
    {
      class: "dit-gaze",
      role: "slider",
      tabindex: 0,
      "aria-label": "patch",
      "aria-valuemin": 1,
      "aria-valuemax": grid * grid,
      style: `--grid: ${grid}`,
    },
    tile.node,
    spot,
  );
  const at = () => [Math.floor(model.get("patch") / grid), model.get("patch") % grid];
  function turn(row, column) {
    if (row < 0 || row >= grid || column < 0 || column >= grid) return;
    if (row * grid + column === model.get("patch")) return;
    put(model, "patch", row * grid + column);
    draw();
  }
  for (const event of ["pointerdown", "pointermove"])
    node.addEventListener(event, ({ clientX, clientY }) => {
      const box = node.getBoundingClientRect(),
        cell = (place, length) =>
          Math.min(grid - 1, Math.max(0, Math.floor((grid * place) / length)));
      turn(cell(clientY - box.top, box.height), cell(clientX - box.left, box.width));
    });
  node.addEventListener("keydown", event => {
    const move = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
    }[event.key];
    if (!move) return;
    event.preventDefault();
    turn(...at().map((here, axis) => here + move[axis]));
  });
  const where = patch =>
    `row ${Math.floor(patch / grid) + 1}, column ${(patch % grid) + 1}`;
  function show(text, weights) {
    const [row, column] = at();
    Object.assign(spot.style, {
      left: `${(100 * column) / grid}%`,
      top: `${(100 * row) / grid}%`,
    });
    node.dataset.weights = weights.join(" ");
    build(
      node,
      {
        "aria-valuenow": model.get("patch") + 1,
        "aria-valuetext": `${where(model.get("patch"))}: ${text}`,
      },
      [],
    );
  }
  return { node, where, show };
}

/** A walk of `steps` steps, whose passes are computed when they are first wanted and
 *  kept: `state(step, before)` is the state at a step after the pass before it,
 *  `ask(x, step)` the pass there, `draw` shows the step of the model. Long work is cut
 *  into a dozen milliseconds between two frames. */
function walker({ el, model, state, ask, draw, play, story, scrub }) {
  const slow = matchMedia("(prefers-reduced-motion: reduce)"),
    last = () => model.get("steps"),
    now = () => model.get("step"),
    passed = [];
  let job = 0, // the number of the newest run, which stops older ones
    playing = false;

  const advance = () =>
    passed.push(ask(state(passed.length, passed.at(-1)), passed.length));
  function begin() {
    passed.length = 0;
    advance();
  }
  function show(step) {
    put(model, "step", step);
    draw();
  }
  /** Shows a step as soon as the walk has come that far. */
  function reach(step) {
    const mine = stop();
    el.dataset.busy = "true";
    (function work() {
      if (mine !== job) return;
      for (
        const until = performance.now() + 12;
        passed.length <= step && performance.now() < until;
      )
        advance();
      if (passed.length <= step) return requestAnimationFrame(work);
      el.dataset.busy = "false";
      show(step);
    })();
  }
  function stop() {
    playing = false;
    play.textContent = GO;
    story.setAttribute("aria-live", "polite");
    return ++job;
  }
  function start() {
    const mine = stop(),
      pause = slow.matches ? 1000 : Math.min(400, Math.max(60, 3500 / last()));
    playing = true;
    play.textContent = HOLD;
    story.setAttribute("aria-live", "off"); // silent while it plays
    el.dataset.busy = "false";
    if (now() === last()) show(0);
    let due = performance.now() + pause;
    requestAnimationFrame(function next(time) {
      if (mine !== job || !el.isConnected) return;
      if (time >= due) {
        due = time + pause;
        if (passed.length <= now() + 1) advance();
        if (now() + 1 === last()) stop();
        show(now() + 1);
      }
      if (playing) requestAnimationFrame(next);
    });
  }
  const watch = () => (slow.matches ? reach(last()) : (show(0), start()));

  return {
    passed,
    begin,
    reach,
    stop,
    watch,
    toggle: () => (playing ? stop() : start()),
    /** The condition has changed: midway it acts from here on; a finished picture is
     *  made again from the same noise, and `finished` shows it. */
    change(finished = watch) {
      if (now() >= last()) return begin(), finished();
      if (!passed[now()]) return begin(), reach(now()); // it was on its way
      passed.splice(now(), Infinity, ask(passed[now()].x, now()));
      if (!playing) stop();
      draw();
    },
    /** The noise or the number of steps has changed: from the beginning, to the same
     *  share of the way. */
    restart(share) {
      begin();
      scrub.range.max = last();
      if (!playing) return reach(Math.round(share * last()));
      show(0);
    },
    /** Plays once, when `node` is first visible and the reader has not touched
     *  anything. */
    playWhenSeen(node, body) {
      if (slow.matches) return;
      const shown = new IntersectionObserver(
        ([entry]) => {
          if (!entry.isIntersecting) return;
          shown.disconnect();
          if (job === 1 && !body.contains(document.activeElement)) watch();
        },
        { threshold: 0.5 },
      );
      shown.observe(node);
    },
  };
}
