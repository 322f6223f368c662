"""Joint training, controlled: its window and batch without facts, random names, equal exposures, more sizes."""

import itertools

import numpy as np
import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.run import Run
from lib.stats import estimates, intervals

TASKS = ("arithmetic", "joint")
SEEDS = False
CELLS = ["look", "arm", "width"]
FACTORS = {"arm": ["alone", "joint", "random", "equal"]}
LOOKS = (6, 20)  # registered seeds a cell
PROFILES = {"full": {"widths": [14, 20, 28, 40, 56]}}
CONTRASTS = 5  # primary ones of each kind, one a width of the registered sweep
_joint, _sums = data.make("joint"), data.make("arithmetic")
# As many windows of an update begin in the sums as in the arm "alone".
EQUAL = round(_joint.batch * _joint.offsets / len(_sums.text))
READ = tuple(task.batch * task.context for task in (_joint, _sums))  # characters an update, in the joint task and alone
ARMS: dict[str, dict] = {
    "alone": {"task": "arithmetic", "context": _joint.context, "batch": _joint.batch},
    "joint": {"task": "joint"},
    "random": {"task": "joint", "facts": "random"},
    "equal": {"task": "joint", "batch": EQUAL},
}


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, arm: list[str]) -> pd.DataFrame:
    """Every arm, width and seed; columns `look`, the registered look that a run belongs to, and `arm`."""
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for seed, width, name in itertools.product(range(most), sorted(set(widths)), arm):
            if ARMS[name]["task"] in tasks:
                run = sweeps.registered(width, seed, iterations, "anywhere", **ARMS[name])
                cells.setdefault(run, {"look": look, "arm": name})
    return sweeps.labelled(cells, ["look", "arm"])


def windows(runs: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """What the joint window and batch do to the sums without any facts: a row a width, over seeds that both have.

    Columns: width, runs; alone, own (mean shares right); seen, own_seen (mean seen accuracies); difference, low, high:
    alone less own, seed by seed, for a seed has one text. Described, not registered.

    Parameters
    ----------
    runs : those of this experiment.
    own : runs on the same stream of sums, with their own window and batch.
    """
    alone, own = (table.assign(share=estimates.share_right) for table in (runs[runs["arm"] == "alone"], own))
    both = alone.merge(own, on=["width", "seed"], suffixes=("", "_own"))
    rows = []
    for width, cell in both.groupby("width"):
        lost = (cell["share"] - cell["share_own"]).to_numpy()
        low, high = intervals.bootstrap(lost) if len(lost) > 1 and np.ptp(lost) else (np.nan, np.nan)
        row = {"width": int(width), "runs": len(cell), "alone": cell["share"].mean(), "own": cell["share_own"].mean()}
        row |= {"seen": cell["seen_accuracy"].mean(), "own_seen": cell["seen_accuracy_own"].mean()}
        rows.append(row | {"difference": lost.mean(), "low": low, "high": high})
    columns = ["width", "runs", "alone", "own", "seen", "own_seen", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def judged(runs: pd.DataFrame) -> pd.DataFrame:
    """Each width's arms and the registered words: a row a width.

    Columns: width, runs; alone, joint, random, equal (mean shares); seen, the mean seen accuracy of "equal";
    difference, low, high: equal less alone; verdict; names, names_low, names_high: random less joint, and specific.
    """
    rows = []
    for width, cell in runs.groupby("width"):
        share = {name: estimates.share_right(cell[cell["arm"] == name]) for name in ARMS}
        seen = cell.loc[cell["arm"] == "equal", "seen_accuracy"].mean()
        lost = estimates.difference(share["equal"], share["alone"], CONTRASTS)
        names = estimates.difference(share["random"], share["joint"], CONTRASTS)
        testable = share["alone"].mean() >= 0.5 and seen > 0.95
        word = (
            estimates.judge(lost, {"no interference": -0.25}, {"interference": -0.25}) if testable else "not testable"
        )
        row = {"width": int(width), "runs": lost.units, **{name: values.mean() for name, values in share.items()}}
        row |= {"seen": seen, "difference": lost.mean, "low": lost.low, "high": lost.high, "verdict": word}
        row |= {"names": names.mean, "names_low": names.low, "names_high": names.high}
        rows.append(row | {"specific": estimates.judge(names, {"specific to facts": 0.25}, {"not specific": 0.25})})
    columns = ["width", "runs", *ARMS, "seen", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=[*columns, "names", "names_low", "names_high", "specific"])
