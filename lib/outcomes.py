"""Outcomes: what is reported of a run, and the tables and sentences that the chapters print.

Notable features:
- three rules choose the evaluation that is reported: the final iteration (primary), the checkpoint with the best
  score, which is the published rule, and the one with the lowest training loss;
- every sentence carries its counts and an interval, so that it says no more than the runs do.
"""

import pandas as pd

from lib import stats, tasks
from lib.experiments import size_name
from lib.store import OUTCOMES

RULES = ("final", "best checkpoint", "lowest loss")
RECALLED = stats.CLAIMS["recalls"][0]  # of the facts
TITLES = {
    "seen_accuracy": "seen sums right (%)", "held_out_correct": "held-out sums right (of 4)",
    "facts_accuracy": "capitals recalled (%)",
    "loss": "loss (nats per character)",
}  # fmt: skip


def reported(curves: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The evaluation that a rule chooses from each run's curve (`Store.curves`), the first of equal ones."""
    ordered = curves.sort_values(["run", "iteration"])
    if rule == "final":
        chosen = ordered.groupby("run")["iteration"].idxmax()
    elif rule == "best checkpoint":
        chosen = ordered.groupby("run")["score"].idxmax()
    elif rule == "lowest loss":
        chosen = ordered.groupby("run")["loss"].idxmin()
    else:
        raise ValueError(f"rule is {rule!r}, but it must be one of {', '.join(RULES)}")
    return ordered.loc[chosen].assign(rule=rule).reset_index(drop=True)


def succeeded(table: pd.DataFrame) -> pd.Series:
    """Whether a run has all four held-out sums right; trained on the facts alone, whether it recalls 95 % of them."""
    return (table["held_out_correct"] == 4) | ((table["task"] == "facts") & (table["facts_accuracy"] >= RECALLED))


def per_cent(share: float) -> str:
    """A share in per cent without decimals, in words where that would hide a rare event."""
    return "under 1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def _number(value: float, measure: str) -> str:
    if measure.endswith("accuracy"):
        return f"{100 * value:.1f}"
    return f"{value:.3f}" if measure == "loss" else f"{value:.4g}"


def _spread(values: pd.Series, measure: str) -> str:
    """The mean, and the range where there is one."""
    if values.empty:
        return "–"
    low, high = _number(values.min(), measure), _number(values.max(), measure)
    return _number(values.mean(), measure) + (f" ({low} to {high})" if low != high else "")


def endpoints(curves: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Our runs beside the published numbers: a row a task, size and measure; mean and range over runs.

    Parameters
    ----------
    curves : `Store.curves`.
    published : `experiments.published_results`, one variant.
    """
    ours = {rule: reported(curves, rule) for rule in RULES[:2]}
    paper = published.set_index(["task", "width"])
    rows = []
    for task, width in sorted({*paper.index, *zip(curves["task"], curves["width"], strict=True)}):
        cell = {rule: t[(t["task"] == task) & (t["width"] == width)] for rule, t in ours.items()}
        for measure in OUTCOMES:
            if {"facts_accuracy": task != "arithmetic", "loss": True}.get(measure, task != "facts"):
                known = paper[measure].get((task, width), float("nan"))
                row = {"task": task, "size": size_name(width), "measure": TITLES[measure], "runs": len(cell["final"])}
                row |= {f"ours, {rule}": _spread(table[measure].dropna(), measure) for rule, table in cell.items()}
                rows.append(row | {"published": _number(known, measure) if pd.notna(known) else "–"})
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    return table.to_markdown(index=False, disable_numparse=True)


def extrapolation(runs: pd.DataFrame) -> str:
    """A Markdown list: in how many runs of each size all held-out sums are right, with a Clopper-Pearson interval."""
    table = runs.dropna(subset=["held_out_correct"]).assign(all_right=succeeded)
    lines = []
    for row in stats.shares(table, ["width"], "all_right").itertuples():
        lines.append(
            f"- **{size_name(row.width)}**: {row.successes} of {row.runs} runs answer all four held-out sums at the "
            "end "
            f"(95 % interval for the share of such runs: {100 * row.low:.0f} to {100 * row.high:.0f} %)."
        )
    return "\n".join(lines)


def by_rule(curves: pd.DataFrame) -> pd.DataFrame:
    """In how many runs of each size all held-out sums are right, under each rule of reporting."""
    tables = [reported(curves.dropna(subset=["held_out_correct"]), rule) for rule in RULES]
    right = pd.concat(tables).assign(right=succeeded)
    counts = (
        right.groupby(["width", "rule"])["right"].agg(lambda x: f"{x.sum()} of {len(x)}").unstack("rule")[list(RULES)]
    )
    return counts.rename(index=lambda width: size_name(int(width))).rename_axis("size").reset_index()


def over_time(curves: pd.DataFrame) -> pd.DataFrame:
    """How often runs have all held-out sums right on the way, a row a width.

    Columns: width, runs; ever and end, the runs right at some evaluation and at the last; share, of a run's
    evaluations, the mean over runs.
    """
    rows = []
    for width, cell in curves.dropna(subset=["held_out_correct"]).groupby("width"):
        right = cell.assign(right=succeeded).sort_values("iteration").groupby("run")["right"]
        row = {"width": int(width), "runs": right.ngroups, "ever": int(right.any().sum())}
        rows.append(row | {"end": int(right.last().sum()), "share": right.mean().mean()})
    return pd.DataFrame(rows, columns=["width", "runs", "ever", "end", "share"])


def transience(curves: pd.DataFrame) -> str:
    """A Markdown list: how often runs of each size had all held-out sums right on the way, and how many kept them."""
    return "\n".join(
        f"- **{size_name(r.width)}**: {r.ever} of {r.runs} runs have all four right at some evaluation, "
        f"{r.end} at the last; "
        f"on average a run has them right at {per_cent(r.share)} % of its evaluations."
        for r in over_time(curves).itertuples()
    )


def against_floors(runs: pd.DataFrame) -> str:
    """Two sentences: the exact floors of the loss on the sums (tasks.floor), and the mean final loss of each size."""
    task = tasks.make("arithmetic")
    means = runs[runs["task"] == "arithmetic"].groupby("width")["loss"].mean()
    losses = ", ".join(f"{size_name(int(width))} {loss:.3f}" for width, loss in means.items())
    return (
        f"A reader who knows every line of the text, but takes the lines to come in no order, is left with a loss of "
        f"{tasks.floor(task, ordered=False):.3f} nats a character; one who knows their order "
        f"too, with {tasks.floor(task):.3f}. "
        f"At the end our runs have, on average: {losses}."
    )


def recall(runs: pd.DataFrame) -> str:
    """A Markdown list: the mean share of capitals that each size recalls, with the range of its runs."""
    lines = []
    for width, cell in runs.dropna(subset=["facts_accuracy"]).groupby("width"):
        values = 100 * cell["facts_accuracy"]
        lines.append(
            f"- **{size_name(int(width))}**: {values.mean():.1f} % of the capitals at the end, over {len(cell)} runs "
            f"(from {values.min():.0f} to {values.max():.0f} %)."
        )
    return "\n".join(lines)


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
