"""Experiments: which runs a chapter needs, as a table with one row a run and one column a factor."""

import itertools
from dataclasses import asdict

import pandas as pd

from lib.paper import LARGE, REGULARIZED, SIZES, published
from lib.run import Run
from lib.store import FACTORS
from lib.tasks import TASKS
from lib.words import size_name

__all__ = ["LARGE", "published", "size_name"]

PROFILES: dict[str, dict] = {
    "smoke": {"widths": [6], "seeds": 2, "iterations": 40},
    "quick": {"widths": [14, 28], "seeds": 2, "iterations": 3_000},
    "paper": {"widths": list(SIZES), "seeds": 1, "iterations": 30_000},
    "full": {"widths": list(SIZES), "seeds": 3, "iterations": 30_000},
}
EXPERIMENTS = {
    "index": TASKS,
    "corpora": (),
    "capacity": ("arithmetic", "facts"),
    "tasks": ("arithmetic", "facts"),
    "joint": ("joint",),
    "replication": TASKS,
    "regularization": TASKS,
    "dynamics": ("arithmetic",),
    "verdicts": TASKS,
    "speed": (),
}
REGISTERED = ("index", "replication", "regularization", "dynamics", "verdicts")  # read the registered replication
# Seeds a cell of the replication: the least that a chapter may be written on, and two goals, for a CPU and for a GPU.
REPLICATION = (
    {"arithmetic": 20, "joint": 8, "facts": 6},  # 5 in the protocol; the chapter verdicts says why it is one more
    {"arithmetic": 40, "joint": 20, "facts": 20},
    {"arithmetic": 100},
)
VARIANTS: dict[str, dict] = {"base": {}, "wd": REGULARIZED}


def table(runs: list[Run]) -> pd.DataFrame:
    """Runs as a sweep: the column run (the id) and a column for each factor."""
    frame = pd.DataFrame([{"run": run.id, **asdict(run)} for run in runs], columns=["run", *FACTORS])
    return frame.astype({"line_order": "Int64"})


def rows(sweep: pd.DataFrame) -> list[Run]:
    """The runs of a sweep."""
    whole = ("width", "seed", "iterations", "layers", "heads", "expansion")
    found = []
    for record in sweep[FACTORS].to_dict("records"):
        record["line_order"] = None if pd.isna(record["line_order"]) else int(record["line_order"])
        found.append(Run(**{**record, **{name: int(record[name]) for name in whole}}))
    return found


def sweep(tasks: list[str], widths: list[int], seeds: int, iterations: int) -> pd.DataFrame:
    """The published protocol for every task, width and seed; seeds vary slowest: a stopped sweep is a smaller one."""
    cells = itertools.product(range(seeds), sorted(set(widths)), [task for task in TASKS if task in tasks])
    return table([published(task, width, seed, iterations=iterations) for seed, width, task in cells])


def replication(tasks: list[str], widths: list[int], seeds: int | None, iterations: int) -> pd.DataFrame:
    """The registered replication: every task, size and variant (column `variant`) in order of worth.

    A seed decides the initial weights, the windows, the dropout and the order of the lines together. On the arithmetic
    a second set of runs, variant "one order", keeps the published order of the lines and varies the rest.

    Parameters
    ----------
    seeds : the most seeds a cell; None for the numbers of `REPLICATION`, one goal after the other.
    """
    cells: dict[Run, str] = {}
    for goal in REPLICATION if seeds is None else (dict.fromkeys(REPLICATION[0], seeds),):
        for task, most in goal.items():  # the sums first: they carry most claims and cost least
            for seed in range(most if task in tasks else 0):
                for width, (variant, changes) in itertools.product(sorted(set(widths)), VARIANTS.items()):
                    cells[published(task, width, seed, iterations=iterations, line_order=seed, **changes)] = variant
                if task == "arithmetic" and seed < REPLICATION[0]["arithmetic"]:
                    for width in sorted(set(widths)):
                        cells[published(task, width, seed, iterations=iterations)] = "one order"
    return table(list(cells)).assign(variant=list(cells.values()))
