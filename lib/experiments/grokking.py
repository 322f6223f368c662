"""Grokking: ten times as long, with and without weight decay. Does what was lost come back?"""

import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.run import Run
from lib.stats import estimates, intervals

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "weight_decay", "width"]
STAGED = "width"
LOOKS = ({28: 6, 56: 3}, {28: 20, 56: 10})  # registered seeds a cell, by width
DECAYS = (0.0, 0.1)  # rate times decay then add up to 0 and 127
EVALUATIONS = 100
CONTRASTS = 4  # primary ones: two sizes, two decays
PROFILES = {"full": {"widths": list(LOOKS[0]), "iterations": 300_000}}


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int) -> pd.DataFrame:
    """Every width, seed and weight decay (column `look`: the registered look that a run belongs to)."""
    cells: dict[Run, int] = {}
    for look, most in enumerate(LOOKS if seeds is None else (dict.fromkeys(widths, seeds),), 1):
        for width, seed, decay in itertools.product(sorted(set(widths)), range(max(most.values())), DECAYS):
            if seed < most.get(width, 0):
                often = {"evaluate_every": max(1, iterations // EVALUATIONS)}
                cells.setdefault(sweeps.registered(width, seed, iterations, "lines", weight_decay=decay, **often), look)
    return sweeps.table(cells, look=cells.values())


def judged(curves: pd.DataFrame) -> pd.DataFrame:
    """The mean share of held-out sums right in the last tenth of a run less that in its second: a row a size and decay.

    A run is its own control; where no two differ in what they gain, the tenths are compared as if of other runs.

    Columns: width, weight_decay, runs, early, late, difference, low, high, verdict.

    Parameters
    ----------
    curves : `Store.curves` of runs of this sweep.
    """
    rows = []
    cells = curves.reset_index(drop=True).groupby(["width", "weight_decay"]) if len(curves) else []
    for (width, decay), cell in cells:
        share, part = estimates.share_right(cell), cell["iteration"] / cell["iteration"].max()
        early, late = (share[part.gt(a) & part.le(b)].groupby(cell["run"]).mean() for a, b in ((0.1, 0.2), (0.9, 1.0)))
        found, gained = estimates.difference(late, early, CONTRASTS), (late - early).to_numpy()
        if np.ptp(gained) > 0:
            low, high = intervals.bootstrap(gained, alpha=intervals.ALPHA / CONTRASTS)
            found = estimates.Estimate(float(gained.mean()), low, high, len(gained))
        word = estimates.judge(found, {"late generalization": 0.25}, {"no late generalization": 0.25})
        row = {"width": int(width), "weight_decay": decay, "runs": found.units}
        row |= {"early": early.mean(), "late": late.mean(), "difference": found.mean}
        rows.append(row | {"low": found.low, "high": found.high, "verdict": word})
    columns = ["width", "weight_decay", "runs", "early", "late", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def over_time(curves: pd.DataFrame) -> pd.DataFrame:
    """The mean share right: columns width, weight decay (in words), iteration, share, seeds."""
    shares = curves[curves["iteration"] > 0].reset_index(drop=True).assign(share=estimates.share_right)
    named = shares.assign(**{"weight decay": shares["weight_decay"].map("{:g}".format)})
    keys = ["width", "weight decay", "iteration"]
    return named.groupby(keys, as_index=False).agg(share=("share", "mean"), seeds=("seed", "nunique"))
