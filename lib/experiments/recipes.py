"""One recipe for all sizes: which peak rate and decay keep the hidden sums at every size?"""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.experiments import tuning
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["part", "learning_rate", "shrinkage", "width"]
STAGED = "part"
PUBLISHED, OTHER = (1e-2, 0.0), (1e-3, 127.0)  # recipes: a peak rate, and the sum of rate times decay, in e-folds
GRID = tuple(itertools.product((1e-4, 3e-4, 1e-3, 3e-3, 1e-2), (0.0, 12.7, 127.0, 400.0)))
CHOSEN: tuple[tuple[float, float], ...] = ()  # by the registered choice, once the grid is complete
PARTS: dict[str, dict] = {  # the recipes, the first seed and the number of seeds
    "judged": {"recipes": (PUBLISHED, OTHER), "first": 200, "seeds": 60},
    "grid": {"recipes": GRID, "first": 260, "seeds": 8},
    "chosen": {"recipes": CHOSEN, "first": 500, "seeds": 40},
}
FACTORS = {"part": list(PARTS)}
PROFILES = {"full": {"widths": [14, 28, 56]}}


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every part, seed, recipe and width; columns `look`, `part`, `shrinkage`, and `chooses` and `tests`, the pairs."""
    cells: dict[Run, dict] = {}
    for name in part:
        asked = PARTS[name]
        every = range(asked["first"], asked["first"] + (asked["seeds"] if seeds is None else seeds))
        for seed, recipe, width in itertools.product(every, asked["recipes"], sorted(set(widths))):
            chooses, tests = tuning.hidden(seed)
            run = sweeps.registered(
                width, seed - sweeps.FIRST_SEED, iterations, "lines", held_out=f"{chooses} {tests}",
                **tuning.recipe(*recipe),
            )  # fmt: skip
            labels = {"look": 1, "part": name, "shrinkage": recipe[1], "chooses": chooses, "tests": tests}
            cells.setdefault(run, labels)
    return sweeps.labelled(cells, ["look", "part", "shrinkage", "chooses", "tests"])
