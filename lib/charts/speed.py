"""Speed beside other implementations, beside the machine's limits and at other scales."""

import altair as alt
import pandas as pd

from lib.charts.style import PLAIN, PUBLISHED, SHAPES, data, tips

UPDATES = "updates a second"
DASHED = [[1, 0], [4, 3]]  # what is measured, and what is ideal


def speed_bars(table: pd.DataFrame) -> alt.TopLevelMixin:
    """How many times as long an update takes elsewhere, with the spread of the measurements, on a log axis.

    Parameters
    ----------
    table : one row a comparison: `what`, `against`, `ratio` (over 1: slower than here), `low`, `high`.
    """
    against, low, high = list(table["against"].unique()), 0.8 * table["low"].min(), 2 * table["high"].max()
    chosen = alt.selection_point(name="chosen", fields=["against"], bind="legend")
    colours, ticks = list(PUBLISHED.values())[: len(against)], [m * 10**e for e in range(-3, 7) for m in (1, 2, 5)]
    scale = alt.Scale(type="log", domain=[min(0.9, low), max(1.1, high)], nice=False)
    axis, title = alt.Axis(format="~g", values=ticks, grid=True), "time of an update elsewhere, as a multiple of here"
    x = {f: alt.X(f"{f}:Q", scale=scale, axis=axis, title=title) for f in ("ratio", "low", "high")}
    colour = alt.Color("against:N", title=None, scale=alt.Scale(domain=against, range=colours))
    shape = alt.Shape("against:N", title=None, scale=alt.Scale(domain=against, range=SHAPES[: len(against)]))
    base = alt.Chart(data(table)).encode(
        y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, **PLAIN)),
        yOffset=alt.YOffset("against:N", sort=against),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=tips("what", "against=elsewhere") + tips("ratio", "low", "high", number=".3~r"),
    )
    bars = base.mark_bar(height=8, fillOpacity=0.35).encode(x=x["low"], x2="high:Q", color=colour)
    marks = base.mark_point(size=60, filled=True).encode(x=x["ratio"], color=colour, shape=shape).add_params(chosen)
    labels = base.mark_text(align="left", dx=8).encode(x=x["high"], text=alt.Text("ratio:Q", format=".3~r"))
    one = alt.Chart(alt.InlineData(values=[{}])).mark_rule(strokeDash=[4, 3])
    chart = alt.layer(one.encode(x=alt.XDatum(1, scale=scale)), bars, marks, labels)
    return chart.properties(width=400, height=alt.Step(16 if len(against) > 1 else 28))


def scaling(table: pd.DataFrame, titles: dict[str, str]) -> alt.TopLevelMixin:
    """Updates a second as something grows, beside the ideal: a panel an axis, both axes logarithmic.

    Parameters
    ----------
    table : one row a measurement: `axis`, `at`, `updates`, `low`, `high` and `ideal`.
    titles : what stands under each panel, by axis; they stand in this order.
    """
    ends = [0.8 * table["low"].min(), 1.25 * table[["high", "ideal"]].max().max()]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    table = table.rename(columns={"updates": "measured"})
    rows = table.melt(["axis", "at", "low", "high"], ["measured", "ideal"], var_name="kind", value_name="rate")
    rows.loc[rows["kind"] == "ideal", ["low", "high"]] = float("nan")
    colours = alt.Scale(domain=["measured", "ideal"], range=[PUBLISHED[56], PUBLISHED[14]])
    dashes = alt.Scale(domain=["measured", "ideal"], range=DASHED)
    panels = []
    for place, (axis, title) in enumerate(titles.items()):
        at = table.loc[table["axis"] == axis, "at"].tolist()
        across = alt.Scale(type="log", domain=[min(at), max(at)], padding=10, nice=False)
        left = alt.Axis(format="~s", labels=place == 0, tickCount=5)
        y = {f: alt.Y(f"{f}:Q", title=None if place else UPDATES, scale=scale, axis=left) for f in ("rate", "low")}
        base = alt.Chart(data(rows[rows["axis"] == axis])).encode(
            x=alt.X("at:Q", title=title, scale=across, axis=alt.Axis(values=at, grid=False, format="d")),
            y=y["rate"],
            color=alt.Color("kind:N", title=None, scale=colours),
            tooltip=tips("kind", f"at={title}") + tips(f"rate={UPDATES}", "low", "high", number=",.3~r"),
        )
        line = base.mark_line(strokeWidth=1.5).encode(strokeDash=alt.StrokeDash("kind:N", title=None, scale=dashes))
        spans = base.mark_rule(strokeWidth=6, opacity=0.35).encode(y=y["low"], y2="high:Q")
        points = base.mark_point(size=40, filled=True, opacity=1)
        panels.append(alt.layer(line, spans, points).properties(width=135, height=200))
    return alt.hconcat(*panels, spacing=14)
