"""Outcomes: the tables and sentences that the chapters print; each carries its counts and an interval."""

import pandas as pd

from lib import stats, tasks
from lib.measures import RULES, over_time, reported, succeeded
from lib.store import OUTCOMES
from lib.words import TITLES, per_cent, share, size_name

# Above what is printed beside the numbers of the paper, which held out four.
HEADINGS = TITLES | {"held_out_correct": "held-out sums right (of 4)", "loss": "loss (nats per character)"}


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
    published : `paper.results`, one variant.
    """
    ours = {rule: reported(curves, rule) for rule in RULES[:2]}
    paper = published.set_index(["task", "width"])
    rows = []
    for task, width in sorted({*paper.index, *zip(curves["task"], curves["width"], strict=True)}):
        cell = {rule: t[(t["task"] == task) & (t["width"] == width)] for rule, t in ours.items()}
        for measure in OUTCOMES:
            if {"facts_accuracy": task != "arithmetic", "loss": True}.get(measure, task != "facts"):
                known = paper[measure].get((task, width), float("nan"))
                row = {"task": task, "size": size_name(width), "measure": HEADINGS[measure], "runs": len(cell["final"])}
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
            f"- **{size_name(row.width)}**: all four held-out sums are right at the end in "
            f"{share(row.successes, row.runs, ' runs')}."
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


def transience(curves: pd.DataFrame) -> str:
    """A Markdown list: how often runs of each size had all held-out sums right on the way, and how many kept them."""
    return "\n".join(
        f"- **{size_name(r.width)}**: {r.ever} of {r.runs} runs have all four right at some evaluation, "
        f"{r.end} at the last; "
        f"on average a run has them right at {per_cent(r.share)} % of its evaluations."
        for r in over_time(curves, ["width"]).itertuples()
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
