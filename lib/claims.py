"""The paper's claims C1 to C6, size by size, and what the runs say of each."""

from dataclasses import asdict

import pandas as pd

from lib import stats
from lib.experiments import LARGE, REPLICATION, size_name

# claim, its words, task, the rule that judges it (stats.CLAIMS), and the sizes it speaks of
CLAIMS = (
    ("C1", "small models extrapolate", "arithmetic", "extrapolates", (14,)),
    ("C2", "small models cannot recall", "facts", "cannot recall", (14,)),
    ("C3", "larger models recall", "facts", "recalls", (56, LARGE)),
    ("C4", "larger models do not extrapolate", "arithmetic", "does not extrapolate", (56, LARGE)),
    ("C5", "an intermediate model does not extrapolate", "arithmetic", "does not extrapolate", (28,)),
    ("C5", "an intermediate model recalls", "facts", "recalls", (28,)),
    ("C6", "trained on both, none extrapolates", "joint", "does not extrapolate", (14, 28, 56, LARGE)),
)
MARKS = {"replicated": "✓", "not replicated": "✗", "unresolved": "?", "uninformative": "–", "missing": "·"}


def _cell(runs: pd.DataFrame, task: str, width: int) -> pd.DataFrame:
    return runs[(runs["task"] == task) & (runs["width"] == width)]


def _judged(runs: pd.DataFrame, task: str, rule: str, width: int) -> stats.Verdict:
    cell = _cell(runs, task, width)
    if rule in ("recalls", "cannot recall"):
        return stats.judge_mean(rule, cell["facts_accuracy"].dropna())
    success = cell["held_out_correct"].dropna() == 4
    verdict = stats.judge_share(rule, int(success.sum()), len(success))
    if task != "joint":
        return verdict
    single = _cell(runs, "arithmetic", width)["held_out_correct"].dropna() == 4
    alone = stats.clopper_pearson(int(single.sum()), len(single)) if len(single) else None
    seen = stats.bootstrap(cell["seen_accuracy"].dropna()) if len(cell) else None
    return stats.joint(verdict, alone, seen)


def judge(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """One row a claim and size: what the paper has, what these runs have, and the verdict at 95 %.

    Parameters
    ----------
    runs : finished runs of one regularization, outcomes at the final iteration (`Store.runs`).
    published : `experiments.published_results`, the same variant.

    Returns
    -------
    Columns: claim, words, task, width, size, paper, here, and those of `stats.Verdict`.
    """
    rows = []
    for claim, words, task, rule, widths in CLAIMS:
        for width in widths:
            paper, verdict = _cell(published, task, width).iloc[0], _judged(runs, task, rule, width)
            about_facts = rule in ("recalls", "cannot recall")
            if about_facts:
                says, here = f"{paper['facts']:g} % of the capitals", f"{100 * verdict.estimate:.0f} % of the capitals"
            else:
                says = f"sums {paper['addition']:g} / {paper['subtraction']:g} %"
                here = f"{(verdict.estimate * verdict.runs):.0f} of {verdict.runs} runs get all four"
            row = {
                "claim": claim,
                "words": words,
                "task": task,
                "width": width,
                "size": size_name(width),
                "paper": says,
            }
            rows.append({**row, "here": here if verdict.runs else "no run yet", **asdict(verdict)})
    return pd.DataFrame(rows)


def shown(judged: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    interval = [
        f"{100 * r.low:.0f} to {100 * r.high:.0f} %" if r.runs and r.low == r.low else "–" for r in judged.itertuples()
    ]
    verdict = [f"{MARKS[r.verdict]} {r.verdict}" + (f" ({r.note})" if r.note else "") for r in judged.itertuples()]
    columns = {"words": "the paper says", "size": "size", "paper": "its one run", "here": "here", "runs": "runs"}
    table = judged[["claim", *columns]].rename(columns=columns)
    return table.assign(**{"95 % interval": interval, "verdict": verdict})


def provisional(judged: pd.DataFrame) -> str:
    """How many runs there are, and how many the protocol asks for; "" where there are enough."""
    least, there = REPLICATION[0], judged[judged["runs"] > 0].groupby("task")["runs"].min()
    short = {task: int(runs) for task, runs in there.items() if runs < least[str(task)]}
    if not short:
        return ""
    parts = ", ".join(f"{runs} on the task {task} ({least[str(task)]} are asked for)" for task, runs in short.items())
    return f"These verdicts are provisional: the protocol's rules applied to few runs. A cell has at least {parts}."


def summary(judged: pd.DataFrame) -> str:
    """What stands and what does not, in one sentence a verdict."""
    sentences = {
        "replicated": "These stand",
        "not replicated": "These do not",
        "unresolved": "Too few runs to tell",
        "uninformative": "The experiment cannot tell",
        "missing": "Not yet run",
    }
    parts = []
    for verdict, words in sentences.items():
        found = judged[judged["verdict"] == verdict].groupby(["claim", "words"], sort=False)["size"].agg(", ".join)
        if len(found):
            parts.append(
                f"**{words}:** "
                + "; ".join(f"{claim} ({claim_id}: {sizes})" for (claim_id, claim), sizes in found.items())
                + "."
            )
    return "\n\n".join(parts)
