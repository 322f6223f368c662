"""The paper's claims, size by size, judged by the registered rules (book/protocol.md).

Also which runs count (`due`), and where the order in which they were made departs from the registered one, of either
protocol (`deviations`, `out_of_order`).
"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from lib import experiments
from lib.data.paper import LARGE, SIZES
from lib.experiments import causes
from lib.experiments.replication import GOALS, VARIANTS
from lib.stats import intervals, rules
from lib.stats.measures import succeeded
from lib.stats.rules import Verdict
from lib.stats.words import VARIANTS as SETS
from lib.stats.words import size_name
from lib.sweep import published

PROTOCOL = "b98ad7b"  # the commit that registered the rules
REGISTERED = pd.Timestamp("2026-11-23T07:15:46Z")  # and its time
WHY = "53eee6f"  # the commit that registered the second protocol (book/causes.md)
WHY_REGISTERED = pd.Timestamp("2026-11-24T20:38:10Z")
ADDED = {  # to the second protocol: experiments with the commits that registered them
    "lines": ("5f679da", pd.Timestamp("2026-11-26T16:08:34Z")),
    "grokking": ("18f9940", pd.Timestamp("2026-11-26T16:15:27Z")),
    "slowed": ("4e1ae27", pd.Timestamp("2026-11-26T19:41:30Z")),
    "found": ("995f57f", pd.Timestamp("2026-11-28T11:36:52Z")),
    "recipes": ("19a61bf", pd.Timestamp("2026-11-28T11:42:03Z")),
    "large": ("19a61bf", pd.Timestamp("2026-11-28T11:42:03Z")),
}
TASKS = tuple(GOALS[0])  # in the registered order
# claim, task, the rule that judges it (verdicts.CLAIMS), and the sizes that it speaks of
CELLS = (
    ("C1", "arithmetic", "extrapolates", (14,)),
    ("C2", "facts", "cannot recall", (14,)),
    ("C3", "facts", "recalls", (56, LARGE)),
    ("C4", "arithmetic", "does not extrapolate", (56, LARGE)),
    ("C5", "arithmetic", "does not extrapolate", (28,)),
    ("C5", "facts", "recalls", (28,)),
    ("C6", "joint", "does not extrapolate", SIZES),
)


# Which runs are judged, and were they made in the registered order?


def begun(runs: pd.DataFrame) -> pd.Series:
    """When each run was begun, by the clock of its machine: the end less the seconds of training."""
    return pd.to_datetime(runs["finished"]) - pd.to_timedelta(runs["seconds"], unit="s")


def added(name: str, runs: pd.DataFrame) -> str:
    """When an experiment was added to the second protocol, and how many of these runs are older, in a sentence."""
    commit, when = ADDED[name]
    early = int((begun(runs) < when).sum())
    return (
        f"The rule was committed as `{commit}` on {when:%d %B %Y at %H:%M} UTC; {early or 'none'} of the {len(runs)} "
        "runs compared here had been begun before."
    )


def looks(task: str) -> list[int]:
    """The numbers of seeds at which the runs of a task are judged."""
    return [goal[task] for goal in GOALS if task in goal]


def due(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that may be judged: those begun after the registration, up to the last look that is complete.

    A look at a task is complete when every size up to n56 has that many seeds in both variants; the seeds beyond wait
    for the next one. Before the first look all runs count. MLT has no looks: its runs are judged as they come.

    Parameters
    ----------
    runs : runs of the registered replication with the column `variant` (`Store.runs`).
    """
    if runs.empty:
        return runs
    kept = [runs[0:0]]
    for task, cells in runs[begun(runs) >= REGISTERED].groupby("task", sort=False):
        small = cells[(cells["width"] != LARGE) & cells["variant"].isin(list(VARIANTS))]
        made = small.groupby(["width", "variant"])["seed"].nunique()
        reached = made.min() if len(made) == 3 * len(VARIANTS) else 0
        last = max((look for look in looks(str(task)) if look <= reached), default=cells["seed"].max() + 1)
        kept.append(cells[(cells["seed"] < last) | (cells["width"] == LARGE)])
    return pd.concat(kept).sort_index()


def counted(experiment: str, sweep: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of a registered sweep that may be looked at: those of complete looks, all where there are no looks.

    Parameters
    ----------
    runs : what the store has of the sweep, with its labels (`lab.look`).
    """
    if "look" in sweep:
        return causes.due(sweep, runs, getattr(experiments.load(experiment), "STAGED", None))
    return due(runs) if "variant" in sweep else runs


def deviations(runs: pd.DataFrame) -> pd.DataFrame:
    """Where the order in which runs were made departs from the registered one, found from their times.

    The protocol makes the tasks in the order of `TASKS`, and all cells of a seed before the next. It was departed from
    where a run was finished before another, which should have come first, was begun.

    Returns
    -------
    One row a pair of tasks: made and seeds, what was finished too early; before and their_seeds, what should have come
    first.
    """
    place = runs["task"].map(TASKS.index)
    staged = runs.assign(stage=runs.groupby([place, runs["seed"]]).ngroup())
    each = staged.groupby("stage")[["task", "seed"]].first()
    pairs = out_of_order(staged)
    wrong = each.loc[pairs["made"]].reset_index(drop=True)
    wrong = wrong.join(each.loc[pairs["before"]].reset_index(drop=True), suffixes=("", "_first"))
    wrong = wrong.sort_values(["task", "seed", "task_first", "seed_first"])
    rows = []
    for (task, first), pairs in wrong.groupby(["task", "task_first"], sort=False):
        row = {"made": task, "seeds": ranges(pairs["seed"]), "before": first}
        rows.append(row | {"their_seeds": ranges(pairs["seed_first"])})
    return pd.DataFrame(rows, columns=["made", "seeds", "before", "their_seeds"])


def out_of_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Where the runs of the second protocol depart from its order, found from their times.

    Parameters
    ----------
    runs : its runs (`Store.runs`) with the column `stage`, the place of a run's stage in the registered order.

    Returns
    -------
    One row a pair of stages, columns `made` and `before`: a run of `made` was finished before one of `before`, which
    should have come first, was begun.
    """
    timed = runs.assign(begun=begun(runs), finished=pd.to_datetime(runs["finished"]))
    stages = timed.groupby("stage").agg(begun=("begun", "max"), finished=("finished", "min")).reset_index()
    both = stages.merge(stages, how="cross", suffixes=("", "_first"))
    wrong = both[(both["stage_first"] < both["stage"]) & (both["finished"] < both["begun_first"])]
    return wrong[["stage", "stage_first"]].rename(columns={"stage": "made", "stage_first": "before"})


def ranges(numbers: pd.Series) -> str:
    """Whole numbers as ranges, such as "0 to 3, 7"."""
    found = pd.Series(sorted(set(numbers)))
    runs = found.groupby(found - pd.Series(range(len(found))))
    return ", ".join(f"{r.min()} to {r.max()}" if len(r) > 1 else f"{r.iloc[0]}" for _, r in runs)


# Verdicts


def _cell(runs: pd.DataFrame, task: str, width: int) -> pd.DataFrame:
    return runs[(runs["task"] == task) & (runs["width"] == width)]


def _judged(runs: pd.DataFrame, task: str, rule: str, width: int) -> Verdict:
    cell = _cell(runs, task, width)
    if rule in ("recalls", "cannot recall"):
        return rules.judge_mean(rule, cell["facts_accuracy"].dropna())
    success = succeeded(cell)
    verdict = rules.judge_share(rule, int(success.sum()), len(success))
    if task != "joint":
        return verdict
    single = succeeded(_cell(runs, "arithmetic", width))
    alone = intervals.clopper_pearson(int(single.sum()), len(single)) if len(single) else None
    seen = intervals.bootstrap(cell["seen_accuracy"].dropna()) if len(cell) else None
    return rules.joint(verdict, alone, seen)


def judge(runs: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """One row a claim, size and regularization: what the paper has, what these runs have, and the verdict at 95 %.

    Parameters
    ----------
    runs : finished runs, outcomes at the final iteration (`Store.runs`), with the column `variant`; "base" and "wd"
        are judged.
    paper : `paper.results`.

    Returns
    -------
    Columns: claim, variant, task, rule, width, size, paper, here, and those of `Verdict`. C1 to C6 under "wd" are what
    C7 is about.
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
                    right = one["held_out_correct"]
                    says = "not told" if pd.isna(right) else f"{right:.0f} of 4 sums"
                    here = f"{verdict.estimate * verdict.runs:.0f} of {verdict.runs}"
                row = {"claim": claim, "variant": variant, "task": task, "rule": rule, "width": width}
                row |= {"size": size_name(width), "paper": says, "here": here if verdict.runs else "no run"}
                rows.append(row | asdict(verdict))
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Results:
    """What the registered rule says of the sizes trained on both tasks, where it says one thing: `together`."""

    together: str


def results(judged: pd.DataFrame) -> Results:
    """What `judge` says of C6 as published, at all sizes that were run, or "several words"."""
    said = judged[(judged["claim"] == "C6") & (judged["variant"] == "base") & (judged["runs"] > 0)]["verdict"].unique()
    return Results(together=said[0] if len(said) == 1 else "several words" if len(said) else "missing")


def trade_offs(runs: pd.DataFrame) -> pd.DataFrame:
    """n14 against every other size on both outcomes under both regularizations: the primary family, after Holm.

    A difference of shares of runs (sums: n14 less the other, Newcombe, Fisher's exact test) or of mean recall (facts:
    the other less n14, bootstrap, permutation test). Columns: variant, task, width, size, p, adjusted, and those of
    `Verdict`.
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
                    row |= {"difference": counts[0] / counts[1] - counts[2] / counts[3], "p": intervals.fisher(*counts)}
                    row |= {"interval": intervals.newcombe(*counts), "method": "Newcombe, Fisher"}
                elif row["runs"]:
                    values = large["facts_accuracy"], small["facts_accuracy"]
                    row |= {"difference": values[0].mean() - values[1].mean(), "p": intervals.permutation(*values)}
                    row |= {
                        "interval": intervals.bootstrap(*values, weights=(1, -1)),
                        "method": "bootstrap, permutation",
                    }
                rows.append(row)
    kept = ["variant", "task", "width", "size", "p", "adjusted"]
    table = pd.DataFrame(rows, columns=[*kept[:-1], "runs", "difference", "interval", "method"])
    table["adjusted"] = intervals.holm(table["p"])
    judged = [
        rules.trade_off(r.difference, r.interval, adjusted_p=r.adjusted, runs=r.runs, method=r.method)
        for r in table.itertuples()
    ]
    return pd.concat([table[kept], pd.DataFrame(map(asdict, judged), index=table.index)], axis=1)


def trends(runs: pd.DataFrame) -> pd.DataFrame:
    """Cochran-Armitage trend of the success on the sums over the log of the number of parameters, a row a variant."""
    rows = []
    sums = runs[runs["task"] == "arithmetic"]
    for variant in (name for name in SETS if name in set(sums["variant"])):
        cells = sums[sums["variant"] == variant].assign(right=succeeded).groupby("width")
        if len(cells) < 2:
            continue
        right, count = cells["right"].sum(), cells["right"].size()
        parameters = [published("arithmetic", int(width), 0).architecture.parameters() for width in right.index]
        z, p = intervals.cochran_armitage(right, count, parameters)
        shares = ", ".join(f"{size_name(int(w))} {right[w]} of {count[w]}" for w in right.index)
        rows.append({"variant": variant, "runs that extrapolate": shares, "z": z, "p": p})
    return pd.DataFrame(rows)
