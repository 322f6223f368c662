"""What all charts share: two themes, colours, dashes, shapes, and how the models of a table are told apart."""

import json
import math
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from lib.errors import UserError, some
from lib.stats.words import TITLES, size_name

_LOSSES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 4]
MEASURES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    # column: (title with its unit, format of its numbers, axis, scale)
    "seen_accuracy": (TITLES["seen_accuracy"], ".1%", {"format": "%"}, {"domain": [0, 1.02], "nice": False}),
    "held_out_correct": (TITLES["held_out_correct"], ".2~f", {"tickMinStep": 1}, {"zero": True}),
    "facts_accuracy": (TITLES["facts_accuracy"], ".1%", {"format": "%"}, {"domain": [0, 1.02], "nice": False}),
    "loss": (TITLES["loss"], ".3f", {"values": _LOSSES, "tickCount": 20}, {}),
}
STEPS = 60  # along the iterations, at most

# Sizes go from warm to cool. The published four were searched for in OKLab: 3:1 or more against both pages, and 0.15
# apart in normal, deuteranope, protanope and tritanope vision. Dashes and shapes say the same once more.
PUBLISHED = {14: "#dc7c29", 28: "#c42847", 56: "#7359db", 384: "#009eaf"}
_RAMP = {4: "#8c8a00", **PUBLISHED, 1536: "#3c9b4e"}
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [10, 4], [1, 3], [6, 2, 2, 2, 2, 2]]
SHAPES = ["circle", "square", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left"]
READ = ["rgba(63,143,181,.55)", "rgba(201,138,0,.6)", "rgba(128,138,150,.14)"]  # behind text: marked, held out, plain
RIGHT, WRONG, HELD_OUT, UNDECIDED = "#1f9d55", "rgba(128,138,150,.3)", "#c68800", "#8a94a0"

HOVER: dict[str, Any] = {"on": "pointerover", "clear": "pointerout"}
GAPS = alt.Scale(paddingInner=0.08, paddingOuter=0)
PLAIN: dict[str, Any] = {"domain": False, "ticks": False, "labelAngle": 0}
LEFT: dict[str, Any] = {"labelAngle": 0, "labelAlign": "left"}  # of the names of rows
THOUSANDS = "datum.value < 1000 ? datum.value : datum.value / 1000 + 'k'"


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
        "legend": {**legend, **small, "symbolStrokeWidth": 2, "labelLimit": 260},
        "text": {"color": ink},
        "rule": {"color": quiet},
        "range": {"heatmap": ramp, "ramp": ramp},
    }


LIGHT = _config("#1f2933", "#5b6770", "#d5dae0", ["#edf0f3", "#9fc7dc", "#3f8fb5", "#0b4a6b"])
DARK = _config("#e6eaee", "#a3adb8", "#3a434e", ["#252d38", "#2b5f7d", "#4a9cc4", "#a9e1fa"])


def theme() -> None:
    """Make Altair add no configuration of its own, so that `LIGHT` or `DARK` decides wherever a chart is drawn."""
    alt.theme.register("bare", enable=True)(lambda: alt.theme.ThemeConfig())


def size_colour(width: float) -> str:
    """The colour of a width: fixed for the published ones, between its neighbours' for any other."""
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _RAMP.values()])
    return "#" + "".join(f"{round(np.interp(math.log(width), np.log(list(_RAMP)), c)):02x}" for c in rgb.T)


@dataclass(frozen=True)
class Groups:
    """The models of a table, told apart by one column: their names, their order and what marks them.

    Widths are sizes and keep their names and colours in every chart. Anything else is named by its value.

    Attributes
    ----------
    by : the column.
    values : what is found in it: numbers ascending, anything else as it first comes up.
    """

    by: str
    values: list[Any]

    @classmethod
    def of(cls, table: pd.DataFrame, by: str) -> "Groups":
        """The groups of a table; `Lacking` where it has none."""
        found = some(table)[by].unique().tolist()
        return cls(by, sorted(found) if pd.api.types.is_numeric_dtype(table[by]) else found)

    @property
    def field(self) -> str:
        """Where a chart's data have the names."""
        return "size" if self.by == "width" else self.by

    @property
    def title(self) -> str | None:
        """What stands over the names, or beside them; sizes speak for themselves."""
        return None if self.by == "width" else self.by.replace("_", " ")

    @property
    def tip(self) -> str:
        """The names as a field of `tips`."""
        return f"{self.field}={self.title or self.field}"

    @property
    def names(self) -> list[str]:
        """The names, in order."""
        return [self._name(value) for value in self.values]

    def _name(self, value: Any) -> str:
        if self.by == "width":
            return size_name(int(value))
        return f"{value:.12g}" if isinstance(value, float) else str(value)

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with names (`field`) in the place of the column."""
        return table.drop(columns=self.by).assign(**{self.field: [self._name(value) for value in table[self.by]]})

    def marks(self, kind: str) -> list[Any]:
        """What marks each group: its "colour", "dash" or "shape"."""
        marks: dict[str, list[Any]] = {"dash": DASHES, "shape": SHAPES}
        if self.by == "width":
            order = [*PUBLISHED, *(w for w in self.values if w not in PUBLISHED)]
            marks["colour"] = [size_colour(w) for w in order]
        else:  # spread over the same colours
            order = self.values
            few = [colour for at, colour in _RAMP.items() if at in PUBLISHED or len(order) > len(PUBLISHED)]
            spread = [size_colour(at) for at in np.geomspace(min(PUBLISHED), max(PUBLISHED), len(order))]
            marks["colour"] = few if len(PUBLISHED) < len(order) <= len(few) else spread
        return [marks[kind][order.index(value) % len(marks[kind])] for value in self.values]

    def scale(self, kind: str) -> alt.Scale:
        """The scale of a channel that marks the groups (see `marks`)."""
        return alt.Scale(domain=self.names, range=self.marks(kind))

    def across(self) -> alt.Column:
        """A column of panels a group."""
        return alt.Column(f"{self.field}:N", sort=self.names, title=self.title)


def crossed(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The table with a row of nothing for every combination of columns that it lacks.

    Vega-Lite puts the panels of a facet one after the other: where one lacks, the next would stand in its place.
    """
    lists = [name for name in table if table[name].map(type).eq(list).any()]
    every = pd.MultiIndex.from_product([table[name].unique() for name in names], names=names).to_frame(index=False)
    full = every.merge(table, how="left", on=list(names))
    return full.assign(**{x: [v if isinstance(v, list) else [None] for v in full[x]] for x in lists})


def one_run_each(table: pd.DataFrame, keys: list[str]) -> None:
    """Raises UserError where several rows share all keys: a chart by these would mix runs that differ in something."""
    if table.duplicated(keys).any():
        raise UserError(
            f"by is {keys[0]!r}, but it must tell the runs apart: the table has several rows for one "
            f"{', '.join(keys[:-1])} and {keys[-1]}."
        )


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for the browser: four decimals, null for what is missing."""
    return json.loads(table.to_json(orient="records", double_precision=4))


def data(table: pd.DataFrame) -> alt.InlineData:
    """A table as the data of a chart."""
    return alt.InlineData(values=records(table))


def tips(*fields: str, number: str = "") -> list[alt.Tooltip]:
    """Tooltips of fields, or of "field=title"; a format makes them numbers."""
    names = [f.partition("=") for f in fields]
    kind: dict[str, Any] = {"type": "quantitative", "format": number} if number else {"type": "nominal"}
    return [alt.Tooltip(field=field, title=title or field, **kind) for field, _, title in names]


def switch(name: str, options: list[str], label: str) -> alt.Parameter:
    """Buttons of which one is chosen, the first to begin with."""
    return alt.param(name=name, value=options[0], bind=alt.binding_radio(options=options, name=f"{label}: "))


def fitted(scale: dict[str, Any], values: pd.Series) -> alt.Scale:
    """A measure's scale; the one without bounds is logarithmic, a little wider than its values."""
    ends = [0.93 * values.min(), 1.08 * values.max()]
    return alt.Scale(**(scale or {"type": "log", "domain": ends, "nice": False}))
