"""Speed beside other implementations."""

import altair as alt
import pandas as pd

from lib.charts.style import PLAIN, PUBLISHED, SHAPES, data, tips


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
    shape = alt.Shape("against:N", title="against", scale=alt.Scale(domain=against, range=SHAPES[: len(against)]))
    base = alt.Chart(data(table)).encode(
        y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, **PLAIN)),
        yOffset=alt.YOffset("against:N", sort=against),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=tips("what", "against") + tips("ratio", "low", "high", number=".3~r"),
    )
    bars = base.mark_bar(height=8, fillOpacity=0.35).encode(x=x["low"], x2="high:Q", color=colour)
    marks = base.mark_point(size=60, filled=True).encode(x=x["ratio"], color=colour, shape=shape).add_params(chosen)
    labels = base.mark_text(align="left", dx=8).encode(x=x["high"], text=alt.Text("ratio:Q", format=".3~r"))
    one = alt.Chart(alt.InlineData(values=[{}])).mark_rule(strokeDash=[4, 3])
    chart = alt.layer(one.encode(x=alt.XDatum(1, scale=scale)), bars, marks, labels)
    return chart.properties(width=440, height=alt.Step(20 if len(against) > 1 else 28))
