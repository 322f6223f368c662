"""Learning rate, size and time: one held-out pair chooses a size's rate, decay and iteration, another one tests it."""

import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.experiments.pairs import PAIRS
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "part", "width"]
FACTORS = {"part": ["rate", "decay", "batch"]}
LOOKS = (8, 20)  # registered seeds a cell
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SHRUNK = (12.7, 127.0)  # learning rate times weight decay, summed over the updates; the published decay has 12.7
DECAYS = tuple((rate, round(0.1 * shrunk / 12.7 * 1e-2 / rate, 10)) for rate in (1e-3, 1e-2) for shrunk in SHRUNK)
PROFILES = {"full": {"widths": [14, 28, 56]}}


def hidden(seed: int) -> tuple[str, str]:
    """Two pairs of different digits, drawn for a seed: the one that chooses and the one that tests."""
    unlike = [pair for pair in PAIRS if pair[0] != pair[2]]
    first, second = np.random.RandomState(seed).choice(len(unlike), 2, replace=False)
    return unlike[first], unlike[second]


def sweep(tasks: list[str], widths: list[int], seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every recipe, width and seed; columns `look`, `part`, and `chooses` and `tests`, the pairs held out."""
    recipes: dict[str, list[dict]] = {
        "rate": [{"learning_rate": r, "minimum_learning_rate": r / 100} for r in RATES],
        "decay": [{"learning_rate": r, "minimum_learning_rate": r / 100, "weight_decay": d} for r, d in DECAYS],
        "batch": [{"batch": 196}],
    }
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for kind, seed, width in itertools.product(part, range(most), sorted(set(widths))):
            chooses, tests = hidden(sweeps.FIRST_SEED + seed)
            for recipe in recipes[kind]:
                run = sweeps.registered(width, seed, iterations, "lines", held_out=f"{chooses} {tests}", **recipe)
                cells.setdefault(run, {"look": look, "part": kind, "chooses": chooses, "tests": tests})
    return sweeps.table(cells, **pd.DataFrame(list(cells.values()), columns=["look", "part", "chooses", "tests"]))
