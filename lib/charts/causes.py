"""Estimates with their intervals, in rows or along an axis; medians; shares over iterations; the map of all pairs."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from lib.charts.style import GAPS, HELD_OUT, PLAIN, STEPS, Groups, data, tips
from lib.stats.words import SHORT

SHARE = f"{SHORT['held_out_correct']} right at the end (%)"


def _marks(groups: Groups) -> dict[str, Any]:
    """Colour and shape of the groups, under one legend."""
    several = alt.Legend(title=groups.title, columns=4 if len(groups.names) > 5 else alt.Undefined)
    legend: dict[str, Any] = {"sort": groups.names, "legend": several}
    return {
        "color": alt.Color(f"{groups.field}:N", **legend, scale=groups.scale("colour")),
        "shape": alt.Shape(f"{groups.field}:N", **legend, scale=groups.scale("shape")),
    }


def _thresholds(marks: Mapping[str, float], scale: alt.Scale) -> list[alt.Chart]:
    """Dashed rules at values of the horizontal axis, with words over them."""
    if not marks:
        return []
    table = pd.DataFrame({"words": list(marks), "at": list(marks.values())})
    base = alt.Chart(data(table)).encode(x=alt.X("at:Q", scale=scale))
    rule = base.mark_rule(strokeDash=[4, 3], strokeWidth=1.2, clip=True)
    text = base.mark_text(align="center", baseline="bottom", fontSize=10)
    return [rule, text.encode(y=alt.value(-5), text="words:N")]


def rows(table: pd.DataFrame, row: str, by: str = "width", title: str = SHARE) -> alt.TopLevelMixin:
    """A row a value of `row`, and in it a point and an interval a group.

    Parameters
    ----------
    table : one row a row and group: `row` (words), `by`, `mean`, `low`, `high` (shares) and `runs`.
    by : the column that tells the groups apart (see `style.Groups`).
    """
    groups, order = Groups.of(table, by), list(dict.fromkeys(table[row]))
    scale = alt.Scale(domain=[0, 1], nice=False)
    axis = alt.Axis(format="%", tickCount=5)
    names = alt.Axis(labelLimit=200, labelPadding=10, labelExpr="split(datum.label, ', ')", **PLAIN)
    base = alt.Chart(data(groups.named(table))).encode(
        y=alt.Y(f"{row}:N", sort=order, title=None, axis=names),
        yOffset=alt.YOffset(f"{groups.field}:N", sort=groups.names),
        color=_marks(groups)["color"],
    )
    about = tips(row, groups.tip) + tips("mean", "low", "high", number=".1%") + tips("runs")
    bars = base.mark_rule(strokeWidth=2, clip=True).encode(
        x=alt.X("low:Q", title=title, scale=scale, axis=axis), x2="high:Q", tooltip=about
    )
    points = base.mark_point(size=60, filled=True, opacity=1).encode(
        x=alt.X("mean:Q", scale=scale), shape=_marks(groups)["shape"], tooltip=about
    )
    height = len(order) * max(24, 13 * len(groups.names) + 8)
    return alt.layer(bars, points).properties(width=420, height=height)


def spectrum(
    table: pd.DataFrame,
    by: str,
    *,
    title: str = SHARE,
    x: str = "parameters",
    thresholds: Mapping[str, float] | None = None,
) -> alt.TopLevelMixin:
    """Means and intervals along a logarithmic axis, a line a group; a click on the legend keeps one.

    Parameters
    ----------
    table : one row a group and place: `by`, `x`, `mean`, `low`, `high` (shares) and `runs`.
    by : the column that tells the groups apart (see `style.Groups`).
    thresholds : values of `x` to mark, by the words that stand over them.
    """
    groups = Groups.of(table, by)
    kept = alt.selection_point(name="kept", fields=[groups.field], bind="legend")
    strong, faint = (alt.when(kept).then(alt.value(on)).otherwise(alt.value(0.05)) for on in (1, 0.6))
    scale = alt.Scale(type="log", domain=[0.9 * table[x].min(), 1.1 * table[x].max()], nice=False)
    height = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="~s", tickCount=6, grid=False)
    base = alt.Chart(data(groups.named(table))).encode(
        x=alt.X(f"{x}:Q", title=x, scale=scale, axis=axis), color=_marks(groups)["color"]
    )
    named = [name for name in ("width", "layers", "expansion") if name in table and name != by]
    about = tips(groups.tip, *named) + tips(x, number=",") + tips("mean", "low", "high", number=".1%") + tips("runs")
    line = base.mark_line(strokeWidth=1.6).encode(y=alt.Y("mean:Q", title=title, scale=height), opacity=strong)
    bars = base.mark_rule(strokeWidth=1.4).encode(y="low:Q", y2="high:Q", opacity=faint)
    points = base.mark_point(size=50, filled=True).encode(
        y=alt.Y("mean:Q", axis=alt.Axis(format="%", tickCount=5)),
        shape=_marks(groups)["shape"],
        opacity=strong,
        tooltip=about,
    )
    layers = [*_thresholds(thresholds or {}, scale), bars, line, points.add_params(kept)]
    return alt.layer(*layers).properties(width=560, height=260)


def times(table: pd.DataFrame, by: str) -> alt.TopLevelMixin:
    """Medians of iterations and their quartiles along the number of parameters, both logarithmic, a line a group.

    Parameters
    ----------
    table : one row a group and size: `by`, `width`, `parameters`, `mean` (the median), `low`, `high`, `runs`.
    """
    groups = Groups.of(table, by)
    ends = [0.9 * table["parameters"].min(), 1.1 * table["parameters"].max()]
    base = alt.Chart(data(groups.named(table))).encode(
        x=alt.X(
            "parameters:Q", scale=alt.Scale(type="log", domain=ends, nice=False), axis=alt.Axis(format="~s", grid=False)
        ),
        color=_marks(groups)["color"],
    )
    scale = alt.Scale(type="log")
    about = (
        tips(groups.tip, "width") + tips("mean=median", "low=quartile", "high=quartile", number=",.0f") + tips("runs")
    )
    y = alt.Y("mean:Q", title="iteration (median, quartiles)", scale=scale, axis=alt.Axis(format="~s"))
    bars = base.mark_rule(strokeWidth=1.4).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    points = base.mark_point(size=50, filled=True, opacity=1).encode(y=y, shape=_marks(groups)["shape"], tooltip=about)
    return alt.layer(bars, base.mark_line(strokeWidth=1.6).encode(y=y), points).properties(width=560, height=240)


def pair_map(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Every expression when it is the one that is hidden: a 10 x 10 table a size and operation, (5,7) outlined.

    Parameters
    ----------
    table : one row a width and expression: `width`, `operation`, `left`, `right`, `prompt`, `runs`, `share`.
    """
    groups = Groups.of(table, "width")
    base = alt.Chart().encode(
        x=alt.X("right:O", title="right digit", axis=alt.Axis(**PLAIN), scale=GAPS),
        y=alt.Y("left:O", title="left digit", axis=alt.Axis(**PLAIN), scale=GAPS),
    )
    about = tips("prompt=hidden", groups.tip, "runs") + tips("share=right in", number=".0%")
    colour = alt.Color(
        "share:Q", title="runs that have it right", scale=alt.Scale(domain=[0, 1]), legend=alt.Legend(format="%")
    )
    cells = base.mark_rect().encode(color=colour, tooltip=about)
    published = "datum.left * datum.right == 35"  # of digits 5 times 7 alone
    ring = base.mark_rect(filled=False, stroke=HELD_OUT, strokeWidth=2).transform_filter(published)
    panel = alt.layer(cells, ring, data=data(groups.named(table))).properties(width=170, height=170)
    row = alt.Row("operation:N", title=None, sort=["+", "-"], header=alt.Header(labelAngle=0, labelFontSize=16))
    return panel.facet(column=groups.across(), row=row, spacing=10)


def over_time(table: pd.DataFrame, by: str, logarithmic: bool = False) -> alt.TopLevelMixin:
    """The mean share over iterations, linear or `logarithmic`: a panel a size, a line a group.

    Parameters
    ----------
    table : one row a size, group and iteration: `width`, `by`, `iteration`, `share`.
    """
    scale = alt.Scale(type="log" if logarithmic else "linear", nice=False)
    panels, groups = Groups.of(table, "width"), Groups.of(table, by)
    kept = alt.selection_point(name="kept", fields=[groups.field], bind="legend")
    strokes = alt.Legend(title=groups.title, symbolType="stroke", symbolSize=350)
    legend: dict[str, Any] = {"sort": groups.names, "legend": strokes}
    base = alt.Chart().encode(
        x=alt.X("iteration:Q", scale=scale, axis=alt.Axis(format="~s", tickCount=3, grid=False)),
        y=alt.Y(
            "share:Q", title=SHARE.replace(" at the end", ""), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
        ),
        color=alt.Color(f"{groups.field}:N", **legend, scale=groups.scale("colour")),
    )
    about = tips(groups.tip, panels.tip) + tips("iteration", number=",") + tips("share", number=".0%")
    strong = alt.when(kept).then(alt.value(1)).otherwise(alt.value(0.06))
    dash = alt.StrokeDash(f"{groups.field}:N", **legend, scale=groups.scale("dash"))
    line = base.mark_line(strokeWidth=1.6).encode(strokeDash=dash, opacity=strong).add_params(kept)
    points = base.mark_point(size=60, opacity=0).encode(tooltip=about)  # a line alone would be hard to point at
    panel = alt.layer(line, points, data=data(groups.named(panels.named(table))))
    return panel.properties(width=580 // len(panels.names) - 12, height=200).facet(column=panels.across())


def fan(table: pd.DataFrame, title: str, end: str = "") -> alt.TopLevelMixin:
    """The mean share of every size over iterations, along a logarithmic axis; each line has its name at its end.

    Parameters
    ----------
    table : one row a size and iteration: `width`, `iteration` (from 1 on), `share`, `runs`.
    title : what the chart shows, a sentence.
    end : words over a rule at the last iteration, none for no rule.
    """
    groups = Groups.of(table, "width")
    at = np.sort(table["iteration"].unique())
    kept = at[np.unique(np.abs(np.log(at)[:, None] - np.log(np.geomspace(at[0], at[-1], STEPS))).argmin(0))]
    thinned = groups.named(table[table["iteration"].isin(kept)])
    last = thinned[thinned["iteration"] == at[-1]].sort_values("share")
    places = last["share"].to_numpy().copy()
    for i in range(1, len(places)):  # names that would lie on each other are moved apart
        places[i] = max(places[i], places[i - 1] + 0.045)
    ticks = [n for n in (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000) if at[0] <= n <= at[-1]]
    scale = alt.Scale(type="log", domain=[int(at[0]), float(at[-1] * (at[-1] / at[0]) ** 0.09)], nice=False)
    base = alt.Chart(data(thinned)).encode(
        x=alt.X(
            "iteration:Q", title="updates", scale=scale, axis=alt.Axis(values=ticks, format=",", labelFlush=False)
        ),
        y=alt.Y(
            "share:Q", title="hidden sums right (%)", scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5),
        ),
        color=alt.Color(f"{groups.field}:N", sort=groups.names, legend=None, scale=groups.scale("colour")),
    )  # fmt: skip
    about = tips(groups.tip) + tips("iteration=updates", "runs", number=",") + tips("share=right", number=".0%")
    lines = base.mark_line(strokeWidth=2.2)
    points = base.mark_point(size=60, opacity=0).encode(tooltip=about)  # a line alone would be hard to point at
    names = alt.Chart(data(last.assign(place=places))).mark_text(align="left", dx=5, fontWeight=600)
    named = names.encode(x="iteration:Q", y="place:Q", text=f"{groups.field}:N", color=base.encoding.color)
    marked = alt.Chart(data(pd.DataFrame({"iteration": [at[-1]], "words": [end]}))).encode(x="iteration:Q")
    rule = marked.mark_rule(strokeDash=[4, 3], strokeWidth=1.2)
    told = marked.mark_text(align="right", baseline="top", dx=-5, fontSize=10).encode(y=alt.value(3), text="words:N")
    chart = alt.layer(*([rule, told] if end else []), lines, points, named).properties(width=600, height=320)
    return chart.properties(title=title)
