"""Over time: when the runs of the registered replication answer the held-out sums, and at what loss."""

import numpy as np
import pandas as pd

from lib import measures, stats, words
from lib import sweep as sweeps
from lib.measures import RULES, reported, succeeded
from lib.words import per_cent, size_name

TASKS = ()  # it reads the runs of the replication
BIN = 0.02  # nats a character: evaluations whose losses fall into one bin are taken together
FEWEST = 5  # runs in a bin that is shown


def spans(items: pd.DataFrame) -> pd.DataFrame:
    """When each run first and last answers each held-out sum, and at what share of its evaluations.

    Columns: run, width, seed, prompt, first, last (iterations, empty where never), share.
    """
    found = items[items["group"] == "held out"]
    keys = ["run", "width", "seed", "prompt"]
    at = found[found["greedy"]].groupby(keys)["iteration"].agg(first="min", last="max")
    return found.groupby(keys)["greedy"].mean().rename("share").to_frame().join(at).reset_index()


def span_table(table: pd.DataFrame) -> pd.DataFrame:
    """`spans` by size, for people: how many ever answer, the medians of first and last, and the mean share."""
    rows = []
    for (width, prompt), cell in table.groupby(["width", "prompt"]):
        ever = cell.dropna(subset=["first"])
        row = {"size": size_name(int(width)), "sum": prompt, "ever right": f"{len(ever)} of {len(cell)}"}
        for name in ("first", "last"):
            row[f"{name} success, median iteration"] = f"{ever[name].median():,.0f}" if len(ever) else "–"
        rows.append(row | {"evaluations right (%)": per_cent(cell["share"].mean())})
    return pd.DataFrame(rows)


def by_loss(curves: pd.DataFrame) -> pd.DataFrame:
    """How many held-out sums are right at a given training loss: a row a variant, width and bin of the loss.

    A run counts once in a bin, with the mean over its evaluations there. Columns: variant, width, loss (the middle of
    the bin), runs, and mean, low and high over runs (`stats.means`). Bins with fewer than `FEWEST` runs are left out.
    """
    keys = ["variant", "width", "loss"]
    binned = curves.assign(
        loss=((np.floor(curves["loss"] / BIN) + 0.5) * BIN).round(4),
        variant=pd.Categorical(curves["variant"], list(words.VARIANTS)),
    )
    sweeps.unpooled(curves, ["variant", "width"])
    runs = binned.groupby([*keys, "run"], as_index=False, observed=True)["held_out_correct"].mean()
    enough = runs.groupby(keys, observed=True)["run"].transform("size") >= FEWEST
    return stats.means(runs[enough], keys, "held_out_correct")


def by_rule(curves: pd.DataFrame) -> pd.DataFrame:
    """In how many runs of each size all held-out sums are right, under each rule of reporting."""
    tables = [reported(curves.dropna(subset=["held_out_correct"]), rule) for rule in RULES]
    right = pd.concat(tables).assign(right=succeeded)
    counts = (
        right.groupby(["width", "rule"])["right"].agg(lambda x: f"{x.sum()} of {len(x)}").unstack("rule")[list(RULES)]
    )
    return counts.rename(index=lambda width: size_name(int(width))).rename_axis("size").reset_index()


def held_out_table(items: pd.DataFrame) -> pd.DataFrame:
    """The held-out sums by size: right at the end, at some evaluation, and how often (from `Store.items`)."""
    rows = []
    held_out = items[items["group"] == "held out"]
    for (width, prompt), cell in held_out.groupby(["width", "prompt"]):
        at_end = cell[cell["iteration"] == cell["iteration"].max()]
        ever = cell.groupby("run")["greedy"].any()
        row = {
            "size": size_name(int(width)),
            "sum": prompt,
            "runs": len(ever),
            "right at the end": int(at_end["greedy"].sum()),
        }
        rows.append(
            row | {"right at some time": int(ever.sum()), "evaluations right (%)": per_cent(cell["greedy"].mean())}
        )
    return pd.DataFrame(rows)


def transience(curves: pd.DataFrame) -> pd.DataFrame:
    """How often runs of each variant and size had all held-out sums right on the way, for people."""
    rows = []
    for r in measures.over_time(curves, ["variant", "width"]).itertuples():
        row = {"runs are": words.VARIANTS[r.variant], "size": size_name(r.width), "runs": r.runs}
        row |= {"all four right at some evaluation": r.ever, "at the last": r.end}
        rows.append(row | {"evaluations with all four right, mean (%)": per_cent(r.share)})
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
