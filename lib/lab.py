"""The lab: trains the runs of a sweep that a store lacks, and hands out what it holds.

Notable features:
- on a CPU one process a core, one run and one thread a process; on a GPU one stack after another;
- a run is in the store the moment it is done; one in progress keeps a checkpoint, so that Ctrl-C, a crash or a time
  budget costs at most the last `CHECKPOINT_SECONDS`;
- the time left is reckoned from the measured speed and each run's share of the arithmetic.
"""

import datetime
import multiprocessing
import os
import platform
import queue
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from lib import experiments
from lib.errors import UserError
from lib.settings import Settings
from lib.store import OUTCOMES, Store
from lib.training import CHUNK, Run, Stack

CHECKPOINT_SECONDS = 20
CPU_HOURS = 12  # a run that a CPU core would need longer for is left to a GPU
FLOPS_A_SECOND = 4e10  # of one CPU core, roughly; only the estimates above and the bar's shares rest on it
ROUNDING = 1e-5  # between the losses of two runs that differ by rounding alone
STACK_FLOATS = 2**28  # of one activation of a whole stack on a GPU; a stack that does not fit all the same is halved


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep: its runs in the store, those missing, and how many were trained or left to a GPU."""

    runs: pd.DataFrame
    missing: pd.DataFrame
    trained: int
    left_to_gpu: int

    def report(self) -> str:
        """One sentence for people."""
        there, asked = len(self.runs), len(self.runs) + len(self.missing)
        text = f"{there} of {asked} runs are in the store; {self.trained} trained just now"
        left = self.missing.groupby(["task", "width"]).size()
        cells = ", ".join(f"{task} {experiments.size_name(width)} ({n})" for (task, width), n in left.items())
        days = f" ({self.left_to_gpu} of them would take a CPU days and are left to a GPU)" if self.left_to_gpu else ""
        return text + (f"; missing: {cells}{days}." if cells else ".")


def cost(run: Run) -> float:
    """Roughly the floating-point operations of a whole run: six a parameter and token, and the attention."""
    a, corpus = run.architecture, run.corpus
    token = 6 * a.parameters(positions=False) + 6 * a.layers * a.width * a.context
    return float(run.iterations) * corpus.batch * corpus.context * token


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


def train_stack(
    runs: list[Run], folder: str, device: str, deadline: float, tell=lambda iteration: None, stop=lambda: False
) -> bool:
    """Trains runs of one shape to their end, or until `deadline` (time.time()) or `stop()`, from their checkpoints on.

    `tell(iteration)` is called as they get on. Returns whether they were finished; else those begun have checkpoints.
    """
    if time.time() > deadline or stop():
        return False
    store, stack = Store(folder), Stack(runs, device)
    saved = [store.load_checkpoint(run) for run in runs]
    curves: list[list[dict]] = [[] for _ in runs]
    if all(saved) and len({int(state["iteration"]) for state, _ in saved}) == 1:  # type: ignore[misc]
        for i, (state, curve) in enumerate(saved):  # type: ignore[misc]
            stack.restore(i, state)
            curves[i] = curve
    evaluations = set(runs[0].evaluations())
    started, last_saved, at_start = time.time(), time.time(), stack.iteration
    while True:
        if stack.iteration in evaluations and not (curves[0] and curves[0][-1]["iteration"] == stack.iteration):
            for curve, row in zip(curves, stack.measure(), strict=True):
                curve.append(row)
        tell(stack.iteration)
        if stack.iteration == runs[0].iterations:
            break
        stopping = time.time() > deadline or stop()
        if stopping or time.time() - last_saved > CHECKPOINT_SECONDS:
            for i, run in enumerate(runs):
                store.save_checkpoint(run, stack.state(i), curves[i])
            last_saved = time.time()
        if stopping:
            return False
        following = min(i for i in evaluations if i > stack.iteration)
        stack.advance(min(following - stack.iteration, CHUNK))
    seconds = (time.time() - started) / len(runs) * runs[0].iterations / max(1, runs[0].iterations - at_start)
    for run, curve in zip(runs, curves, strict=True):
        store.add(run, curve, _provenance(stack, seconds))
    return True


_told: Any = None  # of a worker process: where it reports to
_halt: Any = None  # and the event that stops it


def _enter_worker(told, halt, parent: int) -> None:
    global _told, _halt
    _told, _halt = told, halt
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    torch.set_num_threads(1)

    def watch() -> None:  # a killed parent must not leave its workers behind
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(run: Run, folder: str, deadline: float) -> bool:
    return train_stack([run], folder, "cpu", deadline, lambda i: _told.put((run.id, i)), _halt.is_set)


def _train_on_cpu(runs: list[Run], folder: str, deadline: float, bar) -> None:
    context = multiprocessing.get_context("spawn")
    told, halt = context.Queue(), context.Event()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ProcessPoolExecutor(min(cores, len(runs)), context, _enter_worker, (told, halt, os.getpid()))
    try:
        futures = [pool.submit(_work, run, folder, deadline) for run in runs]
        while not all(f.done() for f in futures):
            try:
                bar.tell(*told.get(timeout=0.2))
            except queue.Empty:
                continue
            finally:
                for f in futures:
                    if f.done():
                        f.result()
        while not told.empty():
            bar.tell(*told.get())
    except BrokenProcessPool as error:
        raise UserError(
            "A training process was ended from outside (out of memory?); the same command goes on where it stopped."
        ) from error
    finally:
        halt.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _train_on_gpu(runs: list[Run], folder: str, deadline: float, bar) -> None:
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
            try:
                finished = train_stack(
                    stack, folder, "cuda", deadline, lambda at, some=some: [bar.tell(run.id, at) for run in some]
                )
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    width = group[0].width
                    raise UserError(
                        f"device is 'cuda', but its memory is too small for one run of width {width}."
                    ) from None
                finished = None
            if finished is None:  # outside of `except`, whose traceback would hold on to the memory
                size = (size + 1) // 2
                torch.cuda.empty_cache()
                continue
            if not finished:
                return
            waiting = waiting[size:]


class _Bar:
    """Progress over all runs, weighted by their cost."""

    def __init__(self, runs: list[Run]):
        self.iterations = {run.id: run.iterations for run in runs}
        self.weight = {run.id: cost(run) / run.iterations for run in runs}
        self.at: dict[str, int] = {}
        total = sum(cost(run) for run in runs)
        self.bar = tqdm(
            total=100.0, desc=f"training {len(runs)} runs", file=sys.stderr, mininterval=0.5, smoothing=0.05,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left{postfix}",
        )  # fmt: skip
        self.unit = 100 / total

    def tell(self, run: str, iteration: int) -> None:
        if run not in self.at and iteration:  # resumed: what was done before counts as done, not as speed
            self.bar.update(self.unit * self.weight[run] * iteration)
            self.bar.start_t = time.time()
        else:
            done = self.unit * self.weight[run] * (iteration - self.at.get(run, 0))
            self.bar.update(min(done, 100 - self.bar.n))
        self.at[run] = iteration
        finished = sum(self.iterations[r] == i for r, i in self.at.items())
        self.bar.set_postfix_str(f"{finished} of {len(self.iterations)} runs done", refresh=False)


def run(sweep: pd.DataFrame, store: str, device: str = "cpu", time_budget: float | None = None) -> Outcome:
    """Trains what `store` lacks of `sweep`, and tells what the store then holds.

    Parameters
    ----------
    sweep : a table of runs (experiments.sweep), trained in the order of its rows.
    store : path of the store.
    device : "cpu" or "cuda".
    time_budget : seconds after which training stops cleanly, to be continued by the same call.
    """
    deadline = time.time() + (time_budget or float("inf"))
    held = Store(store)
    have = held.ids()
    held.runs(sweep["run"])  # a damaged file stops this before hours of training, not after
    wanted = [run for run in experiments.rows(sweep) if run.id not in have]
    too_long = [run for run in wanted if device == "cpu" and cost(run) > CPU_HOURS * 3600 * FLOPS_A_SECOND]
    todo = [run for run in wanted if run not in too_long]
    if todo:
        held.prepare()
        bar = _Bar(todo)
        try:
            (_train_on_gpu if device == "cuda" else _train_on_cpu)(todo, store, deadline, bar)
        finally:
            bar.bar.close()
    there = held.ids()
    return replace(look(sweep, store), trained=sum(run.id in there for run in wanted), left_to_gpu=len(too_long))


def look(sweep: pd.DataFrame, store: str) -> Outcome:
    """What a store holds of a sweep; nothing is trained. A column `variant` of the sweep is handed on."""
    runs = Store(store).runs(sweep["run"])
    if "variant" in sweep:
        runs = runs.merge(sweep[["run", "variant"]], on="run")
    return Outcome(runs, sweep[~sweep["run"].isin(runs["run"])], 0, 0)


def gather(settings: Settings) -> Outcome:
    """The runs of a chapter. What lacks is trained, but for the registered replication, which takes a CPU a day."""
    sweep = settings.sweep()
    return run(sweep, settings.store, settings.device) if settings.seeds else look(sweep, settings.store)


def rerun(store: Store, run_id: str, device: str) -> str:
    """Trains a stored run once more, beside the store, and says in a sentence or two whether it came out the same."""
    config = store.config(run_id)
    sweep = experiments.table([config])
    with tempfile.TemporaryDirectory() as folder:
        run(sweep, folder, device)
        again = Store(folder)
        if run_id not in again.ids():
            raise UserError(f"RUN_ID is {run_id!r}, a run that would take a CPU days; rerun it with device cuda.")
        old, new = store.details(run_id), again.details(run_id)
        curves = [s.curves(sweep)[["loss", "score"]] for s in (store, again)]
        answers = [s.items(sweep)["greedy"] for s in (store, again)]
    apart = (curves[0]["loss"] - curves[1]["loss"]).abs().max()
    where = [f"{d['processor']} ({d['device']}, {d['engine']}, torch {d['torch']})" for d in (old, new)]
    if answers[0].equals(answers[1]) and curves[0].equals(curves[1]):
        return f"{run_id} came out the same to the bit: loss {new['loss']:.6f}."
    if answers[0].equals(answers[1]) and apart < ROUNDING:
        losses = f"losses within {apart:.1g}" if apart else "every loss, but not every probability"
        return (
            f"{run_id} came out the same but for rounding: every answer at every evaluation, and {losses}. "
            f"Then on {where[0]}, now on {where[1]}."
        )
    outcomes = [", ".join(f"{name} {d[name]:.4g}" for name in OUTCOMES if d[name] is not None) for d in (old, new)]
    return (
        f"{run_id} came out differently. Then: {outcomes[0]}, on {where[0]}. Now: {outcomes[1]}, on {where[1]}. "
        "Another processor or device rounds sums in another order, and training can amplify that."
    )
