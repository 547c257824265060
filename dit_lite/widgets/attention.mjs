// What a patch attends to: its row of an attention map over the picture, for every
// layer, head and time; what attends to it; and the words it attends to. state: shown {
// images uint8 (T, H, W[, 3]); times; columns of the grid; weights uint8 (T, L, h, N,
// N) in parts of peaks float32 (T, L, h, N); entropy, distance, received float32 (T, L,
// h+1, N), the last "head" being the mean; words; cross { weights, peaks, entropy,
// received } or null }; inputs { name, values } or null; input; t; patch; layer; head,
// h for the mean; view "from", "to" or "word"; word

const FEW = 8; // times that are shown as pictures; more become a slider
const at2 = value => value.toFixed(2);
const share = value =>
  value > 0.9995
    ? "100 %"
    : value >= 0.0995
      ? `${Math.round(100 * value)} %`
      : `${(100 * value).toFixed(1)} %`;
const count = (value, thing) =>
  `${value} ${thing}${value === 1 ? "" : thing.endsWith("ch") ? "es" : "s"}`;
const range = length => Array.from({ length }, (_, i) => i);
const largest = values =>
  values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

/** Attention maps as they travel: row(time, layer, head, query) are the weights of
 *  one query; head h is the mean over the h heads. */
function maps(packed) {
  const weights = tensor(packed.weights),
    peaks = tensor(packed.peaks),
    [, layers, heads] = weights.shape;
  const one = (...place) => {
    const scale = peaks.at(...place.slice(0, 3))[place[3]] / 255;
    return Float64Array.from(weights.at(...place), value => value * scale);
  };
  const row = (time, layer, head, query) => {
    if (head < heads) return one(time, layer, head, query);
    const rows = range(heads).map(k => one(time, layer, k, query));
    return rows[0].map(
      (_, i) => rows.reduce((sum, values) => sum + values[i], 0) / heads,
    );
  };
  const numbers = Object.fromEntries(
    ["entropy", "distance", "received"]
      .filter(key => packed[key])
      .map(key => [key, tensor(packed[key])]),
  );
  return {
    layers,
    heads,
    row,
    numbers,
    top: peaks.values.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Cells in a grid, one of them chosen: by mouse, touch or arrow keys. `preview` is
 *  called with what the mouse is over, and with null when it leaves. */
function board({ label, columns, names, choose, preview = () => {} }) {
  const cells = names.map((name, i) =>
    h("div", {
      role: "gridcell",
      tabindex: -1,
      "aria-label": name,
      class: "dit-gaze-cell",
      onclick: () => pick(i),
      onpointerenter: ({ pointerType }) => pointerType === "mouse" && preview(i),
    }),
  );
  const rows = range(Math.ceil(cells.length / columns)).map(r =>
    h("div", { role: "row" }, ...cells.slice(r * columns, (r + 1) * columns)),
  );
  const node = h(
    "div",
    {
      role: "grid",
      "aria-label": label,
      class: "dit-gaze-board",
      style: `--columns: ${columns}`,
      onpointerleave: () => preview(null),
    },
    ...rows,
  );
  const pick = i => (preview(null), choose(i), cells[i].focus({ preventScroll: true }));
  const moves = {
    ArrowLeft: i => (i % columns ? i - 1 : i),
    ArrowRight: i => ((i + 1) % columns ? i + 1 : i),
    ArrowUp: i => i - columns,
    ArrowDown: i => i + columns,
    Home: i => i - (i % columns),
    End: i => i - (i % columns) + columns - 1,
  };
  node.addEventListener("keydown", event => {
    const from = cells.indexOf(event.target);
    if (from < 0 || !(moves[event.key] || event.key === "Enter" || event.key === " "))
      return;
    event.preventDefault();
    const next = moves[event.key]?.(from) ?? from;
    if (cells[next]) pick(next);
  });
  const set = chosen =>
    cells.forEach((cell, i) => {
      cell.tabIndex = i === chosen ? 0 : -1;
      cell.setAttribute("aria-selected", i === chosen);
    });
  return { node, cells, set };
}

/** Text that contrasts with its background, black or white: on a light page it changes
 *  near full strength, on a dark one in the middle. */
const ink = ({ classList }, strength) => (
  classList.toggle("dit-gaze-strong", strength > 0.55),
  classList.toggle("dit-gaze-full", strength > 0.87)
);

/** A heat map over the grid in one hue, the square root of the weight as its
 *  strength; `written` puts percents into the cells. */
function heatmap(lines, columns, written) {
  const spots = range(lines * columns).map(i => ({
    x: 100 * (i % columns),
    y: 100 * Math.floor(i / columns),
  }));
  const cells = spots.map(({ x, y }) =>
    svg("rect", { x, y, width: 100, height: 100 }, ...(written ? [svg("title")] : [])),
  );
  const texts = written
    ? spots.map(({ x, y }) => svg("text", { x: x + 50, y: y + 50 }))
    : [];
  const frame = svg("rect", { class: "dit-gaze-here", width: 100, height: 100 });
  const node = svg(
    "svg",
    {
      class: "dit-gaze-heat",
      viewBox: `0 0 ${100 * columns} ${100 * lines}`,
      ...(written ? { role: "img" } : { "aria-hidden": "true" }),
    },
    ...cells,
    ...texts,
    frame,
  );
  const paint = (values, top, here) => {
    cells.forEach((cell, i) => {
      const strength = Math.sqrt(Math.min(1, values[i] / top));
      cell.setAttribute("fill-opacity", strength.toFixed(3));
      if (!written) return;
      cell.dataset.weight = values[i];
      cell.firstChild.textContent = `${spot(i, columns)}: ${share(values[i])}`;
      texts[i].textContent = Math.round(100 * values[i]);
      ink(texts[i], strength);
    });
    frame.setAttribute("visibility", here < 0 ? "hidden" : "visible");
    if (here >= 0) build(frame, spots[here], []);
  };
  return { node, paint };
}
const spot = (i, columns) =>
  `row ${Math.floor(i / columns) + 1}, column ${(i % columns) + 1}`;

/** A number with its name, a bar from 0 to the most it can be, and a line on the bar
 *  where even attention would be. */
function gauge(key) {
  const [name, value, note] = ["name", "value", "note"].map(part =>
      h("span", { class: "dit-" + part }),
    ),
    bar = h("span"),
    even = h("i");
  const node = h(
    "div",
    { class: "dit-gaze-number", "data-key": key },
    name,
    value,
    h("span", { class: "dit-gaze-bar", "aria-hidden": "true" }, bar, even),
    note,
  );
  const show = (title, number, text, most, fair, ...words) => {
    [name.textContent, value.textContent, node.dataset.value, node.dataset.even] = [
      title,
      text,
      number,
      fair,
    ];
    note.replaceChildren(...words);
    bar.style.width = `${Math.min(100, (100 * number) / most)}%`;
    even.style.left = `${Math.min(100, (100 * fair) / most)}%`;
  };
  return { node, show };
}

function render({ model, el }) {
  const body = frame(model, el),
    recomputed = model.get("recomputed"),
    inputs = model.get("inputs");
  const story = h("output", { class: "dit-story", "aria-live": "polite" }),
    controls = h("div", { class: "dit-controls" }),
    room = h("div", { class: "dit-gaze" });
  body.append(controls, story, room);
  let hovered = {}; // what the mouse is over, instead of the state: patch, word
  let draw = () => {};

  const chosenInput =
    inputs && recomputed.includes("input")
      ? segmented({
          label: inputs.name,
          value: model.get("input"),
          change: i => put(model, "input", i),
          options: inputs.values.map((name, value) => ({ value, name })),
        })
      : null;
  const anyTime = recomputed.includes("t")
    ? slider({
        label: "time t",
        min: 0,
        max: 1,
        step: 0.01,
        value: model.get("t"),
        format: at2,
        input: t => put(model, "t", t),
      })
    : null;

  /** Builds everything that depends on what is shown. */
  function load() {
    const shown = model.get("shown"),
      self = maps(shown),
      cross = shown.cross && maps(shown.cross),
      images = tensor(shown.images),
      { times, columns, words } = shown;
    const [, high, wide] = images.shape,
      lines = (columns * high) / wide,
      N = lines * columns,
      M = words.length,
      { layers, heads } = self;
    hovered = {};
    const names = range(N).map(i => spot(i, columns));
    const place = i => [Math.floor(i / columns), i % columns],
      apart = (i, j) =>
        Math.hypot(place(i)[0] - place(j)[0], place(i)[1] - place(j)[1]);
    const mapName = (layer, head) =>
      head < heads
        ? `layer ${layer + 1}, head ${head + 1}`
        : `layer ${layer + 1}, mean over heads`;

    // when
    const pictures = times.map((_, i) => {
      const { node, paint } = tile(high, wide);
      paint(images.at(i));
      return node;
    });
    const pickTime = i => put(model, "t", times[i]);
    const when =
      times.length > FEW
        ? slider({
            label: "time t",
            min: 0,
            max: times.length - 1,
            step: 1,
            value: 0,
            format: i => at2(times[i]),
            input: pickTime,
          })
        : segmented({
            label: "time t",
            value: 0,
            change: pickTime,
            options: times.map((t, value) => ({
              value,
              name: at2(t),
              content: h("span", { class: "dit-gaze-time" }, pictures[value], at2(t)),
            })),
          });
    const views = {
      from: "attention from it",
      to: "attention to it",
      ...(cross ? { word: "attention to the word" } : {}),
    };
    const view = segmented({
      label: "show",
      visible: false,
      value: model.get("view"),
      change: value => put(model, "view", value),
      options: Object.entries(views).map(([value, name]) => ({ value, name })),
    });
    controls.replaceChildren(
      ...(chosenInput ? [chosenInput.node] : []),
      (anyTime ?? when).node,
      view.node,
    );

    // what the model saw, and what it attends to
    const hover = key => value => ((hovered[key] = value), draw());
    const patches = board({
      label: "the query patch",
      columns,
      names,
      choose: i => put(model, "patch", i),
      preview: hover("patch"),
    });
    const picture = tile(high, wide),
      heat = heatmap(lines, columns, true),
      title = h("div", { class: "dit-title" });
    if (columns > 10) heat.node.classList.add("dit-gaze-bare");
    else if (columns > 5) heat.node.classList.add("dit-gaze-tight");
    const seen = h(
      "div",
      { class: "dit-gaze-seen" },
      h("div", { class: "dit-title" }, symbol("x", "t"), ": choose a patch"),
      h("div", { class: "dit-gaze-sheet" }, picture.node, patches.node),
    );
    const ramp = h("span", { class: "dit-gaze-ramp" }, h("i")),
      top = h("span"),
      half = h("span"),
      even = h("span");
    const legend = h(
      "div",
      { class: "dit-legend" },
      h("span", {}, "0 ", ramp, " ", top),
      half,
      even,
    );

    // every layer and head
    const small = range(layers * (heads + 1)).map(() => heatmap(lines, columns, false));
    const strip = board({
      label: "layer and head",
      columns: heads + 1,
      names: small.map((_, i) => mapName(Math.floor(i / (heads + 1)), i % (heads + 1))),
      choose: i => (
        model.set("head", i % (heads + 1)),
        put(model, "layer", Math.floor(i / (heads + 1)))
      ),
    });
    strip.cells.forEach((cell, i) => cell.append(small[i].node));
    [...strip.node.children].forEach((row, layer) =>
      row.prepend(
        h("span", { class: "dit-gaze-tag", "aria-hidden": "true" }, String(layer + 1)),
      ),
    );
    const heading = h(
      "div",
      { class: "dit-gaze-head", "aria-hidden": "true" },
      h("span"),
      ...range(heads).map(k => h("span", {}, String(k + 1))),
      h("span", {}, "mean"),
    );
    strip.node.classList.add("dit-gaze-strip");
    heading.style.setProperty("--columns", heads + 1);
    const all = h(
      "div",
      { class: "dit-gaze-all" },
      h("div", { class: "dit-title" }, "all layers (rows) and heads (columns)"),
      heading,
      strip.node,
    );

    // numbers and words
    const gauges = ["entropy", "support", "distance"].map(gauge);
    const chips =
      cross &&
      board({
        label: "words",
        columns: M,
        names: words,
        preview: hover("word"),
        choose: m => (model.set("word", m), put(model, "view", "word")),
      });
    chips?.node.classList.add("dit-gaze-words");
    const heard = h("div", { class: "dit-title" });
    room.classList.toggle("dit-gaze-many", heads > 5);
    room.style.setProperty("--heads", heads);
    room.replaceChildren(
      h(
        "div",
        { class: "dit-gaze-maps" },
        seen,
        h(
          "div",
          { class: "dit-gaze-where" },
          title,
          h("div", { class: "dit-gaze-sheet" }, heat.node),
        ),
        all,
      ),
      legend,
      h("div", { class: "dit-gaze-numbers" }, ...gauges.map(({ node }) => node)),
      ...(chips ? [h("div", {}, heard, chips.node)] : []),
    );

    /** From the state to everything on the page. */
    draw = () => {
      const layer = Math.min(model.get("layer"), layers - 1),
        head = Math.min(model.get("head"), heads),
        patch = Math.min(hovered.patch ?? model.get("patch"), N - 1);
      const time = times.reduce(
        (best, t, i) =>
          Math.abs(t - model.get("t")) < Math.abs(times[best] - model.get("t"))
            ? i
            : best,
        0,
      );
      const word = hovered.word ?? Math.min(model.get("word"), M - 1),
        asked =
          cross && hovered.word != null
            ? "word"
            : views[model.get("view")]
              ? model.get("view")
              : "from";
      const source = asked === "word" ? cross : self,
        fair = 1 / (asked === "word" ? M : N);
      const values = (l, k) =>
        asked === "from"
          ? self.row(time, l, k, patch)
          : range(N).map(i => source.row(time, l, k, i)[asked === "to" ? patch : word]);
      const shownValues = values(layer, head),
        number = (of, key) => of.numbers[key].at(time, layer, head);

      picture.paint(images.at(time));
      [
        [view, model.get("view")],
        [when, time],
        [patches, patch],
        [strip, layer * (heads + 1) + head],
      ].forEach(([control, value]) => control.set(value));
      heat.paint(shownValues, source.top, asked === "word" ? -1 : patch);
      small.forEach(({ paint }, i) =>
        paint(
          values(Math.floor(i / (heads + 1)), i % (heads + 1)),
          source.top,
          asked === "word" ? -1 : patch,
        ),
      );
      title.textContent = {
        from: "attention from it (%)",
        to: "attention to it (%)",
        word: `attention to “${words[word]}” (%)`,
      }[asked];
      top.textContent = share(source.top);
      ramp.firstChild.style.left = `${100 * Math.sqrt(Math.min(1, fair / source.top))}%`;
      half.textContent = `half the colour: ${share(source.top / 4)}`;
      even.replaceChildren(
        "| uniform attention: 1/",
        symbol(asked === "word" ? "M" : "N"),
        ` = ${share(fair)}`,
      );
      Object.assign(el.dataset, { patch, layer, head, time, view: asked, word });

      const best = largest(shownValues),
        far = range(N).map(i => apart(patch, i)),
        near = far.reduce((a, b) => a + b, 0) / N;
      const name = mapName(layer, head),
        who = `${name[0].toUpperCase()}${name.slice(1)}, at t = ${at2(times[time])}:`;
      if (asked === "from") {
        const entropy = number(self, "entropy")[patch],
          support = 2 ** entropy,
          distance = number(self, "distance")[patch],
          most = Math.log2(N);
        gauges[0].show(
          "entropy",
          entropy,
          `${at2(entropy)} bits`,
          most,
          most,
          "of at most log₂ ",
          symbol("N"),
          ` = ${at2(most)}`,
        );
        gauges[1].show(
          "effective support",
          support,
          count(support.toFixed(1), "patch"),
          N,
          N,
          "2",
          h("sup", {}, "entropy"),
          `, of ${N}`,
        );
        gauges[2].show(
          "mean distance",
          distance,
          count(at2(distance), "patch"),
          Math.max(...far),
          near,
          `uniform attention: ${at2(near)}`,
        );
        const away = far[best],
          goal =
            best === patch
              ? "itself"
              : `${away < 1.5 ? "its neighbour in " : ""}${names[best]}`;
        const spread =
          support > 0.9 * N
            ? `attends almost equally to all ${N} patches`
            : support < 1.5
              ? "attends almost exclusively to one patch"
              : `spreads its attention over ${support.toFixed(1)} of ${N} patches`;
        const reach =
          distance < 0.9 * near
            ? "nearer than"
            : distance > 1.1 * near
              ? "farther than"
              : "about as far as";
        say(
          `${who} the patch ${spread}. The largest share, ${share(shownValues[best])}, goes to ${goal}; on average it attends ${reach} uniform attention would.`,
        );
      } else {
        const got = number(source, "received")[asked === "to" ? patch : word],
          equal = asked === "to" ? 1 : fair,
          times = got / equal;
        const over = shownValues.filter(value => value > fair).length;
        if (asked === "to")
          gauges[0].show(
            "attention received",
            got,
            at2(got),
            Math.max(2, got),
            1,
            "sum over patches; uniform: 1",
          );
        else
          gauges[0].show(
            "attention received",
            got,
            share(got),
            1,
            fair,
            "mean over patches",
          );
        gauges[1].show(
          "largest share",
          shownValues[best],
          share(shownValues[best]),
          1,
          fair,
          `from ${names[best]}`,
        );
        gauges[2].show(
          "above uniform",
          over,
          count(over, "patch"),
          N,
          N,
          `give it more than ${share(fair)}`,
        );
        const compared =
          times > 1.1
            ? `${times.toFixed(1)} times what uniform attention would give`
            : times < 0.9
              ? `only ${at2(times)} times what uniform attention would give`
              : "about what uniform attention would give";
        say(
          `${who} ${asked === "to" ? "the patch" : `the word “${words[word]}”`} receives ${compared}. ` +
            `Most comes from ${best === patch && asked === "to" ? "itself" : names[best]}, which gives it ${share(shownValues[best])} of its attention.`,
        );
      }
      heat.node.setAttribute(
        "aria-label",
        `${title.textContent}; most at ${names[best]}: ${share(shownValues[best])}`,
      );
      if (chips) listen(layer, head, time, patch, word, asked);
    };
    const say = text => story.textContent !== text && (story.textContent = text);
    function listen(layer, head, time, patch, word, asked) {
      const row = cross.row(time, layer, head, patch),
        entropy = cross.numbers.entropy.at(time, layer, head)[patch];
      heard.textContent = `words this patch attends to: entropy ${at2(entropy)} bits of at most ${at2(Math.log2(M))}, effective support ${(2 ** entropy).toFixed(1)} of ${M}`;
      Object.assign(chips.node.dataset, { entropy, support: 2 ** entropy });
      chips.set(word);
      chips.node.classList.toggle("dit-gaze-asked", asked === "word");
      chips.cells.forEach((cell, m) => {
        const strength = Math.sqrt(row[m] / cross.top);
        cell.style.setProperty("--share", `${Math.round(100 * strength)}%`);
        ink(cell, strength);
        cell.dataset.weight = row[m];
        cell.setAttribute("aria-label", `${words[m]}, ${share(row[m])}`);
        cell.replaceChildren(h("span", {}, words[m]), h("small", {}, share(row[m])));
      });
    }
    draw();
  }
  let waiting = false; // several values of the state change at once: draw once
  const later = () => {
    if (!waiting) queueMicrotask(() => ((waiting = false), draw()));
    waiting = true;
  };
  for (const key of ["t", "patch", "layer", "head", "view", "word"])
    model.on("change:" + key, later);
  if (chosenInput) model.on("change:input", () => chosenInput.set(model.get("input")));
  model.on("change:shown", load);
  load();
}
export default { render };
