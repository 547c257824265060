// An all-reduce, round by round. state: names; timelines [{ holds uint8 (rounds + 1,
// ranks, chunks), sent float32 (rounds + 1, ranks), messages [[[source, target, chunk,
// adds]]] }]; index of the timeline; step: rounds done

const tensors = value =>
  value === 1 ? "1 tensor" : `${number(Math.round(value * 1000) / 1000)} tensors`;
const bits = mask => [...mask.toString(2)].filter(bit => bit === "1").length;

function render({ model, el }) {
  const body = frame(model, el),
    names = model.get("names");
  const timelines = model.get("timelines").map(({ holds, sent, messages }) => ({
    holds: tensor(holds),
    sent: tensor(sent),
    messages,
  }));
  const way = segmented({
    label: "way",
    value: model.get("index"),
    options: names.map((name, value) => ({ value, name })),
    change: index => (put(model, "step", 0), put(model, "index", index)),
  });
  const round = slider({
    label: "round",
    min: 0,
    max: 1,
    step: 1,
    value: 0,
    input: value => put(model, "step", value),
  });
  const move = by => () => {
    const last = timelines[model.get("index")].messages.length;
    put(model, "step", Math.min(last, Math.max(0, model.get("step") + by)));
  };
  const story = h("output", {
    class: "dit-story dit-ring-story",
    "aria-live": "polite",
  });
  const grid = h("div", { class: "dit-ring", role: "table", "aria-label": "ranks" });
  const said = h("div", { class: "dit-ring-messages dit-note" });
  body.append(
    h("div", { class: "dit-controls" }, way.node, round.node),
    h(
      "div",
      { class: "dit-controls" },
      button("back", move(-1)),
      button("next round", move(1)),
    ),
    story,
    grid,
    said,
    h(
      "div",
      { class: "dit-legend" },
      h(
        "span",
        {},
        "box: a chunk on one rank; stripe: a rank whose numbers are in its sum",
      ),
      h("span", {}, "right: tensors that the rank has sent"),
    ),
  );

  function draw() {
    const { holds, sent, messages } = timelines[model.get("index")],
      step = model.get("step"),
      [, ranks, chunks] = holds.shape,
      now = step ? messages[step - 1] : [];
    way.set(model.get("index"));
    round.range.max = messages.length;
    round.set(step);
    const arrives = (rank, chunk) =>
      now.some(([, target, c]) => target === rank && (c === null || c === chunk));
    grid.replaceChildren(
      ...Array.from({ length: ranks }, (_, rank) =>
        h(
          "div",
          { class: "dit-ring-row", role: "row", "data-rank": rank },
          h("span", { class: "dit-name", role: "rowheader" }, `rank ${rank}`),
          h(
            "span",
            { class: "dit-ring-chunks", role: "cell" },
            ...Array.from({ length: chunks }, (_, chunk) => {
              const mask = holds.at(step, rank)[chunk];
              return h(
                "span",
                {
                  class: `dit-ring-chunk${arrives(rank, chunk) ? " dit-ring-new" : ""}`,
                  role: "img",
                  "aria-label": `chunk ${chunk}: the sum of ${bits(mask)}`,
                  "data-mask": mask,
                },
                ...Array.from({ length: ranks }, (_, one) =>
                  h("span", { class: (mask >> one) & 1 ? "dit-ring-on" : "" }),
                ),
              );
            }),
          ),
          h(
            "span",
            { class: "dit-value", role: "cell", "data-sent": sent.at(step)[rank] },
            number(sent.at(step)[rank], 3),
          ),
        ),
      ),
    );
    const whole = (1 << ranks) - 1,
      finished = [...holds.at(step)].filter(mask => mask === whole).length,
      most = Math.max(...sent.at(step)),
      end = Math.max(...sent.at(messages.length));
    story.textContent =
      step === 0
        ? `${ranks} ranks, each with its own numbers in ${chunks === 1 ? "one piece" : `${chunks} chunks`}. Every rank needs the sum over all ranks.`
        : `Round ${step} of ${messages.length}: ${finished} of ${ranks * chunks} boxes hold the full sum. The busiest rank has sent ${tensors(most)}${step === messages.length ? "; done" : ` of ${tensors(end)}`}.`;
    said.textContent = now.length
      ? now
          .map(
            ([source, target, chunk, adds]) =>
              `${source} → ${target}${chunk === null ? "" : ` chunk ${chunk}`}${adds ? "" : " (copy)"}`,
          )
          .join(" · ")
      : "Nothing has been sent yet.";
    el.dataset.results = JSON.stringify({
      step,
      finished,
      sent: [...sent.at(step)],
      rounds: messages.length,
    });
  }
  model.on("change:step", draw);
  model.on("change:index", draw);
  draw();
}
export default { render };
