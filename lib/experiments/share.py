"""Share and range: how many pairs can be hidden before each size fails, and sums outside of the range that was seen."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.errors import some
from lib.experiments import Source
from lib.experiments.pairs import PAIRS
from lib.run import Run
from lib.stats import estimates
from lib.stats.estimates import Cells, Estimate

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "width"]
FACTORS: dict[str, list] = {"part": ["share", "range"], "hidden": [1, 2, 4, 8, 16, 28]}
RANGES = {  # true extrapolation: what lies beyond all that was seen; every digit is still seen somewhere
    "no operand 9": " ".join(pair for pair in PAIRS if "9" in pair),
    "no result over 15": " ".join(pair for pair in PAIRS if int(pair[0]) + int(pair[2]) > 15),
}
FLOOR = 0.2  # of the hidden expressions: with less no size is said to lead
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


@dataclass(frozen=True)
class Results:
    """What the runs say, by how many of the 55 pairs are hidden.

    `word` is that of the criterion. `right` has the mean share of the hidden expressions right by number of hidden
    pairs and width, `beyond` the same by range (a name of `RANGES`) and width. `lead` is what n14 has more than n56,
    by each registered number of hidden pairs. `ahead` are the numbers for which the interval of the lead is over 0.
    `lost` are those with which no size has a mean share of `FLOOR`, and `most` is the highest of their means.
    """

    word: str
    right: Cells
    beyond: Cells
    lead: Cells
    ahead: list[int]
    lost: list[int]
    most: float | None


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


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where there is none."""
    table, right, beyond = frontier(some(source.runs)), Cells(), Cells()
    for r in table.sort_values("width", kind="stable").itertuples():
        cells, hides = (right, int(r.hides)) if r.hides.isdecimal() else (beyond, r.hides)
        cells.setdefault(hides, Cells())[r.width] = Estimate(r.mean, r.low, r.high, r.runs)
    lead = Cells()
    for r in leads(table).itertuples():
        sizes = right[int(r.hides)]
        units = min(sizes[width].units if width in sizes else 0 for width in (14, 56))
        lead[int(r.hides)] = Estimate(r.lead, r.lead_low, r.lead_high, units)
    best = {hides: max(share.mean for share in sizes.values()) for hides, sizes in right.items()}
    lost = {hides: share for hides, share in best.items() if share < FLOOR}
    return Results(
        word=verdict(table), right=right, beyond=beyond, lead=lead, lost=list(lost),
        ahead=[hides for hides, by in lead.items() if by.low > 0], most=max(lost.values(), default=None),
    )  # fmt: skip
