// The forward pass of dit_lite/model/dit.py: patches in, adaLN-Zero blocks, with
// cross-attention to words where the model has captions, patches out.
// Products are those of matmul.mjs. Tokens (B·N, D) are the N tokens of image 0, then
// those of image 1.

const silu = x => x.map(v => v / (1 + Math.exp(-v)));
/** By tanh, 0.5 x (1 + tanh u), which is x / (1 + exp(-2u)). */
function gelu(x) {
  const y = new Float32Array(x.length),
    c = -2 * Math.sqrt(2 / Math.PI);
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    y[i] = v / (1 + Math.exp(c * (v + 0.044715 * v * v * v)));
  }
  return y;
}
function add(a, b) {
  const y = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) y[i] = a[i] + b[i];
  return y;
}

/** Each row of x (rows, D) with mean 0 and variance 1. */
function layerNorm(x, D) {
  const y = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += D) {
    let mean = 0,
      variance = 0;
    for (let i = row; i < row + D; i++) mean += x[i];
    mean /= D;
    for (let i = row; i < row + D; i++) variance += (x[i] - mean) ** 2;
    const one = 1 / Math.sqrt(variance / D + 1e-6);
    for (let i = row; i < row + D; i++) y[i] = (x[i] - mean) * one;
  }
  return y;
}

/** The exponentials of a row over a temperature, divided by their sum, in place.
 *  Entries with `seen` false get no weight. */
function softmax(row, temperature, seen) {
  let most = -Infinity,
    sum = 0;
  for (let j = 0; j < row.length; j++)
    if ((!seen || seen[j]) && row[j] > most) most = row[j];
  for (let j = 0; j < row.length; j++)
    sum += row[j] = !seen || seen[j] ? Math.exp((row[j] - most) / temperature) : 0;
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

/** What a softmax over the `seen` entries alone would have made of a row of weights. */
function share(row, seen) {
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += row[j] *= seen[j];
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

/** Sines, then cosines, of a coordinate at width/2 frequencies. */
function sincos(value, width) {
  const angle = Array.from(
    { length: width / 2 },
    (_, i) => value / 10_000 ** (i / (width / 2)),
  );
  return [...angle.map(Math.sin), ...angle.map(Math.cos)];
}

/** 128 cosines and 128 sines of 1000 t; the angle, which can be large, is rounded as
 *  PyTorch rounds it. */
function timeFeatures(t) {
  const angle = Array.from({ length: 128 }, (_, j) =>
    Math.fround(
      Math.fround(1000 * Math.fround(t)) *
        Math.fround(Math.exp((-Math.log(10_000) * j) / 128)),
    ),
  );
  return Float32Array.from([...angle.map(Math.cos), ...angle.map(Math.sin)]);
}

/** The network with these weights, {name in PyTorch: Float32Array}. Returns a function
 *  of (x, t, conditions): one image x (C·H·W) under each of B conditions at one time ->
 *  output [B](C·H·W) and attention [L][B][h](N·N), one row per query;
 *  with captions also cross [L][B][h](N·M), over words.
 *
 *  A condition is a label (adaLN-Zero), or a caption (adaLN-Zero with cross-attention):
 *  a row of word ids with 0 for padding, nothing but 0 for none, or { words, seen,
 *  factor, maps }: `seen` [M], false for a word that is removed before the softmax;
 *  `factor` [M], multiplies its weights after it (2208.01626 sec. 3.2, re-weighting);
 *  `maps` [L][h](N·M), used in place of its own (same source, word swap). */
function dit(
  { image_size: size, channels: C, patch_size: P, width: D, depth: L, heads, ...rest },
  weights,
) {
  const grid = size / P,
    N = grid * grid,
    token = P * P * C,
    dh = D / heads,
    captions = rest.condition === "caption",
    { linear, product } = algebra();
  const layer = name => ({
    weight: weights[`${name}.weight`],
    bias: weights[`${name}.bias`],
  });
  // column and row
  const tokens = Array.from({ length: N }, (_, n) => [n % grid, Math.floor(n / grid)]);
  const position = Float32Array.from(
    tokens.flatMap(([column, row]) => [
      ...sincos(column, D / 2),
      ...sincos(row, D / 2),
    ]),
  );
  const pixels = tokens.flatMap(([column, row]) =>
    Array.from(
      { length: token },
      (
        _,
        k, // where value k of a token stands in x
      ) =>
        ((k % C) * size + row * P + Math.floor(k / (P * C))) * size +
        column * P +
        (Math.floor(k / C) % P),
    ),
  );

  /** What the modulations are made from: time and label (B, D), or time alone (1, D)
   *  where words come by cross-attention. */
  function vector(t, conditions) {
    const time = linear(
      silu(linear(timeFeatures(t), layer("condition.time.0"))),
      layer("condition.time.2"),
    );
    if (captions) return time;
    const table = weights["condition.label.weight"];
    return Float32Array.from(
      conditions.flatMap(y => [...add(time, table.subarray(y * D, (y + 1) * D))]),
    );
  }
  /** n vectors of width D for each image, (B or 1, n·D). */
  const modulation = (c, name) => linear(silu(c), layer(`${name}.modulation.1`));
  /** Where vector k of the n of each image stands, for a row of tokens (B·N, D). */
  const own = (v, n, k) => row => ((Math.floor(row / N) * n + k) * D) % v.length;

  /** LayerNorm of x (B·N, D), then vectors `shift` and `scale` of the n in v. */
  function modulated(x, v, n, shift, scale) {
    const y = layerNorm(x, D),
      [at, by] = [own(v, n, shift), own(v, n, scale)];
    for (let row = 0; row < y.length / D; row++)
      for (let d = 0, i = row * D, a = at(row), b = by(row); d < D; d++, i++)
        y[i] = y[i] * (1 + v[b + d]) + v[a + d];
    return y;
  }
  /** x plus a branch times vector `gate` of the six in v. */
  function gated(x, v, gate, branch) {
    const y = new Float32Array(x.length),
      by = own(v, 6, gate);
    for (let row = 0; row < y.length / D; row++)
      for (let d = 0, i = row * D, g = by(row); d < D; d++, i++)
        y[i] = x[i] + v[g + d] * branch[i];
    return y;
  }
  /** Columns from, ..., from + dh - 1 of the `count` rows of x (rows, width) that start
   *  at `first`. */
  function columns(x, width, first, count, from) {
    const y = new Float32Array(count * dh);
    for (let n = 0, at = first * width + from; n < count; n++, at += width)
      y.set(x.subarray(at, at + dh), n * dh);
    return y;
  }
  /** Writes what a head found for an image, (N, dh), to its columns of y (B·N, D). */
  function collect(y, found, b, head) {
    for (let n = 0; n < N; n++)
      y.set(found.subarray(n * dh, (n + 1) * dh), (b * N + n) * D + head * dh);
  }

  function attention(x, name, maps) {
    const qkv = linear(x, layer(`${name}.qkv`)),
      y = new Float32Array(x.length); // a row of qkv: head by head, its q, its k, its v
    for (let b = 0; b < x.length / (N * D); b++) {
      for (let head = 0; head < heads; head++) {
        const [q, k, v] = [0, 1, 2].map(part =>
          columns(qkv, 3 * D, b * N, N, (head * 3 + part) * dh),
        );
        const map = product(q, transpose(k, N, dh), N, dh, N);
        for (let n = 0; n < N; n++)
          softmax(map.subarray(n * N, (n + 1) * N), Math.sqrt(dh));
        collect(y, product(map, v, N, N, dh), b, head);
        (maps[b] ??= []).push(map);
      }
    }
    return linear(y, layer(`${name}.out`));
  }

  const KEPT = 32, // captions whose keys and values are kept
    kept = new Map();
  /** What stays the same at every step of a walk: keys, transposed (dh, M), and values
   *  (M, dh) of a caption, [L][h]. */
  function read(words) {
    const name = words.join(" "),
      M = words.length;
    if (kept.has(name)) return kept.get(name);
    const [word, place] = ["word.weight", "place"].map(
      part => weights[`condition.caption.${part}`],
    );
    const tokens = new Float32Array(M * D);
    words.forEach((id, m) => {
      const [one, other] = [id * D, m * D];
      for (let d = 0; d < D; d++) tokens[other + d] = word[one + d] + place[other + d];
    });
    const found = Array.from({ length: L }, (_, l) => {
      // a row: head by head, its key, its value
      const both = linear(tokens, layer(`blocks.${l}.cross.key_value`));
      return Array.from({ length: heads }, (_, head) => ({
        keys: transpose(columns(both, 2 * D, 0, M, 2 * head * dh), M, dh),
        values: columns(both, 2 * D, 0, M, (2 * head + 1) * dh),
      }));
    });
    if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
    kept.set(name, found);
    return found;
  }
  /** A caption in full: padding is not seen, and "no caption" is its first token
   *  alone. */
  function caption(condition) {
    const { words, seen, factor, maps } = condition.words
      ? condition
      : { words: condition };
    const none = words.every(id => id === 0),
      shown = [...words].map((id, m) =>
        none ? m === 0 : id !== 0 && (seen?.[m] ?? true),
      );
    if (!shown.includes(true))
      throw new RangeError("every word is removed; use the empty caption instead");
    return { words, seen: shown, factor, maps };
  }
  function cross(x, l, asked, maps) {
    const name = `blocks.${l}.cross`,
      queries = linear(x, layer(`${name}.query`)),
      y = new Float32Array(x.length);
    asked.forEach(({ words, seen, factor, maps: given }, b) => {
      const M = words.length;
      maps[b] = read(words)[l].map(({ keys, values }, head) => {
        const map =
          given?.[l][head].slice() ??
          product(columns(queries, D, b * N, N, head * dh), keys, N, dh, M);
        for (let n = 0; n < N; n++) {
          const row = map.subarray(n * M, (n + 1) * M);
          given ? share(row, seen) : softmax(row, Math.sqrt(dh), seen);
        }
        if (factor) for (let i = 0; i < map.length; i++) map[i] *= factor[i % M];
        collect(y, product(map, values, N, M, dh), b, head);
        return map;
      });
    });
    return linear(y, layer(`${name}.out`));
  }
  /** LayerNorm with a learned scale and shift. */
  function normed(x, name) {
    const y = layerNorm(x, D),
      { weight, bias } = layer(name);
    for (let i = 0; i < y.length; i++) y[i] = y[i] * weight[i % D] + bias[i % D];
    return y;
  }
  const mlp = (x, name) =>
    linear(gelu(linear(x, layer(`${name}.0`))), layer(`${name}.2`));

  /** The paper's block: six vectors shift, scale and gate its two branches. Where
   *  there are captions, the words come between them. */
  function block(x, c, l, asked, maps, gazes) {
    const name = `blocks.${l}`,
      v = modulation(c, name), // shift, scale and gate of one branch, then the other
      attended = attention(modulated(x, v, 6, 0, 1), `${name}.attention`, maps);
    x = gated(x, v, 2, attended);
    if (captions) x = add(x, cross(normed(x, `${name}.norm_cross`), l, asked, gazes));
    return gated(x, v, 5, mlp(modulated(x, v, 6, 3, 4), `${name}.mlp`));
  }

  function forward(image, t, conditions) {
    const c = vector(t, conditions),
      B = conditions.length,
      asked = captions ? conditions.map(caption) : [],
      [maps, gazes] = [0, 1].map(() => Array.from({ length: L }, () => []));
    const patches = Float32Array.from(pixels, place => image[place]),
      embedded = add(linear(patches, layer("embed")), position);
    let x = new Float32Array(B * N * D); // the same tokens under every condition
    for (let b = 0; b < B; b++) x.set(embedded, b * N * D);
    for (let l = 0; l < L; l++) x = block(x, c, l, asked, maps[l], gazes[l]);
    x = modulated(x, modulation(c, "final"), 2, 0, 1);
    x = linear(x, layer("final.linear"));
    const output = conditions.map(() => new Float32Array(N * token));
    for (let i = 0; i < x.length; i++)
      output[Math.floor(i / (N * token))][pixels[i % (N * token)]] = x[i];
    return { output, attention: maps, ...(captions && { cross: gazes }) };
  }
  return Object.assign(forward, { kept });
}
