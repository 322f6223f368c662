"""Share and range: how many pairs can be hidden before each size fails, and sums outside of the range that was seen."""

import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.experiments.pairs import PAIRS
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "width"]
FACTORS = {"part": ["share", "range"], "hidden": [1, 2, 4, 8, 16, 28]}
RANGES = {  # true extrapolation: what lies beyond all that was seen; every digit is still seen somewhere
    "no operand 9": " ".join(pair for pair in PAIRS if "9" in pair),
    "no result over 15": " ".join(pair for pair in PAIRS if int(pair[0]) + int(pair[2]) > 15),
}
LOOKS = (4, 10)  # registered draws of the hidden pairs, each with a seed of its own
PROFILES = {"full": {"widths": [14, 28, 56]}}


def drawn(count: int, seed: int) -> str:
    """`count` of the 55 pairs, drawn for a seed."""
    return " ".join(PAIRS[i] for i in np.random.RandomState(seed).choice(len(PAIRS), count, replace=False))


def sweep(
    tasks: list[str], widths: list[int], seeds: int | None, iterations: int, part: list[str], hidden: list[int]
) -> pd.DataFrame:
    """Every draw and width; columns `look`, and `hides`: how many pairs are hidden, or beyond which range."""
    cells: dict[Run, tuple[int, str]] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for seed, width in itertools.product(range(most), sorted(set(widths))):
            share = {str(count): drawn(count, sweeps.FIRST_SEED + seed) for count in hidden}
            for hides, pairs in ((share if "share" in part else {}) | (RANGES if "range" in part else {})).items():
                cells.setdefault(sweeps.registered(width, seed, iterations, "lines", held_out=pairs), (look, hides))
    looks, hidings = zip(*cells.values(), strict=True) if cells else ((), ())
    return sweeps.table(cells, look=looks, hides=hidings)
