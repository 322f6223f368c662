"""The loss as a clock: when a model learns answers, operands and the order of the lines, beside held-out success.

Exploratory: it judges nothing. The runs record their loss in parts (model/loss_parts.py) at iterations spaced by
logarithm.
"""

import functools
import itertools

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.data import Task
from lib.model import loss_parts
from lib.model.loss_parts import PARTS
from lib.stats import estimates, intervals, words
from lib.store import Store

TASKS = ("arithmetic",)
FACTORS = {"windows": ["anywhere", "pairs"]}
PROFILES = {"full": {"widths": [14, 28, 56], "seeds": 2}}
SMOOTH = 3  # evaluations of which a mean is taken, to tell a peak from a flicker
FEWEST = 5  # runs that an interval rests on


def sweep(tasks: list[str], widths: list[int], *, seeds: int, iterations: int, windows: list[str]) -> pd.DataFrame:
    """Every seed, width and text: the published stream, with an order of lines a seed, and one without an order."""
    cells = itertools.product(range(seeds), sorted(set(widths)), windows)
    return sweeps.table(
        sweeps.registered(width, sweeps.EXPLORATORY + seed, iterations, window, scores="parts")
        for seed, width, window in cells
    )


@functools.cache
def _floors(task: Task, ordered: bool) -> tuple[np.ndarray, float]:
    """What a reader of the lines alone pays, in parts (3,), and how much less one pays who knows their order, too."""
    known = loss_parts.floors(task)
    lines = loss_parts.floors(task, ordered=False) if ordered else known
    return lines, float((lines - known).sum())


def split(store: Store, runs: pd.DataFrame) -> pd.DataFrame:
    """A row a run, evaluation and part of the loss, of those runs that recorded it.

    Columns: run, width, windows, iteration, part; nats, what the part costs more, a character of the text, than it
    costs a reader who knows every line, but not their order; gained, of what the order is worth, the share that the
    model has gained (NaN where there is no order).
    """
    tables = []
    for r in runs.itertuples():
        found = store.stored(r.run)
        if "parts" not in found.columns:
            continue
        floors, worth = _floors(found.run.corpus, r.windows == "anywhere")
        table = pd.DataFrame(found.columns["parts"] - floors, columns=list(PARTS))
        gained = np.clip(-table["order"] / worth, 0, None) if worth else np.nan
        tables.append(
            table.assign(
                run=r.run, width=r.width, windows=r.windows, iteration=found.columns["iteration"], gained=gained
            )
        )
    keys = ["run", "width", "windows", "iteration", "gained"]
    every = pd.concat(tables) if tables else pd.DataFrame(columns=[*keys, *PARTS])
    return every[every["iteration"] > 0].melt(keys, list(PARTS), "part", "nats")


def successes(curves: pd.DataFrame, iterations: list[int]) -> pd.DataFrame:
    """The share of held-out sums right of every run at the evaluation nearest to each of some iterations.

    Columns: run, width, windows, iteration, share.
    """
    known = curves.assign(share=estimates.share_right, at=curves["iteration"])
    at = pd.DataFrame({"at": iterations}, dtype=int)
    grid = known[["run", "width", "windows"]].drop_duplicates().merge(at, how="cross")
    near = {"on": "at", "by": "run", "direction": "nearest"}
    first, second = (table.sort_values("at", kind="stable") for table in (grid, known[["run", "at", "share"]]))
    found = pd.merge_asof(first, second, **near)
    return found.rename(columns={"at": "iteration"})


def declines(success: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """How far each size falls from its best to the end, and what it knew of the order at both: a row a size and text.

    Shares are means over `SMOOTH` neighbouring evaluations; the best is that of the mean over runs, and so flattered.
    Columns: width, windows, runs, at (the iteration of the best), best, halved (the first iteration after it with half
    of that, NaN where there is none), end, fall, low, high; gained_best and gained_end, the shares gained of what the
    order is worth (NaN where there is none).

    Parameters
    ----------
    success : from `successes`.
    gains : from `split`.
    """
    rows = []
    for (width, windows), cell in success.groupby(["width", "windows"]):
        each = cell.pivot(index="iteration", columns="run", values="share").rolling(SMOOTH, center=True).mean().dropna()
        if each.empty:
            continue
        mean = each.mean(axis=1)
        at, end = mean.idxmax(), each.index[-1]
        halved = mean.index[(mean.index > at) & (mean < mean[at]) & (mean <= mean[at] / 2)]
        fall = (each.loc[at] - each.loc[end]).to_numpy()
        low, high = intervals.bootstrap(fall) if len(fall) >= FEWEST else (np.nan, np.nan)
        own = gains[(gains["width"] == width) & (gains["windows"] == windows)].groupby("iteration")["gained"].mean()
        row = {"width": int(width), "windows": windows, "runs": len(fall), "at": int(at), "best": mean[at]}
        row |= {"halved": halved[0] if len(halved) else np.nan, "end": mean[end]}
        row |= {"fall": fall.mean(), "low": low, "high": high}
        rows.append(row | {"gained_best": own.get(at, np.nan), "gained_end": own.iloc[-1] if len(own) else np.nan})
    columns = ["width", "windows", "runs", "at", "best", "halved", "end", "fall", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "gained_best", "gained_end"])


def message(table: pd.DataFrame) -> str:
    """What `declines` shows, in one sentence: which sizes fall for certain without an order, and with one."""
    falls = table[table["low"] > 0]
    sizes = {w: [words.size_name(n) for n in cell["width"]] for w, cell in falls.groupby("windows")}
    without, ordered = sizes.get("pairs", []), sizes.get("anywhere", [])
    if table["low"].isna().all():
        return "Held-out success beside what is being learnt"
    if without:
        return f"Success declines where there is no order to learn, too ({words.listing(without)})"
    if ordered:
        return f"A decline is shown only where there is an order to learn ({words.listing(ordered)})"
    return "No decline of success is shown, with an order to learn or without"
