"""Charts: from tidy tables to Altair charts.

Notable features:
- a function takes a pandas table and says which columns it needs; it knows nothing of models or of the store;
- the page's colours are not in a chart: `LIGHT` and `DARK` are the two configurations to draw it with;
- tables are aggregated and thinned before they are embedded, and long series go in as arrays that the browser unfolds;
- every parameter is named, so that the same table always gives the same specification.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

_LOSSES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 4]
MEASURES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    # column: (title with its unit, format of its numbers, axis, scale)
    "seen_accuracy": ("seen sums right (%)", ".1%", {"format": "%"}, {"domain": [0, 1]}),
    "held_out_correct": ("held-out sums right (number)", ".2~f", {"tickMinStep": 1}, {"zero": True}),
    "facts_accuracy": ("capitals recalled (%)", ".1%", {"format": "%"}, {"domain": [0, 1]}),
    "loss": ("training loss (nats per character)", ".3f", {"values": _LOSSES, "tickCount": 20}, {}),
}
STEPS = 60  # along the iterations, at most
THREADS = 10  # runs a size with a line of their own, at most

# Sizes go from warm to cool. The published four were searched for in OKLab: 3:1 or more against both pages, and 0.15
# apart in normal, deuteranope, protanope and tritanope vision. Dashes and shapes say the same once more.
PUBLISHED = {14: "#dc7c29", 28: "#c42847", 56: "#7359db", 384: "#009eaf"}
_RAMP = {4: "#8c8a00", **PUBLISHED, 1536: "#3c9b4e"}
_DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [10, 4], [1, 3], [6, 2, 2, 2, 2, 2]]
_SHAPES = ["circle", "square", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left"]
_RIGHT, _WRONG, _HELD_OUT = "#1f9d55", "rgba(128,138,150,.3)", "#c98a00"
_FILLS = ["rgba(63,143,181,.55)", "rgba(201,138,0,.6)", "rgba(128,138,150,.14)"]  # behind text: marked, held out, plain


def _config(ink: str, quiet: str, line: str, ramp: list[str]) -> dict[str, Any]:
    small = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
    title = {"color": ink, "fontSize": 13, "fontWeight": 600, "subtitleColor": quiet, "subtitleFontSize": 11}
    axis = {"labelColor": quiet, "titleColor": ink, "domainColor": line, "tickColor": line, "gridColor": line}
    legend = {"orient": "top", "titleOrient": "left", "labelColor": ink, "titleColor": quiet, "gradientLength": 120}
    return {
        "background": "transparent",
        "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif",
        "view": {"stroke": None},
        "title": {**title, "anchor": "start", "frame": "group", "offset": 8},
        "axis": {**axis, **small, "gridOpacity": 0.6, "tickSize": 4},
        "header": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "labelFontWeight": 600},
        "legend": {**legend, **small, "symbolStrokeWidth": 2},
        "text": {"color": ink},
        "rule": {"color": quiet},
        "range": {"heatmap": ramp, "ramp": ramp},
    }


LIGHT = _config("#1f2933", "#5b6770", "#d5dae0", ["#edf0f3", "#9fc7dc", "#3f8fb5", "#0b4a6b"])
DARK = _config("#e6eaee", "#a3adb8", "#3a434e", ["#252d38", "#2b5f7d", "#4a9cc4", "#a9e1fa"])


def theme() -> None:
    """Make Altair add no configuration of its own, so that `LIGHT` or `DARK` decides wherever a chart is drawn."""
    alt.theme.register("bare", enable=True)(lambda: alt.theme.ThemeConfig())


def size_name(width: int) -> str:
    """The paper's name of a width: n14, n28, n56, and MLT for 384."""
    return "MLT" if width == 384 else f"n{width}"


def size_colour(width: int) -> str:
    """The colour of a width: fixed for the published ones, between its neighbours' for any other."""
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _RAMP.values()])
    return "#" + "".join(f"{round(np.interp(math.log(width), np.log(list(_RAMP)), c)):02x}" for c in rgb.T)


def _marks(widths: Sequence[int], kind: str) -> list[Any]:
    """What marks each size: its "colour", "dash" or "shape"."""
    order = [*PUBLISHED, *(w for w in widths if w not in PUBLISHED)]
    marks: dict[str, list[Any]] = {"colour": [size_colour(w) for w in order], "dash": _DASHES, "shape": _SHAPES}
    return [marks[kind][order.index(w) % len(marks[kind])] for w in widths]


def _widths(table: pd.DataFrame) -> list[int]:
    return sorted(int(w) for w in table["width"].unique())


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(size=[size_name(int(w)) for w in table["width"]])


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for the browser: four decimals, null for what is missing."""
    return json.loads(table.to_json(orient="records", double_precision=4))


def _data(table: pd.DataFrame) -> alt.InlineData:
    return alt.InlineData(values=_rows(table))


def _tips(*fields: str, number: str = "") -> list[alt.Tooltip]:
    """Tooltips of fields, or of "field=title"; a format makes them numbers."""
    names = [f.partition("=") for f in fields]
    kind: dict[str, Any] = {"type": "quantitative", "format": number} if number else {"type": "nominal"}
    return [alt.Tooltip(field=field, title=title or field, **kind) for field, _, title in names]


def _across(widths: Sequence[int]) -> alt.Column:
    return alt.Column("size:N", sort=[size_name(w) for w in widths], title=None)


_HOVER: dict[str, Any] = {"on": "pointerover", "clear": "pointerout"}
_GAPS = alt.Scale(paddingInner=0.08, paddingOuter=0)
_PLAIN: dict[str, Any] = {"domain": False, "ticks": False, "labelAngle": 0}
_THOUSANDS = "datum.value < 1000 ? datum.value : datum.value / 1000 + 'k'"
_SHARE = "runs that answer right (%)"
_SHARES = alt.Color("share:Q", title=_SHARE, scale=alt.Scale(domain=[0, 100]), legend=alt.Legend(values=[0, 50, 100]))
_NOW = alt.Title(alt.expr("'after ' + format(iteration, ',') + ' iterations'"))


def _at_steps(items: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, alt.Parameter, str]:
    """One row a key with the percentage of right runs at each step, a slider over the steps, and what it points at."""
    share = items.groupby([*keys, "iteration"], sort=False)["greedy"].mean().mul(100).round().unstack("iteration")
    found = np.sort(share.columns.to_numpy(dtype=int))
    gap = int(np.diff(found).min(initial=found[-1] - found[0] or 1))
    gap *= max(1, math.ceil((found[-1] - found[0]) / gap / STEPS))
    steps = np.arange(found[-1], found[0] - 1, -gap)[::-1]
    share = share.sort_index(axis=1).reindex(columns=steps, method="ffill")
    rows = items.groupby(keys, sort=False)["seed"].nunique().rename("runs").to_frame()
    rows["shares"] = [[None if math.isnan(v) else int(v) for v in row] for row in share.loc[rows.index].to_numpy()]
    bind = alt.binding_range(min=int(steps[0]), max=int(steps[-1]), step=gap, name="iteration ")
    slider = alt.param(name="iteration", value=int(steps[-1]), bind=bind)
    pointed_at = f"datum.shares[round((iteration - {steps[0]}) / {gap})]"
    return _named(rows.reset_index()).drop(columns="width"), slider, pointed_at


def grid(table: pd.DataFrame) -> alt.TopLevelMixin:
    """The addition and the subtraction tables, with the held-out cells marked.

    Pointing at a cell shows all cells with the same result.

    Parameters
    ----------
    table : one row an expression: `left`, `right` (0..9), `operation` ("+" or "-"), `answer`, `group` ("seen" or
        "held out").
    """
    rows = table[["left", "right", "operation", "answer", "group"]].astype({"left": int, "right": int, "answer": int})
    same = alt.selection_point(name="same", fields=["operation", "answer"], empty=False, **_HOVER)
    groups = alt.Scale(domain=["seen", "held out"], range=[_FILLS[2], _FILLS[1]])
    base = alt.Chart().encode(
        x=alt.X("right:O", title="right-hand digit", scale=_GAPS, axis=alt.Axis(orient="top", **_PLAIN)),
        y=alt.Y("left:O", title="left-hand digit", scale=_GAPS, axis=alt.Axis(**_PLAIN)),
        tooltip=_tips("left", "operation", "right", "answer", "group"),
    )
    colour = alt.when(same).then(alt.value(_FILLS[0])).otherwise(alt.Color("group:N", title=None, scale=groups))
    numbers = base.mark_text(fontSize=12).encode(text="answer:Q")
    panel = alt.layer(base.mark_rect().encode(color=colour).add_params(same), numbers, data=_data(rows))
    names = alt.Header(labelExpr="{'+': 'addition: left + right', '-': 'subtraction: left − right'}[datum.value]")
    operation = alt.Column("operation:N", sort=["+", "-"], title=None, header=names)
    return panel.properties(width=alt.Step(28), height=alt.Step(24)).facet(column=operation, spacing=28)


def windows(text: str, context: int) -> alt.TopLevelMixin:
    """The first 144 characters of a text, and those that a training window at a chosen offset covers.

    Parameters
    ----------
    text : the stream that is trained on.
    context : how many characters a model reads; a window has one more, which it only predicts.
    """
    marks = {"\n": "↵", " ": "·"}
    rows = pd.DataFrame([{"place": i, "character": marks.get(c, c)} for i, c in enumerate(text[:144])])
    last = len(rows) - context - 1
    offset = alt.param(name="offset", value=5, bind=alt.binding_range(min=0, max=last, step=1, name="offset "))
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("column:O", axis=None, scale=_GAPS),
        y=alt.Y("row:O", axis=None, scale=_GAPS),
        tooltip=_tips("place=place in the text", "character", "role"),
    )
    role = f"datum.place === offset + {context} ? 'only predicted' : 'read'"
    outside = f"datum.place < offset || datum.place > offset + {context} ? 'not in the window' : {role}"
    base = base.transform_calculate(role=outside, column="datum.place % 36", row="floor(datum.place / 36)")
    roles = alt.Scale(domain=["read", "only predicted", "not in the window"], range=_FILLS)
    cells = base.mark_rect().encode(color=alt.Color("role:N", title=None, scale=roles))
    mono = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    letters = base.mark_text(font=mono, fontSize=13).encode(text="character:N")
    title = alt.Title(alt.expr(f"'the window of {context + 1} characters at offset ' + offset"))
    chart = alt.layer(cells, letters, title=title).add_params(offset)
    return chart.properties(width=alt.Step(18), height=alt.Step(24))


def _curve_rows(curves: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One row a size and iteration, thinned: what all runs span, and the values of at most `THREADS` of them."""
    curves = curves.dropna(subset=[measure]).sort_values("seed")
    found = np.sort(curves["iteration"].unique())[::-1]
    curves = curves[curves["iteration"].isin(found[:: math.ceil(len(found) / (STEPS + 1))])]
    seeds = curves.groupby("width")["seed"]
    step = np.ceil(seeds.transform("nunique") / THREADS)
    drawn = curves[(seeds.rank("dense") - 1) % step == 0].groupby(["width", "iteration"])
    span = curves.groupby(["width", "iteration"])[measure].agg(low="min", median="median", high="max", runs="size")
    rows = span.join(drawn.agg(seed=("seed", list), value=(measure, list)), how="inner")
    return _named(rows.reset_index()).drop(columns="width")


def _fitted(scale: dict[str, Any], values: pd.Series) -> alt.Scale:
    """A measure's scale; the one without bounds is logarithmic, a little wider than its values."""
    ends = [0.93 * values.min(), 1.08 * values.max()]
    return alt.Scale(**(scale or {"type": "log", "domain": ends, "nice": False}))


def learning_curves(
    curves: pd.DataFrame, measures: str | Sequence[str], published: pd.DataFrame | None = None
) -> alt.TopLevelMixin:
    """Learning curves: a row of panels a measure, a panel a size; a line a run, their median, and the range they span.

    The medians of the other sizes stand thin in every panel. A click on the legend keeps one size; pointing at a run
    lights up its seed in all panels.

    Parameters
    ----------
    curves : one row a run and iteration: `width`, `seed`, `iteration` and the measures; one run a width and seed.
    measures : one or more of `MEASURES`.
    published : one row a size: `width` and any of the measures, in the units of `curves`; drawn at the right edge.
    """
    measures, widths = [measures] if isinstance(measures, str) else list(measures), _widths(curves)
    side = {"height": 230 if len(measures) == 1 else 120, "width": max(110, 590 // len(widths) - 12)}
    legend = alt.Legend(title="median of", symbolType="stroke", symbolSize=350)
    names = [size_name(w) for w in widths]
    colours = alt.Scale(domain=names, range=_marks(widths, "colour"))
    colour = alt.Color("size:N", scale=colours, legend=legend)
    dash = alt.StrokeDash("size:N", scale=alt.Scale(domain=names, range=_marks(widths, "dash")), legend=legend)
    kept = alt.when({"param": "chosen"}).then(alt.value(1)).otherwise(alt.value(0.06))
    pointed = alt.when({"param": "pointed", "empty": False})
    thick, strong = pointed.then(alt.value(2)), pointed.then(alt.value(1))
    lines = []
    found: list[str] = []
    datasets: dict[str, list[dict[str, Any]]] = {}
    for measure in measures:
        title, number, axis, scale = MEASURES[measure]
        rows, bottom = _curve_rows(curves, measure), measure == measures[-1]
        goals = pd.DataFrame() if published is None or measure not in published else _named(published)
        goals = goals.rename(columns={measure: "published"}).assign(iteration=curves["iteration"].max())
        goals = goals.reindex(columns=["size", "iteration", "published"]).dropna()
        y_scale = _fitted(scale, pd.concat([rows["low"], rows["high"], goals["published"]]))
        x_axis = alt.Axis(labelExpr=_THOUSANDS, tickCount=3, grid=False, labels=bottom, ticks=bottom)
        x_scale = alt.Scale(domain=[int(curves["iteration"].min()), int(curves["iteration"].max())], nice=False)
        x = alt.X("iteration:Q", title="iteration" if bottom else None, axis=x_axis, scale=x_scale)
        # Vega-Lite finds nothing but numbers in the tooltip of the nearest point.
        tips = _tips("seed", "iteration", number=",") + _tips(f"value={title}", number=number)
        tips += _tips("low=lowest run", "median", "high=highest run", number=number) + _tips("runs", number=",")
        end = _tips("size") + _tips(f"published=published {title}", number=number)
        datasets[f"medians of {measure}"] = _rows(rows[["size", "iteration", "median"]])
        panels: list[Any] = []
        for i, (size, own) in enumerate(rows.groupby("size", sort=False)):
            y_axis = alt.Axis(**{"tickCount": 4, **axis}, **_PLAIN, labels=i == 0)
            y_title = title.replace(" (", "|(").split("|") if i == 0 else None
            fields = ("low", "median", "value", "published")
            y = {f: alt.Y(f"{f}:Q", scale=y_scale, axis=y_axis, title=y_title) for f in fields}
            base = alt.Chart().encode(x=x, color=colour, opacity=kept)
            others = base.mark_line(strokeWidth=1).encode(y=y["median"], strokeDash=dash)
            others = others.properties(name=f"medians_{measure}_{i}", data=alt.NamedData(f"medians of {measure}"))
            band = base.mark_area(fillOpacity=0.16).encode(y=y["low"], y2="high:Q")
            runs = base.transform_flatten(["seed", "value"]).encode(y=y["value"], detail="seed:N")
            thin = runs.mark_line(strokeWidth=0.8, strokeOpacity=0.5).encode(strokeWidth=thick, strokeOpacity=strong)
            points = runs.mark_point(size=40).encode(opacity=alt.value(0), tooltip=tips)
            median = base.mark_line(strokeWidth=2.4).encode(y=y["median"])
            found.append(f"runs_{measure}_{i}")
            layers = [others, band, thin, median, points.properties(name=found[-1])]
            goal = goals[goals["size"] == size]
            if len(goal):
                mark = base.mark_point(shape="diamond", size=110, filled=True, stroke="white", strokeWidth=1, opacity=1)
                mark = mark.encode(y=y["published"], tooltip=end)
                layers.append(mark.properties(data=_data(goal)))
            if measure == measures[0]:  # not a title, which the axis' labels would push about
                head = alt.Chart(alt.InlineData([{}])).mark_text(text=size, fontSize=12, fontWeight=600)
                layers.append(head.encode(x=alt.value(side["width"] / 2), y=alt.value(-14)))
            datasets[f"{measure} of {size}"] = _rows(own)
            panels.append(alt.layer(*layers, data=alt.NamedData(f"{measure} of {size}"), **side))
        lines.append(alt.hconcat(*panels, spacing=12).resolve_scale(y="shared"))
    # Altair would hang these selections on the first layers, so they say themselves in which views they live. It also
    # numbers the layers of a row; their names end in the number that it would give.
    keep, legends = {"type": "point", "fields": ["size"]}, [f"medians_{measures[0]}_0"]
    hover = {"type": "point", "fields": ["seed"], "nearest": True, **_HOVER}
    params = [
        alt.TopLevelSelectionParameter("chosen", keep, bind="legend", views=legends),
        alt.TopLevelSelectionParameter("pointed", hover, views=found),
    ]
    count = curves.groupby("width")["seed"].nunique()
    heading = " to ".join(str(n) for n in sorted({count.min(), count.max()}))
    heading += " runs a size" if count.max() > 1 else " run a size"
    drawn = f"at most {THREADS} of the runs" if count.max() > THREADS else "the runs"
    key = [f"thin lines: {drawn}; thick: their median; band: their range"] if count.max() > 1 else []
    key += ["diamond: published"] if published is not None else []
    words = alt.Title(heading, subtitle="; ".join(key))
    return alt.vconcat(*lines, spacing=8, params=params, title=words, datasets=datasets)


def item_grid(items: pd.DataFrame) -> alt.TopLevelMixin:
    """The addition and subtraction tables of each size: the share of runs that answer right, over iterations.

    Parameters
    ----------
    items : one row a run, iteration and expression: `width`, `seed`, `iteration`, `operation`, `left`, `right`,
        `answer`, `group` ("seen", "held out"), `greedy` (is the greedy answer right). Facts are left out.
    """
    items = items[items["group"] != "fact"].astype({"left": int, "right": int})
    widths = _widths(items)
    rows, slider, share = _at_steps(items, ["width", "operation", "left", "right", "answer", "group"])
    marked = alt.Legend(title=None, values=["held out"], symbolType="square", symbolFillColor="transparent")
    edges = alt.Scale(domain=["seen", "held out"], range=["transparent", _HELD_OUT])
    cells = alt.Chart(_data(rows)).transform_calculate(share=share).mark_rect(strokeWidth=2)
    cells = cells.encode(
        x=alt.X("right:O", title="right-hand digit", scale=_GAPS, axis=alt.Axis(**_PLAIN)),
        y=alt.Y("left:O", title="left-hand digit", scale=_GAPS, axis=alt.Axis(**_PLAIN)),
        color=_SHARES,
        stroke=alt.Stroke("group:N", scale=edges, legend=marked),
        tooltip=_tips("size", "left", "operation", "right", "answer", "group", f"share={_SHARE}", "runs"),
    )
    side = alt.Step(max(12, min(20, 58 // len(widths))))
    names = alt.Header(labelExpr="{'+': 'addition', '-': 'subtraction'}[datum.value]")
    operation = alt.Row("operation:N", sort=["+", "-"], title=None, header=names)
    chart = cells.properties(width=side, height=side).facet(row=operation, column=_across(widths), spacing=10)
    return chart.add_params(slider).properties(title=_NOW)


def fact_grid(items: pd.DataFrame) -> alt.TopLevelMixin:
    """Every capital and size: the share of runs that recall it, over iterations; countries in the order of the table.

    Parameters
    ----------
    items : one row a run, iteration and country: `width`, `seed`, `iteration`, `prompt` (the country), `answer`,
        `group`, `greedy` (is the greedy answer right). Groups other than "fact" are left out.
    """
    items = items[items["group"] == "fact"]
    widths, countries = _widths(items), list(items["prompt"].unique())
    rows, slider, share = _at_steps(items, ["width", "prompt", "answer"])
    rows["half"] = [2 * countries.index(c) // len(countries) for c in rows["prompt"]]
    names = [size_name(w) for w in widths]
    cells = alt.Chart(_data(rows)).transform_calculate(share=share).mark_rect()
    cells = cells.encode(
        x=alt.X("size:N", sort=names, title=None, scale=_GAPS, axis=alt.Axis(orient="top", **_PLAIN)),
        y=alt.Y("prompt:N", sort=countries, title=None, scale=_GAPS, axis=alt.Axis(**_PLAIN)),
        color=_SHARES,
        tooltip=_tips("size", "prompt=country", "answer=capital", f"share={_SHARE}", "runs"),
    )
    halves = cells.properties(width=alt.Step(max(30, 200 // len(widths))), height=alt.Step(15))
    halves = halves.facet(column=alt.Column("half:O", title=None, header=alt.Header(labels=False)), spacing=20)
    return halves.resolve_scale(y="independent").add_params(slider).properties(title=_NOW)


def dots(runs: pd.DataFrame, measure: str, published: pd.DataFrame | None = None) -> alt.TopLevelMixin:
    """The outcome of every run, a strip a size; runs with about the same outcome are stacked.

    Parameters
    ----------
    runs : one row a run: `width`, `seed` and the measure; where there are columns `low` and `high` (the same in all
        rows of a width, in the units of the measure), they are drawn as an interval.
    measure : one of `MEASURES`.
    published : one row a size: `width` and the measure, in the units of `runs`.
    """
    title, number, axis, scale = MEASURES[measure]
    runs = _named(runs.dropna(subset=[measure]).sort_values("seed"))
    widths = _widths(runs)
    ends = runs.head(0) if published is None else _named(published[published["width"].isin(widths)])
    looks = [dict(zip(widths, _marks(widths, kind), strict=True)) for kind in ("colour", "shape")]
    runs, ends = (t.assign(colour=t["width"].map(looks[0]), shape=t["width"].map(looks[1])) for t in (runs, ends))
    ends = ends[["size", "colour", measure]].dropna()
    place = runs.groupby(["width", (runs[measure] / (np.ptp(runs[measure]) or 1) * 60).round()]).cumcount()
    reach = max(4, int(place.max()) // 2 + 1)
    runs["shift"] = (place + 1) // 2 * (-1) ** place / reach  # between -1 and 1, as in any chart beside it
    fitted = _fitted({**scale, "padding": 12} if scale else {}, pd.concat([runs[measure], ends[measure]]))
    x_axis = alt.Axis(**{"tickCount": 6, **axis})
    x = {f: alt.X(f"{f}:Q", title=title, scale=fitted, axis=x_axis) for f in (measure, "low")}
    y_axis = alt.Axis(grid=True, labelFontSize=12, labelPadding=8, **_PLAIN)
    base = alt.Chart().encode(
        y=alt.Y("size:N", sort=[size_name(w) for w in widths], title=None, axis=y_axis),
        color=alt.Color("colour:N", scale=None),  # charts that stand together would share a scale and mix up sizes
    )
    points = base.mark_point(size=36 if place.max() < 20 else 20, filled=True, opacity=0.75).encode(
        x=x[measure],
        yOffset=alt.YOffset("shift:Q", scale=alt.Scale(domain=[-1, 1])),
        shape=alt.Shape("shape:N", scale=None),
        tooltip=_tips("size", "seed") + _tips(f"{measure}={title}", number=number),
    )
    tips = _tips("size") + _tips(f"{measure}=published {title}", number=number)
    marks = base.mark_point(shape="diamond", size=260, opacity=1).encode(x=x[measure], tooltip=tips)  # around the dots
    layers = [points.properties(data=_data(runs[["size", "colour", "shape", "seed", "shift", measure]]))]
    layers += [marks.properties(data=_data(ends))] if len(ends) else []
    if {"low", "high"} <= set(runs):
        spans = base.properties(data=_data(runs.drop_duplicates("size")[["size", "colour", "low", "high"]]))
        spans = spans.mark_rule(strokeWidth=12, opacity=0.3).encode(x=x["low"], x2="high:Q")
        layers.insert(0, spans.encode(tooltip=_tips("size") + _tips("low", "high", number=number)))
    return alt.layer(*layers).properties(width=580, height=alt.Step(56))


def raster(items: pd.DataFrame) -> alt.TopLevelMixin:
    """When each run answers each held-out expression right: a panel an expression and size, a line a seed.

    Parameters
    ----------
    items : one row a run, iteration and prompt: `width`, `seed`, `iteration`, `prompt`, `group`, `greedy` (is the
        greedy answer right). Groups other than "held out" are left out.
    """
    items = items[items["group"] == "held out"].sort_values("iteration")
    widths, seeds, rows = _widths(items), items["seed"].nunique(), []
    for (width, prompt, seed), one in items.groupby(["width", "prompt", "seed"]):
        right, at = one["greedy"].to_numpy(dtype=int), one["iteration"].to_numpy(dtype=int)
        turns = np.flatnonzero(np.diff(right)) + 1  # where a span begins; an answer holds until the next look
        edges = [int(e) for e in (at[0], *at[turns], at[-1] + np.diff(at[-2:]).sum())]
        spans = {"from": edges[:-1], "until": edges[1:], "right": right[[0, *turns]].tolist()}
        rows.append({"width": width, "prompt": prompt, "seed": seed, "share": right.mean(), **spans})
    x_axis = alt.Axis(labelExpr=_THOUSANDS, tickCount=3, grid=False)
    states = alt.Scale(domain=["right", "wrong"], range=[_RIGHT, _WRONG])
    tips = _tips("size", "prompt", "seed", "from", "until", "state") + _tips("share=share of looks right", number=".0%")
    cells = alt.Chart(_data(_named(pd.DataFrame(rows)).drop(columns="width"))).mark_rect()
    cells = cells.encode(
        x=alt.X("from:Q", title="iteration", scale=alt.Scale(nice=False), axis=x_axis),
        x2="until:Q",
        y=alt.Y("seed:O", title="seed", axis=alt.Axis(labels=seeds <= 12, **_PLAIN)),
        color=alt.Color("state:N", title=None, scale=states),
        tooltip=tips,
    )
    panel = cells.properties(width=max(110, 560 // len(widths)), height=alt.Step(max(1.5, min(12, 130 / seeds))))
    prompts = alt.Row("prompt:N", title=None, header=alt.Header(labelAngle=0, labelAlign="left"))
    chart = panel.facet(row=prompts, column=_across(widths), spacing=10)
    # Unfolded before the panels are made: Vega-Lite loses what is unfolded inside them.
    chart = chart.transform_flatten(["from", "until", "right"])
    return chart.transform_calculate(state="datum.right ? 'right' : 'wrong'")


def speed_bars(table: pd.DataFrame) -> alt.TopLevelMixin:
    """How many times as fast as something else, with the spread of the measurements, on a log axis.

    Parameters
    ----------
    table : one row a comparison: `what`, `against`, `ratio` (over 1: faster), `low`, `high`.
    """
    against, low, high = list(table["against"].unique()), 0.8 * table["low"].min(), 2 * table["high"].max()
    chosen = alt.selection_point(name="chosen", fields=["against"], bind="legend")
    colours, ticks = list(PUBLISHED.values())[: len(against)], [m * 10**e for e in range(-3, 7) for m in (1, 2, 5)]
    scale = alt.Scale(type="log", domain=[min(0.9, low), max(1.1, high)], nice=False)
    axis = alt.Axis(format="~g", values=ticks, grid=True)
    x = {f: alt.X(f"{f}:Q", scale=scale, axis=axis, title="times as fast (ratio)") for f in ("ratio", "low", "high")}
    colour = alt.Color("against:N", title="against", scale=alt.Scale(domain=against, range=colours))
    shape = alt.Shape("against:N", title="against", scale=alt.Scale(domain=against, range=_SHAPES[: len(against)]))
    base = alt.Chart(_data(table)).encode(
        y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, **_PLAIN)),
        yOffset=alt.YOffset("against:N", sort=against),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=_tips("what", "against") + _tips("ratio", "low", "high", number=".3~r"),
    )
    bars = base.mark_bar(height=8, fillOpacity=0.35).encode(x=x["low"], x2="high:Q", color=colour)
    marks = base.mark_point(size=60, filled=True).encode(x=x["ratio"], color=colour, shape=shape).add_params(chosen)
    labels = base.mark_text(align="left", dx=8).encode(x=x["high"], text=alt.Text("ratio:Q", format=".3~r"))
    one = alt.Chart(alt.InlineData(values=[{}])).mark_rule(strokeDash=[4, 3])
    chart = alt.layer(one.encode(x=alt.XDatum(1, scale=scale)), bars, marks, labels)
    return chart.properties(width=440, height=alt.Step(20 if len(against) > 1 else 28))
