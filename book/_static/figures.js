// Draws the charts of a page in its theme, and again when the reader changes between light and dark.
(() => {
  const charts = new Map(); // the id of an element -> { spec, theme, drawn }
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");

  function theme() {
    const chosen = root.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && prefersDark.matches) ? "dark" : "light";
  }

  async function draw(id) {
    const chart = charts.get(id);
    const now = theme();
    if (chart.theme === now) return;
    chart.theme = now;
    const old = chart.drawn;
    const state = old?.view.getState();
    old?.finalize();
    chart.drawn = await vegaEmbed(`#${id}`, chart.spec, {
      config: window.figureThemes[now],
      renderer: "svg",
      tooltip: { theme: now },
      actions: { export: true, source: false, compiled: false, editor: false },
    });
    if (state) chart.drawn.view.setState(state); // what the reader chose stays chosen
    document.getElementById(id).dataset.drawn = now;
  }

  window.drawFigure = (id, spec) => {
    charts.set(id, { spec });
    return draw(id);
  };

  new MutationObserver(() => charts.forEach((_, id) => draw(id))).observe(root, { attributeFilter: ["data-theme"] });

  // Paper is white.
  let onScreen;
  addEventListener("beforeprint", () => {
    onScreen = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = onScreen;
  });
})();
