"""The command line and the lab: what is trained, what survives a kill, and what bad input gets."""

import multiprocessing
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lib import cli as cli_module
from lib import settings
from lib import sweep as sweeps
from lib.errors import UserError
from lib.experiments import capacity
from lib.run import Run
from lib.stats import words
from lib.store import Store
from lib.sweep import published
from lib.train import course, lab, workers
from tests.conftest import one_sentence

ROOT = Path(__file__).parents[1]
TINY = ("run", "capacity", "--tasks", "arithmetic", "--widths", "6", "--iterations", "40", "--device", "cpu")


def evidence(folder) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """All that a store says of its runs, less when and in what time they were trained."""
    store = Store(folder)
    runs = store.runs().drop(columns=["seconds", "finished"])
    return runs, store.curves(runs), store.items(runs)


def same_evidence(one, other) -> None:
    for a, b in zip(evidence(one), evidence(other), strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)  # to the bit


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


# Training what is missing


def test_only_what_is_missing_is_trained(cli, tmp_path):
    store = tmp_path / "runs"
    assert cli(*TINY, "--seeds", 1, "--store", store)[:2] == (0, "1 of 1 runs are in the store; 1 trained just now.\n")
    before = contents(store)
    assert cli(*TINY, "--seeds", 1, "--store", store)[:2] == (0, "1 of 1 runs are in the store; 0 trained just now.\n")
    assert contents(store) == before
    assert cli(*TINY, "--seeds", 3, "--store", store)[:2] == (0, "3 of 3 runs are in the store; 2 trained just now.\n")
    after = contents(store)
    assert {name: after[name] for name in before} == before
    table = Store(store).runs()
    assert sweeps.labels(table) == []  # all columns are known
    assert sorted(table["seed"]) == [0, 1, 2] and set(table["width"]) == {6} and set(table["iterations"]) == {40}
    assert table["loss"].between(0.5, 2.9).all() and table["seen_accuracy"].between(0, 1).all()


def test_status_and_merge(cli, tmp_path):
    cli(*TINY, "--seeds", 1, "--store", tmp_path / "a")
    cli(*TINY, "--seeds", 2, "--store", tmp_path / "b")
    asked = ("--widths", 6, "--iterations", 40, "--seeds", 3, "--device", "cpu", "--store", tmp_path / "a")
    status, out, _ = cli("status", *asked)
    assert status == 0 and re.search(r"^capacity +1 of +6 runs; 5 lack, under 0\.1 core-hours$", out, re.MULTILINE)
    assert cli("merge", tmp_path / "b", "--store", tmp_path / "a")[0] == 0
    assert "  arithmetic n6            2 of    3" in cli("status", "capacity", *asked)[1]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 second"), (119, "119 seconds"), (130, "2.2 minutes"), (6_600, "110 minutes"), (9_000, "2.5 hours")],
)
def test_durations_are_told_in_a_unit_that_fits(seconds, said):
    assert words.duration(seconds) == said


def test_whatever_trains_says_before_it_how_long_it_will_take(cli, monkeypatch, tmp_path):
    """The longest run alone may take longer than all of them shared out among the cores."""
    monkeypatch.setattr(course, "cores", lambda: 2)
    monkeypatch.setattr(lab, "cost", lambda run: 600.0 if run.seed == 0 else 60.0)
    _, _, told = cli(*TINY, "--seeds", 3, "--store", tmp_path)
    assert "training 3 runs takes 2 cores about 10 minutes" in told
    assert "takes" not in cli(*TINY, "--seeds", 3, "--store", tmp_path)[2]  # nothing is trained


def test_how_many_cores_train_can_be_said(cli, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(workers, "_on_cpu", lambda cores, *_, **how: asked.append(cores))
    monkeypatch.setattr(course, "cores", lambda: 8)
    for more in ((), ("--cores", 3)):
        told = cli(*TINY, "--seeds", 12, *more, "--store", tmp_path)[2]
        assert f"training 12 runs takes {asked[-1]} cores about" in told
    assert asked == [8, 3]


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/", {"cpu.max": "max 100000"}, float("inf")),
        ("0::/", {"cpu.max": "250000 100000"}, 2.5),  # docker --cpus 2.5
        ("0::/pod/c", {"pod/cpu.max": "100000 50000", "pod/c/cpu.max": "max 100000"}, 2),  # a limit of what is above
        ("0::/\n1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ("4:cpu,cpuacct:/docker/1\n3:memory:/docker/1",  # which a container does not see by this name
         {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 0.5),
        ("", {}, float("inf")),
    ],
)  # fmt: skip
def test_a_containers_share_of_the_cores(monkeypatch, tmp_path, groups, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert course.quota(groups, tmp_path) == cores
    monkeypatch.setattr(course, "quota", lambda *_: cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(32))
    assert course.cores() == {0.5: 1, 2: 2, 2.5: 3, float("inf"): 32}[cores]


def test_all_that_is_registered_is_pending_until_it_is_there(cli, monkeypatch, tmp_path):
    """One command trains it in its order; `status` ends with it."""
    asked = []
    looked = lambda sweep, *_, **how: asked.append(sweep) or lab.look(sweep, str(tmp_path))  # noqa: E731
    monkeypatch.setattr(cli_module.lab, "run", looked)
    assert cli("pending", "--store", tmp_path, "--device", "cpu")[0] == 0
    (sweep,) = asked
    assert sweep["run"].is_unique and list(dict.fromkeys(sweep["experiment"]))[:3] == ["found", "recipes", "large"]
    firsts = sweep.groupby("experiment").head(1)
    assert firsts["learning_rate"].tolist()[:3] == [0.01, 0.01, 0.001]  # of large, what is asked first
    assert f"0 of  {len(sweep):,} runs" in cli("status", "--store", tmp_path)[1].splitlines()[-1]


def test_rerun(cli, tmp_path):
    cli(*TINY, "--seeds", 1, "--store", tmp_path)
    before = contents(tmp_path)
    (run,) = Store(tmp_path).ids()
    status, out, _ = cli("rerun", run, "--store", tmp_path, "--device", "cpu")
    assert status == 0 and "the same to the bit" in out and contents(tmp_path) == before

    store = Store(tmp_path)
    config, iterations, losses, scores = store._read(run)
    for loss, sampled, flipped, said in (
        (1e-7, 0, False, "the same but for rounding: every answer at every evaluation, and losses within 1e-07"),
        (0, 1e-3, False, "the same but for rounding: every answer at every evaluation, and every loss"),
        (1e-3, 0, False, "differently"),
        (0, 0, True, "differently"),
    ):
        wrong = {**scores, "greedy": scores["greedy"] ^ flipped, "sampled": scores["sampled"] + np.float32(sampled)}
        rows = [
            {"iteration": int(at), "loss": losses[i] + loss, **{name: x[i] for name, x in wrong.items()}}
            for i, at in enumerate(iterations)
        ]
        store.add(
            config, rows, {"device": "cpu", "processor": "another", "engine": "fused", "torch": "0", "seconds": 1.0}
        )
        assert f"came out {said}" in cli("rerun", run, "--store", tmp_path, "--device", "cpu")[1]


def test_runs_of_days_are_left_to_a_gpu(inline, tmp_path):
    sweep = capacity.sweep(["arithmetic"], [6, 384], seeds=1, iterations=40)
    long = capacity.sweep(["arithmetic"], [384], seeds=1, iterations=30_000)
    outcome = lab.run(pd.concat([sweep[sweep["width"] == 6], long]), str(tmp_path))
    assert (outcome.trained, len(outcome.left_to_gpu), len(outcome.missing)) == (1, 1, 1)
    assert outcome.report().endswith(
        "missing: arithmetic MLT (1) (1 of them are left to a GPU; on a CPU --long trains 1 of them, which takes a "
        "core about 60 hours each)."
    )


def test_long_runs_are_trained_where_they_are_asked_for(cli, monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "CPU_HOURS", 0)
    assert cli(*TINY, "--seeds", 1, "--store", tmp_path)[1].startswith("0 of 1 runs are in the store; 0 trained")
    with pytest.warns(UserWarning, match="1 run will take a core about 0 hours each; stop at any time"):
        assert cli(*TINY, "--seeds", 1, "--store", tmp_path, "--long")[1].startswith("1 of 1 runs are in the store")


def test_bfloat16_is_left_to_a_gpu_however_long_it_takes(cli, tmp_path):
    asked = ("--profile", "smoke", "--tasks", "facts", "--widths", "6,384", "--iterations", "1", "--seeds", "1")
    status, out, _ = cli("run", "replication", *asked, "--device", "cpu", "--store", tmp_path, "--long")
    assert status == 0 and out.startswith("2 of 4 runs are in the store; 2 trained just now; ")
    assert out.endswith("missing: facts MLT (2) (2 of them are left to a GPU).\n")


def test_what_a_run_costs():
    """MLT's update was measured at 7.4 s of a core, 1.7 s without dropout, when what windows share is done once."""
    plain = published("arithmetic", 384, 0)
    for run, seconds in ((plain, 7.4), (replace(plain, dropout=0.0), 1.7)):
        assert lab.cost(run) == pytest.approx(30_000 * seconds, rel=0.1)
    for width, seconds in ((14, 4), (28, 8), (56, 22)):  # of most stored runs; of small models the overhead is most
        assert seconds / 2 < lab.cost(Run("arithmetic", width, 0, windows="lines")) < 2 * seconds
    corpus = plain.corpus
    drawn = np.random.default_rng(0).integers(0, corpus.offsets, (20, corpus.batch))
    windows = corpus.tokens[drawn[..., None] + np.arange(corpus.context)]
    distinct = [len({tuple(w[: t + 1]) for w in batch}) for batch in windows.tolist() for t in range(corpus.context)]
    assert lab.prefixes(corpus) == pytest.approx(sum(distinct) / 20, rel=0.01)  # 20 batches vary by less


# Interruptions


class Clock:
    """A stand-in for `time`: every look at it costs `step` seconds."""

    time = staticmethod(time.time)  # for what is only shown

    def __init__(self, step: float = 0.25):
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def test_a_time_budget_stops_cleanly_and_the_same_call_goes_on(inline, monkeypatch, tmp_path):
    sweep = capacity.sweep(["arithmetic"], [6], seeds=2, iterations=400)
    parts, rounds = str(tmp_path / "parts"), 0
    with monkeypatch.context() as patch:
        patch.setattr(lab, "time", clock := Clock())
        patch.setattr(course, "time", clock)
        while True:
            outcome = lab.run(sweep, parts, time_budget=10)
            rounds += 1
            assert len(outcome.runs) + len(outcome.missing) == 2
            begun = {path.stem for path in (tmp_path / "parts" / "checkpoints").iterdir()}
            assert begun <= set(outcome.missing["run"])  # what is finished needs no checkpoint
            if outcome.missing.empty:
                break
            assert begun or outcome.trained, "what was begun goes on next time"
            assert rounds < 20
    assert rounds > 2
    lab.run(sweep, str(tmp_path / "whole"))
    same_evidence(tmp_path / "parts", tmp_path / "whole")


def test_large_checkpoints_are_written_once_in_ten_minutes(monkeypatch, tmp_path):
    assert course.pause(published("arithmetic", 384, 0), 15) == 600
    assert course.pause(published("arithmetic", 56, 0), 15) == 15
    monkeypatch.setattr(course, "BYTES_A_SECOND", 1)
    monkeypatch.setattr(course, "time", Clock(step=50))
    saved, save = [], Store.save_checkpoint
    monkeypatch.setattr(Store, "save_checkpoint", lambda *what: saved.append(course.time.now) or save(*what))
    course.train_stack([Run("arithmetic", 6, 0, iterations=40)], str(tmp_path), device="cpu", deadline=float("inf"))
    assert len(saved) > 5 and min(np.diff(saved)) > 600


def test_after_the_deadline_nothing_is_begun(tmp_path):
    run = Run("arithmetic", 6, 0, iterations=40)
    assert not course.train_stack([run], str(tmp_path / "a"), device="cpu", deadline=time.monotonic() - 1)
    assert not course.train_stack([run], str(tmp_path / "a"), device="cpu", deadline=float("inf"), stop=lambda: True)
    assert not (tmp_path / "a").exists()


def test_a_deadline_that_is_over_before_the_first_update_does_not_keep_a_run_where_it_is(monkeypatch, tmp_path):
    run, stack = Run("arithmetic", 6, 0, iterations=40), course.Stack
    monkeypatch.setattr(course, "time", Clock(step=0))

    def slow(*what):
        course.time.now += 10
        return stack(*what)

    monkeypatch.setattr(course, "Stack", slow)
    calls = 1
    while not course.train_stack([run], str(tmp_path), device="cpu", deadline=course.time.now + 5):
        assert Store(tmp_path).load_checkpoint(run)[0]["iteration"] == calls
        calls += 1
    assert calls == 40


def test_a_run_trained_in_a_stack_is_the_run_trained_alone(tmp_path):
    runs = [Run("arithmetic", 6, seed, iterations=40) for seed in range(3)]
    assert course.train_stack(runs, str(tmp_path / "stack"), device="cpu", deadline=float("inf"))
    for run in runs:
        assert course.train_stack([run], str(tmp_path / "alone"), device="cpu", deadline=float("inf"))
    same_evidence(tmp_path / "stack", tmp_path / "alone")


def test_a_run_that_stops_early_is_the_beginning_of_the_whole_run(tmp_path):
    """Its schedule is that of all iterations; a checkpoint takes it to its end, too."""
    whole = Run("arithmetic", 6, 1, iterations=60, evaluate_every=1)
    part = replace(whole, stop_after=40)
    assert part.evaluations() == list(range(41)) and part.shape != whole.shape
    assert np.array_equal(part.rates(), whole.rates()) and lab.cost(part) == pytest.approx(lab.cost(whole) * 40 / 60)
    store = Store(tmp_path)
    for run in (whole, part):
        assert course.train_stack([run], str(tmp_path), device="cpu", deadline=float("inf"), weights={run.id: "final"})
    everything, beginning = (store.stored(run.id).columns for run in (whole, part))
    assert len(everything["loss"]) == 61 and list(store.weights(part)) == [40]
    for name in ("iteration", "loss", "greedy"):
        assert np.array_equal(everything[name][:41], beginning[name])
    with pytest.raises(UserError, match=r"stop_after is 60, but it must be less than iterations, 60\.$"):
        replace(whole, stop_after=60)


# The real command, with checkpoints as often as can be, in the workers: they import this file for what they do.
OFTEN = """
import runpy
from lib.train import course, workers
course.CHECKPOINT_SECONDS, course.CHUNK_SECONDS = 0, 0.2
def serve(*what):
    workers._serve(*what)
if __name__ == "__main__":
    import often
    workers._serve = often.serve
    runpy.run_module("lib", run_name="__main__")
"""
LONG = ("run", "capacity", "--tasks", "arithmetic", "--widths", "6", "--device", "cpu", "--iterations", "5000")


def start(tmp_path, *arguments) -> subprocess.Popen:
    script = tmp_path / "often.py"
    script.write_text(OFTEN)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background may ignore it
    return subprocess.Popen(
        [sys.executable, script, *LONG, *arguments, "--store", tmp_path / "killed"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(what, seconds: float = 120):
    """Waits until `what()` is true, as long as a busy machine may need."""
    end = time.time() + seconds
    while not what():
        assert time.time() < end, "it took too long"
        time.sleep(0.02)


def progress(folder: Path) -> int:
    """The sum of the iterations that the checkpoints of a store have reached."""
    runs = [Run("arithmetic", 6, seed, iterations=5_000) for seed in range(2)]
    saved = [Store(folder).load_checkpoint(run) for run in runs]
    return sum(int(found[0]["iteration"]) for found in saved if found)


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_killed_runs_go_on_and_end_the_same(tmp_path):
    killed, seeds = tmp_path / "killed", ("--seeds", "2")

    first = start(tmp_path, *seeds)
    wait_for(lambda: progress(killed) > 0)
    os.killpg(first.pid, signal.SIGKILL)  # the whole process group, in the middle
    first.communicate()
    reached = progress(killed)
    assert 0 < reached < 10_000 and not Store(killed).ids()

    second = start(tmp_path, "--seeds", "1")
    wait_for(lambda: progress(killed) > reached)
    assert len(members(second.pid)) >= 2
    second.kill()  # only the parent
    wait_for(lambda: not members(second.pid), 30)
    second.communicate()
    assert len(Store(killed).ids()) < 2

    third = start(tmp_path, *seeds)
    out, err = third.communicate(timeout=500)
    assert third.returncode == 0 and out.startswith("2 of 2 runs are in the store; "), err
    assert not list((killed / "checkpoints").glob("*.safetensors"))

    for seed in range(2):
        run = Run("arithmetic", 6, seed, iterations=5_000)
        assert course.train_stack([run], str(tmp_path / "whole"), device="cpu", deadline=float("inf"))
    same_evidence(killed, tmp_path / "whole")


@pytest.mark.parametrize("number", workers.STOPS)
def test_what_was_done_is_kept_when_the_group_is_asked_to_stop(tmp_path, number):
    """By Ctrl-C, by a system that goes down, by a terminal that is closed."""
    process = start(tmp_path, "--seeds", "1")
    wait_for(lambda: progress(tmp_path / "killed") > 0)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0 and "Traceback" not in err
    assert err.endswith("Stopped; the same command goes on from here.\n")
    assert 0 < progress(tmp_path / "killed") < 5_000


@pytest.mark.parametrize(
    ("streams", "status", "out", "said"),
    [
        ("2>&-", 0, "1 of 1 runs are in the store; 1 trained just now.\n", ""),
        ("2>/dev/full", 0, "1 of 1 runs are in the store; 1 trained just now.\n", ""),
        ("<&- >&-", 0, "", "training: 100 %, 1 of 1 run done, 1 core at work\n"),
        (">/dev/full", 1, "", "Error: What there is to say cannot be written (No space left on device).\n"),
    ],
)
def test_streams_that_are_closed_or_full(tmp_path, streams, status, out, said):
    """What is asked for is trained, and nothing but a run is in the place of one."""
    command = [sys.executable, "-m", "lib", *TINY, "--seeds", "1", "--store", str(tmp_path)]
    done = subprocess.run(f"{shlex.join(command)} {streams}", shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, out) and done.stderr.endswith(said)
    assert len(Store(tmp_path).runs()) == 1 and "Traceback" not in done.stderr


# From a script

ASKS = """
from lib import sweep
from lib.train import lab
from lib.run import Run
print(lab.run(sweep.table([Run("arithmetic", 6, 0, iterations=40)]), "runs").report())
"""


@pytest.mark.parametrize("given", [["mine.py"], ["-"], ["-c", ASKS]], ids=["file", "standard input", "text"])
def test_a_script_needs_no_guard(tmp_path, given):
    """Workers do not run it again."""
    (tmp_path / "mine.py").write_text(ASKS)
    done = subprocess.run(
        [sys.executable, *given], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, input=ASKS, text=True,
        capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1 of 1 runs are in the store; 1 trained just now.\n"), done.stderr
    assert len(done.stderr.splitlines()) <= 3, done.stderr


def test_within_a_pool_of_processes_a_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(UserError, match=r"^Training was asked for in a process of a multiprocessing\.Pool, "):
        lab.run(sweeps.table([Run("arithmetic", 6, 0, iterations=40)]), str(tmp_path))


# What bad input gets

BAD = [
    (("--sedes", "2"), "'--sedes'", "--seeds"),
    (("--seeds", "two"), "seeds is 'two'", "whole number"),
    (("--seeds", "0"), "seeds is 0", "at least 1"),
    (("--seeds", "-2"), "seeds is -2", "at least 1"),
    (("--seeds", "1.5"), "seeds is '1.5'", "whole number"),
    (("--seeds", "3000000000"), "seeds is 3000000000", "at most 1,000."),
    (("--seeds", "9" * 20), f"seeds is {'9' * 20}", "at most 1,000."),
    (("--seeds", "9" * 400), "seeds is '999", "at most 1,000."),
    (("--iterations", "9" * 5000), "iterations is '999", "at most 10,000,000."),
    (("--widths", "1" + 30 * "0"), "widths is '1000", "at most 10,000."),
    (("--widths", "9" * 5000), "widths is '999", "at most 10,000."),
    (("--iterations", "0"), "iterations is 0", "at least 1"),
    (("--iterations", "-40"), "iterations is -40", "at least 1"),
    (("--iterations", "many"), "iterations is 'many'", "whole number"),
    (("--widths", "0"), "widths is 0", "at least 1"),
    (("--widths", "10,-4"), "widths is -4", "at least 1"),
    (("--widths", "10,ten"), "widths is 'ten'", "whole number"),
    (("--widths", "2.5"), "widths is '2.5'", "whole number"),
    (("--widths", "--5"), "widths is '--5'", "whole number"),
    (("--widths", ","), "widths is empty", "list such as [14, 28]"),
    (("--tasks", "algebra"), "tasks is 'algebra'", "arithmetic, facts, joint"),
    (("--tasks", "facts,algebra"), "tasks is 'algebra'", "arithmetic, facts, joint"),
    (("--profile", "fast"), "profile is 'fast'", "smoke, quick, paper, full"),
    (("--device", "tpu"), "device is 'tpu'", "auto, cpu, cuda"),
    (("--device", "cuda"), "device is 'cuda'", "cpu or auto"),
    (("--time-budget", "9"), "time-budget is '9'", "number with s, m or h"),
    (("--time-budget", "soon"), "time-budget is 'soon'", "number with s, m or h"),
    (("--time-budget", "0m"), "time-budget is '0m'", "more than nothing"),
    (("--time-budget", "9" * 400 + "h"), "time-budget is '999", "at most 10,000h"),
    (("--time-budget", "nanm"), "time-budget is 'nanm'", "more than nothing"),
    (("--cores", "0"), "cores is 0", "at least 1"),
    (("--cores", "all"), "cores is 'all'", "whole number"),
    (("--cores", "2", "--cluster", "local"), "cores is 2", "left out"),
    (("--held-out", "5,12"), "'--held-out'", ""),  # no option of the command line
]


@pytest.mark.parametrize(
    ("arguments", "what", "may_be"), BAD, ids=lambda x: " ".join(x) if isinstance(x, tuple) else ""
)
def test_bad_arguments(cli, monkeypatch, tmp_path, arguments, what, may_be):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, out, message = cli("run", "capacity", *arguments, "--store", tmp_path / "runs")
    assert status != 0 and out == "" and one_sentence(message)
    assert what in message and may_be in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("run", "capacities"), "EXPERIMENT is 'capacities', but it must be one of"),
        (("run",), "EXPERIMENT is '', but it must be one of capacity"),
        (("trian", "capacity"), "No such command 'trian'"),
        (("rerun", "nothing", "--store", "none"), "RUN_ID is 'nothing', but it must be the id of a run"),
        (("merge", "nowhere", "--store", "none"), "OTHER_STORE is 'nowhere', but it must be a store"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_bad_commands(cli, monkeypatch, tmp_path, command, what):
    monkeypatch.chdir(tmp_path)
    status, out, message = cli(*command)
    assert status != 0 and out == "" and one_sentence(message) and what in message
    assert not list(tmp_path.iterdir())


def test_bad_arguments_of_the_real_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lib", "run", "capacity", "--widths", "10,-4", "--store", tmp_path / "runs"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0 and done.stdout == "" and one_sentence(done.stderr)
    assert "widths is -4, but it must be a whole number of at least 1" in done.stderr


def in_the_way(folder: Path) -> Path:
    (folder / "file").write_text("mine")
    return folder / "file"


def under_a_file(folder: Path) -> Path:
    return in_the_way(folder) / "store"


def of_others(folder: Path) -> Path:
    (folder / "thesis.tex").write_text("mine")
    return folder


@pytest.mark.parametrize("make", [in_the_way, under_a_file, of_others])
def test_bad_stores(cli, tmp_path, make):
    place = make(tmp_path)
    before = contents(tmp_path)
    status, _, message = cli(*TINY, "--seeds", 1, "--store", place)
    assert status != 0 and one_sentence(message) and str(place) in message and " folder " in message
    assert contents(tmp_path) == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def foreign(path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(path)


@pytest.mark.parametrize("damage", [cut, foreign])
def test_a_damaged_run_stops_the_command_before_anything_is_trained(cli, tmp_path, damage):
    cli(*TINY, "--seeds", 2, "--store", tmp_path)
    path = Store(tmp_path).path(min(Store(tmp_path).ids()))
    damage(path)
    before = contents(tmp_path)
    status, _, message = cli(*TINY, "--seeds", 3, "--store", tmp_path)
    assert status != 0 and one_sentence(message) and str(path) in message and "delete it" in message
    assert contents(tmp_path) == before
    path.unlink()
    assert cli(*TINY, "--seeds", 3, "--store", tmp_path)[1] == "3 of 3 runs are in the store; 2 trained just now.\n"


def test_a_store_that_cannot_be_written_stops_the_command_before_anything_is_trained(cli, tmp_path, monkeypatch):
    cli(*TINY, "--seeds", 1, "--store", tmp_path)
    monkeypatch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    monkeypatch.setattr(workers, "_on_cpu", lambda *_, **how: pytest.fail("it was trained"))
    status, _, message = cli(*TINY, "--seeds", 2, "--store", tmp_path)
    assert status != 0 and one_sentence(message) and f"store cannot write {tmp_path}/store.json (Permission" in message


# Settings, which the notebooks give their parameters to

NOTEBOOK = {
    "profile": "smoke", "tasks": [], "widths": [], "seeds": None, "iterations": None, "device": "cpu", "store": "runs",
}  # fmt: skip


def test_whatever_else_a_notebook_has_is_the_readers_own():
    """A second run in one kernel, too: then there is what the first has made."""
    own = {"__name__": "__main__", "_i1": "x", "In": ["", "x = 3"], "Out": {}, "exit": 0, "np": np, "x": 3, "here": {}}
    assert settings.of_notebook(own | NOTEBOOK, "capacity") == NOTEBOOK
    injected = ["profile = 'full'", "# Parameters\nseeds = 1\n", "# Parameters\nseeds = 2\nsedes = [\n  3]\n", "x = 3"]
    found = settings.of_notebook(own | NOTEBOOK | {"In": injected, "seeds": 2, "sedes": [3]}, "capacity")
    assert found == NOTEBOOK | {"seeds": 2, "sedes": [3]}
    with pytest.raises(UserError, match=r"sedes is not a parameter \(did you mean seeds\?\)"):
        settings.settle(found, "capacity")


def test_a_profile_fills_in_what_is_not_given():
    found = settings.settle(NOTEBOOK, "capacity")
    assert (found.profile, found.device, found.store) == ("smoke", "cpu", "runs")
    assert (found.tasks, found.widths, found.seeds, found.iterations) == (["arithmetic", "facts"], [6], 2, 40)
    assert settings.settle(NOTEBOOK, "joint").tasks == ["joint"]
    assert settings.settle({"device": "cpu"}, "capacity").profile == "quick"


@pytest.mark.parametrize("value", [[10, 20], (10, 20), "[10, 20]", "10,20", " 10, 20 "])
def test_lists_may_be_text(value):
    assert settings.settle(NOTEBOOK | {"widths": value}, "capacity").widths == [10, 20]


@pytest.mark.parametrize("value", [["facts"], "facts", "[facts]", "['facts']", '["facts"]', ("facts",)])
def test_a_given_value_wins(value):
    given = NOTEBOOK | {"tasks": value, "seeds": " 5", "iterations": "7", "widths": 12}
    found = settings.settle(given, "capacity")
    assert (found.tasks, found.seeds, found.iterations, found.widths) == (["facts"], 5, 7, [12])
    sweep = found.sweep()
    assert len(sweep) == 5 and set(sweep["task"]) == {"facts"} and set(sweep["width"]) == {12}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sedes": 2}, r"sedes is not a parameter \(did you mean seeds\?\); the parameters are profile, tasks"),
        ({"colour": "red"}, r"colour is not a parameter; the parameters are"),
        ({"seeds": "3.5"}, r"seeds is '3.5', but it must be a whole number of at least 1"),
        ({"seeds": 2.0}, r"seeds is 2.0, but"),
        ({"seeds": True}, r"seeds is True, but"),
        ({"seeds": [1]}, r"seeds is \[1\], but"),
        ({"seeds": 0}, r"seeds is 0, but"),
        ({"iterations": -1}, r"iterations is -1, but"),
        ({"iterations": "abc"}, r"iterations is 'abc', but"),
        ({"widths": [10, 2.5]}, r"widths is 2.5, but"),
        ({"widths": [10, True]}, r"widths is True, but"),
        ({"widths": [[10]]}, r"widths is \[10\], but"),
        ({"widths": "10;20"}, r"widths is '10;20', but"),
        ({"widths": "²"}, r"widths is '²', but"),
        ({"widths": "[]"}, r"widths is empty, but it must be a list such as \[14, 28\]"),
        ({"tasks": ","}, r"tasks is empty, but it must be a list such as \['arithmetic', 'facts', 'joint'\]"),
        ({"widths": 0}, r"widths is 0, but"),
        ({"widths": {"a": 1}}, r"widths is .*, but it must be a whole number"),
        ({"tasks": ["facts", 3]}, r"tasks is 3, but it must be one of arithmetic, facts, joint"),
        ({"tasks": 3}, r"tasks is 3, but"),
        ({"profile": 3}, r"profile is 3, but it must be one of smoke, quick, paper, full"),
        ({"profile": ["quick"]}, r"profile is \['quick'\], but"),
        ({"device": "gpu"}, r"device is 'gpu', but it must be one of auto, cpu, cuda"),
        ({"device": ["cpu"]}, r"device is \['cpu'\], but"),
        ({"store": 5}, r"store is 5, but it must be the path of a folder"),
    ],
    ids=str,
)
def test_bad_parameters(given, message):
    with pytest.raises(UserError, match=message):
        settings.settle(NOTEBOOK | given, "capacity")


def test_devices(monkeypatch):
    for there, auto in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert settings.settle({"device": "auto"}, "capacity").device == auto
        assert settings.settle({}, "capacity").device == auto
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"device is 'cuda', but this machine has no CUDA GPU"):
        settings.settle({"device": "cuda"}, "capacity")


def test_the_registered_replication_is_trained_only_when_seeds_are_given(inline, tmp_path):
    small = {"profile": "full", "tasks": ["facts"], "widths": [6], "iterations": 40, "device": "cpu"}
    small["store"] = str(tmp_path)
    outcome = lab.gather(settings.settle(small, "replication"))
    assert outcome.runs.empty and len(outcome.missing) == 40 and outcome.trained == 0
    outcome = lab.gather(settings.settle({**small, "seeds": 1}, "replication"))
    assert outcome.trained == 2 and sorted(outcome.runs["variant"]) == ["base", "wd"]
    again = lab.gather(settings.settle(small, "replication"))
    assert len(again.runs) == 2 and len(again.missing) == 38


def test_any_experiment_is_trained_in_a_chapter_only_when_asked_for(inline, tmp_path):
    small = {"widths": [6], "iterations": 20, "device": "cpu", "store": str(tmp_path)}
    assert lab.gather(settings.settle({"profile": "full", **small}, "clock")).trained == 0
    assert lab.gather(settings.settle({"profile": "smoke", **small, "seeds": 1}, "clock")).trained > 0


def test_an_empty_list_of_an_experiments_own_names_what_it_may_hold():
    with pytest.raises(UserError, match=r"part is empty, but it must be a list such as \['sizes', "):
        settings.settle({"part": " , "}, "found")


def test_more_runs_than_anyone_trains_are_not_listed_first():
    with pytest.raises(UserError, match=r"seeds is 1000, but it must be at most \d+ here, where each seed has"):
        settings.settle({"seeds": 1000}, "causes").sweep()
    assert len(settings.settle({"seeds": 1000, "widths": [6]}, "capacity").sweep()) == 2_000
