"""Learning rate, size and time: one held-out pair chooses a size's rate, decay and iteration, another one tests it."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.errors import some
from lib.experiments import Source
from lib.experiments.pairs import PAIRS
from lib.run import Run
from lib.stats import estimates
from lib.stats.estimates import Cells, Estimate

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "part", "width"]
STAGED = "part"
FACTORS = {"part": ["rate", "decay", "batch"]}
LOOKS = (8, 20)  # registered seeds a cell
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SHRUNK = (12.7, 127.0)  # learning rate times weight decay, summed over the updates; the published decay has 12.7
CHOICES = {"rate": ("rate",), "recipe": ("rate", "decay", "batch")}  # the parts from which a size chooses
PROFILES = {"full": {"widths": [14, 28, 56]}}


def hidden(seed: int) -> tuple[str, str]:
    """Two pairs of different digits, drawn for a seed: the one that chooses and the one that tests."""
    unlike = [pair for pair in PAIRS if pair[0] != pair[2]]
    first, second = np.random.RandomState(seed).choice(len(unlike), 2, replace=False)
    return unlike[first], unlike[second]


def recipe(rate: float, shrinkage: float = 0) -> dict[str, float]:
    """The factors of a peak rate, and of the decay whose product with the rate adds up to `shrinkage` in a run."""
    decay = round(0.1 * shrinkage / SHRUNK[0] * 1e-2 / rate, 10)
    return {"learning_rate": rate, "minimum_learning_rate": rate / 100, "weight_decay": decay}


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every recipe, width and seed; columns `look`, `part`, and `chooses` and `tests`, the pairs held out."""
    recipes: dict[str, list[dict]] = {
        "rate": [recipe(rate) for rate in RATES],
        "decay": [recipe(rate, shrunk) for rate in (1e-3, 1e-2) for shrunk in SHRUNK],
        "batch": [{"batch": 196}],
    }
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for kind, seed, width in itertools.product(part, range(most), sorted(set(widths))):
            chooses, tests = hidden(sweeps.FIRST_SEED + seed)
            for changes in recipes[kind]:
                run = sweeps.registered(width, seed, iterations, "lines", held_out=f"{chooses} {tests}", **changes)
                cells.setdefault(run, {"look": look, "part": kind, "chooses": chooses, "tests": tests})
    return sweeps.labelled(cells, ["look", "part", "chooses", "tests"])


@dataclass(frozen=True)
class Results:
    """What the runs say. `word` is that of the criterion, which is about the choice of a rate and a time alone.

    All others are by what there is to choose from: "rate" (with the time), judged, or "recipe" (weight decay and batch,
    too), described. `lead` is n14 less the better of the larger sizes, in shares of the pairs that test. The rest is by
    width: what a size chooses, `learning_rate`, `weight_decay`, `batch` (windows) and `iteration`, and the mean shares
    right at what it chose, `chooses` of the pairs that choose and `tests` of those that test. Units are seeds.
    """

    word: str
    lead: Cells
    tests: Cells
    chooses: Cells
    learning_rate: Cells
    weight_decay: Cells
    batch: Cells
    iteration: Cells


def shares(items: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The share right of the pair that chooses and of the pair that tests: a row a run and evaluation.

    Columns: run, part, width, seed, learning_rate, weight_decay, batch, iteration, chooses, tests.

    Parameters
    ----------
    items : `Store.items` of the held-out expressions of `runs`.
    """
    about = ["run", "part", "width", "seed", "learning_rate", "weight_decay", "batch"]
    pair = [f"{min(a, b):.0f},{max(a, b):.0f}" for a, b in zip(items["left"], items["right"], strict=True)]
    found = items[["run", "iteration", "greedy"]].assign(pair=pair).merge(runs[["run", "chooses", "tests"]], on="run")
    found["role"] = np.where(found["pair"] == found["chooses"], "chooses", "tests")
    wide = found.groupby(["run", "iteration", "role"])["greedy"].mean().unstack()
    return wide.reindex(columns=["chooses", "tests"]).reset_index().merge(runs[about], on="run")


def chosen(table: pd.DataFrame, parts: tuple[str, ...] = ("rate",)) -> pd.DataFrame:
    """What each size's first pairs choose, and what its second pairs then are: a row a width.

    Only seeds that all recipes have are compared.

    Columns: width, seeds, learning_rate, weight_decay, batch, iteration, chooses, tests, low, high; samples, the tests
    of the resampled seeds, each of which chooses anew.
    """
    rows, rng = [], np.random.RandomState(0)
    recipe = ["learning_rate", "weight_decay", "batch"]
    usable = table[table["part"].isin(parts)].fillna({"batch": data.make("arithmetic").batch})
    for width, cell in usable.groupby("width"):
        wide = cell.pivot(index="seed", columns=[*recipe, "iteration"], values=["chooses", "tests"]).dropna()
        if wide.empty:
            continue
        first, second = (wide[name].to_numpy() for name in ("chooses", "tests"))
        options = wide["chooses"].columns
        drawn = [np.arange(len(wide)), *rng.randint(len(wide), size=(estimates.RESAMPLES, len(wide)))]
        best = [int(first[seeds].mean(0).argmax()) for seeds in drawn]
        samples = np.array([second[seeds, at].mean() for seeds, at in zip(drawn, best, strict=True)])
        at, found = options[best[0]], estimates.interval(samples)
        row = {"width": int(width), "seeds": len(wide), **dict(zip([*recipe, "iteration"], at, strict=True))}
        row |= {"chooses": first[:, best[0]].mean(), "tests": found.mean, "low": found.low, "high": found.high}
        rows.append(row | {"samples": samples})
    columns = ["width", "seeds", *recipe, "iteration", "chooses", "tests", "low", "high", "samples"]
    return pd.DataFrame(rows, columns=columns)


def verdict(table: pd.DataFrame) -> tuple[Estimate, str]:
    """n14 less the better of the larger sizes on the second pairs, each at what it chose, and the registered word."""
    samples = table.set_index("width")["samples"]
    if 14 not in samples or len(samples) < 3 or max(samples.index) == 14:
        return Estimate(np.nan, np.nan, np.nan, 0), "missing"
    larger = np.max([samples[width] for width in samples.index if width > 14], axis=0)
    lead = replace(estimates.interval(samples[14] - larger), units=int(table["seeds"].min()))
    word = estimates.judge(lead, {"a size effect survives": 0.5}, {"overtraining": 0.15})
    return lead, "between" if word == "unresolved" else word


def by_rate(table: pd.DataFrame) -> pd.DataFrame:
    """Over time, for each size and rate without decay: the mean share right of both pairs, a row an evaluation.

    Columns: width, rate (in words), iteration, share, seeds.
    """
    rates = table[table["part"] == "rate"]
    both = rates.assign(share=(rates["chooses"] + rates["tests"]) / 2, rate=rates["learning_rate"].map("{:g}".format))
    keys = ["width", "learning_rate", "rate", "iteration"]
    return both.groupby(keys, as_index=False).agg(share=("share", "mean"), seeds=("seed", "nunique"))


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where there is none. Of a choice with a part that has no runs nothing is said."""
    runs = some(source.runs)
    table, found = shares(source.items(runs, groups=["held out"]), runs), {}
    for choice, parts in CHOICES.items():
        if set(parts) <= set(runs["part"]):
            found[choice] = chosen(table, parts).set_index("width")
    judged = {choice: verdict(best.reset_index()) for choice, best in found.items()}

    def by_width(name: str) -> Cells:
        return Cells({choice: Cells(best[name].to_dict()) for choice, best in found.items()})

    return Results(
        word=judged["rate"][1] if "rate" in judged else "missing",
        lead=Cells({choice: lead for choice, (lead, _) in judged.items()}),
        tests=Cells({
            choice: Cells({r.Index: Estimate(r.tests, r.low, r.high, r.seeds) for r in best.itertuples()})
            for choice, best in found.items()
        }),
        chooses=by_width("chooses"), learning_rate=by_width("learning_rate"), weight_decay=by_width("weight_decay"),
        batch=by_width("batch"), iteration=by_width("iteration"),
    )  # fmt: skip
