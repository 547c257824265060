// One score against another along a knob; which setting each score would choose;
// samples made at the setting chosen. state: axes [{ name, values }], the first the
// knob; names of the scores; lower, whether less is better; scores float32 (scores,
// ...axes, 3) of value, low, high, NaN where not measured; real float32 (scores, 3);
// samples uint8 (...axes, n, H, W[, 3]) and their columns on a wide page and on a
// phone; index; x, y; by, -1 for by hand

const VALUE = 0,
  LOW = 1,
  HIGH = 2;
const ROOM = [320, 250]; // pixels of the plot's area on the smallest phone
const joined = words =>
  words.length < 3
    ? words.join(" and ")
    : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
const interval = ([value, low, high]) =>
  `${number(value)} [${number(low)}, ${number(high)}]`;
const capital = text => text[0].toUpperCase() + text.slice(1);

/** Round values across a range, about `count` of them. */
function rounded([low, high], count) {
  const rough = (high - low) / count,
    size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find(factor => 1.4 * factor * size >= rough);
  const first = Math.ceil(low / step),
    last = Math.floor(high / step);
  return Array.from(
    { length: last - first + 1 },
    (_, i) => +((first + i) * step).toPrecision(12),
  );
}

/** From the lowest to the highest end of the intervals, with a margin. */
function extent(triples) {
  const ends = triples
    .flatMap(([, low, high]) => [low, high])
    .filter(value => !Number.isNaN(value));
  const low = Math.min(...ends),
    high = Math.max(...ends),
    margin = 0.1 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - margin, high + margin];
}

/** How far a point is from the line between two others. */
function away([px, py], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay],
    t = Math.max(
      0,
      Math.min(1, ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy || 1)),
    );
  return Math.hypot(px - ax - t * dx, py - ay - t * dy);
}

/** Places for texts beside their points, all in percent: items [{ at, text, rank }]
 *  and lines that should not be covered. Without room an item is left out, unless
 *  its rank is 0. */
function places(items, lines) {
  const [width, height] = ROOM,
    scaled = ([x, y]) => [(x / 100) * width, (y / 100) * height],
    obstacles = lines.map(ends => ends.map(scaled));
  const around = [
      [1, -1],
      [-1, -1],
      [1, 1],
      [-1, 1],
      [0, -1],
      [0, 1],
      [1, 0],
      [-1, 0],
    ],
    taken = [];
  return items
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ at, text, rank, kind }) => {
      const [x, y] = scaled(at),
        half = 3.8 * text.length;
      const room = ([px, py]) =>
        px < half - 4 || px > width - half + 4 || py < 6 || py > height - 6
          ? -99
          : Math.min(
              12,
              ...obstacles.flatMap(([a, b]) =>
                [-1, -0.5, 0, 0.5, 1].map(
                  part => away([px + part * half, py], a, b) - 5,
                ),
              ),
              ...taken.map(([tx, ty, other]) =>
                Math.max(Math.abs(tx - px) - other - half, Math.abs(ty - py) - 13),
              ),
            );
      const spots = [1, 1.8].flatMap(far =>
        around.map(([right, down]) => [
          x + right * (half + 8 * far),
          y + down * 14 * far,
        ]),
      );
      const worth = spots.map(
          (spot, i) => Math.min(room(spot), 6) - (i < around.length ? 0 : 2),
        ),
        most = Math.max(...worth);
      if (most < 0 && rank) return null;
      const [px, py] = spots[worth.indexOf(most)];
      taken.push([px, py, half]);
      return { text, kind, at: [(100 * px) / width, (100 * py) / height] };
    })
    .filter(Boolean);
}

/** A plot that can be redrawn; pick(i) is called with the setting nearest to a click or
 *  touch. */
function chart(pick) {
  const area = h("div", { class: "dit-area dit-eval-area", role: "img" });
  let points = [];
  area.addEventListener("click", ({ clientX, clientY }) => {
    if (!points.length) return;
    const box = area.getBoundingClientRect();
    const far = ({ left, top }) =>
      Math.hypot(
        (left / 100) * box.width - (clientX - box.left),
        (top / 100) * box.height - (clientY - box.top),
      );
    pick(points.reduce((one, other) => (far(other) < far(one) ? other : one)).i);
  });

  /** curves [[x, y] triples by setting], the first the one in use; texts of its
   *  settings; chosen, marked settings; real [x, y]; lower [x, y]. */
  function draw({ curves, texts, chosen, marked, real, lower, label }) {
    const [across, upwards] = [0, 1].map(axis =>
      extent([...curves.flat().map(pair => pair[axis]), real[axis]]),
    );
    const left = value => (100 * (value - across[0])) / (across[1] - across[0]),
      top = value => 100 - (100 * (value - upwards[0])) / (upwards[1] - upwards[0]);
    const there = ([x, y]) => !Number.isNaN(x[VALUE] + y[VALUE]),
      spot = ([x, y]) => [left(x[VALUE]), top(y[VALUE])];
    const line = (kind, [x1, y1], [x2, y2]) =>
      svg("line", { class: kind, x1, y1, x2, y2 });
    const cross = ([x, y]) => [
      [
        [left(x[LOW]), top(y[VALUE])],
        [left(x[HIGH]), top(y[VALUE])],
      ],
      [
        [left(x[VALUE]), top(y[LOW])],
        [left(x[VALUE]), top(y[HIGH])],
      ],
    ];
    const bars = (kind, pair) => cross(pair).map(([a, b]) => line(kind, a, b));
    const trail = (curve, kind) =>
      svg("polyline", {
        class: kind,
        points: curve
          .filter(there)
          .map(pair =>
            spot(pair)
              .map(v => v.toFixed(2))
              .join(),
          )
          .join(" "),
      });
    const put = (node, [x, y]) => (
      (node.style.left = `${x}%`), (node.style.top = `${y}%`), node
    );

    const [curve, ...others] = curves,
      [realX, realY] = real.map(triple => triple[VALUE]);
    const past = [];
    if (!Number.isNaN(realX))
      past.push([...(lower[0] ? [0, left(realX)] : [left(realX), 100]), 0, 100]);
    if (!Number.isNaN(realY))
      past.push([0, 100, ...(lower[1] ? [top(realY), 100] : [0, top(realY)])]);
    points = curve
      .map((pair, i) => ({ i, pair }))
      .filter(({ pair }) => there(pair))
      .map(({ i, pair }) => ({ i, pair, left: spot(pair)[0], top: spot(pair)[1] }));
    const both = there(real);
    const dashed = [
      ...(Number.isNaN(realX)
        ? []
        : [
            [
              [left(realX), 0],
              [left(realX), 100],
            ],
          ]),
      ...(Number.isNaN(realY)
        ? []
        : [
            [
              [0, top(realY)],
              [100, top(realY)],
            ],
          ]),
    ];
    const grid = [
      ...rounded(across, 5).map(v => line("dit-grid", [left(v), 0], [left(v), 100])),
      ...rounded(upwards, 4).map(v => line("dit-grid", [0, top(v)], [100, top(v)])),
    ];
    const picture = svg(
      "svg",
      { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...past.map(([x1, x2, y1, y2]) =>
        svg("rect", {
          class: "dit-eval-past",
          x: x1,
          y: y1,
          width: x2 - x1,
          height: y2 - y1,
        }),
      ),
      ...grid,
      ...dashed.map(([a, b]) => line("dit-eval-real", a, b)),
      ...others.map(other => trail(other, "dit-eval-other")),
      trail(curve, "dit-eval-curve"),
      ...points.flatMap(({ i, pair }) =>
        bars(i === chosen ? "dit-eval-bar dit-eval-strong" : "dit-eval-bar", pair),
      ),
      ...(both ? bars("dit-eval-bar dit-eval-real-bar", real) : []),
    );
    const dots = points.map(({ i, pair, left, top }) => {
      const kind =
        i === chosen ? "dit-eval-chosen" : marked.includes(i) ? "dit-eval-marked" : "";
      return put(
        h("span", {
          class: `dit-eval-point ${kind}`,
          "data-index": i,
          "data-x": pair[0][VALUE],
          "data-y": pair[1][VALUE],
        }),
        [left, top],
      );
    });
    if (both)
      dots.push(
        put(
          h("span", {
            class: "dit-eval-point dit-eval-real-point",
            "data-x": realX,
            "data-y": realY,
          }),
          spot(real),
        ),
      );

    const texted = points.map(({ i, ...at }) =>
      i === chosen
        ? {
            text: texts[i],
            at: [at.left, at.top],
            rank: 0,
            kind: "dit-eval-chosen-name",
          }
        : {
            text: texts[i],
            at: [at.left, at.top],
            rank: marked.includes(i) ? 1 : 3,
            kind: "",
          },
    );
    if (both)
      texted.push({
        text: "real images",
        at: spot(real),
        rank: 2,
        kind: "dit-eval-real-name",
      });
    const ways = points.slice(1).map(({ left, top }, i) => [
        [points[i].left, points[i].top],
        [left, top],
      ]),
      crosses = [...points.map(({ pair }) => pair), ...(both ? [real] : [])].flatMap(
        cross,
      );
    const labels = places(texted, [...ways, ...crosses, ...dashed]).map(
      ({ text, kind, at }) => put(h("span", { class: `dit-direct ${kind}` }, text), at),
    );
    area.replaceChildren(
      picture,
      ...dots,
      ...labels,
      ...rounded(across, 5).map(v =>
        put(h("span", { class: "dit-tick dit-tick-x" }, number(v)), [left(v), 100]),
      ),
      ...rounded(upwards, 4).map(v =>
        put(h("span", { class: "dit-tick dit-tick-y" }, number(v)), [0, top(v)]),
      ),
    );
    area.setAttribute("aria-label", label);
  }
  return { area, draw };
}

function render({ model, el }) {
  const body = frame(model, el),
    axes = model.get("axes"),
    [knob, ...others] = axes,
    count = knob.values.length,
    settings = knob.values.map((_, i) => i);
  const [scoreNames, lower] = [model.get("names"), model.get("lower")],
    scores = tensor(model.get("scores")),
    real = tensor(model.get("real")),
    compared = real.values.some(value => !Number.isNaN(value));
  const samples = tensor(model.get("samples")),
    [made, height, width] = samples.shape.slice(axes.length),
    [narrow, broad] = model.get("columns");

  const at = (k, i, rest = model.get("index").slice(1)) => scores.at(k, i, ...rest);
  const better = (k, a, b) => (lower[k] ? a < b : a > b);
  const best = k =>
    settings.reduce(
      (one, i) =>
        one < 0
          ? Number.isNaN(at(k, i)[VALUE])
            ? -1
            : i
          : better(k, at(k, i)[VALUE], at(k, one)[VALUE])
            ? i
            : one,
      -1,
    );
  const apart = (a, b) => a[LOW] > b[HIGH] || b[LOW] > a[HIGH];
  const past = (k, i) =>
    apart(at(k, i), real.at(k)) && better(k, at(k, i)[VALUE], real.at(k)[VALUE]);

  const choose = (i, by = -1) => (
    put(model, "by", by), put(model, "index", model.get("index").with(0, i))
  );
  const chooseBy = k => choose(best(k), k);
  const slide = slider({
    label: knob.name,
    min: 0,
    max: count - 1,
    step: 1,
    value: model.get("index")[0],
    format: i => knob.values[i],
    input: i => choose(i),
  });
  const curves = others.map(({ name, values }, j) =>
    segmented({
      label: name,
      value: model.get("index")[j + 1],
      options: values.map((text, value) => ({ value, name: text })),
      change: i => (
        put(model, "index", model.get("index").with(j + 1, i)),
        model.get("by") >= 0 && chooseBy(model.get("by"))
      ),
    }),
  );
  /** The score of an axis of the plot; choosing that of the other axis turns the
   *  plot over. */
  function score(axis, other, label) {
    const node = h(
      "select",
      {
        class: "dit-eval-select",
        "aria-label": label,
        onchange: () => {
          const [before, after] = [model.get(axis), +node.value];
          put(model, axis, after);
          if (after === model.get(other)) put(model, other, before);
        },
      },
      ...scoreNames.map((name, value) => h("option", { value }, name)),
    );
    return node;
  }
  const [xScore, yScore] = [
      score("x", "y", "score on the x axis"),
      score("y", "x", "score on the y axis"),
    ],
    [xWay, yWay] = [h("span", { class: "dit-note" }), h("span", { class: "dit-note" })];
  const plane = chart(i => choose(i));
  const tiles = Array.from({ length: made }, () => tile(height, width));
  const pictures = h(
    "div",
    {
      class: "dit-eval-pictures",
      role: "img",
      style: `--narrow: ${narrow}; --broad: ${broad}`,
    },
    ...tiles.map(({ node }) => node),
  );
  const story = h("output", {
    class: "dit-story dit-eval-story",
    "aria-live": "polite",
  });

  const group = unique(),
    hidden = { "aria-hidden": "true" },
    column = i => ({ ...hidden, onclick: () => choose(i) });
  const ticks = settings.map(i =>
    h("span", { class: "dit-eval-tick", ...column(i) }, knob.values[i]),
  );
  const rows = scoreNames.map((name, k) => {
    const input = h("input", {
      type: "radio",
      name: group,
      "aria-label": name,
      onchange: () => chooseBy(k),
    });
    const cells = settings.map(i => h("span", column(i))),
      value = h("span", { class: "dit-value" });
    const own = real.at(k),
      yard = Number.isNaN(own[VALUE]) ? "–" : number(own[VALUE]);
    const node = h(
      "div",
      { class: "dit-eval-row", "data-score": name },
      h(
        "label",
        { class: "dit-option dit-eval-by" },
        input,
        h("span", {}, name),
        h("span", hidden, lower[k] ? "↓" : "↑"),
      ),
      ...cells,
      value,
      h("span", { class: "dit-value dit-note dit-eval-yard" }, compared ? yard : ""),
    );
    return { node, input, cells, value };
  });
  const frameOf = h(
      "div",
      { class: "dit-eval-row dit-eval-frame", ...hidden },
      h("span"),
    ),
    swatch = kind => h("span", { class: `dit-eval-cell ${kind}` });
  const table = h(
    "div",
    {
      class: "dit-eval-table",
      role: "radiogroup",
      "aria-label": "choose the setting by",
      style: `--count: ${count}`,
    },
    frameOf,
    h(
      "div",
      { class: "dit-eval-row dit-eval-head" },
      h("span", { class: "dit-name" }, "choose it by"),
      ...ticks,
      h("span", { class: "dit-note" }, "here"),
      h("span", { class: "dit-note dit-eval-yard" }, compared ? "real" : ""),
    ),
    ...rows.map(({ node }) => node),
  );

  body.append(
    ...(others.length
      ? [h("div", { class: "dit-controls" }, ...curves.map(({ node }) => node))]
      : []),
    h(
      "div",
      { class: `dit-eval-stage${made ? "" : " dit-eval-bare"}` },
      h(
        "div",
        { class: "dit-eval-plot" },
        h("div", { class: "dit-eval-axis" }, yScore, yWay),
        plane.area,
        h("div", { class: "dit-eval-axis dit-eval-across" }, xWay, xScore),
      ),
      h(
        "div",
        { class: "dit-eval-made" },
        slide.node,
        ...(made
          ? [pictures, h("span", { class: "dit-note" }, "samples made at this setting")]
          : []),
      ),
    ),
    story,
    table,
    h(
      "div",
      { class: "dit-legend" },
      h("span", {}, swatch("dit-eval-best"), " best by this score"),
      h("span", {}, swatch("dit-eval-even"), " interval overlaps the best one's"),
      ...(compared
        ? [h("span", {}, swatch("dit-eval-beyond"), " better than real images")]
        : []),
      ...(compared
        ? [
            h(
              "span",
              {},
              h("span", { class: "dit-eval-point dit-eval-real-point" }),
              " real against real images",
            ),
          ]
        : []),
      h("span", {}, "bars in the plot: intervals"),
    ),
  );

  function draw() {
    const index = model.get("index"),
      [now, ...rest] = index,
      by = model.get("by"),
      x = model.get("x"),
      y = model.get("y");
    const combinations = others
      .reduce(
        (list, { values }) => list.flatMap(some => values.map((_, i) => [...some, i])),
        [[]],
      )
      .filter(some => some.join() !== rest.join());
    const curve = some => settings.map(i => [at(x, i, some), at(y, i, some)]);
    [xScore.value, yScore.value] = [x, y];
    xWay.textContent = lower[x] ? "← lower is better" : "higher is better →";
    yWay.textContent = lower[y] ? "↓ lower is better" : "↑ higher is better";
    plane.draw({
      curves: [rest, ...combinations].map(curve),
      texts: knob.values,
      chosen: now,
      marked: [best(x), best(y)],
      real: [real.at(x), real.at(y)],
      lower: [lower[x], lower[y]],
      label: `${scoreNames[y]} against ${scoreNames[x]}, one point per ${knob.name}`,
    });
    const here = `${knob.name} = ${knob.values[now]}`;
    pictures.setAttribute("aria-label", `${made} samples at ${here}`);
    tiles.forEach(({ paint }, i) => paint(samples.at(...index, i)));
    slide.set(now);
    curves.forEach((control, j) => control.set(rest[j]));
    frameOf.firstChild.style.gridColumn = now + 2;
    ticks.forEach((tick, i) => tick.classList.toggle("dit-eval-now", i === now));
    rows.forEach(({ input, cells, value }, k) => {
      const top = best(k),
        values = settings.map(i => at(k, i)[VALUE]),
        known = values.filter(v => !Number.isNaN(v)),
        low = Math.min(...known),
        high = Math.max(...known);
      input.checked = by === k;
      cells.forEach((cell, i) => {
        const triple = at(k, i),
          none = Number.isNaN(triple[VALUE]),
          good = (triple[VALUE] - low) / (high - low || 1);
        const mark = none
          ? "dit-eval-none"
          : i === top
            ? "dit-eval-best"
            : apart(triple, at(k, top))
              ? ""
              : "dit-eval-even";
        cell.className = `dit-eval-cell ${mark} ${!none && past(k, i) ? "dit-eval-beyond" : ""}`;
        cell.style.setProperty(
          "--share",
          `${none ? 0 : Math.round(8 + 72 * (lower[k] ? 1 - good : good))}%`,
        );
        cell.dataset.value = triple[VALUE];
        cell.title = `${scoreNames[k]} at ${knob.name} = ${knob.values[i]}: ${none ? "not measured" : interval(triple)}`;
      });
      const triple = at(k, now);
      value.replaceChildren(
        ...(Number.isNaN(triple[VALUE])
          ? ["–"]
          : [
              number(triple[VALUE]),
              h(
                "span",
                { class: "dit-note dit-eval-range" },
                ` ${number(triple[LOW])} to ${number(triple[HIGH])}`,
              ),
            ]),
      );
    });
    story.textContent = tell(now, by, x, y, here);
  }

  function tell(now, by, x, y, here) {
    const chosen = new Set(scoreNames.map((_, k) => best(k))).size,
      gone = scoreNames.filter(
        (_, k) => !Number.isNaN(at(k, now)[VALUE]) && past(k, now),
      );
    const even =
      by < 0
        ? []
        : settings
            .filter(
              i =>
                i !== now &&
                !Number.isNaN(at(by, i)[VALUE]) &&
                !apart(at(by, i), at(by, now)),
            )
            .map(i => knob.values[i]);
    const as = even.length
      ? `; ${joined(even)} ${even.length > 1 ? "are" : "is"} equally good within the intervals`
      : "";
    const first = `Chosen by ${by < 0 ? "hand" : scoreNames[by]}: ${here}${as}.`;
    const [from, to] = [best(x), best(y)],
      moves = [y, x].flatMap(k => {
        const [before, after] = [at(k, from), at(k, to)];
        if (Number.isNaN(before[VALUE] + after[VALUE])) return [];
        if (!apart(before, after)) return [`the intervals of ${scoreNames[k]} overlap`];
        return [
          `${scoreNames[k]} ${after[VALUE] > before[VALUE] ? "rises" : "falls"} from ${number(before[VALUE])} to ${number(after[VALUE])}`,
        ];
      });
    const trade =
      from === to
        ? `${capital(scoreNames[x])} and ${scoreNames[y]} choose the same setting, ${knob.values[to]}.`
        : `${capital(scoreNames[x])} chooses ${knob.values[from]}, ${scoreNames[y]} ${knob.values[to]}${moves.length ? `: from ${knob.values[from]} to ${knob.values[to]}, ${joined(moves)}` : ""}.`;
    const all = `The ${scoreNames.length} scores choose ${chosen === 1 ? "the same setting" : `${chosen} different settings`}.`;
    const yard = gone.length
      ? `Better than real images, so not a measure of realism alone: ${joined(gone)}.`
      : "";
    return [first, trade, all, yard].filter(Boolean).join(" ");
  }
  for (const key of ["index", "x", "y", "by"]) model.on("change:" + key, draw);
  draw();
}
export default { render };
