"""Settings: what a notebook or a command was asked for, checked before anything is trained."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from lib import experiments
from lib.errors import UserError, number, shown, whole
from lib.tasks import TASKS

ROOT = Path(__file__).parents[1]  # the default store lies here, wherever a notebook runs
DEVICES = ("auto", "cpu", "cuda")
PARAMETERS = ("profile", "tasks", "widths", "seeds", "iterations", "device", "store")


@dataclass(frozen=True)
class Settings:
    """Checked parameters, with what the profile fills in; `device` is "cpu" or "cuda"."""

    experiment: str
    profile: str
    tasks: list[str]
    widths: list[int]
    seeds: int | None
    iterations: int
    device: str
    store: str

    def sweep(self):
        """The runs that these settings ask for (experiments.sweep, or experiments.replication)."""
        if self.experiment in experiments.REGISTERED:
            return experiments.replication(self.tasks, self.widths, self.seeds, self.iterations)
        assert self.seeds is not None
        return experiments.sweep(self.tasks, self.widths, self.seeds, self.iterations)


def _one_of(name: str, value, choices) -> None:
    if value not in list(choices):  # a list takes values that cannot be hashed, too
        raise UserError(f"{name} is {shown(value)}, but it must be one of {', '.join(choices)}.")


def _listed(name: str, value) -> list:
    """A list from a list, from text such as "[10, 20]" or "10,20", or from a single value."""
    if isinstance(value, str):
        text = value.strip().strip("[]")
        parts = [part.strip().strip("'\"") for part in text.split(",") if part.strip()]
        value = [number(part) for part in parts]
    value = list(value) if isinstance(value, (list, tuple)) else [value]
    if not value:
        raise UserError(
            f"{name} is empty, but it must be a list such as {'[14, 28]' if name == 'widths' else list(TASKS)}."
        )
    return value


def settle(given: Mapping, experiment: str) -> Settings:
    """Checks parameters and fills in the profile.

    Parameters
    ----------
    given : the parameters by name; None, "" and [] mean "as the profile has it". A notebook passes `globals()` just
        after its parameters cell: names that begin with an underscore, functions and modules are passed over.
    experiment : the notebook's name, which decides the tasks.

    Raises
    ------
    UserError
        For an unknown name, a wrong type or an impossible value.
    """
    ignored = ("In", "Out", "exit", "quit", "open", "get_ipython", "settle")
    given = {
        k: v
        for k, v in given.items()
        if not (k.startswith("_") or k in ignored or callable(v) or hasattr(v, "__spec__"))
    }
    for name in given:
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UserError(f"{name} is not a parameter{hint}; the parameters are {', '.join(PARAMETERS)}.")
    values = {
        name: value
        for name, value in given.items()
        if value is not None and not (isinstance(value, (str, list)) and not value)
    }
    profile = values.get("profile", "full" if experiment == "replication" else "quick")
    _one_of("profile", profile, experiments.PROFILES)
    every = experiment in experiments.REGISTERED and profile == "full" and "seeds" not in values
    filled = {"tasks": list(experiments.EXPERIMENTS[experiment]), **experiments.PROFILES[profile]}
    values = {"device": "auto", "store": str(ROOT / "results"), **filled, **values}
    found_tasks = _listed("tasks", values["tasks"]) if values["tasks"] else []
    for task in found_tasks:
        _one_of("tasks", task, TASKS)
    widths = [whole("widths", width) for width in _listed("widths", values["widths"])]
    device = values["device"]
    _one_of("device", device, DEVICES)
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device is 'cuda', but this machine has no CUDA GPU that torch can use; it may be cpu or auto.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not isinstance(values["store"], str):
        raise UserError(f"store is {shown(values['store'])}, but it must be the path of a folder.")
    iterations = whole("iterations", values["iterations"])
    seeds = None if every else whole("seeds", values["seeds"])
    return Settings(experiment, profile, found_tasks, widths, seeds, iterations, device, values["store"])
