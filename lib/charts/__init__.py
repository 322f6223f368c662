"""Charts: from tidy tables to Altair charts.

Notable features:
- a function takes a pandas table and says which columns it needs; it knows nothing of models or of the store;
- the models of a table are told apart by the column that a chart is given (`style.Groups`);
- the page's colours are not in a chart: `LIGHT` and `DARK` are the two configurations to draw it with;
- tables are aggregated and thinned before they are embedded, and long series go in as arrays that the browser unfolds;
- every parameter is named, so that the same table always gives the same specification.
"""

from lib.charts.causes import fan, over_time, pair_map, rows, spectrum, times
from lib.charts.curves import curve_rows, learning_curves, paper_bands
from lib.charts.exploratory import clock
from lib.charts.items import fact_grid, grid, item_grid, raster, windows
from lib.charts.speed import scaling, speed_bars
from lib.charts.style import DARK, LIGHT, theme
from lib.charts.verdicts import forest, predicted, seed_strips

__all__ = [
    "DARK", "LIGHT", "clock", "curve_rows", "fact_grid", "fan", "forest", "grid", "item_grid", "learning_curves",
    "over_time", "pair_map", "paper_bands", "predicted", "raster", "rows", "scaling", "seed_strips", "spectrum",
    "speed_bars", "theme", "times", "windows",
]  # fmt: skip
