// The Transformer of lib/model/transformer.py, in float64: what follows a text, and the attention that it rests on.
window.transformer = (() => {
  // The parameters by name, views of the flat array in which they lie in this order.
  function unpack({ vocabulary, context, width, layers, expansion }, flat) {
    const sizes = { tokens: vocabulary * width, positions: context * width };
    for (let i = 0; i < layers; i++) {
      Object.assign(sizes, {
        [`${i}.norm1`]: width, [`${i}.attention`]: 3 * width * width, [`${i}.projection`]: width * width,
        [`${i}.norm2`]: width, [`${i}.up`]: expansion * width * width, [`${i}.down`]: expansion * width * width,
      });
    }
    let at = 0;
    const view = ([name, size]) => [name, flat.subarray(at, (at += size))];
    return Object.fromEntries(Object.entries({ ...sizes, norm3: width }).map(view));
  }

  const add = (x, y) => x.map((value, i) => value + y[i]);

  function dot(x, y, from = 0) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i] * y[from + i];
    return sum;
  }

  function linear(x, weight) {
    const y = new Float64Array(weight.length / x.length);
    for (let o = 0; o < y.length; o++) y[o] = dot(x, weight, o * x.length);
    return y;
  }

  function norm(x, gain) {
    const mean = x.reduce((sum, value) => sum + value) / x.length;
    const centred = x.map((value) => value - mean);
    const scale = 1 / Math.sqrt(dot(centred, centred) / x.length + 1e-5);
    return centred.map((value, i) => value * scale * gain[i]);
  }

  function softmax(x) {
    const most = x.reduce((a, b) => Math.max(a, b));
    const powers = x.map((value) => Math.exp(value - most));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  }

  // The error function by a series whose terms have one sign (Abramowitz and Stegun 1964, 7.1.6).
  function erf(x) {
    if (Math.abs(x) > 6) return Math.sign(x); // all 53 bits
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }

  const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

  // The shares that a query gives to keys, and the values mixed by them; all are vectors of one head.
  function attend(query, keys, values) {
    const share = softmax(Float64Array.from(keys, (key) => dot(query, key) / Math.sqrt(query.length)));
    return { share, mix: query.map((_, i) => values.reduce((sum, value, t) => sum + share[t] * value[i], 0)) };
  }

  // The logits of the character after `tokens`, of which there are at most `context`, and the shares of attention that
  // the last of them gives to each, by layer and head.
  function forward(model, flat, tokens) {
    const { width, layers, heads } = model, size = width / heads, p = unpack(model, flat), attention = [];
    const embedding = (token) => p.tokens.slice(token * width, (token + 1) * width);
    let x = tokens.map((token, t) => add(embedding(token), p.positions.subarray(t * width)));
    for (let i = 0; i < layers; i++) {
      const all = x.map((row) => linear(norm(row, p[`${i}.norm1`]), p[`${i}.attention`])); // queries, keys and values
      const part = (row, which, h) => row.subarray(which * width + h * size, which * width + (h + 1) * size);
      const from = i < layers - 1 ? 0 : x.length - 1; // of the last layer, nothing but the last position is asked for
      x = x.slice(from).map((row, j) => {
        const mixed = new Float64Array(width), before = all.slice(0, from + j + 1);
        attention[i] = Array.from({ length: heads }, (_, h) => {
          const [keys, values] = [1, 2].map((which) => before.map((row) => part(row, which, h)));
          const { share, mix } = attend(part(before.at(-1), 0, h), keys, values);
          mixed.set(mix, h * size);
          return share;
        });
        const y = add(row, linear(mixed, p[`${i}.projection`]));
        return add(y, linear(linear(norm(y, p[`${i}.norm2`]), p[`${i}.up`]).map(gelu), p[`${i}.down`]));
      });
    }
    return { logits: linear(norm(x.at(-1), p.norm3), p.tokens), attention };
  }

  // The characters that follow `tokens` when the likeliest is taken each time, up to `end` or `most` of them.
  function greedy(model, flat, tokens, end, most) {
    const found = [];
    while (found.length < most && found.at(-1) !== end) {
      const { logits } = forward(model, flat, [...tokens, ...found].slice(-model.context));
      found.push(logits.indexOf(logits.reduce((a, b) => Math.max(a, b))));
    }
    return found;
  }

  // Vectors as points of the plane in which they vary most: coordinates on their first two principal components, found
  // by power iteration on their inner products, and the share of the variance that these hold.
  function plane(vectors) {
    const mean = vectors.reduce(add).map((sum) => sum / vectors.length);
    const rows = vectors.map((vector) => vector.map((value, i) => value - mean[i]));
    const products = rows.map((row) => Float64Array.from(rows, (other) => dot(row, other)));
    const found = [];
    while (found.length < 2) {
      let axis = Float64Array.from(rows, (_, i) => i + 1), length = 0;
      for (let step = 0; step < 200; step++) {
        axis = Float64Array.from(products, (row) => dot(row, axis));
        for (const other of found) {
          const along = dot(axis, other.axis);
          axis = axis.map((value, i) => value - along * other.axis[i]);
        }
        length = Math.sqrt(dot(axis, axis));
        axis = axis.map((value) => value / length);
      }
      found.push({ axis, variance: length });
    }
    const [x, y] = found.map(({ axis, variance }) => axis.map((value) => value * Math.sqrt(variance)));
    const total = products.reduce((sum, row, i) => sum + row[i], 0);
    const share = (found[0].variance + found[1].variance) / total;
    return { points: Array.from(x, (value, i) => [value, y[i]]), share };
  }

  // Points turned, and mirrored if need be, to lie as near to others as can be. As complex numbers, with z the points and
  // w the others, the turn is the sum of conj(z) w, or of z w if they are mirrored, whichever is longer.
  function aligned(points, others) {
    const turn = (mirror) => points.reduce(([re, im], [x, y], i) => {
      const [u, v] = others[i];
      return [re + x * u + mirror * y * v, im + x * v - mirror * y * u];
    }, [0, 0]);
    const mirror = Math.hypot(...turn(1)) >= Math.hypot(...turn(-1)) ? 1 : -1;
    const [re, im] = turn(mirror), length = Math.hypot(re, im);
    return points.map(([x, y]) => [(x * re - mirror * y * im) / length, (x * im + mirror * y * re) / length]);
  }

  return { forward, greedy, plane, aligned, softmax };
})();
