"""The paper's claims, size by size, judged by the registered rules (book/protocol.md)."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from lib import stats
from lib.experiments import LARGE, SIZES, VARIANTS, published, size_name
from lib.outcomes import succeeded

# claim, task, the rule that judges it (stats.CLAIMS), and the sizes that it speaks of
CELLS = (
    ("C1", "arithmetic", "extrapolates", (14,)),
    ("C2", "facts", "cannot recall", (14,)),
    ("C3", "facts", "recalls", (56, LARGE)),
    ("C4", "arithmetic", "does not extrapolate", (56, LARGE)),
    ("C5", "arithmetic", "does not extrapolate", (28,)),
    ("C5", "facts", "recalls", (28,)),
    ("C6", "joint", "does not extrapolate", SIZES),
)


def _cell(runs: pd.DataFrame, task: str, width: int) -> pd.DataFrame:
    return runs[(runs["task"] == task) & (runs["width"] == width)]


def _judged(runs: pd.DataFrame, task: str, rule: str, width: int) -> stats.Verdict:
    cell = _cell(runs, task, width)
    if rule in ("recalls", "cannot recall"):
        return stats.judge_mean(rule, cell["facts_accuracy"].dropna())
    success = succeeded(cell)
    verdict = stats.judge_share(rule, int(success.sum()), len(success))
    if task != "joint":
        return verdict
    single = succeeded(_cell(runs, "arithmetic", width))
    alone = stats.clopper_pearson(int(single.sum()), len(single)) if len(single) else None
    seen = stats.bootstrap(cell["seen_accuracy"].dropna()) if len(cell) else None
    return stats.joint(verdict, alone, seen)


def judge(runs: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """One row a claim, size and regularization: what the paper has, what these runs have, and the verdict at 95 %.

    Parameters
    ----------
    runs : finished runs, outcomes at the final iteration (`Store.runs`), with the column `variant`; "base" and "wd"
        are judged.
    paper : `experiments.published_results`.

    Returns
    -------
    Columns: claim, variant, task, rule, width, size, paper, here, and those of `stats.Verdict`. C1 to C6 under "wd" are
    what C7 is about.
    """
    rows = []
    for variant in VARIANTS:
        ours, theirs = (table[table["variant"] == variant] for table in (runs, paper))
        for claim, task, rule, widths in CELLS:
            for width in widths:
                one, verdict = _cell(theirs, task, width).iloc[0], _judged(ours, task, rule, width)
                if rule in ("recalls", "cannot recall"):
                    says, here = f"{one['facts']:g} %", f"{100 * verdict.estimate:.1f} %"
                else:
                    says = f"{one['addition']:g} / {one['subtraction']:g} %"
                    here = f"{verdict.estimate * verdict.runs:.0f} of {verdict.runs}"
                row = {"claim": claim, "variant": variant, "task": task, "rule": rule, "width": width}
                row |= {"size": size_name(width), "paper": says, "here": here if verdict.runs else "no run"}
                rows.append(row | asdict(verdict))
    return pd.DataFrame(rows)


def trade_offs(runs: pd.DataFrame) -> pd.DataFrame:
    """n14 against every other size on both outcomes under both regularizations: the primary family, after Holm.

    A difference of shares of runs (sums: n14 less the other, Newcombe, Fisher's exact test) or of mean recall (facts:
    the other less n14, bootstrap, permutation test). Columns: variant, task, width, size, p, adjusted, and those of
    `stats.Verdict`.
    """
    rows: list[dict[str, Any]] = []
    for variant in VARIANTS:
        ours = runs[runs["variant"] == variant]
        for task in ("arithmetic", "facts"):
            small = _cell(ours, task, 14)
            for width in SIZES[1:]:
                large: pd.DataFrame = _cell(ours, task, width)
                row: dict[str, Any] = {"variant": variant, "task": task, "width": width}
                row |= {"size": size_name(width), "runs": min(len(small), len(large)), "p": float("nan")}
                if row["runs"] and task == "arithmetic":
                    counts = [n for cell in (small, large) for n in (int(succeeded(cell).sum()), len(succeeded(cell)))]
                    row |= {"difference": counts[0] / counts[1] - counts[2] / counts[3], "p": stats.fisher(*counts)}
                    row |= {"interval": stats.newcombe(*counts), "method": "Newcombe, Fisher"}
                elif row["runs"]:
                    values = large["facts_accuracy"], small["facts_accuracy"]
                    row |= {"difference": values[0].mean() - values[1].mean(), "p": stats.permutation(*values)}
                    row |= {"interval": stats.bootstrap(*values, weights=(1, -1)), "method": "bootstrap, permutation"}
                rows.append(row)
    kept = ["variant", "task", "width", "size", "p", "adjusted"]
    table = pd.DataFrame(rows, columns=[*kept[:-1], "runs", "difference", "interval", "method"])
    table["adjusted"] = stats.holm(table["p"])
    judged = [stats.trade_off(r.difference, r.interval, r.adjusted, r.runs, r.method) for r in table.itertuples()]
    return pd.concat([table[kept], pd.DataFrame(map(asdict, judged), index=table.index)], axis=1)


def trends(runs: pd.DataFrame) -> pd.DataFrame:
    """Cochran-Armitage trend of the success on the sums over the log of the number of parameters, a row a variant."""
    rows = []
    for variant, ours in runs[runs["task"] == "arithmetic"].groupby("variant", sort=False):
        cells = ours.assign(right=succeeded).groupby("width")
        if len(cells) < 2:
            continue
        right, count = cells["right"].sum(), cells["right"].size()
        parameters = [published("arithmetic", int(width), 0).architecture.parameters() for width in right.index]
        z, p = stats.cochran_armitage(right, count, parameters)
        shares = ", ".join(f"{size_name(int(w))} {right[w]} of {count[w]}" for w in right.index)
        rows.append({"variant": variant, "runs that extrapolate": shares, "z": z, "p": p})
    return pd.DataFrame(rows)
