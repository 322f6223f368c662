"""Capacity: the published protocol size by size, with the published lines, sums and facts apart."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib import tasks as texts
from lib import words
from lib.evidence import OUTCOMES
from lib.measures import RULES, reported, succeeded
from lib.paper import published

TASKS = ("arithmetic", "facts")


def sweep(tasks: list[str], widths: list[int], seeds: int, iterations: int) -> pd.DataFrame:
    """The published protocol for every task, width and seed; seeds vary slowest: a stopped sweep is a smaller one."""
    known = [task for task in texts.TASKS if task in tasks]
    cells = itertools.product(range(seeds), sorted(set(widths)), known)
    return sweeps.table([published(task, width, seed, iterations=iterations) for seed, width, task in cells])


def endpoints(curves: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Our runs beside the published numbers, for people: a row a task, size and measure; mean and range over runs.

    Parameters
    ----------
    curves : `Store.curves`.
    paper : `paper.results`, one variant.
    """
    ours = {rule: reported(curves, rule) for rule in RULES[:2]}
    paper = paper.set_index(["task", "width"])
    rows = []
    for task, width in sorted({*paper.index, *zip(curves["task"], curves["width"], strict=True)}):
        cell = {rule: t[(t["task"] == task) & (t["width"] == width)] for rule, t in ours.items()}
        for measure in OUTCOMES:
            if {"facts_accuracy": task != "arithmetic", "loss": True}.get(measure, task != "facts"):
                known = paper[measure].get((task, width), float("nan"))
                row = {"task": task, "size": words.size_name(width), "measure": words.TITLES[measure]}
                row |= {"runs": len(cell["final"])}
                row |= {f"ours, {rule}": words.spread(table[measure].dropna(), measure) for rule, table in cell.items()}
                rows.append(row | {"published": words.number(known, measure) if pd.notna(known) else "–"})
    return pd.DataFrame(rows)


def extrapolation(runs: pd.DataFrame) -> pd.DataFrame:
    """In how many runs of each size all held-out sums are right at the end, for people."""
    rows = []
    for (width,), cell in sweeps.groups(runs.dropna(subset=["held_out_correct"]), ["width"]):
        row = {"size": words.size_name(int(width)), "runs": len(cell)}
        row[f"{words.MEASURES['held_out_correct']}, mean of 4"] = f"{cell['held_out_correct'].mean():.2f}"
        rows.append(row | {"all four right": words.share(int(succeeded(cell).sum()), len(cell))})
    return pd.DataFrame(rows)


def recall(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean share of the facts that each size recalls at the end, with the range of its runs, for people."""
    rows = []
    for (width,), cell in sweeps.groups(runs.dropna(subset=["facts_accuracy"]), ["width"]):
        values = cell["facts_accuracy"]
        row = {"size": words.size_name(int(width)), "runs": len(cell)}
        row[f"{words.MEASURES['facts_accuracy']}, mean and range (%)"] = words.spread(values, "facts_accuracy")
        rows.append(row)
    return pd.DataFrame(rows)
