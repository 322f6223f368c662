"""Over time: when the runs of the registered replication answer the held-out sums, and at what loss."""

import pandas as pd

from lib.stats import measures, words
from lib.stats.measures import RULES, reported, succeeded
from lib.stats.words import per_cent, size_name

TASKS = ()  # it reads the runs of the replication


def spans(items: pd.DataFrame) -> pd.DataFrame:
    """When each run first and last answers each held-out sum, and at what share of its evaluations.

    Columns: run, width, seed, prompt, first, last (iterations, empty where never), share.
    """
    found = items[items["group"] == "held out"]
    keys = ["run", "width", "seed", "prompt"]
    at = found[found["greedy"]].groupby(keys)["iteration"].agg(first="min", last="max")
    return found.groupby(keys)["greedy"].mean().rename("share").to_frame().join(at).reset_index()


def over_time(curves: pd.DataFrame) -> pd.DataFrame:
    """In how many runs of each size all held-out sums are right, at one moment or another, for people."""
    curves = curves.dropna(subset=["held_out_correct"])
    moments = {rule: reported(curves, rule) for rule in RULES[1:]}
    rows = []
    for r in measures.over_time(curves, ["width"]).itertuples():
        row = {"size": size_name(r.width), "runs": r.runs, "at some evaluation": r.ever}
        row |= {rule: int(succeeded(table[table["width"] == r.width]).sum()) for rule, table in moments.items()}
        rows.append(row | {"at the end": r.end, "of all evaluations (%)": per_cent(r.share)})
    return pd.DataFrame(rows)


def crossings(curves: pd.DataFrame, floor: float) -> pd.DataFrame:
    """When the loss of each size first falls below a floor, and the held-out sums around that time, for people."""
    rows = []
    for width, cell in curves.dropna(subset=["held_out_correct"]).groupby("width"):
        at = cell[cell["loss"] < floor].groupby("run")["iteration"].min()
        right = cell.groupby("iteration")["held_out_correct"].mean()
        row = {"size": size_name(int(width)), "runs below the upper floor": f"{len(at)} of {cell['run'].nunique()}"}
        row["first below it, median iteration"] = f"{at.median():,.0f}" if len(at) else "–"
        row[f"{words.MEASURES['held_out_correct']} at best, mean of 4"] = (
            f"{right.max():.1f} at iteration {right.idxmax():,}"
        )
        rows.append(row | {"at the end": f"{right.iloc[-1]:.1f}"})
    return pd.DataFrame(rows)
