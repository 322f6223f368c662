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
    if (state) await chart.drawn.view.setState(state).runAsync(); // what the reader chose stays chosen
    const place = document.getElementById(id);
    complete(place);
    place.dataset.drawn = now;
  }

  // Names and keys for what Vega draws for the eye and the mouse alone.
  function complete(chart) {
    const name = (element, role, label) => {
      element.setAttribute("role", role);
      element.setAttribute("aria-label", label);
    };
    chart.querySelector("summary").setAttribute("aria-label", "Save this figure");
    for (const link of chart.querySelectorAll(".vega-actions a")) // it makes its picture when a mouse presses it
      link.addEventListener("focus", () => link.dispatchEvent(new Event("mousedown", { cancelable: true })));
    for (const buttons of chart.querySelectorAll(".vega-bind-radio"))
      name(buttons, "radiogroup", buttons.previousSibling.textContent.replace(/:? *$/, ""));
    for (const mark of chart.querySelectorAll("[role=graphics-symbol]:not([aria-label])")) mark.ariaHidden = "true";
    for (const entry of chart.querySelectorAll(".role-legend-label:not([pointer-events=none]) text")) {
      entry.closest(".role-legend").setAttribute("role", "group"); // a symbol could have no buttons in it
      name(entry, "button", `Keep ${entry.textContent}`);
      entry.tabIndex = 0;
      entry.addEventListener("keydown", (event) => {
        // A click beside all marks keeps none, so brings back all.
        const place = { Enter: entry, " ": entry, Escape: entry.ownerSVGElement }[event.key];
        if (!place) return;
        event.preventDefault();
        place.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: event.shiftKey }));
      });
    }
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
