// The laboratory: the reader chooses, workers train (laboratory-worker.js), and the page shows what they have learnt.
(() => {
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  const root = document.getElementById("laboratory");
  const known = JSON.parse(root.querySelector("script").textContent); // `page` of lib/browser.py
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
  const number = (name, min, max, step, at) => element("input", { name, type: "number", min, max, step, value: at, required: "" });
  const choice = (name, options, chosen) =>
    element("select", { name }, ...options.map(([of, label]) => element("option", { value: of, ...(of === chosen && { selected: "" }) }, label)));
  const settings = element("fieldset", {}, element("legend", { class: "visually-hidden" }, "What to train"),
    field("Size", choice("width", Object.keys(known.colours).map((width) => [width, `n${width}`]), "14")),
    field("Lines", choice("lines", [["own", "shuffled"], ["published", "as published"]], "own")),
    field("Weight decay", number("decay", 0, 100, "any", 0)),
    field("Updates", number("updates", 20, 100000, 1, 30000)),
    field("Models", number("models", 1, 16, 1, 1)),
    field("First seed", number("seed", 0, 1e6, 1, 0)));
  const button = (label) => element("button", { type: "button" }, label);
  const [go, anew, save] = ["Train", "Start anew", "Save the numbers"].map(button);
  const bar = element("progress", { max: 1, value: 0, "aria-label": "progress" });
  const status = element("p", { class: "laboratory-status" });
  const heard = element("p", { class: "visually-hidden", role: "status" }); // for screen readers: seldom changed
  const cells = new Map(known.published.map((expression) => [expression, button("")]));
  const plot = element("div", { class: "laboratory-plot", role: "img" });
  const panels = element("div", { class: "laboratory-panels" },
    ...["+", "-"].map(grid),
    element("figure", {}, element("figcaption", {}, "Loss, nats a character, by update"), plot));
  root.append(element("form", {}, settings), element("div", { class: "laboratory-buttons" }, go, anew, save), bar, status, heard, panels);

  function grid(operation) {
    const sign = operation === "+" ? "+" : "−";
    const head = element("tr", {}, element("td", {}, sign), ...DIGITS.map((b) => element("th", { scope: "col" }, b)));
    const rows = DIGITS.map((a) => element("tr", {}, element("th", { scope: "row" }, a),
      ...DIGITS.map((b) => element("td", {}, cells.get(a + operation + b)))));
    return element("table", { "aria-label": `a ${sign} b: rows are a, columns are b; press a cell to hide its pair` }, head, ...rows);
  }

  // The state: what is chosen, and the models: { run, iteration, history, answers, worker }.

  const hidden = new Set(["5,7"]);
  let phase = "rest", models = [], kernel, pace, floors, trouble;

  const pair = (expression) => [expression[0], expression[2]].sort().join(",");
  const hole = () => known.published.filter((expression) => hidden.has(pair(expression)));

  function chosen() {
    const of = Object.fromEntries(new FormData(settings.form));
    return Array.from({ length: +of.models }, (_, i) => {
      const seed = +of.seed + i;
      return { width: +of.width, hidden: [...hidden].sort().map((p) => p.split(",").map(Number)), seed,
        lineOrder: of.lines === "own" ? seed : null, weightDecay: +of.decay, iterations: +of.updates };
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

  function begin(model) {
    const script = new Blob([`(${laboratoryEngine})().serve(self)`], { type: "text/javascript" });
    const address = URL.createObjectURL(script);
    model.worker = new Worker(address);
    model.worker.onmessage = ({ data }) => {
      if (data.error) return fail(data.error);
      note(model, data);
      if (model.iteration < model.run.iterations) return;
      model.worker.terminate();
      next();
    };
    model.worker.onerror = ({ message }) => fail(message);
    model.worker.postMessage({ wasm: kernel, published: known.published, run: model.run, paused: phase === "paused" });
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
    const runs = chosen();
    models = runs.map((run) => ({ run, iteration: 0, history: [] }));
    enter("training");
    try {
      kernel = await load(runs[0].width);
    } catch (error) {
      return fail(error.message);
    }
    models.slice(0, navigator.hardwareConcurrency || 2).forEach(begin);
  }

  function hold(paused) {
    models.forEach(({ worker }) => worker?.postMessage({ paused }));
    enter(paused ? "paused" : "training");
  }

  function reset() {
    models.forEach(({ worker }) => worker?.terminate());
    models = [];
    floors = trouble = undefined;
    enter("rest");
  }

  function fail(message) {
    reset();
    trouble = `This did not work: ${message}.`;
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
    go.textContent = { rest: able ? "Train" : "Play the recording", training: "Pause", paused: "Go on", done: "Done" }[phase];
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
    const said = phase === "training" ? `Training, ${Math.floor((4 * made) / total) * 25} % done.` : status.textContent;
    if (said !== heard.textContent) heard.textContent = said;
  }

  const most = (list) => list.reduce((best, one) => (list.filter((x) => x === one).length > list.filter((x) => x === best).length ? one : best));

  function drawCell(expression, at) {
    const cell = cells.get(expression), isHidden = hidden.has(pair(expression));
    const answers = models.flatMap((model) => model.answers?.[at] ?? []);
    const good = answers.filter((found) => right(found, expression)).length;
    const shown = answers.length ? most(answers).replace(/[^-\d]/g, "") : isHidden ? "?" : `${value(expression)}`;
    const state = `${shown} ${good} ${answers.length} ${isHidden}`;
    if (cell.dataset.state === state) return; // touch only what has changed
    cell.dataset.state = state;
    cell.textContent = shown.replace("-", "−");
    cell.style.setProperty("--share", answers.length ? good / answers.length : 0);
    cell.toggleAttribute("data-right", answers.length > 0 && 2 * good > answers.length);
    cell.setAttribute("aria-pressed", isHidden);
    const said = answers.length ? `: ${shown || "no number"}, ${answers.length > 1 ? `${good} of ${answers.length} models` : good ? "" : "not"} right` : "";
    cell.setAttribute("aria-label", `${expression[0]} ${expression[1] === "+" ? "plus" : "minus"} ${expression[2]}${isHidden ? ", hidden" : ""}${said}`);
  }

  function drawLoss() {
    const most = models[0]?.run.iterations ?? 1, least = 0.8 * (floors?.ordered ?? 0.6);
    const y = (loss) => (100 * Math.log(TOP / loss)) / Math.log(TOP / least);
    const line = ({ run, history }) =>
      `<path stroke="${known.colours[run.width]}" d="M${history.map(({ iteration, loss }) => `${(100 * iteration) / most} ${y(loss)}`).join("L")}"/>`;
    const across = Object.entries(floors ?? {}).map(([name, at]) => `<path class="floor" d="M0 ${y(at)}H100"/>`);
    const marks = TICKS.filter((tick) => tick > least).map((tick) => `<span class="tick" style="top:${y(tick)}%">${tick}</span>`);
    const names = { unordered: "every line known", ordered: "their order, too" };
    const labels = Object.entries(floors ?? {}).map(([name, at]) => `<span class="name" style="top:${y(at)}%">${names[name]}: ${at.toFixed(3)}</span>`);
    plot.innerHTML = `<svg viewBox="0 0 100 100" preserveAspectRatio="none">${across.join("")}${models.filter(({ history }) => history.length).map(line).join("")}</svg>
      ${marks.join("")}${labels.join("")}<span class="end">${models.length ? most.toLocaleString("en") : ""}</span>`;
    const last = models.flatMap(({ history }) => history.slice(-1).map(({ loss }) => loss.toFixed(3)));
    plot.setAttribute("aria-label", last.length ? `Loss by update: now ${last.join(", ")}; the floors are ${Object.values(floors).map((at) => at.toFixed(3)).join(" and ")}.` : "Loss by update: empty.");
  }

  // Words.

  function invitation() {
    if (trouble) return trouble;
    if (!able) return "This browser cannot train: it lacks WebAssembly with SIMD. Here is a recording of a run of the book.";
    return `${count(hole().length, "sum")} of 200 ${hole().length === 1 ? "is" : "are"} hidden. Press a cell to hide its pair, or to show it again.`;
  }

  function progress(made, total) {
    const at = models.length > 1 ? `${Math.floor((100 * made) / total)} % of ${count(models.length, "model")}` : `Update ${made.toLocaleString("en")} of ${total.toLocaleString("en")}`;
    if (phase !== "training") return at;
    pace ??= { made, since: performance.now() };
    const left = ((performance.now() - pace.since) / (made - pace.made)) * (total - made);
    return made > pace.made ? `${at}, about ${count(Math.max(1, Math.round(left / 1000)), "second")} left` : at;
  }

  function verdict() {
    const { run } = models[0], asked = hole().length, others = known.published.length - asked;
    const found = models.map(({ history }) => history[history.length - 1]);
    const whose = able ? "Yours" : "The recorded run";
    const all = found.filter(({ heldOut }) => heldOut === asked).length;
    const yours = models.length === 1
      ? `${whose}: ${found[0].heldOut} of ${asked} hidden sums right, and ${found[0].seen} of the ${others} others.`
      : `${whose}: ${all} of ${models.length} models have all ${asked} hidden sums right (${found.map(({ heldOut }) => heldOut).join(", ")}).`;
    const key = [run.width, run.hidden.join(" "), run.lineOrder === null ? "published" : "own", run.weightDecay, run.iterations].join(" / ");
    const theirs = known.runs[key];
    if (!theirs) return `${yours} The book has no run with these settings.`;
    const rights = Object.values(theirs), same = models.length === 1 && theirs[run.seed];
    const one = same === undefined || same === false ? "" : `; its run of this seed has ${same}`;
    return `${yours} In the book ${rights.filter((n) => n === asked).length} of ${rights.length} runs with these settings have all ${asked} right${one}.`;
  }

  function table() { // columns as in `Store.curves`
    const asked = hole().length, others = known.published.length - asked;
    const rows = models.flatMap(({ run, history }) => history.map(({ iteration, loss, seen, heldOut }) =>
      [run.width, `"${run.hidden.join(" ")}"`, run.lineOrder ?? "", run.weightDecay, run.iterations, run.seed, iteration, loss, seen / others, heldOut, asked].join(",")));
    return ["width,held_out,line_order,weight_decay,iterations,seed,iteration,loss,seen_accuracy,held_out_correct,held_out_asked", ...rows, ""].join("\n");
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
      if (!hidden.delete(pair(expression)) && hidden.size < 54) hidden.add(pair(expression)); // one of 55 is left to learn
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
