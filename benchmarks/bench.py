"""Side-by-side measurements of speed: `python benchmarks/bench.py [--reference PATH]` prints a table and keeps it.

Notable features:
- the contestants (rivals.py) take turns, several rounds of all of them, so that whatever else the machine does hits all
  alike; a ratio is taken within a round, and its spread is over the rounds;
- every core works: one process a core, one thread a process, and what counts is what all get done together;
- seconds are those that the processes were given, so that others who are given the rest do not count; those of the
  public code, which only prints what the clock says, are compared with this project's by the clock;
- times are a model's: milliseconds an update, milliseconds a scoring, seconds a full run (30,000 updates and
  121 scorings, put together from these), divided by the number of models that are trained at once;
- the machine's own limits, a large matrix product and a pass over memory, are measured in the same rounds;
- shapes without rivals, stacks of models and fewer cores show how all of this scales.
"""

import dataclasses
import datetime
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch

from benchmarks.rivals import JOBS, PROJECT, PUBLIC, Reference, Work, project
from lib.data.paper import LARGE
from lib.model import fused
from lib.model.transformer import uniform
from lib.run import Run
from lib.sweep import published
from lib.train.course import processor
from lib.train.stack import Stack, stream

RIVALLED = [  # what all contestants train
    published("arithmetic", 14, 0),
    published("arithmetic", 28, 0),
    published("facts", 28, 0),
    published("arithmetic", 56, 0),
    Run("arithmetic", 28, 0, layers=2),
    Run("arithmetic", 28, 0, layers=4),
    Run("arithmetic", 48, 0, layers=6, heads=6, expansion=4),
]
ALONE = [Run("arithmetic", 7, 0), Run("arithmetic", 112, 0), Run("arithmetic", 28, 0, layers=8)]
REFERENCE = 1  # on how many of the first the public code is measured, whose evaluation takes long
UPDATES, SCORINGS = 30_000, 121  # of a full run
STACKS, GPU_STACKS = (4, 16, 64, 256), (1, 16, 256, 1_024, 4_096)
STACKED = {("training", f"{models} models"): partial(project, models=models) for models in STACKS}
RATIOS = ("training", "full run")
SHAPE = ["task", "width", "layers", "heads", "expansion"]
WHERE = dict(zip([*SHAPE, "models", "cores"], ["", 0, 1, 1, 1, 1, 1], strict=True))
COLUMNS = ["measure", *WHERE, "contestant", "unit", "value", "low", "high", "rounds"]
COLUMNS += ["ratio", "ratio_low", "ratio_high"]
CLOCK = " by the clock"  # added to the unit of what was not measured by the time of the processes
UNITS = {"matrix product": "GFLOP/s", "memory": "GB/s"}


def rate(work: Work, seconds: float) -> np.ndarray:
    """How much `work` does in a second of this process, and in one by the clock, by repeating it for `seconds`."""
    done, start = 0.0, np.array([time.process_time(), time.perf_counter()])
    while True:
        done += work()
        gone = np.array([time.process_time(), time.perf_counter()]) - start
        if gone[0] > seconds:
            return done / gone


def serve(pipe) -> None:
    """A process of one core, which times what it is told to; the first time it only gets ready."""
    torch.set_num_threads(1)
    ready: dict = {}
    for job, run, seconds in iter(pipe.recv, None):
        if (job, run) not in ready:
            ready[job, run] = (JOBS | STACKED)[job](run)
            ready[job, run]()
            pipe.send(float("nan"))
        else:
            pipe.send(rate(ready[job, run], seconds))


class Cores:
    """One process a core. `cores(job, run, seconds)` has all, or `some`, at it at once and adds up their rates."""

    def __init__(self, count: int):
        context = multiprocessing.get_context("spawn")
        self.pipes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            context.Process(target=serve, args=(theirs,), daemon=True).start()
            self.pipes.append(ours)

    def __call__(self, job: tuple[str, str], run: Run, seconds: float, some: int | None = None) -> np.ndarray:
        for pipe in self.pipes[:some]:
            pipe.send((job, run, seconds))
        return sum(pipe.recv() for pipe in self.pipes[:some])

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


def probe(run: Run, models: int) -> tuple[float, float]:
    """Model-steps a second of a stack on the GPU, and the peak of its memory (MiB)."""
    stack, updates = Stack([dataclasses.replace(run, seed=seed) for seed in range(models)], "cuda"), 50

    def train() -> float:
        stack.iteration = 0
        stack.step.zero_()
        stack.advance(updates)
        torch.cuda.synchronize()
        return updates * models

    train()
    return rate(train, 0.3)[1], torch.cuda.max_memory_allocated() / 2**20


def alone(*arguments) -> tuple[float, float]:
    """`probe` in a process of its own; not a number where the memory does not do."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply(probe, arguments)
        except torch.cuda.OutOfMemoryError:
            return float("nan"), float("nan")


def command(folder: str) -> float:
    """Seconds that `python -m lib run` takes for one update of one model, with its compiled code in `folder`."""
    line = "-m lib run capacity --tasks arithmetic --widths 14 --device cpu --seeds 1 --iterations 1"
    words = [sys.executable, *line.split(), "--store", tempfile.mkdtemp(dir=folder)]
    environment, root = {**os.environ, "XDG_CACHE_HOME": folder}, Path(__file__).parents[1]
    start = time.perf_counter()
    subprocess.run(words, cwd=root, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


class Table:
    """What was measured: under the columns up to the unit a list of values, one a round."""

    def __init__(self) -> None:
        self.values: dict[tuple, list[float]] = defaultdict(list)

    def add(self, measure: str, contestant: str, unit: str, value: float, **where) -> None:
        self.values[measure, *(WHERE | where).values(), contestant, unit].append(value)

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


def compare(table: Table, cores: Cores, rounds: int, seconds: float, reference: Reference | None) -> None:
    """The contestants against each other, and this project against the machine's limits and at other scales."""
    count, few = len(cores.pipes), [("training", PROJECT), *(("limit", name) for name in UNITS)]
    jobs = {run: list(JOBS) for run in RIVALLED} | dict.fromkeys(ALONE, few)
    for run, chosen in jobs.items():
        for job in [*chosen, *(STACKED if run == RIVALLED[0] else ())]:
            cores(job, run, 0)
    for turn, (run, chosen) in itertools.product(range(rounds), jobs.items()):
        cell = shape(run) | {"cores": count}
        click.echo(f"round {turn + 1} of {rounds}: {cell}", err=True)
        done = {job: cores(job, run, seconds) for job in chosen}
        took = {job: n[0] / count if job[0] == "limit" else 1e3 / n[0] for job, n in done.items()}
        keep(table, took, cell)
        if reference and run in RIVALLED[:REFERENCE]:
            clock = {job: 1e3 / done[job][1] for job in (("training", PROJECT), ("scoring", PROJECT))}
            clock["training", PUBLIC], clock["scoring", PUBLIC] = reference(run.task, run.width, count)
            keep(table, clock, cell, CLOCK)
        against_limits(table, took, run, cell)
        if run == RIVALLED[0]:
            scale(table, cores, seconds, run)


def keep(table: Table, took: dict, cell: dict, how: str = "") -> None:
    """One round's times of an update and of a scoring, that of a full run, and the limits."""
    for (measure, name), value in took.items():
        table.add(measure, name, UNITS.get(name, f"ms{how}"), value, **cell)
        if measure == "scoring":
            full = (UPDATES * took["training", name] + SCORINGS * value) / 1e3
            table.add("full run", name, f"s{how}", full, **cell)


def against_limits(table: Table, took: dict, run: Run, cell: dict) -> None:
    """What shares of the limits a core reaches with the work of an update, counted in two ways."""
    a_core = took["training", PROJECT] / 1e3 * cell["cores"]  # seconds an update
    for name, amounts in work(run).items():
        for limit, amount in zip(UNITS, amounts, strict=True):
            table.add(f"share of {limit}", name, "%", 100 * amount / a_core / took["limit", limit], **cell)


def scale(table: Table, cores: Cores, seconds: float, run: Run) -> None:
    """The same run on fewer cores, and as stacks of models in every process."""
    count = len(cores.pipes)
    for some in (2**i for i in range(count.bit_length()) if 2**i < count):
        step = 1e3 / cores(("training", PROJECT), run, seconds, some)[0]
        table.add("training", PROJECT, "ms", step, **shape(run), cores=some)
    for models, job in zip(STACKS, STACKED, strict=True):
        step = 1e3 / cores(job, run, seconds)[0]
        table.add("training", PROJECT, "ms", step, **shape(run), cores=count, models=models)


def on_a_gpu(table: Table) -> None:
    """Time and memory of stacks on a GPU."""
    small = [(run, models) for run in RIVALLED[:4] for models in GPU_STACKS]
    large = published("arithmetic", LARGE, seed=0)
    for run, models in [*small, (large, 1), (dataclasses.replace(large, precision="bfloat16"), 1)]:
        rate, peak = alone(run, models)
        name, cell = f"{PROJECT}, {run.precision}", {**shape(run), "models": models}
        table.add("GPU", name, "model-steps/s", rate, **cell)
        table.add("GPU's memory", name, "MiB", peak, **cell)


@click.command()
@click.option("--reference", type=click.Path(exists=True, file_okay=False), help="Checkout of the paper's public code.")
@click.option("--rounds", default=3, show_default=True, help="How often each measurement is made.")
@click.option("--seconds", default=0.3, show_default=True, help="How long one takes, of each core's time.")
@click.option("--out", default="results/speed.parquet", show_default=True, help="Where the table goes.")
def main(reference: str | None, rounds: int, seconds: float, out: str) -> None:
    """Measure this project against its rivals on this machine, on which nothing else should be running."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    table = Table()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for temperature in ("cold", "warm"):
            table.add("start-up", f"{PROJECT}, {temperature}", "s", command(folder), **shape(RIVALLED[0]))
        cores = Cores(count)
        compare(table, cores, rounds, seconds, Reference(reference, folder) if reference else None)
        cores.close()
    if gpu := torch.cuda.is_available():
        on_a_gpu(table)
    machine = f"{processor()}, {count} cores"
    if gpu:
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
