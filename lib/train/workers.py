"""Workers: trains runs here or on a cluster, until they are done, a deadline comes or somebody asks to stop.

Notable features:
- cores, GPUs and the nodes of a cluster stand behind one function: `with ready(device, cluster) as train`;
- on a CPU one process a core, one run and one thread a process; on a GPU one stack after another;
- each process has a pipe of its own: runs go in, what it reached comes out, and whatever comes in the middle of a run
  asks it to save what it has and to end: a word of the parent, or the end of the pipe, whatever happened to the parent.
"""

import contextlib
import functools
import multiprocessing
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import connection, resource_tracker
from types import ModuleType
from typing import Any

import torch

from lib.errors import UserError
from lib.run import Run
from lib.stats import words
from lib.store import Store
from lib.train import cluster, course
from lib.train.course import GOES_ON

Tell = Callable[[str, int, str], Any]  # is told a run's id, the iteration that it has reached, and what is at work
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Train = Callable[..., None]  # `_train`, ready for a device


@contextlib.contextmanager
def ready(device: str, address: str = "", cores: int = 0) -> Iterator[Train]:
    """`train(runs, store, deadline, tell, weights)`, which trains runs, in this order, into a store.

    Parameters
    ----------
    device : "cpu" or "cuda".
    address : of a Ray cluster (`cluster.connected`); none for this machine.
    cores : of this machine that train, at most; 0 for all that it may use.
    deadline : of time.monotonic(), when training stops, to be continued by another call.
    tell : called with the id of a run, the iteration that it has reached, and what is at work, such as "2 cores".
    weights : by id, which weights of a run to keep (`course.WEIGHTS`).

    Raises
    ------
    UserError
        When the cluster cannot be had; from `train` when a process runs out of memory, all are ended from outside, or
        the store cannot be read or written.
    KeyboardInterrupt
        From `train` after Ctrl-C, SIGTERM or SIGHUP, however often, when everything is saved and no process is left.
    """
    if address:
        with cluster.connected(address, device) as engine:
            yield functools.partial(_train, engine)
    else:
        on_cpu = functools.partial(_on_cpu, cores or course.cores())
        yield functools.partial(_train, _on_gpu if device == "cuda" else on_cpu)


def _train(
    engine: Callable, runs: list[Run], store: str, *, deadline: float, tell: Tell, weights: Mapping[str, str]
) -> None:
    with stoppable() as stop:
        engine(runs, store, deadline=deadline, tell=tell, weights=weights, stop=stop)


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether somebody asked to stop, by one of `STOPS`; KeyboardInterrupt comes at the end instead of at once.

    It does not come after another error, which may be why something was not saved.
    """
    asked = []
    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield lambda: False
        return
    before = {
        number: signal.signal(number, lambda *_: asked.append(1))
        for number in STOPS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN  # as `nohup` has it
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


# On a CPU


def _serve(pipe: connection.Connection, folder: str, deadline: float) -> None:
    """A worker process: trains the runs that come through the pipe, until None does, it is closed, or SIGTERM comes.

    What goes back: an iteration reached, a warning, whether a run was finished, or why it was not, as a trace or a
    sentence.
    """
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    torch.set_num_threads(1)

    def tell(word: int | str) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `stop` sees it next, and all is saved
            pipe.send(word)

    warnings.showwarning = lambda message, *_, **__: tell(str(message))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while not told and (job := pipe.recv()):
            run, weights = job
            stop = lambda: bool(told) or pipe.poll()  # noqa: E731
            try:
                done: object = course.train_stack(
                    [run], folder, device="cpu", deadline=deadline, tell=tell, stop=stop, weights={run.id: weights}
                )
                pipe.send(("done", done))
            except UserError as error:
                pipe.send(("sentence", str(error)))
            except Exception as error:
                if course.lacks_memory(error):
                    what = f"The memory is too small to train {course.name(run)} on each core"
                    pipe.send(("sentence", f"{what}; {GOES_ON}."))
                else:
                    pipe.send(("trace", traceback.format_exc()))


def _ended(process, run: Run | None) -> str:
    """Why a worker is gone that was not asked to go: a sentence without its end."""
    what = f"A training process was ended from outside while it had {course.name(run) if run else 'nothing to do'}"
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        memory = ", which is what a system does that runs out of memory" if name == "SIGKILL" else ""
        return f"{what} (by {name}{memory})"
    return f"{what} (exit status {code})"


class _Pool:
    """Worker processes, each with its end of a pipe and the run that it has."""

    def __init__(self, count: int, folder: str, deadline: float):
        if multiprocessing.current_process().daemon:
            raise UserError(
                "Training was asked for in a process of a multiprocessing.Pool, which may start no others; ask for all "
                "runs at once outside of it, and they are trained on every core."
            )
        context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # before the signal is held back: this lets it through again
        self.processes: dict[connection.Connection, Any] = {}
        self.has: dict[connection.Connection, Run | None] = {}
        # Ctrl-C, and a terminal that is closed, go to the whole group. Workers inherit that these are held back; the
        # parent says when to stop.
        held_back = {signal.SIGINT, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, held_back)
        # A worker needs nothing of the script that asks for training, which would run again from its top in each.
        script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, folder, deadline))
                process.start()
                theirs.close()
                self.processes[ours], self.has[ours] = process, None
        finally:
            sys.modules["__main__"] = script
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held_back)

    def receive(self, timeout: float) -> Iterator[tuple[connection.Connection, Any]]:
        """What workers that have something to say send, with the pipe; None for one that is gone."""
        ready = connection.wait(list(self.processes), timeout)
        for pipe in [pipe for pipe in self.processes if pipe in ready]:
            try:
                yield pipe, pipe.recv()
            except (EOFError, OSError):
                yield pipe, None

    def close(self) -> list[Exception]:
        """Ends the workers, each of which saves what it has and goes; returns what went wrong at that."""
        for pipe in self.processes:
            with contextlib.suppress(OSError):  # it is gone
                pipe.send(None)
        wrong = []
        for pipe, process in self.processes.items():
            with contextlib.suppress(EOFError, OSError):
                while True:
                    wrong.append(_wrong(pipe.recv()))
            process.join()
        return [error for error in wrong if error]


def _wrong(word: Any) -> Exception | None:
    """What went wrong, if that is what a worker says; what it warns of is warned of here, once for all of them."""
    match word:
        case str():
            warnings.warn(word, stacklevel=2)
        case ("sentence", text):
            return UserError(text)
        case ("trace", text):
            return RuntimeError(f"in a training process:\n{text}")
    return None


def _on_cpu(
    cores: int, runs: list[Run], folder: str, *, deadline: float, tell: Tell, weights: Mapping[str, str],
    stop: Callable[[], bool],
) -> None:  # fmt: skip
    pool, waiting, store = _Pool(min(cores, len(runs)), folder, deadline), list(reversed(runs)), Store(folder)
    try:

        def give(pipe: connection.Connection) -> None:
            while waiting and not weights.get(waiting[-1].id) and store.path(waiting[-1].id).exists():
                tell(waiting[-1].id, waiting.pop().updates, "")  # another command has trained it meanwhile
            pool.has[pipe] = waiting.pop() if waiting and time.monotonic() < deadline else None
            if run := pool.has[pipe]:
                with contextlib.suppress(BrokenPipeError):  # it is gone, which `receive` tells next
                    pipe.send((run, weights.get(run.id, "")))

        def lose(pipe: connection.Connection) -> None:
            process, run = pool.processes.pop(pipe), pool.has.pop(pipe)
            process.join(1)
            if not pool.processes:
                raise UserError(f"{_ended(process, run)}; {GOES_ON}.")
            warnings.warn(f"{_ended(process, run)}; the others go on.", stacklevel=2)
            if run:  # last in line: it may be why the process is gone
                waiting.insert(0, run)
            for idle in [pipe for pipe, run in pool.has.items() if run is None]:
                give(idle)

        for pipe in pool.processes:
            give(pipe)
        while any(pool.has.values()) and not stop():
            for pipe, word in pool.receive(0.2):
                run = pool.has[pipe]
                if run is not None and isinstance(word, int):
                    tell(run.id, word, words.count(sum(map(bool, pool.has.values())), "core"))
                    continue
                if error := _wrong(word):
                    raise error
                if isinstance(word, str):
                    continue
                what, value = word or ("gone", None)
                if what == "gone" or not (value or time.monotonic() > deadline):
                    if stop():
                        break
                    lose(pipe)
                    continue
                give(pipe)
    finally:
        wrong = pool.close()
    if wrong:
        raise wrong[0]


# On a GPU


def _on_gpu(
    runs: list[Run], folder: str, *, deadline: float, tell: Tell, weights: Mapping[str, str], stop: Callable[[], bool]
) -> None:
    course.train_stacks(
        runs, folder, deadline=deadline, tell=lambda run, at: tell(run, at, "1 GPU"), weights=weights, stop=stop
    )
