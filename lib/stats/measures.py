"""Measures: which evaluation of a run is reported, what counts as success, how often sizes succeed, in several ways.

Notable features:
- three rules choose the evaluation that is reported: the final iteration (primary), the checkpoint that the paper's
  rule would have kept, and the one with the lowest training loss;
- the unit is the run: shares and means are over runs.
"""

import pandas as pd

from lib.stats import intervals, rules
from lib.stats.words import VARIANTS
from lib.sweep import groups, unpooled

RULES = ("final", "paper's checkpoint", "lowest loss")
RECALLED = rules.CLAIMS["recalls"][0]  # of the facts
CELL = ["task", "variant", "width"]


def reported(curves: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The evaluation that a rule chooses from each run's curve (`Store.curves`), the first of equal ones."""
    ordered = curves.sort_values(["run", "iteration"])
    if rule == "final":
        chosen = ordered.groupby("run")["iteration"].idxmax()
    elif rule == "paper's checkpoint":
        chosen = ordered.groupby("run")["score"].idxmax()
    elif rule == "lowest loss":
        chosen = ordered.groupby("run")["loss"].idxmin()
    else:
        raise ValueError(f"rule is {rule!r}, but it must be one of {', '.join(RULES)}")
    return ordered.loc[chosen].assign(rule=rule).reset_index(drop=True)


def succeeded(table: pd.DataFrame, missed: int = 0) -> pd.Series:
    """Whether a run has all held-out sums right, or all but `missed`; on the facts alone, whether it recalls 95 %."""
    sums = table["held_out_correct"] >= table["held_out_asked"] - missed
    return sums | ((table["held_out_asked"] == 0) & (table["facts_accuracy"] >= RECALLED))


def over_time(curves: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How often runs have all held-out sums right on the way, a row a group.

    Columns: those of `by`, runs; ever and end, the runs right at some evaluation and at the last; share, of a run's
    evaluations, the mean over runs.
    """
    rows = []
    for key, cell in groups(curves.dropna(subset=["held_out_correct"]), by):
        right = cell.assign(right=succeeded).sort_values("iteration").groupby("run")["right"]
        row = {**dict(zip(by, key, strict=True)), "runs": right.ngroups, "ever": int(right.any().sum())}
        rows.append(row | {"end": int(right.last().sum()), "share": right.mean().mean()})
    return pd.DataFrame(rows, columns=[*by, "runs", "ever", "end", "share"])


def effects(runs: pd.DataFrame, sums: pd.DataFrame) -> pd.DataFrame:
    """What each size does at the last iteration, before any rule judges it: a row a task, variant and width.

    Columns: task, variant, width, runs; correct, correct_low and correct_high, the mean number of held-out sums right
    and its bootstrap interval; each held-out sum by its name, the runs that answer it; all_four and but_one, the runs
    with all four right and with at least three; recall, recall_low and recall_high, the mean share of the facts.

    Parameters
    ----------
    runs : finished runs with the column `variant` (`Store.runs`).
    sums : `Store.items` of the held-out sums at the last iteration.
    """
    rows = []
    each = sums.groupby(["run", "prompt"])["greedy"].first().unstack() if len(sums) else pd.DataFrame()
    for key, cell in groups(runs, CELL):
        row = {**dict(zip(CELL, key, strict=True)), "runs": len(cell)}
        for name, measure in (("correct", "held_out_correct"), ("recall", "facts_accuracy")):
            values = cell[measure].dropna()
            low, high = intervals.bootstrap(values) if len(values) else (float("nan"),) * 2
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        if cell["held_out_correct"].notna().any():
            row |= {"all_four": int(succeeded(cell).sum()), "but_one": int(succeeded(cell, missed=1).sum())}
            row |= each.reindex(cell["run"]).sum().to_dict()
        rows.append(row)
    return _ordered(pd.DataFrame(rows, columns=None if rows else [*CELL, "runs"]))


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order in which variants are shown, sizes from small to large."""
    place = table["variant"].map(list(VARIANTS).index)
    return table.assign(place=place).sort_values(["place", "width"], kind="stable").drop(columns="place")


def recalled(runs: pd.DataFrame, curves: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """The share of the facts recalled, as registered and in other ways: a row a way, variant and width.

    Columns: task, variant, width, runs, mean, low, high (bootstrap), way.

    Parameters
    ----------
    runs, curves : of the facts (`Store.runs`, `Store.curves`), with the column `variant`.
    facts : `Store.items` at the last iteration.
    """
    asked = facts[~facts["prompt"].isin(["USA", "UK"])].groupby("run")["greedy"].mean() if len(facts) else pd.Series()
    ways = {"registered": (runs, runs["facts_accuracy"])}
    ways |= {"USA and UK left out": (runs, runs["run"].map(asked))}
    for rule in RULES[1:]:
        table = reported(curves, rule)
        ways[rule] = (table, table["facts_accuracy"])
    found = [
        intervals.means(unpooled(table.assign(value=pd.to_numeric(values)), CELL), CELL, "value").assign(way=way)
        for way, (table, values) in ways.items()
    ]
    return _ordered(pd.concat(found, ignore_index=True))
