"""What a run costs the driver of a cluster, in time and in memory, when training itself costs nothing.

`python benchmarks/driver.py --runs 100000` hands that many runs to a Ray cluster of this machine, whose cores make up
files as large as those of published runs. The driver packs, sends, receives, writes and shows progress as always.
"""

import os
import tempfile
import time
from pathlib import Path

import click
import pandas as pd

from lib.run import Run
from lib.store import Store
from lib.train import lab, slices, workers
from lib.train.progress import Progress

FILE = 58_000  # bytes of a published run in results/runs, on average


def stand_in(runs, held, device, seconds, weights, drivers, asked) -> slices.Slice:
    """Takes the place of `slices.train_slice`."""
    made = {run.id: {"run": os.urandom(FILE)} for run in runs}
    return slices.Slice(made, {run.id: (0, run.iterations) for run in runs}, [], "")


def memory() -> float:
    """MiB that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@click.command()
@click.option("--runs", default=100_000, show_default=True, help="How many.")
def main(runs: int) -> None:
    """Hand RUNS stand-ins to a cluster of this machine."""
    slices.train_slice = stand_in
    todo = [Run("arithmetic", 14, seed) for seed in range(runs)]
    progress, rows = Progress({run: lab.cost(run) for run in todo}), []

    def tell(run: str, iteration: int, at_work: str) -> None:
        progress.tell(run, iteration, at_work)
        if progress.finished * 10 // runs > len(rows) or not rows:
            row = {"runs": progress.finished, "wall (s)": time.monotonic(), "CPU (s)": time.process_time()}
            rows.append(row | {"memory (MiB)": memory()})

    with tempfile.TemporaryDirectory() as folder, workers.ready("cpu", "local") as train:
        Store(folder).prepare()
        train(todo, folder, float("inf"), tell, {})
        assert len(Store(folder).ids()) == runs
    table = pd.DataFrame(rows)
    for name in ("wall", "CPU"):
        table[f"{name} a run (ms)"] = 1e3 * table[f"{name} (s)"].diff() / table["runs"].diff()
    click.echo(table.drop(columns=["wall (s)", "CPU (s)"]).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
