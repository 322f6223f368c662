"""Experiments: which runs a chapter needs, as a table with one row a run and one column a factor."""

import itertools
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from lib.run import Run
from lib.store import FACTORS
from lib.tasks import TASKS

LARGE = 384  # the width of MLT, the paper's largest model
SIZES = (14, 28, 56, LARGE)

# The published hyperparameters that go with the largest width; every other width has those of the small ones.
MLT = {
    "layers": 6, "heads": 6, "expansion": 4, "dropout": 0.2, "weight_decay": 0.1, "learning_rate": 1e-5,
    "minimum_learning_rate": 1e-6,
}  # fmt: skip
REGULARIZED = {"dropout": 0.0, "weight_decay": 0.1}

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


def size_name(width: int) -> str:
    """The paper's name of a size: n14, n28, n56, MLT; other widths are named alike."""
    return "MLT" if width == LARGE else f"n{width}"


def published(task: str, width: int, seed: int, **changes) -> Run:
    """A run under the published protocol, with changes."""
    return Run(**{"task": task, "width": width, "seed": seed, **(MLT if width == LARGE else {}), **changes})


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


def published_results() -> pd.DataFrame:
    """The paper's own numbers (arXiv:2506.09099 and its public result tables), one row a task, size and variant.

    Columns: `addition`, `subtraction` and `facts`, the per cent right at the best checkpoint; `loss`, the final
    training loss (nats a character); and in this project's measures `seen_accuracy`, `held_out_correct` and
    `facts_accuracy`, where the published number fixes them: of 91 prompts an operation, two held out, 100 % is all and
    97.8 % is all but the held-out two.
    """
    found = pd.read_csv(Path(__file__).with_name("published.csv"))
    both = found[["addition", "subtraction"]]
    whole, ceiling = (both == 100).all(axis=1), (both == 97.8).all(axis=1)
    found["held_out_correct"] = whole.map({True: 4.0}).where(whole, ceiling.map({True: 0.0}))
    found["seen_accuracy"] = (whole | ceiling).map({True: 1.0})
    found["facts_accuracy"] = found["facts"] / 100
    return found.astype({"held_out_correct": float, "seen_accuracy": float})
