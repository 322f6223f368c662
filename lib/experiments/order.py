"""Order: the published stream, windows that straddle lines in no order, and windows that begin where lines begin."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "windows", "width"]
FACTORS = {"windows": ["anywhere", "pairs", "lines"]}
LOOKS = ({14: 12, 28: 12, 56: 6}, {14: 40, 28: 40, 56: 20})  # registered seeds a cell, by width
PROFILES = {"full": {"widths": list(LOOKS[0])}}


def sweep(tasks: list[str], widths: list[int], seeds: int | None, iterations: int, windows: list[str]) -> pd.DataFrame:
    """Every text, width and seed (column `look`: the registered look that it belongs to)."""
    cells: dict[Run, int] = {}
    for look, most in enumerate(LOOKS if seeds is None else (dict.fromkeys(widths, seeds),), 1):
        for seed, width, window in itertools.product(range(max(most.values())), sorted(set(widths)), windows):
            if seed < most.get(width, 0):
                cells.setdefault(sweeps.registered(width, seed, iterations, window, evaluate_every=100), look)
    return sweeps.table(cells, look=cells.values())
