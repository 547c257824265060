// A pipeline's step: rows of tasks over time, and what each device holds. state: runs
// [{ schedule, devices, micro, events float32 (n, 6), seconds, idle_share,
// bubble_to_work, held }]; run { schedule, devices, micro }; time: a moment of the step

const KINDS = [
  { name: "forward", color: "blue" },
  { name: "backward", color: "amber" },
  { name: "weights' gradient", color: "green" },
];
const share = value => `${(100 * value).toFixed(1)} %`;

function render({ model, el }) {
  const body = frame(model, el),
    runs = model.get("runs").map(run => ({ ...run, events: tensor(run.events) }));
  const every = key => [...new Set(runs.map(run => run[key]))];
  const find = wanted =>
    runs.find(run => Object.keys(wanted).every(key => run[key] === wanted[key]));
  const labels = {
    schedule: "schedule",
    devices: "devices p",
    micro: "micro-batches m",
  };
  const controls = Object.fromEntries(
    Object.entries(labels).map(([key, label]) => [
      key,
      segmented({
        label,
        value: model.get("run")[key],
        options: every(key).map(value => ({
          value,
          name: String(value).replace("_", " "),
        })),
        change: value => {
          put(model, "time", 0);
          put(model, "run", { ...model.get("run"), [key]: value });
        },
      }),
    ]),
  );
  const moment = slider({
    label: "moment",
    min: 0,
    max: 1000,
    step: 1,
    value: 0,
    format: value => number((value / 1000) * (find(model.get("run"))?.seconds ?? 0), 3),
    input: value =>
      put(model, "time", (value / 1000) * (find(model.get("run"))?.seconds ?? 0)),
  });
  const story = h("output", {
    class: "dit-story dit-pipe-story",
    "aria-live": "polite",
  });
  const most = Math.max(...runs.map(({ devices }) => devices)),
    rows = h("div", { class: "dit-pipe", style: `--rows: ${34 * most}px` });
  body.append(
    h(
      "div",
      { class: "dit-controls" },
      ...Object.values(controls).map(({ node }) => node),
    ),
    story,
    rows,
    h("div", { class: "dit-controls" }, moment.node),
    h(
      "div",
      { class: "dit-legend" },
      ...KINDS.map(({ name, color }) =>
        h(
          "span",
          {},
          h("span", {
            class: "dit-pipe-swatch",
            style: `background: var(--dit-${color})`,
          }),
          ` ${name}`,
        ),
      ),
      h("span", {}, "right: micro-batches held now / at most"),
    ),
  );

  /** Micro-batches whose activations a device holds at a moment, in its whole share. */
  function held(run, device, time) {
    const last = run.schedule === "zero_bubble" ? 2 : 1,
      stages = new Set();
    let now = 0;
    for (let i = 0; i < run.events.shape[0]; i++) {
      const [d, kind, stage, , start, end] = run.events.at(i);
      if (d !== device) continue;
      stages.add(stage);
      if (kind === 0 && start <= time) now += 1;
      if (kind === last && end <= time) now -= 1;
    }
    return now / stages.size;
  }
  function draw() {
    const wanted = model.get("run"),
      run = find(wanted),
      time = model.get("time");
    for (const [key, control] of Object.entries(controls)) {
      control.set(wanted[key]);
      control.inputs.forEach((input, i) => {
        input.disabled = !find({ ...wanted, [key]: every(key)[i] });
      });
    }
    if (!run) {
      story.textContent =
        "This schedule needs a multiple of p micro-batches; choose more.";
      rows.replaceChildren();
      el.dataset.results = "{}";
      return;
    }
    moment.set(Math.round((1000 * time) / run.seconds));
    const at = Array.from({ length: run.devices }, () => []);
    for (let i = 0; i < run.events.shape[0]; i++) {
      const [device, kind, stage, micro, start, end] = run.events.at(i);
      const running = start <= time && time < end;
      at[device].push(
        h(
          "span",
          {
            class: `dit-pipe-task${running ? " dit-pipe-now" : ""}`,
            style: `left: ${(100 * start) / run.seconds}%; width: ${(100 * (end - start)) / run.seconds}%; background: var(--dit-${KINDS[kind].color})`,
            title: `${KINDS[kind].name}, micro-batch ${micro}, stage ${stage}`,
          },
          (end - start) / run.seconds > 0.035 ? String(micro) : "",
        ),
      );
    }
    const cursor = () =>
      h("span", {
        class: "dit-pipe-cursor",
        style: `left: ${(100 * time) / run.seconds}%`,
      });
    const now = at.map((_, device) => held(run, device, time));
    rows.replaceChildren(
      ...at.map((tasks, device) =>
        h(
          "div",
          { class: "dit-pipe-row", "data-device": device },
          h("span", { class: "dit-name" }, String(device)),
          h(
            "span",
            {
              class: "dit-pipe-track",
              role: "img",
              "aria-label": `device ${device}: ${tasks.length} tasks`,
            },
            ...tasks,
            cursor(),
          ),
          h(
            "span",
            { class: "dit-value" },
            `${number(now[device], 2)} / ${number(run.held[device], 2)}`,
          ),
        ),
      ),
    );
    story.textContent = `${share(run.idle_share)} of the step is idle; idle time over useful time is ${share(run.bubble_to_work)}. A device holds the activations of at most ${number(Math.max(...run.held), 3)} micro-batches.`;
    el.dataset.results = JSON.stringify({
      idle_share: run.idle_share,
      bubble_to_work: run.bubble_to_work,
      held: run.held,
      now,
      seconds: run.seconds,
    });
  }
  model.on("change:run", draw);
  model.on("change:time", draw);
  draw();
}
export default { render };
