// "Try a trained model": what the reader chooses, what the model says, and pictures of it.
(() => {
  const { forward, softmax } = window.transformer;
  const { load, tokens, answer } = window.trained;
  const { models, tasks } = window.showcase;
  const LONGEST = 60; // characters of a prompt
  const FIRST = { arithmetic: "<5+7=", facts: "Capital of France is ", joint: "<5+7=" }; // prompts
  const form = document.getElementById("model");
  const part = (name) => form.querySelector(`.${name}`);

  // What is wrong with a prompt, in a sentence.
  function problem({ characters, context }, text) {
    const strange = [...text].find((c) => !characters.includes(c));
    if (!text) return "The prompt is empty, but the model needs at least one character to go on from.";
    if (text.length > LONGEST) {
      return `The prompt has ${text.length} characters, but ${LONGEST} are the most; this model sees the last ${context}.`;
    }
    const all = [...characters].filter((c) => c.trim()).join(" ");
    return strange && `This model knows spaces and ${all} alone, but the prompt has “${strange}”.`;
  }

  // Pictures

  const sign = (c) => ({ "\n": "↵", " ": "␣" })[c] ?? c;
  const spoken = (c) => ({ "\n": "new line", " ": "space" })[c] ?? c;
  const per = (share) => `${(100 * share).toFixed(1)} %`;
  const number = (n) => n.toLocaleString("en");

  // Characters in a row, each with a bar as long as its share; cells stay in place, so that bars move.
  function bars(row, title, characters, shares) {
    while (row.children.length > characters.length) row.lastChild.remove();
    const cell = "<span><b></b><small></small></span>";
    while (row.children.length < characters.length) row.insertAdjacentHTML("beforeend", cell);
    row.classList.toggle("many", characters.length > 17); // more than sums are written with
    const most = Math.max(...shares);
    characters.forEach((c, i) => {
      const cell = row.children[i], share = shares[i];
      cell.style.setProperty("--share", share);
      cell.className = share === most ? "most" : "";
      cell.title = `${spoken(c)}: ${per(share)}`;
      cell.children[0].textContent = sign(c);
      cell.children[1].textContent = share >= 0.005 ? Math.round(100 * share) : "";
    });
    const told = characters.map((c, i) => [spoken(c), shares[i]]).filter(([, share]) => share >= 0.001);
    row.setAttribute("aria-label", `${title}: ${told.map(([c, share]) => `${c} ${per(share)}`).join(", ")}.`);
  }

  function drawPicture({ shown, share, points }, text) {
    const digits = shown.includes("0");
    const at = points.map(([x, y]) => [100 * x, -100 * y].map((value) => value.toFixed(1)));
    const letters = shown.map((c, i) =>
      `<text x="${at[i][0]}" y="${at[i][1]}"${digits && text.includes(c) ? ' class="asked"' : ""}>${c}</text>`);
    part("picture").innerHTML = (digits ? `<path d="M${at.join("L")}"/>` : "") + letters.join("");
    const told = shown.map((c, i) => `${c} at ${points[i].map((value) => value.toFixed(2)).join(" and ")}`);
    part("picture").setAttribute("aria-label", `Where ${digits ? "digits" : "letters"} lie: ${told.join(", ")}.`);
    part("symbols").textContent = digits ? "digits" : "letters";
    part("variance").textContent = `${Math.round(100 * share)} %`;
  }

  // The answers at all iterations, made bit by bit, so that the page stays quick, and once for a model and prompt.
  async function drawMoments(model, name, text) {
    const row = part("moments"), key = `${name} ${text}`;
    const mark = () => [...row.children].forEach((cell, i) => cell.classList.toggle("now", i === +form.moment.value));
    if (row.dataset.of === key) return mark();
    row.dataset.of = key;
    delete row.dataset.done;
    row.innerHTML = "<span></span>".repeat(model.iterations.length);
    mark();
    const told = [];
    for (const i of model.iterations.keys()) {
      await new Promise((resolve) => setTimeout(resolve));
      if (row.dataset.of !== key) return;
      const { said, right, known, found } = answer(model, i, text);
      const short = text.endsWith("=") ? said : known ? (right ? "✓" : "") : sign(found[0]);
      row.children[i].textContent = short || "·";
      row.children[i].title = `after ${number(model.iterations[i])} updates: ${said || "no answer"}`;
      row.children[i].classList.toggle("right", right);
      told.push(`${number(model.iterations[i])}: ${said || "none"}${right ? ", right" : ""}`);
    }
    row.setAttribute("aria-label", `Answers to ${text} after so many updates: ${told.join("; ")}.`);
    row.dataset.done = key;
  }

  // What the reader is told

  function verdict({ known, right }) {
    if (!known) return "The book does not ask this: the model goes on as if it stood in its text.";
    const [text, truth, group] = known;
    const how = group === "held out"
      ? `It was held out: no line that the model reads has ${text[1]} and ${text[3]} together.`
      : "The model reads this line again and again while it trains.";
    return `${right ? "Right" : `Wrong: it is ${truth}`}. ${how}`;
  }

  function count({ right, prompts }, moment) {
    const names = { seen: "sums that it reads", "held out": "held-out sums", fact: "capitals" };
    const parts = Object.keys(names).filter((group) => right[group]).map((group) =>
      `${right[group][moment]} of ${prompts.filter(([, , other]) => other === group).length} ${names[group]}`);
    return `At this moment it answers ${new Intl.ListFormat("en-GB").format(parts)}.`;
  }

  function show(model, name, moment, text) {
    const reply = answer(model, moment, text);
    part("given").textContent = text;
    part("said").textContent = reply.said;
    part("rest").textContent = reply.found.slice(reply.said.length).replaceAll("\n", "↵");
    part("answer").classList.toggle("right", reply.right);
    part("verdict").textContent = verdict(reply);
    part("count").textContent = count(model, moment);
    const seen = tokens(model, text);
    const { logits, attention } = forward(model, model.flats[moment], seen);
    bars(part("next"), "Probability of the next character", [...model.characters], [...softmax(logits)]);
    bars(part("attention"), "Attention", seen.map((i) => model.characters[i]), [...attention[0][0]]);
    drawPicture(model.pictures[moment], text);
    drawMoments(model, name, text);
  }

  // What the reader chooses

  const chosen = () => `${form.task.value}-n${form.width.value}-${form.seed.value}`;

  // What can be chosen follows the task: seeds that there are, prompts in its characters.
  function offer() {
    const fits = (text) => [...text].every((c) => tasks[form.task.value].vocabulary.includes(c));
    for (const seed of form.seed) seed.disabled = !(`${form.task.value}-n${form.width.value}-${seed.value}` in models);
    if (!models[chosen()]) form.seed.value = "0";
    for (const example of form.querySelectorAll(".examples button")) example.hidden = !fits(example.value);
    if (!fits(form.prompt.value)) form.prompt.value = FIRST[form.task.value];
  }

  async function update() {
    const name = chosen(), { iterations } = models[name], moment = Number(form.moment.value);
    const when = `after ${number(iterations[moment])} of ${number(iterations.at(-1))} updates`;
    part("when").textContent = when;
    form.moment.setAttribute("aria-valuetext", when);
    const model = await load(name).catch((error) => error);
    if (name !== chosen()) return;
    const wrong = model instanceof Error ? model.message : problem(model, form.prompt.value);
    part("problem").textContent = wrong ?? "";
    form.classList.toggle("stale", Boolean(wrong));
    if (!wrong) show(model, name, Number(form.moment.value), form.prompt.value);
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.name === "task") offer();
    update();
  });
  part("examples").addEventListener("click", ({ target }) => {
    if (!target.value) return;
    form.prompt.value = target.value;
    update();
  });
  part("moments").addEventListener("click", ({ target }) => {
    if (target.parentElement !== part("moments")) return;
    form.moment.value = [...part("moments").children].indexOf(target);
    update();
  });
  document.getElementById("unavailable").remove();
  form.hidden = false;
  offer();
  update();
})();
