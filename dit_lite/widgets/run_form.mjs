// The form in which the cost explorers take a run { name: option or number }, the tiles
// that show its numbers, and the address that holds it. Needs base, formulas, bills.

const PRECISIONS = {
    fp32: "fp32",
    tf32: "TF32 products",
    bf16: "bf16, fp32 weights",
    bf16_weights: "bf16, fp32 master",
  },
  CHECKPOINTING = {
    none: "kept",
    block: "recomputed by block",
    sqrt: "recomputed by √L blocks",
  };
const asOptions = names => Object.fromEntries(names.map(name => [name, name]));

/** Controls of model's "run", and `show(run, values)`, which sets them. `own` names the
 *  numbers that are the machine's where the run does not hold them; `before` runs
 *  before a change is put. */
function runForm({ model, table, sizes, patches, own, before = () => {} }) {
  const fields = {},
    inputs = [],
    problem = h("p", { class: "dit-cost-problem", role: "status" });
  const presets = Object.entries(sizes),
    downsampling = run => table.choices.space[run.space].downsampling;

  /** The name of a run's size, where it has one. */
  const named = run =>
    presets.find(([, size]) =>
      size.every((n, i) => n === [run.width, run.depth, run.heads][i]),
    )?.[0];

  /** Changes the run and adapts whatever no longer fits; returns what is wrong, or
   *  "". */
  function set(change) {
    const run = { ...model.get("run"), ...change },
      step = downsampling(run);
    if ("space" in change)
      run.image_size = Math.max(step, Math.round(run.image_size / step) * step);
    if ("space" in change || "image_size" in change)
      run.patch_size =
        patches.findLast(
          p => p <= run.patch_size && run.image_size % (p * step) === 0,
        ) ?? patches[0];
    if ("machine" in change) for (const name of own) delete run[name];
    const message = wrong(table, run);
    if (message) return message;
    before();
    put(model, "run", run);
    return "";
  }
  function settle(message = "", of = null) {
    tell(problem, message);
    for (const input of inputs) input.toggleAttribute("aria-invalid", false);
    if (message && of) of.setAttribute("aria-invalid", "true");
  }

  function numeric(name, label, { unit = 1, wide = "" } = {}) {
    const input = h("input", {
      type: "number",
      inputmode: "decimal",
      step: "any",
      "aria-label": label,
      oninput: () => {
        const value = input.value.trim() === "" ? NaN : unit * Number(input.value),
          alone = { ...model.get("run"), heads: 1, patch_size: 1, [name]: value };
        settle(wrong(table, alone, name) || set({ [name]: value }), input);
      },
    });
    inputs.push(input);
    fields[name] = value => {
      if (document.activeElement !== input || Number(input.value) * unit !== value)
        input.value = +(value / unit).toPrecision(12);
    };
    return field(label, input, wide);
  }
  function select(name, label, options, wide = "") {
    const node = h(
      "select",
      { "aria-label": label, onchange: () => settle(set({ [name]: node.value })) },
      ...Object.entries(options).map(([value, text]) => h("option", { value }, text)),
    );
    fields[name] = value => (node.value = value);
    return field(label, node, wide);
  }
  function oneOf(name, label, options, { wide = "dit-cost-bars", change } = {}) {
    const control = segmented({
      label,
      options: Object.entries(options).map(([value, name]) => ({ value, name })),
      value: null,
      visible: false,
      change: value => settle(set(change ? change(value) : { [name]: value })),
    });
    fields[name] = value => control.set(String(value));
    return field(label, control.node, wide);
  }
  const group = (title, ...controls) =>
    h(
      "div",
      { class: "dit-cost-group", role: "group", "aria-label": title },
      h("div", { class: "dit-eyebrow" }, title),
      h("div", { class: "dit-cost-fields" }, ...controls),
    );

  const size = oneOf("size", "size", asOptions(Object.keys(sizes)), {
    change(name) {
      const [width, depth, heads] = sizes[name];
      return { width, depth, heads };
    },
  });
  const patch = oneOf("patch_size", "patch P", asOptions(patches), {
    change: value => ({ patch_size: Number(value) }),
  });
  const shape = [
    size,
    numeric("width", "width D"),
    numeric("depth", "blocks L"),
    numeric("heads", "heads h"),
    numeric("image_size", "side, pixels"),
  ];

  function show(run, values) {
    for (const [name, assign] of Object.entries(fields))
      assign(name === "size" ? named(run) : values[name]);
    patch.querySelectorAll("input").forEach((input, i) => {
      input.disabled = run.image_size % (patches[i] * downsampling(run)) > 0;
      input.parentNode.classList.toggle("dit-cost-off", input.disabled);
    });
  }
  const label = run =>
    named(run) ? `DiT-${named(run)}/${run.patch_size}` : "This model";
  return { numeric, select, oneOf, group, shape, patch, show, label, settle, problem };
}

/** One number each: [[key, name, format]]; show({ key: value }), or nothing. */
function tilesOf(facts) {
  const values = facts.map(() => h("span", { class: "dit-value" }));
  const node = h(
    "div",
    { class: "dit-cost-tiles" },
    ...facts.map(([key, name], i) =>
      h("div", { "data-key": key }, values[i], h("span", { class: "dit-name" }, name)),
    ),
  );
  const show = known =>
    facts.forEach(([key, , format], i) => {
      tell(values[i], known ? format(known[key]) : "–");
      if (known) values[i].parentNode.dataset.value = known[key];
    });
  return { node, show };
}

/** Draws whenever one of `keys` changes, and holds `state()` in the address, behind
 *  `mark`, where the page is one of its own; `accept(given)` takes what an address
 *  holds, and returns whether it was valid. */
function heldInAddress({
  model,
  el,
  mark,
  keys,
  table,
  first,
  state,
  accept,
  draw,
  reset,
}) {
  const shares = window === window.top && !("jpThemeLight" in document.body.dataset),
    said = h("span", { class: "dit-note", role: "status" });
  let waiting;
  function remember() {
    clearTimeout(waiting);
    if (!shares) return;
    try {
      history.replaceState(history.state, "", toAddress(mark, state()));
    } catch {
      /* a page that may not name its state still works */
    }
  }
  function arrive() {
    const given = shares && fromAddress(mark, location.hash, table, first);
    if (given && accept(given))
      requestAnimationFrame(() => el.scrollIntoView({ block: "start" }));
  }
  const copy = button("copy link", async () => {
    remember();
    try {
      await navigator.clipboard.writeText(location.href);
      tell(said, "Copied.");
    } catch {
      tell(said, "The address of this page is the link.");
    }
  });
  const again = button("start again", reset);
  function begin() {
    for (const key of keys)
      model.on(`change:${key}`, () => {
        draw();
        clearTimeout(waiting);
        waiting = setTimeout(remember, 250);
      });
    window.addEventListener("hashchange", arrive);
    draw();
    arrive();
  }
  return {
    node: h("div", { class: "dit-controls" }, ...(shares ? [copy] : []), again, said),
    begin,
  };
}
