"""The paper's largest model, MLT, and narrower ones of its shape, where a window is one line."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.data.paper import LARGE, MLT
from lib.experiments import found
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["part", "learning_rate", "width"]
FACTORS = {"part": ["first", "whole"]}
SHAPE = {name: MLT[name] for name in ("layers", "heads", "expansion")}
WIDTHS = (48, 96, 192, LARGE)
RATES = (1e-3, 1e-4, MLT["learning_rate"])  # the last one is published
OFTEN = 50  # updates between two evaluations
PROFILES = {"smoke": {"widths": [6]}, "quick": {"widths": [12, 24]}, "full": {"widths": list(WIDTHS)}}


def _seeds(width: int, rate: float) -> int:
    """The registered number of seeds."""
    return 5 if width < 192 else 3 if rate == RATES[0] else 1


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every rate, width and seed up to a sixth of the schedule, and one run of the widest to its end; column `part`."""
    cells: dict[Run, str] = {}

    def ask(name: str, width: int, seed: int, rate: float, **changes) -> None:
        run = sweeps.registered(
            width, seed - sweeps.FIRST_SEED, iterations, "lines", held_out=found.hidden(seed), learning_rate=rate,
            minimum_learning_rate=rate / 10, evaluate_every=OFTEN, **SHAPE, **changes,
        )  # fmt: skip
        cells.setdefault(run, name)

    for rate, width in itertools.product(RATES, sorted(set(widths)) if "first" in part else ()):
        for seed in range(found.FIRST, found.FIRST + (seeds or _seeds(width, rate))):
            ask("first", width, seed, rate, stop_after=max(1, iterations // 6))
    if "whole" in part:
        ask("whole", max(widths), found.FIRST, RATES[0])
    return sweeps.table(cells, part=cells.values())
