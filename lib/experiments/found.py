"""Found, then lost: do larger sizes find the hidden sums after fewer updates, and have they lost them at the end?"""

import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.experiments.pairs import PAIRS
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["part", "width"]
STAGED = "part"
FIRST = 200  # the first seed
PARTS: dict[str, dict] = {  # the registered widths and seeds a cell, and what a part changes
    "sizes": {"widths": (8, 14, 20, 28, 40, 56), "seeds": 44, "windows": "lines"},
    "widest": {"widths": (112,), "seeds": 10, "windows": "lines"},
    "stream": {"widths": (14, 28, 56), "seeds": 10, "windows": "anywhere"},
}
FACTORS = {"part": list(PARTS)}
PROFILES = {"full": {"widths": [8, 14, 20, 28, 40, 56, 112]}}
_unlike = [pair for pair in PAIRS if pair[0] != pair[2] and pair != "5,7"]
ORDER = [_unlike[i] for i in np.random.RandomState(FIRST).permutation(len(_unlike))]


def hidden(seed: int) -> str:
    """The pair that the runs of a seed hide: each of the 44 once, from seed `FIRST` on."""
    return ORDER[(seed - FIRST) % len(ORDER)]


def sweep(tasks: list[str], widths: list[int], seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every part, seed and width; columns `look` and `part`. With `seeds` each part has all `widths`."""
    cells: dict[Run, str] = {}
    for name in part:
        most = PARTS[name]["seeds"] if seeds is None else seeds
        for seed, width in itertools.product(range(FIRST, FIRST + most), sorted(set(widths))):
            if seeds is not None or width in PARTS[name]["widths"]:
                run = sweeps.registered(
                    width, seed - sweeps.FIRST_SEED, iterations, PARTS[name]["windows"], held_out=hidden(seed),
                    evaluate_every=100,
                )  # fmt: skip
                cells.setdefault(run, name)
    return sweeps.table(cells, look=[1] * len(cells), part=cells.values())
