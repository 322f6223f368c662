"""The benchmarks compare like with like: rivals train the same model the same way, and work is counted right."""

import signal
import subprocess
import time
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from benchmarks import bench, gpu, rivals
from conftest import loss_and_gradient
from lib import cli, lab
from lib.errors import UserError
from lib.experiments import speed
from lib.model import initialize, unpack
from lib.run import Run
from lib.training import Stack

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


def test_without_a_gpu_nothing_is_done(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "do", lambda *_: pytest.fail("it did something"))
    with pytest.raises(UserError, match=r"^This machine has no CUDA GPU that torch can use, so nothing was done\.$"):
        gpu.everything(str(tmp_path), 60)


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """What is run, on a machine that is said to have a GPU; every command takes ten minutes or what it is given."""
    now, commands = [0.0], []

    def run(command, cwd, env, timeout):
        commands.append(" ".join(command[1:]))
        now[0] += min(600, timeout or 600)
        return subprocess.CompletedProcess(command, int("pytest" in command and bool(timeout < 300)))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu.subprocess, "run", run)
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])
    return commands


def test_on_a_gpu_what_is_worth_most_comes_first(done, tmp_path):
    gpu.everything(str(tmp_path), 5_200)
    there = f"--device cuda --store {tmp_path} --time-budget"
    assert done[0].startswith("-m pytest -q -m gpu") and done[1].startswith("benchmarks/bench.py --rounds 1 --out")
    assert done[2] == f"-m lib run replication --tasks arithmetic --widths 384 --seeds 10 {there} 4000s"
    assert done[3] == f"-m lib run replication --tasks facts,joint --widths 384 --seeds 5 {there} 3400s"
    assert done[4] == f"-m lib run causes {there} 2800s"
    assert done[5:7] == [f"-m lib run lines {there} 2200s", f"-m lib run grokking {there} 1600s"]
    assert done[7:] == [f"-m lib run replication --widths 14,28,56 {there} 1000s"]


def test_on_a_gpu_nothing_is_begun_for_which_the_time_does_not_do(done, tmp_path):
    gpu.everything(str(tmp_path), 1_210)
    assert len(done) == 2


def test_after_ctrl_c_nothing_more_is_begun(done, monkeypatch, tmp_path):
    run = gpu.subprocess.run
    monkeypatch.setattr(
        gpu.subprocess, "run", lambda *a, **k: signal.raise_signal(signal.SIGINT) or run(*a, **k)
    )
    with pytest.raises(KeyboardInterrupt):
        gpu.everything(str(tmp_path), 4_000)
    assert len(done) == 1


def test_on_a_gpu_whose_tests_fail_nothing_is_trained(done, tmp_path):
    with pytest.raises(UserError, match="tests that need a GPU did not pass here, so nothing was trained"):
        gpu.everything(str(tmp_path), 200)
    assert len(done) == 1


def test_its_commands_are_such_as_there_are(monkeypatch, tmp_path):
    """MLT's registered cells are trained in bfloat16, 10 seeds a cell of the sums and 5 elsewhere."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = []
    monkeypatch.setattr(cli.lab, "run", lambda sweep, *_: asked.append(sweep) or lab.look(sweep, str(tmp_path)))
    for command in gpu.commands(str(tmp_path)):
        if command[:3] == ["-m", "lib", "run"]:
            cli.main(command[2:], standalone_mode=False)
    sums, others, causes, lines, grokking, small = asked
    assert set(lines["windows"]) == {"lines"} and set(grokking["iterations"]) == {300_000}
    assert causes["look"].max() == 2 and "controls" in set(causes["experiment"])
    assert set(pd.concat([sums, others])["precision"]) == {"bfloat16"} and set(small["precision"]) == {"float32"}
    assert set(sums.groupby("variant").size()) == {10} and set(others.groupby(["task", "variant"]).size()) == {5}
    assert set(small.groupby(["task", "width", "variant"]).size()) == {100, 20}
