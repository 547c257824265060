// A scaling law fitted in the page, step by step as dit_lite.analysis.scaling_laws
// does it: L = E + A Psi^-alpha + B n^-beta by the Huber loss of log L, from a grid of
// starts, with refits to resampled losses for the intervals.

const LAW = {
  starts: Array.from({ length: 13 }, (_, i) => 0.04 * 40 ** (i / 12)),
  exponents: [0.005, 4],
  deepest: 18,
  iterations: 300,
  normal: 1.345 * 1.4826,
};

const mean = values => values.reduce((a, b) => a + b, 0) / values.length;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The value below which a share of `values` lies, linearly between neighbours. */
function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1),
    low = Math.floor(place),
    high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/** Solves M v = b by elimination with pivots; M is an array of rows. */
function solve(M, b) {
  const p = b.length,
    rows = M.map((row, i) => [...row, b[i]]);
  for (let i = 0; i < p; i++) {
    let pivot = i;
    for (let k = i + 1; k < p; k++)
      if (Math.abs(rows[k][i]) > Math.abs(rows[pivot][i])) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = i + 1; k < p; k++) {
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= p; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  const v = new Array(p);
  for (let i = p - 1; i >= 0; i--) {
    let sum = rows[i][p];
    for (let j = i + 1; j < p; j++) sum -= rows[i][j] * v[j];
    v[i] = sum / rows[i][i];
  }
  return v;
}

/** Where losses were measured, centred; n is null where it plays no part. */
function lawDesign(psi, n, floor) {
  const x = psi.map(Math.log),
    z = n && n.map(Math.log);
  const x0 = mean(x),
    z0 = z ? mean(z) : 0;
  const names = [...(floor ? ["E"] : []), "A", "alpha", ...(z ? ["B", "beta"] : [])];
  return { x: x.map(v => v - x0), z: z && z.map(v => v - z0), x0, z0, floor, names };
}

/** log L at every point, and its derivatives, (m) and (m x p). */
function lawModel(design, theta) {
  const { x, z, floor } = design,
    k = floor ? 1 : 0;
  const E = floor ? Math.exp(theta[0]) : 0;
  const value = new Float64Array(x.length),
    slopes = new Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const a = Math.exp(theta[k] - theta[k + 1] * x[i]);
    const b = z ? Math.exp(theta[k + 2] - theta[k + 3] * z[i]) : 0;
    const total = E + a + b;
    value[i] = Math.log(total);
    const row = floor ? [E / total] : [];
    row.push(a / total, (-a / total) * x[i]);
    if (z) row.push(b / total, (-b / total) * z[i]);
    slopes[i] = row;
  }
  return { value, slopes };
}

function lawBounded(design, theta, lowest) {
  return theta.map((v, i) =>
    ["alpha", "beta"].includes(design.names[i])
      ? clamp(v, ...LAW.exponents)
      : clamp(v, lowest - LAW.deepest, design.names[i] === "E" ? lowest : lowest + 40),
  );
}

function huber(residuals, delta) {
  let sum = 0;
  for (const r of residuals) {
    const size = Math.abs(r),
      inside = Math.min(size, delta);
    sum += inside * (size - inside / 2);
  }
  return sum;
}

/** Levenberg-Marquardt steps on reweighted residuals, from theta. */
function lawMinimise(design, logLoss, start, delta) {
  const p = start.length,
    lowest = Math.min(...logLoss);
  let theta = lawBounded(design, start, lowest);
  let { value, slopes } = lawModel(design, theta);
  let residual = logLoss.map((v, i) => v - value[i]);
  let objective = huber(residual, delta),
    damping = 1e-3,
    stalled = 0;
  for (let step = 0; step < LAW.iterations && stalled < 6; step++) {
    const gram = Array.from({ length: p }, () => new Array(p).fill(0)),
      gradient = new Array(p).fill(0);
    for (let i = 0; i < residual.length; i++) {
      const weight = Math.min(1, delta / Math.max(Math.abs(residual[i]), 1e-300)),
        row = slopes[i];
      for (let j = 0; j < p; j++) {
        const scaled = row[j] * weight;
        gradient[j] += scaled * residual[i];
        for (let k = 0; k < p; k++) gram[j][k] += scaled * row[k];
      }
    }
    for (let j = 0; j < p; j++) gram[j][j] += damping * Math.max(gram[j][j], 1e-12);
    const move = solve(gram, gradient);
    const tried = lawBounded(
      design,
      theta.map((v, i) => v + move[i]),
      lowest,
    );
    const next = lawModel(design, tried),
      left = logLoss.map((v, i) => v - next.value[i]),
      found = huber(left, delta);
    const better = found < objective,
      small = objective - found < 1e-9 * objective;
    stalled = better && !small ? 0 : stalled + 1;
    if (better) {
      theta = tried;
      residual = left;
      objective = found;
      slopes = next.slopes;
    }
    damping = clamp(damping * (better ? 0.3 : 5), 1e-12, 1e9);
  }
  return { theta, objective };
}

/** The best starts of a grid of exponents, with E, A and B by projection. */
function lawStarts(design, loss, keep = 12) {
  const { x, z, floor } = design,
    least = 1e-6 * Math.min(...loss),
    tried = [];
  for (const alpha of LAW.starts)
    for (const beta of z ? LAW.starts : [0]) {
      const basis = x.map((v, i) => {
        const row = floor ? [1] : [];
        row.push(Math.exp(-alpha * v));
        if (z) row.push(Math.exp(-beta * z[i]));
        return row.map(term => term / loss[i]);
      });
      const q = basis[0].length,
        gram = Array.from({ length: q }, () => new Array(q).fill(0)),
        sums = new Array(q).fill(0);
      for (const row of basis)
        for (let j = 0; j < q; j++) {
          sums[j] += row[j];
          for (let k = 0; k < q; k++) gram[j][k] += row[j] * row[k];
        }
      const ridge = 1e-12 * gram.reduce((sum, row, j) => sum + row[j], 0);
      for (let j = 0; j < q; j++) gram[j][j] += ridge;
      const factors = solve(gram, sums);
      const squares = basis.reduce((sum, row) => {
        const error = row.reduce((s, term, j) => s + term * factors[j], 0) - 1;
        return sum + error * error;
      }, 0);
      const logs = factors.map(f => Math.log(Math.max(f, least))),
        theta = floor ? [logs.shift()] : [];
      theta.push(logs.shift(), alpha);
      if (z) theta.push(logs.shift(), beta);
      tried.push({ theta, squares });
    }
  return tried
    .sort((a, b) => a.squares - b.squares)
    .slice(0, keep)
    .map(({ theta }) => theta);
}

/** {E, A, alpha, B, beta} in the units of the law, of theta around the centre. */
function lawNumbers(design, theta) {
  const found = { E: 0, A: 0, alpha: 0, B: 0, beta: 0 };
  design.names.forEach((name, i) => (found[name] = theta[i]));
  if (design.floor) found.E = Math.exp(found.E);
  found.A = Math.exp(found.A + found.alpha * design.x0);
  if (design.z) found.B = Math.exp(found.B + found.beta * design.z0);
  return found;
}

/** The law of points: psi, n (or null) and loss, each (m). */
function fitLaw(psi, n, loss, floor) {
  const design = lawDesign(psi, n, floor),
    logLoss = loss.map(Math.log);
  const best = lawStarts(design, loss)
    .map(start => lawMinimise(design, logLoss, start, Infinity))
    .reduce((a, b) => (b.objective < a.objective ? b : a)).theta;
  const { value } = lawModel(design, best);
  const size = logLoss.map((v, i) => Math.abs(v - value[i]));
  const delta = Math.max(LAW.normal * quantile(size, 0.5), 1e-9);
  const { theta } = lawMinimise(design, logLoss, best, delta);
  return { design, logLoss, delta, theta, ...lawNumbers(design, theta) };
}

const lawAt = (law, psi, n) =>
  law.E + law.A * psi ** -law.alpha + (law.B ? law.B * n ** -law.beta : 0);

/** Eigenvalues and vectors (columns) of a symmetric matrix, by Jacobi's rotations. */
function eigen(matrix) {
  const k = matrix.length,
    a = matrix.map(row => [...row]),
    v = a.map((_, i) => a.map((_, j) => +(i === j)));
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let i = 0; i < k; i++) for (let j = 0; j < i; j++) off += a[i][j] ** 2;
    if (off < 1e-28) break;
    for (let i = 0; i < k; i++)
      for (let j = 0; j < i; j++) {
        if (Math.abs(a[i][j]) < 1e-300) continue;
        const angle = Math.atan2(2 * a[i][j], a[j][j] - a[i][i]) / 2,
          c = Math.cos(angle),
          s = Math.sin(angle);
        for (const m of [a, v])
          for (let r = 0; r < k; r++) {
            const mi = m[r][i],
              mj = m[r][j];
            m[r][i] = c * mi - s * mj;
            m[r][j] = s * mi + c * mj;
          }
        for (let r = 0; r < k; r++) {
          const ai = a[i][r],
            aj = a[j][r];
          a[i][r] = c * ai - s * aj;
          a[j][r] = s * ai + c * aj;
        }
      }
  }
  return { values: a.map((row, i) => row[i]), vectors: v };
}

/** Residuals as large as the errors behind them: (I - H)^-power r, run by run. */
function trueSize(residual, slopes, run, power) {
  const m = residual.length,
    p = slopes[0].length;
  const q = Array.from({ length: p }, (_, j) =>
    Float64Array.from(slopes, row => row[j]),
  );
  for (let j = 0; j < p; j++) {
    for (let twice = 0; twice < 2; twice++)
      for (let k = 0; k < j; k++) {
        const dot = q[j].reduce((sum, v, i) => sum + v * q[k][i], 0);
        for (let i = 0; i < m; i++) q[j][i] -= dot * q[k][i];
      }
    const size = Math.sqrt(q[j].reduce((sum, v) => sum + v * v, 0)) || 1;
    for (let i = 0; i < m; i++) q[j][i] /= size;
  }
  const errors = new Float64Array(m);
  for (const one of new Set(run)) {
    const here = run.flatMap((r, i) => (r === one ? [i] : []));
    const { values, vectors } = eigen(
      here.map(i =>
        here.map(k => +(i === k) - q.reduce((sum, c) => sum + c[i] * c[k], 0)),
      ),
    );
    const turned = values.map(
      (value, e) =>
        here.reduce((sum, i, r) => sum + vectors[r][e] * residual[i], 0) /
        Math.max(value, 0.05) ** power,
    );
    here.forEach((i, r) => {
      errors[i] = turned.reduce((sum, v, e) => sum + vectors[r][e] * v, 0);
    });
  }
  return errors;
}

/** Laws fitted to resampled losses, whose signs and sizes are given: signs(draw) 0 or 1
 *  and squares(draw) a running sum of squared normal numbers, one for each run. */
function refits(law, run, draws, signs, squares) {
  const { design, logLoss, theta, delta } = law;
  const { value, slopes } = lawModel(design, theta);
  const residual = logLoss.map((v, i) => v - value[i]);
  const errors = trueSize(residual, slopes, run, 0.75),
    scatter = trueSize(residual, slopes, run, 0.5);
  const order = [...new Set(run)].sort((a, b) => a - b),
    place = run.map(r => order.indexOf(r));
  const free = Math.max(order.length - theta.length, 1);
  const laws = Array.from({ length: draws }, (_, d) => {
    const scale = Math.sqrt(free / squares(d)[free - 1]),
      sign = signs(d);
    const around = Array.from(
      value,
      (v, i) => v + scale * (sign[place[i]] ? 1 : -1) * errors[i],
    );
    return lawNumbers(design, lawMinimise(design, around, theta, delta).theta);
  });
  return { laws, scatter };
}
