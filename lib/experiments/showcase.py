"""The showcase: the published protocol with the weights that the page "Try a trained model" runs.

Its runs have a store of their own, `FOLDER`. Some have the configuration, and so the id, of a run of the book that was
trained on another processor: that rounds sums in another order, and weights stand beside the very run that they are of.
"""

import itertools

import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.data.paper import LARGE, SIZES
from lib.sweep import published

TASKS = data.TASKS
SEEDS = False  # the numbers below, where none is asked for
PROFILES = {"full": {"widths": [width for width in SIZES if width != LARGE]}}
FOLDER = "results/showcase"
FIRST = {"arithmetic": 2, "facts": 1, "joint": 1}  # seeds a cell, counted from 0


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int) -> pd.DataFrame:
    """Every task, width and seed of the published protocol, with the published lines; weights at twenty iterations.

    Parameters
    ----------
    seeds : runs a cell; None for the numbers of `FIRST`.
    """
    cells = itertools.product([task for task in TASKS if task in tasks], sorted(set(widths)))
    runs = [
        published(task, width, seed, iterations=iterations)
        for task, width in cells
        for seed in range(FIRST[task] if seeds is None else seeds)
    ]
    return sweeps.table(runs).assign(weights="late")
