"""Kills a sweep again and again, at random moments and in every way, and looks at what is left.

`python benchmarks/kills.py --kills 50` trains a sweep of three sizes without interruption, then the same sweep while
it is killed: the parent, a worker or the whole group, by SIGINT once, twice or three times, SIGTERM, SIGHUP or SIGKILL.
After each kill no process may be left and nobody may see a traceback; when a worker is killed, the others finish the
sweep. Whenever a sweep is finished its store must equal the uninterrupted one to the bit, and the next begins. Prints a
table of the kills and the most work that one of them cost.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pandas as pd

from lib.store import Store

ROOT = Path(__file__).parents[1]
SWEEP = "run capacity --tasks arithmetic --widths 14,56,200 --seeds 1 --device cpu --iterations".split()
WAYS = [
    *((who, number, 1) for who in ("parent", "worker", "group") for number in (signal.SIGTERM, signal.SIGKILL)),
    *((who, signal.SIGINT, times) for who in ("parent", "group") for times in (1, 2, 3)),
    ("parent", signal.SIGHUP, 1),
    ("group", signal.SIGHUP, 1),
    ("worker", signal.SIGINT, 1),
]
LONGEST = 25  # seconds from the start to the kill, at most: long enough for the loading, training and checkpoints


def start(folder: Path, iterations: int) -> subprocess.Popen:
    """The sweep as a process group of its own, to which Ctrl-C would go."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
    return subprocess.Popen(
        [sys.executable, "-m", "lib", *SWEEP, str(iterations), "--store", str(folder)],
        cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def members(group: int) -> dict[int, str]:
    """The living processes of a group: process id and command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[2]) == group and fields[0] != "Z":
                found[int(path.name)] = (path / "cmdline").read_text()
        except OSError:
            continue
    return found


def targets(who: str, process: subprocess.Popen, chance: random.Random) -> list[int]:
    """Whom to send the signal to; before there are workers, the parent."""
    living = members(process.pid)
    workers = [pid for pid, command in living.items() if "spawn_main" in command]
    if who == "group":
        return list(living)
    return [chance.choice(workers)] if who == "worker" and workers else [process.pid]


def kill(folder: Path, iterations: int, way: tuple, chance: random.Random) -> dict | None:
    """One kill and what came of it; None when the sweep was done before."""
    who, number, times = way
    process, began, moment = start(folder, iterations), time.time(), chance.uniform(0, LONGEST)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        pass
    else:
        process.communicate()
        return None
    aim = targets(who, process, chance)
    for _ in range(times):
        for pid in aim:
            send(pid, number)
        time.sleep(0.1)
    killed = time.time()
    _, words = process.communicate(timeout=600)
    while members(process.pid) and time.time() - killed < 60:
        time.sleep(0.05)
    # Of the runs that were in training: from the last checkpoint, the end of another run or the start, to the kill.
    # What was not touched since the start was waiting, and lost nothing.
    ends, checkpoints = ([at for path in folder.glob(f"{kind}/[!.]*") if (at := path.stat().st_mtime) > began]
                         for kind in ("runs", "checkpoints"))  # fmt: skip
    since = killed if process.returncode == 0 else min(checkpoints) if checkpoints else max(ends, default=began)
    return {
        "who": who, "signal": f"{number.name} x{times}", "after": killed - began, "ended in": time.time() - killed,
        "left": len(members(process.pid)), "tracebacks": words.count("Traceback"),
        "lost": max(0.0, killed - since),
    }  # fmt: skip


def send(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def same(one: Path, other: Path) -> bool:
    """Whether two stores hold the same runs, to the bit."""
    a, b = Store(one), Store(other)
    return a.ids() == b.ids() and all(a.stored(run).same_curve(b.stored(run)) for run in a.ids())


@click.command()
@click.option("--kills", default=50, show_default=True, help="How many.")
@click.option("--iterations", default=1_500, show_default=True, help="Updates a run.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(kills: int, iterations: int, seed: int) -> None:
    """Kill a sweep KILLS times."""
    chance, rows, sweeps = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as work:
        whole = Path(work, "whole")
        begun = time.time()
        assert start(whole, iterations).wait() == 0
        click.echo(f"An uninterrupted sweep took {time.time() - begun:.0f} s.")
        while len(rows) < kills:
            folder = Path(work, f"killed{sweeps}")
            while len(rows) < kills:
                row = kill(folder, iterations, WAYS[len(rows) % len(WAYS)], chance)
                if row is None:
                    break
                rows.append(row)
                click.echo(f"{len(rows):3} " + ", ".join(f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}"
                                                        for k, v in row.items()))  # fmt: skip
            assert start(folder, iterations).wait() == 0
            assert same(whole, folder), f"{folder} differs from the uninterrupted store"
            assert not list(folder.rglob(".*")), "a writer left something"
            sweeps += 1
    table = pd.DataFrame(rows)
    click.echo(table.groupby(["who", "signal"])[["ended in", "lost"]].agg(["count", "max"]).round(1).to_string())
    click.echo(
        f"{len(table)} kills in {sweeps} sweeps, all equal to the uninterrupted one; {table['left'].sum()} processes "
        f"left, {table['tracebacks'].sum()} tracebacks, at most {table['lost'].max():.1f} s of work lost."
    )


if __name__ == "__main__":
    main()
