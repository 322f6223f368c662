"""What became of the runs: all outcomes, successes and pairs counted, estimates with their thresholds."""

import math

import altair as alt
import numpy as np
import pandas as pd

from lib.charts.style import (
    HELD_OUT,
    LEFT,
    MEASURES,
    PLAIN,
    PUBLISHED,
    RIGHT,
    UNDECIDED,
    WRONG,
    Groups,
    data,
    fitted,
    switch,
    tips,
)

VERDICTS = {  # colour and shape
    "replicated": (RIGHT, "circle"),
    "not replicated": (PUBLISHED[28], "cross"),
    "unresolved": (UNDECIDED, "square"),
    "uninformative": (UNDECIDED, "diamond"),
}
A_LINE, SQUARE = 20, 8  # seeds in a line of a strip, and pixels a seed
PAIRS = {  # what became of one seed with and without regularization
    "both": RIGHT, "only without": PUBLISHED[14], "only with": PUBLISHED[56], "neither": WRONG,
}  # fmt: skip


def dots(
    runs: pd.DataFrame, measure: str, published: pd.DataFrame | None = None, by: str = "width"
) -> alt.TopLevelMixin:
    """The outcome of every run, a strip a group; runs with about the same outcome are stacked.

    Parameters
    ----------
    runs : one row a run: `by`, `seed` and the measure; where there are columns `low` and `high` (the same in all
        rows of a group, in the units of the measure), they are drawn as an interval.
    measure : one of `MEASURES`.
    published : one row a group: `by` and the measure, in the units of `runs`.
    by : the column that tells the models apart (see `style.Groups`).
    """
    title, number, axis, scale = MEASURES[measure]
    runs = runs.dropna(subset=[measure])
    groups = Groups.of(runs, by)
    ends = runs.head(0) if published is None else published[published[by].isin(groups.values)]
    runs, ends = (groups.named(table) for table in (runs.sort_values("seed"), ends))
    group = groups.field
    looks = {kind: dict(zip(groups.names, groups.marks(kind), strict=True)) for kind in ("colour", "shape")}
    runs, ends = (t.assign(**{kind: t[group].map(look) for kind, look in looks.items()}) for t in (runs, ends))
    ends = ends[[group, "colour", measure]].dropna()
    place = runs.groupby([group, (runs[measure] / (np.ptp(runs[measure]) or 1) * 60).round()]).cumcount()
    reach = max(4, int(place.max()) // 2 + 1)
    runs["shift"] = (place + 1) // 2 * (-1) ** place / reach  # between -1 and 1, as in any chart beside it
    x_scale = fitted({**scale, "padding": 12} if scale else {}, pd.concat([runs[measure], ends[measure]]))
    x_axis = alt.Axis(**{"tickCount": 6, **axis})
    x = {f: alt.X(f"{f}:Q", title=title, scale=x_scale, axis=x_axis) for f in (measure, "low")}
    y_axis = alt.Axis(grid=True, labelFontSize=12, labelPadding=8, **PLAIN)
    base = alt.Chart().encode(
        y=alt.Y(f"{group}:N", sort=groups.names, title=groups.title, axis=y_axis),
        color=alt.Color("colour:N", scale=None),  # charts that stand together would share a scale and mix up groups
    )
    points = base.mark_point(size=36 if place.max() < 20 else 20, filled=True, opacity=0.75).encode(
        x=x[measure],
        yOffset=alt.YOffset("shift:Q", scale=alt.Scale(domain=[-1, 1])),
        shape=alt.Shape("shape:N", scale=None),
        tooltip=tips(groups.tip, "seed") + tips(f"{measure}={title}", number=number),
    )
    about = tips(groups.tip) + tips(f"{measure}=published {title}", number=number)
    marks = base.mark_point(shape="diamond", size=260, opacity=1).encode(x=x[measure], tooltip=about)  # around the dots
    layers = [points.properties(data=data(runs[[group, "colour", "shape", "seed", "shift", measure]]))]
    layers += [marks.properties(data=data(ends))] if len(ends) else []
    if {"low", "high"} <= set(runs):
        spans = base.properties(data=data(runs.drop_duplicates(group)[[group, "colour", "low", "high"]]))
        spans = spans.mark_rule(strokeWidth=12, opacity=0.3).encode(x=x["low"], x2="high:Q")
        layers.insert(0, spans.encode(tooltip=tips(groups.tip) + tips("low", "high", number=number)))
    return alt.layer(*layers).properties(width=580, height=alt.Step(56))


def _strips(cells: pd.DataFrame, group: str) -> pd.DataFrame:
    """One row a strip: its seeds, their successes, their places in it, and the successes in words."""
    strips = cells.astype({"success": int}).sort_values("seed").groupby([group, "variant", "rule"])
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
    table : one row a run and rule: `by`, `variant`, `seed`, `rule` ("final", "best checkpoint", ...), `success`
        (bool), and `low` and `high`, the bounds of the share of successes in its cell. Variants and rules stand in the
        order of the table.
    by : the column that tells the models apart (see `style.Groups`).
    """
    rules, variants = list(table["rule"].unique()), list(table["variant"].unique())
    groups, rule = Groups.of(table, by), switch("rule", rules, "reported")
    rows = _strips(groups.named(table), groups.field)
    lines = math.ceil(rows["runs"].max() / A_LINE)
    side = {"width": SQUARE * A_LINE, "height": max(16, SQUARE * lines)}
    x = alt.Scale(domain=list(range(A_LINE)), paddingInner=0.2, paddingOuter=0)
    y = alt.Scale(domain=list(range(lines)), paddingInner=0.2, paddingOuter=0)
    states = alt.Scale(domain=["success", "no success"], range=[RIGHT, WRONG])
    base = alt.Chart().encode(tooltip=tips(groups.tip, "variant", "seed", "state", "count=successes"))
    squares = base.mark_rect(height=SQUARE - 1).encode(
        x=alt.X("column:O", axis=None, scale=x),
        y=alt.Y("line:O", axis=None, scale=y),
        color=alt.Color("state:N", title=None, scale=states),
    )
    label = base.mark_text(align="left", baseline="top", fontSize=11)
    label = label.encode(x=alt.value(0), y=alt.value(side["height"] + 2), text="label:N")
    chart = alt.layer(squares, label, data=data(rows), **side).facet(
        row=alt.Row(f"{groups.field}:N", sort=groups.names, title=groups.title, header=alt.Header(**LEFT)),
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


def pairs(table: pd.DataFrame, by: str = "width") -> alt.TopLevelMixin:
    """How many seeds succeed with, without, with and without, or never: a panel a task, a bar a group.

    Parameters
    ----------
    table : one row a task, group and `kind` (a key of `PAIRS`): `task`, `by`, `kind`, `seeds` (a count).
    by : the column that tells the models apart (see `style.Groups`).
    """
    kinds, groups = list(PAIRS), Groups.of(table, by)
    rows = groups.named(table).assign(order=[kinds.index(kind) for kind in table["kind"]])
    bars = alt.Chart(data(rows)).mark_bar(height=14)
    bars = bars.encode(
        x=alt.X("seeds:Q", title="seeds", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y(f"{groups.field}:N", sort=groups.names, title=groups.title, axis=alt.Axis(**PLAIN)),
        color=alt.Color(
            "kind:N", title="succeeds", sort=kinds, scale=alt.Scale(domain=kinds, range=list(PAIRS.values()))
        ),
        order="order:Q",
        tooltip=tips("task", groups.tip, "kind=succeeds", "seeds"),
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
    ends = [min(0.0, table["low"].min()), max(1.0, table["high"].max())]
    x_scale, x_axis = alt.Scale(domain=ends, padding=6), alt.Axis(format="%", tickCount=6)
    x = {f: alt.X(f"{f}:Q", title=title, axis=x_axis, scale=x_scale) for f in ("estimate", "low", "threshold")}
    labels, groups = list(table["label"].unique()), list(table["group"].unique())
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
