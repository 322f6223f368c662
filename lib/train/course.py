"""A stack in training: runs of one shape go on from their checkpoints, are measured, saved and put into a store.

Notable features:
- a run is in the store the moment it is done; one in progress keeps a checkpoint, so that Ctrl-C, a crash or a time
  budget costs at most what was done since the last one (`pause`);
- whoever trains, a core, a GPU or a node of a cluster, calls `train_stack` or `train_stacks` with a folder.
"""

import contextlib
import datetime
import json
import math
import os
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.errors import UserError
from lib.model.transformer import WIDE
from lib.run import LATE, Run, spaced
from lib.store import Store, run_file
from lib.train.stack import Stack

CHECKPOINT_SECONDS = 15  # between two checkpoints, at least
LONGEST_PAUSE = 600  # and at most, unless a single update takes longer
BYTES_A_SECOND = 200_000  # what checkpoints may take of a disk: those of MLT, 128 MB, are written every ten minutes
CHUNK_SECONDS = 1  # between two looks at the clock, unless a single update takes longer
STACK_FLOATS = 2**28  # of one activation of a whole stack on a GPU; a stack that does not fit all the same is halved
KEPT = 20  # iterations, spaced by logarithm, whose weights a run keeps that is asked for "log" or "late"
WEIGHTS = ("", "final", "log", "late")  # what a sweep may ask for
THEN = " then "  # between the engines, say, of a run that one began and another finished
GOES_ON = "the same command goes on where it stopped"


def pause(run: Run, least: float) -> float:
    """Seconds between two checkpoints of a run, which hold three float32 a parameter; `least` for small ones."""
    return max(least, min(12 * run.architecture.parameters() / BYTES_A_SECOND, LONGEST_PAUSE))


def name(run: Run) -> str:
    """A run in a sentence."""
    return f"a run of width {run.width} on {run.task} ({run.id})"


def cores() -> int:
    """The cores that this process may use: those that it may run on, and no more than it is given time on."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = Path("/proc/self/cgroup")
    given = quota(own.read_text(), Path("/sys/fs/cgroup")) if own.exists() else here
    return math.ceil(min(here, given))


def quota(groups: str, root: Path) -> float:
    """Cores' worth of time that the control groups of a process give it, as in a container; infinite without a limit.

    Parameters
    ----------
    groups : the contents of /proc/PID/cgroup; a group has no more than those above it.
    root : where control groups are mounted.
    """
    found = [math.inf]
    for kinds, path in (line.split(":", 2)[1:] for line in groups.splitlines()):
        base = root / kinds
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # there is none, or it is "max"
                if kinds:
                    time, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
                else:
                    time, period = map(int, (folder / "cpu.max").read_text().split())
                found += [time / period] if time > 0 else []  # -1 is no limit
            if folder == base:
                break
    return min(found)


def lacks_memory(error: Exception) -> bool:
    """Whether an error says that a processor's memory is too small."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def _where(stack: Stack, before: Mapping[str, str]) -> dict[str, str]:
    """Where and with what a run was trained, such as "fused then plain" where another than `before` went on."""
    here = {
        "device": torch.cuda.get_device_name() if stack.device == "cuda" else "cpu",
        "processor": processor(),
        "engine": stack.engine,
        "torch": torch.__version__,
    }
    return {
        name: THEN.join(dict.fromkeys([*before.get(name, value).split(THEN), value])) for name, value in here.items()
    }


def kept(run: Run, weights: str) -> list[int]:
    """The iterations at which a run keeps its weights: none, the last, or `KEPT` spaced by logarithm, with the last."""
    if weights in ("log", "late"):
        return spaced(run.updates, run.updates * LATE if weights == "late" else 1, KEPT)
    return [run.updates] if weights == "final" else []


class _Course:
    """A stack and what its runs have measured and kept so far, read from checkpoints and written to them."""

    def __init__(self, runs: list[Run], store: Store, device: str, weights: Mapping[str, str]):
        self.runs, self.store, self.stack = runs, store, Stack(runs, device)
        self.keep = [kept(run, weights.get(run.id, "")) for run in runs]
        self.curves: list[list[dict]] = [[] for _ in runs]
        self.weights: list[dict[int, Tensor]] = [{} for _ in runs]
        self.before: list[dict[str, str]] = [{} for _ in runs]  # where they were trained until now
        self.spent: float | None = 0.0  # seconds until now; older checkpoints do not say
        saved = [store.load_checkpoint(run) for run in runs]
        if all(saved) and len({int(state["iteration"]) for state, _ in saved}) == 1:  # type: ignore[misc]
            self._restore(saved)  # type: ignore[arg-type]
        self.at_start = self.stack.iteration
        self.saved = time.monotonic()

    def _restore(self, saved: list[tuple[dict[str, Tensor], list[dict]]]) -> None:
        at, found = int(saved[0][0]["iteration"]), []
        for (state, _), keep in zip(saved, self.keep, strict=True):
            found.append({int(name[5:]): x for name, x in state.items() if name.startswith("kept.")})
            if {i for i in keep if i <= at} - found[-1].keys():
                return  # weights are asked for that are gone: only from the beginning can they be had
        for i, (state, curve) in enumerate(saved):
            self.stack.restore(i, state)
            self.curves[i] = curve
            where = json.loads(state["where"].numpy().tobytes()) if "where" in state else {}  # as in older checkpoints
            self.spent, self.before[i] = where.pop("seconds", None), where
        self.weights = found

    def look(self, evaluations: set[int]) -> None:
        """Measures and keeps what is due at this iteration."""
        at = self.stack.iteration
        if at in evaluations and not (self.curves[0] and self.curves[0][-1]["iteration"] == at):
            for curve, row in zip(self.curves, self.stack.measure(), strict=True):
                curve.append(row)
        for i, keep in enumerate(self.keep):
            if at in keep:
                self.weights[i][at] = self.stack.flat[i].cpu().clone()

    def save(self, seconds: float) -> None:
        """Writes a checkpoint of every run, with the `seconds` of training here."""
        for i, run in enumerate(self.runs):
            more = {f"kept.{at}": x for at, x in self.weights[i].items()}
            if self.stack.iteration:
                spent = {} if self.spent is None else {"seconds": self.spent + seconds}
                text = json.dumps(self._where(i) | spent).encode()
                more["where"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
            self.store.save_checkpoint(run, self.stack.state(i) | more, self.curves[i])
        self.saved = time.monotonic()

    def _where(self, i: int) -> dict[str, str]:
        """Where run i was trained; here, too, if it got on here or nothing says where it did."""
        if self.before[i] and self.stack.iteration == self.at_start:
            return self.before[i]
        return _where(self.stack, self.before[i])

    def finish(self, seconds: float) -> None:
        """Puts the runs into the store, the weights first: a run that is there is there with them.

        Those `seconds` were spent here; where nothing says how many before, as many an update are counted.
        """
        updates, done = self.runs[0].updates, self.runs[0].updates - self.at_start
        seconds = seconds * updates / max(1, done) if self.spent is None else self.spent + seconds
        ids = self.store.ids()
        finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        for i, (run, curve, weights) in enumerate(zip(self.runs, self.curves, self.weights, strict=True)):
            trained = self._where(i) | {"seconds": round(seconds, 1), "finished": finished}
            if weights and run.id in ids:
                again = run_file.finished(run, curve, trained)
                if not self.store.stored(run.id).same_curve(again):
                    warnings.warn(
                        f"{run.id} came out differently than it is in the store, so its weights are not kept; "
                        f"`python -m lib rerun {run.id} --store {self.store.quoted}` says more.",
                        stacklevel=2,
                    )
                    self.store.forget_checkpoint(run)
                    continue
            if weights:
                self.store.keep_weights(run, weights)
            if weights and run.id in ids:
                self.store.forget_checkpoint(run)
            else:
                self.store.add(run, curve, trained)


def train_stack(
    runs: list[Run], folder: str, *, device: str, deadline: float, tell: Callable[[int], Any] = lambda iteration: None,
    stop: Callable[[], bool] = lambda: False, weights: Mapping[str, str] | None = None,
) -> bool:  # fmt: skip
    """Trains runs of one shape to their end, or until `deadline` (time.monotonic()) or `stop()`, from checkpoints on.

    What is begun gets on by an update at least, unless it is stopped. `tell(iteration)` is called as they get on.
    Returns whether they were finished; else those begun have checkpoints.
    """
    if time.monotonic() > deadline or stop():
        return False
    course = _Course(runs, Store(folder), device, weights or {})
    stack, evaluations = course.stack, set(runs[0].evaluations())
    stops = sorted(evaluations.union(*course.keep))
    started, at_start, chunk = time.monotonic(), course.at_start, 1
    while True:
        course.look(evaluations)
        told = time.monotonic()
        tell(stack.iteration)
        started += time.monotonic() - told  # whoever is told may wait for a turn, which is no training
        if stack.iteration == runs[0].updates:
            break
        over = time.monotonic() > deadline and stack.iteration > at_start  # or the same call might never get on
        stopping = over or stop()
        if stopping or time.monotonic() - course.saved > pause(runs[0], CHECKPOINT_SECONDS):
            course.save(time.monotonic() - started)
        if stopping:
            return False
        updates = min(min(i for i in stops if i > stack.iteration) - stack.iteration, chunk)
        begun = time.monotonic()
        stack.advance(updates)
        chunk = max(1, int(updates * min(CHUNK_SECONDS / max(time.monotonic() - begun, 1e-6), 1_000)))
    course.finish(time.monotonic() - started)  # of all of a stack
    return True


def train_stacks(
    runs: list[Run], folder: str, *, deadline: float, tell: Callable[[str, int], Any], weights: Mapping[str, str],
    stop: Callable[[], bool],
) -> None:  # fmt: skip
    """Trains runs on a GPU, one stack of runs of one shape after the other, as large as its memory allows.

    `tell(run, iteration)` is called with the id of a run and the iteration that it has reached.
    """
    shapes: dict[tuple, list[Run]] = {}
    for run in runs:
        shapes.setdefault(run.shape, []).append(run)
    for group in shapes.values():
        tokens, waiting = group[0].corpus.batch * group[0].corpus.context, list(group)
        size = max(1, min(len(group), STACK_FLOATS // (tokens * group[0].width * group[0].layers)))
        if group[0].width >= WIDE:
            size = 1  # together they would be no faster, and all would be done at the end only
        while waiting:
            some = waiting[:size]
            # Short stacks are padded: the bits of a run may depend on the size of its stack, never on its neighbours.
            stack = some + some[-1:] * (size - len(some))

            def told(at: int, some: list[Run] = some) -> None:
                for run in some:
                    tell(run.id, at)

            try:
                finished = train_stack(
                    stack, folder, device="cuda", deadline=deadline, tell=told, stop=stop, weights=weights
                )
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise UserError(
                        f"device is 'cuda', but its memory is too small for one run of width {group[0].width}."
                    ) from None
                finished = None
            if finished is None:  # outside of `except`, whose traceback would hold on to the memory
                size = math.ceil(size / 2)
                torch.cuda.empty_cache()
                continue
            if not finished:
                return
            waiting = waiting[size:]
