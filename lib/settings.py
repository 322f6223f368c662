"""Settings: what a notebook or a command was asked for, checked before anything is trained."""

import ast
import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from lib import experiments
from lib.data import TASKS
from lib.errors import UserError, number, shown, whole
from lib.run import BOUNDS, SEED

ROOT = Path(__file__).parents[1]  # the default store lies here, wherever a notebook runs
FEW_SEEDS, MOST_RUNS = 50, 50_000  # of a sweep
DEVICES = ("auto", "cpu", "cuda")
LIMITS = BOUNDS | {"widths": BOUNDS["width"], "seeds": (1, 1_000), "hidden": (1, 54)}  # of whole numbers
PARAMETERS = ("profile", "tasks", "widths", "seeds", "iterations", "device", "store")


@dataclass(frozen=True)
class Settings:
    """Checked parameters, with what the profile fills in.

    `device` is "cpu" or "cuda"; `seeds` is None where the experiment has a number of its own for every cell; `factors`
    are the experiment's own parameters. `trains` is whether a notebook trains what lacks: where it was given `seeds`,
    or a profile smaller than that of the book, which takes a CPU days.
    """

    experiment: str
    profile: str
    tasks: list[str]
    widths: list[int]
    seeds: int | None
    iterations: int
    device: str
    store: str
    factors: dict[str, list] = field(default_factory=dict)
    trains: bool = False

    def sweep(self) -> pd.DataFrame:
        """The runs that these settings ask for.

        Raises
        ------
        UserError
            When they are more than anyone trains, which would take minutes to list.
        """
        make = experiments.load(self.experiment).sweep
        if self.seeds and self.seeds > FEW_SEEDS:
            each = len(make(self.tasks, self.widths, seeds=1, iterations=self.iterations, **self.factors))
            if each * self.seeds > MOST_RUNS:
                raise UserError(
                    f"seeds is {self.seeds}, but it must be at most {MOST_RUNS // each} here, where each seed has "
                    f"{each:,} runs."
                )
        return make(self.tasks, self.widths, seeds=self.seeds, iterations=self.iterations, **self.factors)


def _one_of(name: str, value, choices) -> None:
    if value not in list(choices):  # a list takes values that cannot be hashed, too
        raise UserError(f"{name} is {shown(value)}, but it must be one of {', '.join(choices)}.")


def _typed(value):
    """A value, or the number that a text spells."""
    return number(value.strip()) if isinstance(value, str) else value


def _listed(name: str, value, example: list) -> list:
    """A list from a list, from text such as "[10, 20]" or "10,20", or from a single value."""
    if isinstance(value, str):
        text = value.strip().strip("[]")
        parts = [part.strip().strip("'\"") for part in text.split(",") if part.strip()]
        value = [number(part) for part in parts]
    value = list(value) if isinstance(value, (list, tuple)) else [value]
    if not value:
        raise UserError(f"{name} is empty, but it must be a list such as {example}.")
    return value


def of_notebook(variables: Mapping, experiment: str) -> dict:
    """The parameters among the variables of a notebook, and whatever else papermill gave it.

    Other variables are the reader's own. What papermill gives stands in a cell that begins with a comment of its own.

    Parameters
    ----------
    variables : `globals()`; IPython keeps the cells that were run in `In`.
    """
    injected = [cell for cell in variables.get("In", []) if cell.startswith("# Parameters\n")]
    assigned = [node for cell in injected[-1:] for node in ast.parse(cell).body if isinstance(node, ast.Assign)]
    given = [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]
    return {name: variables[name] for name in [*_known(experiment), *given] if name in variables}


def _known(experiment: str) -> list[str]:
    return [*PARAMETERS, *experiments.factors(experiment)]


def _asked(given: Mapping, known: list[str]) -> dict:
    """The parameters that were given a value.

    Raises
    ------
    UserError
        For a name that is no parameter.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UserError(f"{name} is not a parameter{hint}; the parameters are {', '.join(known)}.")
    return {k: v for k, v in given.items() if v is not None and not (isinstance(v, (str, list)) and not v)}


def _device(name: str, here: bool) -> str:
    _one_of("device", name, DEVICES)
    if not here:  # the GPUs of a cluster are taken where they are asked for
        return "cpu" if name == "auto" else name
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device is 'cuda', but this machine has no CUDA GPU that torch can use; it may be cpu or auto.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def settle(given: Mapping, experiment: str, tasks: Collection[str] = (), here: bool = True) -> Settings:
    """Checks parameters and fills in the profile.

    Parameters
    ----------
    given : the parameters by name; None, "" and [] mean "as the profile has it". Numbers may be text.
    experiment : a name of `experiments.names`, which decides tasks and further parameters.
    tasks : the tasks where none are given, if not all of the experiment's.
    here : whether this machine trains, not a cluster.

    Raises
    ------
    UserError
        For an unknown name, a wrong type or an impossible value.
    """
    own = experiments.factors(experiment)
    given = values = _asked(given, _known(experiment))
    own_seeds = not getattr(experiments.load(experiment), "SEEDS", True)  # it has a number of them for every cell
    profile = values.get("profile", "full" if own_seeds else "quick")
    _one_of("profile", profile, experiments.PROFILES)
    every_seed = own_seeds and profile == "full" and "seeds" not in values
    filled = experiments.profile(experiment, profile) | ({"tasks": list(tasks)} if tasks else {})
    values = {"device": "auto", "store": str(ROOT / "results"), **filled, **values}
    found_tasks = _listed("tasks", values["tasks"], list(TASKS)) if values["tasks"] else []
    for task in found_tasks:
        _one_of("tasks", task, TASKS)
    widths = [whole("widths", width, LIMITS["widths"]) for width in _listed("widths", values["widths"], [14, 28])]
    factors = {name: _listed(name, values[name], own[name]) for name in own}
    for name, found in factors.items():
        if isinstance(own[name][0], int):
            factors[name] = [whole(name, value, LIMITS.get(name, SEED)) for value in found]
        else:
            for value in found:
                _one_of(name, value, own[name])
    if not isinstance(values["store"], str):
        raise UserError(f"store is {shown(values['store'])}, but it must be the path of a folder.")
    iterations = whole("iterations", _typed(values["iterations"]), LIMITS["iterations"])
    seeds = None if every_seed else whole("seeds", _typed(values["seeds"]), LIMITS["seeds"])
    device = _device(values["device"], here)
    return Settings(
        experiment, profile, found_tasks, widths, seeds, iterations, device, values["store"], factors,
        trains="seeds" in given or profile != "full",
    )  # fmt: skip
