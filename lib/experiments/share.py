"""Share and range: how many pairs can be hidden before each size fails, and sums outside of the range that was seen."""

import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.experiments.pairs import PAIRS
from lib.run import Run
from lib.stats import estimates

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "width"]
FACTORS: dict[str, list] = {"part": ["share", "range"], "hidden": [1, 2, 4, 8, 16, 28]}
RANGES = {  # true extrapolation: what lies beyond all that was seen; every digit is still seen somewhere
    "no operand 9": " ".join(pair for pair in PAIRS if "9" in pair),
    "no result over 15": " ".join(pair for pair in PAIRS if int(pair[0]) + int(pair[2]) > 15),
}
LOOKS = (4, 10)  # registered draws of the hidden pairs, each with a seed of its own
PROFILES = {"full": {"widths": [14, 28, 56]}}


def drawn(count: int, seed: int) -> str:
    """`count` of the 55 pairs, drawn for a seed."""
    return " ".join(PAIRS[i] for i in np.random.RandomState(seed).choice(len(PAIRS), count, replace=False))


def sweep(
    tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, part: list[str], hidden: list[int]
) -> pd.DataFrame:
    """Every draw and width; columns `look`, and `hides`: how many pairs are hidden, or beyond which range."""
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for seed, width in itertools.product(range(most), sorted(set(widths))):
            share = {str(count): drawn(count, sweeps.FIRST_SEED + seed) for count in hidden}
            for hides, pairs in ((share if "share" in part else {}) | (RANGES if "range" in part else {})).items():
                run = sweeps.registered(width, seed, iterations, "lines", held_out=pairs)
                cells.setdefault(run, {"look": look, "hides": hides})
    return sweeps.labelled(cells, ["look", "hides"])


def frontier(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean share right by what is hidden and size (`estimates.table`), and what n14 leads n56 by.

    Columns: hides, width, runs, mean, low, high, lead, lead_low, lead_high.
    """
    leads = []
    for hides, cell in runs.groupby("hides", sort=False):
        share = {width: estimates.share_right(cell[cell["width"] == width]) for width in (14, 56)}
        lead = estimates.difference(share[14], share[56])
        leads.append({"hides": hides, "lead": lead.mean, "lead_low": lead.low, "lead_high": lead.high})
    columns = ["hides", "lead", "lead_low", "lead_high"]
    return estimates.table(runs, ["hides", "width"]).merge(pd.DataFrame(leads, columns=columns), on="hides")


def leads(table: pd.DataFrame) -> pd.DataFrame:
    """A row a number of hidden pairs, from `frontier`: the registered contrasts."""
    return table[table["hides"].isin(list(map(str, FACTORS["hidden"])))].drop_duplicates("hides")


def verdict(table: pd.DataFrame) -> str:
    """The registered word on whether smaller is better whatever share is hidden."""
    found = leads(table)
    if len(found) < len(FACTORS["hidden"]) or found["lead_low"].isna().any():
        return "missing"
    if (found["lead_low"] > 0).sum() >= 4:
        return "too big to think"
    return "not whatever is hidden" if (found["lead_high"] < 0.1).sum() >= 3 else "unresolved"
