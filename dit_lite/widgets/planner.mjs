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
  const shares = window === window.top && !("jpThemeLight" in document.body.dataset);
  const fields = {},
    problem = h("p", { class: "dit-cost-problem", role: "status" });

  function set(change) {
    const run = { ...model.get("run"), ...change },
      { downsampling } = table.choices.space[run.space];
    if ("space" in change || "image_size" in change)
      run.patch_size =
        patches.findLast(
          p => p <= run.patch_size && run.image_size % (p * downsampling) === 0,
        ) ?? patches[0];
    if ("machine" in change) for (const name of OWN) delete run[name];
    const message = wrong(table, run);
    if (!message) {
      put(model, "chosen", "");
      put(model, "run", run);
    }
    return message;
  }
  function numeric(name, label, { unit = 1, wide = "" } = {}) {
    const input = h("input", {
      type: "number",
      inputmode: "decimal",
      step: "any",
      "aria-label": label,
      oninput: () => {
        const value = input.value.trim() === "" ? NaN : unit * Number(input.value);
        const alone = { ...model.get("run"), [name]: value, patch_size: 1 };
        if (name !== "heads") alone.heads = 1;
        const message = wrong(table, alone, name) || set({ [name]: value });
        tell(problem, message);
        input.toggleAttribute("aria-invalid", false);
        if (message) input.setAttribute("aria-invalid", "true");
      },
    });
    fields[name] = value => {
      if (document.activeElement !== input || Number(input.value) * unit !== value)
        input.value = +(value / unit).toPrecision(12);
    };
    return field(label, input, wide);
  }
  function select(name, label, options, wide = "") {
    const node = h(
      "select",
      {
        "aria-label": label,
        onchange: () => tell(problem, set({ [name]: node.value })),
      },
      ...Object.entries(options).map(([value, text]) => h("option", { value }, text)),
    );
    fields[name] = value => (node.value = value);
    return field(label, node, wide);
  }
  function oneOf(name, label, options, wide, change = value => set({ [name]: value })) {
    const control = segmented({
      label,
      options: options.map(([value, text]) => ({ value, name: text })),
      value: null,
      visible: false,
      change: value => tell(problem, change(value)),
    });
    fields[name] = control.set;
    return field(label, control.node, wide);
  }
  const group = (title, ...controls) =>
    h(
      "div",
      { class: "dit-cost-group", role: "group", "aria-label": title },
      h("div", { class: "dit-eyebrow" }, title),
      h("div", { class: "dit-cost-fields" }, ...controls),
    );
  const names = keys => Object.fromEntries(keys.map(key => [key, key]));
  const presets = Object.entries(sizes),
    named = run =>
      presets.find(([, size]) =>
        size.every((n, i) => n === [run.width, run.depth, run.heads][i]),
      )?.[0];
  const pick = name => {
    const [width, depth, heads] = sizes[name];
    return set({ width, depth, heads });
  };

  const story = h("output", {
    class: "dit-story dit-cost-story",
    "aria-live": "polite",
  });
  const tiles = [
    ["layout_seconds", "a step", duration],
    ["layout_images", "images a second", value => number(value, 3)],
    ["device_memory", "on a device", inBytes],
    ["layout_utilisation", "of the peak (MFU)", percent],
    ["parameters", "parameters", count],
    ["sampled_seconds", "one image, sampled", duration],
  ].map(([key, name, format]) => ({
    key,
    format,
    name,
    value: h("span", { class: "dit-value" }),
  }));
  const list = h("div", {
    class: "dit-plan-list",
    role: "radiogroup",
    "aria-label": "layout",
  });
  const memory = stack(
    "memory, the fullest device",
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
    "a training step",
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
  const said = h("span", { class: "dit-note", role: "status" });
  const copy = button("copy link", async () => {
    remember();
    try {
      await navigator.clipboard.writeText(location.href);
      tell(said, "Copied.");
    } catch {
      tell(said, "The address of this page is the link.");
    }
  });
  const reset = button("start again", () => {
    tell(problem, "");
    put(model, "chosen", "");
    put(model, "run", first);
  });
  body.append(
    story,
    h(
      "div",
      { class: "dit-cost-tiles" },
      ...tiles.map(({ key, value, name }) =>
        h("div", { "data-key": key }, value, h("span", { class: "dit-name" }, name)),
      ),
    ),
    group(
      "model",
      oneOf(
        "size",
        "size",
        presets.map(([name]) => [name, name]),
        "dit-cost-bars",
        pick,
      ),
      numeric("width", "width D"),
      numeric("depth", "blocks L"),
      numeric("heads", "heads h"),
      numeric("image_size", "side, pixels"),
      oneOf(
        "space",
        "image",
        [
          ["latent", "latent"],
          ["colour", "colour"],
        ],
        "dit-cost-bars",
      ),
      select(
        "conditioning",
        "conditioning",
        names(Object.keys(layouts.choices.conditioning)),
        "dit-cost-two",
      ),
      oneOf(
        "patch_size",
        "patch P",
        patches.map(p => [p, String(p)]),
        "dit-cost-bars",
      ),
    ),
    group(
      "training",
      numeric("batch", "batch, all devices"),
      numeric("frozen_parameters", "autoencoder, M", { unit: 1e6 }),
      numeric("frozen_macs", "its GMAC/image", { unit: 1e9 }),
      numeric("sampling_steps", "sampling steps"),
      select(
        "precision",
        "precision",
        {
          fp32: "fp32",
          tf32: "TF32 products",
          bf16: "bf16, fp32 weights",
          bf16_weights: "bf16, fp32 master",
        },
        "dit-cost-two",
      ),
      select(
        "checkpointing",
        "activations",
        { none: "kept", block: "recomputed by block", sqrt: "recomputed by √L blocks" },
        "dit-cost-two",
      ),
    ),
    group(
      "cluster",
      select("machine", "device", names(Object.keys(table.machines))),
      numeric("devices", "how many"),
      numeric("link", "link inside, GB/s"),
      numeric("network", "between, GB/s"),
      numeric("memory", "memory, GB"),
      numeric("share", "reached, %"),
    ),
    problem,
    source,
    h("div", { class: "dit-eyebrow" }, "layouts that fit, fastest first"),
    list,
    memory.node,
    time.node,
    h("div", { class: "dit-controls" }, ...(shares ? [copy] : []), reset, said),
  );

  function draw() {
    const run = model.get("run"),
      machine = table.machines[run.machine],
      found = search(cost, rules, run);
    for (const [name, show] of Object.entries(fields))
      show(name === "size" ? named(run) : (run[name] ?? machine[name]));
    tell(
      source,
      `${run.machine}: ${machine.source}. Up to ${machine.joined} devices are joined by the inner link. Assumed: ${rules.shares.join(" to ")} % of the peak is reached and ${rules.overlaps.join(" to ")} % of what can hide does; that gives the intervals.`,
    );
    list.replaceChildren();
    el.dataset.fits = found.length;
    if (!found.length) {
      tell(
        story,
        `No layout of ${number(run.devices, 6)} devices that divides h = ${run.heads}, L = ${run.depth} and a batch of ${number(run.batch, 6)} fits into ${number(run.memory ?? machine.memory, 6)} GB. Recompute activations, or choose other numbers.`,
      );
      for (const { value } of tiles) tell(value, "–");
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
          h("span", { class: "dit-value" }, `${duration(low)} to ${duration(high)}`),
        );
      }),
    );
    const { layout, known } = chosen,
      [low, high] = intervals.get(chosen);
    for (const { key, format, value } of tiles) {
      tell(value, format(known[key]));
      value.parentNode.dataset.value = known[key];
    }
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
    const name = named(run) ? `DiT-${named(run)}/${run.patch_size}` : "This model";
    tell(
      story,
      `${name} on ${number(run.devices, 6)} × ${run.machine}: ${found.length} layouts fit. ${chosen === found[0] ? "The fastest" : "Yours"} is ${nameOf(layout)}, with ${duration(known.layout_seconds)} a step, and between ${duration(low)} and ${duration(high)} where other shares of the peak and of hiding are assumed.`,
    );
    el.dataset.results = JSON.stringify({
      ...known,
      layout: keyOf(layout),
      low,
      high,
      order: shown.map(({ layout }) => keyOf(layout)),
    });
  }

  let waiting;
  function remember() {
    clearTimeout(waiting);
    if (!shares) return;
    const state = { ...model.get("run") };
    if (model.get("chosen")) state.layout = model.get("chosen");
    try {
      history.replaceState(history.state, "", toAddress(MARK, state));
    } catch {
      /* a page that may not name its state still works */
    }
  }
  function restore() {
    const given = shares && fromAddress(MARK, location.hash, table, first);
    if (!given) return false;
    const run = { ...first, ...given };
    if (wrong(table, run) || !patches.includes(run.patch_size)) return false;
    if (!Object.hasOwn(layouts.choices.conditioning, run.conditioning)) return false;
    const layout = new URLSearchParams(location.hash.slice(MARK.length)).get("layout");
    put(model, "chosen", layout ?? "");
    put(model, "run", run);
    return true;
  }
  const arrive = () =>
    restore() && requestAnimationFrame(() => el.scrollIntoView({ block: "start" }));
  const changed = () => {
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(remember, 250);
  };
  model.on("change:run", changed);
  model.on("change:chosen", changed);
  window.addEventListener("hashchange", arrive);
  draw();
  arrive();
}
export default { render };
