// Shared by the explorers and prepended to each of them, so that every fragment is
// self-contained.

const SVG = Object.assign(document.createElement("div"), { innerHTML: "<svg></svg>" })
  .firstChild.namespaceURI;
const TYPES = { uint8: Uint8Array, float32: Float32Array };

function build(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null)
      node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}
/** An element: h("p", { class: "dit-note", onclick }, "text", child). */
const h = (tag, attributes = {}, ...children) =>
  build(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  build(document.createElementNS(SVG, tag), attributes, children);
/** Text with <em>, <code>, <sub>: Python has checked that it contains nothing else. */
const markup = (tag, attributes, html) =>
  Object.assign(h(tag, attributes), { innerHTML: html });
/** A symbol with an index, as in formulas. */
const symbol = (letter, index = "") =>
  h("i", { class: "dit-symbol" }, letter, index && h("sub", {}, index));

/** Prepares the place of an explorer and returns the element to fill. */
function frame(model, el) {
  el.classList.add("dit-explorer");
  const [wide, phone] = model.get("height");
  el.style.setProperty("--wide", wide);
  el.style.setProperty("--phone", phone);
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("label"));
  for (const event of ["keydown", "keyup", "keypress"])
    el.addEventListener(event, e => e.stopPropagation()); // JupyterLab takes arrow keys
  const body =
    el.querySelector(".dit-body") ?? el.appendChild(h("div", { class: "dit-body" }));
  const status = h("p", { class: "dit-status", role: "status" });
  const report = () => (status.textContent = model.get("status"));
  model.on("change:status", report);
  report();
  body.replaceChildren(status);
  return body;
}

/** Sets a value of the state and tells the kernel, if there is one. */
function put(model, key, value) {
  model.set(key, value);
  model.save_changes();
}

let names = 0;
const unique = () => `dit-${Math.random().toString(36).slice(2)}-${names++}`;

/** A range with its label and its value in words; `set` moves it without an event. */
function slider({ label, min, max, step, value, format = String, input }) {
  const output = h("output", { class: "dit-value" });
  const range = h("input", {
    type: "range",
    min,
    max,
    step,
    value,
    "aria-label": label,
    oninput: () => (show(), input(+range.value)),
  });
  const show = () => {
    output.textContent = format(+range.value);
    range.setAttribute("aria-valuetext", output.textContent);
  };
  show();
  const node = h(
    "label",
    { class: "dit-slider" },
    h("span", { class: "dit-name" }, label),
    range,
    output,
  );
  return { node, range, set: value => ((range.value = value), show()) };
}

/** One of a few: radio buttons that look like one bar. options: [{ value, name,
 *  content }]. */
function segmented({ label, options, value, change, visible = true }) {
  const group = unique();
  const inputs = options.map(option =>
    h("input", {
      type: "radio",
      name: group,
      "aria-label": option.name,
      checked: option.value === value,
      onchange: () => change(option.value),
    }),
  );
  const bar = h(
    "div",
    { class: "dit-bar" },
    ...options.map((option, i) =>
      h("label", { class: "dit-option" }, inputs[i], option.content ?? option.name),
    ),
  );
  bar.classList.toggle(
    "dit-digits",
    options.length === 10 &&
      options.every(({ name, content }) => !content && String(name).length === 1),
  );
  const node = h(
    "div",
    { class: "dit-segmented", role: "radiogroup", "aria-label": label },
    ...(visible ? [h("span", { class: "dit-name" }, label)] : []),
    bar,
  );
  return {
    node,
    inputs,
    set: value =>
      inputs.forEach((input, i) => (input.checked = options[i].value === value)),
  };
}

const button = (label, click, attributes = {}) =>
  h(
    "button",
    { type: "button", class: "dit-button", onclick: click, ...attributes },
    label,
  );

/** An array of the state: at(i, j, ...) is the part of it with these leading
 *  indices. */
function tensor({ dtype, shape, data }) {
  const values = new TYPES[dtype](
    data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
  );
  const stride = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const at = (...index) => {
    const start = index.reduce((sum, i, axis) => sum + i * stride[axis], 0);
    return values.subarray(
      start,
      start + (index.length ? stride[index.length - 1] : values.length),
    );
  };
  return { shape, values, at };
}

/** Blue below zero, orange above it: 256 colours from lowest to highest. */
const SIGNED = Array.from({ length: 256 }, (_, i) => {
  const stops = [
    [5, 58, 110],
    [66, 140, 196],
    [243, 243, 241],
    [222, 127, 52],
    [122, 46, 0],
  ];
  const place = (i / 255) * 4,
    low = Math.min(Math.floor(place), 3);
  return stops[low].map((from, c) =>
    Math.round(from + (place - low) * (stops[low + 1][c] - from)),
  );
});

/** A picture of H x W pixels, enlarged without smoothing. `level` maps a value to
 *  0..255, `colors` maps that to a colour. */
function tile(height, width, label = "") {
  const named = label
    ? { role: "img", "aria-label": label }
    : { "aria-hidden": "true" };
  const node = h("canvas", { class: "dit-tile", width, height, ...named });
  const context = node.getContext("2d"),
    image = context.createImageData(width, height),
    clamped = image.data;
  const paint = (values, level = value => value, colors = null) => {
    const channels = values.length / (width * height);
    for (let i = 0; i < width * height; i++) {
      const first = level(values[i * channels]);
      const color =
        colors && channels === 1
          ? colors[Math.round(Math.min(255, Math.max(0, first)))]
          : null;
      for (let c = 0; c < 3; c++)
        clamped[4 * i + c] = color
          ? color[c]
          : channels === 3
            ? level(values[3 * i + c])
            : first;
      clamped[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
  return { node, paint };
}

/** Lines over x with direct labels; mark(x, [y, ...]) moves the dots. series: [{
 *  name, color, points, at: [x, y] }]. */
function plot({ title, x, y, xTicks, yTicks, series }) {
  const left = value => (100 * (value - x[0])) / (x[1] - x[0]),
    top = value => 100 - (100 * (value - y[0])) / (y[1] - y[0]);
  const clip = value => Math.min(y[1], Math.max(y[0], value));
  const put = (node, px, py) => (
    (node.style.left = left(px) + "%"), (node.style.top = top(clip(py)) + "%"), node
  );
  const lines = svg(
    "svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...yTicks.map(([value]) =>
      svg("line", {
        class: "dit-grid",
        x1: 0,
        x2: 100,
        y1: top(value),
        y2: top(value),
      }),
    ),
    ...series.map(({ color, points }) =>
      svg("polyline", {
        style: `stroke: var(--dit-${color})`,
        points: points
          .map(([px, py]) => `${left(px).toFixed(2)},${top(clip(py)).toFixed(2)}`)
          .join(" "),
      }),
    ),
  );
  const rule = h("span", { class: "dit-rule" }),
    dots = series.map(({ color }) =>
      h("span", { class: "dit-dot", style: `background: var(--dit-${color})` }),
    );
  const area = h(
    "div",
    { class: "dit-area" },
    lines,
    rule,
    ...dots,
    ...xTicks.map(([value, name]) =>
      put(
        h("span", { class: "dit-tick dit-tick-x" }, name ?? String(value)),
        value,
        y[0],
      ),
    ),
    ...yTicks.map(([value, name]) =>
      put(
        h("span", { class: "dit-tick dit-tick-y" }, name ?? String(value)),
        x[0],
        value,
      ),
    ),
    ...series
      .filter(({ at }) => at)
      .map(({ name, color, at }) =>
        put(
          h("span", { class: "dit-direct", style: `color: var(--dit-${color})` }, name),
          ...at,
        ),
      ),
  );
  const node = h(
    "div",
    { class: "dit-plot", "aria-hidden": "true" },
    title && h("div", { class: "dit-title" }, title),
    area,
  ); // its numbers are in text
  const mark = (px, values) => (
    (rule.style.left = left(px) + "%"),
    dots.forEach((dot, i) => put(dot, px, values[i]))
  );
  return { node, mark };
}

const power = exponent =>
  "10" +
  [...String(exponent)].map(c => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");

/** A number for reading: digits significant, powers of ten where it is very large or
 *  small, a real minus. */
function number(value, digits = 3) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size && (size >= 1e7 || size < 1e-4)) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${+mantissa === 1 ? "" : String(+mantissa).replace("-", "−") + " × "}${power(+exponent)}`;
  }
  return value
    .toLocaleString("en-US", { maximumSignificantDigits: digits })
    .replace("-", "−");
}
