"""Regularization: the same seeds of the registered replication without and with weight decay, side by side."""

import pandas as pd

from lib.data import LABELS
from lib.stats import intervals, words
from lib.stats.measures import succeeded
from lib.stats.words import size_name

TASKS = ()  # it reads the runs of the replication


def paired(runs: pd.DataFrame) -> pd.DataFrame:
    """The same seeds without and with regularization: a row a task and width.

    Columns: task, width, pairs, both, only without, only with, neither (seeds, by `succeeded`), p (exact McNemar); the
    difference of the score (held-out sums right, or the share of facts recalled), with less without, and its bootstrap
    interval over seeds: difference, low, high.
    """
    rows = []
    for (task, width), cell in runs[runs["variant"].isin(["base", "wd"])].groupby(["task", "width"]):
        measure = "facts_accuracy" if task == "facts" else "held_out_correct"
        wide = cell.assign(right=succeeded).pivot(index="seed", columns="variant", values=["right", measure]).dropna()
        if wide.shape[1] < 4 or wide.empty:
            continue
        base, wd = (wide[("right", variant)].astype(bool) for variant in ("base", "wd"))
        pairs, only_base, only_wd, p = intervals.mcnemar(base, wd)
        both = int((base & wd).sum())
        difference = (wide[(measure, "wd")] - wide[(measure, "base")]).astype(float)
        row = {"task": task, "width": int(width), "pairs": pairs, "both": both, "only without": only_base}
        row |= {"only with": only_wd, "neither": pairs - both - only_base - only_wd, "p": p}
        low, high = intervals.bootstrap(difference)
        rows.append(row | {"difference": difference.mean(), "low": low, "high": high})
    counts = ["pairs", "both", "only without", "only with", "neither"]
    return pd.DataFrame(rows, columns=["task", "width", *counts, "p", "difference", "low", "high"])


def successes(runs: pd.DataFrame) -> pd.DataFrame:
    """The share of successes (`succeeded`) with and without: a row a cell and what the runs are, both in words.

    Columns: cell, runs_are, runs, successes, mean, low, high (exact).
    """
    runs = runs[runs["variant"].isin(["base", "wd"])].sort_values(["task", "width", "variant"])
    cell = [f"{LABELS[r.task]}, {size_name(r.width)}" for r in runs.itertuples()]
    labelled = runs.assign(cell=cell, runs_are=runs["variant"].map(words.VARIANTS), success=succeeded(runs))
    found = intervals.shares(labelled, ["cell", "runs_are"], "success").rename(columns={"share": "mean"})
    return found.set_index("cell").loc[list(dict.fromkeys(cell))].reset_index()


def shown_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """`paired` for people."""
    rows = []
    for r in table.to_dict("records"):
        unit, scale = (" points", 100) if r["task"] == "facts" else (" of 4", 1)
        span = f" ({scale * r['low']:+.2g} to {scale * r['high']:+.2g})" if r["low"] == r["low"] else ""
        row = {"trained on": f"{LABELS[r['task']]}, {size_name(r['width'])}", "seeds": r["pairs"]}
        row |= {"only without": r["only without"], "only with": r["only with"], "McNemar p": words.p_value(r["p"])}
        rows.append(row | {"change with decay": f"{scale * r['difference']:+.2g}{unit}{span}"})
    return pd.DataFrame(rows)
