"""Order: the published stream, windows that straddle lines in no order, and windows that begin where lines begin."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.run import Run
from lib.stats import estimates
from lib.stats.measures import succeeded

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "windows", "width"]
FACTORS = {"windows": ["anywhere", "pairs", "lines"]}
LOOKS = ({14: 12, 28: 12, 56: 6}, {14: 40, 28: 40, 56: 20})  # registered seeds a cell, by width
PROFILES = {"full": {"widths": list(LOOKS[0])}}


def sweep(
    tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, windows: list[str]
) -> pd.DataFrame:
    """Every text, width and seed (column `look`: the registered look that it belongs to)."""
    cells: dict[Run, int] = {}
    for look, most in enumerate(LOOKS if seeds is None else (dict.fromkeys(widths, seeds),), 1):
        for seed, width, window in itertools.product(range(max(most.values())), sorted(set(widths)), windows):
            if seed < most.get(width, 0):
                cells.setdefault(sweeps.registered(width, seed, iterations, window, evaluate_every=100), look)
    return sweeps.table(cells, look=cells.values())


def judged(runs: pd.DataFrame) -> pd.DataFrame:
    """Without order less with it, by size, at the level of one of three contrasts, and the registered word.

    Columns: width, runs, with_order, without_order, aligned (mean shares); difference, low, high; high_without, the
    upper bound without order; verdict.
    """
    rows = []
    for width, cell in runs.groupby("width"):
        share = {name: estimates.share_right(cell[cell["windows"] == name]) for name in FACTORS["windows"]}
        found = estimates.difference(share["pairs"], share["anywhere"], 3)
        without = estimates.mean(share["pairs"], 3)
        word = estimates.judge(found, {"order explains it": 0.25}, {})
        if word == "unresolved" and without.high < 0.1:
            word = "order does not explain it"
        row = {"width": int(width), "runs": found.units, "with_order": share["anywhere"].mean()}
        row |= {"without_order": without.mean, "aligned": share["lines"].mean(), "difference": found.mean}
        row |= {"low": found.low, "high": found.high, "high_without": without.high}
        rows.append(row | {"verdict": word if int(width) != 14 else ""})
    columns = ["width", "runs", "with_order", "without_order", "aligned", "difference", "low", "high", "high_without"]
    return pd.DataFrame(rows, columns=[*columns, "verdict"])


def steadiness(curves: pd.DataFrame) -> pd.DataFrame:
    """The share of the evaluations of the last third with all held-out sums right, a row a text and width.

    Columns: windows, width, runs, mean, low, high.
    """
    late = curves[curves["iteration"] > curves["iteration"].max() * 2 / 3]
    steady = late.assign(right=succeeded).groupby(["windows", "width", "run"], as_index=False)["right"].mean()
    return estimates.table(steady, ["windows", "width"], steady["right"])
