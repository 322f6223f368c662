"""The hole as a signal: is a sum got wrong because the model has learnt that it is never asked?

Exploratory: it judges nothing. Windows are aligned, and what counts in the loss is moved (`tasks.TARGETS`).
"""

import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.stats import estimates, words

TASKS = ("arithmetic",)
FACTORS = {"targets": ["all", "answers", "shown"]}
PROFILES = {"full": {"widths": [28], "seeds": 2}}  # the smallest published size that fails
SHORT = {"widths": [14, 28], "seeds": 5, "iterations": 10_000}  # a first series, as far as it went
SAID = {"all": "every character", "answers": "answers alone", "shown": "hidden operands shown"}
FEWEST = 5  # runs of a cell that an interval rests on: two that are alike would have one without width
CONTRASTS = (("shown", "all"), ("shown", "answers"), ("answers", "all"))


def sweep(tasks: list[str], widths: list[int], *, seeds: int, iterations: int, targets: list[str]) -> pd.DataFrame:
    """Every seed, width and choice of what counts in the loss."""
    cells = itertools.product(range(seeds), sorted(set(widths)), targets)
    return sweeps.table(
        sweeps.registered(width, sweeps.EXPLORATORY + seed, iterations, "lines", targets=what)
        for seed, width, what in cells
    )


def contrasts(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean share of held-out sums right of one choice less that of another: a row a size and two choices.

    Columns: width, first, second, first_runs, second_runs, difference; low and high, NaN where one of the choices has
    fewer than `FEWEST` runs.
    """
    rows = []
    for width, cell in runs.groupby("width"):
        share = {name: estimates.share_right(cell[cell["targets"] == name]) for name in FACTORS["targets"]}
        for first, second in CONTRASTS:
            found = estimates.difference(share[first], share[second])
            row = {"width": int(width), "first": first, "second": second}
            row |= {"first_runs": len(share[first]), "second_runs": len(share[second])}
            low, high = (found.low, found.high) if found.units >= FEWEST else (np.nan, np.nan)
            rows.append(row | {"difference": found.mean, "low": low, "high": high})
    columns = ["width", "first", "second", "first_runs", "second_runs", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="difference")


def by_operation(items: pd.DataFrame) -> pd.DataFrame:
    """The share right at the end of the two sums and the two differences that are hidden: a row a size and choice.

    Columns: width, targets, +, -.

    Parameters
    ----------
    items : `Store.items` of the held-out expressions at the last iteration.
    """
    keys = ["width", "targets", "operation"]
    return (
        items.groupby(keys, observed=True)["greedy"].mean().unstack("operation").reset_index().rename_axis(columns=None)
    )


def message(table: pd.DataFrame) -> str:
    """What `contrasts` shows of the operands, in one sentence."""
    shown = table[(table["first"] == "shown") & (table["second"] == "all")]
    more, less = (
        [words.size_name(w) for w in shown.loc[side, "width"]] for side in (shown["low"] > 0, shown["high"] < 0)
    )
    said = [f"raises {words.listing(more)}"] if more else []
    said += [f"lowers {words.listing(less)}"] if less else []
    if shown["low"].isna().all():
        each = [f"{words.size_name(r.width)} {100 * r.difference:+z.0f} points" for r in shown.itertuples()]
        return f"Showing the hidden operands: {', '.join(each) or 'no run yet'} (not evidence yet)"
    return f"Showing the hidden operands {' and '.join(said) or 'changes nothing that these runs can show'}"
