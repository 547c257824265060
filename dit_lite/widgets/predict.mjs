// Predict, then reveal: a number on a scale, or one of a few options. The measured
// value enters the page only when it is revealed. state: question, answer, explanation,
// guess, revealed; for numbers low, high, powers, unit, digits; for choices options

function render({ model, el }) {
  const body = frame(model, el);
  const choices = model.get("options");
  const reveal = button("Reveal", show, {
    class: "dit-button dit-primary",
    disabled: true,
  });
  const hint = h(
    "span",
    { class: "dit-note" },
    choices.length
      ? "Choose an answer first."
      : "Move the slider or type a number first.",
  );
  const result = h(
    "div",
    { class: "dit-result", tabindex: -1, "aria-live": "polite" },
    h("div", { class: "dit-commit" }, reveal, hint),
  );
  const commit = guess => {
    put(model, "guess", guess);
    reveal.disabled = guess === null;
    hint.textContent =
      guess === null
        ? `Enter a number from ${number(model.get("low"))} to ${number(model.get("high"))}.`
        : "";
  };
  const part = (choices.length ? choice : scale)(model, commit);
  body.append(
    h("div", { class: "dit-eyebrow" }, "Predict, then reveal"),
    markup("p", { class: "dit-question" }, model.get("question")),
    part.node,
    result,
  );

  function show() {
    put(model, "revealed", true);
    const verdict = part.reveal(model.get("guess"), model.get("answer"));
    result.classList.add("dit-open");
    result.replaceChildren(
      h("p", { class: "dit-verdict" }, ...verdict),
      markup("p", { class: "dit-explanation" }, model.get("explanation")),
    );
    result.focus({ preventScroll: true });
  }
  if (model.get("revealed")) part.restore(model.get("guess")), show();
}

/** A number between low and high: slider, field and, once revealed, both values on
 *  one line. */
function scale(model, commit) {
  const [low, high, log, digits] = ["low", "high", "powers", "digits"].map(key =>
    model.get(key),
  );
  const unit = model.get("unit") ? " " + model.get("unit") : "";
  const to = value =>
    log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const from = place =>
    log ? low * (high / low) ** place : low + place * (high - low);
  const say = value => number(value, digits) + unit;
  const range = h("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.005,
    value: 0.5,
    "aria-label": "your prediction",
    "aria-valuetext": "not set",
    oninput: slide,
  });
  const field = h("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    size: 8,
    placeholder: "?",
    "aria-label": `your prediction${unit && ", in" + unit}`,
    oninput: type,
  });
  const ticks = ticksOf(low, high, log).map(([value, name]) =>
    pin(h("span", { class: "dit-tick dit-" + side(to(value), 0.02) }, name), to(value)),
  );
  const track = h(
    "div",
    { class: "dit-track" },
    range,
    h("div", { class: "dit-ticks", "aria-hidden": "true" }, ...ticks),
  );
  range.classList.add("dit-unset");

  function pin(node, place) {
    node.style.left = 100 * place + "%";
    return node;
  }
  function settle(value, typed) {
    range.classList.remove("dit-unset");
    range.setAttribute("aria-valuetext", say(value));
    if (typed) range.value = to(value);
    commit(value);
  }
  function slide() {
    field.value = String(+from(+range.value).toPrecision(digits));
    settle(+field.value, false);
  }
  function type() {
    const value = Number(field.value.trim().replace(",", ".") || NaN);
    field.setAttribute("aria-invalid", !(value >= low && value <= high));
    if (value >= low && value <= high) settle(value, true);
    else commit(null);
  }
  function flag(kind, name, value) {
    const place = to(value);
    return [
      pin(h("span", { class: `dit-dot dit-${kind}` }), place),
      pin(
        h(
          "span",
          { class: `dit-flag dit-${kind} dit-${side(place, 0.2)}` },
          `${name} ${say(value)}`,
        ),
        place,
      ),
    ];
  }
  function reveal(guess, answer) {
    range.disabled = field.disabled = true;
    track.classList.add("dit-revealed");
    track.append(
      h(
        "div",
        { class: "dit-outcome", "aria-hidden": "true" },
        ...flag("yours", "you", guess),
        ...flag("measured", "measured", answer),
      ),
    );
    const apart = log
      ? Math.max(guess / answer, answer / guess)
      : Math.abs(guess - answer);
    const near = log ? apart < 1.1 : apart < 0.03 * (high - low);
    const distance = log
      ? `a factor of ${number(apart, 2)}`
      : model.get("unit") === "%"
        ? `${number(apart, digits)} points`
        : say(apart);
    return [
      "You said ",
      h("b", {}, say(guess)),
      "; measured: ",
      h("b", {}, say(answer)),
      near
        ? ". Very close."
        : `. That is ${distance} too ${guess < answer ? "low" : "high"}.`,
    ];
  }
  const restore = guess => ((field.value = guess), settle(guess, true));
  const entry = h(
    "div",
    { class: "dit-entry" },
    track,
    h("label", { class: "dit-field" }, field, unit && h("span", {}, unit)),
  );
  return { node: entry, reveal, restore };
}

const side = (place, margin) =>
  place < margin ? "start" : place > 1 - margin ? "end" : "middle";

/** Two to six round numbers for a scale, with their names. */
function ticksOf(low, high, log) {
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9),
      last = Math.floor(Math.log10(high) + 1e-9),
      every = Math.ceil((last - first + 1) / 5);
    const powers = Array.from(
      { length: Math.max(0, last - first + 1) },
      (_, i) => first + i,
    ).filter((_, i) => i % every === 0);
    const plain = first > -3 && last < 5;
    return powers.length > 1
      ? powers.map(n => [10 ** n, plain ? number(10 ** n) : power(n)])
      : [low, high].map(value => [value, number(value)]);
  }
  const rough = (high - low) / 4,
    unit = 10 ** Math.floor(Math.log10(rough)),
    step = [1, 2, 2.5, 5, 10].find(k => k * unit >= rough * (1 - 1e-9)) * unit;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => [
    (first + i) * step,
    number((first + i) * step, 6),
  ]);
}

/** One of two to four options. */
function choice(model, commit) {
  const group = unique();
  const inputs = model
    .get("options")
    .map((_, i) =>
      h("input", { type: "radio", name: group, onchange: () => commit(i) }),
    );
  const labels = model
    .get("options")
    .map((option, i) =>
      h("label", { class: "dit-answer" }, inputs[i], markup("span", {}, option)),
    );
  function reveal(guess, answer) {
    inputs.forEach(input => (input.disabled = true));
    labels[answer].classList.add("dit-right");
    labels[answer].append(h("span", { class: "dit-mark" }, "✓ right"));
    if (guess === answer) return ["You were right."];
    labels[guess].classList.add("dit-wrong");
    labels[guess].append(h("span", { class: "dit-mark" }, "✗ your choice"));
    return ["Not this time."];
  }
  const restore = guess => ((inputs[guess].checked = true), commit(guess));
  return {
    node: h(
      "div",
      { class: "dit-answers", role: "radiogroup", "aria-label": "options" },
      ...labels,
    ),
    reveal,
    restore,
  };
}
export default { render };
