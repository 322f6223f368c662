"""The scan: one axis of parameters by width, by the expansion of the MLP and by depth, for sums, facts and both."""

import itertools

import numpy as np
import pandas as pd
import statsmodels.api as sm

from lib import sweep as sweeps
from lib.run import Run
from lib.stats import estimates, words

TASKS = ("arithmetic", "facts", "joint")
SEEDS = False
CELLS = ["look", "task"]
STAGED = "task"
FACTORS = {"layers": [1, 2, 4], "expansion": [1, 2, 4, 8, 11, 16]}
WIDTHS = [4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 40, 56, 112]
SHAPED = (10, 14, 20, 28)  # the widths at which expansion and depth are moved
LOOKS = ({"arithmetic": 3, "facts": 2, "joint": 2}, {"arithmetic": 10, "facts": 6, "joint": 6})
PROFILES = {"full": {"widths": WIDTHS}}


def sweep(
    tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, layers: list[int], expansion: list[int]
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


MATCHED = ((28, 1, 1), (14, 1, 11), (14, 4, 1))  # width, layers, expansion: 5,194 to 5,516 parameters


def spectrum(runs: pd.DataFrame) -> pd.DataFrame:
    """What every shape does at the end: a row a task, shape and measure, in parameters.

    Columns: task, width, layers, expansion, parameters, shape (what was moved), measure, runs, mean, low, high.
    """
    keys = ["task", "width", "layers", "expansion", "parameters"]
    found = estimates.measured(runs, keys).replace({"measure": words.SHORT})
    found = found.sort_values([*keys, "measure"], kind="stable", ignore_index=True)
    moved = np.select([found["layers"] > 1, found["expansion"] > 1], ["layers", "expansion"], "width")
    return found.assign(shape=moved)


def matched(runs: pd.DataFrame) -> pd.DataFrame:
    """The three shapes of about 5,400 parameters, each pair of them: columns first, second, mean, low, high, units."""
    sums = runs[runs["task"] == "arithmetic"]
    cells = {}
    for width, layers, expansion in MATCHED:
        same = (sums["width"] == width) & (sums["layers"] == layers) & (sums["expansion"] == expansion)
        cells[f"width {width}, {layers} layer{'s' * (layers > 1)}, expansion {expansion}"] = estimates.share_right(
            sums[same]
        )
    rows = []
    for first, second in itertools.combinations(cells, 2):
        found = estimates.difference(cells[first], cells[second], len(MATCHED))  # contrasts, as many as shapes
        row = {"first": first, "second": second, "mean": found.mean, "low": found.low, "high": found.high}
        rows.append(row | {"units": found.units})
    return pd.DataFrame(rows)


def fits(runs: pd.DataFrame) -> pd.Series:
    """By how much the BIC of a binomial logistic fit on log parameters improves with log width, and with the layers.

    The fit is over the runs on the sums of at least 1,000 parameters; an index "width" and "layers".
    """
    sums = runs[(runs["task"] == "arithmetic") & (runs["parameters"] >= 1_000)]
    if sums["layers"].nunique() < 2 or sums["expansion"].nunique() < 2:
        return pd.Series({"width": np.nan, "layers": np.nan})
    right = sums["held_out_correct"].to_numpy()
    outcome = np.column_stack([right, sums["held_out_asked"] - right])
    columns = {"parameters": np.log(sums["parameters"]), "width": np.log(sums["width"]), "layers": sums["layers"]}

    def bic(*names: str) -> float:
        design = sm.add_constant(np.column_stack([np.asarray(columns[name], float) for name in names]))
        fit = sm.GLM(outcome, design, family=sm.families.Binomial()).fit()
        return float(design.shape[1] * np.log(len(sums)) - 2 * fit.llf)

    base = bic("parameters")
    return pd.Series({name: base - bic("parameters", name) for name in ("width", "layers")})


def by_run(runs: pd.DataFrame, gains: pd.Series) -> pd.Series:
    """What `fits` would be if a run, and not each of its sums, were one observation. Not registered.

    The log-likelihood of every run then counts a fourth, since each is asked four sums.
    """
    sums = runs[(runs["task"] == "arithmetic") & (runs["parameters"] >= 1_000)]
    return (gains + np.log(len(sums))) / sums["held_out_asked"].iloc[0] - np.log(len(sums))


def verdict(pairs: pd.DataFrame, gains: pd.Series) -> str:
    """The registered word on whether the number of parameters is what counts."""
    if pairs["units"].min() == 0 or gains.isna().any():
        return "missing"
    if (pairs["low"] > 0.15).any() or (pairs["high"] < -0.15).any() or (gains > 10).any():
        return "not parameters alone"
    near = (pairs["mean"].abs() < 0.15).all() and (pairs["low"] > -0.3).all() and (pairs["high"] < 0.3).all()
    return "parameters" if near else "unresolved"


def on_both(runs: pd.DataFrame) -> int:
    """How many runs a size has on the capitals, at most; 0 where there are none on the sums or on them."""
    facts = runs[runs["task"] == "facts"]
    return int(facts.groupby("width").size().max()) if len(facts) and (runs["task"] == "arithmetic").any() else 0


def does_both(table: pd.DataFrame) -> list[int]:
    """The widths of one layer with lower bounds over 0.5 on the sums alone and over 0.95 on the facts alone."""
    plain = table[(table["shape"] == "width")].set_index(["task", "measure", "width"])["low"]
    return [
        int(width)
        for width in sorted(table["width"].unique())
        if plain.get(("arithmetic", words.SHORT["held_out_correct"], width), 0) > 0.5
        and plain.get(("facts", words.SHORT["facts_accuracy"], width), 0) > 0.95
    ]
