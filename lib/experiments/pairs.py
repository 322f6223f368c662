"""Every pair: each of the 55 unordered pairs of digits held out in turn, not the published one alone."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.run import Run
from lib.stats import estimates

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "windows", "width"]
STAGED = "windows"
FACTORS = {"windows": ["lines", "anywhere"]}
LOOKS = (  # registered seeds a pair, by windows and width
    {"lines": {14: 1, 28: 1, 56: 1}, "anywhere": {14: 1, 28: 1}},
    {"lines": {14: 5, 28: 5, 56: 2}, "anywhere": {14: 5, 28: 5, 56: 2}},
)
PROFILES = {"full": {"widths": [14, 28, 56]}}
PAIRS = [f"{a},{b}" for a in range(10) for b in range(a, 10)]


def sweep(
    tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, windows: list[str]
) -> pd.DataFrame:
    """Every pair, width and seed (column `look`: the registered look that it belongs to)."""
    cells: dict[Run, int] = {}
    asked = dict.fromkeys(windows, dict.fromkeys(widths, seeds or 0))
    for look, most in enumerate(LOOKS if seeds is None else (asked,), 1):
        cellwise = itertools.product(range(seeds or 5), windows, sorted(set(widths)), PAIRS)
        for seed, window, width, pair in cellwise:
            if seed < most[window].get(width, 0):
                often = {"evaluate_every": 100} if pair == "5,7" else {}  # runs that other experiments share
                cells.setdefault(sweeps.registered(width, seed, iterations, window, held_out=pair, **often), look)
    return sweeps.table(cells, look=cells.values())


def by_pair(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a text, width and pair, the unit of this experiment: the mean share of its expressions that are right.

    Columns: windows, width, held_out, seeds, share; alike: whether its digits are the same; distance of its digits;
    edge: whether one of them is 0 or 9.
    """
    units = runs.assign(share=estimates.share_right).groupby(["windows", "width", "held_out"], as_index=False)
    table = units.agg(seeds=("seed", "nunique"), share=("share", "mean"))
    a, b = (table["held_out"].str[at].astype(int) for at in (0, 2))
    return table.assign(alike=a == b, distance=b - a, edge=(a == 0) | (b == 9))


def judged(units: pd.DataFrame) -> pd.DataFrame:
    """The mean over the 45 pairs of different digits, and the registered word for n14: a row a text and width."""
    rows = []
    for (windows, width), cell in units[~units["alike"].astype(bool)].groupby(["windows", "width"]):
        found = estimates.mean(cell["share"])
        word = estimates.judge(found, {"about arithmetic": 0.5}, {"about (5,7)": 0.5}) if width == 14 else ""
        row = {"windows": windows, "width": int(width), "pairs": len(cell), "mean": found.mean, "low": found.low}
        rows.append(row | {"high": found.high, "verdict": word})
    return pd.DataFrame(rows, columns=["windows", "width", "pairs", "mean", "low", "high", "verdict"])


def kinds(units: pd.DataFrame, windows: str) -> pd.DataFrame:
    """The mean share by the distance of the digits, a row a width and distance (0: doubles)."""
    cells = units[units["windows"] == windows].groupby(["width", "distance"], as_index=False)
    return cells.agg(pairs=("share", "size"), share=("share", "mean"))


def expressions(items: pd.DataFrame) -> pd.DataFrame:
    """The map: a row a width and held-out expression, with the share of its runs that have it right at the end.

    Columns: width, operation, left, right, prompt, runs, share.

    Parameters
    ----------
    items : `Store.items` of the held-out expressions at the last iteration.
    """
    keys = ["width", "operation", "left", "right", "prompt"]
    return items.groupby(keys, as_index=False)["greedy"].agg(runs="size", share="mean")
