"""Curves over iterations, and outcomes over the loss."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from lib.charts.style import (
    HOVER,
    LEFT,
    MEASURES,
    PLAIN,
    PUBLISHED,
    STEPS,
    THOUSANDS,
    Groups,
    data,
    fitted,
    one_run_each,
    records,
    switch,
    tips,
)

THREADS = 10  # runs a group with a line of their own, at most


def curve_rows(curves: pd.DataFrame, measure: str, groups: Groups) -> pd.DataFrame:
    """One row a group and iteration, thinned: what all runs span, and the values of at most `THREADS` of them."""
    curves = curves.dropna(subset=[measure]).sort_values("seed")
    found = np.sort(curves["iteration"].unique())[::-1]
    curves = curves[curves["iteration"].isin(found[:: math.ceil(len(found) / (STEPS + 1))])]
    seeds = curves.groupby(groups.by)["seed"]
    step = np.ceil(seeds.transform("nunique") / THREADS)
    keys = [groups.by, "iteration"]
    drawn = curves[(seeds.rank("dense") - 1) % step == 0].groupby(keys)
    span = curves.groupby(keys)[measure].agg(low="min", median="median", high="max", runs="size")
    rows = span.join(drawn.agg(seed=("seed", list), value=(measure, list)), how="inner")
    return groups.named(rows.reset_index())


def _goals(published: pd.DataFrame | None, measure: str, groups: Groups, last: int) -> pd.DataFrame:
    """The published values of a measure, a row a group, to stand at the last iteration."""
    known = published is not None and measure in published
    goals = groups.named(published).rename(columns={measure: "published"}) if known else pd.DataFrame()
    return goals.assign(iteration=last).reindex(columns=[groups.field, "iteration", "published"]).dropna()


def _base(curves: pd.DataFrame, groups: Groups, bottom: bool) -> alt.Chart:
    """What the layers of a row of panels have in common; the iterations stand under the last row only."""
    x_axis = alt.Axis(labelExpr=THOUSANDS, tickCount=3, grid=False, labels=bottom, ticks=bottom)
    x_scale = alt.Scale(domain=[int(curves["iteration"].min()), int(curves["iteration"].max())], nice=False)
    kept = alt.when({"param": "chosen"}).then(alt.value(1)).otherwise(alt.value(0.06))
    return alt.Chart().encode(
        x=alt.X("iteration:Q", title="iteration" if bottom else None, axis=x_axis, scale=x_scale),
        color=alt.Color(f"{groups.field}:N", scale=groups.scale("colour"), legend=_legend(groups)),
        opacity=kept,
    )


def _legend(groups: Groups) -> alt.Legend:
    """The legend that colours and dashes share."""
    title = f"median of {groups.title}" if groups.title else "median of"
    return alt.Legend(title=title, symbolType="stroke", symbolSize=350)


def _heights(rows: pd.DataFrame, goals: pd.DataFrame, measure: str, left: bool) -> dict[str, alt.Y]:
    """The axis of a measure, for each field that is drawn along it; its labels stand beside the left panel only."""
    title, _, axis, scale = MEASURES[measure]
    y_scale = fitted(scale, pd.concat([rows["low"], rows["high"], goals["published"]]))
    y_axis = alt.Axis(**{"tickCount": 4, **axis}, **PLAIN, labels=left)
    y_title = title.replace(" (", "|(").split("|") if left else None
    fields = ("low", "median", "value", "published")
    return {f: alt.Y(f"{f}:Q", scale=y_scale, axis=y_axis, title=y_title) for f in fields}


def _layers(base: alt.Chart, y: dict[str, alt.Y], measure: str, groups: Groups, place: int) -> list[Any]:
    """One panel: the medians of all groups; the band, the runs and the median of its own; points to be pointed at."""
    title, number, *_ = MEASURES[measure]
    pointed = alt.when({"param": "pointed", "empty": False})
    thick, strong = pointed.then(alt.value(2)), pointed.then(alt.value(1))
    # Vega-Lite finds nothing but numbers in the tooltip of the nearest point.
    about = tips("seed", "iteration", number=",") + tips(f"value={title}", number=number)
    about += tips("low=lowest run", "median", "high=highest run", number=number) + tips("runs", number=",")
    dash = alt.StrokeDash(f"{groups.field}:N", scale=groups.scale("dash"), legend=_legend(groups))
    others = base.mark_line(strokeWidth=1).encode(y=y["median"], strokeDash=dash)
    others = others.properties(name=f"medians_{measure}_{place}", data=alt.NamedData(f"medians of {measure}"))
    band = base.mark_area(fillOpacity=0.16).encode(y=y["low"], y2="high:Q")
    runs = base.transform_flatten(["seed", "value"]).encode(y=y["value"], detail="seed:N")
    thin = runs.mark_line(strokeWidth=0.8, strokeOpacity=0.5).encode(strokeWidth=thick, strokeOpacity=strong)
    points = runs.mark_point(size=40).encode(opacity=alt.value(0), tooltip=about)
    median = base.mark_line(strokeWidth=2.4).encode(y=y["median"])
    return [others, band, thin, median, points.properties(name=f"runs_{measure}_{place}")]


def _goal(base: alt.Chart, y: alt.Y, goal: pd.DataFrame, measure: str, groups: Groups) -> alt.Chart:
    """The published value: a diamond at the right edge."""
    title, number, *_ = MEASURES[measure]
    about = tips(groups.tip) + tips(f"published=published {title}", number=number)
    mark = base.mark_point(shape="diamond", size=110, filled=True, stroke="white", strokeWidth=1, opacity=1)
    return mark.encode(y=y, tooltip=about).properties(data=data(goal))


def _selections(groups: Groups, legend: str, runs: list[str]) -> list[alt.TopLevelSelectionParameter]:
    """A click on the legend keeps a group; pointing at a run lights up its seed.

    Altair would hang these selections on the first layers, so they say themselves in which views they live. It also
    numbers the layers of a row; their names end in the number that it would give.
    """
    keep = {"type": "point", "fields": [groups.field]}
    hover = {"type": "point", "fields": ["seed"], "nearest": True, **HOVER}
    return [
        alt.TopLevelSelectionParameter("chosen", keep, bind="legend", views=[legend]),
        alt.TopLevelSelectionParameter("pointed", hover, views=runs),
    ]


def _heading(curves: pd.DataFrame, groups: Groups, published: bool) -> alt.Title:
    """How many runs are drawn, and the key to the lines."""
    count = curves.groupby(groups.by)["seed"].nunique()
    heading = " to ".join(str(n) for n in sorted({count.min(), count.max()}))
    heading += " runs" if count.max() > 1 else " run"
    drawn = f"at most {THREADS} of the runs" if count.max() > THREADS else "the runs"
    key = [f"thin lines: {drawn}; thick: their median; band: their range"] if count.max() > 1 else []
    key += ["diamond: published"] if published else []
    return alt.Title(f"{heading} {groups.each}", subtitle="; ".join(key))


def learning_curves(
    curves: pd.DataFrame, measures: str | Sequence[str], published: pd.DataFrame | None = None, by: str = "width"
) -> alt.TopLevelMixin:
    """Learning curves: a row of panels a measure, a panel a group; a line a run, their median, and the range they span.

    The medians of the other groups stand thin in every panel. A click on the legend keeps one group; pointing at a run
    lights up its seed in all panels.

    Parameters
    ----------
    curves : one row a run and iteration: `by`, `seed`, `iteration` and the measures; one run a group and seed.
    measures : one or more of `MEASURES`.
    published : one row a group: `by` and any of the measures, in the units of `curves`; drawn at the right edge.
    by : the column that tells the models apart (see `style.Groups`).
    """
    one_run_each(curves, [by, "seed", "iteration"])
    measures, groups = [measures] if isinstance(measures, str) else list(measures), Groups.of(curves, by)
    side = {"height": 230 if len(measures) == 1 else 120, "width": max(110, 590 // len(groups.names) - 12)}
    lines, views = [], []
    datasets: dict[str, list[dict[str, Any]]] = {}
    for measure in measures:
        rows, goals = curve_rows(curves, measure, groups), _goals(published, measure, groups, curves["iteration"].max())
        base, panels = _base(curves, groups, bottom=measure == measures[-1]), []
        datasets[f"medians of {measure}"] = records(rows[[groups.field, "iteration", "median"]])
        own = dict(list(rows.groupby(groups.field)))
        for place, name in enumerate(name for name in groups.names if name in own):
            y = _heights(rows, goals, measure, left=place == 0)
            layers = _layers(base, y, measure, groups, place)
            views.append(f"runs_{measure}_{place}")
            if len(goal := goals[goals[groups.field] == name]):
                layers.append(_goal(base, y["published"], goal, measure, groups))
            if measure == measures[0]:  # not a title, which the axis' labels would push about
                head = alt.Chart(alt.InlineData([{}])).mark_text(text=name, fontSize=12, fontWeight=600)
                layers.append(head.encode(x=alt.value(side["width"] / 2), y=alt.value(-14)))
            datasets[f"{measure} of {name}"] = records(own[name])
            panels.append(alt.layer(*layers, data=alt.NamedData(f"{measure} of {name}"), **side))
        lines.append(alt.hconcat(*panels, spacing=12).resolve_scale(y="shared"))
    params = _selections(groups, f"medians_{measures[0]}_0", views)
    title = _heading(curves, groups, published is not None)
    return alt.vconcat(*lines, spacing=8, params=params, title=title, datasets=datasets)


def by_loss(table: pd.DataFrame, floors: dict[str, float], by: str = "width") -> alt.TopLevelMixin:
    """The number of held-out sums right against the training loss, which falls to the right; a line and a band a group.

    A click on the legend keeps one group; a switch chooses the variant.

    Parameters
    ----------
    table : one row a variant, group and loss: `variant`, `by`, `loss`, `mean`, `low`, `high` (held-out sums right),
        `runs`. Variants stand in the order of the table.
    floors : losses to mark, by the words that stand beside them.
    by : the column that tells the models apart (see `style.Groups`).
    """
    groups, variant = Groups.of(table, by), switch("variant", list(table["variant"].unique()), "runs")
    kept = alt.selection_point(name="kept", fields=[groups.field], bind="legend")
    scale = alt.Scale(domain=[table["loss"].max(), min(floors.values())], padding=12, nice=False)
    title = MEASURES["loss"][0] + ", falling as training goes on"
    x = alt.X("loss:Q", title=title, scale=scale, axis=alt.Axis(grid=False))
    all_four, right = alt.Scale(domain=[0, 4]), MEASURES["held_out_correct"][0]
    y = {f: alt.Y(f"{f}:Q", title=right, scale=all_four) for f in ("mean", "low")}
    legend: dict[str, Any] = {"sort": groups.names, "title": groups.title, "legend": alt.Legend(symbolOpacity=1)}
    colour = alt.Color(f"{groups.field}:N", **legend, scale=groups.scale("colour"))
    shape = alt.Shape(f"{groups.field}:N", **legend, scale=groups.scale("shape"))
    base = alt.Chart(data(groups.named(table))).transform_filter("datum.variant === variant").encode(x=x, color=colour)
    about = tips(groups.tip) + tips("loss=loss, middle of the bin", "mean", "low", "high", number=".2f") + tips("runs")
    strong, faint = (alt.when(kept).then(alt.value(on)).otherwise(alt.value(off)) for on, off in ((1, 0.06), (0.16, 0)))
    band = base.mark_area().encode(y=y["low"], y2="high:Q", opacity=faint)
    line = base.mark_line(strokeWidth=2).encode(y=y["mean"], opacity=strong)
    points = base.mark_point(size=45, filled=True).encode(y=y["mean"], shape=shape, opacity=strong, tooltip=about)
    rows = pd.DataFrame({"floor": list(floors), "at": list(floors.values())})
    marks = alt.Chart(data(rows)).encode(x=alt.X("at:Q", scale=scale, title=title))
    rules = marks.mark_rule(strokeDash=[4, 3], strokeWidth=1.5)
    words = marks.mark_text(align="right", dx=-5, baseline="top").encode(text="floor:N", y=alt.value(2))
    chart = alt.layer(band, rules, words, line, points.add_params(kept)).properties(width=580, height=280)
    return chart.add_params(variant)


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
    band = base.mark_area(opacity=0.35, color=PUBLISHED[56]).encode(y=y["low"], y2="high:Q")
    line = base.mark_line(strokeWidth=1.2, color=PUBLISHED[14]).encode(y=y["published"])
    points = base.mark_point(size=30, opacity=0).encode(y=y["published"], tooltip=about)
    panel = alt.layer(band, line, points, data=data(rows))
    panel = panel.properties(width=min(150, 500 // len(groups.names)), height=100)
    chart = panel.facet(
        row=alt.Row("task:N", title=None, sort=list(table["task"].unique()), header=alt.Header(**LEFT)),
        column=groups.across(),
        spacing=14,
    ).resolve_scale(y="independent")
    chart = chart.transform_filter("datum.variant === variant && datum.measure === measure").transform_flatten(columns)
    return chart.add_params(variant, measure)
