// What a device holds in a training step, by term. state: table { inputs, choices,
// formulas, machines }; sizes { name: [width, depth, heads] }; batches; switches
// { name: [[value, text]] }; size; run { input or option: value }

const TERMS = [
  ["weights_memory", "weights", "blue"],
  ["gradients_memory", "gradients", "sky"],
  ["moments_memory", "optimiser moments", "green"],
  ["master_memory", "fp32 master copy", "amber"],
  ["ema_memory", "average (EMA)", "purple"],
  ["copies_memory", "16-bit copies of the weights", "edge"],
  ["activations_memory", "activations", "red"],
];
const NAMES = {
  precision: "precision",
  kernel: "attention",
  checkpointing: "activations",
  optimiser: "optimiser",
  accumulation: "accumulation",
};

function render({ model, el }) {
  const body = frame(model, el);
  const table = model.get("table"),
    sizes = model.get("sizes"),
    batches = model.get("batches"),
    switches = model.get("switches"),
    cost = calculator(table);
  const configured = (run, size) => {
    const [width, depth, heads] = sizes[size];
    return { ...run, width, depth, heads };
  };
  const change = values => put(model, "run", { ...model.get("run"), ...values });

  const controls = [
    segmented({
      label: "model",
      options: Object.keys(sizes).map(name => ({ value: name, name: `${name}/2` })),
      value: model.get("size"),
      change: value => put(model, "size", value),
    }),
    ...Object.entries(switches).map(([name, options]) =>
      segmented({
        label: NAMES[name],
        options: options.map(([value, text]) => ({ value, name: text })),
        value: model.get("run")[name],
        change: value => change({ [name]: value }),
      }),
    ),
    segmented({
      label: "device",
      options: Object.keys(table.machines).map(name => ({ value: name, name })),
      value: model.get("run").machine,
      change: value => change({ machine: value }),
    }),
  ];
  const batch = slider({
    label: "images per step",
    min: 0,
    max: batches.length - 1,
    step: 1,
    value: batches.indexOf(model.get("run").batch),
    format: i => String(batches[i]),
    input: i => change({ batch: batches[i] }),
  });

  const story = h("output", { class: "dit-story", "aria-live": "polite" });
  const pieces = TERMS.map(([key, , color]) =>
    h("span", { "data-key": key, style: `background: var(--dit-${color})` }),
  );
  const limit = h("span", { class: "dit-memory-limit" });
  const bar = h("div", { class: "dit-memory-bar", "aria-hidden": "true" }, ...pieces);
  bar.append(limit);
  const rows = TERMS.map(([key, name, color]) => {
    const value = h("span", { class: "dit-value" }),
      share = h("span", { class: "dit-value dit-note" });
    return {
      key,
      value,
      share,
      node: h(
        "div",
        { class: "dit-memory-row", "data-key": key },
        h("span", {
          class: "dit-memory-swatch",
          style: `background: var(--dit-${color})`,
        }),
        h("span", {}, name),
        value,
        share,
      ),
    };
  });
  body.append(
    story,
    h("div", { class: "dit-controls" }, ...controls.map(({ node }) => node)),
    batch.node,
    bar,
    h("div", { class: "dit-memory-rows" }, ...rows.map(({ node }) => node)),
    h(
      "div",
      { class: "dit-note" },
      "Not counted: library buffers, fragmentation, and memory kept by a compiler.",
    ),
  );

  function draw() {
    const size = model.get("size"),
      run = configured(model.get("run"), size);
    run.accumulation = Math.min(run.accumulation, run.batch);
    const known = cost(run),
      room = known.memory * 1e9,
      total = known.total_memory,
      whole = Math.max(total, room);
    TERMS.forEach(([key], i) => {
      pieces[i].style.width = `${(100 * known[key]) / whole}%`;
      tell(rows[i].value, inBytes(known[key]));
      tell(rows[i].share, percent(known[key] / total));
      rows[i].node.dataset.value = known[key];
    });
    limit.style.left = `${(100 * room) / whole}%`;
    const most = [...batches].reverse().find(
      count =>
        cost({
          ...run,
          batch: count,
          accumulation: Math.min(run.accumulation, count),
        }).total_memory <= room,
    );
    const state = total - known.activations_memory;
    tell(
      story,
      `DiT-${size}/2 on ${run.machine} needs ${inBytes(total)} of ${inBytes(room)}: ` +
        `${inBytes(state)} at any batch size, and ${inBytes(known.activations_memory)} for ` +
        `the activations of ${number(known.micro_batch, 6)} ` +
        `${known.micro_batch === 1 ? "image" : "images"}. ` +
        (most
          ? `With these settings ${most === batches.at(-1) ? "at least " : ""}${most} images per step fit.`
          : "With these settings not even one image fits."),
    );
    el.dataset.results = JSON.stringify(known);
  }
  model.on("change:run", draw);
  model.on("change:size", draw);
  draw();
}
export default { render };
