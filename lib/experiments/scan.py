"""The scan: one axis of parameters by width, by the expansion of the MLP and by depth, for sums, facts and both."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.run import Run

TASKS = ("arithmetic", "facts", "joint")
SEEDS = False
CELLS = ["look", "task"]
FACTORS = {"layers": [1, 2, 4], "expansion": [1, 2, 4, 8, 11, 16]}
WIDTHS = [4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 40, 56, 112]
SHAPED = (10, 14, 20, 28)  # the widths at which expansion and depth are moved
LOOKS = ({"arithmetic": 3, "facts": 2, "joint": 2}, {"arithmetic": 10, "facts": 6, "joint": 6})
PROFILES = {"full": {"widths": WIDTHS}}


def sweep(
    tasks: list[str], widths: list[int], seeds: int | None, iterations: int, layers: list[int], expansion: list[int]
) -> pd.DataFrame:
    """Every task, shape and seed: expansion and depth are moved one at a time, on the sums (column `look`).

    The sums are read line by line, the facts and both together as published. In the registered sweep the shapes other
    than one layer of expansion 1 have the widths `SHAPED`.
    """
    cells: dict[Run, int] = {}
    for look, most in enumerate(LOOKS if seeds is None else (dict.fromkeys(TASKS, seeds),), 1):
        for task, seed in itertools.product(TASKS, range(max(most.values()))):
            if task not in tasks or seed >= most[task]:
                continue
            for width, depth, expanded in itertools.product(sorted(set(widths)), layers, expansion):
                shaped = depth > 1 or expanded > 1
                if (depth > 1 and expanded > 1) or (shaped and task != "arithmetic"):
                    continue
                if shaped and seeds is None and width not in SHAPED:
                    continue
                shape = {"layers": depth, "expansion": expanded}
                windows = "lines" if task == "arithmetic" else "anywhere"
                cells.setdefault(sweeps.registered(width, seed, iterations, windows, task=task, **shape), look)
    return sweeps.table(cells, look=cells.values())
