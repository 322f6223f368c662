"""Experiments, one module each: this folder is their list, which command line, profiles and chapters follow.

A module says what it trains and what it makes of the runs:

    TASKS      the tasks that it knows; one that trains nothing has none
    sweep      sweep(tasks, widths, *, seeds, iterations, **FACTORS) -> a table of runs (lib.sweep), in order of worth
    FACTORS    its own parameters and their defaults, lists of whole numbers or of words, if it has any
    PROFILES   what it fills in otherwise than `PROFILES` below, by profile, if anything
    CELLS      the columns of the sweep by which `status` counts its runs, if not by task, width, factors and labels
    STAGED     in the second protocol, the column of the sweep whose values are looked at apart
    Results    a frozen dataclass: what its runs say, in numbers, estimates, counts, and the words of its criteria
    results    results(source) -> Results, from a `Source` of runs; `Lacking` where they do not suffice
    SEEDS      False where `seeds` None means a number for every cell that the module knows
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, Protocol

import pandas as pd

from lib.data.paper import SIZES
from lib.errors import UserError, shown


class Source(Protocol):
    """Runs and how to read more of them (`book.chapter.Chapter`)."""

    runs: pd.DataFrame

    def curves(self, runs: pd.DataFrame) -> pd.DataFrame: ...

    def items(self, runs: pd.DataFrame, iterations=None, groups=None) -> pd.DataFrame: ...

    def last(self, runs: pd.DataFrame, groups=None) -> pd.DataFrame: ...


OTHERS = ("claims", "points")  # modules that make something of the runs of several experiments
PROFILES: dict[str, dict[str, Any]] = {
    "smoke": {"widths": [6], "seeds": 2, "iterations": 40},
    "quick": {"widths": [14, 28], "seeds": 2, "iterations": 3_000},
    "paper": {"widths": list(SIZES), "seeds": 1, "iterations": 30_000},
    "full": {"widths": list(SIZES), "seeds": 3, "iterations": 30_000},
}


def names() -> list[str]:
    """The names of all experiments."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in OTHERS)


def trained() -> list[str]:
    """The names of those that train runs."""
    return [name for name in names() if load(name).TASKS]


def load(name: str) -> ModuleType:
    """The module of an experiment.

    Raises
    ------
    UserError
        When there is none of this name.
    """
    if name not in names():
        raise unknown(name)
    return importlib.import_module(f"{__name__}.{name}")


def unknown(name: str) -> UserError:
    """What is wrong with an experiment's name."""
    return UserError(f"EXPERIMENT is {shown(name)}, but it must be one of {', '.join(trained())}.")


def factors(name: str) -> dict[str, list]:
    """An experiment's own parameters and their defaults."""
    return {factor: list(values) for factor, values in getattr(load(name), "FACTORS", {}).items()}


def profile(name: str, which: str) -> dict[str, Any]:
    """What a profile fills in for an experiment, its own factors included."""
    own = getattr(load(name), "PROFILES", {}).get(which, {})
    return {"tasks": list(load(name).TASKS), **factors(name), **PROFILES[which], **own}
