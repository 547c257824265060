// An image cut into patches: the grid, the sequence of tokens, what it costs, and the
// picture put back together. state: images uint8 [(H, H[, 3]), ...]; names; sizes;
// widths; index; size; patch; width; placing "order" or "position"; order: numbers of
// the patches in the sequence, null for all of them row by row; spot: the place looked
// at, [x, y] in [0,1)

const VALUES = 192; // of a token, shown at most

/** Multiply-adds of one adaLN-Zero block on n tokens of width d: per token, per pair of
 *  tokens, per image. As in dit_lite.flops. */
const blockMacs = (n, d) => [12 * n * d * d, 2 * n * n * d, 6 * d * d];
const add = parts => parts.reduce((sum, part) => sum + part, 0);
const divisors = n =>
  Array.from({ length: n }, (_, i) => i + 1).filter(p => n % p === 0);
const whole = value => value.toLocaleString("en-US");
const many = (n, thing) => `${whole(n)} ${thing}${n === 1 ? "" : "s"}`;
// screen readers do not repeat what has not changed
const say = (node, text) => node.textContent !== text && (node.textContent = text);

/** Three digits and a unit. */
function brief(value) {
  const [size, unit] = [
    [1e12, " T"],
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
    [1, ""],
  ].find(([size]) => value >= 0.9995 * size);
  return number(value / size) + unit;
}
const percent = share =>
  share < 5e-4
    ? "< 0.1 %"
    : share > 0.9995
      ? "> 99.9 %"
      : `${(100 * share).toFixed(share < 0.1 || share > 0.9 ? 1 : 0)} %`;

/** A square image at another side: means of blocks, or repeated pixels. */
function resized({ shape: [from, , channels = 1], values }, side) {
  const step = Math.max(1, from / side),
    start = i => Math.floor((i * from) / side);
  return Float32Array.from({ length: side * side * channels }, (_, i) => {
    const c = i % channels,
      x = start(Math.floor(i / channels) % side),
      y = start(Math.floor(i / channels / side));
    let sum = 0;
    for (let dy = 0; dy < step; dy++)
      for (let dx = 0; dx < step; dx++)
        sum += values[((y + dy) * from + x + dx) * channels + c];
    return sum / step ** 2;
  });
}

/** The same in another, random order. */
function shuffled(order) {
  const next = [...order];
  do {
    for (let i = next.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [next[i], next[j]] = [next[j], next[i]];
    }
  } while (next.length > 1 && next.every((patch, i) => patch === order[i]));
  return next;
}
/** A random half of it, in its order. */
function halved(order) {
  const kept = new Set(shuffled(order).slice(0, Math.ceil(order.length / 2)));
  return order.filter(patch => kept.has(patch));
}

/** Calls `look` with the place under the pointer, [x, y] in [0,1). */
function follow(node, look) {
  const inside = value => Math.min(0.9999, Math.max(0, value));
  const find = ({ clientX, clientY }) => {
    const box = node.getBoundingClientRect();
    look(
      inside((clientX - box.left) / box.width),
      inside((clientY - box.top) / box.height),
    );
  };
  for (const event of ["pointerdown", "pointermove"])
    node.addEventListener(event, find);
}

/** Makes a picture a slider for the keyboard: keys { name: () => number }. Returns a
 *  function that says where it stands. */
function steer(node, label, keys, go) {
  build(
    node,
    { role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 1 },
    [],
  );
  node.addEventListener("keydown", event => {
    if (!keys[event.key]) return;
    event.preventDefault();
    go(keys[event.key]());
  });
  return (now, max, text) =>
    build(
      node,
      { "aria-valuenow": now, "aria-valuemax": max, "aria-valuetext": text },
      [],
    );
}

/** A picture whose canvas `show` replaces, with the lines of a grid and a frame around
 *  one of its cells. */
function sheet(name, title, ...below) {
  const mark = h("span", { class: "dit-spot" }),
    lines = svg("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
  const area = h("div", { class: "dit-sheet" }, lines, mark);
  const show = canvas => (area.querySelector("canvas")?.remove(), area.prepend(canvas));
  const grid = n => {
    const d = Array.from(
      { length: n - 1 },
      (_, i) => `M${i + 1} 0V${n}M0 ${i + 1}H${n}`,
    ).join("");
    lines.setAttribute("viewBox", `0 0 ${n} ${n}`);
    lines.replaceChildren(
      ...(n > 20 ? ["thin"] : ["under", "over"]).map(kind =>
        svg("path", { class: "dit-" + kind, d }),
      ),
    );
  };
  const look = (cell, n) => {
    mark.hidden = cell < 0;
    Object.assign(mark.style, {
      left: `${(100 * (cell % n)) / n}%`,
      top: `${(100 * Math.floor(cell / n)) / n}%`,
      width: `${100 / n}%`,
      height: `${100 / n}%`,
    });
  };
  return {
    node: h(
      "div",
      { class: "dit-" + name },
      h("div", { class: "dit-title" }, title),
      area,
      ...below,
    ),
    area,
    show,
    grid,
    look,
  };
}

/** The tokens in a row that wraps like text, as large as the room allows:
 *  draw(source, patch, grid, order), look(place), at(x, y). */
function ribbon() {
  const canvas = h("canvas", { "aria-hidden": "true" }),
    mark = h("span", { class: "dit-spot" }),
    area = h("div", { class: "dit-ribbon" }, canvas, mark);
  let last,
    columns,
    cell,
    at = -1;
  function draw(source, patch, grid, order) {
    last = [source, patch, grid, order];
    const scale = devicePixelRatio,
      width = Math.floor(area.clientWidth * scale),
      height = Math.floor(area.clientHeight * scale);
    if (!width) return;
    cell = Math.min(width, height);
    while (
      Math.floor(width / cell) * Math.floor(height / cell) < order.length &&
      cell > 1
    )
      cell--;
    columns = Math.floor(width / cell);
    const gap =
      cell >= 20 * scale
        ? Math.round(3 * scale)
        : cell >= 6 * scale
          ? Math.round(scale)
          : cell > 3
            ? 1
            : 0;
    Object.assign(canvas, { width, height });
    Object.assign(area.dataset, { columns, cell, gap });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    order.forEach((p, i) =>
      context.drawImage(
        source,
        (p % grid) * patch,
        Math.floor(p / grid) * patch,
        patch,
        patch,
        (i % columns) * cell,
        Math.floor(i / columns) * cell,
        cell - gap,
        cell - gap,
      ),
    );
    look(at);
  }
  function look(place) {
    at = place;
    mark.hidden = place < 0;
    const side = cell / devicePixelRatio,
      size = side - area.dataset.gap / devicePixelRatio;
    Object.assign(mark.style, {
      left: (place % columns) * side + "px",
      top: Math.floor(place / columns) * side + "px",
      width: size + "px",
      height: size + "px",
    });
  }
  const pick = (x, y) => {
    const place =
      Math.floor((y * canvas.height) / cell) * columns +
      Math.min(columns - 1, Math.floor((x * canvas.width) / cell));
    return place < last[3].length ? place : -1;
  };
  new ResizeObserver(() => last && draw(...last)).observe(area);
  return { node: area, draw, look, pick };
}

/** What the sequence costs: show(count, n, values, d) for n of count tokens.
 *  `longest` is the largest number on the axis, a power of two. */
function bill(longest) {
  const square = () => h("sup", {}, "2"),
    [N, D, P, C, H] = ["N", "D", "P", "C", "H"].map(letter => () => symbol(letter));
  const fact = (name, formula, color) => {
    const value = h("span", { class: "dit-value" }),
      swatch = color
        ? [h("span", { class: "dit-swatch", style: `background: var(--dit-${color})` })]
        : [];
    const share = h("span", { class: "dit-value dit-share" });
    return {
      node: h(
        "div",
        { class: "dit-fact" },
        ...swatch,
        h("span", {}, name, " ", h("span", { class: "dit-formula" }, ...formula)),
        value,
        ...(color ? [share] : []),
      ),
      value,
      share,
    };
  };
  const on = h("span"),
    facts = [
      fact("tokens", [N(), " = (", H(), "/", P(), ")", square()]),
      fact("values per token", [P(), square(), C()]),
      fact("embedding parameters", ["(", P(), square(), C(), " + 1) ", D()]),
      fact("multiply-adds per block", [on]),
      fact("projections, MLP", ["12 ", N(), D(), square()], "blue"),
      fact("attention", ["2 ", N(), square(), D()], "red"),
      fact("adaLN-Zero", ["6 ", D(), square()], "edge"),
    ];
  const shares = ["blue", "red", "edge"].map(color =>
    h("span", { style: `background: var(--dit-${color})` }),
  );
  const chart = h("div", { class: "dit-curve" });
  const node = h(
    "div",
    { class: "dit-bill" },
    ...facts.slice(0, 4).map(({ node }) => node),
    h("div", { class: "dit-shares", "aria-hidden": "true" }, ...shares),
    ...facts.slice(4).map(({ node }) => node),
    chart,
  );
  facts[3].node.classList.add("dit-sum");

  const end = Math.log2(longest),
    share = (n, d, parts = blockMacs(n, d)) => parts[1] / add(parts);
  function curve(n, d) {
    const points = Array.from({ length: 61 }, (_, i) => (i / 60) * end).map(power => [
      power,
      share(2 ** power, d),
    ]);
    const ticks = Array.from({ length: Math.floor(end / 4) + 1 }, (_, i) => [
      4 * i,
      whole(16 ** i),
    ]);
    const { node, mark } = plot({
      title: h("span", {}, "attention's share, over the number of tokens ", N()),
      x: [0, end],
      y: [0, 1],
      xTicks: ticks,
      yTicks: [
        [0, "0"],
        [0.5, "50 %"],
        [1, "100 %"],
      ],
      series: [{ color: "red", points }],
    });
    mark(Math.log2(n), [share(n, d)]);
    const at = Math.log2(6 * d) / end,
      cross = h(
        "span",
        {
          class: "dit-cross" + (at < 0.4 ? " dit-early" : ""),
          style: `left: ${100 * at}%`,
        },
        h("span", {}, "6", D(), ` = ${whole(6 * d)}`),
      );
    node.querySelector(".dit-area").append(cross);
    chart.replaceChildren(node);
  }
  function show(count, n, values, d) {
    const parts = blockMacs(n, d),
      sum = add(parts),
      parameters = (values + 1) * d;
    on.textContent = many(n, "token");
    [...[count, values, parameters].map(whole), ...[sum, ...parts].map(brief)].forEach(
      (text, i) => (facts[i].value.textContent = text),
    );
    parts.forEach(
      (part, i) => (
        (facts[4 + i].share.textContent = percent(part / sum)),
        (shares[i].style.flexGrow = part / sum)
      ),
    );
    Object.assign(node.dataset, {
      count,
      n,
      values,
      parameters,
      token: parts[0],
      pair: parts[1],
      once: parts[2],
      crossover: 6 * d,
    });
    curve(n, d);
  }
  return { node, show };
}

function render({ model, el }) {
  const body = frame(model, el);
  const names = model.get("names"),
    sizes = model.get("sizes"),
    widths = model.get("widths"),
    images = model.get("images").map(tensor);
  // all that follows from the state
  let side, patch, grid, count, channels, pixels, source, order, offered;

  const set = values => (
    Object.entries(values).forEach(([key, value]) => model.set(key, value)),
    model.save_changes()
  );
  const options = values => values.map(value => ({ value, name: String(value) }));
  const thumbs = images.map(({ shape: [height, width], values }) => {
    const { node, paint } = tile(height, width);
    paint(values);
    return node;
  });
  const image = segmented({
    label: "image",
    value: model.get("index"),
    change: index => set({ index }),
    options: names.map((name, value) => ({ value, name, content: thumbs[value] })),
  });
  image.node.classList.add("dit-pictures");
  const size = segmented({
    label: "size H",
    value: model.get("size"),
    change: value => set({ size: value, order: null }),
    options: options(sizes),
  });
  const width = segmented({
    label: "width D",
    value: model.get("width"),
    change: value => set({ width: value }),
    options: options(widths),
  });
  let sides = { node: h("div") }; // the patches that divide the size, built by draw()
  const controls = h(
    "div",
    { class: "dit-controls" },
    image.node,
    size.node,
    sides.node,
    width.node,
  );
  const story = h("output", { class: "dit-story", "aria-live": "polite" }),
    said = h("output", { class: "dit-said", "aria-live": "polite" });

  const placing = segmented({
    label: "put back",
    visible: false,
    value: model.get("placing"),
    change: value => set({ placing: value }),
    options: ["order", "position"].map(value => ({
      value,
      name: "by " + value,
      content: h("span", {}, h("span", { class: "dit-by" }, "by "), value),
    })),
  });
  const cut = sheet("cut", "cut into patches"),
    back = sheet("back", "put back together", placing.node),
    row = ribbon();
  const title = h("div", { class: "dit-title" }),
    token = h("div", { class: "dit-title" }),
    vector = h("canvas", { class: "dit-token", height: 1, "aria-hidden": "true" });
  const [shuffle, drop, restore] = Object.entries({
    shuffle: () => shuffled(order),
    "drop half": () => halved(order),
    restore: () => null,
  }).map(([name, next]) => button(name, () => set({ order: next() })));
  const ledger = bill(
    2 ** Math.ceil(Math.log2(Math.max(sizes.at(-1) ** 2, 12 * widths.at(-1)))),
  );
  body.append(
    controls,
    story,
    h(
      "div",
      { class: "dit-patches" },
      cut.node,
      h(
        "div",
        { class: "dit-tokens" },
        h("div", {}, title, row.node),
        h("div", {}, token, vector),
        h("div", { class: "dit-controls" }, shuffle, drop, restore),
        said,
      ),
      back.node,
      ledger.node,
    ),
  );

  // which patch is looked at: [x, y] of the spot, its number, its place in the sequence
  const looked = () =>
    Math.floor(model.get("spot")[1] * grid) * grid +
    Math.floor(model.get("spot")[0] * grid);
  const lookAt = p =>
    p >= 0 &&
    p !== looked() &&
    set({ spot: [((p % grid) + 0.5) / grid, (Math.floor(p / grid) + 0.5) / grid] });
  const cellOf = i => (model.get("placing") === "order" ? i : order[i]);
  const inGrid = (x, y) => Math.floor(y * grid) * grid + Math.floor(x * grid);
  follow(cut.area, (x, y) => lookAt(inGrid(x, y)));
  follow(back.area, (x, y) =>
    lookAt(order.find((_, i) => cellOf(i) === inGrid(x, y)) ?? -1),
  );
  follow(row.node, (x, y) => lookAt(order[row.pick(x, y)] ?? -1));
  const sayPatch = steer(
    cut.area,
    "patch of the image",
    {
      ArrowLeft: () => looked() - (looked() % grid ? 1 : 0),
      ArrowRight: () => looked() + ((looked() + 1) % grid ? 1 : 0),
      ArrowUp: () => looked() - (looked() < grid ? 0 : grid),
      ArrowDown: () => looked() + (looked() < count - grid ? grid : 0),
      Home: () => 0,
      End: () => count - 1,
    },
    lookAt,
  );
  const along = by => () =>
    order[Math.min(order.length - 1, Math.max(0, order.indexOf(looked()) + by))];
  const sayToken = steer(
    row.node,
    "token of the sequence",
    {
      ArrowLeft: along(-1),
      ArrowUp: along(-1),
      ArrowRight: along(1),
      ArrowDown: along(1),
      Home: () => order[0],
      End: () => order.at(-1),
    },
    lookAt,
  );

  /** From the state to everything on the page. */
  function draw() {
    const chosen = images[model.get("index")],
      d = model.get("width");
    side = model.get("size");
    channels = chosen.shape[2] ?? 1;
    pixels = resized(chosen, side);
    const fitting = divisors(side);
    patch = fitting.findLast(p => p <= model.get("patch"));
    grid = side / patch;
    count = grid ** 2;
    order = model.get("order") ?? Array.from({ length: count }, (_, p) => p);

    if (offered !== side) {
      const next = segmented({
        label: "patch P",
        value: patch,
        change: value => set({ patch: value, order: null }),
        options: options(fitting),
      });
      next.node.classList.add("dit-sides");
      sides.node.replaceWith(next.node);
      [sides, offered] = [next, side];
    }
    [
      [image, model.get("index")],
      [size, side],
      [sides, patch],
      [width, d],
      [placing, model.get("placing")],
    ].forEach(([control, value]) => control.set(value));
    const picture = tile(side, side);
    picture.paint(pixels);
    source = picture.node;
    cut.show(source);
    cut.grid(grid);
    assemble();
    ledger.show(count, order.length, patch ** 2 * channels, d);
    row.draw(source, patch, grid, order);
    row.node.dataset.order = order.join();
    shuffle.disabled = drop.disabled = order.length < 2;
    restore.disabled = model.get("order") === null;
    tell(d);
    look();
  }

  function assemble() {
    const { node, paint } = tile(side, side, "the picture put back together"),
      values = new Float32Array(pixels.length),
      filled = new Set();
    const start = (p, y) =>
      // of line y of a patch
      ((Math.floor(p / grid) * patch + y) * side + (p % grid) * patch) * channels;
    order.forEach((p, i) => {
      filled.add(cellOf(i));
      for (let y = 0; y < patch; y++)
        values.set(
          pixels.subarray(start(p, y), start(p, y) + patch * channels),
          start(cellOf(i), y),
        );
    });
    paint(values);
    for (let p = 0; p < count; p++)
      if (!filled.has(p))
        node
          .getContext("2d")
          .clearRect((p % grid) * patch, Math.floor(p / grid) * patch, patch, patch);
    back.show(node);
  }

  function tell(d) {
    const n = order.length,
      inOrder = order.every((p, i) => !i || p > order[i - 1]),
      some = `${whole(n)} of ${whole(count)} tokens`;
    const ratio = number(add(blockMacs(4 * count, d)) / add(blockMacs(count, d)), 2);
    say(
      story,
      [
        `${side} × ${side} × ${channels} values in patches of ${patch} × ${patch}: a sequence of ${many(count, "token")} with ${many(patch ** 2 * channels, "value")} each.`,
        ...(patch % 2
          ? []
          : [
              `Halving P gives 4 times the tokens and ${ratio} times the multiply-adds.`,
            ]),
        ...(count > 6 * d
          ? ["Beyond N = 6D, the attention products cost more than everything else."]
          : []),
      ].join(" "),
    );
    say(
      title,
      `the sequence: ${many(n, "token")}, ${inOrder ? "row by row" : "shuffled"}`,
    );
    if (model.get("placing") === "position")
      say(
        said,
        n < count
          ? `${some}, and each carries its position, so gaps show where patches are missing.`
          : inOrder
            ? "Every token carries its position. Now shuffle them."
            : "Every token carries its position, so the order of the sequence no longer matters.",
      );
    else
      say(
        said,
        n < count
          ? `${some}, closed up: without positions, nothing says where they belong.`
          : inOrder
            ? "All tokens in order: the image is recovered exactly. Now shuffle them."
            : "A different order, but attention without positions computes the same output for each token as before: it sees no difference.",
      );
  }

  function look() {
    const p = looked(),
      at = order.indexOf(p),
      line = Math.floor(p / grid),
      column = p % grid,
      values = patch ** 2 * channels,
      shown = Math.min(values, VALUES);
    cut.look(p, grid);
    back.look(at < 0 ? -1 : cellOf(at), grid);
    row.look(at);
    const where = `row ${line + 1}, column ${column + 1}`;
    sayPatch(p + 1, count, where + (at < 0 ? ", dropped" : `, token ${at + 1}`));
    sayToken(
      at + 1,
      order.length,
      at < 0 ? "dropped" : `token ${at + 1}, from ${where}`,
    );
    say(
      token,
      [
        at < 0 ? "dropped" : `token ${whole(at + 1)}`,
        where,
        (shown < values ? `${shown} of ` : "") + many(values, "value"),
      ].join(" · "),
    );
    Object.assign(el.dataset, { patch: p, place: at });
    vector.width = shown;
    const context = vector.getContext("2d"),
      image = context.createImageData(shown, 1);
    for (let i = 0; i < shown; i++) {
      const c = i % channels,
        x = Math.floor(i / channels) % patch,
        y = Math.floor(i / channels / patch);
      const value =
        pixels[((line * patch + y) * side + column * patch + x) * channels + c];
      image.data.set(
        channels === 1
          ? [value, value, value, 255]
          : [0, 1, 2].map(k => (k === c ? value : 0)).concat(255),
        4 * i,
      );
    }
    context.putImageData(image, 0, 0);
  }

  let waiting = false; // several values of the state change at once: draw once
  const later = () => {
    if (!waiting) queueMicrotask(() => ((waiting = false), draw()));
    waiting = true;
  };
  for (const key of ["index", "size", "patch", "width", "order", "placing"])
    model.on("change:" + key, later);
  model.on("change:spot", look);
  draw();
}
export default { render };
