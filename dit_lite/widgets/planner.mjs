// Which way to split a training over a cluster: the layouts that fit, fastest first, and
// what the chosen one costs by term. state: table { inputs, choices, formulas, machines }
// as in cost_formulas.json; layouts { choices, formulas } as in layout_formulas.json;
// rules { shares, overlaps, least_tokens, fill }; sizes; patches; run: what is chosen;
// chosen: "data.tensor.stages.micro.split", "" for the fastest

const MARK = "#plan:",
  OWN = ["peak", "share", "memory", "link", "network", "latency"],
  SPLITS = { ddp: "", zero1: "ZeRO-1", zero2: "ZeRO-2", zero3: "ZeRO-3" };
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const divisors = n =>
  Array.from({ length: n }, (_, i) => i + 1).filter(k => n % k === 0);

/** Every layout of run.devices that divides heads, layers and batch. */
function* everyLayout({ devices, heads, depth, batch }) {
  for (const tensor of divisors(gcd(devices, heads)))
    for (const stages of divisors(gcd(devices / tensor, depth))) {
      const data = devices / tensor / stages;
      if (batch % data) continue;
      for (const micro of divisors(batch / data)) {
        if (micro & (micro - 1)) continue;
        for (const split of data > 1 ? ["ddp", "zero1", "zero3"] : ["ddp"])
          yield { data, tensor, stages, micro, split };
      }
    }
}
const keyOf = ({ data, tensor, stages, micro, split }) =>
  [data, tensor, stages, micro, split].join(".");
function nameOf({ data, tensor, stages, micro, split }) {
  const ways = Object.entries({ data, tensor, stages })
    .filter(([, n]) => n > 1)
    .map(([name, n]) => `${name} ${n}`);
  if (data > 1 && SPLITS[split]) ways.push(SPLITS[split]);
  if (micro > 1) ways.push(`${micro} micro-batches`);
  return ways.join(", ") || "one device";
}

/** "26 to 35 ms": the unit of both, once. */
function between(low, high) {
  const [from, to] = [duration(low), duration(high)].map(text => text.split(" "));
  return `${from[0]}${from[1] === to[1] ? "" : ` ${from[1]}`} to ${to.join(" ")}`;
}

/** (run, layout, changes) -> { formula: number }, as planner.layout_cost. */
function splitter(table, layouts) {
  const alone = calculator(table),
    recipe = Object.entries(layouts.formulas).map(([name, text]) => [
      name,
      parsed(text),
    ]);
  return (run, layout, changes = {}) => {
    const facts = { ...table.machines[run.machine], ...run },
      link = n =>
        n <= table.machines[run.machine].joined ? facts.link : facts.network;
    const known = alone({
      ...run,
      ...changes,
      devices: layout.data,
      accumulation: layout.micro,
      split: layout.split,
      link: link(layout.data * layout.tensor),
    });
    Object.assign(known, layouts.choices.conditioning[run.conditioning], {
      tensor: layout.tensor,
      stages: layout.stages,
      tensor_link: link(layout.tensor),
      stage_link: link(layout.data * layout.tensor * layout.stages),
    });
    for (const [name, step] of recipe) known[name] = step(known);
    return known;
  };
}

/** run -> the layouts that fit, fastest first: [{ layout, known }]. */
function search(cost, { least_tokens, fill }, run) {
  const found = [];
  for (const layout of everyLayout(run)) {
    const known = cost(run, layout),
      images = run.batch / layout.data / layout.micro;
    if (layout.micro > 1 && images * known.tokens < least_tokens) continue;
    if (known.device_memory <= fill * known.memory * 1e9) found.push({ layout, known });
  }
  return found.sort((a, b) => a.known.layout_seconds - b.known.layout_seconds);
}

function render({ model, el }) {
  const body = frame(model, el),
    [table, layouts, rules, sizes, patches, first] = [
      "table",
      "layouts",
      "rules",
      "sizes",
      "patches",
      "run",
    ].map(key => model.get(key));
  const cost = splitter(table, layouts);
  const form = runForm({
    model,
    table,
    sizes,
    patches,
    own: OWN,
    before: () => put(model, "chosen", ""),
  });
  const { numeric, select, oneOf, group } = form;

  const story = h("output", {
    class: "dit-story dit-cost-story",
    "aria-live": "polite",
  });
  const tiles = tilesOf([
    ["layout_seconds", "time per step", duration],
    ["layout_images", "images per second", value => number(value, 3)],
    ["device_memory", "memory per device", inBytes],
    ["layout_utilisation", "share of peak (MFU)", percent],
    ["parameters", "parameters", count],
    ["sampled_seconds", "sampling one image", duration],
  ]);
  const list = h("div", {
    class: "dit-plan-list",
    role: "radiogroup",
    "aria-label": "layout",
  });
  const memory = stack(
    "memory, fullest device",
    [
      { key: "device_activations", name: "activations", color: "red" },
      { key: "device_weights", name: "weights", color: "blue" },
      { key: "device_gradients", name: "gradients", color: "sky" },
      { key: "device_moments", name: "moments, master", color: "green" },
      { key: "device_ema", name: "average (EMA)", color: "purple" },
      { key: "device_copies", name: "working copies", color: "edge" },
      { key: "device_frozen", name: "autoencoder", color: "amber" },
    ],
    inBytes,
  );
  const time = stack(
    "time per training step",
    [
      { key: "busy_seconds", name: "computing", color: "blue" },
      { key: "bubble_seconds", name: "idle in the pipeline", color: "amber" },
      { key: "tensor_seconds", name: "tensor collectives", color: "red" },
      { key: "stage_seconds", name: "between stages", color: "purple" },
      { key: "data_exposed", name: "gradients, not hidden", color: "sky" },
      { key: "frozen_seconds", name: "autoencoder", color: "green" },
    ],
    duration,
  );
  const source = h("div", { class: "dit-note dit-cost-source" });
  const inputs = [
    group(
      "model",
      ...form.shape,
      select(
        "conditioning",
        "conditioning",
        asOptions(Object.keys(layouts.choices.conditioning)),
        "dit-cost-two dit-cost-rest",
      ),
      oneOf("space", "image", asOptions(["latent", "colour"])),
      form.patch,
    ),
    group(
      "training",
      numeric("batch", "global batch"),
      numeric("frozen_parameters", "autoencoder, M", { unit: 1e6 }),
      numeric("frozen_macs", "its GMAC", { unit: 1e9 }),
      numeric("sampling_steps", "sampling steps"),
      select("precision", "precision", PRECISIONS, "dit-cost-two dit-cost-rest"),
      select("checkpointing", "activations", CHECKPOINTING, "dit-cost-bars"),
    ),
    group(
      "cluster",
      select("machine", "device", asOptions(Object.keys(table.machines))),
      numeric("devices", "device count"),
      numeric("link", "in node, GB/s"),
      numeric("network", "network, GB/s"),
      numeric("memory", "memory, GB"),
      numeric("share", "of peak, %"),
    ),
  ];

  function draw() {
    const run = model.get("run"),
      machine = table.machines[run.machine],
      found = search(cost, rules, run);
    form.show(run, { ...machine, ...run });
    tell(
      source,
      `${run.machine}: ${machine.source}. Up to ${machine.joined} devices are joined by the inner link. The intervals assume that ${rules.shares.join(" to ")} % of the peak is reached and that ${rules.overlaps.join(" to ")} % of the communication that can overlap with computing does.`,
    );
    list.replaceChildren();
    el.dataset.fits = found.length;
    if (!found.length) {
      tell(
        story,
        `No layout of ${number(run.devices, 6)} devices that divides h = ${run.heads}, L = ${run.depth} and a batch of ${number(run.batch, 6)} fits into ${number(run.memory ?? machine.memory, 6)} GB. Recompute activations, or choose other numbers.`,
      );
      tiles.show(null);
      const nothing = new Proxy({}, { get: () => 0 });
      memory.show(nothing);
      time.show(nothing);
      el.dataset.results = "{}";
      return;
    }
    const wanted = model.get("chosen"),
      chosen = found.find(({ layout }) => keyOf(layout) === wanted) ?? found[0];
    const ends = ({ layout }) =>
      [1, 0].map(
        i =>
          cost(run, layout, {
            share: rules.shares[i],
            overlap: rules.overlaps[i],
          }).layout_seconds,
      );
    const shown = found.slice(0, 6);
    if (!shown.includes(chosen)) shown.push(chosen);
    const intervals = new Map(shown.map(entry => [entry, ends(entry)])),
      end = Math.max(...[...intervals.values()].map(([, high]) => high));
    const group = unique();
    list.append(
      ...shown.map(entry => {
        const [low, high] = intervals.get(entry),
          { layout, known } = entry;
        return h(
          "label",
          { class: "dit-plan-row", "data-layout": keyOf(layout) },
          h("input", {
            type: "radio",
            name: group,
            checked: entry === chosen,
            onchange: () => put(model, "chosen", keyOf(layout)),
          }),
          h("span", {}, nameOf(layout)),
          h(
            "span",
            { class: "dit-plan-interval", "aria-hidden": "true" },
            h("span", {
              style: `left: ${(100 * low) / end}%; width: ${(100 * (high - low)) / end}%`,
            }),
            h("i", { style: `left: ${(100 * known.layout_seconds) / end}%` }),
          ),
          h("span", { class: "dit-value" }, between(low, high)),
        );
      }),
    );
    const { layout, known } = chosen,
      [low, high] = intervals.get(chosen);
    tiles.show(known);
    memory.show(known, known.memory * 1e9);
    tell(
      memory.head,
      `${inBytes(known.device_memory)} of ${inBytes(known.memory * 1e9)}`,
    );
    tell(
      memory.note,
      `${number(known.micro_batch, 6)} images at a time in each of ${number(layout.data, 6)} replicas.`,
    );
    time.show(known);
    tell(time.head, duration(known.layout_seconds));
    tell(
      time.note,
      `Each device sends ${inBytes(known.data_sent + known.tensor_sent + known.stage_sent)}.`,
    );
    tell(
      story,
      `${form.label(run)} on ${number(run.devices, 6)} × ${run.machine}: ${found.length} layouts fit. ${chosen === found[0] ? "The fastest" : "Yours"} is ${nameOf(layout)}, with ${duration(known.layout_seconds)} per step. Other assumptions about the share of the peak and the overlap give ${between(low, high)}.`,
    );
    el.dataset.results = JSON.stringify({
      ...known,
      layout: keyOf(layout),
      low,
      high,
      order: shown.map(({ layout }) => keyOf(layout)),
    });
  }

  const address = heldInAddress({
    model,
    el,
    mark: MARK,
    keys: ["run", "chosen"],
    table,
    first,
    draw,
    state() {
      const layout = model.get("chosen");
      return { ...model.get("run"), ...(layout ? { layout } : {}) };
    },
    accept(given) {
      const run = { ...first, ...given };
      if (wrong(table, run) || !patches.includes(run.patch_size)) return false;
      if (!Object.hasOwn(layouts.choices.conditioning, run.conditioning)) return false;
      const layout = new URLSearchParams(location.hash.slice(MARK.length)).get(
        "layout",
      );
      put(model, "chosen", layout ?? "");
      put(model, "run", run);
      return true;
    },
    reset() {
      form.settle();
      put(model, "chosen", "");
      put(model, "run", first);
    },
  });
  body.append(
    story,
    tiles.node,
    ...inputs,
    form.problem,
    source,
    h("div", { class: "dit-eyebrow" }, "layouts that fit, fastest first"),
    list,
    memory.node,
    time.node,
    address.node,
  );
  address.begin();
}
export default { render };
