"""Facts, sums and both where a window is one line: with random names, with more of the facts, and one after the other."""

import itertools

import pandas as pd

from lib import estimates
from lib import sweep as sweeps
from lib import tasks as corpora
from lib.run import Run

TASKS = ("arithmetic", "facts", "joint")
SEEDS = False
CELLS = ["look", "arm", "width"]
EVERYWHERE = ["alone", "facts", "both", "random"]  # arms of all widths
FACTORS = {"arm": [*EVERYWHERE, "alone 4", "both 4", "alone 16", "both 16", "sums first", "facts first"]}
LOOKS = (6, 20)  # registered seeds a cell
PROFILES = {"full": {"widths": [14, 20, 28, 40, 56]}}
DESCRIBED = (28, 56)  # the widths of the other arms
CONTRASTS = 5  # primary ones of each kind, one a width of the registered sweep
_both = corpora.make("joint", windows="lines")
SUMS, FACTS = len(corpora.PUBLISHED_ORDER), len(corpora.CAPITALS)  # lines


def share(copies: int) -> float:
    """The share of the windows that are sums, in a text that has every fact so often."""
    return SUMS / (SUMS + copies * FACTS)


def _arm(name: str) -> dict:
    """What an arm changes: each task alone is read as often as in the text with both."""
    kind, _, copies = name.partition(" ")
    if kind == "alone":
        return {"context": _both.context, "batch": round(_both.batch * share(int(copies or 1)))}
    if name == "facts":
        return {"task": "facts", "batch": round(_both.batch * (1 - share(1)))}
    changes = {"random": {"facts": "random"}, "both": {"copies": int(copies or 1)} if kind == "both" else {}}
    return {"task": "joint", **changes.get(kind, {"turns": name})}


def sweep(tasks: list[str], widths: list[int], seeds: int | None, iterations: int, arm: list[str]) -> pd.DataFrame:
    """Every arm, width and seed; columns `look`, the registered look that a run belongs to, and `arm`."""
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for seed, width, name in itertools.product(range(most), sorted(set(widths)), arm):
            if name in EVERYWHERE or seeds is not None or width in DESCRIBED:
                run = sweeps.registered(width, seed, iterations, "lines", **_arm(name))
                if run.task in tasks:
                    cells.setdefault(run, {"look": look, "arm": name})
    return sweeps.labelled(cells, ["look", "arm"])
