"""Every pair: each of the 55 unordered pairs of digits held out in turn, not the published one alone."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.errors import some
from lib.experiments import Source
from lib.run import Run
from lib.stats import estimates
from lib.stats.estimates import Cells, Count, Estimate

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
PUBLISHED = "5,7"


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
                often = {"evaluate_every": 100} if pair == PUBLISHED else {}  # runs that other experiments share
                cells.setdefault(sweeps.registered(width, seed, iterations, window, held_out=pair, **often), look)
    return sweeps.table(cells, look=cells.values())


@dataclass(frozen=True)
class Results:
    """What the runs say. Texts are told apart by `windows`, "lines" (aligned) or "anywhere" (the published stream).

    `aligned` and `stream` are the words of the criterion, which is about n14. `right` has the mean share of the hidden
    expressions right by text and width; its units are the pairs of different digits. `published` is the share of n14,
    by text, where (5,7) is hidden; its units are runs, and it has no interval. `as_good` counts the other pairs of
    different digits with which n14 has at least as much.
    """

    aligned: str
    stream: str
    right: Cells
    published: Cells
    as_good: Cells


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


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where there is none."""
    units = by_pair(some(source.runs))
    table, unlike = judged(units), units[~units["alike"]]
    word = table[table["width"] == 14].set_index("windows")["verdict"]
    published, as_good = Cells(), Cells()
    for windows, cell in unlike[unlike["width"] == 14].groupby("windows"):
        hidden = cell["held_out"] == PUBLISHED
        for share, seeds in cell.loc[hidden, ["share", "seeds"]].itertuples(index=False, name=None):
            published[windows] = Estimate(share, np.nan, np.nan, seeds)
            as_good[windows] = Count(int((cell.loc[~hidden, "share"] >= share).sum()), int((~hidden).sum()))
    right = Cells()
    for r in table.itertuples():
        right.setdefault(r.windows, Cells())[r.width] = Estimate(r.mean, r.low, r.high, r.pairs)
    return Results(
        aligned=word.get("lines", "missing"), stream=word.get("anywhere", "missing"), right=right,
        published=published, as_good=as_good,
    )  # fmt: skip
