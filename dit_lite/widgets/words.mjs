// A Diffusion Transformer of captions that runs in the reader's browser: dit.mjs is its
// forward pass, walk.mjs its walk, here is what is done to words and what is shown.
// state: config; weights {name: uint8 (..., 2)}, the two bytes of each float16; caption
// [M], ids with 0 for padding; away and factors [M], what is done to each word; held,
// up to which share of the walk the previous caption's maps are kept; guidance; steps;
// seed; step; word, layer, head and patch whose attention is seen (layer or head -1:
// the mean); groups {kind: [word]}; examples [{ caption, image, masks, about }];
// example, the one on view or -1; real: its picture, noised, is what the network sees

const LOUDEST = 8;

/** The word nearest to `word`: fewest letters to insert, delete or change. */
function nearest(word, words) {
  const distance = other => {
    let row = Array.from({ length: other.length + 1 }, (_, j) => j);
    for (let i = 1; i <= word.length; i++) {
      const next = [i];
      for (let j = 1; j <= other.length; j++)
        next.push(
          Math.min(
            row[j] + 1,
            next[j - 1] + 1,
            row[j - 1] + (word[i - 1] === other[j - 1] ? 0 : 1),
          ),
        );
      row = next;
    }
    return row.at(-1);
  };
  return words.reduce((best, other) =>
    distance(other) < distance(best) ? other : best,
  );
}

/** A map (grid x grid) as it is often drawn: enlarged to size x size without edges
 *  (bilinear), its smallest value 0 and its largest 1. Returns them too. */
function beautified(map, grid, size) {
  const smooth = new Float32Array(size * size),
    clip = i => Math.min(grid - 1, Math.max(0, i));
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const [v, u] = [row, column].map(i => ((i + 0.5) * grid) / size - 0.5),
        [top, left] = [Math.floor(v), Math.floor(u)],
        at = (i, j) => map[clip(i) * grid + clip(j)],
        across = i => at(i, left) + (u - left) * (at(i, left + 1) - at(i, left));
      smooth[row * size + column] =
        across(top) + (v - top) * (across(top + 1) - across(top));
    }
  const [low, high] = [Math.min(...smooth), Math.max(...smooth)];
  return { low, high, values: smooth.map(w => (w - low) / (high - low || 1)) };
}

function render({ model, el }) {
  const body = frame(model, el),
    config = model.get("config");
  const {
    image_size: size,
    channels,
    patch_size: P,
    depth,
    heads,
    words: names,
    caption_length: M,
    data_mean: mean,
    data_std: std,
  } = config;
  const grid = size / P,
    count = grid * grid,
    nothing = Array(M).fill(0),
    examples = model
      .get("examples")
      .map(one => ({ ...one, image: tensor(one.image), masks: tensor(one.masks) }));
  const network = networkOf(model);
  const last = () => model.get("steps"),
    now = () => model.get("step"),
    example = () => examples[model.get("example")];
  let seen, // the pass on view
    before = null; // { asked, passed }: the walk whose maps a swap can keep

  // -- what the network is asked --

  /** A caption and what is done to its words, by value. */
  const wanted = () =>
    Object.fromEntries(
      ["caption", "away", "factors"].map(key => [key, [...model.get(key)]]),
    );
  const left = ({ caption, away }) => caption.some((id, m) => id && !away[m]);
  function pass(x, step, asked, maps) {
    const some = left(asked),
      condition = some
        ? {
            words: asked.caption,
            seen: asked.away.map(away => !away),
            factor: asked.factors,
            maps,
          }
        : nothing;
    const w = some ? model.get("guidance") : 1,
      t = 1 - step / last();
    // the maps between patches, which are many, are not kept
    const { maps: _, ...found } = answer(network, x, t, condition, nothing, w);
    if (!some) found.cross.forEach(layer => layer.forEach(map => map.fill(0))); // no word is there
    return { ...found, asked, held: Boolean(maps) };
  }
  /** The maps kept at a step, from the walk before the last swap. */
  function kept(step) {
    if (!before || model.get("real") || step >= model.get("held") * last()) return;
    const { asked, passed } = before;
    while (passed.length <= step)
      passed.push(pass(state(passed.length, passed.at(-1)), passed.length, asked));
    return passed[step].cross;
  }
  const ask = (x, step) => pass(x, step, wanted(), kept(step));
  const noise = () => noiseOf(model.get("seed"), channels * size * size);
  function state(step, earlier) {
    const r = 1 - step / last();
    if (!model.get("real")) return earlier ? euler(earlier, r) : noise();
    const { values } = example().image; // the linear path: (1 - t) x0 + t eps
    return noise().map(
      (eps, i) => (1 - r) * ((values[i] / 127.5 - 1 - mean) / std) + r * eps,
    );
  }

  // -- choices --

  const set = changes =>
    Object.entries(changes).forEach(([key, value]) => put(model, key, value));
  function change(changes, finished) {
    set(changes);
    spell();
    lay();
    walk.change(finished);
  }
  function restart(key, value) {
    const share = now() / last();
    put(model, key, value);
    if (before) before.passed = [];
    walk.restart(share);
  }
  const without = (key, m, value) => model.get(key).with(m, value);
  /** New words; if there are as many as before, the old maps can be kept. */
  function say(caption, changes = {}) {
    const old = wanted(),
      many = row => row.filter(Boolean).length;
    before =
      many(caption) === many(old.caption) && left(old)
        ? { asked: old, passed: walk.passed.slice(0, now() + 1) }
        : null;
    const word = Math.max(0, Math.min(model.get("word"), many(caption) - 1));
    change({
      caption,
      away: Array(M).fill(false),
      factors: Array(M).fill(1),
      word,
      example: -1,
      real: false,
      ...changes,
    });
  }
  const spelt = row => row.filter(Boolean).map(id => names[id]);
  const filled = ids => [...ids, ...nothing].slice(0, M);
  function typed(text) {
    const said = text.toLowerCase().match(/[^\s.,;:!?]+/g) ?? [],
      strange = said.find(word => word && !names.includes(word));
    if (strange) {
      const near = nearest(strange, names.slice(1)),
        use = said.map(word => (word === strange ? near : word)).join(" ");
      entry.setAttribute("aria-invalid", "true");
      return tell(
        `This model does not know “${strange}”. `,
        button(`use “${near}”`, () => ((entry.value = use), typed(use), entry.focus())),
      );
    }
    if (said.length > M) {
      entry.setAttribute("aria-invalid", "true");
      return tell(`${said.length} words; at most ${M} fit. Leave some out.`);
    }
    const caption = filled(said.map(word => names.indexOf(word)));
    if (caption.join() === model.get("caption").join()) return spell();
    say(caption);
    if (!said.length) tell("No caption: the network samples without a condition.");
  }
  /** The field shows the caption in use. */
  function spell() {
    entry.value = spelt(model.get("caption")).join(" ");
    entry.removeAttribute("aria-invalid");
    tell("");
  }
  const tell = (...parts) => message.replaceChildren(...parts);

  const entry = h("input", {
    type: "text",
    class: "dit-words-entry",
    "aria-label": "caption",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    onchange: () => typed(entry.value),
  });
  const message = h("div", { class: "dit-words-message", role: "status" });
  const select = (label, options, attributes = {}) =>
    h(
      "select",
      { class: "dit-words-select", "aria-label": label, ...attributes },
      ...options,
    );
  const choice = (value, text) => h("option", { value }, text);
  const shelf = select(
    "captions from the data",
    [
      choice(-1, "a caption from the data …"),
      ...examples.map(({ caption }, i) => choice(i, spelt(caption).join(" "))),
    ],
    {
      onchange: () => {
        const example = +shelf.value;
        if (example < 0) return;
        const { caption, about } = examples[example];
        say([...caption], {
          example,
          word: Math.max(
            0,
            about.findLastIndex(k => k >= 0),
          ),
        });
        before = null;
      },
    },
  );
  const builder = h(
    "details",
    { class: "dit-words-builder" },
    h("summary", {}, `pick from the ${names.length - 1} words it knows`),
    ...Object.entries(model.get("groups")).map(([kind, words]) =>
      h(
        "div",
        { class: "dit-words-group", role: "group", "aria-label": kind },
        h("span", { class: "dit-name" }, kind),
        h(
          "div",
          { class: "dit-words-shelf" },
          ...words.map(word => button(word, () => typed(`${entry.value} ${word}`))),
        ),
      ),
    ),
    h(
      "div",
      { class: "dit-controls" },
      button("delete the last word", () =>
        typed(spelt(model.get("caption")).slice(0, -1).join(" ")),
      ),
      button("clear", () => typed("")),
    ),
  );

  const away = button("remove", () => {
    const m = model.get("word");
    change({ away: without("away", m, !model.get("away")[m]) });
  });
  const factor = by => () => {
    const m = model.get("word"),
      value = Math.min(LOUDEST, Math.max(1 / LOUDEST, model.get("factors")[m] * by));
    change({ factors: without("factors", m, value) });
  };
  const quieter = button("weaker", factor(1 / 2)),
    louder = button("stronger", factor(2));
  const other = select(
    "another word",
    Object.entries(model.get("groups")).map(([kind, words]) =>
      h("optgroup", { label: kind }, ...words.map(word => choice(word, word))),
    ),
  );
  const swap = button("swap for", () =>
    say(without("caption", model.get("word"), names.indexOf(other.value))),
  );
  const subject = h("span", { class: "dit-words-subject" });
  const tools = h(
    "div",
    { class: "dit-controls dit-words-tools", role: "group" },
    subject,
    away,
    quieter,
    louder,
    h("span", { class: "dit-words-swap" }, swap, other),
  );
  const percent = share => `${Math.round(100 * share)}\u00a0%`;
  const held = slider({
    label: "old maps after a swap",
    min: 0,
    max: 1,
    step: 0.1,
    value: model.get("held"),
    format: share => (share ? `kept for ${percent(share)} of the steps` : "not kept"),
    input: share => change({ held: share }, () => walk.reach(last())),
  });
  held.node.classList.add("dit-words-held");

  const guidance = slider({
    label: "guidance",
    min: 0,
    max: 8,
    step: 0.25,
    value: model.get("guidance"),
    input: w => {
      if (before) before.passed = [];
      change({ guidance: w }, () => walk.reach(last()));
    },
  });
  const { steps, seed, again, play, scrub } = walkControls({
    model,
    restart,
    walk: () => walk,
  });

  // -- what is shown --

  const noisy = tile(size, size, "state x_t"),
    clean = tile(size, size, "predicted image x0"),
    time = h("span", { class: "dit-value" });
  const story = h("output", { class: "dit-story", "aria-live": "polite" }),
    said = h("output", { class: "dit-story", "aria-live": "polite" }),
    sums = h("div", { class: "dit-note" }),
    strip = h("div", { class: "dit-words-strip" });
  const raw = tile(size, size),
    fine = tile(size, size, "the same map smoothed and stretched"),
    truth = tile(size, size, "true mask of the word"),
    range = h("span", { class: "dit-value" }),
    inside = h("div", { class: "dit-caption" }),
    about = h("span", {});
  const area = patchArea({ model, grid, tile: raw, draw: () => drawMaps() });
  const chosen = (key, length) =>
    segmented({
      label: key,
      value: model.get(key),
      change: value => (put(model, key, value), drawMaps()),
      options: Array.from({ length: length + 1 }, (_, i) => ({
        value: i - 1,
        name: i ? `${key} ${i}` : `mean over ${key}s`,
        content: i ? String(i) : "mean",
      })),
    });
  const layer = chosen("layer", depth),
    head = chosen("head", heads);
  const real = segmented({
    label: "picture",
    value: model.get("real"),
    change: value => change({ real: value }, () => walk.reach(last())),
    options: [
      { value: false, name: "generated from noise", content: "generated" },
      {
        value: true,
        name: "the picture from the data, noised",
        content: "from the data",
      },
    ],
  });
  const proof = h("div", { class: "dit-words-proof" }, truth.node, inside);

  body.append(
    h(
      "p",
      { class: "dit-words-try" },
      "Press a word to see which patches attend to it. Remove it, make it stronger, ",
      "or pause halfway, swap it and play on: the picture and the maps both change.",
    ),
    entry,
    message,
    h("div", { class: "dit-words-head" }, builder, examples.length ? shelf : ""),
    strip,
    tools,
    h(
      "div",
      { class: "dit-words" },
      picture(noisy, symbol("x", "t"), ", the noisy input, at ", time),
      picture(clean, symbol("x̂", "0"), ", the image predicted from it"),
      h(
        "div",
        { class: "dit-words-run" },
        h("div", { class: "dit-controls" }, play, again, scrub.node),
        examples.length ? real.node : "",
        story,
      ),
      h("div", { class: "dit-controls dit-words-where" }, layer.node, head.node),
      h(
        "div",
        { class: "dit-words-raw" },
        area.node,
        h(
          "div",
          { class: "dit-caption" },
          "raw weights on ",
          about,
          ", on the same 0 to 1 scale for every word, layer, head and step",
          h("span", { class: "dit-words-scale", "aria-hidden": "true" }),
        ),
      ),
      picture(fine, "smoothed and min–max normalised, as usually drawn: ", range),
      proof,
      h("div", { class: "dit-words-look" }, said, sums),
    ),
    h("div", { class: "dit-controls" }, held.node),
    h("div", { class: "dit-controls" }, guidance.node, steps.node, seed.node),
  );

  const shades = shader(config);
  const heat = weight =>
    SIGNED[Math.round(127.5 * (1 + Math.min(1, Math.max(0, weight))))];
  const patchOf = place =>
    Math.floor(place / size / P) * grid + Math.floor((place % size) / P);
  let chips = [];

  /** The words of the caption as buttons, each with its map. */
  function lay() {
    const { caption, away: gone, factors } = wanted(),
      said = spelt(caption);
    chips = said.map(() => ({
      tile: tile(grid, grid),
      mass: h("span", { class: "dit-words-mass" }),
    }));
    const focused = strip.contains(document.activeElement),
      bar = segmented({
        label: "word",
        visible: false,
        value: model.get("word"),
        change: word => (put(model, "word", word), lay(), drawMaps()),
        options: said.map((word, m) => ({
          value: m,
          name: `${m + 1}: ${word}${gone[m] ? ", removed" : ""}`,
          content: h(
            "span",
            { class: gone[m] ? "dit-words-chip dit-words-gone" : "dit-words-chip" },
            chips[m].tile.node,
            h(
              "span",
              { class: `dit-words-word${word.length > 8 ? " dit-words-long" : ""}` },
              word,
            ),
            h(
              "span",
              { class: "dit-words-mass" },
              chips[m].mass,
              factors[m] === 1 ? "" : ` ×${number(factors[m], 3)}`,
            ),
          ),
        })),
      });
    strip.replaceChildren(
      said.length ? bar.node : h("p", { class: "dit-note" }, "No words, no maps."),
    );
    if (focused) bar.inputs[model.get("word")]?.focus();
    const m = model.get("word"),
      word = said[m];
    tools.setAttribute("aria-label", word ? `changes to ${word}` : "no word");
    subject.textContent = word ? `“${word}”` : "";
    away.textContent = gone[m] ? "restore" : "remove";
    for (const control of [away, quieter, louder, swap]) control.disabled = !word;
    quieter.disabled ||= gone[m] || factors[m] <= 1 / LOUDEST;
    louder.disabled ||= gone[m] || factors[m] >= LOUDEST;
    const group = Object.values(model.get("groups")).find(all => all.includes(word));
    if (group && !other.matches(":focus"))
      other.value = group[(group.indexOf(word) + 1) % group.length];
    shelf.value = model.get("example");
    proof.hidden = real.node.hidden = !example();
    real.set(model.get("real"));
    guidance.set(model.get("guidance"));
  }
  function draw() {
    const step = now(),
      { x, t, x0 } = (seen = walk.passed[step]);
    shades(noisy, x);
    shades(clean, x0);
    scrub.set(step);
    time.textContent = `t\u00a0=\u00a0${t.toFixed(2)}`;
    noisy.node.dataset.values = x.join(" ");
    clean.node.dataset.values = x0.join(" ");
    el.dataset.step = step;
    el.dataset.ms = walk.passed
      .slice(0, step)
      .map(({ ms }) => ms)
      .join(" ");
    story.textContent = recount(step);
    drawMaps();
  }
  /** What was asked, in words. */
  function called({ caption, away: gone, factors }, held) {
    const said = spelt(caption);
    if (!said.length) return "no caption";
    const done = said
      .map((word, m) =>
        gone[m]
          ? `without “${word}”`
          : factors[m] === 1
            ? ""
            : `“${word}” ×${number(factors[m], 3)}`,
      )
      .filter(Boolean);
    if (held) done.push("with the maps of the previous caption");
    return [`“${said.join(" ")}”`, ...done].join(", ");
  }
  function recount(step) {
    if (model.get("real"))
      return `The picture from the data, noised to t = ${seen.t.toFixed(2)}: the predicted image, and what the network attends to.`;
    const asked = walk.passed
      .slice(0, Math.max(1, step))
      .map(({ asked, held }) => called(asked, held));
    const turns = asked.flatMap((name, k) =>
      k && name !== asked[k - 1] ? [`${asked[k - 1]} until step ${k}`] : [],
    );
    const history = [...turns, `${turns.length ? "then " : ""}${asked.at(-1)}`].join(
      "; ",
    );
    if (step === 0) return `Pure noise. Asked for ${history}.`;
    if (step < last()) return `Asked for ${history}; t = ${seen.t.toFixed(2)}.`;
    const [calls, ms] = ["calls", "ms"].map(key =>
      walk.passed.slice(0, step).reduce((sum, pass) => sum + pass[key], 0),
    );
    return `Finished: ${history}. ${step} steps, ${calls} calls of the network, ${(ms / 1000).toFixed(2)} s of compute in your browser.`;
  }
  /** The weights of this pass, (N·M), of one layer and head or their mean. */
  function weights() {
    const of = (list, i) => (i < 0 ? list : [list[i]]),
      maps = of(seen.cross, model.get("layer")).flatMap(all =>
        of(all, model.get("head")),
      );
    return Float32Array.from(
      maps[0],
      (_, i) => maps.reduce((sum, map) => sum + map[i], 0) / maps.length,
    );
  }
  function drawMaps() {
    if (!seen) return;
    const all = weights(),
      m = model.get("word"),
      said = spelt(seen.asked.caption),
      patch = model.get("patch"),
      map = word => Float32Array.from({ length: count }, (_, n) => all[n * M + word]),
      total = values => values.reduce((sum, value) => sum + value, 0);
    chips.forEach(({ tile: { paint }, mass }, word) => {
      const own = map(word);
      paint(
        Uint8Array.from(
          { length: 3 * count },
          (_, k) => heat(own[Math.floor(k / 3)])[k % 3],
        ),
      );
      mass.textContent = percent(total(own) / count);
    });
    const own = map(m);
    // the heat of a patch, on a pale print of the image it sees
    const print = weight =>
      printed(config, seen.x0, 0.15, place => heat(weight(place)));
    raw.paint(print(place => own[patchOf(place)]));
    const { low, high, values } = beautified(own, grid, size);
    fine.paint(print(place => values[place]));
    about.textContent = said[m] ? `“${said[m]}”` : "no word";
    range.textContent = `${number(low, 3)} to ${number(high, 3)} stretched to 0 to 1`;
    drawTruth(own, total(own));
    const row = said.map((_, word) => all[patch * M + word]),
      order = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3),
      rows = Array.from({ length: count }, (_, n) =>
        total(all.subarray(n * M, (n + 1) * M)),
      );
    tellPatch(patch, row, order, said, rows[patch], own);
    const [least, most] = [Math.min(...rows), Math.max(...rows)].map(sum =>
      sum.toFixed(2),
    );
    sums.textContent =
      least === most
        ? `Every row (one patch, all words) sums to ${least}.`
        : `Rows (one patch, all words) sum to between ${least} and ${most}: the factor is applied after the softmax.`;
    area.node.dataset.sums = rows.join(" ");
    layer.set(model.get("layer"));
    head.set(model.get("head"));
  }
  function tellPatch(patch, row, order, words, sum, weights) {
    const alike = word => words.filter(other => other === word).length > 1,
      called = m => (alike(words[m]) ? `${words[m]} (word ${m + 1})` : words[m]);
    said.textContent = words.length
      ? `The framed patch (${area.where(patch)}) attends to ${order
          .map(m => `${called(m)} ${percent(row[m])}`)
          .join(", ")}; the sum over all words is ${sum.toFixed(2)}.`
      : "Without a caption, every patch attends to the single “no caption” token.";
    area.show(said.textContent, weights);
  }
  /** The picture from the data, with the object that the word refers to. */
  function drawTruth(own, mass) {
    if (!example()) return;
    const { image, masks, about } = example(),
      m = model.get("word"),
      object = about[m],
      word = spelt(model.get("caption"))[m],
      mask = object < 0 ? null : masks.at(object);
    truth.paint(
      Float32Array.from({ length: 3 * size * size }, (_, k) => {
        const place = Math.floor(k / 3),
          level = image.values[(channels === 3 ? (k % 3) * size * size : 0) + place];
        return mask?.[place] ? level : 0.25 * level + 150;
      }),
    );
    if (!mask)
      return (inside.textContent = `the picture from the data; “${word}” refers to no object`);
    const within = mask.reduce(
        (sum, on, place) => sum + (on ? own[patchOf(place)] / (P * P) : 0),
        0,
      ),
      area = mask.reduce((sum, on) => sum + on, 0) / mask.length;
    inside.textContent = model.get("real")
      ? `true mask of “${word}”: ${percent(area)} of the picture, ${percent(within / (mass || 1))} of the word's weight`
      : `true mask of “${word}” in the picture from the data; select that picture to compare`;
  }
  const walk = walker({ el, model, state, ask, draw, play, story, scrub });
  spell();
  lay();
  walk.begin();
  walk.reach(last());
  walk.playWhenSeen(noisy.node, body);
  return walk.stop;
}
export default { render };
