"""Charts of the exploratory experiments: the training loss in parts beside success."""

from typing import Any

import altair as alt
import pandas as pd

from lib.charts.style import RIGHT, Groups, data, tips

RIGHT_SHARE = "held-out sums|right (%)"
LEARNT = "nats a character|above knowing the lines"


def _panels(table: pd.DataFrame, last: bool) -> dict[str, Any]:
    """What both rows of panels share: iterations along a logarithmic axis, a dash a text."""
    ends = [int(table["iteration"].min()), int(table["iteration"].max())]
    texts = Groups.of(table, "text")
    legend = alt.Legend(title="text", symbolType="stroke", symbolSize=350)
    return {
        "x": alt.X(
            "iteration:Q",
            title="iteration" if last else None,
            scale=alt.Scale(type="log", domain=ends, nice=False),
            axis=alt.Axis(format="~s", tickCount=3, grid=False, labels=last, ticks=last),
        ),
        "strokeDash": alt.StrokeDash("text:N", sort=texts.names, scale=texts.scale("dash"), legend=legend),
    }


def _row(panel: Any, table: pd.DataFrame, height: int, named: bool) -> alt.FacetChart:
    """A panel a size, side by side; the names of the sizes stand over the upper row only."""
    sizes = Groups.of(table, "width")
    panel = panel.properties(data=data(sizes.named(table)), width=570 // len(sizes.names) - 22, height=height)
    header = alt.Header(labels=named, labelPadding=4)
    return panel.facet(column=alt.Column(f"{sizes.field}:N", sort=sizes.names, title=None, header=header), spacing=14)


def clock(success: pd.DataFrame, parts: pd.DataFrame, title: str) -> alt.TopLevelMixin:
    """Held-out sums right over the training loss in parts, a column of panels a size, a dash a text.

    Parameters
    ----------
    success : a row a size, text and iteration: `width`, `text`, `iteration`, `mean`, `low`, `high` (shares), `runs`.
    parts : a row a size, text, iteration and part: `width`, `text`, `iteration`, `part`, `nats` (a character, above
        what a reader pays who knows the lines and not their order), `runs`.
    title : what the chart shows, in a sentence.
    """
    base = alt.Chart().encode(**_panels(success, last=False))
    about = tips("text") + tips("iteration", number=",") + tips("mean=right", number=".0%")
    about += tips("low", "high", number=".0%") + tips("runs")
    axis = alt.Axis(format="%", tickCount=3, minExtent=38)
    share = alt.Y("mean:Q", title=RIGHT_SHARE.split("|"), scale=alt.Scale(domain=[0, 1]), axis=axis)
    line = base.mark_line(strokeWidth=2, color=RIGHT).encode(y=share)
    points = base.mark_point(size=60, opacity=0).encode(y=share, tooltip=about)
    upper = _row(alt.layer(line, points), success, 110, named=True)

    groups = Groups.of(parts, "part")
    base = alt.Chart().encode(**_panels(parts, last=True))
    nats = alt.Y("nats:Q", title=LEARNT.split("|"), axis=alt.Axis(tickCount=5, format=".1f", minExtent=38))
    colour = alt.Color("part:N", sort=groups.names, title="what is learnt", scale=groups.scale("colour"))
    about = tips("part", "text") + tips("iteration", number=",") + tips("nats", number=".3f") + tips("runs")
    zero = alt.Chart().mark_rule(strokeWidth=1).encode(y=alt.datum(0))
    line = base.mark_line(strokeWidth=1.8).encode(y=nats, color=colour)
    points = base.mark_point(size=60, opacity=0).encode(y=nats, tooltip=about)
    lower = _row(alt.layer(zero, line, points), parts, 170, named=False)
    return alt.vconcat(upper, lower, spacing=6, title=alt.Title(title, anchor="start"))
