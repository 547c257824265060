// Matrix products in WebAssembly SIMD (matmul.wat, whose bytes are here in base64), or
// in plain loops where a browser lacks it. A matrix is a Float32Array, row by row.

const MATMUL = "MATMUL_WASM";
const up = (n, to) => Math.ceil(n / to) * to;

/** Y (M, N) = A (M, K) B (K, N) by the kernel; null where there is no SIMD. The memory
 *  holds the matrices that were packed, then room for one product. */
function simd() {
  let memory, kernel;
  try {
    const bytes = Uint8Array.from(atob(MATMUL), letter => letter.charCodeAt(0));
    ({ memory, matmul: kernel } = new WebAssembly.Instance(
      new WebAssembly.Module(bytes),
    ).exports);
  } catch {
    return null;
  }
  let top = 0,
    floats = new Float32Array(memory.buffer);
  /** Room for `count` floats behind what is packed. */
  function room(count) {
    const missing = 4 * (top + count) - memory.buffer.byteLength;
    if (missing > 0) memory.grow(up(missing, 65536) / 65536);
    if (!floats.length) floats = new Float32Array(memory.buffer); // it has moved
  }
  /** Copies B (K, N) to `at`, its rows widened to a multiple of eight. */
  function place(b, K, N, at) {
    const wide = up(N, 8);
    if (wide === N) return floats.set(b, at);
    floats.fill(0, at, at + K * wide);
    for (let k = 0; k < K; k++)
      floats.set(b.subarray(k * N, (k + 1) * N), at + k * wide);
  }
  return {
    /** Keeps B in the memory. */
    pack(b, K, N) {
      room(K * up(N, 8));
      const at = top;
      place(b, K, N, at);
      top += K * up(N, 8);
      return { packedAt: at };
    },
    /** A times B, an array or what `pack` returned. */
    product(a, b, M, K, N) {
      const [tall, wide] = [up(M, 4), up(N, 8)];
      room(tall * K + K * wide + tall * wide);
      const free = top + tall * K,
        from = b.packedAt ?? free,
        to = b.packedAt === undefined ? free + K * wide : free;
      floats.set(a, top);
      if (b.packedAt === undefined) place(b, K, N, free);
      kernel(4 * top, 4 * from, 4 * to, tall, K, wide);
      if (wide === N) return floats.slice(to, to + M * N);
      const y = new Float32Array(M * N);
      for (let i = 0; i < M; i++)
        y.set(floats.subarray(to + i * wide, to + i * wide + N), i * N);
      return y;
    },
  };
}

/** The same in plain loops. */
const plain = {
  pack: b => b,
  product(a, b, M, K, N) {
    const y = new Float32Array(M * N);
    for (let i = 0; i < M; i++)
      for (let k = 0; k < K; k++)
        for (let j = 0, x = a[i * K + k]; j < N; j++) y[i * N + j] += x * b[k * N + j];
    return y;
  },
};

/** The rows of a matrix (rows, columns) as columns. */
function transpose(x, rows, columns) {
  const y = new Float32Array(x.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
  return y;
}

/** product(a, b, M, K, N), and linear(x, { weight, bias }), PyTorch's nn.Linear:
 *  x (rows, inputs) -> (rows, outputs). A weight is transposed and packed once. */
function algebra(engine = simd() ?? plain) {
  const packed = new WeakMap();
  function linear(x, { weight, bias }) {
    const N = bias.length,
      K = weight.length / N;
    if (!packed.has(weight))
      packed.set(weight, engine.pack(transpose(weight, N, K), K, N));
    const y = engine.product(x, packed.get(weight), x.length / K, K, N);
    for (let i = 0; i < y.length; i += N)
      for (let j = 0; j < N; j++) y[i + j] += bias[j];
    return y;
  }
  return { linear, product: engine.product };
}
