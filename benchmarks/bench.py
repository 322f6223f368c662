"""Side-by-side measurements of speed: `python benchmarks/bench.py [--reference PATH]` prints a table and keeps it.

Notable features:
- the contestants (rivals.py) take turns, several rounds of all of them, so that whatever else the machine does hits all
  alike; a ratio is taken within a round, and its spread is over the rounds;
- every core works: one process a core, one thread a process, and what counts is what all get done together. The paper's
  public code runs in the way it comes as well, one process with as many threads as there are cores;
- times are a model's: milliseconds an update, milliseconds a scoring, seconds a full run (30,000 updates and
  121 scorings, put together from these), divided by the number of models that are trained at once;
- the machine's own limits, a large matrix product and a pass over memory, are measured in the same rounds.
"""

import dataclasses
import datetime
import itertools
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch

from benchmarks.rivals import JOBS, PROJECT, PUBLIC, Reference, Work
from lib import fused
from lib.course import processor
from lib.model import uniform
from lib.paper import LARGE, published
from lib.run import Run
from lib.training import Stack, stream

CELLS = [("arithmetic", 14), ("facts", 28), ("arithmetic", 28), ("arithmetic", 56), ("facts", 56), ("facts", 14), ("joint", 28)]  # fmt: skip  # noqa: E501
DEEPER = [
    {"width": 28, "layers": 2},
    {"width": 28, "layers": 4},
    {"width": 48, "layers": 6, "heads": 6, "expansion": 4},
]
QUICK, REFERENCE = 2, 4  # how many of the cells a quick run measures, and how many the public code is measured on
UPDATES, SCORINGS = 30_000, 121  # of a full run
STACKS, GPU_STACKS, WIDTHS = (1, 4, 16, 64, 256, 1_024, 4_096), (1, 16, 256, 1_024, 4_096), (7, 14, 28, 56, 112)
RATIOS = ("training", "scoring", "full run")
SHAPE = ["task", "width", "layers", "heads", "expansion"]
COLUMNS = ["measure", *SHAPE, "models", "contestant", "unit", "value", "low", "high", "rounds"]
COLUMNS += ["ratio", "ratio_low", "ratio_high"]
SCORED_AS = {f"{PROJECT}, no compiler": PROJECT, "transformers": "published sampling", "vmap": "published sampling"}


def rate(work: Work, seconds: float) -> float:
    """How much `work` does in a second, by repeating it for about `seconds`."""
    done, start = 0.0, time.perf_counter()
    while True:
        done += work()
        if (gone := time.perf_counter() - start) > seconds:
            return done / gone


def serve(pipe) -> None:
    """A process of one core, which times what it is told to; the first time it only gets ready."""
    torch.set_num_threads(1)
    ready: dict = {}
    for job, run, seconds in iter(pipe.recv, None):
        if (job, run) not in ready:
            ready[job, run] = JOBS[job](run)
            ready[job, run]()
            pipe.send(float("nan"))
        else:
            pipe.send(rate(ready[job, run], seconds))


class Cores:
    """One process a core. `cores(job, run, seconds)` has all of them at it at once and adds up their rates."""

    def __init__(self, count: int):
        context = multiprocessing.get_context("spawn")
        self.pipes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            context.Process(target=serve, args=(theirs,), daemon=True).start()
            self.pipes.append(ours)

    def __call__(self, job: tuple[str, str], run: Run, seconds: float) -> float:
        for pipe in self.pipes:
            pipe.send((job, run, seconds))
        return sum(pipe.recv() for pipe in self.pipes)

    def close(self) -> None:
        """Ends the processes."""
        for pipe in self.pipes:
            pipe.send(None)


def shape(run: Run) -> dict:
    """The columns of the table that say what was trained."""
    return {name: getattr(run, name) for name in SHAPE}


def work(run: Run) -> dict[str, tuple[float, float]]:
    """GFLOP of an update and GB of its activations (each written once and read once), counted from the shapes.

    "every token" counts the plain Transformer; in "distinct prefixes" what windows share is done once, as in fused.cpp.
    """
    a, corpus = run.architecture, fused.Corpus(run.corpus)
    d, h, v, T = a.width, a.width * a.expansion, a.vocabulary, a.context
    steps = torch.arange(20)
    drawn = uniform(stream(torch.tensor([run.seed]), steps, 0), run.corpus.batch, run.corpus.offsets).numpy()
    prefixes = np.zeros(T)  # of each length, in an average batch
    for windows in drawn:
        ranks = np.unique(corpus.rank[windows])
        common = np.array([0, *(corpus.shared[i + 1 : j + 1].min() for i, j in itertools.pairwise(ranks))])
        prefixes += (common[:, None] <= np.arange(T)).sum(0) / len(steps)
    every = np.full(T, run.corpus.batch)
    found = {}
    for name, count, first in (("every token", every, every.sum()), ("distinct prefixes", prefixes, T * v)):
        projected = first + (a.layers - 1) * count.sum()  # to queries, keys and values; in the first layer by a table
        layer = count.sum() * 2 * (d * d + 2 * d * h) + (count * np.arange(1, T + 1)).sum() * 4 * d
        forward = projected * 6 * d * d + a.layers * layer + count.sum() * 2 * v * d
        # backward does twice what forward does
        found[name] = 3e-9 * forward, 8e-9 * count.sum() * (a.layers * (6 * d + 2 * h) + v)
    return found


def peak_memory() -> float:
    """MiB that this process has held at most; ru_maxrss, less what a child on Linux inherits of its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return float(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def probe(run: Run, models: int, device: str = "cpu") -> tuple[float, float]:
    """Milliseconds a model-step of a stack, and the peak memory (MiB) of this process, or of the GPU."""
    torch.set_num_threads(1)
    stack = Stack([dataclasses.replace(run, seed=seed) for seed in range(models)], device)
    updates = 50 if device == "cuda" else max(1, 64 // models)

    def train() -> float:
        stack.iteration = 0
        stack.step.zero_()
        stack.advance(updates)
        if device == "cuda":
            torch.cuda.synchronize()
        return updates * models

    train()
    step = 1e3 / rate(train, 0.3)
    return step, torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak_memory()


def alone(*arguments) -> tuple[float, float]:
    """`probe` in a process of its own; not a number where the memory does not do."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply(probe, arguments)
        except torch.cuda.OutOfMemoryError:
            return float("nan"), float("nan")


def command(folder: str, iterations: int, seeds: int = 1) -> float:
    """Seconds that `python -m lib run` takes from its start to its end, with its compiled code in `folder`."""
    line = f"-m lib run capacity --tasks arithmetic --widths 14 --device cpu --seeds {seeds} --iterations {iterations}"
    words = [sys.executable, *line.split(), "--store", tempfile.mkdtemp(dir=folder)]
    environment, root = {**os.environ, "XDG_CACHE_HOME": folder}, Path(__file__).parents[1]
    start = time.perf_counter()
    subprocess.run(words, cwd=root, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


class Table:
    """What was measured: under the columns up to the unit a list of values, one a round."""

    def __init__(self) -> None:
        self.values: dict[tuple, list[float]] = defaultdict(list)

    def add(
        self, measure: str, contestant: str, unit: str, value: float,
        task="", width=0, layers=1, heads=1, expansion=1, models=1,
    ) -> None:  # fmt: skip
        self.values[measure, task, width, layers, heads, expansion, models, contestant, unit].append(value)

    def rows(self) -> pd.DataFrame:
        """A row for each, with the median and the spread; ratios to this project are taken within the rounds."""
        rows = []
        for key, values in self.values.items():
            own = self.values.get((*key[:-2], PROJECT, key[-1]), []) if key[0] in RATIOS else []
            ratios = [theirs / ours for theirs, ours in zip(values, own, strict=False)] or [float("nan")]
            rows.append([*key, *spread(values), len(values), *spread(ratios)])
        return pd.DataFrame(rows, columns=COLUMNS)


def spread(values: list[float]) -> list[float]:
    """Median, low and high end: the extremes of few values, the range of the middle 90 % of ten or more."""
    return np.quantile(values, (0.5, 0, 1) if len(values) < 10 else (0.5, 0.05, 0.95)).tolist()


def compare(table: Table, count: int, reference: Reference | None, quick: bool) -> None:
    """The contestants against each other, and this project against the machine's limits."""
    cores, rounds, seconds = Cores(count), 2 if quick else 3, 0.4 if quick else 0.8
    runs = [published(task, width, seed=0) for task, width in CELLS[: QUICK if quick else None]]
    runs += [] if quick else [Run("arithmetic", seed=0, **sizes) for sizes in DEEPER]
    for run, job in itertools.product(runs, JOBS):
        cores(job, run, 0)
    for turn, (i, run) in itertools.product(range(rounds), enumerate(runs)):
        cell = shape(run)
        click.echo(f"round {turn + 1} of {rounds}: {cell}", err=True)
        took = {}
        for job in JOBS:
            done = cores(job, run, seconds)
            took[job] = done / count if job[0] == "limit" else 1e3 / done
        if reference and i < REFERENCE and not (quick and turn):
            for name, copies in ((PUBLIC, 0), (f"{PUBLIC}, one process a core", count)):
                took["training", name], took["scoring", name] = reference(run.task, run.width, copies=copies)
            if i < QUICK and not (quick or turn):
                took["training", f"{PUBLIC}, compiled"] = reference(run.task, run.width, compiled=True)[0]
        for (measure, name), value in took.items():
            table.add(measure, name, {"matrix product": "GFLOP/s", "memory": "GB/s"}.get(name, "ms"), value, **cell)
            scoring = took.get(("scoring", SCORED_AS.get(name, name)))
            if measure == "training" and scoring:
                table.add("full run", name, "s", (UPDATES * value + SCORINGS * scoring) / 1e3, **cell)
        a_core = took["training", PROJECT] / 1e3 * count  # seconds an update
        for name, (operations, traffic) in work(run).items():
            table.add("work", name, "GFLOP", operations, **cell)
            for limit, amount in (("matrix product", operations), ("memory", traffic)):
                table.add(f"share of {limit}", name, "%", 100 * amount / a_core / took["limit", limit], **cell)
    cores.close()


def grow(table: Table, quick: bool) -> None:
    """Time and memory against the number of stacked models and the width; also on a GPU, where there is one."""
    runs = {width: published("arithmetic", width, seed=0) for width in WIDTHS}
    probes = [(runs[14], models) for models in STACKS[: 3 if quick else None]]
    probes += [(runs[width], 1) for width in (WIDTHS[:4:2] if quick else WIDTHS) if width != 14]
    for run, models in probes:
        step, peak = alone(run, models)
        cell = {**shape(run), "models": models}
        table.add("stack", PROJECT, "ms", step, **cell)
        table.add("stack's memory", PROJECT, "MiB", peak, **cell)
    if not torch.cuda.is_available():
        return
    small = [(published(*cell, seed=0), models) for cell in CELLS[:4] for models in GPU_STACKS]
    large = published("arithmetic", LARGE, seed=0)
    for run, models in [*small, (large, 1), (dataclasses.replace(large, precision="bfloat16"), 1)]:
        step, peak = alone(run, models, "cuda")
        name, cell = f"{PROJECT}, {run.precision}", {**shape(run), "models": models}
        table.add("GPU", name, "model-steps/s", 1e3 / step, **cell)
        table.add("GPU's memory", name, "MiB", peak, **cell)


@click.command()
@click.option("--reference", type=click.Path(exists=True, file_okay=False), help="Checkout of the paper's public code.")
@click.option("--quick", is_flag=True, help="Fewer sizes and rounds, under two minutes.")
@click.option("--out", default="results/speed.parquet", show_default=True, help="Where the table goes.")
def main(reference: str | None, quick: bool, out: str) -> None:
    """Measure this project against its rivals on this machine, on which nothing else should be running."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    table, small = Table(), {"task": "arithmetic", "width": 14}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for temperature in ("cold", "warm"):
            table.add("start-up", f"{PROJECT}, {temperature}", "s", command(folder, 1), **small)
        compare(table, count, Reference(reference, folder) if reference else None, quick)
        if not quick:
            table.add("full run", f"{PROJECT}, whole command", "s", command(folder, UPDATES, count) / count, **small)
    grow(table, quick)
    machine = f"{processor()}, {count} cores"
    if gpu := torch.cuda.is_available():
        machine += f", {torch.cuda.get_device_name()}"
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    with pd.option_context("display.float_format", "{:.4g}".format):
        click.echo(table.rows().to_string(index=False, na_rep=""))
    click.echo(f"{machine}; torch {torch.__version__}; {date}")
    if not gpu:
        click.echo("The GPU table is missing: this machine has no CUDA device.")
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    table.rows().assign(machine=machine, torch=torch.__version__, date=date).to_parquet(out, index=False)


if __name__ == "__main__":
    main()
