"""Joint training, controlled: its window and batch without facts, random names, equal exposures, more sizes."""

import itertools

import pandas as pd

from lib import estimates
from lib import sweep as sweeps
from lib import tasks as corpora
from lib.run import Run

TASKS = ("arithmetic", "joint")
SEEDS = False
CELLS = ["look", "arm", "width"]
FACTORS = {"arm": ["alone", "joint", "random", "equal"]}
LOOKS = (6, 20)  # registered seeds a cell
PROFILES = {"full": {"widths": [14, 20, 28, 40, 56]}}
CONTRASTS = 5  # primary ones of each kind, one a width of the registered sweep
_joint, _sums = corpora.make("joint"), corpora.make("arithmetic")
# As many windows of an update begin in the sums as in the arm "alone".
EQUAL = round(_joint.batch * _joint.offsets / len(_sums.text))
ARMS: dict[str, dict] = {
    "alone": {"task": "arithmetic", "context": _joint.context, "batch": _joint.batch},
    "joint": {"task": "joint"},
    "random": {"task": "joint", "facts": "random"},
    "equal": {"task": "joint", "batch": EQUAL},
}


def sweep(tasks: list[str], widths: list[int], seeds: int | None, iterations: int, arm: list[str]) -> pd.DataFrame:
    """Every arm, width and seed; columns `look`, the registered look that a run belongs to, and `arm`."""
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for seed, width, name in itertools.product(range(most), sorted(set(widths)), arm):
            if ARMS[name]["task"] in tasks:
                run = sweeps.registered(width, seed, iterations, "anywhere", **ARMS[name])
                cells.setdefault(run, {"look": look, "arm": name})
    return sweeps.labelled(cells, ["look", "arm"])


def windows(runs: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """What the joint window and batch do to the sums without any facts: a row a width that both tables have.

    Columns: width; alone, own (mean shares); difference, low, high: alone less own. Described, not registered.

    Parameters
    ----------
    runs : those of this experiment.
    own : runs on the same stream of sums, with their own window and batch.
    """
    alone, rows = runs[runs["arm"] == "alone"], []
    for width in sorted(set(alone["width"]) & set(own["width"])):
        here, there = (estimates.share_right(cell[cell["width"] == width]) for cell in (alone, own))
        lost = estimates.difference(here, there)
        row = {"width": int(width), "alone": here.mean(), "own": there.mean()}
        rows.append(row | {"difference": lost.mean, "low": lost.low, "high": lost.high})
    return pd.DataFrame(rows, columns=["width", "alone", "own", "difference", "low", "high"])


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
