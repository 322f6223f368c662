"""Capacity or rate: true answers against answers dealt anew, over widths; and the learning rate of the MLP alone."""

import itertools

import pandas as pd

from lib import sweep as sweeps
from lib.run import Run

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "part"]
FACTORS = {"part": ["true", "dealt", "mlp"]}
WIDTHS = [*range(6, 29, 2), 40, 56, 112]
LOOKS = (8, 20)  # registered seeds a cell; for width 112 3 and 10
WIDEST = {8: 3, 20: 10}
MLP_WIDTHS, MLP_RATES = (10, 14, 20, 28, 40, 56), (0.1, 0.3, 3.0)
KEPT = {14: "log", 28: "log", 56: "final"}  # weights, of the runs with true answers
PROFILES = {"smoke": {"widths": [10]}, "full": {"widths": WIDTHS}}


def sweep(tasks: list[str], widths: list[int], seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every width and seed with its parts; columns `look`, the registered look that a run belongs to, and `part`."""
    cells: dict[Run, tuple[int, str]] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for kind, seed, width in itertools.product(part, range(most), sorted(set(widths))):
            if width == 112 and seed >= WIDEST.get(most, most):
                continue
            dealt: list[dict] = [{"answer_order": sweeps.FIRST_SEED + seed}]
            slowed: list[dict] = [{"mlp_rate": rate} for rate in MLP_RATES if width in MLP_WIDTHS]
            for change in {"true": [{}], "dealt": dealt, "mlp": slowed}[kind]:
                run = sweeps.registered(width, seed, iterations, "lines", evaluate_every=100, **change)
                cells.setdefault(run, (look, kind))
    looks, parts = zip(*cells.values(), strict=True) if cells else ((), ())
    kept = [KEPT.get(run.width, "") if k == "true" else "" for run, k in zip(cells, parts, strict=True)]
    return sweeps.table(cells, look=looks, part=parts, weights=kept)
