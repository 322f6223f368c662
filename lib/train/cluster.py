"""A cluster: trains runs on the machines of a Ray cluster, for workers.py.

Notable features:
- a machine trains some runs for some minutes (slices.py) and hands back what it made of them; the driver alone writes
  the store, so that no disk is shared and whoever is lost costs at most the last slice;
- what is in flight is about 1.25 times what can be at work: more, and all runs would advance and none be finished;
- Ctrl-C and the time budget let every machine save: each looks at an object that is there once somebody asked to stop.

Moritz et al. 2018, "Ray: A Distributed Framework for Emerging AI Applications", arXiv:1712.05889.
"""

import contextlib
import functools
import logging
import math
import os
import socket
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lib.errors import UserError, shown
from lib.run import Run
from lib.stats import words
from lib.store import Store
from lib.train import course, slices

SLICE_SECONDS = 300  # that a machine trains before it hands back what it has; longer where checkpoints are large
PACKED = 50  # runs in a slice, at most
IN_FLIGHT = 1.25  # slices for each core or GPU
LOSSES = 5  # of a run in a row, after which it is no accident
INSPECT_SECONDS = 300  # for a machine to load the project
STOP_SECONDS = 120  # for the machines to hand back what they have
RESOURCES = {"cpu": ("CPU", "core"), "cuda": ("GPU", "GPU")}


@contextlib.contextmanager
def connected(address: str, device: str) -> Iterator[Callable]:
    """An engine (see workers.py) that trains on the cluster at `address`, while the connection lasts.

    Parameters
    ----------
    address : "host:port" of the head of a cluster that this machine belongs to, "auto" where that is known here, or
        "local" for a cluster of this machine alone, which is started and ended.
    device : "cpu" or "cuda".

    Raises
    ------
    UserError
        When Ray is not installed, the cluster cannot be reached or has nothing of the device, or its machines have
        other versions than this one.
    """
    os.environ |= {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UserError(
            f"cluster is {shown(address)}, but Ray is not installed; "
            "`.venv/bin/pip install -r requirements-cluster.lock` installs it."
        ) from None
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # Ray prints the logs of what it lost
        try:
            _connect(ray, address)
            _inspect(ray, address, device)
            yield functools.partial(_train, device)
        finally:
            ray.shutdown()


def _connect(ray, address: str) -> None:
    here = {"num_cpus": course.cores(), "include_dashboard": False} if address == "local" else {}
    try:
        if address not in ("local", "auto"):  # Ray itself would try for minutes
            host, port = address.rsplit(":", 1)
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        what = "has other versions" if "mismatch" in reason else "cannot be reached"
        raise UserError(
            f"cluster is {shown(address)}, but it {what} ({reason}); it must be local, auto or host:port, the head of "
            "a Ray cluster that this machine belongs to."
        ) from None


def _inspect(ray, address: str, device: str) -> None:
    """Asks every machine that has cores or GPUs to spare for its versions; UserError says what is wrong.

    A machine that was lost may be listed for some seconds more: once it no longer is, it has nothing to answer for.
    """
    resource, what = RESOURCES[device]
    place = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    ask = ray.remote(slices.differing)

    def machines() -> dict[str, str]:
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get(resource, 0) >= 1]
        return {node["NodeID"]: node["NodeManagerHostname"] for node in nodes}

    answers = []
    for node, host in machines().items():
        there = place(node, soft=False)
        asked = ask.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote(slices.versions())
        answers.append((node, host, asked))
    for node, host, answer in answers:
        try:
            wrong = ray.get(answer, timeout=INSPECT_SECONDS)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1][:200].rstrip(".")
            wrong = f"the project does not load on {host} ({reason})." if node in machines() else ""
        if wrong:
            raise UserError(f"cluster is {shown(address)}, but {wrong}")
    if not machines():
        raise UserError(f"device is {device!r}, but the cluster {shown(address)} has no {what} that is to be had.")


def _flag(ray) -> tuple[Any, Any]:
    """An actor beside the driver and an object that is there once its method `ask` was called."""

    class Flag:  # here, so that it brings nothing of this project along
        def __init__(self) -> None:
            import asyncio

            self.event = asyncio.Event()

        async def asked(self) -> None:
            await self.event.wait()

        async def ask(self) -> None:
            self.event.set()

    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    flag = ray.remote(Flag).options(num_cpus=0, scheduling_strategy=here).remote()
    return flag, flag.asked.remote()


def _train(
    device: str, runs: list[Run], folder: str, *, deadline: float, tell: Callable[[str, int, str], Any],
    weights: Mapping[str, str], stop: Callable[[], bool],
) -> None:  # fmt: skip
    over = lambda: stop() or time.monotonic() > deadline  # noqa: E731
    sweep = _Sweep(device, runs, folder=folder, tell=tell, weights=weights)
    try:
        while (sweep.waiting or sweep.flying) and not over():
            sweep.send()
            sweep.collect(1)
    finally:
        sweep.land()


class _Sweep:
    """Runs that wait, packed into jobs, and jobs in flight."""

    def __init__(
        self, device: str, runs: list[Run], *, folder: str, tell: Callable[[str, int, str], Any],
        weights: Mapping[str, str],
    ):  # fmt: skip
        import ray

        self.ray, self.device, self.tell, self.weights, self.store = ray, device, tell, weights, Store(folder)
        self.resource, self.unit = RESOURCES[device]
        self.flag, self.asked = _flag(ray)
        one = {"num_cpus": 1} if device == "cpu" else {"num_cpus": 0, "num_gpus": 1}
        self.task = ray.remote(slices.train_slice).options(max_retries=0, **one)
        self.waiting = deque(self._pack(runs))
        self.flying: dict[Any, list[Run]] = {}
        self.lost: Counter[str] = Counter()  # times in a row, by run
        self.told: set[str] = set()

    def slots(self) -> int:
        """How many slices the cluster can have at work now: nodes come and go."""
        return int(self.ray.cluster_resources().get(self.resource, 0))

    def _pack(self, runs: list[Run]) -> Iterator[list[Run]]:
        """Jobs: on a CPU some runs, one after another; on a GPU a stack of one shape, as even as the GPUs are many."""
        slots = max(1, self.slots())
        groups: dict[Any, list[Run]] = {}
        for run in runs:
            groups.setdefault(run.shape if self.device == "cuda" else None, []).append(run)
        for group in groups.values():
            most = PACKED if self.device == "cpu" else len(group)
            size = min(most, math.ceil(len(group) / (8 * slots if self.device == "cpu" else slots)))
            yield from (group[i : i + size] for i in range(0, len(group), size))

    def send(self) -> None:
        """Hands jobs to the cluster, which starts them as it can."""
        slots = self.slots()
        while self.waiting and len(self.flying) < max(slots + 1, IN_FLIGHT * slots):
            job = self.waiting.popleft()
            files = {run.id: slices.files(self.store, run) for run in job}
            weights = {run.id: self.weights.get(run.id, "") for run in job}
            answer = self.task.remote(job, files, self.device, SLICE_SECONDS, weights, slices.versions(), [self.asked])
            self.flying[answer] = job
        self.tell("", 0, words.count(min(len(self.flying), slots), self.unit))

    def collect(self, seconds: float) -> None:
        """Waits so long for slices, puts what they made into the store, and the rest of their runs first in line."""
        ready, _ = self.ray.wait(list(self.flying), timeout=seconds)
        if ready:
            ready, _ = self.ray.wait(list(self.flying), num_returns=len(self.flying), timeout=0)
        for answer in ready:
            job = self.flying.pop(answer)
            reached = self._keep(answer, job)
            rest = [run for run in job if reached.get(run.id, (0, 0))[1] < run.updates]
            if not rest:
                continue
            got_on = any(first < last for first, last in reached.values())
            self.lost[rest[0].id] = 0 if got_on else self.lost[rest[0].id] + 1
            if self.lost[rest[0].id] == LOSSES:
                raise UserError(
                    f"{LOSSES} machines in a row were lost with {course.name(rest[0])}, which is what happens where "
                    f"the memory is too small; {course.GOES_ON}."
                )
            self.waiting.extendleft([[run] for run in reversed(rest)] if self.device == "cpu" else [rest])

    def _keep(self, answer, job: list[Run]) -> dict[str, tuple[int, int]]:
        """Puts what a slice made into the store; the first and the last iterations of its runs, if it is not lost."""
        errors = self.ray.exceptions
        try:
            found: slices.Slice = self.ray.get(answer)
        except errors.RayTaskError as error:
            raise RuntimeError(f"on the cluster:\n{error}") from None
        except errors.RayError:  # the machine is gone, or the process, as where Ray ends it because memory is full
            warnings.warn("The cluster lost a machine or a process; its last slice is trained again.", stacklevel=2)
            return {}
        for run in job:
            slices.put(self.store, run, found.files.get(run.id, {}))
        for run_id, iterations in found.reached.items():
            for iteration in iterations[run_id in self.told :]:  # where it began is news the first time
                self.tell(run_id, iteration, "")
            self.told.add(run_id)
        for text in found.warned:
            warnings.warn(text, stacklevel=2)
        if found.wrong:
            raise UserError(found.wrong)
        return found.reached

    def land(self) -> None:
        """Asks every machine to stop, and puts what they have into the store."""
        self.flag.ask.remote()
        end = time.monotonic() + STOP_SECONDS
        while self.flying and time.monotonic() < end:
            self.collect(1)
