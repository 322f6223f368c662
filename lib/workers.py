"""Workers: trains runs on a device, until they are done, a deadline comes or somebody asks to stop.

Notable features:
- on a CPU one process a core, one run and one thread a process; on a GPU one stack after another;
- a run is in the store the moment it is done; one in progress keeps a checkpoint, so that Ctrl-C, a crash or a time
  budget costs at most the last `CHECKPOINT_SECONDS` and a chunk of updates;
- each worker has a pipe of its own: runs go in, what it reached comes out, and whatever happens to the parent closes
  the pipe, at which a worker saves what it has and ends.
"""

import contextlib
import datetime
import math
import multiprocessing
import os
import platform
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import connection, resource_tracker
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib import evidence
from lib.errors import UserError
from lib.run import Run
from lib.store import Store
from lib.training import Stack

CHECKPOINT_SECONDS = 15
CHUNK_SECONDS = 1  # between two looks at the clock, unless a single update takes longer
STACK_FLOATS = 2**28  # of one activation of a whole stack on a GPU; a stack that does not fit all the same is halved
KEPT = 20  # iterations, spaced by logarithm, whose weights a run keeps that is asked for "log" or "late"
LATE = 1 / 300  # of a run, when the first of "late" is: until then there is little to see
WEIGHTS = ("", "final", "log", "late")  # what a sweep may ask for
GOES_ON = "the same command goes on where it stopped"

Tell = Callable[[str, int], Any]  # is told a run's id and the iteration that it has reached


def train(
    runs: list[Run], store: str, device: str, deadline: float, tell: Tell, weights: Mapping[str, str] | None = None
) -> None:
    """Trains runs, in this order, into a store.

    Parameters
    ----------
    device : "cpu" or "cuda".
    deadline : of time.monotonic(), when training stops, to be continued by another call.
    tell : called with the id of a run and the iteration that it has reached.
    weights : by id, which weights of a run to keep (`WEIGHTS`).

    Raises
    ------
    UserError
        When a process runs out of memory, is ended from outside, or the store cannot be written.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, however often, when everything is saved and no process is left.
    """
    with stoppable() as stop:
        (_on_gpu if device == "cuda" else _on_cpu)(runs, store, deadline, tell, weights or {}, stop)


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether somebody asked to stop, by SIGINT or SIGTERM; KeyboardInterrupt comes at the end instead of at once."""
    asked = []
    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield lambda: False
        return
    before = {number: signal.signal(number, lambda *_: asked.append(1)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked:
            raise KeyboardInterrupt


# One stack


def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def _provenance(stack: Stack, seconds: float) -> dict:
    cuda = stack.device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "processor": processor(),
        "engine": stack.engine,
        "torch": torch.__version__,
        "seconds": round(seconds, 1),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def kept(run: Run, weights: str) -> list[int]:
    """The iterations at which a run keeps its weights: none, the last, or `KEPT` spaced by logarithm, with the last."""
    if weights in ("log", "late"):
        first = max(1, run.iterations * LATE) if weights == "late" else 1
        return np.unique(np.geomspace(first, run.iterations, KEPT).round().astype(int)).tolist()
    return [run.iterations] if weights == "final" else []


class _Course:
    """A stack and what its runs have measured and kept so far, read from checkpoints and written to them."""

    def __init__(self, runs: list[Run], store: Store, device: str, weights: Mapping[str, str]):
        self.runs, self.store, self.stack = runs, store, Stack(runs, device)
        self.keep = [kept(run, weights.get(run.id, "")) for run in runs]
        self.curves: list[list[dict]] = [[] for _ in runs]
        self.weights: list[dict[int, Tensor]] = [{} for _ in runs]
        saved = [store.load_checkpoint(run) for run in runs]
        if all(saved) and len({int(state["iteration"]) for state, _ in saved}) == 1:  # type: ignore[misc]
            self._restore(saved)  # type: ignore[arg-type]
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

    def save(self) -> None:
        """Writes a checkpoint of every run."""
        for i, run in enumerate(self.runs):
            weights = {f"kept.{at}": x for at, x in self.weights[i].items()}
            self.store.save_checkpoint(run, self.stack.state(i) | weights, self.curves[i])
        self.saved = time.monotonic()

    def finish(self, seconds: float) -> None:
        """Puts the runs into the store, the weights first: a run that is there is there with them."""
        ids = self.store.ids()
        for run, curve, weights in zip(self.runs, self.curves, self.weights, strict=True):
            trained = _provenance(self.stack, seconds)
            if weights and run.id in ids:
                again = evidence.finished(run, curve, trained)
                if not self.store.stored(run.id).same_curve(again):
                    warnings.warn(
                        f"{run.id} came out differently than it is in the store, so its weights are not kept; "
                        f"`python -m lib rerun {run.id}` says more.",
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
    runs: list[Run], folder: str, device: str, deadline: float, tell: Callable[[int], Any] = lambda iteration: None,
    stop: Callable[[], bool] = lambda: False, weights: Mapping[str, str] | None = None,
) -> bool:  # fmt: skip
    """Trains runs of one shape to their end, or until `deadline` (time.monotonic()) or `stop()`, from checkpoints on.

    `tell(iteration)` is called as they get on. Returns whether they were finished; else those begun have checkpoints.
    """
    if time.monotonic() > deadline or stop():
        return False
    course = _Course(runs, Store(folder), device, weights or {})
    stack, evaluations = course.stack, set(runs[0].evaluations())
    stops = sorted(evaluations.union(*course.keep))
    started, at_start, chunk = time.monotonic(), stack.iteration, 1
    while True:
        course.look(evaluations)
        tell(stack.iteration)
        if stack.iteration == runs[0].iterations:
            break
        stopping = time.monotonic() > deadline or stop()
        if stopping or time.monotonic() - course.saved > CHECKPOINT_SECONDS:
            course.save()
        if stopping:
            return False
        updates = min(min(i for i in stops if i > stack.iteration) - stack.iteration, chunk)
        begun = time.monotonic()
        stack.advance(updates)
        chunk = max(1, int(updates * min(CHUNK_SECONDS / max(time.monotonic() - begun, 1e-6), 1_000)))
    updates = max(1, runs[0].iterations - at_start)
    course.finish((time.monotonic() - started) / len(runs) * runs[0].iterations / updates)
    return True


# On a CPU


def _serve(pipe: connection.Connection, folder: str, deadline: float) -> None:
    """A worker process: trains the runs that come through the pipe, until it is closed or the process is told to end.

    What goes back: an iteration reached, whether a run was finished, or why it was not, as text or a sentence.
    """
    warnings.formatwarning = lambda message, *_: f"{message}\n"
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    torch.set_num_threads(1)

    def tell(iteration: int) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `stop` sees it next, and all is saved
            pipe.send(iteration)

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while not told:
            run, weights = pipe.recv()
            stop = lambda: bool(told) or pipe.poll()  # noqa: E731 - all that comes in the middle is the pipe's end
            try:
                done: object = train_stack([run], folder, "cpu", deadline, tell, stop, {run.id: weights})
                pipe.send(("done", done))
            except UserError as error:
                pipe.send(("sentence", str(error)))
            except Exception as error:
                if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
                    pipe.send(("sentence", f"The memory is too small to train {_name(run)} on each core; {GOES_ON}."))
                else:
                    pipe.send(("trace", traceback.format_exc()))


def _name(run: Run) -> str:
    return f"a run of width {run.width} on {run.task} ({run.id})"


def _ended(process, run: Run | None) -> UserError:
    """Why a worker is gone that was not asked to go."""
    what = f"A training process was ended from outside while it had {_name(run) if run else 'nothing to do'}"
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        memory = ", which is what a system does that runs out of memory" if name == "SIGKILL" else ""
        return UserError(f"{what} (by {name}{memory}); {GOES_ON}.")
    return UserError(f"{what} (exit status {code}); {GOES_ON}.")


class _Pool:
    """Worker processes, each with its end of a pipe and the run that it has."""

    def __init__(self, count: int, folder: str, deadline: float):
        context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # before the signal is held back: this lets it through again
        self.processes: dict[connection.Connection, Any] = {}
        self.has: dict[connection.Connection, Run | None] = {}
        # Ctrl-C goes to the whole group. Workers inherit that it is held back; the parent says when to stop.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, folder, deadline))
                process.start()
                theirs.close()
                self.processes[ours], self.has[ours] = process, None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def receive(self, timeout: float) -> Iterator[tuple[connection.Connection, Any]]:
        """What workers that have something to say send, with the pipe; None for one that is gone."""
        ready = connection.wait(list(self.processes), timeout)
        for pipe in (pipe for pipe in self.processes if pipe in ready):
            try:
                yield pipe, pipe.recv()
            except (EOFError, OSError):
                yield pipe, None

    def close(self) -> None:
        """Ends the workers: each saves what it has and goes."""
        for pipe in self.processes:
            pipe.close()
        for process in self.processes.values():
            process.join()


def _on_cpu(
    runs: list[Run], folder: str, deadline: float, tell: Tell, weights: Mapping[str, str], stop: Callable[[], bool]
) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool, waiting = _Pool(min(cores, len(runs)), folder, deadline), list(reversed(runs))
    try:

        def give(pipe: connection.Connection) -> None:
            pool.has[pipe] = waiting.pop() if waiting and time.monotonic() < deadline else None
            if run := pool.has[pipe]:
                with contextlib.suppress(BrokenPipeError):  # it is gone, which `receive` tells next
                    pipe.send((run, weights.get(run.id, "")))

        for pipe in pool.processes:
            give(pipe)
        while any(pool.has.values()) and not stop():
            for pipe, word in pool.receive(0.2):
                run = pool.has[pipe]
                if run is not None and isinstance(word, int):
                    tell(run.id, word)
                    continue
                what, value = word or ("gone", None)
                if what == "sentence":
                    raise UserError(value)
                if what == "trace":
                    raise RuntimeError(f"in a training process:\n{value}")
                if what == "gone" or not (value or time.monotonic() > deadline):
                    if stop():
                        break
                    pool.processes[pipe].join(1)
                    raise _ended(pool.processes[pipe], run)
                give(pipe)
    finally:
        pool.close()


# On a GPU


def _on_gpu(
    runs: list[Run], folder: str, deadline: float, tell: Tell, weights: Mapping[str, str], stop: Callable[[], bool]
) -> None:
    shapes: dict[tuple, list[Run]] = {}
    for run in runs:
        shapes.setdefault(run.shape, []).append(run)
    for group in shapes.values():
        tokens, waiting = group[0].corpus.batch * group[0].corpus.context, list(group)
        size = max(1, min(len(group), STACK_FLOATS // (tokens * group[0].width * group[0].layers)))
        while waiting:
            some = waiting[:size]
            # Short stacks are padded: the bits of a run may depend on the size of its stack, never on its neighbours.
            stack = some + some[-1:] * (size - len(some))

            def told(at: int, some: list[Run] = some) -> None:
                for run in some:
                    tell(run.id, at)

            try:
                finished = train_stack(stack, folder, "cuda", deadline, told, stop, weights)
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
