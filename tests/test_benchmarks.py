"""The benchmarks compare like with like: rivals train the same model the same way, and work is counted right."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from benchmarks import bench, gpu, rivals
from conftest import loss_and_gradient
from lib.data.paper import LARGE
from lib.errors import UserError
from lib.experiments import replication, speed
from lib.model.transformer import initialize, unpack
from lib.run import Run
from lib.store import Store
from lib.train import course
from lib.train.stack import Stack

RUNS = [Run("arithmetic", 14, seed=3), Run("facts", 6, seed=1)]
NAMES = {
    "tokens": "wte", "positions": "wpe", "0.norm1": "h.0.ln_1", "0.attention": "h.0.attn.c_attn",
    "0.projection": "h.0.attn.c_proj", "0.norm2": "h.0.ln_2", "0.up": "h.0.mlp.c_fc", "0.down": "h.0.mlp.c_proj",
    "norm3": "ln_f",
}  # fmt: skip


def gpt2(run, flat, attention):
    """The rivals' model with the parameters `flat` (P,) of this project's."""
    model = BARE(run.architecture, attention)
    own = unpack(run.architecture, flat[None])
    with torch.no_grad():
        for name, theirs in NAMES.items():
            turned = own[name].dim() == 3 and theirs.startswith("h.")  # GPT-2 keeps its matrices the other way round
            model.get_parameter(f"transformer.{theirs}.weight").copy_(own[name][0].T if turned else own[name][0])
    return model


BARE = rivals.gpt2


def windows(run, offsets):
    return torch.from_numpy(run.corpus.tokens).long()[offsets[..., None] + torch.arange(run.corpus.context + 1)]


def loss(model, run, offsets):
    read = windows(run, offsets)
    return F.cross_entropy(model(read[:, :-1]).logits.flatten(0, 1), read[:, 1:].flatten()).item()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.task)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_gpt2_is_the_same_model(run, attention):
    flat = torch.randn(run.architecture.parameters(), generator=torch.Generator().manual_seed(0)) * 0.3
    model, offsets = gpt2(run, flat, attention), torch.arange(0, run.corpus.offsets, 7)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == run.architecture.parameters()
    assert loss(model, run, offsets) == pytest.approx(loss_and_gradient(run, flat, offsets)[0], rel=1e-5)


@pytest.mark.parametrize("loop", [rivals.plain_loop, rivals.stacked_loop])
def test_rivals_train_as_this_project_does(loop, monkeypatch):
    run, updates, models, optimized = RUNS[0], 8, [], []
    stack, everywhere = Stack([run]), torch.arange(run.corpus.offsets)
    stack.rates[:] = run.learning_rate
    drawn = bench.uniform(bench.stream(stack.seeds, torch.arange(updates), 0), run.corpus.batch, run.corpus.offsets)
    batches = iter(windows(run, drawn))

    def draw(run, count):
        batch = next(batches).repeat(count, 1)
        return batch[:, :-1], batch[:, 1:]

    def make(architecture, attention="sdpa"):
        models.append(gpt2(run, initialize(architecture, [run.seed])[0], attention))
        return models[-1]

    class AdamW(torch.optim.AdamW):
        def __init__(self, parameters, *rest):
            optimized.extend(parameters)
            super().__init__(optimized, *rest)

    monkeypatch.setattr(rivals, "draw", draw)
    monkeypatch.setattr(rivals, "gpt2", make)
    monkeypatch.setattr(torch.optim, "AdamW", AdamW)
    train = loop(run)
    for _ in range(updates):
        assert train() == len(models)
    stack.advance(updates)
    for i, model in enumerate(models):
        with torch.no_grad():
            for own, found in zip([p for p in model.parameters() if p.requires_grad], optimized, strict=True):
                own.copy_(found if len(models) == 1 else found[i])
        assert loss(model, run, everywhere) == pytest.approx(stack.losses()[0], rel=1e-3)


def test_batches_are_windows_of_the_text():
    read, following = rivals.draw(RUNS[0], 2)
    assert read.shape == following.shape == (2 * 882, 9)
    assert "".join(RUNS[0].corpus.vocabulary[i] for i in [*read[0], following[0, -1]]) in RUNS[0].corpus.text
    assert torch.equal(read[:, 1:], following[:, :-1])


def test_work_counts_each_prefix_once():
    run = RUNS[0]
    offsets = bench.uniform(bench.stream(torch.tensor([run.seed]), torch.arange(20), 0), 882, run.corpus.offsets)
    distinct = sum(len({tuple(w[: t + 1]) for w in step.tolist()}) for step in windows(run, offsets) for t in range(9))
    every, shared = bench.work(run).values()
    assert every[1] / (882 * 9) == pytest.approx(shared[1] / (distinct / 20))
    linear, attention = 2 * (6 * 14**2 + 17 * 14), 4 * 14 * 5  # a token looks at five positions on average
    assert every[0] == pytest.approx(3e-9 * 882 * 9 * (linear + attention))
    assert shared[0] < every[0]


def test_work_of_deeper_models():
    """A second layer costs what the first does, but that every prefix has its own queries, keys and values."""
    run = Run("arithmetic", 12, 0, heads=3, expansion=4)
    one, two, three = (bench.work(replace(run, layers=layers)) for layers in (1, 2, 3))
    every = 3e-9 * 882 * 9 * 2 * (12 * 12**2 + 2 * 12 * 5)  # a token looks at five positions on average
    for name in one:
        assert two[name][0] - one[name][0] == pytest.approx(three[name][0] - two[name][0])
        assert two[name][1] - one[name][1] == pytest.approx(three[name][1] - two[name][1])
    assert two["every token"][0] - one["every token"][0] == pytest.approx(every)
    tokens = one["distinct prefixes"][1] / one["every token"][1]  # the share of them that is computed
    ratio = (two["distinct prefixes"][0] - one["distinct prefixes"][0]) / every
    assert ratio == pytest.approx(tokens, rel=0.02)  # shared prefixes are short: they look at fewer positions


def test_ratios_are_taken_within_rounds():
    table = bench.Table()
    for own, theirs in ((1.0, 10.0), (2.0, 20.0), (4.0, 80.0)):
        table.add("training", bench.PROJECT, "ms", own, task="arithmetic", width=14)
        table.add("training", "rival", "ms", theirs, task="arithmetic", width=14)
    rows = table.rows().set_index("contestant")
    assert rows.loc["rival", ["value", "low", "high"]].tolist() == [20, 10, 80]
    assert rows.loc["rival", ["ratio", "ratio_low", "ratio_high"]].tolist() == [10, 10, 20]
    assert rows.loc[bench.PROJECT, "ratio"] == 1


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """What the chapter reads of a made-up measurement: two rounds on four cores."""
    table = bench.Table()
    n14, n28 = ({"task": "arithmetic", "width": width, "cores": 4} for width in (14, 28))
    for slow in (1.0, 3.0):
        for cell, ms in ((n14, 0.5), (n28, 2.0), (n28 | {"layers": 2}, 5.0), (n28 | {"heads": 2}, 4.0)):
            table.add("training", bench.PROJECT, "ms", slow * ms, **cell)
            table.add("training", "rival", "ms", 10 * ms, **cell)
            table.add("share of matrix product", "distinct prefixes", "%", 50 / slow, **cell)
        for cores in (1, 2):
            table.add("training", bench.PROJECT, "ms", slow * 1.8 / cores, **n14 | {"cores": cores})
        table.add("training", bench.PROJECT, "ms", slow * 0.6, **n14, models=16)
        table.add("full run", bench.PROJECT, "s", slow * 16, **n14)
    table.rows().to_parquet(tmp_path / "speed.parquet")
    monkeypatch.setattr(speed, "MEASURED", tmp_path / "speed.parquet")
    return speed.measured()


def test_the_chapters_tables(measured):
    ratios = speed.ratios(measured).set_index("what")
    assert ratios.loc["arithmetic n28, 2 layers", ["against", "ratio", "low"]].tolist() == [
        "rival", pytest.approx((10 + 10 / 3) / 2), pytest.approx(10 / 3),
    ]  # fmt: skip
    limits = speed.limits(measured).set_index("model")
    assert list(limits.index) == [f"arithmetic {x}" for x in ("n14", "n28", "n28, 2 layers", "n28, 2 heads")]
    assert limits.loc["arithmetic n14", ["ms an update", "full run (s)"]].tolist() == ["1", "32"]
    assert limits.loc["arithmetic n28", "matrix product, distinct prefixes"] == "33 %"
    assert limits.loc["arithmetic n28", "full run (s)"] == "–"


def test_scaling_beside_the_ideal(measured):
    found = {axis: rows.set_index("at") for axis, rows in speed.scaling(measured).groupby("axis")}
    assert {axis: list(rows.index) for axis, rows in found.items()} == {
        "cores": [1, 2, 4], "models": [1, 16], "layers": [1, 2], "width": [14, 28],
    }  # fmt: skip
    # Medians are twice the milliseconds above.
    assert found["cores"]["updates"].tolist() == pytest.approx([1e3 / 3.6, 1e3 / 1.8, 1e3])
    assert found["cores"]["ideal"].tolist() == pytest.approx([1e3 / 3.6, 2e3 / 3.6, 4e3 / 3.6])
    assert found["models"]["ideal"].tolist() == pytest.approx([1e3, 1e3])
    assert found["layers"].loc[2, ["updates", "low", "high"]].tolist() == pytest.approx([100, 1e3 / 15, 200])
    assert found["layers"].loc[2, "ideal"] == pytest.approx(100 / ((50 + 50 / 3) / 200))


def test_time_that_others_are_given_does_not_count():
    def work():
        time.sleep(0.02)
        end = time.process_time() + 0.005
        while time.process_time() < end:
            pass
        return 1

    own, clock = bench.rate(work, 0.02)
    assert clock <= 1 / 0.025 and 100 < own <= 200  # it is given a fifth of the time, or less


def test_spread_of_many_rounds_leaves_out_the_ends():
    assert bench.spread([0.0, *[1.0] * 98, 100.0]) == [1, 1, 1]


def test_the_public_code_is_timed_by_what_it_prints(tmp_path):
    checkout = tmp_path / "checkout"
    for data in ("as_math", "facts_char", "both_math_and_facts"):
        (checkout / "data" / data).mkdir(parents=True)
        (checkout / "data" / data / "prepare.py").write_text("open('meta.pkl', 'w').close()")
    (checkout / "train_with_eval.py").write_text(
        "import sys\n"
        "assert 'config/train_facts_mini_28.py' in sys.argv and open('data/facts_char/meta.pkl')\n"
        "print('iter 27500: loss 0.7, time 3942.81ms, mfu 0.00%')\n"  # its configurations quote a log
        "for i in range(51): print(f'iter {i}: loss 0.7, time {30.0 if i else 5030.0}ms, mfu 0.00%')\n"
    )
    reference = rivals.Reference(str(checkout), str(tmp_path))
    assert reference("facts", 28, copies=1) == pytest.approx((30, 5000))
    assert reference("facts", 28, copies=2) == pytest.approx((15, 2500))
    with pytest.raises(rivals.click.ClickException, match="stopped"):
        reference("arithmetic", 14, copies=1)


# make gpu

MADE_UP = Run("arithmetic", 6, 0, iterations=40)


class Clock:
    """A clock that stands still but for what is told to take time, and what was begun under it."""

    def __init__(self):
        self.now, self.begun, self.finished, self.tests, self.interrupt = 0.0, [], [], 0, False


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """A machine whose runs take what is expected of an H100, and where the tests that need a GPU pass, or do not."""
    clock = Clock()
    lasts = {("arithmetic", 0.2): 81, ("arithmetic", 0.0): 78, ("facts", 0.2): 124, ("facts", 0.0): 122}

    class Child:
        def __init__(self, run, work, device, deadline):
            self.run, self.ready, self.deadline = run, clock.now + 65, deadline
            self.process = SimpleNamespace(terminate=lambda: None)
            clock.begun.append(run)
            assert len(clock.begun) - len(clock.finished) <= gpu.AT_ONCE

        def finish(self, stop, end):
            if clock.interrupt:
                signal.raise_signal(signal.SIGINT)
            done = max(clock.now, self.ready) + lasts.get((self.run.task, self.run.dropout), 127)
            clock.now = min(done, self.deadline)
            clock.finished.append((self.run, done <= self.deadline))
            return []

    monkeypatch.setattr(gpu, "Child", Child)
    monkeypatch.setattr(gpu, "limits", lambda device: {})
    tests = SimpleNamespace(poll=lambda: clock.tests, terminate=lambda: None)
    monkeypatch.setattr(gpu, "subprocess", SimpleNamespace(Popen=lambda *_, **__: tests, STDOUT=None))
    sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)  # noqa: E731
    monkeypatch.setattr(gpu, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


def test_without_a_gpu_nothing_is_done(clock, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"^This machine has no CUDA GPU that torch can use, so nothing was done\.$"):
        gpu.everything([MADE_UP], tmp_path, 60)
    assert not clock.begun


def test_mlt_is_trained_as_it_was_registered():
    """In bfloat16, a seed of every cell before the next; its work an update is what was counted by hand."""
    runs, sweep = (
        gpu.cells(),
        replication.sweep(["arithmetic", "joint", "facts"], [LARGE], seeds=gpu.SEEDS, iterations=30_000),
    )
    assert len(runs) == len({run.id for run in runs}) == 70 and {run.id for run in runs} == set(sweep["run"])
    assert {run.precision for run in runs} == {"bfloat16"} and [run.seed for run in runs] == sorted([*range(10)] * 7)
    tasks = ["arithmetic", "joint", "facts"] * 2 + ["arithmetic"]
    dropouts, orders = [0.2] * 3 + [0.0] * 3 + [0.2], [1] * 6 + [None]
    for run, task, dropout, order in zip(runs[7:14], tasks, dropouts, orders, strict=True):
        assert (run.task, run.dropout, run.line_order) == (task, dropout, order)
    for run, gflop in zip(runs, (507, 888, 887), strict=False):
        assert gpu.speed(run, [(1, 0.0), (3, 0.01)])["gflop"] == pytest.approx(gflop, rel=1e-2)
    row = gpu.speed(runs[0], [(1, 0.0), (3, 0.01), (5, 0.02), (6, 9.0)])  # which was held up at the end
    assert (row["ms"], row["updates"]) == (pytest.approx(5), 6)
    assert row["tflops"] == pytest.approx(row["gflop"] / 5)


def test_nine_minutes_of_an_h100(clock, tmp_path):
    """Four runs are done and a fifth is on its way; in an hour other seeds follow."""
    runs = gpu.cells()
    gpu.everything(runs, tmp_path, 585, "cpu", tmp_path / "work")
    assert clock.finished == [(run, i < 4) for i, run in enumerate(runs[:5])] and clock.now == 575
    clock.begun, clock.finished = [], []
    gpu.everything(runs, tmp_path, 3_600, "cpu", tmp_path / "work")
    assert len(clock.finished) == 34 and all(done for _, done in clock.finished[:-1])


def test_what_is_there_is_not_trained_again(clock, monkeypatch, tmp_path):
    runs = [replace(MADE_UP, seed=seed) for seed in range(4)]
    for run, folder in zip(runs, ("results", "work", "store"), strict=False):
        course.train_stack([run], str(tmp_path / folder), device="cpu", deadline=math.inf)
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "results")
    said = gpu.everything(runs, tmp_path, 60, "cpu", tmp_path / "work")
    assert clock.begun == runs[3:] and Store(tmp_path / "store").ids() == {run.id for run in runs[1:3]}
    assert said == f"2 runs in {tmp_path}/store; for what lacks the same command goes on where it stopped."


@pytest.mark.parametrize(("status", "said"), [(1, "failed .*thrown away"), (None, "did not end in time.*goes on")])
def test_nothing_is_kept_before_the_tests_have_passed(clock, monkeypatch, tmp_path, status, said):
    course.train_stack([MADE_UP], str(tmp_path / "work"), device="cpu", deadline=math.inf)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    large = gpu.cells()[0]
    checkpoint = Store(tmp_path / "work").checkpoint_path(large)
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    clock.tests = status
    with pytest.raises(UserError, match=f"^The tests that need a GPU {said}[^.]*\\.$"):
        gpu.everything([MADE_UP, large], tmp_path, 60, "cpu", tmp_path / "work")
    assert not (tmp_path / "store").exists() and len(clock.begun) == (status is None)
    assert checkpoint.parent == tmp_path / "state" / "too-big-to-think" and checkpoint.exists() == (status is None)
    assert Store(tmp_path / "work").ids() == (set() if status else {MADE_UP.id})


def test_after_ctrl_c_nothing_more_is_begun(clock, tmp_path):
    clock.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        gpu.everything(gpu.cells(), tmp_path, 4_000, "cpu", tmp_path / "work")
    assert len(clock.finished) == 1


def test_the_tests_that_need_a_gpu_are_found_without_plugins():
    command = [sys.executable, *gpu.TESTS.split(), "--collect-only", "-p", "no:nbval"]
    found = subprocess.run(command, cwd=gpu.ROOT, capture_output=True, text=True).stdout
    assert "TestMLTOnAGpu::test_gradient[bfloat16-6-0.03]" in found and "test_stacks" not in found


def test_waiting_for_a_turn_is_no_training(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(course.time, "monotonic", lambda: now[0])
    course.train_stack(
        [MADE_UP], str(tmp_path), device="cpu", deadline=1e9, tell=lambda at: now.append(now.pop() + 100)
    )
    assert now[0] > 1_000 and Store(tmp_path).details(MADE_UP.id)["seconds"] == 0


STAND_IN = """
from pathlib import Path
from benchmarks import gpu
from lib.run import Run

gpu.AT_ONCE, gpu.SIDE, gpu.TESTS = 2, 64, "-c pass"
print(gpu.everything({runs}, Path("{folder}/out"), 300, "cpu", Path("{folder}/work")))
"""


@pytest.mark.slow
def test_whatever_was_finished_survives_a_kill(tmp_path):
    """With a CPU in place of the GPU: processes, their turns, and what comes home; the same command goes on."""
    slow = Run("arithmetic", 4, 0, iterations=2_000, batch=16, dropout=0.1, scores="greedy")
    runs = [replace(slow, iterations=40), slow, replace(slow, seed=1)]
    kept, work = Store(tmp_path / "out" / "store"), Store(tmp_path / "work")
    command = [sys.executable, "-c", STAND_IN.format(runs=runs, folder=tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(gpu.ROOT), "OMP_NUM_THREADS": "1"}

    def until(condition):
        end = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)

    with subprocess.Popen(command, cwd=gpu.ROOT, env=environment) as first:
        until(lambda: runs[0].id in kept.ids())
        first.kill()
    assert kept.check()[0] == [] and kept.ids() == {runs[0].id}
    until(lambda: work.checkpoint_path(runs[1]).exists())  # its process notices that it is alone
    second = subprocess.run(command, cwd=gpu.ROOT, env=environment, capture_output=True, text=True)
    assert second.stdout.startswith(f"3 runs in {tmp_path}/out/store"), second.stderr
    assert kept.ids() == {run.id for run in runs} and kept.check()[0] == []
    table = pd.read_csv(tmp_path / "out" / "updates.csv")
    assert set(table["run"]) == kept.ids() and (table[["ms", "peak_tflops", "memory_tbs"]] > 0).all(axis=None)
