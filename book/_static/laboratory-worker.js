// What the laboratory computes: the text, the random numbers and the schedule of lib/data, lib/model/transformer.py and
// lib/run.py, updates by lib/model/fused.cpp compiled to WebAssembly, and greedy answers as in lib/model/scores.py.
// It is one function that needs nothing from outside, so that its text can be the script of a worker.
//
// A run is { width, hidden: [[5, 7]], lineOrder: a seed or null, seed, weightDecay, iterations }, a kernel
// { wasm: its bytes }, and `published` the 200 expressions in the published order, those of the hole last.
const laboratoryEngine = () => {
  const VOCABULARY = "\n +-0123456789<=>", CONTEXT = 9, BATCH = 882;
  const BETAS = [0.9, 0.99], EPSILON = 1e-8; // of AdamW
  const V = VOCABULARY.length, DIGIT = /\d/;
  const encode = (text) => Int32Array.from(text, (c) => VOCABULARY.indexOf(c));
  const sum = (values) => values.reduce((a, b) => a + b, 0);

  // Random numbers: Python's, bit by bit.

  const x = new Int32Array(2); // the high and the low half of a 64-bit number, which no fast type of JavaScript's holds
  function add(high, low) {
    const total = (x[1] >>> 0) + (low >>> 0);
    x[0] += high + (total > 0xffffffff);
    x[1] = total;
  }
  function multiply(high, low) {
    const a = x[1] & 0xffff, b = x[1] >>> 16, c = low & 0xffff, d = low >>> 16;
    const middle = b * c + ((a * c) >>> 16), other = a * d + (middle & 0xffff);
    x[0] = Math.imul(x[0], low) + Math.imul(x[1], high) + b * d + (middle >>> 16) + (other >>> 16);
    x[1] = Math.imul(x[1], low);
  }
  function fold(by) { // x ^= x >>> by
    x[1] ^= (x[1] >>> by) | (x[0] << (32 - by));
    x[0] ^= x[0] >>> by;
  }
  function mix() {
    fold(30);
    multiply(0xbf58476d, 0x1ce4e5b9);
    fold(27);
    multiply(0x94d049bb, 0x133111eb);
    fold(31);
  }

  // The offsets of the windows of one update, uniform(stream(seed, step, 0), BATCH, bound), written to `out`.
  function windows(seed, step, bound, out) {
    x.set([seed >>> 31, seed << 1]);
    mix();
    add(0, step);
    mix();
    const key = x.slice();
    for (let i = 0; i < BATCH; ++i) {
      x.set(key);
      mix();
      out[i] = Math.floor(((x[0] >>> 1) * bound) / 2 ** 31);
      x.set(key);
      add(0x9e3779b9, 0x7f4a7c15);
      key.set(x);
    }
  }

  // The generator of torch and of numpy.random.RandomState (Matsumoto and Nishimura 1998); each call draws 32 bits.
  function mersenne(seed) {
    const N = 624, state = new Uint32Array(N);
    state[0] = seed;
    for (let i = 1; i < N; ++i) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    let place = N;
    return () => {
      if (place === N) {
        for (let i = 0; i < N; ++i) {
          const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
          state[i] = state[(i + 397) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
        }
        place = 0;
      }
      let y = state[place++];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      return (y ^ (y >>> 18)) >>> 0;
    };
  }

  // The items in the order RandomState(seed).permutation.
  function permuted(items, seed) {
    const draw = mersenne(seed), order = items.slice();
    for (let i = order.length - 1; i > 0; --i) {
      const mask = 2 ** (32 - Math.clz32(i)) - 1;
      let j = draw() & mask;
      while (j > i) j = draw() & mask;
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  // torch.randn: uniform numbers, 16 at a time, become 8 cosines and 8 sines (Box and Muller 1958). Where they do not
  // come out even, the last 16 are drawn anew.
  function normal(count, draw) {
    const values = new Float32Array(count), uniform = () => (draw() & 0xffffff) / 2 ** 24;
    const turn = (begin) => {
      for (let i = begin; i < begin + 8; ++i) {
        const radius = Math.sqrt(-2 * Math.log(1 - values[i])), angle = 2 * Math.PI * values[i + 8];
        values[i] = radius * Math.cos(angle);
        values[i + 8] = radius * Math.sin(angle);
      }
    };
    for (let i = 0; i < count; ++i) values[i] = uniform();
    for (let i = 0; i + 16 <= count; i += 16) turn(i);
    if (count % 16) {
      for (let i = count - 16; i < count; ++i) values[i] = uniform();
      turn(count - 16);
    }
    return values;
  }

  // The task.

  const value = ([a, operation, b]) => (operation === "+" ? +a + +b : a - b);

  function text(published, run) {
    const hidden = new Set(run.hidden.flatMap(([a, b]) => [`${a}${b}`, `${b}${a}`]));
    const shown = published.filter((e) => !hidden.has(e[0] + e[2]));
    const ordered = run.lineOrder === null ? shown : permuted(shown, run.lineOrder);
    return ordered.map((e) => `<${e}=${value(e)}>`.padEnd(8) + "\n").join("");
  }

  // `Corpus` of lib/model/fused.py: windows in lexicographic order.
  function corpus(written) {
    const offsets = written.length - CONTEXT, at = (offset) => written.substr(offset, CONTEXT + 1);
    const order = Int32Array.from({ length: offsets }, (_, i) => i);
    order.sort((a, b) => (at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : a - b));
    const rank = new Int32Array(offsets), shared = new Int32Array(offsets);
    order.forEach((offset, r) => {
      rank[offset] = r;
      if (r === 0) return;
      while (shared[r] < CONTEXT && at(offset)[shared[r]] === at(order[r - 1])[shared[r]]) ++shared[r];
    });
    return { tokens: encode(written), order, rank, shared, offsets };
  }

  // `floor` of lib/data/floors.py: the least possible loss for a reader who knows the lines by heart, and their order or not.
  function floors(written) {
    const length = CONTEXT, lines = written.length / length; // a line is as long as the context
    const pieces = new Map(), sections = new Map(); // how often each piece of the text, and of a line, occurs
    const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
    for (let i = 0; i + length < written.length; ++i)
      for (let n = 1; n <= length + 1; ++n) count(pieces, written.substr(i, n));
    for (let i = 0; i < written.length; ++i)
      for (let n = 1; n <= length - (i % length); ++n) count(sections, `${i % length}${written.substr(i, n)}`);
    const drawn = (prefix) => { // from a line at each of its places, and where that ends on in any line
      let total = 0;
      for (let place = 0; place < length; ++place) {
        const rest = prefix.slice(length - place);
        const next = rest ? (sections.get(`0${rest}`) ?? 0) : lines;
        total += (sections.get(`${place}${prefix.slice(0, length - place)}`) ?? 0) * next;
      }
      return total;
    };
    const floor = (often) => {
      let total = 0;
      for (let i = 0; i + length < written.length; ++i)
        for (let n = 1; n <= length; ++n)
          total -= Math.log(often(written.substr(i, n + 1)) / often(written.substr(i, n)));
      return total / length / (written.length - length);
    };
    return { unordered: floor(drawn), ordered: floor((prefix) => pieces.get(prefix)) };
  }

  // The model.

  function shapes(d) { // of every parameter, in the order in which they lie in the flat array
    return { tokens: [V, d], positions: [CONTEXT, d], norm1: [d], attention: [3 * d, d], projection: [d, d], norm2: [d],
      up: [d, d], down: [d, d], norm3: [d] };
  }

  const size = (shape) => shape.reduce((a, b) => a * b);

  // A value a parameter: `each(name, shape, count)` gives those of one matrix or gain.
  function flat(width, each) {
    const entries = Object.entries(shapes(width));
    return Float32Array.from(entries.flatMap(([name, shape]) => [...each(name, shape, size(shape))]));
  }

  function initialize(width, seed) {
    const draw = mersenne(seed);
    return flat(width, (name, shape, count) => {
      if (shape.length === 1) return Array(count).fill(1);
      const deviation = Math.fround(name === "projection" || name === "down" ? 0.02 / Math.sqrt(2) : 0.02);
      return normal(count, draw).map((z) => z * deviation);
    });
  }

  function unpack(width, parameters) {
    let begin = 0;
    const entries = Object.entries(shapes(width));
    return Object.fromEntries(entries.map(([name, shape]) => [name, parameters.subarray(begin, (begin += size(shape)))]));
  }

  const product = (matrix, vector) => { // matrix (rows, vector.length)
    const d = vector.length, result = new Float64Array(matrix.length / d);
    for (let o = 0; o < result.length; ++o) {
      let total = 0;
      for (let i = 0; i < d; ++i) total += matrix[o * d + i] * vector[i];
      result[o] = total;
    }
    return result;
  };
  function norm(vector, gain) {
    const mean = sum(vector) / vector.length;
    const variance = vector.reduce((total, a) => total + (a - mean) ** 2, 0) / vector.length;
    return vector.map((a, i) => ((a - mean) / Math.sqrt(variance + 1e-5)) * gain[i]);
  }
  function gelu(u) { // erf by Abramowitz and Stegun (1964), formula 7.1.26, as in fused.cpp
    const z = Math.abs(u) * Math.SQRT1_2, t = 1 / (1 + 0.3275911 * z);
    const series = 0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)));
    const tail = 0.5 * t * series * Math.exp(-z * z);
    return u * (u < 0 ? tail : 1 - tail);
  }

  // A function from a text of at most CONTEXT characters to the likeliest next one, in float64.
  function reader(width, parameters) {
    const p = unpack(width, parameters), rows = [];
    const row = (position, token) => {
      const input = Float64Array.from(p.tokens.subarray(token * width, (token + 1) * width));
      for (let i = 0; i < width; ++i) input[i] += p.positions[position * width + i];
      const qkv = product(p.attention, norm(input, p.norm1));
      return { input, q: qkv.subarray(0, width), k: qkv.subarray(width, 2 * width), v: qkv.subarray(2 * width) };
    };
    return (written) => { // in one layer a row depends on position and token alone, so it is computed once
      const path = Array.from(encode(written), (token, position) => (rows[position * V + token] ??= row(position, token)));
      const { input, q } = path[path.length - 1];
      const scores = path.map(({ k }) => sum(k.map((a, i) => a * q[i])) / Math.sqrt(width)), top = Math.max(...scores);
      const shares = scores.map((score) => Math.exp(score - top)), total = sum(shares);
      const mixed = new Float64Array(width);
      path.forEach(({ v }, s) => v.forEach((a, i) => (mixed[i] += (shares[s] / total) * a)));
      const attended = product(p.projection, mixed).map((a, i) => a + input[i]);
      const hidden = product(p.up, norm(attended, p.norm2)).map(gelu);
      const output = product(p.down, hidden).map((a, i) => a + attended[i]);
      const logits = product(p.tokens, norm(output, p.norm3));
      return VOCABULARY[logits.indexOf(Math.max(...logits))];
    };
  }

  // What greedy decoding answers to an expression; an answer ends where its digits end.
  function answer(next, expression) {
    let written = `<${expression}=`;
    for (let more = next(written); written.length < CONTEXT; more = next(written)) {
      if (written.length > 5 && !DIGIT.test(more)) break;
      written += more;
    }
    return written.slice(5);
  }
  const right = (found, expression) => found === `${value(expression)}` || (found === "-0" && value(expression) === 0);

  // Training.

  const round = (a) => (a % 1 === 0.5 ? 2 * Math.round(a / 2) : Math.round(a)); // halves to even, as Python does

  function rates({ iterations }) {
    const warm = round((2000 / 30000) * iterations), end = round((25000 / 30000) * iterations);
    return Float32Array.from({ length: iterations }, (_, i) => {
      if (i < warm) return (1e-2 * (i + 1)) / (warm + 1);
      const share = Math.min(1, (i - warm) / Math.max(1, end - warm));
      return 1e-4 + 0.5 * (1 + Math.cos(Math.PI * share)) * (1e-2 - 1e-4);
    });
  }

  // A model in training: `advance(updates)`, its `loss()` over every window, its `weights()`.
  async function trainer(wasm, published, run) {
    const none = () => 0; // what the C library would print it may keep to itself
    const system = { fd_close: none, fd_seek: none, fd_write: none };
    const { instance } = await WebAssembly.instantiate(wasm, { wasi_snapshot_preview1: system });
    const { memory, malloc, train, loss_or_gradient: lossOrGradient, _initialize: begin } = instance.exports;
    begin();
    // The memory may move when it grows, so an array in it is looked up whenever it is used.
    const place = (values) => {
      const at = malloc(values.byteLength), view = () => new values.constructor(memory.buffer, at, values.length);
      view().set(values);
      return { at, view };
    };
    const { tokens, order, rank, shared, offsets } = corpus(text(published, run));
    const windowed = [...[tokens, order, rank, shared].map((values) => place(values).at), offsets];
    const beginning = initialize(run.width, run.seed), zeros = new Float32Array(beginning.length);
    const [parameters, ...moments] = [beginning, zeros, zeros].map(place);
    const decays = (_, shape, count) => Array(count).fill(shape.length > 1 ? run.weightDecay : 0);
    const decay = place(flat(run.width, decays)), scale = place(beginning.map(() => 1)); // of the learning rate
    const every = place(order), drawn = place(new Int32Array(BATCH)), rate = place(rates(run));
    let done = 0;
    return {
      advance(updates) {
        for (; updates > 0; --updates, ++done) {
          windows(run.seed, done, offsets, drawn.view());
          train(...windowed, parameters.at, ...moments.map(({ at }) => at), decay.at, scale.at, drawn.at,
            BATCH, rate.at + 4 * done, 1, BigInt(done), ...BETAS, EPSILON);
        }
        return done;
      },
      loss: () => lossOrGradient(...windowed, parameters.at, 0, every.at, offsets),
      weights: () => parameters.view().slice(),
    };
  }

  const evaluationEvery = (iterations) => Math.max(1, Math.min(100, Math.floor(iterations / 20)));

  // A worker's life: { wasm, published, run } begins it, { paused } holds it up; what it has found it posts.
  function serve(scope) {
    let paused = false, proceed = () => {};
    async function live({ wasm, published, run }) {
      const model = await trainer(wasm, published, run), every = evaluationEvery(run.iterations);
      let iteration = 0;
      const tell = (more) => {
        const next = reader(run.width, model.weights());
        scope.postMessage({ iteration, loss: model.loss(), answers: published.map((e) => answer(next, e)), ...more });
      };
      tell({ floors: floors(text(published, run)) });
      while (iteration < run.iterations) {
        iteration = model.advance(Math.min(every, run.iterations - iteration));
        tell();
        await new Promise((go) => setTimeout(go)); // messages come in between
        if (paused) await new Promise((go) => (proceed = go));
      }
    }
    scope.onmessage = ({ data }) => {
      if (data.run) live(data).catch(({ message }) => scope.postMessage({ error: message }));
      paused = !!data.paused;
      if (!paused) proceed();
    };
  }

  return { windows, permuted, initialize, rates, text, corpus, floors, reader, answer, right, value, trainer, serve };
};
