"""Curves over iterations: what the runs of a size do on average, and the paper's run in the range of ours."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from lib.charts.style import (
    LEFT,
    MEASURES,
    PLAIN,
    PUBLISHED,
    STEPS,
    THOUSANDS,
    Groups,
    crossed,
    data,
    fitted,
    one_run_each,
    records,
    switch,
    tips,
)


def curve_rows(curves: pd.DataFrame, measure: str, by: str) -> pd.DataFrame:
    """One row a group and iteration, thinned to `STEPS`: the mean over runs, the quartiles and the number of runs."""
    curves = curves.dropna(subset=[measure])
    found = sorted(curves["iteration"].unique(), reverse=True)
    curves = curves[curves["iteration"].isin(found[:: -(-len(found) // (STEPS + 1))])]
    cells = curves.groupby([by, "iteration"])[measure]
    quartiles = cells.quantile([0.25, 0.75]).unstack().set_axis(["low", "high"], axis=1)
    return cells.agg(mean="mean", runs="size").join(quartiles).reset_index()


def _told(rows: pd.DataFrame, measure: str, groups: Groups) -> tuple[pd.DataFrame, list[alt.Tooltip]]:
    """What pointing at an iteration tells: a row an iteration, in words a column a group."""
    number = MEASURES[measure][1].replace("~f", "f")
    spelt = [
        f"{r.mean:{number}} (half of the runs: {r.low:{number}} to {r.high:{number}})"
        for r in rows[["mean", "low", "high"]].itertuples(index=False)
    ]
    wide = rows.assign(said=spelt).pivot(index="iteration", columns=groups.field, values="said")
    wide.columns = [f"of {name}" for name in wide.columns]
    named = [f"of {name}={name}" for name in groups.names if f"of {name}" in wide]
    return wide.reset_index(), tips("iteration", number=",") + tips(*named)


def learning_curves(
    curves: pd.DataFrame, measures: str | Sequence[str], published: pd.DataFrame | None = None, by: str = "width"
) -> alt.TopLevelMixin:
    """Measures over iterations, a panel each: the mean of every group and the middle half of its runs.

    A click on the legend keeps one group; pointing at an iteration tells the numbers of all.

    Parameters
    ----------
    curves : one row a run and iteration: `by`, `seed`, `iteration` and the measures.
    measures : one or several of `MEASURES`.
    published : one row a group: `by` and the measures, drawn as diamonds at the end.
    by : the column that tells the models apart (see `style.Groups`).
    """
    measures = [measures] if isinstance(measures, str) else list(measures)
    one_run_each(curves, [by, "seed", "iteration"])
    groups, last = Groups.of(curves, by), int(curves["iteration"].max())
    panels: list[Any] = []
    datasets: dict[str, list[dict[str, Any]]] = {}
    for measure in measures:
        rows = groups.named(curve_rows(curves, measure, by))
        goals = pd.DataFrame(columns=[groups.field, "iteration", "published"])
        if published is not None and measure in published:
            known = published.assign(published=published[measure], iteration=last)  # an empty table would be filled
            goals = groups.named(known[known[by].isin(groups.values)])[goals.columns].dropna()
        datasets |= {measure: records(rows)}
        panels.append(
            _panel(
                rows,
                goals,
                measure=measure,
                groups=groups,
                last=last,
                top=measure == measures[0],
                bottom=measure == measures[-1],
            )
        )
    return alt.vconcat(*panels, spacing=10, datasets=datasets)


def _panel(
    rows: pd.DataFrame, goals: pd.DataFrame, *, measure: str, groups: Groups, last: int, top: bool, bottom: bool
) -> Any:
    """One measure: bands, lines, published values, and columns to point at.

    The legend's clicks are those of the top panel; the iterations stand under the bottom one.
    """
    title, number, axis, scale = MEASURES[measure]
    y_scale = fitted(scale, pd.concat([rows["low"], rows["high"], rows["mean"], goals["published"].astype(float)]))
    x_axis = alt.Axis(labelExpr=THOUSANDS, tickCount=6, grid=False, labels=bottom, ticks=bottom)
    x_scale = alt.Scale(domain=[0, last], nice=False)
    x = alt.X("iteration:Q", title="iteration" if bottom else None, axis=x_axis, scale=x_scale)
    y_axis = alt.Axis(**{"tickCount": 4, **axis}, **PLAIN)
    lines = title.replace(" (", "|(").split("|")
    y = {f: alt.Y(f"{f}:Q", scale=y_scale, axis=y_axis, title=lines) for f in ("mean", "low", "published")}
    legend = alt.Legend(title=groups.title, symbolType="stroke", symbolSize=350, symbolOpacity=1)
    common: dict[str, Any] = {"sort": groups.names, "legend": legend}
    kept = alt.when({"param": "kept"})
    base = alt.Chart(alt.NamedData(measure)).encode(
        x=x, color=alt.Color(f"{groups.field}:N", **common, scale=groups.scale("colour"))
    )
    band = base.mark_area().encode(y=y["low"], y2="high:Q", opacity=kept.then(alt.value(0.16)).otherwise(alt.value(0)))
    strong = kept.then(alt.value(1)).otherwise(alt.value(0.06))
    dash = alt.StrokeDash(f"{groups.field}:N", **common, scale=groups.scale("dash"))
    line = base.mark_line(strokeWidth=2, strokeJoin="round").encode(y=y["mean"], strokeDash=dash, opacity=strong)
    if top:
        line = line.add_params(alt.selection_point(name="kept", fields=[groups.field], bind="legend"))
    layers: list[Any] = [band, line]
    if len(goals):
        about = tips(groups.tip) + tips(f"published=published {title}", number=number)
        mark = base.properties(data=data(goals)).mark_point(shape="diamond", size=110, filled=False, strokeWidth=2)
        layers.append(mark.encode(y=y["published"], opacity=strong, tooltip=about))
    wide, about = _told(rows, measure, groups)
    columns = alt.Chart(data(wide)).mark_rule(strokeWidth=9, opacity=0).encode(x=x, tooltip=about)
    layers.insert(2, columns)
    return alt.layer(*layers).properties(width=580, height=110 if bottom else 100)


def paper_bands(table: pd.DataFrame, by: str = "width") -> alt.TopLevelMixin:
    """The paper's one run in the range of ours over time: a panel a task and group, switches for variant and measure.

    Parameters
    ----------
    table : one row a cell, measure and evaluation: `task`, `variant`, `by`, `measure` (as shown), `iteration`,
        `low`, `high`, `runs`, `published`. Variants and measures stand in the order of the table.
    by : the column that tells the models apart (see `style.Groups`).
    """
    groups, variant = Groups.of(table, by), switch("variant", list(table["variant"].unique()), "runs")
    measure = switch("measure", list(table["measure"].unique()), "measure")
    keys = ["task", "variant", groups.field, "measure"]
    columns = ["iteration", "low", "high", "published"]
    cells = groups.named(table).groupby(keys, sort=False)
    rows = cells.agg({**dict.fromkeys(columns, list), "runs": "max"}).reset_index()
    x = alt.X("iteration:Q", title="iteration", axis=alt.Axis(labelExpr=THOUSANDS, tickCount=3, grid=False))
    y = {f: alt.Y(f"{f}:Q", title=None, scale=alt.Scale(zero=False, nice=False)) for f in ("low", "published")}
    base = alt.Chart().encode(x=x)
    about = tips("task", groups.tip, "runs=our runs") + tips("iteration", number=",")
    about += tips("published=the paper's run", "low=lowest of ours", "high=highest of ours", number=".3~f")
    what = ["the paper's run", "range of ours"]
    shown = alt.Scale(domain=what, range=[PUBLISHED[14], PUBLISHED[56]])
    ones, ours = (base.transform_calculate(shown=f'"{name}"') for name in what)
    ones, ours = (one.encode(color=alt.Color("shown:N", title=None, scale=shown)) for one in (ones, ours))
    band = ours.mark_area(opacity=0.35).encode(y=y["low"], y2="high:Q")
    line = ones.mark_line(strokeWidth=1.2).encode(y=y["published"])
    points = base.mark_point(size=30, opacity=0).encode(y=y["published"], tooltip=about)
    rows = crossed(rows, "task", "variant", "measure", groups.field)
    panel = alt.layer(band, line, points, data=data(rows))
    panel = panel.properties(width=min(150, 500 // len(groups.names)), height=100)
    chart = panel.facet(
        row=alt.Row("task:N", title=None, sort=list(table["task"].unique()), header=alt.Header(**LEFT)),
        column=groups.across(),
        spacing=14,
    ).resolve_scale(y="independent")
    chart = chart.transform_filter("datum.variant === variant && datum.measure === measure").transform_flatten(columns)
    return chart.add_params(variant, measure)
