// Trained models: loaded when one is chosen, and asked.
window.trained = (() => {
  const { greedy, plane, aligned } = window.transformer;
  const { models, tasks } = window.showcase;
  const folder = new URL("models/", document.currentScript.src);
  const MOST = 16; // characters of an answer; the longest that is right has 15
  const loading = {};

  // A model by its name, as `opened` makes it. Its weights are a script, which may come from a disk.
  function load(name) {
    loading[name] ??= new Promise((resolve, reject) => {
      const src = new URL(`${name}.js`, folder);
      const onload = () => resolve(opened(name));
      const onerror = () => reject(new Error(`The file of this model, models/${name}.js, cannot be read.`));
      document.head.append(Object.assign(document.createElement("script"), { src, onload, onerror }));
    });
    return loading[name];
  }

  // A model with its parameters as float64, an array for each iteration, and the characters and prompts of its task.
  function opened(name) {
    const { weights, ...model } = models[name];
    const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
    const floats = Float64Array.from(new Float32Array(bytes.buffer));
    const size = floats.length / model.iterations.length;
    const flats = model.iterations.map((_, i) => floats.subarray(i * size, (i + 1) * size));
    const { vocabulary: characters, prompts } = tasks[model.task];
    return { ...model, flats, characters, prompts, pictures: pictures(model, flats, characters) };
  }

  // The digits, or without digits the letters, as points of a plane at every iteration, turned to the iteration before.
  function pictures({ width }, flats, characters) {
    const shown = [...characters].filter((c) => (/\d/.test(characters) ? /\d/ : /[a-z]/).test(c));
    let before;
    return flats.map((flat) => {
      const vectors = shown.map((c) => characters.indexOf(c)).map((i) => flat.slice(i * width, (i + 1) * width));
      const { points, share } = plane(vectors);
      before = before ? aligned(points, before) : points;
      const most = Math.max(...before.map((point) => Math.hypot(...point)));
      return { shown, share, points: before.map(([x, y]) => [x / most, y / most]) };
    });
  }

  // What a model sees of a text: its end, as long as the context.
  function tokens(model, text) {
    return [...text].map((c) => model.characters.indexOf(c)).slice(-model.context);
  }

  // What a model goes on with (`found`), what of it is its answer (`said`: a whole number after "=", else the rest of the
  // line), and whether it is the accepted one, where the prompt is `known`.
  function answer(model, moment, text) {
    const end = model.characters.indexOf("\n");
    const next = greedy(model, model.flats[moment], tokens(model, text), end, MOST);
    const found = next.map((i) => model.characters[i]).join("");
    const known = model.prompts.find(([prompt]) => prompt === text);
    const right = known?.[1];
    if (text.endsWith("=")) {
      const said = found.match(/^-?\d+/)?.[0] ?? "";
      return { found, said, known, right: said !== "" && said.replace(/^-0$/, "0") === right };
    }
    const said = found.split("\n")[0].trimEnd();
    return { found, said, known, right: [`${right}\n`, `${right} \n`].includes(found) };
  }

  return { load, tokens, answer };
})();
