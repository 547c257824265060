// What a model and its training cost: inputs in three groups, and bars of
// multiply-adds, memory and time. state: table { inputs, choices, formulas, machines }
// as in cost_formulas.json; sizes { name: [width, depth, heads] }; patches; run: what
// is chosen { name: option or number }; numbers of the machine stand in it only where
// they are not the machine's own

const MARK = "#cost:";

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
      history.replaceState(history.state, "", toAddress(MARK, model.get("run")));
    } catch {
      /* a page that may not name its state still works */
    }
  }
  function restore() {
    const given = shares && fromAddress(MARK, location.hash, table, first);
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
