// What the explorers compute, in plain numbers: no page, so that Node runs it
// too (tests/book/test_compute.py lays it beside the kernels). A network of
// one hidden layer is {w: (h, d), b: (h), a: (k, h), c: (k)}, row by row in
// Float64Arrays: its outputs are a relu(w x + b) + c. Digits are {x: (n, d),
// y: (n)}; a loss is the mean cross entropy.
const landscape = (() => {
  const bytes = text => Uint8Array.from(atob(text), s => s.charCodeAt(0));
  const floats = text =>
    Float64Array.from(new Float32Array(bytes(text).buffer));

  // From the page's JSON: two networks, and digits as levels and their values.
  function read(data) {
    const shades = floats(data.shades);
    const net = own => Object.fromEntries(
      Object.entries(own).map(([name, text]) => [name, floats(text)]));
    return {
      nets: data.nets.map(net),
      x: Float64Array.from(bytes(data.x), level => shades[level]),
      y: bytes(data.y),
    };
  }

  // --- one network -------------------------------------------------------

  // (n, h): relu(w x + b)
  function hidden({w, b}, {x, y}) {
    const [n, h, d] = [y.length, b.length, w.length / b.length];
    const units = new Float64Array(n * h);
    for (let j = 0; j < n; j++) {
      for (let i = 0; i < h; i++) {
        let sum = b[i];
        for (let k = 0; k < d; k++) sum += w[i * d + k] * x[j * d + k];
        units[j * h + i] = Math.max(sum, 0);
      }
    }
    return units;
  }

  // (n, k): a times the hidden units `kept`, without c
  function sums({a, b, c}, units, kept) {
    const [h, k] = [b.length, c.length];
    const z = new Float64Array(units.length / h * k);
    for (let j = 0; j < z.length; j++) {
      const [first, row] = [Math.floor(j / k) * h, (j % k) * h];
      for (const i of kept) z[j] += a[row + i] * units[first + i];
    }
    return z;
  }

  // Mean loss of the outputs scale * z + c, how many are right, and the first
  // two derivatives of the loss with respect to the scale.
  function measure(z, scale, c, y) {
    const [k, n] = [c.length, y.length];
    const p = new Float64Array(k);
    let [loss, right, slope, bend] = [0, 0, 0, 0];
    for (let j = 0; j < n; j++) {
      let top = 0;
      for (let m = 0; m < k; m++) {
        p[m] = scale * z[j * k + m] + c[m];
        if (p[m] > p[top]) top = m;
      }
      const most = p[top];
      loss -= p[y[j]] - most;
      right += top === y[j];
      let [total, first, second] = [0, 0, 0];
      for (let m = 0; m < k; m++) {
        const [e, s] = [Math.exp(p[m] - most), z[j * k + m]];
        total += e;
        first += e * s;
        second += e * s * s;
      }
      const mean = first / total;
      loss += Math.log(total);
      slope += mean - z[j * k + y[j]];
      bend += second / total - mean * mean;
    }
    return {loss: loss / n, right, slope: slope / n, bend: bend / n};
  }

  const all = net => Array.from(net.b, (_, i) => i);

  // A network's loss, all its weights as they are.
  function whole(net, digits) {
    const z = sums(net, hidden(net, digits), all(net));
    return measure(z, 1, net.c, digits.y).loss;
  }

  // The scale in [0, most] of least loss, which is convex in it: Newton's
  // method inside a bracket of the slope's zero.
  function bestScale(z, c, y, most = 4) {
    let [low, high, scale] = [0, most, 1];
    for (let step = 0; step < 60; step++) {
      const {slope, bend} = measure(z, scale, c, y);
      if (slope > 0) high = scale;
      else low = scale;
      let next = scale - slope / Math.max(bend, 1e-300);
      if (!(next > low && next < high)) next = (low + high) / 2;
      if (Math.abs(next - scale) < 1e-10) return next;
      scale = next;
    }
    return scale;
  }

  // `size` units: the least useful one is dropped, the scale chosen anew,
  // again and again. Of units that are equally useless the first one goes.
  function choose(net, units, y, size) {
    let kept = all(net);
    let scale = 1;
    while (kept.length > size) {
      const without = kept.map(i => kept.filter(j => j !== i));
      const losses = without.map(
        rest => measure(sums(net, units, rest), scale, net.c, y).loss);
      const least = Math.min(...losses);
      kept = without[losses.findIndex(loss => loss <= least + 1e-9)];
      scale = bestScale(sums(net, units, kept), net.c, y);
    }
    return {kept, scale};
  }

  // --- the path of seven segments (S20, Theorem 1) -----------------------

  // Where the units `homes` stand beside the units `taken`: at home, unless
  // that is taken; else at the first place that is nobody's.
  function beside(homes, taken, h) {
    const free = Array.from({length: h}, (_, i) => i)
      .filter(i => !taken.includes(i) && !homes.includes(i));
    return homes.map(i => taken.includes(i) ? free.shift() : i);
  }

  // Rows of `base` (null: zeros), and units `from` of other networks over
  // them at `to`.
  function rows(base, net, ...placed) {
    const d = net.w.length / net.b.length;
    const [w, b] = [base?.w ?? net.w.map(() => 0), base?.b ?? net.b.map(() => 0)]
      .map(numbers => Float64Array.from(numbers));
    for (const [source, from, to] of placed) {
      from.forEach((i, k) => {
        w.set(source.w.subarray(i * d, (i + 1) * d), to[k] * d);
        b[to[k]] = source.b[i];
      });
    }
    return {w, b};
  }

  // Output weights that read units `from` of a network, times scale, at `to`.
  function reads(net, from, to, scale) {
    const h = net.b.length;
    const a = net.a.map(() => 0);
    for (let m = 0; m < net.c.length; m++) {
      from.forEach((i, k) => {
        a[m * h + to[k]] = scale * net.a[m * h + i];
      });
    }
    return {a, c: net.c};
  }

  const KINDS = ["affine", "constant", "affine", "constant", "constant",
    "constant", "affine"];

  // Its eight knots. kept: the units of either network, scale: their factors.
  function knots([one, two], [keptA, keptB], [scaleA, scaleB]) {
    const away = beside(keptB, keptA, one.b.length);
    const half = reads(one, keptA, keptA, scaleA);
    const both = rows(null, one, [one, keptA, keptA], [two, keptB, away]);
    const there = reads(two, keptB, away, scaleB);
    const copied = rows(two, two, [two, keptB, away]);
    const home = reads(two, keptB, keptB, scaleB);
    return [
      one, {...rows(one, one), ...half}, {...both, ...half},
      {...both, ...there}, {...copied, ...there}, {...copied, ...home},
      {...rows(two, two), ...home}, two,
    ];
  }

  // The losses along a path of knots, `steps` to a segment, the end included.
  function walk(path, digits, steps) {
    const found = [];
    for (let k = 0; k < path.length - 1; k++) {
      for (let s = 0; s < steps; s++) {
        found.push(whole(mix(path[k], path[k + 1], s / steps), digits));
      }
    }
    return [...found, whole(path.at(-1), digits)];
  }

  const mix = (p, q, s) => Object.fromEntries(Object.keys(p).map(
    name => [name, p[name].map((v, i) => (1 - s) * v + s * q[name][i])]));

  // The path's supremum. Its constant segments do not move the outputs, its
  // affine ones move them in a straight line, and the loss is convex in them:
  // it is largest at a knot, and the knots compute four functions, A, what is
  // kept of A, what is kept of B, B.
  function supremum(nets, units, y, kept, scale) {
    const [a, b] = nets.map((net, k) => {
      const part = sums(net, units[k], kept[k]);
      return [measure(sums(net, units[k], all(net)), 1, net.c, y),
        measure(part, scale[k], net.c, y)];
    });
    const four = [a[0], a[1], b[1], b[0]];
    return {four, top: Math.max(...four.map(f => f.loss))};
  }

  // --- a certificate's bisection -----------------------------------------

  // Best-first, as kernels.certificates.bisection: the interval of largest
  // bound is halved until no bound is more than `tolerance` above the largest
  // loss found. nodes: [start, stop, bound, allowance for rounding, loss in
  // the middle, first of its two halves in `nodes`, or 0 where never halved].
  function bisect({nodes, attained}, tolerance) {
    let leaves = [nodes[0]];
    let found = attained; // at the segment's ends
    for (let count = 1; ; count += 2) {
      const worst = leaves.reduce((p, q) => q[2] > p[2] ? q : p);
      const goal = found * (1 + tolerance) + 1e-12;
      const done = worst[2] - worst[3] <= goal;
      if (done || !worst[5]) {
        leaves.sort((p, q) => p[0] - q[0]);
        return {leaves, upper: worst[2], attained: found, count, done};
      }
      found = Math.max(found, worst[4]);
      leaves = leaves.filter(leaf => leaf !== worst);
      leaves.push(nodes[worst[5]], nodes[worst[5] + 1]);
    }
  }

  return {KINDS, all, bestScale, bisect, choose, hidden, knots, measure, mix,
    read, sums, supremum, walk, whole};
})();
if (typeof module !== "undefined") module.exports = landscape;
