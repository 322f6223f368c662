"""Capacity: the published protocol size by size, with the published lines, sums and facts apart."""

import itertools

import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.sweep import published

TASKS = ("arithmetic", "facts")


def sweep(tasks: list[str], widths: list[int], *, seeds: int, iterations: int) -> pd.DataFrame:
    """The published protocol for every task, width and seed; seeds vary slowest: a stopped sweep is a smaller one."""
    known = [task for task in data.TASKS if task in tasks]
    cells = itertools.product(range(seeds), sorted(set(widths)), known)
    return sweeps.table([published(task, width, seed, iterations=iterations) for seed, width, task in cells])
