"""A Ray cluster of two machines, simulated on this one: nothing differs, nothing is lost, and faults are told."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from lib import cli
from lib.run import Run
from lib.store import Store
from lib.train import course, slices
from tests.conftest import one_sentence
from tests.test_lab import members, same_evidence, wait_for

pytest.importorskip("ray", reason="requirements-cluster.txt is not installed")
from ray.cluster_utils import Cluster

ROOT = Path(__file__).parents[1]
RUNS = [Run("arithmetic", 14, seed, iterations=5_000) for seed in range(3)]
# The real command, with slices so short that a run takes several of them, on a fast machine, too.
DRIVER = """
import runpy
from lib.train import cluster
cluster.SLICE_SECONDS = 0.3
if __name__ == "__main__":
    runpy.run_module("lib", run_name="__main__")
"""


@pytest.fixture(scope="module")
def cluster():
    """Two machines of one core each, and a head that has none to give away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # how full this machine is otherwise is not the question
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            found.add_node(num_cpus=1)
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """The store of the same runs, trained here."""
    folder = tmp_path_factory.mktemp("local")
    for run in RUNS:
        assert course.train_stack([run], str(folder), device="cpu", deadline=float("inf"))
    return folder


def start(folder: Path, address: str, *more: str, driver: str = DRIVER, seeds: int = 3) -> subprocess.Popen:
    """The command for `RUNS` on a cluster, in a process group of its own."""
    script = folder.with_suffix(".py")
    script.write_text(driver)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
    command = f"run capacity --tasks arithmetic --widths 14 --iterations 5000 --seeds {seeds}".split()
    return subprocess.Popen(
        [sys.executable, script, *command, "--store", folder, "--cluster", address, *more],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit status, output, and what was said, the bar included."""
    out, err = process.communicate(timeout=150)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def reached(folder: Path) -> int:
    """The sum of the iterations that a store has reached."""
    store, there = Store(folder), Store(folder).ids()
    states = [store.load_checkpoint(run) for run in RUNS if run.id not in there]
    return 5_000 * len(there) + sum(int(found[0]["iteration"]) for found in states if found)


def lose(cluster, machine) -> None:
    """Ends a machine as a power cut does: what it trains, too, which would else hand back its slice."""
    (raylet,) = (process.process.pid for process in machine.all_processes["raylet"])
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rsplit(")", 1)[1].split()[1]) == raylet:
                os.kill(int(path.parent.name), signal.SIGKILL)
    cluster.remove_node(machine, allow_graceful=False)


def test_a_machine_that_is_lost_in_the_middle_costs_nothing_but_time(cluster, local, tmp_path):
    store = tmp_path / "store"
    process = start(store, cluster.address)  # three runs on two machines: none has nothing to do
    wait_for(lambda: reached(store) > 0)
    time.sleep(0.5)  # until the next slices are under way
    lose(cluster, next(iter(cluster.worker_nodes)))
    cluster.add_node(num_cpus=1)
    status, out, err = finish(process)
    assert (status, out) == (0, "3 of 3 runs are in the store; 3 trained just now.\n")
    assert "lost a machine or a process; its last slice is trained again." in err
    same_evidence(store, local)
    assert not list((store / "checkpoints").iterdir())


# A clock by which the time budget is over as soon as a run has got on.
BUDGET = DRIVER.replace("if __name__", """
import sys, time
from pathlib import Path
from safetensors import safe_open
def got_on():
    files = Path(sys.argv[-5]).glob("checkpoints/*.safetensors")  # a first one may be of iteration 0
    return any(int(safe_open(file, "numpy").get_tensor("iteration")) for file in files)
class Clock:
    monotonic = lambda: time.monotonic() + 3600 * got_on()
cluster.time = Clock
if __name__""", 1)  # fmt: skip


def test_the_same_command_goes_on_after_a_budget_and_after_a_kill(cluster, local, tmp_path):
    store = tmp_path / "store"
    status, out, err = finish(start(store, cluster.address, "--time-budget", "1h", driver=BUDGET))
    stopped = reached(store)
    assert status == 0 and out.startswith("0 of 3 runs are in the store; 0 trained just now; missing: "), out + err
    assert 0 < stopped < 15_000

    process = start(store, cluster.address)
    wait_for(lambda: reached(store) > stopped)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert stopped < reached(store) < 15_000

    assert finish(start(store, cluster.address))[1].startswith("3 of 3 runs are in the store; ")
    same_evidence(store, local)


def test_ctrl_c_keeps_what_was_done_and_ends_the_cluster_that_was_started_here(tmp_path):
    store = tmp_path / "store"
    process = start(store, "local")
    wait_for(lambda: reached(store) > 0)
    os.killpg(process.pid, signal.SIGINT)
    status, _, err = finish(process)
    assert status == 130 and err.splitlines()[-1] == "Stopped; the same command goes on from here."
    assert 0 < reached(store) < 15_000
    wait_for(lambda: not members(process.pid), 20)


# What bad machines and bad input get

FAULTS = {  # what a machine does otherwise, as its Python starts
    "memory": "import torch\ndef zeros_like(*_): raise MemoryError\ntorch.zeros_like = zeros_like",
    "killed": "import os, torch\ntorch.zeros_like = lambda *_: os.kill(os.getpid(), 9)",
    "version": "import torch\ntorch.__version__ = '1.0'",
}


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("memory", r"The memory of \S+ is too small to train a run of width 14 on arithmetic"),
        ("killed", "2 machines in a row were lost with a run of width 14 .* memory is too small"),
        ("version", r"cluster is .*, but \S+ has torch 1.0, not 2.*; they must be the same"),
    ],
)
def test_a_machine_that_cannot_train_stops_the_command_in_one_sentence(cluster, tmp_path, fault, sentence):
    (tmp_path / "sitecustomize.py").write_text(FAULTS[fault])
    machine = cluster.add_node(num_cpus=4, env_vars={"PYTHONPATH": str(tmp_path)})
    others = [cluster.remove_node(node) for node in list(cluster.worker_nodes) if node is not machine]
    driver = DRIVER.replace("cluster.SLICE_SECONDS = 0.3", "cluster.LOSSES, cluster.SLICE_SECONDS = 2, 0.3")
    try:
        status, out, err = finish(start(tmp_path / "store", cluster.address, driver=driver, seeds=1))
    finally:
        cluster.remove_node(machine)
        for _ in others:
            cluster.add_node(num_cpus=1)
    last = err.splitlines()[-1]
    assert status == 1 and out == "" and re.search(sentence, last) and one_sentence(last)
    assert not Store(tmp_path / "store").ids()
    assert fault != "version" or not (tmp_path / "store").exists()


FULL = DRIVER.replace("if __name__", """
import errno, os
sync = os.fsync
def full(file):
    if "parquet" in os.readlink(f"/proc/self/fd/{file if isinstance(file, int) else file.fileno()}") and under_way:
        raise OSError(errno.ENOSPC, "No space left on device")
    sync(file)
from lib.train import slices
under_way = []
put = slices.put
slices.put = lambda *all: under_way.append(1) or put(*all)
os.fsync = full
if __name__""")  # fmt: skip


def test_a_disk_that_is_full_at_the_driver(cluster, tmp_path):
    status, out, err = finish(start(tmp_path / "store", cluster.address, driver=FULL, seeds=1))
    assert status == 1 and out == "" and one_sentence(err.splitlines()[-1])
    assert "store cannot write" in err and "No space left on device" in err
    assert reached(tmp_path / "store") < 5_000 and not list(tmp_path.rglob("store/**/.*"))


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1:x", "127.0.0.1:99999", "ray://x:1"])
def test_a_cluster_that_cannot_be_reached(cli, tmp_path, address):
    address = address or nowhere()
    status, _, message = cli("run", "capacity", "--profile", "smoke", "--store", tmp_path / "a", "--cluster", address)
    assert status == 1 and one_sentence(message) and f"cluster is '{address}', but it cannot be reached" in message
    assert not (tmp_path / "a").exists()


def test_a_cluster_without_ray(cli, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_ADDRESS", "local")
    status, _, message = cli("run", "capacity", "--profile", "smoke", "--store", tmp_path / "a")
    assert status == 1 and one_sentence(message) and "cluster is 'local', but Ray is not installed" in message
    assert not (tmp_path / "a").exists()


def test_a_machine_that_is_lost_between_list_and_question_is_left_out(cluster, cli, monkeypatch, tmp_path):
    lost, versions = list(cluster.worker_nodes)[:1], slices.versions()
    monkeypatch.setattr(slices, "versions", lambda: versions if not lost else lose(cluster, lost.pop()) or versions)
    asked = ("--tasks", "arithmetic", "--widths", "4", "--seeds", "1", "--iterations", "100")
    try:
        status, out, message = cli("run", "capacity", *asked, "--store", tmp_path / "a", "--cluster", cluster.address)
    finally:
        cluster.add_node(num_cpus=1)
    assert (status, out) == (0, "1 of 1 runs are in the store; 1 trained just now.\n"), message


def test_a_cluster_without_a_gpu(cluster, cli, tmp_path):
    asked = ("--profile", "smoke", "--store", tmp_path / "a", "--cluster", cluster.address, "--device", "cuda")
    status, _, message = cli("run", "capacity", *asked)
    assert status == 1 and one_sentence(message) and "device is 'cuda', but the cluster" in message
    assert "has no GPU that is to be had" in message and not (tmp_path / "a").exists()


# The files for Slurm, Kubernetes and spot machines, as far as they can be checked without these

STUBS = {  # what a Slurm job calls: each notes how it was called, and some do a little more
    ".venv/bin/ray": "last=${@: -1}; [[ $* != *--head* ]] || exec python3 -m http.server --bind 0.0.0.0 ${last#*=}",
    ".venv/bin/python": "trap 'exit 130' TERM; sleep 60 & wait",
    "bin/srun": "exec sleep 60",
    "bin/scontrol": "",
}


@pytest.mark.parametrize("script", sorted((ROOT / "cluster").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_have_no_error_of_syntax(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


def test_a_slurm_job_starts_its_nodes_and_is_queued_again_when_its_time_is_over(tmp_path):
    for name, does in STUBS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/usr/bin/env bash\necho "{path.name} $*" >> {tmp_path}/calls\n{does}\n')
        path.chmod(0o755)
    slurm = {"SLURM_JOB_ID": "4321", "SLURM_NNODES": "3", "SLURM_CPUS_PER_TASK": "8", "SLURMD_NODENAME": "first"}
    job = subprocess.Popen(
        ["bash", ROOT / "cluster" / "slurm.sh", "scan", "--seeds", "9"], cwd=tmp_path, stderr=subprocess.DEVNULL,
        env=os.environ | slurm | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    calls = tmp_path / "calls"
    wait_for(lambda: calls.exists() and "python" in calls.read_text() and "srun" in calls.read_text(), 30)
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 130
    said = sorted(calls.read_text().splitlines())
    head = said[0].split("--cluster ")[1]
    assert said[0] == f"python -m lib run scan --seeds 9 --cluster {head}" and head.endswith(":24321")
    assert said[1].startswith("ray start --block --disable-usage-stats --num-cpus=8 --head")
    assert said[2] == "scontrol requeue 4321"
    assert said[3].startswith("srun --nodes=2 --ntasks=2 --exclude=first .venv/bin/ray start --block")
    assert said[3].endswith(f"--num-cpus=8 --address={head}")


def test_the_manifest_for_kubernetes():
    job, volume = yaml.safe_load_all((ROOT / "cluster" / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"], volume["kind"]) == ("ray.io/v1", "RayJob", "PersistentVolumeClaim")
    (version,) = re.findall(r"^ray==(\S+)", (ROOT / "requirements-cluster.txt").read_text(), re.M)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == version and f"ray[default]=={version}" in (ROOT / "cluster/Dockerfile").read_text()
    head = cluster["headGroupSpec"]["template"]["spec"]
    assert head["volumes"][0]["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]
    assert head["volumes"][0]["name"] == head["containers"][0]["volumeMounts"][0]["name"]
    command = job["spec"]["entrypoint"].removeprefix("python -m lib ").split()
    cli.main.make_context("lib", command, resilient_parsing=False)  # such a command and such options there are
    store = command[command.index("--store") + 1]
    assert store.startswith(head["containers"][0]["volumeMounts"][0]["mountPath"] + "/")
