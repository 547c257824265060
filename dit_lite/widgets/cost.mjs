// What a model and its training cost: inputs in three groups, and bars of
// multiply-adds, memory and time. state: table { inputs, choices, formulas, machines }
// as in cost_formulas.json; sizes { name: [width, depth, heads] }; patches; run: what
// is chosen { name: option or number }; numbers of the machine stand in it only where
// they are not the machine's own

const FUNCTIONS = { ceil: Math.ceil, floor: Math.floor, min: Math.min, max: Math.max };
const WORD = /\s*(\*\*|[-+*/(),]|[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e[-+]?\d+)?)/y;

/** An expression as a function of { name: number }: numbers, names, + - * / **,
 *  parentheses and FUNCTIONS, as formulas.py reads them. */
function parsed(text) {
  const words = [],
    source = text.trim();
  for (WORD.lastIndex = 0; WORD.lastIndex < source.length; ) {
    const at = WORD.lastIndex,
      found = WORD.exec(source);
    if (!found) throw new Error(`${text}: cannot read ${source.slice(at)}`);
    words.push(found[1]);
  }
  let place = 0;
  const take = (...wanted) => (wanted.includes(words[place]) ? words[place++] : null);
  const need = word => take(word) ?? fail();
  const fail = () => {
    throw new Error(`${text}: unexpected ${words[place] ?? "end"}`);
  };
  const chain = (next, operations) => () => {
    let left = next();
    for (let sign; (sign = take(...Object.keys(operations))); ) {
      const [a, b, operation] = [left, next(), operations[sign]];
      left = known => operation(a(known), b(known));
    }
    return left;
  };
  function atom() {
    const word = words[place++];
    if (word === "(") {
      const inside = sum();
      need(")");
      return inside;
    }
    if (/^\d/.test(word)) return () => +word;
    if (!/^\w/.test(word ?? "")) fail(place--);
    if (!take("("))
      return known => {
        if (!Object.hasOwn(known, word))
          throw new Error(`${text}: ${word} is not known here`);
        return known[word];
      };
    if (!Object.hasOwn(FUNCTIONS, word)) fail();
    const parts = [sum()];
    while (take(",")) parts.push(sum());
    need(")");
    return known => FUNCTIONS[word](...parts.map(part => part(known)));
  }
  function raised() {
    const base = atom(),
      exponent = take("**") && raised();
    return exponent ? known => base(known) ** exponent(known) : base;
  }
  const product = chain(raised, { "*": (a, b) => a * b, "/": (a, b) => a / b });
  const sum = chain(product, { "+": (a, b) => a + b, "-": (a, b) => a - b });
  const whole = sum();
  return place < words.length ? fail() : whole;
}

/** The numbers that a machine of the table sets at a precision and for so many
 *  devices. */
const machineNumbers = (machine, precision, devices) => ({
  peak: machine.peak[precision],
  share: machine.share,
  memory: machine.memory,
  link: devices <= machine.joined ? machine.link : machine.network,
  latency: machine.latency,
  price: machine.price,
});

/** run -> { formula: number }, for a table. */
function calculator({ choices, formulas, machines }) {
  const recipe = Object.entries(formulas).map(([name, text]) => [name, parsed(text)]);
  return run => {
    const options = Object.keys(choices)
      .filter(name => name in run)
      .map(name => choices[name][run[name]]);
    const known = Object.assign(
      {},
      ...options,
      machineNumbers(machines[run.machine], run.precision, run.devices),
      run,
    );
    for (const [name, step] of recipe) known[name] = step(known);
    return known;
  };
}

/** What is wrong with a number, or with two together; "" if nothing is. */
function wrong({ inputs, choices }, run, key = "") {
  const words = { image_size: "The image's side", width: "D", depth: "L", heads: "h" };
  for (const name of key ? [key] : Object.keys(run)) {
    const limits = inputs[name],
      value = run[name];
    if (!limits) continue;
    const fits =
      Number.isFinite(value) &&
      value >= limits.low &&
      value <= limits.high &&
      (!limits.whole || Number.isInteger(value));
    if (!fits)
      return `${words[name] ?? "This"} must be a ${limits.whole ? "whole " : ""}number from ${number(limits.low)} to ${number(limits.high)}.`;
  }
  const { downsampling } = choices.space[run.space];
  if (run.image_size % (downsampling * run.patch_size))
    return downsampling > 1 && run.image_size % downsampling
      ? `A latent needs a side that is a multiple of ${downsampling}.`
      : `A patch of ${run.patch_size} does not cut this image evenly.`;
  if (run.width % run.heads)
    return `h = ${run.heads} heads do not divide D = ${run.width}.`;
  return "";
}

const MARK = "#cost:";
const toAddress = run => MARK + new URLSearchParams(run);
/** The run that an address holds, what cannot be there left out; null if it holds
 *  none. */
function fromAddress(hash, { inputs, choices, machines }, first) {
  if (!hash.startsWith(MARK)) return null;
  const given = {};
  for (const [name, text] of new URLSearchParams(hash.slice(MARK.length))) {
    const options =
      name === "machine"
        ? machines
        : Object.hasOwn(choices, name)
          ? choices[name]
          : null;
    if (options)
      Object.hasOwn(options, text) &&
        Object.hasOwn(first, name) &&
        (given[name] = text);
    else if (
      Object.hasOwn(inputs, name) &&
      text.trim() &&
      !(name in choices.space.latent)
    ) {
      const run = { ...first, [name]: Number(text) },
        limits = inputs[name],
        value = run[name];
      if (
        Number.isFinite(value) &&
        value >= limits.low &&
        value <= limits.high &&
        (!limits.whole || Number.isInteger(value))
      )
        given[name] = value;
    }
  }
  return given;
}

/** Three digits and the first unit that is small enough: units [[from, size, name]]. */
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

function render({ model, el }) {
  const body = frame(model, el),
    table = model.get("table"),
    sizes = model.get("sizes"),
    patches = model.get("patches"),
    first = model.get("run");
  const cost = calculator(table),
    MACHINE = ["peak", "share", "memory", "link", "latency", "price"];
  // in a page of one's own, not inside a notebook
  const shares = window === window.top && !("jpThemeLight" in document.body.dataset);
  const [N, D, L, B] = ["N", "D", "L", "B"].map(letter => () => symbol(letter)),
    square = () => h("sup", {}, "2");

  /** Changes the run; what no longer fits it follows. */
  function set(change) {
    const run = { ...model.get("run"), ...change },
      { downsampling } = table.choices.space[run.space];
    if ("space" in change)
      run.image_size = Math.max(
        downsampling,
        Math.round(run.image_size / downsampling) * downsampling,
      );
    if ("space" in change || "image_size" in change)
      run.patch_size =
        patches.findLast(
          p => p <= run.patch_size && run.image_size % (p * downsampling) === 0,
        ) ?? patches[0];
    if ("machine" in change) for (const name of MACHINE) delete run[name];
    for (const name of Object.keys(change)) if (change[name] === null) delete run[name];
    const problem = wrong(table, run);
    if (problem) return problem;
    put(model, "run", run);
    return "";
  }

  const fields = {},
    problem = h("p", { class: "dit-cost-problem", role: "status" });
  const settle = (message = "", of = null) => {
    tell(problem, message);
    for (const { node } of Object.values(fields))
      node.matches("input") && node.toggleAttribute("aria-invalid", false);
    if (message && of) of.setAttribute("aria-invalid", "true");
  };
  function numeric(name, label, { step = "any", wide = "" } = {}) {
    const input = h("input", {
      type: "number",
      inputmode: "decimal",
      step,
      "aria-label": typeof label === "string" ? label : name,
      oninput: () => {
        const value = input.value.trim() === "" ? NaN : Number(input.value);
        const message =
          wrong(
            table,
            {
              ...model.get("run"),
              [name]: value,
              patch_size: 1,
              heads: name === "heads" ? value : 1,
            },
            name,
          ) || set({ [name]: value });
        settle(message, input);
      },
    });
    fields[name] = {
      node: input,
      show: value =>
        document.activeElement === input && Number(input.value) === value
          ? null
          : (input.value = value),
    };
    return field(label, input, wide);
  }
  function select(name, label, options, wide = "") {
    const node = h(
      "select",
      { "aria-label": label, onchange: () => settle(set({ [name]: node.value })) },
      ...Object.entries(options).map(([value, text]) => h("option", { value }, text)),
    );
    fields[name] = { node, show: value => (node.value = value) };
    return field(label, node, wide);
  }
  function oneOf(
    name,
    label,
    options,
    wide = "",
    change = value => set({ [name]: value }),
  ) {
    const control = segmented({
      label,
      options: options.map(([value, text]) => ({ value, name: text })),
      value: null,
      visible: false,
      change: value => settle(change(value)),
    });
    fields[name] = { node: control.node, show: control.set, inputs: control.inputs };
    return field(label, control.node, wide);
  }
  const group = (title, ...controls) =>
    h(
      "div",
      { class: "dit-cost-group", role: "group", "aria-label": title },
      h("div", { class: "dit-eyebrow" }, title),
      h("div", { class: "dit-cost-fields" }, ...controls),
    );

  const presets = Object.entries(sizes),
    named = run =>
      presets.find(([, size]) =>
        size.every((n, i) => n === [run.width, run.depth, run.heads][i]),
      )?.[0];
  const pick = name => {
    const [width, depth, heads] = sizes[name];
    return set({ width, depth, heads });
  };
  const inputs = [
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
      select(
        "conditioning",
        "conditioning",
        Object.fromEntries(
          Object.keys(table.choices.conditioning).map(name => [name, name]),
        ),
        "dit-cost-two dit-cost-rest",
      ),
      oneOf(
        "space",
        "image",
        [
          ["latent", "latent"],
          ["colour", "colour"],
          ["grey", "grey"],
        ],
        "dit-cost-bars",
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
      numeric("batch", "batch"),
      numeric("accumulation", "in parts"),
      select(
        "kernel",
        "attention",
        { flash: "fused", naive: "written out" },
        "dit-cost-two",
      ),
      select(
        "precision",
        "precision",
        {
          fp32: "fp32",
          tf32: "TF32 products",
          bf16: "bf16, fp32 weights",
          bf16_weights: "bf16, fp32 master",
        },
        "dit-cost-two dit-cost-pair",
      ),
      select(
        "checkpointing",
        "activations",
        { none: "kept", block: "recomputed by block", sqrt: "recomputed by √L blocks" },
        "dit-cost-two dit-cost-pair",
      ),
      numeric("length", "length of the run", { wide: "dit-cost-two dit-cost-pair" }),
      oneOf(
        "unit",
        "counted in",
        [
          ["steps", "steps"],
          ["images", "images"],
        ],
        "dit-cost-bars",
      ),
    ),
    group(
      "machine",
      select(
        "machine",
        "device",
        Object.fromEntries(Object.keys(table.machines).map(name => [name, name])),
      ),
      numeric("devices", "how many"),
      numeric("price", "$ an hour"),
      oneOf(
        "split",
        "training state",
        [
          ["ddp", "whole"],
          ["zero1", "ZeRO-1"],
          ["zero2", "ZeRO-2"],
          ["zero3", "ZeRO-3"],
        ],
        "dit-cost-half",
      ),
      numeric("peak", "peak, TFLOP/s"),
      numeric("share", "reached, %"),
      numeric("memory", "memory, GB"),
      numeric("link", "link, GB/s"),
      numeric("latency", "latency, µs"),
      numeric("overlap", "overlap, %"),
    ),
  ];
  const source = h("div", { class: "dit-note dit-cost-source" });
  const story = h("output", {
    class: "dit-story dit-cost-story",
    "aria-live": "polite",
  });
  const tile = (key, name) => ({ key, value: h("span", { class: "dit-value" }), name });
  const tiles = [
    tile("parameters", "parameters"),
    tile("macs", "multiply-adds"),
    tile("total_memory", "on a device"),
    tile("step_seconds", "a step"),
    tile("run_seconds", "the run"),
    tile("cost", "its price"),
  ];
  const facts = h(
    "div",
    { class: "dit-cost-tiles" },
    ...tiles.map(({ key, value, name }) =>
      h("div", { "data-key": key }, value, h("span", { class: "dit-name" }, name)),
    ),
  );

  const work = stack(
    "multiply-adds, one image",
    [
      {
        key: "attention_projections_macs",
        name: "projections",
        formula: ["4 ", L(), N(), D(), square()],
        color: "blue",
      },
      {
        key: "mlp_macs",
        name: "MLP",
        formula: ["8 ", L(), N(), D(), square()],
        color: "sky",
      },
      {
        key: "attention_scores_macs",
        name: "token pairs",
        formula: ["2 ", L(), N(), square(), D()],
        color: "red",
      },
      { key: "conditioning_macs", name: "conditioning", color: "purple" },
      { key: "ends_macs", name: "embeddings, output", color: "edge" },
    ],
    count,
  );
  const memory = stack(
    "memory, one device",
    [
      { key: "activations_memory", name: "activations", color: "red" },
      { key: "weights_memory", name: "weights", color: "blue" },
      { key: "gradients_memory", name: "gradients", color: "sky" },
      { key: "moments_memory", name: "Adam's moments", color: "green" },
      { key: "master_memory", name: "fp32 master copy", color: "amber" },
      { key: "ema_memory", name: "average (EMA)", color: "purple" },
      { key: "copies_memory", name: "working copies", color: "edge" },
    ],
    inBytes,
  );
  const time = stack(
    "a training step",
    [
      { key: "forward_seconds", name: "forward", color: "blue" },
      { key: "backward_seconds", name: "backward", color: "sky" },
      { key: "recompute_seconds", name: "recomputing", color: "amber" },
      { key: "exposed_seconds", name: "waiting for the link", color: "red" },
    ],
    duration,
  );
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
  const reset = button("start again", () => (settle(), put(model, "run", first)));
  body.append(
    story,
    facts,
    ...inputs,
    problem,
    source,
    memory.node,
    work.node,
    time.node,
    h("div", { class: "dit-controls" }, ...(shares ? [copy] : []), reset, said),
  );

  /** What would make it fit, the least trouble first. */
  function remedy(run, room) {
    const fits = change => cost({ ...run, ...change }).total_memory <= room;
    const parts = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
      .map(k => k * run.accumulation)
      .find(k => k <= run.batch / run.devices && fits({ accumulation: k }));
    if (parts) return `It would, with the batch in ${parts} parts.`;
    if (run.checkpointing === "none" && fits({ checkpointing: "block" }))
      return "It would, with blocks recomputed.";
    const smallest = {
      checkpointing: "block",
      accumulation: Math.ceil(run.batch / run.devices),
    };
    if (fits(smallest)) return "It would, image by image and with blocks recomputed.";
    const devices = [2, 4, 8, 16, 32, 64, 128, 256, 512].find(
      p =>
        p > run.devices && fits({ devices: p, split: "zero3", checkpointing: "block" }),
    );
    return devices
      ? `It would on ${devices} devices with ZeRO-3 and blocks recomputed.`
      : "Choose a smaller model or another device.";
  }
  const TERMS = {
    activations_memory: "activations",
    weights_memory: "weights",
    gradients_memory: "gradients",
    moments_memory: "Adam's moments",
    master_memory: "the master copy",
    ema_memory: "the average",
    copies_memory: "working copies",
  };

  function draw() {
    const run = model.get("run"),
      known = cost(run),
      { downsampling } = table.choices.space[run.space],
      room = known.memory * 1e9;
    for (const [name, { show }] of Object.entries(fields))
      show(name === "size" ? named(run) : known[name]);
    fields.patch_size.inputs.forEach((input, i) => {
      input.disabled = run.image_size % (patches[i] * downsampling) > 0;
      input.parentNode.classList.toggle("dit-cost-off", input.disabled);
    });
    const machine = table.machines[run.machine],
      own = MACHINE.filter(name => name in run);
    tell(
      source,
      `${run.machine}: ${machine.source}. ${own.length ? `Yours: ${own.join(", ")}. ` : ""}Assumed: the share of the peak that is reached, overlap, latency, price${machine.joined > 1 ? `, and beyond ${machine.joined} devices the network` : ""}.`,
    );

    const [text, format] = [
      {},
      {
        parameters: count,
        macs,
        total_memory: inBytes,
        step_seconds: duration,
        run_seconds: duration,
        cost: money,
      },
    ];
    for (const { key, value } of tiles) {
      text[key] = format[key](known[key]);
      tell(value, text[key]);
      value.parentNode.dataset.value = known[key];
    }
    work.show(known);
    tell(work.head, text.macs);
    tell(
      work.note,
      `${percent(known.token_macs / known.macs)} grow with N·D², ${percent(known.pair_macs / known.macs)} with N²·D; ${number(known.tokens, 6)} tokens.`,
    );
    memory.show(known, room);
    tell(memory.head, `${text.total_memory} of ${inBytes(room)}`);
    tell(
      memory.note,
      `${number(known.micro_batch, 6)} ${known.micro_batch === 1 ? "image" : "images"} at a time${run.devices > 1 ? " on each device" : ""}.`,
    );
    time.show(known);
    tell(time.head, text.step_seconds);
    tell(
      time.note,
      run.devices > 1
        ? `Each device sends ${inBytes(known.sent_bytes)}: ${duration(known.communication_seconds)}, of which ${percent(known.hidden_seconds / known.communication_seconds)} hide behind computing.`
        : "One device: nothing is sent.",
    );

    const total = known.total_memory,
      fits = total <= room,
      [largest, value] = Object.keys(TERMS)
        .map(key => [TERMS[key], known[key]])
        .sort((a, b) => b[1] - a[1])[0];
    const waits = known.exposed_seconds / known.step_seconds,
      device = `${number(run.devices, 6)} × ${run.machine}`;
    const label = named(run) ? `DiT-${named(run)}/${run.patch_size}` : "This model";
    tell(
      story,
      [
        `${label}: ${text.macs} multiply-adds for one image forward, ${percent(known.token_macs / known.macs)} of them N·D².`,
        fits
          ? `Training fits on ${device}: ${inBytes(total)} of ${inBytes(room)}, ${percent(value / total)} of it ${largest}.`
          : `Training does not fit on ${device}: ${inBytes(total)} where there are ${inBytes(room)}, ${percent(value / total)} of it ${largest}. ${remedy(run, room)}`,
        waits > 0.5
          ? `The link is the bottleneck: ${percent(waits)} of a step is waiting.`
          : waits > 0.02
            ? `Computing is the bottleneck; ${percent(waits)} of a step is waiting for the link.`
            : "Computing is the bottleneck.",
        `${count(known.images_seen)} images take ${text.run_seconds} and ${text.cost}.`,
      ].join(" "),
    );
    Object.assign(el.dataset, { fits, bottleneck: waits > 0.5 ? "link" : "computing" });
    el.dataset.results = JSON.stringify(known);
  }

  let waiting;
  function remember() {
    clearTimeout(waiting);
    if (!shares) return;
    try {
      history.replaceState(history.state, "", toAddress(model.get("run")));
    } catch {
      /* a page that may not name its state still works */
    }
  }
  function restore() {
    const given = shares && fromAddress(location.hash, table, first);
    if (!given) return false;
    const free = Object.fromEntries(
      Object.entries(first).filter(([name]) => !MACHINE.includes(name)),
    );
    const run = { ...free, ...given },
      back = (...names) => names.forEach(name => (run[name] = first[name]));
    // numbers that do not fit each other are those of the first state
    if (run.width % run.heads) back("width", "depth", "heads");
    if (!patches.includes(run.patch_size) || wrong(table, run))
      back("space", "image_size", "patch_size");
    put(model, "run", run);
    return true;
  }
  const arrive = () =>
    restore() && requestAnimationFrame(() => el.scrollIntoView({ block: "start" }));
  model.on("change:run", () => {
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(remember, 250);
  });
  window.addEventListener("hashchange", arrive);
  draw();
  arrive();
}
export default { render };
