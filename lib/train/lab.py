"""The lab: trains the runs of a sweep that a store lacks, and hands out what it holds.

Notable features:
- what is there is verified before hours of training, and never trained again;
- how long it will take is reckoned from what each run costs a core.
"""

import contextlib
import functools
import tempfile
import time
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.data import Task
from lib.errors import UserError
from lib.model import fused
from lib.run import Run
from lib.settings import Settings
from lib.stats import words
from lib.store import Store
from lib.store.store import OUTCOMES
from lib.train import course, workers
from lib.train.progress import Progress, say

CPU_HOURS = 12  # a run that a CPU core would need longer for is left to a GPU, unless long runs are asked for
# Of a CPU core, measured with MLT, by the fused and by the plain form; only estimates and the bar's shares rest on it.
FLOPS_A_SECOND = {"fused": 1.4e11, "plain": 7e10}
PREFIX_SECONDS = 5e-8  # a prefix and layer besides, which is most of the time of small models
TRAINED_ON = ("processor", "device", "engine", "torch")
ROUNDING = 1e-5  # between the losses of two runs that differ by rounding alone


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep: its runs in the store, those missing, how many were trained, and those left to a GPU."""

    runs: pd.DataFrame
    missing: pd.DataFrame
    trained: int
    left_to_gpu: list[Run]

    def report(self) -> str:
        """One sentence for people."""
        there, asked = len(self.runs), len(self.runs) + len(self.missing)
        text = f"{there} of {asked} runs are in the store; {self.trained} trained just now"
        left = self.missing.groupby(["task", "width"]).size()
        cells = ", ".join(f"{task} {words.size_name(width)} ({n})" for (task, width), n in left.items())
        if left := self.left_to_gpu:
            long = [run for run in left if run.precision == "float32"]
            way = f"; on a CPU --long trains {len(long)} of them, which takes a core {_hours(long)}" if long else ""
            cells += f" ({len(left)} of them are left to a GPU{way})"
        return text + (f"; missing: {cells}." if cells else ".")


def cost(run: Run) -> float:
    """Roughly the seconds that a CPU core trains a run: six operations a parameter and token, and the attention.

    Without dropout what windows of a batch share is computed once (fused.cpp).
    """
    return _cost(replace(run, seed=0, line_order=None, answer_order=None))  # an order changes next to nothing


@functools.cache
def _cost(run: Run) -> float:
    a, corpus = run.architecture, run.corpus
    token = 6 * a.parameters(positions=False) + 6 * a.layers * a.width * a.context
    if run.dropout or run.targets != "all":
        windows = corpus.batch if run.targets == "all" else corpus.offsets
        update = token * windows * corpus.context / FLOPS_A_SECOND["plain"]
    else:
        update = prefixes(corpus) * (token / FLOPS_A_SECOND["fused"] + a.layers * PREFIX_SECONDS)
    return run.updates * update


@functools.cache
def prefixes(corpus: Task) -> float:
    """How many different prefixes a batch of windows has on average, of all lengths together."""
    shared, found = fused.Corpus(corpus).shared, 0.0  # characters that windows, sorted, share with those before them
    for length in range(corpus.context):
        sizes = np.diff(np.append(np.flatnonzero(shared <= length), corpus.offsets))
        found += float((1 - (1 - sizes / corpus.offsets) ** corpus.batch).sum())
    return found


def lacking(runs: list[Run]) -> str:
    """What lacks, and about what it takes: the end of a sentence, "" for no runs."""
    left = _left_to_gpu(runs, long=False)
    hours = (sum(map(cost, runs)) - sum(map(cost, left))) / 3600
    about = f"about {hours:.2g}" if hours >= 0.1 else "under 0.1"
    text = f"; {len(runs) - len(left):,} lack, {about} core-hours" if len(runs) > len(left) else ""
    return text + (f"; {len(left):,} are left to a GPU" if left else "")


def _hours(runs: list[Run]) -> str:
    """What long runs cost a core, such as "about 14 to 62 hours each"."""
    low, high = (f"{choose(map(cost, runs)) / 3600:.0f}" for choose in (min, max))
    return f"about {low} to {high} hours each" if low != high else f"about {low} hours each"


def run(
    sweep: pd.DataFrame, store: str, *, device: str = "cpu", time_budget: float | None = None, cluster: str = "",
    long: bool = False, cores: int | None = None,
) -> Outcome:  # fmt: skip
    """Trains what `store` lacks of `sweep`, and tells what the store then holds.

    Parameters
    ----------
    sweep : a table of runs (lib.sweep), trained in the order of its rows.
    store : path of the store.
    device : "cpu" or "cuda".
    time_budget : seconds after which training stops cleanly, to be continued by the same call.
    cluster : address of a Ray cluster to train on (`cluster.connected`); none for this machine.
    long : whether a CPU trains runs, too, that take it more than `CPU_HOURS`, in pieces.
    cores : of this machine that train, at most; all that it may use by default.
    """
    started, held = time.monotonic(), Store(store)
    asked = dict(zip(sweep["run"], sweep.get("weights", [""] * len(sweep)), strict=True))
    if odd := set(asked.values()) - set(course.WEIGHTS):
        raise UserError(f"weights has {min(odd)!r}, but it must be one of {', '.join(map(repr, course.WEIGHTS))}.")
    if cluster and cores:
        raise UserError(f"cores is {cores}, but it must be left out with a cluster, whose machines have their own.")
    have = held.ids()
    _sound(held, [run for run in asked if run in have])
    lacking = {run for run, what in asked.items() if run not in have or (what and not held.weights_path(run).exists())}
    wanted = [run for run in sweeps.rows(sweep) if run.id in lacking]
    left = _left_to_gpu(wanted, long) if device == "cpu" else []
    todo = [run for run in wanted if run not in left]
    if todo:
        at_work = min(cores or course.cores(), len(todo)) if device == "cpu" and not cluster else 0
        with workers.ready(device, cluster, at_work) as train, contextlib.ExitStack() as stack:
            held.prepare()
            if not stack.enter_context(held.training()):
                say(f"another command trains into {held.folder}, too; what both begin is trained twice")
            if at_work:
                _announce(todo, at_work)
            with Progress({run: cost(run) for run in todo}, at_work) as progress:
                deadline = started + (time_budget or float("inf"))
                train(todo, store, deadline=deadline, tell=progress.tell, weights=asked)
        if time_budget and not progress.got_on:
            raise UserError(
                f"time-budget is {time_budget:g} seconds, but it must be more: it was over before training had begun."
            )
    there = held.ids()
    return replace(look(sweep, store), trained=sum(run.id in there for run in wanted), left_to_gpu=left)


def _left_to_gpu(wanted: list[Run], long: bool) -> list[Run]:
    """The runs that a CPU does not train: those in bfloat16, and long ones where they are not asked for."""
    bfloat16 = [run for run in wanted if run.precision == "bfloat16"]
    too_long = [run for run in wanted if run.precision != "bfloat16" and cost(run) > CPU_HOURS * 3600]
    if long and too_long:
        warnings.warn(
            f"{words.count(len(too_long), 'run')} will take a core {_hours(too_long)}; stop at any time, and "
            f"{course.GOES_ON}.",
            stacklevel=3,
        )
    return bfloat16 + (too_long if not long else [])


def _announce(runs: list[Run], cores: int) -> None:
    """Says about how long the cores of this machine will train, and what they do before it, where it takes a while."""
    total = words.duration(max(sum(map(cost, runs)) / cores, max(map(cost, runs))))
    say(f"training {words.count(len(runs), 'run')} takes {words.count(cores, 'core')} about {total}")
    shapes = {run.architecture for run in runs if not run.dropout}
    if count := sum(not fused.kept(shape) for shape in shapes):
        what = f"compiling the training kernel for {words.count(count, 'shape')} of model"
        say(f"{what}, about 5 seconds each, once on this machine")


def _sound(store: Store, runs: list[str]) -> None:
    """Raises UserError when one of these stored runs is damaged: before hours of training, not after."""
    if wrong := list(store.damage(runs).values()):
        more = (
            f" There are {len(wrong) - 1} more: `python -m lib check {store.quoted}` names them." if wrong[1:] else ""
        )
        raise UserError(wrong[0] + more)


def look(sweep: pd.DataFrame, store: str) -> Outcome:
    """What a store holds of a sweep; nothing is trained. Labels of the sweep are handed on."""
    runs = Store(store).runs(sweep["run"]).merge(sweep[["run", *sweeps.labels(sweep)]], on="run")
    return Outcome(runs, sweep[~sweep["run"].isin(runs["run"])], 0, [])


def gather(settings: Settings) -> Outcome:
    """The runs of a chapter. What lacks is trained where the reader asked for it (`Settings.trains`)."""
    sweep = settings.sweep()
    return run(sweep, settings.store, device=settings.device) if settings.trains else look(sweep, settings.store)


def rerun(store: Store, run_id: str, device: str) -> str:
    """Trains a stored run once more, beside the store, and says in a sentence or two whether it came out the same."""
    stored = store.stored(run_id)
    sweep = sweeps.table([stored.run])
    with tempfile.TemporaryDirectory() as folder:
        run(sweep, folder, device=device)
        again = Store(folder)
        if run_id not in again.ids():
            raise UserError(f"RUN_ID is {run_id!r}, a run that would take a CPU days; rerun it with device cuda.")
        old, new, repeated = store.details(run_id), again.details(run_id), again.stored(run_id)
    apart = np.nanmax(np.abs(stored.columns["loss"] - repeated.columns["loss"]), initial=0)
    answers = np.array_equal(stored.columns["greedy"], repeated.columns["greedy"])
    where = ["{} ({}, {}, torch {})".format(*(d.get(name, "unknown") for name in TRAINED_ON)) for d in (old, new)]
    if stored.same_curve(repeated):
        return f"{run_id} came out the same to the bit: loss {new['loss']:.6f}."
    if answers and apart < ROUNDING:
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
