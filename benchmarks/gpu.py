"""What is worth most on a GPU, as far as the time goes: `make gpu`, or `python benchmarks/gpu.py --time-budget 2h`.

First the tests that need a GPU, without which nothing that it trains can be believed; then the benchmark's table, MLT's
cells of the registered replication, what lacks of the second protocol, and more seeds of the replication's other cells.
What was stopped goes on by the same command.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import torch

from lib.cli import seconds
from lib.course import GOES_ON
from lib.errors import UserError
from lib.workers import stoppable

ROOT = Path(__file__).parents[1]
LEAST = 30  # seconds that are worth beginning something for
TESTS = "-m pytest -q -m gpu tests"
STEPS = (
    TESTS,
    "benchmarks/bench.py --rounds 1 --out {store}/speed_gpu.parquet",
    # MLT in bfloat16, as the registered cells are: 10 seeds a cell of the sums, 5 elsewhere
    "-m lib run replication --tasks arithmetic --widths 384 --seeds 10",
    "-m lib run replication --tasks facts,joint --widths 384 --seeds 5",
    "-m lib run causes",
    "-m lib run lines",
    "-m lib run grokking",
    "-m lib run replication --widths 14,28,56",
)


def commands(store: str) -> list[list[str]]:
    """What `make gpu` does, in this order, as arguments of Python."""
    training = ["--device", "cuda", "--store", store]
    return [step.format(store=store).split() + (training if "lib run" in step else []) for step in STEPS]


def do(command: list[str], left: float) -> bool:
    """Runs a command for so many seconds at most; whether it was done and all is well."""
    more = ["--time-budget", f"{left:.0f}s"] if "run" in command else []
    limit = None if more else left  # what trains stops by itself, and saves what it has
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run([sys.executable, *command, *more], cwd=ROOT, env=environment, timeout=limit)
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False


def everything(store: str, budget: float) -> None:
    """Does it all, one after the other.

    Raises
    ------
    UserError
        Where there is no GPU, or where one of its tests fails.
    KeyboardInterrupt
        After Ctrl-C, which goes to what is run as well: that saves what it has, and nothing more is begun.
    """
    if not torch.cuda.is_available():
        raise UserError("This machine has no CUDA GPU that torch can use, so nothing was done.")
    end = time.monotonic() + budget
    with stoppable() as stop:
        for command in commands(store):
            left = end - time.monotonic()
            if left < LEAST or stop():
                click.echo(f"The time is over; {GOES_ON}.")
                return
            click.echo(f"{left / 60:.0f} minutes are left for: python {' '.join(command)}", err=True)
            if do(command, left) or stop():
                continue
            if command == TESTS.split():
                raise UserError("The tests that need a GPU did not pass here, so nothing was trained.")
            click.echo("That did not come to its end; what follows does not rest on it.", err=True)


@click.command()
@click.option("--time-budget", default="2h", show_default=True, help="Stop cleanly after this long.")
@click.option("--store", default=str(ROOT / "results"), help="Folder of the runs.  [default: results]")
def main(time_budget: str, store: str) -> None:
    """Test, measure and train on a GPU what is worth most."""
    try:
        everything(store, seconds(time_budget) or 0)
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"Stopped; {GOES_ON}.") from None


if __name__ == "__main__":
    main()
