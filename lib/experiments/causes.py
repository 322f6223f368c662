"""Causes: the experiments of the second protocol (book/causes.md) in their registered order, all by one command."""

import pandas as pd

from lib import sweep as sweeps
from lib.experiments import controls, order, pairs, rate, scan, share, tuning

TASKS = ("arithmetic", "facts", "joint")
SEEDS = False
CELLS = ["look", "stage", "experiment"]
STAGED = "stage"
EXPERIMENTS = {"pairs": pairs, "rate": rate, "tuning": tuning, "order": order, "share": share, "scan": scan}
EXPERIMENTS |= {"controls": controls}
# What is trained, in this order: an experiment, and what it is asked for otherwise than by default. First all of it
# with the seeds of the first look, then with those of the second.
STAGES: tuple[tuple[str, dict], ...] = (
    ("pairs", {"windows": ["lines"]}),
    ("rate", {"part": ["answers"]}),
    ("tuning", {"part": ["rate"]}),
    ("order", {}),
    ("rate", {"part": ["mlp"]}),
    ("share", {}),
    ("scan", {"tasks": ["arithmetic"]}),
    ("tuning", {"part": ["decay", "batch"]}),
    ("controls", {}),
    ("scan", {"tasks": ["facts", "joint"]}),
    ("pairs", {"windows": ["anywhere"]}),
)
PROFILES = {"full": {"widths": sorted({*scan.WIDTHS, *rate.WIDTHS})}}


def due(sweep: pd.DataFrame, runs: pd.DataFrame, staged: str | None) -> pd.DataFrame:
    """The runs of an experiment that may be judged: those of its complete looks.

    Parameters
    ----------
    sweep : what the experiment asks, with the column `look`.
    runs : what the store has of it.
    staged : the column that tells its stages apart, None where there is one.
    """
    kept: set[str] = set()
    for _, stage in sweep.groupby(staged) if staged else [("", sweep)]:
        for look in sorted(stage["look"].unique()):
            due = stage.loc[stage["look"] <= look, "run"]
            kept |= set(due) if due.isin(runs["run"]).all() else set()
    return runs[runs["run"].isin(kept)]


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int) -> pd.DataFrame:
    """The sweeps of all stages, end to end; columns `experiment` and `stage`, its place in the registered order."""
    parts = []
    for look in (1, 2) if seeds is None else (1,):
        for place, (name, changes) in enumerate(STAGES):
            module = EXPERIMENTS[name]
            own = module.PROFILES["full"]["widths"] if seeds is None else widths
            asked = {"tasks": list(module.TASKS), **getattr(module, "FACTORS", {}), **changes}
            asked["tasks"] = [task for task in asked["tasks"] if task in tasks]
            asked["widths"] = [width for width in own if width in widths]
            part = (
                module.sweep(seeds=seeds, iterations=iterations, **asked)
                if asked["tasks"] and asked["widths"]
                else None
            )
            if part is not None:
                part = part[part["look"] == look]
                parts.append(part.assign(experiment=name, stage=(look - 1) * len(STAGES) + place))
    table = sweeps.joined(parts or [sweeps.table([])], ["look", "experiment", "stage"])
    return table.astype({"look": int, "stage": int})  # empty parts make them floats
