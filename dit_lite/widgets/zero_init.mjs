// One branch of a fresh block behind its gate, x + gate F(gamma LN(x) + beta), and the
// first gradients of training, for each way to begin. state: tokens float32 (N, D);
// branches (readings, N, D); readings; starts [[gamma, beta, gate]]; sensitivities;
// gradients (readings, steps, groups) with NaN for a group that is not there; groups;
// range of the colours; index of the reading; gate; step

const greek = name => name.replace("gamma", "γ").replace("beta", "β");
const short = value =>
  value === 0 ? "0" : value < 0.01 ? number(value, 1) : value.toFixed(2);
const norm = values => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const withSymbols = text =>
  text.split(/\b([Fx])\b/).map((part, i) => (i % 2 ? symbol(part) : part));
const list = names =>
  names.length < 3
    ? names.join(" and ")
    : `${names.slice(0, -1).join(", ")}, and ${names.at(-1)}`;

/** How far tokens' answers (N x D) lie from their mean, relative to their size: 0
 *  when all tokens get the same answer. */
function spread(values, width) {
  const count = values.length / width,
    mean = new Float64Array(width);
  values.forEach((value, i) => (mean[i % width] += value));
  const away = Float64Array.from(values, (value, i) => value - mean[i % width] / count);
  return norm(away) / (norm(values) || 1);
}

function render({ model, el }) {
  const body = frame(model, el);
  const x = tensor(model.get("tokens")),
    [count, width] = x.shape;
  const branches = tensor(model.get("branches")),
    gradients = tensor(model.get("gradients")),
    [, steps] = gradients.shape;
  const [readings, starts, sensitivities, groups, range] = [
    "readings",
    "starts",
    "sensitivities",
    "groups",
    "range",
  ].map(key => model.get(key));

  const reading = segmented({
    label: "start",
    value: model.get("index"),
    options: readings.map((name, value) => ({ value, name, content: greek(name) })),
    change: index => (put(model, "gate", starts[index][2]), put(model, "index", index)),
  });
  const gate = slider({
    label: "gate",
    min: 0,
    max: 1,
    step: 0.01,
    value: model.get("gate"),
    format: g => g.toFixed(2),
    input: g => put(model, "gate", g),
  });
  const formula = h("div", { class: "dit-equation" });
  const story = h("output", { class: "dit-story", "aria-live": "polite" });

  const pictures = ["tokens", "branch", "block"].map(name => ({
    name,
    ...tile(count, width, name),
  }));
  const captions = [
    [symbol("x"), ", the input tokens"],
    ["+ gate · ", symbol("F")],
    ["= block(", symbol("x"), ")"],
  ];
  const scale = tile(1, 256);
  scale.paint(
    Float32Array.from({ length: 256 }, (_, i) => i),
    undefined,
    SIGNED,
  );
  const meters = [
    meter(
      "change",
      "change of the tokens",
      ["‖block(", symbol("x"), ") − ", symbol("x"), "‖ / ‖", symbol("x"), "‖"],
      i => norm(branches.at(i)) / norm(x.values),
    ),
    meter("spread", "output differs by token", ["spread / size of ", symbol("F")], i =>
      spread(branches.at(i), width),
    ),
    meter(
      "response",
      "output depends on input",
      [
        "gate · ‖∂",
        symbol("F"),
        "/∂",
        symbol("x"),
        "‖",
        h("span", { class: "dit-wide" }, " / √(", symbol("ND"), ")"),
      ],
      i => sensitivities[i],
    ),
  ];

  const step = slider({
    label: "training step",
    min: 0,
    max: steps - 1,
    step: 1,
    value: model.get("step"),
    input: s => put(model, "step", s),
  });
  const ticks = Array.from({ length: steps }, (_, s) =>
    h(
      "span",
      { class: "dit-tick-step", onclick: () => put(model, "step", s) },
      String(s),
    ),
  );
  const rows = groups.map(group => {
    const name = h("span", { class: "dit-group", role: "rowheader" }, group),
      value = h("span", { class: "dit-value", "aria-hidden": "true" });
    const cells = ticks.map((_, s) =>
      h("span", {
        class: "dit-cell",
        role: "cell",
        onclick: () => put(model, "step", s),
      }),
    );
    return {
      name,
      value,
      cells,
      node: h("div", { class: "dit-norms", role: "row" }, name, ...cells, value),
    };
  });
  const all = gradients.values.filter(value => value > 0).map(Math.log10);
  const low = all.length ? Math.floor(Math.min(...all)) : -1,
    high = all.length ? Math.max(low + 1, Math.ceil(Math.max(...all))) : 0;
  const chosen = h("span");
  const sleep = h("output", { class: "dit-story", "aria-live": "polite" });

  body.append(
    h("div", { class: "dit-controls" }, reading.node, gate.node),
    formula,
    story,
    h(
      "div",
      {},
      h(
        "div",
        { class: "dit-strips" },
        ...pictures.map(({ node }, i) =>
          h("div", {}, h("div", { class: "dit-title" }, ...captions[i]), node),
        ),
      ),
      h(
        "div",
        { class: "dit-legend" },
        h("span", {}, "rows: tokens, columns: channels"),
        h("span", {}, `−${number(range)} `, scale.node, ` +${number(range)}`),
      ),
    ),
    h("div", { class: "dit-meters" }, ...meters.map(({ node }) => node)),
    h("div", { class: "dit-part" }, "The first gradients of training"),
    sleep,
    h(
      "div",
      { class: "dit-sweep", style: `--steps: ${steps}` },
      h("div", { class: "dit-norms" }, step.node),
      h(
        "div",
        { class: "dit-norms", "aria-hidden": "true" },
        h("span"),
        ...ticks,
        h("span", { class: "dit-note" }, "norm"),
      ),
      h(
        "div",
        {
          role: "table",
          "aria-label": "norm of the gradient by group and training step",
        },
        ...rows.map(({ node }) => node),
        h("div", { class: "dit-norms dit-chosen", "aria-hidden": "true" }, chosen),
      ),
      h(
        "div",
        { class: "dit-legend" },
        h("span", {}, h("span", { class: "dit-cell dit-zero" }), " exactly 0"),
        h("span", {}, "– not in this model"),
        h(
          "span",
          {},
          `${power(low)} `,
          h("span", { class: "dit-ramp" }),
          ` ${power(high)}`,
        ),
      ),
    ),
  );

  /** A number with its name, formula and a bar on the scale of all readings at gate
   *  1. */
  function meter(key, name, formula, full) {
    const most = Math.max(...readings.map((_, i) => full(i))) || 1;
    const value = h("span", { class: "dit-value" }),
      bar = h("span");
    const node = h(
      "div",
      { class: "dit-meter", "data-key": key },
      h("span", { class: "dit-name" }, name),
      value,
      h("span", { class: "dit-bar-of", "aria-hidden": "true" }, bar),
      h("span", { class: "dit-note" }, ...formula),
    );
    const show = number => (
      (value.textContent = short(number)),
      (node.dataset.value = number),
      (bar.style.width = `${(100 * number) / most}%`)
    );
    return { node, show, full };
  }
  function drawBlock() {
    const index = model.get("index"),
      g = model.get("gate"),
      F = branches.at(index),
      [gamma, beta, first] = starts[index];
    const added = F.map(value => g * value),
      after = x.values.map((value, i) => value + added[i]);
    [x.values, added, after].forEach((values, i) =>
      pictures[i].paint(values, value => (value / range + 1) * 127.5, SIGNED),
    );
    const change = norm(after.map((value, i) => value - x.values[i])) / norm(x.values),
      own = meters[1].full(index);
    [change, own, g * sensitivities[index]].forEach((value, i) =>
      meters[i].show(value),
    );
    const value = text => h("b", {}, text);
    formula.replaceChildren(
      "block(",
      symbol("x"),
      ") = ",
      symbol("x"),
      " + ",
      value(g.toFixed(2)),
      " · ",
      symbol("F"),
      "(",
      value(number(gamma)),
      " · LN(",
      symbol("x"),
      ") + ",
      value(number(beta)),
      ")",
    );
    story.replaceChildren(
      ...withSymbols(tell(g, first, own === 0 && sensitivities[index] === 0, change)),
    );
    gate.set(g);
    reading.set(index);
  }
  function tell(g, first, blind, change) {
    if (g === 0) {
      return (
        `The gate is 0: the block returns its input unchanged. Behind the gate, F ` +
        (blind
          ? "has the same output for every token and image."
          : "already has a different output for every token.")
      );
    }
    if (blind)
      return "F adds the same vector to every token, whatever the image. The block is not the identity, and no gradient reaches x through F.";
    const size = `at ${Math.round(100 * change)} % of their norm`;
    return first === 0
      ? `Training has to open this gate. At ${g.toFixed(2)} it adds a different vector to each token, ${size}.`
      : `The block adds a different vector to each token, ${size}: it is not the identity.`;
  }
  function drawSteps() {
    const index = model.get("index"),
      now = model.get("step"),
      at = (s, k) => gradients.at(index, s)[k];
    let asleep = 0;
    const woken = [];
    rows.forEach(({ name, value, cells }, k) => {
      cells.forEach((cell, s) => {
        const size = at(s, k),
          none = Number.isNaN(size),
          text = none ? "not in this model" : number(size, 2);
        cell.className = `dit-cell${none ? " dit-absent" : size === 0 ? " dit-zero" : ""}`;
        cell.style.setProperty(
          "--share",
          size > 0
            ? `${Math.round(14 + (86 * (Math.log10(size) - low)) / (high - low))}%`
            : "0%",
        );
        cell.textContent = none ? "–" : "";
        cell.dataset.norm = size;
        cell.title = `${groups[k]}, step ${s}: ${text}`;
        cell.setAttribute("aria-label", text);
      });
      const size = at(now, k),
        first = Array.from({ length: steps }, (_, s) => at(s, k)).findIndex(
          norm => norm > 0,
        );
      value.textContent = Number.isNaN(size) ? "–" : number(size, 2);
      asleep += size === 0;
      if (first === now) woken.push(groups[k]);
      name.className = `dit-group ${first === now ? "dit-woken" : size > 0 ? "" : "dit-asleep"}`;
    });
    const who = woken.length
      ? `${list(woken)} ${woken.length > 1 ? "receive their" : "receives its"} first gradient`
      : "no group is new";
    const rest =
      asleep === 0
        ? "every group gets one."
        : asleep === 1
          ? "one group still gets exactly 0."
          : `${asleep} groups still get exactly 0.`;
    sleep.textContent = `Step ${now}: ${who}; ${rest}`;
    chosen.style.gridColumn = now + 2;
    ticks.forEach((tick, s) => tick.classList.toggle("dit-woken", s === now));
    step.set(now);
  }
  model.on("change:index", () => (drawBlock(), drawSteps()));
  model.on("change:gate", drawBlock);
  model.on("change:step", drawSteps);
  drawBlock();
  drawSteps();
}
export default { render };
