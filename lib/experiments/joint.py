"""Joint training: the published protocol on the sums and the facts together, and what it does beside each alone."""

import pandas as pd

from lib.experiments.capacity import sweep
from lib.stats import estimates, words

__all__ = ["TASKS", "outcomes", "sweep"]
TASKS = ("joint",)


def outcomes(runs: pd.DataFrame) -> pd.DataFrame:
    """What each size has right at the end, alone and together: `estimates.table` by outcome (words) and width.

    Parameters
    ----------
    runs : of one variant, on the sums, on the facts and on both (`Store.runs`).
    """
    alone = {"arithmetic": "alone", "facts": "alone", "joint": "with the other task"}
    parts = []
    for measure, name in words.SHORT.items():
        named = runs.assign(outcome=[f"{name}, {alone[task]}" for task in runs["task"]])
        values = estimates.share_right(runs) if measure == "held_out_correct" else runs[measure]
        parts.append(estimates.table(named, ["outcome", "width"], values))
    order = [f"{name}, {how}" for name in words.SHORT.values() for how in ("alone", "with the other task")]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(place=table["outcome"].map(order.index)).sort_values(["place", "width"]).drop(columns="place")
