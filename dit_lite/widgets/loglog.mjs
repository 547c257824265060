// Points, lines and bands over two logarithmic axes, redrawn by draw(). The text beside
// them says what they show.

const decade = value => Math.floor(Math.log10(value) + 1e-9);

/** Round values between two ends, at most `most` of them: powers of ten and their
 *  parts, or equal steps where the ends lie close together. */
function roundTicks([low, high], most) {
  const between = values => values.filter(v => v >= low * 0.999 && v <= high * 1.001);
  if (high / low > 3)
    for (const steps of [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5], [1, 3], [1]]) {
      const found = [];
      for (let e = decade(low); e <= decade(high); e++)
        for (const s of steps) found.push(s * 10 ** e);
      const inside = between(found);
      if (inside.length <= most && inside.length > 1) return inside;
    }
  const wide = (high - low) / most,
    unit = 10 ** decade(wide),
    step = unit * [1, 2, 5, 10].find(s => s * unit >= wide);
  const first = Math.ceil(low / step);
  return between(Array.from({ length: most + 2 }, (_, i) => (first + i) * step));
}

/** A size or a number of images: "38.4 k". */
const short = value =>
  value >= 1e6
    ? `${+(value / 1e6).toPrecision(3)} M`
    : value >= 1e3
      ? `${+(value / 1e3).toPrecision(3)} k`
      : String(+value.toPrecision(3));

function loglog({ title, xName, yName, xMost = 5, yMost = 5 }) {
  const area = h("div", { class: "dit-area dit-log" });
  const node = h(
    "figure",
    { class: "dit-plot", "aria-hidden": "true" },
    h("div", { class: "dit-title" }, title),
    area,
    h("div", { class: "dit-note dit-log-x" }, xName),
  );

  function draw({ x, y, bands = [], lines = [], dots = [], labels = [] }) {
    const left = v => (100 * Math.log(v / x[0])) / Math.log(x[1] / x[0]),
      top = v => 100 - (100 * Math.log(clamp(v, ...y) / y[0])) / Math.log(y[1] / y[0]);
    const put = (part, px, py) => (
      (part.style.left = `${left(px)}%`), (part.style.top = `${top(py)}%`), part
    );
    const at = (px, py) => `${left(px).toFixed(2)},${top(py).toFixed(2)}`;
    const color = name => `var(--dit-${name})`;
    area.replaceChildren(
      svg(
        "svg",
        { viewBox: "0 0 100 100", preserveAspectRatio: "none" },
        ...roundTicks(y, yMost).map(v =>
          svg("line", { class: "dit-grid", x1: 0, x2: 100, y1: top(v), y2: top(v) }),
        ),
        ...bands.map(band =>
          svg("polygon", {
            style: `fill: ${color(band.color)}; fill-opacity: 0.2`,
            points: [
              ...band.points.map(([px, low]) => at(px, low)),
              ...band.points
                .slice()
                .reverse()
                .map(([px, , high]) => at(px, high)),
            ].join(" "),
          }),
        ),
        ...lines.map(line =>
          svg("polyline", {
            style: `stroke: ${color(line.color)}`,
            "stroke-dasharray": line.dashed ? "5 4" : null,
            points: line.points.map(point => at(...point)).join(" "),
          }),
        ),
      ),
      ...dots.map(dot =>
        put(
          h("span", {
            class: `dit-dot dit-log-dot${dot.hollow ? " dit-log-hollow" : ""}`,
            style: `--dot: ${color(dot.color)}`,
          }),
          dot.x,
          dot.y,
        ),
      ),
      ...roundTicks(x, xMost).map(v =>
        put(h("span", { class: "dit-tick dit-tick-x" }, short(v)), v, y[0]),
      ),
      ...roundTicks(y, yMost).map(v =>
        put(h("span", { class: "dit-tick dit-tick-y" }, short(v)), x[0], v),
      ),
      ...labels.map(label =>
        put(
          h(
            "span",
            { class: "dit-direct", style: `color: ${color(label.color)}` },
            label.text,
          ),
          label.x,
          label.y,
        ),
      ),
      h("span", { class: "dit-tick dit-log-y" }, yName),
    );
  }
  return { node, draw };
}
