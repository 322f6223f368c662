// Draws the charts of a page in its theme, and again when the reader changes between light and dark.
(() => {
  const charts = new Map(); // the id of an element -> { spec, look, drawn }
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const phone = matchMedia("(max-width: 600px)");

  function theme() {
    const chosen = root.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && prefersDark.matches) ? "dark" : "light";
  }

  // In a place that is too narrow for it, as on a phone, a chart is drawn `narrow`.
  async function draw(id) {
    const chart = charts.get(id);
    const small = phone.matches || !!chart.tight;
    const now = theme();
    const look = now + small;
    if (chart.look === look) return;
    chart.look = look;
    const old = chart.drawn;
    const state = chart.small === small ? old?.view.getState() : undefined; // another shape has other states
    chart.small = small;
    old?.finalize();
    let { spec } = chart;
    let config = window.figureThemes[now];
    if (small) {
      const room = document.getElementById(id).clientWidth - 38; // beside the button to save it
      const columns = Math.floor((room - labels(spec)) / (28 + 6.5 * longest(spec)));
      const legend = { columns: Math.max(1, columns), titleOrient: "top", labelLimit: room };
      legend.layout = { top: { anchor: "start", direction: "vertical" } };
      config = { ...config, legend: { ...config.legend, ...legend }, axisX: { labelOverlap: true, labelSeparation: 4 } };
      const fitted = (key, value) => {
        if (key === "legend" && value?.columns) return { ...value, columns: undefined };
        if (key === "axis" && value?.orient === "top") return { ...value, labelAngle: -90, labelOverlap: false };
        return key === "x" && value?.title?.length > 26 ? { ...value, title: lines(value.title, 22) } : value;
      };
      spec = narrow(JSON.parse(JSON.stringify(spec, fitted)), room);
    }
    chart.drawn = await vegaEmbed(`#${id}`, spec, {
      config,
      renderer: "svg",
      tooltip: { theme: now },
      actions: { export: true, source: false, compiled: false, editor: false },
    });
    if (state) await chart.drawn.view.setState(state).runAsync(); // what the reader chose stays chosen
    const place = document.getElementById(id);
    complete(place);
    place.dataset.drawn = now;
    // What is still too wide shrinks a little, and then scrolls.
    const marks = place.querySelector("svg.marks");
    if (!small && marks.viewBox.baseVal.width > place.clientWidth) {
      chart.tight = true;
      return draw(id);
    }
    marks.style.minWidth = `${0.8 * marks.viewBox.baseVal.width}px`;
  }

  // The characters of the longest name in a legend.
  function longest(spec) {
    if (!spec || typeof spec !== "object") return 0;
    const names = ["color", "strokeDash"].flatMap((channel) => spec[channel]?.scale?.domain ?? []);
    return Math.max(0, ...names.map((name) => name.length ?? 0), ...Object.values(spec).map((part) => longest(part)));
  }

  // Words in lines of so many characters at most; nothing for what is no text.
  function lines(text, most) {
    return text?.match?.(new RegExp(`\\S.{0,${most - 1}}(?=\\s|$)`, "g"));
  }

  // The pixels that a vertical axis takes, with its title.
  function labels(spec) {
    const names = JSON.stringify(spec.spec ?? spec.layer ?? {}).match(/"labelLimit":(\d+)/)?.[1];
    return names ? 0.65 * names : 62;
  }

  // The same chart for a place `room` pixels wide: a view is as wide as that, and panels wrap, stack or get smaller.
  function narrow(spec, room, alone = true) {
    const LABELS = labels(spec);
    const LEAST = 105; // of a panel that wraps
    const cell = (side, most) => (side?.step ? { step: Math.min(side.step, most) } : side);
    const sized = ({ height, ...view }, width) =>
      view.width?.step
        ? { ...view, width: cell(view.width, width / 10), height: cell(height, Math.max(11, width / 10)) }
        : { ...view, height, width };
    const text = lines(spec.title?.text ?? spec.title, Math.floor((room - LABELS) / 7.5));
    if (text?.length > 1) spec = { ...spec, title: { ...spec.title, text } };
    if (spec.vconcat) return { ...spec, vconcat: spec.vconcat.map((view) => narrow(view, room, false)) };
    if (spec.hconcat || spec.concat) {
      const { hconcat, concat, columns, ...rest } = spec;
      return { ...rest, vconcat: (hconcat ?? concat).map((view) => narrow(view, room, false)) };
    }
    const { row, column } = spec.facet ?? {};
    if (column) {
      const panel = spec.spec;
      const gap = spec.spacing?.column ?? spec.spacing ?? 20;
      const count = column.sort?.length ?? 2;
      const wraps = alone && !row && (!panel.width?.step || panel.layer); // cells with words in them need their size
      const least = panel.width?.step ? room : LEAST;
      const across = wraps ? Math.min(count, Math.max(1, Math.floor((room - LABELS + gap) / (least + gap)))) : count;
      const width = Math.floor((room - LABELS - (row ? 30 : 0) + gap) / across - gap);
      if (width < 50 || (!wraps && panel.mark?.height)) return spec;
      const facet = wraps ? { facet: column, columns: across } : {};
      if (count % across) facet.resolve = { ...spec.resolve, axis: { x: "independent" } }; // none where no panel is
      const low = wraps && panel.height > 150 ? { ...panel, height: 0.75 * panel.height } : panel;
      return { ...spec, ...facet, spec: sized(low, width) };
    }
    if (spec.width?.step) return { ...spec, width: { step: spec.width.step / 2 } };
    return alone && !spec.height?.step
      ? { ...spec, width: room, autosize: { type: "fit-x", contains: "padding" } }
      : { ...spec, width: room - LABELS };
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

  window.drawFigure = async (id, spec) => {
    const place = document.getElementById(id);
    const picture = place.innerHTML;
    charts.set(id, { spec });
    try {
      await draw(id);
    } catch (error) {
      charts.delete(id);
      console.warn(error);
      place.innerHTML = `${picture}<p class="chart-note">A picture: this page may not run what draws figures to play with.</p>`;
    }
  };

  addEventListener("DOMContentLoaded", () => {
    if (!window.bookCommit) return;
    for (const note of document.querySelectorAll(".chart-note")) note.append(` Commit ${bookCommit}.`);
  });
  for (const limit of [phone, matchMedia("(max-width: 800px)")])
    limit.addEventListener("change", () =>
      charts.forEach((chart, id) => {
        chart.tight = false;
        draw(id);
      }),
    );
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
