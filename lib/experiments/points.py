"""The numbers of ten points that a careful reading of the paper has to say out loud (the chapter `points`)."""

from collections.abc import Callable

import pandas as pd

from lib import data
from lib.data.paper import curves as logged
from lib.stats import measures
from lib.stats.intervals import clopper_pearson
from lib.stats.words import per_cent, size_name, span
from lib.sweep import published


def numbers(runs: pd.DataFrame, curves: pd.DataFrame, sums: pd.DataFrame, facts: pd.DataFrame) -> dict[str, str]:
    """Numbers of the ten points in words, by name; those by size are lists such as "n14 23 of 40, n28 0 of 40".

    Parameters
    ----------
    runs, curves : of one variant, the sums, the facts and both together.
    sums, facts : `Store.items` of the runs on the sums and on the facts, at the last iteration.
    """
    task, alone, both = data.make("facts"), runs[runs["task"] == "arithmetic"], runs[runs["task"] == "joint"]
    longer = {p.name for p in task.prompts if len(p.text) > task.context}
    unsaid = {*data.PROMPTED_AS, *data.PROMPTED_AS.values()}
    past = sum(len(p.text + p.answer) > task.context for p in task.prompts)
    found = {"long": str(len(longer)), "facts": str(len(task.prompts)), "past": str(past)}
    found |= {"positions": _positions(), "results": _results()}
    found |= _checkpoints(curves[curves["task"] == "arithmetic"]) | _one_model(sums)
    found["articles"] = _recall(facts, lambda c: c["prompt"].isin(unsaid))
    found["overflow"] = _recall(facts, lambda c: c["prompt"].isin(longer))
    found["alone"] = _by_size(alone, lambda c: f"{measures.succeeded(c).sum()} of {len(c)}")
    found["logs"] = _logs()
    found["seen"] = _by_size(both, lambda c: f"{100 * c['seen_accuracy'].mean():.0f} %")
    return found


def _by_size(table: pd.DataFrame, words: Callable[[pd.DataFrame], str]) -> str:
    """`words` of the rows of each size, joined; "no run yet" where there is none."""
    if table.empty:
        return "no run yet"
    return ", ".join(f"{size_name(int(width))} {words(cell)}" for width, cell in table.groupby("width"))


def _checkpoints(curves: pd.DataFrame) -> dict[str, str]:
    """What the paper's denominators and its choice of a checkpoint change, and how often success is transient."""
    final, best = (measures.reported(curves, rule).assign(right=measures.succeeded) for rule in measures.RULES[:2])
    whole = (best["seen_accuracy"] * 196 + best["held_out_correct"]) / 2
    gap = (whole - (best["addition"] + best["subtraction"]) / 2).abs().max()
    pairs = final[["run", "width", "right"]].merge(best[["run", "right"]], on="run", suffixes=("", "_best"))
    return {
        "gap": f"{gap:.1f}" if len(best) else "no",
        "selection": _by_size(pairs, lambda c: f"{c['right'].sum()} and {c['right_best'].sum()} of {len(c)}"),
        "transient": _by_size(measures.over_time(curves, ["width"]), _transient),
    }


def _logs() -> str:
    """At how many evaluations of the paper's own runs more of the sums is right than the seen ones can give."""
    logs = logged()
    sums = logs[logs["task"] == "arithmetic"]
    both, ceiling = sums[["addition", "subtraction"]], 100 * 89 / 91  # of 91 prompts an operation two are held out
    found = sums.assign(more=(both > ceiling + 0.01).any(axis=1), every=(both == 100).all(axis=1))
    said = []
    for (width, variant), cell in found[found["more"]].groupby(["width", "variant"]):
        decay = ", with weight decay," if variant == "wd" else ""
        said.append(f"{size_name(int(width))}{decay} {len(cell)} times, all of them {cell['every'].sum()} times")
    times = logs["iteration"].nunique()
    return f"more of the sums is answered than the seen ones can give, in {times} evaluations, by {'; '.join(said)}"


def _transient(cell: pd.DataFrame) -> str:
    (row,) = cell.itertuples()
    return (
        f"{row.ever} of {row.runs} runs at some evaluation ({row.ever - row.end} lose them again; on average at "
        f"{per_cent(row.share)} % of the evaluations)"
    )


def _recall(items: pd.DataFrame, chosen: Callable[[pd.DataFrame], pd.Series]) -> str:
    def words(cell: pd.DataFrame) -> str:
        shares = [100 * cell.loc[which, "greedy"].mean() for which in (chosen(cell), ~chosen(cell))]
        return f"{shares[0]:.0f} % of them and {shares[1]:.0f} % of the rest"

    return _by_size(items, words)


def _one_model(sums: pd.DataFrame) -> dict[str, str]:
    """How sharp the published sampling is, and how far the four sums of an n14 run are from independent."""
    if sums.empty:
        return {"sharp": "no", "together": "no run yet"}
    sharp = ((sums["sampled"] < 0.05) | (sums["sampled"] > 0.95)).mean()
    held_out = sums[(sums["group"] == "held out") & (sums["width"] == 14)]
    number = held_out.groupby("run")["greedy"].sum()
    if number.empty:
        return {"sharp": f"{100 * sharp:.1f}", "together": "no n14 run yet"}
    alone = held_out.groupby("prompt")["greedy"].mean().prod()
    together = (
        f"{(number == 4).sum()} of {len(number)} n14 runs have all four right ({100 * (number == 4).mean():.0f} %; "
        f"{span(*clopper_pearson((number == 4).sum(), len(number)))}), where four independent sums of the same "
        f"difficulty would give {100 * alone:.0f} %"
    )
    return {"sharp": f"{100 * sharp:.1f}", "together": together}


def _positions() -> str:
    """The share of the parameters that published counts leave out."""
    parts = []
    for width in (14, 28, 56):
        shapes = [published(task, width, 0).architecture for task in data.TASKS]
        left_out = [1 - a.parameters(positions=False) / a.parameters() for a in shapes]
        parts.append(f"{size_name(width)} {100 * min(left_out):.0f} to {100 * max(left_out):.0f} %")
    return ", ".join(parts)


def _results() -> str:
    """How many results of held-out sums are results of seen ones."""
    task = data.make("arithmetic")
    seen, hidden = ({p.answer for p in task.prompts if p.group == group} for group in ("seen", "held out"))
    return f"{len(hidden & seen)} of the {len(hidden)} held-out results ({', '.join(sorted(hidden))})"
