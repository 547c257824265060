// The forward pass of dit_lite/model/dit.py: patches in, adaLN-Zero blocks, patches out.
// Products are those of matmul.mjs. Tokens (B·N, D) are the N tokens of image 0, then
// those of image 1.

// b again for each image
const add = (a, b) => a.map((value, i) => value + b[i % b.length]);
const silu = x => x.map(v => v / (1 + Math.exp(-v)));
const gelu = x =>
  x.map(
    v => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))),
  );

/** Each row of x (rows, D) with mean 0 and variance 1. */
function layerNorm(x, D) {
  const y = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += D) {
    let mean = 0,
      variance = 0;
    for (let i = row; i < row + D; i++) mean += x[i] / D;
    for (let i = row; i < row + D; i++) variance += (x[i] - mean) ** 2 / D;
    for (let i = row; i < row + D; i++)
      y[i] = (x[i] - mean) / Math.sqrt(variance + 1e-6);
  }
  return y;
}

/** The exponentials of a row over a temperature, divided by their sum, in place. */
function softmax(row, temperature) {
  const most = Math.max(...row);
  let sum = 0;
  for (let j = 0; j < row.length; j++)
    sum += row[j] = Math.exp((row[j] - most) / temperature);
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

/** The network with these weights, {name in PyTorch: Float32Array}. Returns a
 *  function of (x, t, labels): one image x (C·H·W) under each of B labels at one
 *  time -> output [B](C·H·W) and attention [L][B][h](N·N), whose rows say where a
 *  token looks. */
function dit(
  { image_size: size, channels: C, patch_size: P, width: D, depth: L, heads },
  weights,
) {
  const grid = size / P,
    N = grid * grid,
    token = P * P * C,
    dh = D / heads,
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

  /** Time and class as one vector an image, (B, D). */
  function condition(t, labels) {
    const time = linear(
      silu(linear(timeFeatures(t), layer("condition.time.0"))),
      layer("condition.time.2"),
    );
    return Float32Array.from(
      labels.flatMap(y => [
        ...add(time, weights["condition.label.weight"].subarray(y * D, (y + 1) * D)),
      ]),
    );
  }
  /** n vectors of width D from the condition of each image: a function that gives
   *  value i of tokens (B·N, D) its entry of vector k. */
  function modulation(c, n, name) {
    const vectors = linear(silu(c), layer(`${name}.modulation.1`));
    return k => i => vectors[(Math.floor(i / (N * D)) * n + k) * D + (i % D)];
  }
  const modulate = (x, shift, scale) =>
    x.map((value, i) => value * (1 + scale(i)) + shift(i));
  const gated = (x, gate, branch) => x.map((value, i) => value + gate(i) * branch[i]);

  function attention(x, name, maps) {
    const qkv = linear(x, layer(`${name}.qkv`)),
      y = new Float32Array(x.length); // a row of qkv: head by head, its q, its k, its v
    for (let b = 0; b < x.length / (N * D); b++) {
      for (let head = 0; head < heads; head++) {
        const [q, k, v] = [0, 1, 2].map(part => {
          const values = new Float32Array(N * dh);
          for (let n = 0; n < N; n++) {
            const from = (b * N + n) * 3 * D + (head * 3 + part) * dh;
            values.set(qkv.subarray(from, from + dh), n * dh);
          }
          return values;
        });
        const map = product(q, transpose(k, N, dh), N, dh, N);
        for (let n = 0; n < N; n++)
          softmax(map.subarray(n * N, (n + 1) * N), Math.sqrt(dh));
        const out = product(map, v, N, N, dh);
        for (let n = 0; n < N; n++)
          y.set(out.subarray(n * dh, (n + 1) * dh), (b * N + n) * D + head * dh);
        (maps[b] ??= []).push(map);
      }
    }
    return linear(y, layer(`${name}.out`));
  }
  const mlp = (x, name) =>
    linear(gelu(linear(x, layer(`${name}.0`))), layer(`${name}.2`));

  /** The paper's block: six vectors of the condition shift, scale and gate its two
   *  branches. */
  function block(x, c, name, maps) {
    const vectors = modulation(c, 6, name),
      [shift1, scale1, gate1, shift2, scale2, gate2] = [0, 1, 2, 3, 4, 5].map(vectors);
    x = gated(
      x,
      gate1,
      attention(modulate(layerNorm(x, D), shift1, scale1), `${name}.attention`, maps),
    );
    return gated(
      x,
      gate2,
      mlp(modulate(layerNorm(x, D), shift2, scale2), `${name}.mlp`),
    );
  }

  function forward(image, t, labels) {
    const c = condition(t, labels),
      maps = Array.from({ length: L }, () => []);
    const embedded = add(
      linear(
        Float32Array.from(pixels, place => image[place]),
        layer("embed"),
      ),
      position,
    );
    // the same tokens for every label
    let x = Float32Array.from(labels.flatMap(() => [...embedded]));
    for (let l = 0; l < L; l++) x = block(x, c, `blocks.${l}`, maps[l]);
    const [shift, scale] = [0, 1].map(modulation(c, 2, "final"));
    x = linear(modulate(layerNorm(x, D), shift, scale), layer("final.linear"));
    const output = labels.map((_, b) => new Float32Array(N * token));
    x.forEach(
      (value, i) =>
        (output[Math.floor(i / (N * token))][pixels[i % (N * token)]] = value),
    );
    return { output, attention: maps };
  }
  return forward;
}
