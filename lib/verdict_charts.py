"""Charts of counts and intervals, in the manner of charts.py: seed strips, paired runs, verdicts with thresholds."""

import math
from typing import Any

import altair as alt
import pandas as pd

from lib.charts import (
    _HELD_OUT,
    _PLAIN,
    _RIGHT,
    _THOUSANDS,
    _WRONG,
    MEASURES,
    PUBLISHED,
    _data,
    _marks,
    _named,
    _tips,
    _widths,
    size_name,
)

A_LINE, SQUARE = 20, 8  # seeds in a line of a strip, and pixels a seed
PAIRS = {  # what became of one seed with and without regularization
    "both": _RIGHT, "only without": PUBLISHED[14], "only with": PUBLISHED[56], "neither": _WRONG,
}  # fmt: skip


def seed_strips(table: pd.DataFrame) -> alt.TopLevelMixin:
    """A square a seed, filled when its run succeeded, a strip a cell, with a switch between the rules of reporting.

    Parameters
    ----------
    table : one row a run and rule: `width`, `variant`, `seed`, `rule` ("final", "best checkpoint", ...), `success`
        (bool), and `low` and `high`, the bounds of the share of successes in its cell. Variants and rules stand in the
        order of the table.
    """
    rules, variants = list(table["rule"].unique()), list(table["variant"].unique())
    rule = alt.param(name="rule", value=rules[0], bind=alt.binding_radio(options=rules, name="reported: "))
    cells = _named(table.astype({"success": int}))
    strips = cells.sort_values("seed").groupby(["size", "variant", "rule"])
    rows = strips.agg(seed=("seed", list), success=("success", list), low=("low", "first"), high=("high", "first"))
    rows["runs"] = rows["seed"].map(len)
    rows["place"] = [list(range(n)) for n in rows["runs"]]
    spans = (100 * rows[["low", "high"]]).round().astype(int).itertuples(index=False)
    rows["count"] = [
        f"{sum(right)} of {n}: {low} to {high} %"
        for right, n, (low, high) in zip(rows["success"], rows["runs"], spans, strict=True)
    ]
    lines = math.ceil(rows["runs"].max() / A_LINE)
    side = {"width": SQUARE * A_LINE, "height": max(16, SQUARE * lines)}
    x = alt.Scale(domain=list(range(A_LINE)), paddingInner=0.2, paddingOuter=0)
    y = alt.Scale(domain=list(range(lines)), paddingInner=0.2, paddingOuter=0)
    states = alt.Scale(domain=["success", "no success"], range=[_RIGHT, _WRONG])
    base = alt.Chart().encode(tooltip=_tips("size", "variant", "seed", "state", "count=successes"))
    squares = base.mark_rect(height=SQUARE - 1).encode(
        x=alt.X("column:O", axis=None, scale=x),
        y=alt.Y("line:O", axis=None, scale=y),
        color=alt.Color("state:N", title=None, scale=states),
    )
    label = base.mark_text(align="left", baseline="top", fontSize=11)
    label = label.encode(x=alt.value(0), y=alt.value(side["height"] + 2), text="label:N")
    chart = alt.layer(squares, label, data=_data(rows.reset_index()), **side).facet(
        row=alt.Row("size:N", title=None, header=alt.Header(labelAngle=0, labelAlign="left")).sort(
            list(_named(pd.DataFrame({"width": _widths(cells)}))["size"])
        ),
        column=alt.Column("variant:N", sort=variants, title=None, header=alt.Header(labelAnchor="start")),
        spacing={"row": 26, "column": 36},
    )
    # Unfolded before the panels are made: Vega-Lite loses what is unfolded inside them.
    chart = chart.transform_filter("datum.rule === rule").transform_flatten(["seed", "success", "place"])
    chart = chart.transform_calculate(
        state="datum.success ? 'success' : 'no success'",
        label="datum.place ? '' : datum.count",
        column=f"datum.place % {A_LINE}",
        line=f"floor(datum.place / {A_LINE})",
    )
    return chart.add_params(rule)


def by_loss(table: pd.DataFrame, floors: dict[str, float]) -> alt.TopLevelMixin:
    """The number of held-out sums right against the training loss, which falls to the right; a line and a band a size.

    A click on the legend keeps one size; a switch chooses the variant.

    Parameters
    ----------
    table : one row a variant, width and loss: `variant`, `width`, `loss`, `mean`, `low`, `high` (held-out sums right),
        `runs`. Variants stand in the order of the table.
    floors : losses to mark, by the words that stand beside them.
    """
    names = [size_name(w) for w in _widths(table)]
    kept = alt.selection_point(name="kept", fields=["size"], bind="legend")
    variants = list(table["variant"].unique())
    variant = alt.param(name="variant", value=variants[0], bind=alt.binding_radio(options=variants, name="runs: "))
    scale = alt.Scale(domain=[table["loss"].max(), min(floors.values())], padding=12, nice=False)
    title = MEASURES["loss"][0] + ", falling as training goes on"
    x = alt.X("loss:Q", title=title, scale=scale, axis=alt.Axis(grid=False))
    all_four, right = alt.Scale(domain=[0, 4]), MEASURES["held_out_correct"][0]
    y = {f: alt.Y(f"{f}:Q", title=right, scale=all_four) for f in ("mean", "low")}
    sizes: dict[str, Any] = {"sort": names, "title": None, "legend": alt.Legend(symbolOpacity=1)}
    colour = alt.Color("size:N", **sizes, scale=alt.Scale(domain=names, range=_marks(_widths(table), "colour")))
    shape = alt.Shape("size:N", **sizes, scale=alt.Scale(domain=names, range=_marks(_widths(table), "shape")))
    base = alt.Chart(_data(_named(table))).transform_filter("datum.variant === variant").encode(x=x, color=colour)
    tips = _tips("size") + _tips("loss=loss, middle of the bin", "mean", "low", "high", number=".2f") + _tips("runs")
    strong, faint = (alt.when(kept).then(alt.value(on)).otherwise(alt.value(off)) for on, off in ((1, 0.06), (0.16, 0)))
    band = base.mark_area().encode(y=y["low"], y2="high:Q", opacity=faint)
    line = base.mark_line(strokeWidth=2).encode(y=y["mean"], opacity=strong)
    points = base.mark_point(size=45, filled=True).encode(y=y["mean"], shape=shape, opacity=strong, tooltip=tips)
    rows = pd.DataFrame({"floor": list(floors), "at": list(floors.values())})
    marks = alt.Chart(_data(rows)).encode(x=alt.X("at:Q", scale=scale, title=title))
    rules = marks.mark_rule(strokeDash=[4, 3], strokeWidth=1.5)
    words = marks.mark_text(align="right", dx=-5, baseline="top").encode(text="floor:N", y=alt.value(2))
    chart = alt.layer(band, rules, words, line, points.add_params(kept)).properties(width=580, height=280)
    return chart.add_params(variant)


def pairs(table: pd.DataFrame) -> alt.TopLevelMixin:
    """How many seeds succeed with, without, with and without, or never: a panel a task, a bar a size.

    Parameters
    ----------
    table : one row a task, width and `kind` (a key of `PAIRS`): `task`, `width`, `kind`, `seeds` (a count).
    """
    kinds = list(PAIRS)
    rows = _named(table).assign(order=[kinds.index(kind) for kind in table["kind"]])
    sizes = list(_named(pd.DataFrame({"width": _widths(table)}))["size"])
    bars = alt.Chart(_data(rows)).mark_bar(height=14)
    bars = bars.encode(
        x=alt.X("seeds:Q", title="seeds", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("size:N", sort=sizes, title=None, axis=alt.Axis(**_PLAIN)),
        color=alt.Color(
            "kind:N", title="succeeds", sort=kinds, scale=alt.Scale(domain=kinds, range=list(PAIRS.values()))
        ),
        order="order:Q",
        tooltip=_tips("task", "size", "kind=succeeds", "seeds"),
    )
    panels = bars.properties(width=185, height=alt.Step(24))
    tasks = alt.Column("task:N", sort=list(rows["task"].unique()), title=None, header=alt.Header(labelAnchor="start"))
    return panels.facet(column=tasks, spacing=24).resolve_scale(x="independent", y="independent")


def forest(table: pd.DataFrame, title: str) -> alt.TopLevelMixin:
    """Estimates with their intervals and the thresholds that judge them: a line an estimate, a panel a group.

    A dashed mark is the threshold. Pointing at an interval gives its numbers.

    Parameters
    ----------
    table : one row an estimate: `label`, `group`, `estimate`, `low`, `high`, `threshold` (shares of 1), `verdict`,
        `runs`. Labels and groups stand in the order of the table.
    title : the title of the axis, with its unit.
    """
    verdicts = {
        "replicated": _RIGHT,
        "not replicated": PUBLISHED[28],
        "unresolved": "#8a94a0",
        "uninformative": "#8a94a0",
    }
    ends = [min(0.0, table["low"].min()), max(1.0, table["high"].max())]
    axis = alt.Axis(format="%", tickCount=6)
    x = {
        f: alt.X(f"{f}:Q", title=title, axis=axis, scale=alt.Scale(domain=ends, padding=6))
        for f in ("estimate", "low", "threshold")
    }
    found = [v for v in verdicts if v in set(table["verdict"])]
    colours = alt.Scale(domain=found, range=[verdicts[v] for v in found])
    shapes = alt.Scale(
        domain=found,
        range=[dict(zip(verdicts, ("circle", "cross", "square", "diamond"), strict=True))[v] for v in found],
    )
    tips = _tips("label=claim", "group", "verdict", "runs") + _tips(
        "estimate", "low", "high", "threshold", number=".1%"
    )
    base = alt.Chart().encode(
        y=alt.Y(
            "label:N",
            sort=list(table["label"].unique()),
            title=None,
            axis=alt.Axis(labelLimit=240, grid=True, **_PLAIN),
        ),
        color=alt.Color("verdict:N", title="verdict", scale=colours),
        tooltip=tips,
    )
    spans = base.mark_rule(strokeWidth=6, opacity=0.45).encode(x=x["low"], x2="high:Q")
    marks = base.mark_point(size=70, filled=True, opacity=1).encode(
        x=x["estimate"], shape=alt.Shape("verdict:N", title="verdict", scale=shapes)
    )
    limits = (
        alt.Chart()
        .mark_tick(thickness=2, height=18, color=_HELD_OUT)
        .encode(x=x["threshold"], y=alt.Y("label:N", sort=list(table["label"].unique())), tooltip=tips)
    )
    groups = list(table["group"].unique())
    panel = alt.layer(limits, spans, marks, data=_data(table)).properties(width=420 // len(groups), height=alt.Step(24))
    header = alt.Header(labelAnchor="start", labels=len(groups) > 1)
    return panel.facet(column=alt.Column("group:N", sort=groups, title=None, header=header), spacing=20)


def paper_bands(table: pd.DataFrame) -> alt.TopLevelMixin:
    """The paper's one run in the range of ours over time: a panel a task and size, switches for variant and measure.

    Parameters
    ----------
    table : one row a cell, measure and evaluation: `task`, `variant`, `width`, `measure` (as shown), `iteration`,
        `low`, `high`, `runs`, `published`. Variants and measures stand in the order of the table.
    """
    names = [size_name(w) for w in _widths(table)]
    variants, measures = list(table["variant"].unique()), list(table["measure"].unique())
    variant = alt.param(name="variant", value=variants[0], bind=alt.binding_radio(options=variants, name="runs: "))
    measure = alt.param(name="measure", value=measures[0], bind=alt.binding_radio(options=measures, name="measure: "))
    keys = ["task", "variant", "size", "measure"]
    columns = ["iteration", "low", "high", "published"]
    rows = _named(table).groupby(keys, sort=False).agg({**dict.fromkeys(columns, list), "runs": "max"}).reset_index()
    x = alt.X("iteration:Q", title="iteration", axis=alt.Axis(labelExpr=_THOUSANDS, tickCount=3, grid=False))
    y = {f: alt.Y(f"{f}:Q", title=None, scale=alt.Scale(zero=False, nice=False)) for f in ("low", "published")}
    base = alt.Chart().encode(x=x)
    tips = _tips("task", "size", "runs=our runs") + _tips("iteration", number=",")
    tips += _tips("published=the paper's run", "low=lowest of ours", "high=highest of ours", number=".3~f")
    band = base.mark_area(opacity=0.35, color=PUBLISHED[56]).encode(y=y["low"], y2="high:Q")
    line = base.mark_line(strokeWidth=1.2, color=PUBLISHED[14]).encode(y=y["published"])
    points = base.mark_point(size=30, opacity=0).encode(y=y["published"], tooltip=tips)
    panel = alt.layer(band, line, points, data=_data(rows)).properties(width=150, height=100)
    chart = panel.facet(
        row=alt.Row(
            "task:N", title=None, sort=list(table["task"].unique()), header=alt.Header(labelAngle=0, labelAlign="left")
        ),
        column=alt.Column("size:N", sort=names, title=None),
        spacing=14,
    ).resolve_scale(y="independent")
    chart = chart.transform_filter("datum.variant === variant && datum.measure === measure").transform_flatten(columns)
    return chart.add_params(variant, measure)
