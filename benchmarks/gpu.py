"""MLT on a GPU, as far as the time goes: `python benchmarks/gpu.py --time-budget 9m`, or `make gpu TIME_BUDGET=9m`.

Notable features:
- it is made for a machine that is rented for minutes, where nothing can be installed: PyTorch for CUDA (2.11 or later),
  numpy, pandas, pyarrow, scipy, statsmodels, safetensors, click and pytest are all that it needs;
- the cells of the registered replication, in bfloat16, in order of worth, one seed a cell, then the next seed; to
  compile one takes most of a minute, so several do so at once, and then train one after the other;
- the tests that need a GPU run beside; before they have passed nothing is handed over, and if one fails, what was
  trained is thrown away;
- a run is handed over the moment it is done; what is unfinished stays here, and the same command goes on with it.

    OUT/store/          finished runs: `python -m lib merge OUT/store`
    OUT/updates.csv     milliseconds an update, with its share of the evaluations, beside what the card can do
    OUT/tests.txt       what the tests said
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch
from torch.utils.benchmark import Timer

sys.path.insert(0, str(Path(__file__).parents[1]))

from lib.cli import seconds
from lib.data.paper import LARGE
from lib.errors import UserError
from lib.experiments import replication
from lib.run import Run
from lib.stats import words
from lib.store import Store
from lib.store.files import write
from lib.sweep import rows
from lib.train import course
from lib.train.workers import stoppable

ROOT = Path(__file__).parents[1]
RESULTS, FOLDER = ROOT / "results", ROOT / "results" / "gpu"  # the latter is none of git's
WORTH = [  # what the claims rest on most, and what costs least, comes first
    ("arithmetic", "base"), ("joint", "base"), ("facts", "base"), ("arithmetic", "wd"), ("joint", "wd"),
    ("facts", "wd"), ("arithmetic", "one order"),
]  # fmt: skip
SEEDS = 10  # a cell, at most
AT_ONCE = 6  # runs that compile or train: as many as there are shapes
SAVING = 10  # seconds before the end at which training stops
SIDE = 16_384  # of the matrices on which a card shows what it can do
TESTS = "-m pytest -q -o addopts= -m gpu tests/test_training.py"  # without the plugins that this project's options need


def cells() -> list[Run]:
    """MLT's registered runs in order of worth."""
    sweep = replication.sweep(list(replication.TASKS), [LARGE], seeds=SEEDS, iterations=Run.iterations)
    worth = [WORTH.index(cell) for cell in zip(sweep["task"], sweep["variant"], strict=True)]
    return rows(sweep.assign(worth=worth).sort_values(["seed", "worth"]))


def limits(device: str) -> dict:
    """The card, and what it can do: TFLOP/s of a large product in bfloat16, and TB/s of a large copy."""
    names = {x: torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16) for x in "abc"}
    product, copy = (Timer(x, globals=names).blocked_autorange().median for x in ("a.addmm_(b, c)", "a.copy_(b)"))
    card = torch.cuda.get_device_name() if device == "cuda" else course.processor()
    numbers = {"peak_tflops": 2e-12 * SIDE**3 / product, "memory_tbs": 2e-12 * names["a"].nbytes / copy}
    return {"card": card, "torch": torch.__version__, **numbers}


def speed(run: Run, told: list[tuple[int, float]]) -> dict:
    """A row of the table, from the iterations that a run reached and when: six operations a parameter and token."""
    at, when = np.array(told).T
    factors = {name: getattr(run, name) for name in ("task", "width", "seed", "dropout", "weight_decay", "precision")}
    gflop = 6e-9 * run.architecture.parameters(positions=False) * run.corpus.batch * run.corpus.context
    ms = 1e3 * np.median(np.diff(when) / np.diff(at))
    return {"run": run.id, **factors, "updates": int(at[-1]), "ms": ms, "gflop": gflop, "tflops": gflop / ms}


def train(pipe, run: Run, folder: str, device: str, deadline: float) -> None:
    """A process: compiles, waits for a word through the pipe, and trains; at the pipe's end it saves what it has."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pipe says when to stop
    told: list[int] = []

    def tell(iteration: int) -> None:
        told.append(iteration)
        with contextlib.suppress(OSError, EOFError):  # the pipe's end, which `stop` sees next
            if len(told) == 2:  # an update is made, so everything is compiled
                pipe.recv()
            pipe.send((iteration, time.monotonic()))

    course.train_stack(
        [run], folder, device=device, deadline=deadline, tell=tell, stop=lambda: len(told) > 1 and pipe.poll()
    )


class Child:
    """A process that trains a run when it is told to."""

    def __init__(self, run: Run, *arguments):
        context = multiprocessing.get_context("spawn")
        self.run, (self.pipe, theirs) = run, context.Pipe()
        self.process = context.Process(target=train, args=(theirs, run, *arguments))
        self.process.start()
        theirs.close()

    def finish(self, stop: Callable[[], bool], end: float) -> list[tuple[int, float]]:
        """Lets it train until it ends, or is to stop; which iterations it then reached, and when."""
        told = []
        with contextlib.suppress(OSError, EOFError):  # it has ended
            self.pipe.send("go on")
            while not stop() and time.monotonic() < end:
                if self.pipe.poll(0.2):
                    told.append(self.pipe.recv())
        self.pipe.close()
        self.process.join(max(0, min(SAVING, end - time.monotonic())))
        return told[1:]  # but for what came before it was compiled


def everything(runs: list[Run], out: Path, budget: float, device: str = "cuda", work: Path = FOLDER / "work") -> str:
    """Trains what lacks of `runs` within `budget` seconds, `work` being where it goes on; says what there is.

    Raises
    ------
    UserError
        Where there is no GPU, or where its tests fail or do not end in time.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, when everything is saved.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("This machine has no CUDA GPU that torch can use, so nothing was done.")
    end, table, begun = time.monotonic() + budget, out / "updates.csv", []
    kept, done = Store(out / "store"), Store(work)
    waiting = [run for run in runs if run.id not in Store(RESULTS).ids() | kept.ids() | done.ids()]
    out.mkdir(parents=True, exist_ok=True)
    measured = pd.read_csv(table) if table.exists() else pd.DataFrame()
    card = limits(device)

    def hand_over() -> None:
        if len(measured):
            write(table, measured.to_csv(index=False).encode())
        kept.merge(done)

    with stoppable() as asked, (out / "tests.txt").open("wb") as said:
        command = ["nice", sys.executable, *TESTS.split()]
        tests = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)
        stop = lambda: asked() or tests.poll()  # noqa: E731 - a test that failed is a reason, too
        try:
            while (begun or waiting) and not stop() and time.monotonic() < end - SAVING:
                while waiting and len(begun) < AT_ONCE:
                    begun.append(Child(waiting.pop(0), str(work), device, end - SAVING))
                told = begun[0].finish(stop, end)
                if len(told) > 1:
                    measured = pd.concat([measured, pd.DataFrame([card | speed(begun[0].run, told)])])
                    click.echo(f"{course.name(begun[0].run)}: {measured['ms'].iloc[-1]:.2f} ms an update", err=True)
                begun.pop(0).process.terminate()
                if tests.poll() == 0:
                    hand_over()
            while tests.poll() is None and not asked() and time.monotonic() < end:
                time.sleep(0.1)
            failed = tests.poll()
        finally:
            for process in (tests, *(child.process for child in begun)):  # which wait, and have nothing to save
                process.terminate()
        if failed:
            for run in runs:
                done.forget_checkpoint(run)  # a large one lies elsewhere
            shutil.rmtree(work, ignore_errors=True)
            raise UserError(f"The tests that need a GPU failed ({said.name}), so what was trained is thrown away.")
        if failed is None:
            raise UserError(f"The tests that need a GPU did not end in time, so nothing was kept; {course.GOES_ON}.")
        hand_over()
    return f"{words.count(len(kept.ids()), 'run')} in {kept.folder}; for what lacks {course.GOES_ON}."


@click.command()
@click.option("--time-budget", default="9m", show_default=True, help="Stop cleanly after this long.")
@click.option("--out", default=str(FOLDER), help="Folder of what is finished.  [default: results/gpu]")
def main(time_budget: str, out: str) -> None:
    """Train MLT's registered runs on a GPU."""
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = str(max(1, course.cores() // AT_ONCE))
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(FOLDER / "compiled"))
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        click.echo(everything(cells(), Path(out), seconds(time_budget) or 0))
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"Stopped; {course.GOES_ON}.") from None


if __name__ == "__main__":
    main()
