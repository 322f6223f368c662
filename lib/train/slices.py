"""A slice: what a machine of a cluster trains of some runs before it hands back what it made of them.

Notable features:
- what a store has of the runs comes as bytes and goes back as bytes; in between the machine trains in a folder of its
  own, as a core or a GPU of the driver's machine would;
- a machine with other versions than the driver's trains nothing.
"""

import functools
import hashlib
import platform
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib.errors import UserError
from lib.run import Run
from lib.store import Store
from lib.store.files import read, write
from lib.train import course


class Slice(NamedTuple):
    """What a machine hands back.

    `files` are those of the store by run and kind (`files`), `reached` the first and the last iteration of the runs
    that it had in training; `warned` are warnings, and `wrong` is the sentence that stops the sweep, if any.
    """

    files: dict[str, dict[str, bytes]]
    reached: dict[str, tuple[int, int]]
    warned: list[str]
    wrong: str


@functools.cache
def versions() -> dict[str, str]:
    """What decides the bits of a run besides the machine: versions, and a digest of this package's code."""
    code = hashlib.sha256()
    for path in sorted(path for path in Path(__file__).parents[1].rglob("*") if path.suffix in (".py", ".cpp")):
        code.update(path.read_bytes())
    return {
        "Python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],  # builds for CPUs and for CUDA may be mixed
        "numpy": np.__version__,
        "this project": code.hexdigest()[:12],
    }


def differing(drivers: Mapping[str, str]) -> str:
    """What differs between the driver's versions and this machine's: the end of a sentence, or nothing."""
    host, own = platform.node(), versions()
    different = [f"{what} {own[what]}, not {drivers[what]}" for what in own if own[what] != drivers[what]]
    return f"{host} has {' and '.join(different)}, as the driver has; they must be the same." if different else ""


def _paths(store: Store, run: Run) -> dict[str, Path]:
    """Where a store has what, in the order of writing: a run that is there is there with its weights."""
    return {"weights": store.weights_path(run.id), "run": store.path(run.id), "state": store.checkpoint_path(run)}


def files(store: Store, run: Run) -> dict[str, bytes]:
    """All that a store has of a run, by kind."""
    return {kind: read(path) for kind, path in _paths(store, run).items() if path.exists()}


def put(store: Store, run: Run, found: Mapping[str, bytes]) -> None:
    """Puts what `files` gave of a run into a store; what is finished stays as it is and needs no state."""
    for kind, path in _paths(store, run).items():
        if kind in found and not (kind == "run" and path.exists()):
            write(path, found[kind])
    if "run" in found and "state" not in found:
        store.forget_checkpoint(run)


def train_slice(
    runs: list[Run], held: Mapping[str, Mapping[str, bytes]], device: str, seconds: float,
    weights: Mapping[str, str], drivers: Mapping[str, str], asked: list,
) -> Slice:  # fmt: skip
    """Trains runs for some time, or until the object in `asked` is there.

    Parameters
    ----------
    held : what a store has of them, by id (`files`).
    seconds : to train; more where handing back what there is takes long (`course.pause`).
    drivers : the driver's `versions`.
    asked : a list, for an object by itself would be waited for.
    """
    import ray

    reached: dict[str, tuple[int, int]] = {}
    stop = lambda: bool(ray.wait(asked, timeout=0)[0])  # noqa: E731

    def tell(run: str, iteration: int) -> None:
        reached[run] = (reached.get(run, (iteration,))[0], iteration)

    if wrong := differing(drivers):
        return Slice({}, {}, [], f"On the cluster {wrong}")
    torch.set_num_threads(1)
    beside = tempfile.TemporaryDirectory(prefix="too-big-to-think-")
    with beside as folder, warnings.catch_warnings(record=True, action="always") as said:
        store = Store(folder)
        try:
            store.prepare()
            for run in runs:
                put(store, run, held[run.id])
            deadline = time.monotonic() + course.pause(runs[0], seconds)
            if device == "cuda":
                course.train_stacks(runs, folder, deadline=deadline, tell=tell, weights=weights, stop=stop)
            else:
                for run in runs:
                    course.train_stack(
                        [run],
                        folder,
                        device=device,
                        deadline=deadline,
                        tell=functools.partial(tell, run.id),
                        stop=stop,
                        weights=weights,
                    )
        except UserError as error:
            wrong = f"On {platform.node()}: {error}"
        except Exception as error:
            if not course.lacks_memory(error):
                raise
            wrong = f"The memory of {platform.node()} is too small to train {course.name(runs[0])}; {course.GOES_ON}."
        made = {run.id: files(store, run) for run in runs}
    return Slice(made, reached, [f"On {platform.node()}: {w.message}" for w in said], wrong)
