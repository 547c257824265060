// What a model and its training cost: inputs in three groups, and bars of
// multiply-adds, memory and time. state: table { inputs, choices, formulas, machines }
// as in cost_formulas.json; sizes { name: [width, depth, heads] }; patches; run: what
// is chosen { name: option or number }; it holds a machine's numbers only where the
// reader changed them

const MARK = "#cost:";

function render({ model, el }) {
  const body = frame(model, el),
    table = model.get("table"),
    first = model.get("run");
  const cost = calculator(table),
    MACHINE = ["peak", "share", "memory", "link", "latency", "price"];
  const [N, D, L] = ["N", "D", "L"].map(letter => () => symbol(letter)),
    square = () => h("sup", {}, "2");
  const form = runForm({
    model,
    table,
    sizes: model.get("sizes"),
    patches: model.get("patches"),
    own: MACHINE,
  });
  const { numeric, select, oneOf, group } = form;
  const inputs = [
    group(
      "model",
      ...form.shape,
      select(
        "conditioning",
        "conditioning",
        asOptions(Object.keys(table.choices.conditioning)),
        "dit-cost-two dit-cost-rest",
      ),
      oneOf("space", "image", asOptions(["latent", "colour", "grey"])),
      form.patch,
    ),
    group(
      "training",
      numeric("batch", "batch"),
      numeric("accumulation", "accumulation"),
      select(
        "kernel",
        "attention",
        { flash: "fused", naive: "written out" },
        "dit-cost-two",
      ),
      select("precision", "precision", PRECISIONS, "dit-cost-two dit-cost-pair"),
      select(
        "checkpointing",
        "activations",
        CHECKPOINTING,
        "dit-cost-two dit-cost-pair",
      ),
      numeric("length", "length of the run", { wide: "dit-cost-two dit-cost-pair" }),
      oneOf("unit", "counted in", asOptions(["steps", "images"])),
    ),
    group(
      "machine",
      select("machine", "device", asOptions(Object.keys(table.machines))),
      numeric("devices", "device count"),
      numeric("price", "$ per hour"),
      oneOf(
        "split",
        "training state",
        { ddp: "not sharded", zero1: "ZeRO-1", zero2: "ZeRO-2", zero3: "ZeRO-3" },
        { wide: "dit-cost-half" },
      ),
      numeric("peak", "peak, TFLOP/s"),
      numeric("share", "of peak, %"),
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
  const tiles = tilesOf([
    ["parameters", "parameters", count],
    ["macs", "multiply-adds", macs],
    ["total_memory", "memory per device", inBytes],
    ["step_seconds", "time per step", duration],
    ["run_seconds", "time of the run", duration],
    ["cost", "price of the run", money],
  ]);

  const work = stack(
    "multiply-adds per image",
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
    "memory per device",
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
    "time per training step",
    [
      { key: "forward_seconds", name: "forward", color: "blue" },
      { key: "backward_seconds", name: "backward", color: "sky" },
      { key: "recompute_seconds", name: "recomputing", color: "amber" },
      { key: "exposed_seconds", name: "waiting for the link", color: "red" },
    ],
    duration,
  );
  /** What would make it fit, the simplest remedy first. */
  function remedy(run, room) {
    const fits = change => cost({ ...run, ...change }).total_memory <= room;
    const parts = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
      .map(k => k * run.accumulation)
      .find(k => k <= run.batch / run.devices && fits({ accumulation: k }));
    if (parts) return `It fits with ${parts} micro-batches.`;
    if (run.checkpointing === "none" && fits({ checkpointing: "block" }))
      return "It fits if blocks are recomputed.";
    const smallest = {
      checkpointing: "block",
      accumulation: Math.ceil(run.batch / run.devices),
    };
    if (fits(smallest))
      return "It fits with one image at a time, if blocks are recomputed.";
    const devices = [2, 4, 8, 16, 32, 64, 128, 256, 512].find(
      p =>
        p > run.devices && fits({ devices: p, split: "zero3", checkpointing: "block" }),
    );
    return devices
      ? `It fits on ${devices} devices with ZeRO-3, if blocks are recomputed.`
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
      room = known.memory * 1e9;
    form.show(run, known);
    const machine = table.machines[run.machine],
      own = MACHINE.filter(name => name in run);
    tell(
      source,
      `${run.machine}: ${machine.source}. ${own.length ? `Set by you: ${own.join(", ")}. ` : ""}Assumed: share of the peak, overlap, latency, price${machine.joined > 1 ? `, and beyond ${machine.joined} devices the network` : ""}.`,
    );

    tiles.show(known);
    work.show(known);
    tell(work.head, macs(known.macs));
    tell(
      work.note,
      `${percent(known.token_macs / known.macs)} grow with N·D², ${percent(known.pair_macs / known.macs)} with N²·D; ${number(known.tokens, 6)} tokens.`,
    );
    memory.show(known, room);
    tell(memory.head, `${inBytes(known.total_memory)} of ${inBytes(room)}`);
    tell(
      memory.note,
      `${number(known.micro_batch, 6)} ${known.micro_batch === 1 ? "image" : "images"} at a time${run.devices > 1 ? " on each device" : ""}.`,
    );
    time.show(known);
    tell(time.head, duration(known.step_seconds));
    tell(
      time.note,
      run.devices > 1
        ? `Each device sends ${inBytes(known.sent_bytes)}: ${duration(known.communication_seconds)}, of which ${percent(known.hidden_seconds / known.communication_seconds)} overlap with computing.`
        : "One device: nothing is sent.",
    );

    const total = known.total_memory,
      fits = total <= room,
      [largest, value] = Object.keys(TERMS)
        .map(key => [TERMS[key], known[key]])
        .sort((a, b) => b[1] - a[1])[0];
    const waits = known.exposed_seconds / known.step_seconds,
      device = `${number(run.devices, 6)} × ${run.machine}`;
    tell(
      story,
      [
        `${form.label(run)}: ${macs(known.macs)} multiply-adds for the forward pass of one image, ${percent(known.token_macs / known.macs)} of them in N·D² terms.`,
        fits
          ? `Training fits on ${device}: ${inBytes(total)} of ${inBytes(room)}, ${percent(value / total)} of it ${largest}.`
          : `Training does not fit on ${device}: it needs ${inBytes(total)} of ${inBytes(room)}, ${percent(value / total)} of it ${largest}. ${remedy(run, room)}`,
        waits > 0.5
          ? `The link is the bottleneck: ${percent(waits)} of a step is spent waiting.`
          : waits > 0.02
            ? `Computing is the bottleneck; ${percent(waits)} of a step is spent waiting for the link.`
            : "Computing is the bottleneck.",
        `${count(known.images_seen)} images take ${duration(known.run_seconds)} and ${money(known.cost)}.`,
      ].join(" "),
    );
    Object.assign(el.dataset, { fits, bottleneck: waits > 0.5 ? "link" : "computing" });
    el.dataset.results = JSON.stringify(known);
  }

  const address = heldInAddress({
    model,
    el,
    mark: MARK,
    keys: ["run"],
    table,
    first,
    draw,
    state: () => model.get("run"),
    accept(given) {
      const free = Object.fromEntries(
        Object.entries(first).filter(([name]) => !MACHINE.includes(name)),
      );
      const run = { ...free, ...given },
        back = (...names) => names.forEach(name => (run[name] = first[name]));
      // numbers that contradict each other fall back to the first state
      if (run.width % run.heads) back("width", "depth", "heads");
      if (!model.get("patches").includes(run.patch_size) || wrong(table, run))
        back("space", "image_size", "patch_size");
      put(model, "run", run);
      return true;
    },
    reset() {
      form.settle();
      put(model, "run", first);
    },
  });
  body.append(
    story,
    tiles.node,
    ...inputs,
    form.problem,
    source,
    memory.node,
    work.node,
    time.node,
    address.node,
  );
  address.begin();
}
export default { render };
