"""What became of the runs: successes counted, estimates with their thresholds, published numbers among ours."""

import math

import altair as alt
import pandas as pd

from lib.charts.style import (
    HELD_OUT,
    LEFT,
    PLAIN,
    PUBLISHED,
    RIGHT,
    UNDECIDED,
    WRONG,
    Groups,
    crossed,
    data,
    switch,
    tips,
)
from lib.errors import some

VERDICTS = {  # colour and shape
    "replicated": (RIGHT, "circle"),
    "not replicated": (PUBLISHED[28], "cross"),
    "unresolved": (UNDECIDED, "square"),
    "uninformative": (PUBLISHED[56], "diamond"),
}
A_LINE, SQUARE = 20, 8  # seeds in a line of a strip, and pixels a seed


def _strips(cells: pd.DataFrame, group: str) -> pd.DataFrame:
    """One row a strip: its seeds, their successes, their places in it, and the successes in words."""
    strips = cells.astype({"success": int}).sort_values("seed").groupby(["task", group, "variant", "rule"])
    rows = strips.agg(seed=("seed", list), success=("success", list), low=("low", "first"), high=("high", "first"))
    rows["runs"] = rows["seed"].map(len)
    rows["place"] = [list(range(n)) for n in rows["runs"]]
    spans = (100 * rows[["low", "high"]]).round().astype(int).itertuples(index=False)
    rows["count"] = [
        f"{sum(right)} of {n}: {low} to {high} %"
        for right, n, (low, high) in zip(rows["success"], rows["runs"], spans, strict=True)
    ]
    return rows.reset_index()


def seed_strips(table: pd.DataFrame, by: str = "width") -> alt.TopLevelMixin:
    """A square a seed, filled when its run succeeded, a strip a cell, with a switch between the rules of reporting.

    Parameters
    ----------
    table : one row a run and rule: `task` (in words), `by`, `variant`, `seed`, `rule` ("final", "best checkpoint",
        ...), `success` (bool), and `low` and `high`, the bounds of the share of successes in its cell. Tasks, variants
        and rules stand in the order of the table.
    by : the column that tells the models apart (see `style.Groups`).
    """
    groups, rule = Groups.of(table, by), switch("rule", list(table["rule"].unique()), "reported")
    strips = _strips(groups.named(table), groups.field)
    variants = list(table["variant"].unique())
    tasks = [_task_strips(strips[strips["task"] == task], task, groups, variants) for task in table["task"].unique()]
    return alt.vconcat(*tasks, spacing=14, params=[rule.param])  # `add_params` fails on panels of layers


def _task_strips(rows: pd.DataFrame, task: str, groups: Groups, variants: list[str]) -> alt.FacetChart:
    """The strips of one task, a row a group and a column a variant, and under each its successes in words."""
    lines = math.ceil(rows["runs"].max() / A_LINE)
    side = {"width": SQUARE * A_LINE, "height": max(16, SQUARE * lines)}
    x = alt.Scale(domain=list(range(A_LINE)), paddingInner=0.2, paddingOuter=0)
    y = alt.Scale(domain=list(range(lines)), paddingInner=0.2, paddingOuter=0)
    states = alt.Scale(domain=["success", "no success"], range=[RIGHT, WRONG])
    base = alt.Chart().encode(tooltip=tips("task", groups.tip, "variant", "seed", "state", "count=successes"))
    squares = base.mark_rect(height=SQUARE - 1).encode(
        x=alt.X("column:O", axis=None, scale=x),
        y=alt.Y("line:O", axis=None, scale=y),
        color=alt.Color("state:N", title=None, scale=states),
    )
    label = base.mark_text(align="left", baseline="top", fontSize=11)
    label = label.encode(x=alt.value(0), y=alt.value(side["height"] + 2), text="label:N")
    chart = alt.layer(squares, label, data=data(crossed(rows, groups.field, "variant", "rule")), **side).facet(
        row=alt.Row(f"{groups.field}:N", sort=groups.names, title=groups.title, header=alt.Header(**LEFT)),
        column=alt.Column("variant:N", sort=variants, title=None, header=alt.Header(labelAnchor="start")),
        spacing={"row": 24, "column": 36},
    )
    # Unfolded before the panels are made: Vega-Lite loses what is unfolded inside them.
    chart = chart.transform_filter("datum.rule === rule").transform_flatten(["seed", "success", "place"])
    chart = chart.transform_calculate(
        state="datum.success === null ? null : datum.success ? 'success' : 'no success'",
        label="datum.place ? '' : datum.count",
        column=f"datum.place % {A_LINE}",
        line=f"floor(datum.place / {A_LINE})",
    )
    return chart.properties(title=task)


def forest(table: pd.DataFrame, title: str) -> alt.TopLevelMixin:
    """Estimates with their intervals and the thresholds that judge them: a line an estimate, a panel a group.

    A dashed mark is the threshold. Pointing at an interval gives its numbers.

    Parameters
    ----------
    table : one row an estimate: `label`, `group`, `estimate`, `low`, `high`, `threshold` (shares of 1), `verdict`,
        `runs`. Labels and groups stand in the order of the table.
    title : the title of the axis, with its unit.
    """
    ends = [min(0.0, table["low"].min()), max(1.0, table["high"].max())]
    x_scale, x_axis = alt.Scale(domain=ends, padding=6), alt.Axis(format="%", tickCount=6)
    x = {f: alt.X(f"{f}:Q", title=title, axis=x_axis, scale=x_scale) for f in ("estimate", "low", "threshold")}
    labels, groups = list(some(table)["label"].unique()), list(table["group"].unique())
    found = [verdict for verdict in VERDICTS if verdict in set(table["verdict"])]
    looks = zip(*(VERDICTS[verdict] for verdict in found), strict=True)
    colours, shapes = (alt.Scale(domain=found, range=list(look)) for look in looks)
    about = tips("label=claim", "group", "verdict", "runs")
    about += tips("estimate", "low", "high", "threshold", number=".1%")
    y_axis = alt.Axis(labelLimit=240, grid=True, **PLAIN)
    base = alt.Chart().encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=y_axis),
        color=alt.Color("verdict:N", title="verdict", scale=colours),
        tooltip=about,
    )
    spans = base.mark_rule(strokeWidth=6, opacity=0.45).encode(x=x["low"], x2="high:Q")
    shape = alt.Shape("verdict:N", title="verdict", scale=shapes)
    marks = base.mark_point(size=70, filled=True, opacity=1).encode(x=x["estimate"], shape=shape)
    limits = alt.Chart().mark_tick(thickness=2, height=18, color=HELD_OUT)
    limits = limits.encode(x=x["threshold"], y=alt.Y("label:N", sort=labels), tooltip=about)
    panel = alt.layer(limits, spans, marks, data=data(table)).properties(width=420 // len(groups), height=alt.Step(24))
    header = alt.Header(labelAnchor="start", labels=len(groups) > 1)
    return panel.facet(column=alt.Column("group:N", sort=groups, title=None, header=header), spacing=20)


def predicted(table: pd.DataFrame, label: str) -> alt.TopLevelMixin:
    """The paper's numbers and the intervals in which one more of our runs would fall: a panel a measure.

    Parameters
    ----------
    table : one row a number: `label` (a cell, in the order of the table), `measure` (with its unit), `low`, `high`,
        `mean`, `runs`, `published`, and `place` ("inside", "outside" or "no interval").
    """
    scale = alt.Scale(zero=False, nice=True, padding=8)
    states = {"inside": (RIGHT, "circle"), "outside": (PUBLISHED[28], "cross"), "no interval": (UNDECIDED, "square")}
    found = [place for place in states if place in set(table["place"])]
    colours, shapes = (alt.Scale(domain=found, range=[states[f][i] for f in found]) for i in (0, 1))
    about = tips(label, "measure", "place", "runs") + tips("published", "mean", "low", "high", number=".3~f")
    panels = []
    for measure, rows in table.groupby("measure", sort=False):
        base = alt.Chart(data(rows)).encode(
            y=alt.Y(f"{label}:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=200, **PLAIN)),
            tooltip=about,
        )
        x = {f: alt.X(f"{f}:Q", title=measure, scale=scale) for f in ("low", "published")}
        spans = base.mark_rule(strokeWidth=6, opacity=0.4).encode(x=x["low"], x2="high:Q")
        marks = base.mark_point(size=60, filled=True, opacity=1).encode(
            x=x["published"],
            color=alt.Color("place:N", title="the paper's number is", scale=colours),
            shape=alt.Shape("place:N", title="the paper's number is", scale=shapes),
        )
        panels.append(alt.layer(spans, marks).properties(width=190, height=alt.Step(17)))
    return alt.concat(*panels, columns=2, spacing=18)
