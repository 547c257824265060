// Numbers with their units, and bars of what a sum is made of. Needs base.

/** Three digits with the largest unit that fits: units [[from, size, name]]. */
function scaled(value, units, digits = 3) {
  const [, size, unit] = units.find(([from]) => value >= 0.9995 * from) ?? units.at(-1);
  return `${number(value / size, digits)} ${unit}`.trim();
}
const steps = (...names) =>
  names.map((name, i) => [
    1000 ** (names.length - 1 - i),
    1000 ** (names.length - 1 - i),
    name,
  ]);
const COUNTS = steps("P", "T", "G", "M", "k", ""),
  BYTES = steps("TB", "GB", "MB", "kB", "B"),
  [DAY, YEAR] = [86400, 31557600];
const TIMES = [
  [2 * YEAR, YEAR, "years"],
  [3 * DAY, DAY, "days"],
  [7200, 3600, "h"],
  [120, 60, "min"],
  [1, 1, "s"],
  [1e-3, 1e-3, "ms"],
  [1e-6, 1e-6, "µs"],
];
const count = value => scaled(value, COUNTS),
  macs = value => scaled(value, COUNTS, 4),
  inBytes = value => scaled(value, BYTES),
  duration = value => scaled(value, TIMES);
const money = value =>
  `$${value < 10 ? value.toFixed(2) : number(Math.round(value), value < 1e6 ? 6 : 3)}`;
const percent = share =>
  share > 0 && share < 5e-4
    ? "< 0.1 %"
    : `${(100 * share).toFixed(share && (share < 0.0995 || (share > 0.9 && share < 1)) ? 1 : 0)} %`;
const tell = (node, text) => node.textContent !== text && (node.textContent = text);

/** A control with its name above it. */
const field = (name, control, wide = "") =>
  h(
    control.matches("div") ? "div" : "label",
    { class: "dit-cost-field " + wide },
    h("span", { class: "dit-name" }, ...[name].flat()),
    control,
  );

/** A bar of parts with a legend: parts [{ key, name, formula, color }]; show({ key:
 *  value }, whole, limit). */
function stack(title, parts, format) {
  const head = h("span", { class: "dit-value" }),
    note = h("div", { class: "dit-note" }),
    limit = h("span", { class: "dit-cost-limit" });
  const rows = parts.map(({ key, name, formula = [], color }) => {
    const piece = h("span", { style: `background: var(--dit-${color})` }),
      value = h("span", { class: "dit-value" }),
      share = h("span", { class: "dit-value dit-cost-share" });
    const swatch = h("span", {
      class: "dit-cost-swatch",
      style: `background: var(--dit-${color})`,
    });
    const node = h(
      "div",
      { class: "dit-cost-row", "data-key": key },
      swatch,
      h("span", {}, name, " ", h("span", { class: "dit-cost-formula" }, ...formula)),
      value,
      share,
    );
    return { key, piece, value, share, node };
  });
  const bar = h(
    "div",
    { class: "dit-cost-bar", "aria-hidden": "true" },
    ...rows.map(({ piece }) => piece),
    limit,
  );
  const node = h(
    "div",
    { class: "dit-cost-stack" },
    h("div", { class: "dit-cost-title" }, h("span", {}, title), head),
    bar,
    note,
    h("div", { class: "dit-cost-rows" }, ...rows.map(({ node }) => node)),
  );
  function show(values, ceiling = 0) {
    const whole = parts.reduce((sum, { key }) => sum + values[key], 0),
      end = Math.max(whole, ceiling);
    rows.forEach(({ key, piece, value, share, node }) => {
      piece.style.width = `${(100 * values[key]) / end}%`;
      tell(value, values[key] ? format(values[key]) : "0");
      tell(share, percent(values[key] / whole));
      node.classList.toggle("dit-cost-none", !values[key]);
      node.dataset.value = values[key];
    });
    limit.hidden = !ceiling;
    limit.style.left = `${(100 * ceiling) / end}%`;
    node.classList.toggle("dit-cost-over", ceiling > 0 && whole > ceiling);
    return whole;
  }
  return { node, show, head, note };
}
