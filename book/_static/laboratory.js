// The laboratory: the reader chooses, workers train (laboratory-worker.js), and the page shows what they have learnt.
(() => {
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  const root = document.getElementById("laboratory");
  const known = JSON.parse(root.querySelector("script").textContent); // `page` of lib/book/browser.py
  const { right, value } = laboratoryEngine();
  const DIGITS = [..."0123456789"];
  const TICKS = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3], TOP = 3; // of the loss, nats a character
  const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  const element = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, set] of Object.entries(attributes)) made.setAttribute(key, set);
    made.append(...children);
    return made;
  };

  // What there is to see and to press.

  const field = (label, control) => element("label", {}, element("span", {}, label), control);
  const number = (name, min, max, step, value) =>
    element("input", { name, type: "number", min, max, step, value, required: "" });
  const choice = (name, options) =>
    element("select", { name }, ...options.map(([value, label]) => element("option", { value }, label)));
  const button = (label) => element("button", { type: "button" }, label);

  const sizes = choice("width", Object.keys(known.colours).map((width) => [width, `n${width}`]));
  sizes.value = "14";
  const settings = element("fieldset", {},
    element("legend", { class: "visually-hidden" }, "What to train"),
    field("Size", sizes),
    field("Lines", choice("lines", [["own", "shuffled"], ["published", "as published"]])),
    field("Weight decay", number("decay", 0, 100, "any", 0)),
    field("Updates", number("updates", 20, 100000, 1, 30000)),
    field("Models", number("models", 1, 16, 1, 1)),
    field("First seed", number("seed", 0, 1e6, 1, 0)));
  const [go, anew, save] = ["Train", "Start anew", "Save the numbers"].map(button);
  const bar = element("progress", { max: 1, value: 0, "aria-label": "progress" });
  const status = element("p", { class: "laboratory-status" });
  const heard = element("p", { class: "visually-hidden", role: "status" }); // by screen readers: changes seldom
  const cells = new Map(known.published.map((expression) => [expression, button("")]));
  const plot = element("div", { class: "laboratory-plot", role: "img" });
  root.append(
    element("form", {}, settings),
    element("div", { class: "laboratory-buttons" }, go, anew, save),
    bar, status, heard,
    element("div", { class: "laboratory-panels" },
      ...["+", "-"].map(grid),
      element("figure", {}, element("figcaption", {}, "Loss, nats a character, by update"), plot)));

  function grid(operation) {
    const sign = operation === "+" ? "+" : "−";
    const head = element("tr", {}, element("td", {}, sign), ...DIGITS.map((b) => element("th", { scope: "col" }, b)));
    const rows = DIGITS.map((a) => element("tr", {}, element("th", { scope: "row" }, a),
      ...DIGITS.map((b) => element("td", {}, cells.get(a + operation + b)))));
    return element("table", { "aria-label": `a ${sign} b, a down and b across` }, head, ...rows);
  }

  // The state: what is chosen, and the models: { run, iteration, history, answers, worker }.

  const hidden = new Set(["5,7"]);
  let phase = "rest", models = [], kernel, pace, floors, trouble;

  const pair = (expression) => [expression[0], expression[2]].sort().join(",");
  const hole = () => known.published.filter((expression) => hidden.has(pair(expression)));

  function chosen() {
    const of = Object.fromEntries(new FormData(settings.form));
    const pairs = [...hidden].sort().map((digits) => digits.split(",").map(Number));
    const common = { width: +of.width, hidden: pairs, weightDecay: +of.decay, iterations: +of.updates };
    return Array.from({ length: +of.models }, (_, i) => {
      const seed = +of.seed + i;
      return { ...common, seed, lineOrder: of.lines === "own" ? seed : null };
    });
  }

  // Training: one worker a core, one model a worker.

  function load(width) { // a page opened from disk may load scripts, and nothing else
    const script = element("script", { src: `${folder}kernels/${width}.js` });
    return new Promise((done, failed) => {
      Object.assign(script, { onload: done, onerror: () => failed(new Error(`kernels/${width}.js is missing`)) });
      document.head.append(script);
    }).then(() => {
      const packed = Uint8Array.from(atob(window.laboratoryKernels[width]), (c) => c.charCodeAt(0));
      return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    });
  }

  const PATIENCE = 30; // seconds until a worker's first answer, which takes a second

  function begin(model) {
    try {
      work(model);
    } catch ({ message }) { // a page may be forbidden to make workers
      fail(message);
    }
  }

  function work(model) {
    const script = new Blob([`(${laboratoryEngine})().serve(self)`], { type: "text/javascript" });
    const address = URL.createObjectURL(script);
    model.worker = new Worker(address);
    const silent = setTimeout(() => model.worker && fail(`no answer came within ${PATIENCE} seconds`), 1000 * PATIENCE);
    model.worker.onmessage = ({ data }) => {
      clearTimeout(silent);
      if (data.error) return fail(data.error);
      note(model, data);
      if (model.iteration < model.run.iterations) return;
      model.worker.terminate();
      next();
    };
    model.worker.onerror = ({ message }) => fail(message);
    const { published } = known;
    model.worker.postMessage({ wasm: kernel, published, run: model.run, paused: phase === "paused" });
    URL.revokeObjectURL(address);
  }

  function next() { // starts the next model that waits, or ends
    const waiting = models.find(({ worker }) => !worker);
    if (waiting) begin(waiting);
    else if (models.every(({ iteration, run }) => iteration === run.iterations)) enter("done");
  }

  function note(model, { iteration, loss, answers, floors: found }) {
    const rights = known.published.map((expression, i) => [expression, right(answers[i], expression)]);
    const total = (isHidden) => rights.filter(([e, is]) => is && hidden.has(pair(e)) === isHidden).length;
    model.history.push({ iteration, loss, seen: total(false), heldOut: total(true) });
    floors ??= found;
    Object.assign(model, { iteration, answers });
    plan();
  }

  async function train() {
    if (!settings.form.reportValidity()) return;
    const asked = chosen().map((run) => ({ run, iteration: 0, history: [] }));
    models = asked;
    enter("training");
    try {
      kernel = await load(asked[0].run.width);
    } catch (error) {
      return fail(error.message);
    }
    if (models === asked) models.slice(0, navigator.hardwareConcurrency || 2).forEach(begin);
  }

  function hold(paused) {
    models.forEach(({ worker }) => worker?.postMessage({ paused }));
    enter(paused ? "paused" : "training");
  }

  function reset() {
    models.forEach((model) => {
      model.worker?.terminate();
      model.worker = undefined;
    });
    models = [];
    floors = trouble = undefined;
    enter("rest");
  }

  function fail(message) {
    reset();
    trouble = `This did not work: ${message || "the browser gives no reason, as where the policy of a site forbids what this page needs"}.`;
  }

  // A recording, where nothing can be trained.

  const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  const able = // SIMD: the least module that has a vector
    !!window.WebAssembly?.validate(new Uint8Array(SIMD)) && !!window.Worker && !!window.DecompressionStream;

  async function replay() {
    const { run, iterations, losses, rights, floors: of } = known.recording;
    const model = { run, iteration: 0, history: [] };
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    models = [model];
    enter("training");
    for (let i = 0; i < iterations.length && models[0] === model; ++i) {
      const answers = known.published.map((e, at) => (rights[i][at] === "1" ? `${value(e)}` : ""));
      note(model, { iteration: iterations[i], loss: losses[i], answers, floors: of });
      if (!still) await new Promise((done) => setTimeout(done, 60));
    }
    if (models[0] === model) enter("done");
  }

  // Drawing: at most once a frame.

  let planned = false;
  function plan() {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      draw();
    });
  }

  function enter(to) {
    phase = to;
    settings.disabled = phase !== "rest" || !able;
    root.dataset.phase = phase;
    const first = able ? "Train" : "Play the recording";
    go.textContent = { rest: first, training: "Pause", paused: "Go on", done: "Done" }[phase];
    go.disabled = phase === "done" || (phase === "training" && !able);
    anew.disabled = phase === "rest";
    pace = undefined;
    plan();
  }

  function draw() {
    known.published.forEach(drawCell);
    drawLoss();
    save.disabled = !models.some(({ history }) => history.length);
    const total = models.reduce((sum, { run }) => sum + run.iterations, 0);
    const made = models.reduce((sum, { iteration }) => sum + iteration, 0);
    bar.value = total ? made / total : 0;
    status.textContent = { rest: invitation, done: verdict }[phase]?.() ?? progress(made, total);
    const quarter = `Training, ${Math.floor((4 * made) / total) * 25} % done.`;
    const said = phase === "training" ? quarter : status.textContent;
    if (said !== heard.textContent) heard.textContent = said;
  }

  function frequent(list) { // what it has most of
    const often = (one) => list.filter((other) => other === one).length;
    return list.reduce((best, one) => (often(one) > often(best) ? one : best));
  }

  function drawCell(expression, at) {
    const cell = cells.get(expression), isHidden = hidden.has(pair(expression));
    const answers = models.flatMap((model) => model.answers?.[at] ?? []), asked = answers.length;
    const good = answers.filter((found) => right(found, expression)).length;
    const shown = asked ? frequent(answers).replace(/[^-\d]/g, "") : isHidden ? "?" : `${value(expression)}`;
    const state = [shown, good, asked, isHidden].join();
    if (cell.dataset.state === state) return; // only what has changed is touched
    cell.dataset.state = state;
    cell.textContent = shown.replace("-", "−");
    cell.style.setProperty("--share", asked ? good / asked : 0);
    cell.toggleAttribute("data-right", 2 * good > asked);
    cell.setAttribute("aria-pressed", isHidden);
    const [a, sign, b] = expression, how = asked > 1 ? `${good} of ${asked} models right` : good ? "right" : "wrong";
    const name = `${a} ${sign === "+" ? "plus" : "minus"} ${b}${isHidden ? ", hidden" : ""}`;
    cell.setAttribute("aria-label", asked ? `${name}: ${shown || "no number"}, ${how}` : name);
  }

  function drawLoss() {
    const last = models[0]?.run.iterations ?? 1, bottom = 0.8 * (floors?.ordered ?? 0.6);
    const y = (loss) => (100 * Math.log(TOP / loss)) / Math.log(TOP / bottom);
    const drawn = models.filter(({ history }) => history.length);
    const curves = drawn.map(({ run, history }) => {
      const points = history.filter(({ loss }) => loss > 0).map(({ iteration, loss }) => `${(100 * iteration) / last} ${y(loss)}`);
      return points.length ? `<path stroke="${known.colours[run.width]}" d="M${points.join("L")}"/>` : "";
    });
    const named = floors ? [["every line known", floors.unordered], ["their order, too", floors.ordered]] : [];
    const lines = named.map(([, at]) => `<path class="floor" d="M0 ${y(at)}H100"/>`);
    const names = named.map(([name, at]) => `<span class="name" style="top:${y(at)}%">${name}: ${at.toFixed(3)}</span>`);
    const ticks = TICKS.filter((at) => at > bottom).map((at) => `<span class="tick" style="top:${y(at)}%">${at}</span>`);
    const end = drawn.length ? `<span class="end">${last.toLocaleString("en")}</span>` : "";
    const picture = `<svg viewBox="0 0 100 100" preserveAspectRatio="none">${lines.join("")}${curves.join("")}</svg>`;
    plot.innerHTML = picture + ticks.join("") + names.join("") + end;
    const now = drawn.map(({ history }) => history[history.length - 1].loss).map((loss) => (loss > 0 ? loss.toFixed(3) : "no number"));
    const said = named.map(([name, at]) => `${name} ${at.toFixed(3)}`);
    plot.setAttribute("aria-label", now.length ? `Loss: now ${now.join(", ")}; ${said.join("; ")}.` : "Loss: nothing yet.");
  }

  // Words.

  function invitation() {
    if (trouble) return trouble;
    if (!able) return "This browser cannot train: it lacks WebAssembly with SIMD. Here is a recording of a run of the book.";
    const asked = hole().length;
    return `${count(asked, "sum")} of 200 ${asked === 1 ? "is" : "are"} hidden. Press a cell to hide its pair, or to show it again.`;
  }

  function progress(made, total) {
    const many = `${Math.floor((100 * made) / total)} % of ${count(models.length, "model")}`;
    const at = models.length > 1 ? many : `Update ${made.toLocaleString("en")} of ${total.toLocaleString("en")}`;
    if (phase !== "training") return at;
    pace ??= { made, since: performance.now() };
    const left = ((performance.now() - pace.since) / (made - pace.made)) * (total - made);
    return made > pace.made ? `${at}, about ${count(Math.max(1, Math.round(left / 1000)), "second")} left` : at;
  }

  function verdict() {
    const asked = hole().length, others = known.published.length - asked;
    const ends = models.map(({ history }) => history[history.length - 1]);
    const all = ends.filter(({ heldOut }) => heldOut === asked).length;
    const whose = able ? "Yours" : "The recorded run";
    if (ends.length > 1) {
      const each = ends.map(({ heldOut }) => heldOut).join(", ");
      return `${whose}: ${all} of ${ends.length} models have all ${asked} hidden sums right (${each}). ${inTheBook(asked)}`;
    }
    const [{ heldOut, seen }] = ends;
    return `${whose}: ${heldOut} of ${asked} hidden sums right, and ${seen} of the ${others} others. ${inTheBook(asked)}`;
  }

  function inTheBook(asked) {
    const { width, hidden: pairs, lineOrder, weightDecay, iterations, seed } = models[0].run;
    const lines = lineOrder === null ? "published" : "own";
    const runs = known.runs[[width, pairs.join(" "), lines, weightDecay, iterations].join(" / ")];
    if (!runs) return "The book has no run with these settings.";
    const rights = Object.values(runs), all = rights.filter((right) => right === asked).length;
    const same = models.length === 1 && seed in runs ? `; its run of this seed has ${runs[seed]}` : "";
    return `In the book ${all} of ${count(rights.length, "run")} with these settings have all ${asked} right${same}.`;
  }

  function table() { // columns as in `Store.curves`
    const asked = hole().length, others = known.published.length - asked;
    const names = ["width", "held_out", "line_order", "weight_decay", "iterations", "seed", "iteration", "loss",
      "seen_accuracy", "held_out_correct", "held_out_asked"];
    const rows = models.flatMap(({ run: r, history }) => history.map(({ iteration, loss, seen, heldOut }) =>
      [r.width, `"${r.hidden.join(" ")}"`, r.lineOrder ?? "", r.weightDecay, r.iterations, r.seed, iteration, loss,
        seen / others, heldOut, asked]));
    return [names, ...rows].map((row) => `${row.join(",")}\n`).join("");
  }

  // What the reader does.

  go.onclick = () => (phase === "rest" ? (able ? train() : replay()) : hold(phase === "training"));
  anew.onclick = reset;
  save.onclick = () => {
    const href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    element("a", { href, download: `laboratory-n${models[0].run.width}.csv` }).click();
    URL.revokeObjectURL(href);
  };
  settings.form.onsubmit = (event) => event.preventDefault();

  for (const [expression, cell] of cells) {
    cell.tabIndex = /^0.0$/.test(expression) ? 0 : -1; // the arrow keys go from cell to cell, so a table is one stop
    cell.onclick = () => {
      if (phase !== "rest" || !able) return;
      const of = pair(expression);
      if (!hidden.delete(of) && hidden.size < 54) hidden.add(of); // of 55 pairs one is left to learn
      plan();
    };
    cell.onkeydown = (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      const to = move && cells.get(`${+expression[0] + move[0]}${expression[1]}${+expression[2] + move[1]}`);
      if (!to) return;
      event.preventDefault();
      cell.tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
    };
  }
  enter("rest");
})();
