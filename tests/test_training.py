"""Training against torch.optim.AdamW, the fused form against the plain one in float64, and bits that must not vary."""

import contextlib
import itertools
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from lib.data.paper import LARGE
from lib.errors import UserError
from lib.model import compiling, fused, transformer
from lib.model.transformer import forward, initialize, losses, uniform, unpack
from lib.run import Run
from lib.sweep import published
from lib.train import course
from lib.train import stack as training
from lib.train.stack import Stack, compiled, draw, objective, stream
from tests.conftest import loss_and_gradient, plain_stack

ROOT = Path(__file__).parents[1]
TINY = Run("arithmetic", 6, 0, iterations=60)
DEEP = Run("arithmetic", 4, 0, iterations=12, layers=2, heads=2, expansion=2)
DROPOUT = replace(DEEP, dropout=0.2)  # by the plain form
ALIGNED = replace(TINY, windows="lines")  # by a GPU: each line once, counted as often as it is drawn
WIDE = replace(DROPOUT, width=transformer.WIDE)  # fills a GPU alone, as MLT does
TURNED = Run("joint", 6, 0, iterations=12, windows="lines", turns="facts first")


# The optimizer and the schedule


@pytest.mark.parametrize(
    "sizes", [{}, {"width": 8, "layers": 2, "heads": 2, "expansion": 2}], ids=["one layer", "two layers"]
)
def test_a_stacked_update_equals_adamw_on_each_model_alone(sizes):
    run = Run(**{"task": "arithmetic", "width": 14, "seed": 0, "iterations": 100, **sizes})
    runs = [run, replace(run, seed=1, weight_decay=0.1), replace(run, seed=2, line_order=1, learning_rate=3e-3)]
    runs += [replace(run, seed=3, weight_decay=0.1, mlp_rate=0.3)]
    stack = plain_stack(runs)
    stack.batch = 16  # for speed
    beginnings = stack.flat.clone()
    for step in range(100):
        stack._update(slice(None), torch.tensor(step))  # what a GPU captures: all models at once

    architecture = run.architecture
    for i, one in enumerate(runs):
        decay = float(np.float32(one.weight_decay))  # as the stack has it
        parts = {n: x[0].clone().requires_grad_() for n, x in unpack(architecture, beginnings[i : i + 1]).items()}
        mlp = [x for name, x in parts.items() if name.endswith(("up", "down"))]
        others = [x for x in parts.values() if all(x is not y for y in mlp)]
        scale = float(np.float32(one.mlp_rate))
        groups = [
            {"params": mlp, "weight_decay": decay, "scale": scale},
            {"params": [x for x in others if x.dim() >= 2], "weight_decay": decay, "scale": 1.0},
            {"params": [x for x in others if x.dim() < 2], "weight_decay": 0.0, "scale": 1.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.99), eps=1e-8)
        rates, text = one.rates().astype(np.float64), torch.from_numpy(one.corpus.tokens).long()
        for step in range(100):
            offsets = uniform(stream(torch.tensor([one.seed]), torch.tensor([step]), 0), 16, run.corpus.offsets)[0]
            windows = text[offsets[:, None] + torch.arange(10)]
            flat = torch.cat([x.flatten() for x in parts.values()])[None]
            loss = losses(forward(architecture, flat, windows[None, :, :-1]), windows[None, :, 1:])
            optimizer.zero_grad()
            loss.sum().backward()
            torch.nn.utils.clip_grad_norm_(parts.values(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rates[step] * group["scale"]
            optimizer.step()
        reference = torch.cat([x.detach().flatten() for x in parts.values()])
        # float64 rounds at 1e-16; a hundred updates, each divided by the root of a small moment, magnify that
        assert (stack.flat[i] - reference).norm() <= 1e-10 * reference.norm()


def published_rate(i: int, peak: float, least: float) -> float:
    """The learning rate of update i in a run of 30,000 (nanoGPT's schedule with the published settings)."""
    if i < 2_000:
        return peak * (i + 1) / 2_001
    if i > 25_000:
        return least
    return least + (peak - least) * (1 + math.cos(math.pi * (i - 2_000) / 23_000)) / 2


@pytest.mark.parametrize(("peak", "least"), [(1e-2, 1e-4), (1e-5, 1e-6)])
def test_schedule(peak, least):
    rates = Run("arithmetic", 14, 0, learning_rate=peak, minimum_learning_rate=least).rates()
    assert rates.shape == (30_000,)
    np.testing.assert_allclose(rates, [published_rate(i, peak, least) for i in range(30_000)], rtol=1e-6)  # float32
    assert rates[2_000] == rates.max() == np.float32(peak) and rates[-1] == rates[25_000] == np.float32(least)
    assert rates[13_500] == pytest.approx((peak + least) / 2, rel=1e-6)  # half of the cosine; float32


def test_shorter_runs_scale_the_schedule():
    rates = Run("arithmetic", 14, 0, iterations=300).rates()
    assert rates.argmax() == 20 and np.all(np.diff(rates[:21]) > 0)  # 2,000 / 30,000 of it is warm-up
    assert rates[135] == pytest.approx((1e-2 + 1e-4) / 2, rel=1e-6)  # float32
    assert rates[249] > rates[250] == rates[-1] == np.float32(1e-4)


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (40, range(0, 41, 2)),
        (1_000, range(0, 1_001, 50)),
        (5_100, [*range(0, 5_001, 250), 5_100]),
        (30_000, range(0, 30_001, 250)),
    ],
)
def test_evaluations(iterations, expected):
    assert Run("arithmetic", 4, 0, iterations=iterations).evaluations() == list(expected)


def test_windows_are_uniform_over_all_offsets():
    run = Run("facts", 14, 5)
    steps = torch.arange(200)
    draws = uniform(stream(torch.tensor([5]), steps, 0), run.corpus.batch, run.corpus.offsets)
    assert draws.min() == 0 and draws.max() == run.corpus.offsets - 1 == 1547 - 24 - 1
    counts = np.bincount(draws.flatten(), minlength=run.corpus.offsets)
    # The mean of chi-square is its degrees of freedom k and its variance 2 k: five standard deviations.
    expected = draws.numel() / run.corpus.offsets
    chi2, k = ((counts - expected) ** 2 / expected).sum(), run.corpus.offsets - 1
    assert abs(chi2 - k) < 5 * math.sqrt(2 * k)


def test_random_streams_do_not_meet():
    """No two of a seed, a step and a purpose have a key in common, near ones neither."""
    seeds, steps = torch.arange(100)[:, None], torch.arange(300)
    keys = torch.stack([stream(seeds, steps, number) for number in (0, 1)])
    assert len(keys.unique()) == 2 * 100 * 300  # 2 ** 64 keys: two of 60,000 meet by chance in 1 of 10 ** 10 cases


# The fused form

PUBLISHED = [Run(task, width, 0) for task in ("arithmetic", "facts", "joint") for width in (14, 28, 56)]
OTHERS = [Run("arithmetic", 10, 0), Run("joint", 14, 0, expansion=2), Run("arithmetic", 14, 0, expansion=11)]
OTHERS += [Run("arithmetic", 14, 0, windows="lines"), Run("arithmetic", 14, 0, windows="pairs")]
OTHERS += [Run("arithmetic", 14, 0, context=24)]
# Where rows are whole vectors, the table is turned around in a place that must hold it, though it is more than a tile.
OTHERS += [Run("facts", 16, 0), Run("joint", 112, 0), Run("arithmetic", 112, 0)]
DEEPER = [
    Run("arithmetic", 28, 0, layers=2),
    Run("arithmetic", 28, 0, layers=4),
    Run("joint", 12, 0, layers=2, heads=3, expansion=4),  # heads of four features: less than a vector
    Run("facts", 40, 0, layers=2, heads=2),  # heads of a vector and a quarter
    Run("arithmetic", 48, 0, layers=6, heads=6, expansion=4),
]


def needs_fused(run: Run) -> None:
    if not fused.fits(run.architecture, run.dropout):
        pytest.skip("there is no C++ compiler")


@pytest.mark.parametrize(
    "run",
    PUBLISHED + OTHERS + DEEPER,
    ids=lambda r: f"{r.task}-{r.width}-{r.layers}-{r.heads}-{r.expansion}-{r.windows}-{r.context}",
)
def test_fused_loss_and_gradient(run):
    """Against the plain form in float64, for a batch in which one window occurs a hundred times and others twice."""
    needs_fused(run)
    random = torch.Generator().manual_seed(0)
    flat = initialize(run.architecture, [0])[0]
    flat += 0.3 * torch.randn(flat.shape, generator=random)  # far from linear: a third of the gain of a LayerNorm
    offsets = torch.randint(run.corpus.offsets, (300,), generator=random)
    offsets = torch.cat([offsets, offsets[:50], torch.full((100,), 7), torch.tensor([0, run.corpus.offsets - 1])]).int()
    loss, gradient = loss_and_gradient(run, flat, offsets)
    corpus = fused.Corpus(run.corpus)
    # float32 rounds at 6e-8. The loss averages thousands of roundings; the gradient passes about ten sums of `width`
    # terms a layer, each with its own. The worst measured here are 7e-8 and 3e-6.
    assert fused.loss(run.architecture, corpus, flat.numpy(), offsets.numpy()) == pytest.approx(loss, rel=5e-7)
    found = torch.from_numpy(fused.gradient(run.architecture, corpus, flat.numpy(), offsets.numpy())).double()
    assert (found - gradient).norm() <= 1e-5 * gradient.norm()
    parts = [unpack(run.architecture, x[None]) for x in (found, gradient)]
    for name, reference in parts[1].items():  # no tensor hides behind a larger one
        assert (parts[0][name] - reference).norm() <= 2e-5 * reference.norm(), name


def test_fused_where_windows_occur_at_several_offsets():
    """The trie has one path for equal windows; each of them counts."""
    needs_fused(TINY)
    text = TINY.corpus.text[:45] * 3 + TINY.corpus.text[45:90]
    run = replace(TINY)
    run.__dict__["corpus"] = replace(TINY.corpus, text=text)
    flat = initialize(run.architecture, [0])[0] * 3  # the logits should not all be near zero
    offsets = torch.tensor([0, 45, 90, 90, 3, 48, 120, 150]).int()
    loss, gradient = loss_and_gradient(run, flat, offsets)
    corpus = fused.Corpus(run.corpus)
    assert fused.loss(run.architecture, corpus, flat.numpy(), offsets.numpy()) == pytest.approx(
        loss, rel=5e-7
    )  # as above
    found = torch.from_numpy(fused.gradient(run.architecture, corpus, flat.numpy(), offsets.numpy())).double()
    assert (found - gradient).norm() <= 1e-5 * gradient.norm()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "sizes",
    [{}, {"width": 12, "layers": 3, "heads": 2, "expansion": 2}, {"mlp_rate": 0.3}],
    ids=["n14", "deeper", "slower MLP"],
)
@pytest.mark.parametrize("task", ["arithmetic", "facts", "joint"])
def test_fused_training(task, sizes, weight_decay):
    run = Run(**{"task": task, "width": 14, "seed": 3, "iterations": 100, "weight_decay": weight_decay, **sizes})
    needs_fused(run)
    quick, exact, plain = Stack([run]), plain_stack([run]), Stack([run])
    assert quick.engine == "fused"
    plain.engine = "plain"
    quick.batch = exact.batch = plain.batch = 64  # for speed
    quick.advance(12)
    quick.advance(8)
    exact.advance(20)
    plain.advance(20)
    for name in ("flat", "exp_avg"):
        found, other, reference = (getattr(s, name)[0].double() for s in (quick, plain, exact))
        # float32 rounds at 6e-8, twenty times; mostly 2e-7 and 1e-6 come out. Without the decay the parameters would be
        # off by 1e-3, without the bias corrections of the moments by more. Where small moments magnify the rounding,
        # PyTorch's own float32 is as far off.
        bound = max(1e-5 * reference.norm(), (other - reference).norm())
        assert (found - reference).norm() <= bound < 1e-3 * reference.norm()


def test_fused_training_leaves_the_processor_as_it_was():
    """Subnormal numbers are zeros in the fused form alone."""
    run = Run("arithmetic", 6, 0, iterations=10)
    needs_fused(run)
    Stack([run]).advance(2)
    least = np.full(1, 1e-40, np.float32)
    assert (least * np.float32(0.5) > 0).all()


def test_corpus_ranks_the_windows():
    corpus = fused.Corpus(TINY.corpus)
    tokens, width = TINY.corpus.tokens.tolist(), TINY.corpus.context + 1
    windows = [tuple(tokens[i : i + width]) for i in range(TINY.corpus.offsets)]
    assert [windows[i] for i in corpus.order] == sorted(windows)
    assert [corpus.order[r] for r in corpus.rank] == list(range(len(windows)))
    ranked = sorted(windows)
    common = [next((k for k in range(width) if a[k] != b[k]), width) for a, b in itertools.pairwise(ranked)]
    assert corpus.shared.tolist() == [0, *common] and max(common) < width


@pytest.mark.parametrize(
    ("change", "engine"),
    [({}, "fused"), ({"layers": 2}, "fused"), ({"width": 4, "heads": 2}, "fused"), ({"dropout": 0.1}, "plain")],
)
def test_what_makes_the_updates(change, engine):
    needs_fused(TINY)
    assert Stack([replace(TINY, **change)]).engine == engine


def test_without_a_compiler_that_works(monkeypatch, tmp_path):
    old = tmp_path / "c++"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(UserWarning, match="No C\\+\\+ compiler that works.*slower"):
        assert compiling.compiler.__wrapped__() is None


def test_a_cache_folder_that_cannot_be_written(monkeypatch, tmp_path):
    needs_fused(TINY)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match=r"cannot be had.*XDG_CACHE_HOME may name another.*slower"):
        assert fused._library.__wrapped__(TINY.architecture) is None


def test_fused_arrays_are_checked():
    needs_fused(TINY)
    flat = initialize(TINY.architecture, [0])[0].double().numpy()
    with pytest.raises(TypeError, match="float32"):
        fused.loss(TINY.architecture, fused.Corpus(TINY.corpus), flat, np.zeros(1, np.int32))


# The loss that is reported


@pytest.mark.parametrize(
    "run",
    [Run("joint", 14, 0), Run("arithmetic", 14, 0, windows="lines"), replace(DEEP, task="joint"), DROPOUT],
    ids=["fused", "aligned", "deep", "plain"],
)
def test_losses_are_those_of_every_window(run):
    runs = [run, replace(run, seed=1)]
    stack = Stack(runs)
    stack.advance(3)
    for i, found in enumerate(stack.losses()):
        everywhere = torch.arange(run.corpus.offsets)
        parts = [loss_and_gradient(run, stack.flat[i], o)[0] * len(o) for o in everywhere.split(1000)]
        assert found == pytest.approx(sum(parts) / len(everywhere), rel=5e-7)  # float32, averaged over thousands


# Identical bits


def trained(runs: list[Run], *chunks: int, evaluate: bool = False) -> Stack:
    stack = Stack(runs)
    for chunk in chunks:
        stack.advance(chunk)
        if evaluate:
            stack.measure()
    return stack


def same(stack: Stack, i: int, other: Stack, j: int) -> bool:
    states = [s.state(k) for s, k in ((stack, i), (other, j))]
    return all(torch.equal(states[0][name], states[1][name]) for name in ("flat", "exp_avg", "exp_avg_sq", "iteration"))


@pytest.mark.parametrize("run", [TINY, DEEP, DROPOUT], ids=["fused", "deep", "plain"])
class TestIdenticalBits:
    def test_twice(self, run):
        assert same(trained([run], run.iterations), 0, trained([run], run.iterations), 0)

    def test_alone_and_in_a_stack(self, run):
        others = [replace(run, seed=1, weight_decay=0.1), replace(run, seed=2, learning_rate=1e-3)]
        stack, alone = trained([others[0], run, others[1]], run.iterations), trained([run], run.iterations)
        assert same(stack, 1, alone, 0)
        row, own = stack.measure()[1], alone.measure()[0]
        assert row["loss"] == own["loss"]
        assert all(np.array_equal(row[name], own[name]) for name in ("greedy", "sampled", "likelihood"))

    def test_evaluated_often_or_never(self, run):
        chunks = [1, 1, 3, run.iterations - 5]
        assert same(trained([run], *chunks, evaluate=True), 0, trained([run], run.iterations), 0)

    def test_interrupted_and_restored(self, run):
        part = trained([run], 5)
        resumed = Stack([run])
        resumed.restore(0, part.state(0))
        resumed.advance(run.iterations - 5)
        assert same(resumed, 0, trained([run], run.iterations), 0)

    def test_seeds_differ(self, run):
        stack = trained([run, replace(run, seed=1)], 2)
        assert not torch.equal(stack.flat[0], stack.flat[1])
        windows = [uniform(stream(torch.tensor([seed]), torch.tensor([0]), 0), 50, 1000) for seed in (0, 1)]
        assert not torch.equal(*windows)


@pytest.mark.parametrize("run", [TINY, DEEP, DROPOUT], ids=["fused", "deep", "plain"])
def test_a_stack_may_hold_different_lines(run):
    """Runs with other held-out pairs and line orders share a shape; each learns its own text."""
    runs = [run, replace(run, held_out="2,3"), replace(run, line_order=4)]
    stack = trained(runs, 4)
    for i, run in enumerate(runs):
        assert same(stack, i, trained([run], 4), 0)
    assert not torch.equal(stack.flat[0], stack.flat[1]) and not torch.equal(stack.flat[0], stack.flat[2])


# Checks


@pytest.mark.parametrize("name", ["width", "iterations", "layers", "heads", "expansion"])
@pytest.mark.parametrize("value", [0, -3, 1.5, "7", True])
def test_runs_need_counts(name, value):
    with pytest.raises(UserError, match=rf"{name} is {value!r}.*whole number of at least 1"):
        replace(TINY, **{name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, r"seed is -1.*at least 0"),
        ({"dropout": 1.0}, r"dropout is 1.0.*less than 1"),
        ({"dropout": -0.1}, r"dropout is -0.1.*at least 0"),
        ({"precision": "float16"}, r"precision is 'float16'.*float32 or bfloat16"),
        ({"held_out": "5,12"}, r"held_out has '5,12'.*0 to 9"),
    ],
)
def test_runs_need_possible_values(change, message):
    with pytest.raises(UserError, match=message):
        replace(TINY, **change)


def test_a_cpu_trains_in_float32():
    with pytest.raises(UserError, match="precision is bfloat16"):
        Stack([replace(TINY, precision="bfloat16")])


@pytest.mark.parametrize("change", [{"width": 8}, {"iterations": 61}, {"held_out": "5,5"}, {"dropout": 0.1}])
def test_a_stack_needs_one_shape(change):
    with pytest.raises(ValueError, match="one shape"):
        Stack([TINY, replace(TINY, **change)])


# The path of a GPU, as far as it can be followed without one

FORMS = ["one layer", "with dropout", "aligned", "turns", "wide"]
ON_A_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")]


def graph_stack(run: Run) -> Stack:
    """Two models as a GPU trains them, both at once and uncompiled, on the CPU."""
    stack = Stack([run, replace(run, seed=1, weight_decay=0.1)])
    stack.engine, stack.gpu = "plain", True
    if run.windows == "lines":
        stack.counted = torch.ones(2, stack.offsets, stack.context, dtype=torch.bool)
    return stack


@pytest.mark.parametrize("run", [TINY, DROPOUT, ALIGNED, TURNED], ids=FORMS[:4])
def test_a_recorded_step_repeats(run):
    """Replayed, the operations of one step do what further steps do: no number of Python's is baked in."""
    stack, recorded, names = graph_stack(run), graph_stack(run), ("flat", "exp_avg", "exp_avg_sq", "step")

    def step(*state: torch.Tensor) -> None:
        for name, x in zip(names, state, strict=True):
            setattr(recorded, name, x)
        recorded._step()

    state = [getattr(recorded, name) for name in names]
    replay = make_fx(step)(*[x.clone() for x in state])
    for _ in range(5):
        stack._step()
        replay(*state)
    assert stack.step == 5
    for name, x in zip(names, state, strict=True):
        assert torch.equal(getattr(stack, name), x), name


@pytest.mark.parametrize("run", [TINY, DROPOUT, ALIGNED, TURNED, WIDE], ids=FORMS)
def test_a_step_stays_on_its_device(run, monkeypatch):
    """With tensors that have a device but no contents: devices are not mixed, and no value is asked for.

    Where PyTorch is built without CUDA its autograd knows no such device, so that "meta" stands in for it.
    """
    stack, device = graph_stack(run), torch.device("meta")
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # does not know "meta"
    with FakeTensorMode():
        for name, x in vars(stack).items():
            if isinstance(x, torch.Tensor):
                setattr(stack, name, torch.empty(x.shape, dtype=x.dtype, device=device))
        before = stack._state()
        stack._step()
    assert all(a is b and a.device == device for a, b in zip(stack._state(), before, strict=True))


@pytest.fixture
def as_if_compiled(monkeypatch):
    """`compiled` traces and differentiates as a compiler does, and then leaves the operations to PyTorch."""
    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: whole(f, backend="aot_eager", **options))


def test_every_shape_compiles_once(as_if_compiled, monkeypatch):
    """As on a GPU, whole, and right; a second batch, or another step, must not compile again."""
    shapes = [(task, width) for task in ("arithmetic", "facts", "joint") for width in (4, 6, 8)]
    runs = [Run(*shape, 0) for shape in shapes] + [replace(run, width=8) for run in (DEEP, DROPOUT, ALIGNED)]
    runs += [WIDE, replace(WIDE, task="joint")]
    monkeypatch.setattr(torch._dynamo.config, "error_on_recompile", True)
    for run in runs:
        stack, plain = graph_stack(run), plain_stack([run, replace(run, seed=1, weight_decay=0.1)])
        stack._draw, stack._objective, stack._adamw = compiled()
        stack.batch = plain.batch = 4  # for speed
        for _ in range(2):
            stack._step()
            plain._step()
        # float32 in another order, and two updates that divide by the root of a small moment: 1e-5 on some processors
        assert (stack.flat - plain.flat).norm() <= 3e-5 * plain.flat.norm()


def test_gradients_are_summed_in_pieces():
    """Where few models read many tokens; the pieces have the same number of them."""
    assert (
        transformer.pieces(1, 7938) == 54
        and transformer.pieces(12, 24 * 576) == 48
        and transformer.pieces(600, 7938) == 1
    )
    run = Run("arithmetic", 6, 0)
    stack = graph_stack(run)
    plain = plain_stack([run, replace(run, seed=1, weight_decay=0.1)])
    gradients = []
    for one in (stack, plain):
        flat = one.flat.double().requires_grad_()
        windows, often = one._draw(
            one.seeds, one.step, text=one.text, counted=None, batch=882, turns=one.turns, stride=1, context=9
        )
        loss = one._objective(one.architecture, flat, windows=windows, often=often, dropout=0.0, key=None, gpu=one.gpu)
        gradients += torch.autograd.grad(loss, flat)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-14)  # float64; the order of sums


def test_a_wide_model_is_computed_whole(monkeypatch):
    """In one piece, and without its kernel by the products of a CPU; and it trains alone."""
    forms, attend = [], transformer.attend
    monkeypatch.setattr(transformer, "pieces", lambda *_: pytest.fail("it was cut"))
    monkeypatch.setattr(transformer, "attend", lambda *a, **how: forms.append(how["gpu"]) or attend(*a, **how))
    run = replace(WIDE, dropout=0.0)
    flat = initialize(run.architecture, [0]).double() * 3
    windows = torch.arange(40).view(4, 10) % 17
    found = [forward(run.architecture, flat, windows[:, :9], gpu=gpu) for gpu in (True, False)]
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-14)  # float64; the order of sums
    assert forms == [False] * 4

    stacks = []
    monkeypatch.setattr(course, "train_stack", lambda runs, *_, **how: stacks.append(len(runs)) or True)
    for one in (run, replace(run, width=64)):
        course.train_stacks(
            [replace(one, seed=seed) for seed in range(3)], "", deadline=0, tell=None, weights={}, stop=None
        )
    assert stacks == [1, 1, 1, 3]


def test_a_compiler_leaves_in_float32_what_autocast_does(as_if_compiled, monkeypatch):
    """Also on the way back; and a PyTorch without such a setting compiles all the same."""
    stack = graph_stack(DROPOUT)
    stack.precision, stack.batch = "bfloat16", 64
    plain = stack._gradient(slice(None), stack.step)
    stack._draw, stack._objective, stack._adamw = compiled()
    assert torch.equal(stack._gradient(slice(None), stack.step), plain)
    monkeypatch.setattr(training, "config", SimpleNamespace())
    stack._draw, stack._objective, stack._adamw = compiled()
    assert (stack._gradient(slice(None), stack.step) - plain).norm() <= 1e-2 * plain.norm()  # bfloat16 has 3 digits


# Of numbers, bound, context and dropout. float32 rounds at 6e-8 and float16 at 5e-4, in sums of up to 64 terms.
KERNELS = [(kind, bound, *case) for kind, bound in ((torch.float32, 1e-6), (torch.float16, 3e-3))
           for case in ((9, 0.0), (9, 0.2), (24, 0.2))]  # fmt: skip


def check_kernel(device, kind, bound, context, dropout):
    """The attention of attention.py and its gradient, beside the plain form in float64 with the same dropout masks."""
    from lib.model import attention

    (S, B, heads, size), random = (2, 3, 2, 64), torch.Generator().manual_seed(0)
    assert attention.fits(context, size) and not attention.fits(context, 63) and not attention.fits(65, size)
    qkv, dy = (torch.randn(S, B, context, n * heads * size, generator=random).to(device, kind) for n in (3, 1))
    key = torch.tensor([2**62 + 5, -7], device=device)
    exact = qkv.double().requires_grad_()
    q, k, v = (x.view(S, B, context, heads, size).transpose(2, 3) for x in exact.chunk(3, dim=-1))
    expected = transformer.attend(q, k, v, drop=lambda x: transformer._dropout(x, dropout, key, 4), gpu=False)
    expected = expected.transpose(2, 3).reshape(S, B, context, -1)
    qkv.requires_grad_()
    found = attention.attend(qkv, transformer.mix(key + 4), heads, dropout)
    gradients = [torch.autograd.grad(y, x, dy.to(y.dtype))[0] for y, x in ((found, qkv), (expected, exact))]
    for one, other in ((found, expected), gradients):
        assert (one.double() - other).norm() <= bound * other.norm()


def test_attention_by_a_kernel_as_triton_interprets_it():
    pytest.importorskip("triton", reason="Triton comes with PyTorch for CUDA only")
    code = "from tests import test_training as t\nfor case in t.KERNELS: t.check_kernel('cpu', *case)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TRITON_INTERPRET": "1"}, cwd=ROOT, check=True)


def test_each_run_of_a_stack_is_asked_its_own_questions():
    """Texts with answers dealt anew have one shape, but other answers are right."""
    runs = [replace(ALIGNED, answer_order=order) for order in (None, 1, 1, 2)]
    stack = Stack(runs)
    stack.gpu = True  # where those that are asked the same are scored at once
    for row, run in zip(stack.measure(), runs, strict=True):
        assert row["likelihood"] == pytest.approx(Stack([run]).measure()[0]["likelihood"], rel=1e-5)


def test_a_replay_is_compared_with_a_step():
    stack = graph_stack(DROPOUT)
    stack._step()
    kept = [x.clone() for x in stack._state()]

    def at_step_0() -> None:  # as if the step were a number of Python's
        stack._update(slice(None), torch.tensor(0))
        stack.step.add_(1)

    assert stack._repeats(stack._step)
    assert not stack._repeats(at_step_0)
    assert not stack._repeats(lambda: stack._update(slice(None), stack.step))  # the step stays where it is
    assert not stack._repeats(lambda: None)
    assert all(torch.equal(x, before) for x, before in zip(stack._state(), kept, strict=True))


@pytest.mark.parametrize("run", [TINY, DROPOUT, ALIGNED, TURNED, WIDE], ids=FORMS)
class TestOnAGpu:
    pytestmark = ON_A_GPU

    def test_bits_do_not_depend_on_companions_or_interruptions(self, run):
        first, others = [replace(run, seed=s) for s in (0, 1)], [replace(run, seed=s) for s in (0, 2)]
        whole = Stack(first, "cuda")
        whole.advance(run.iterations)
        parts = Stack(others, "cuda")
        parts.advance(5)
        parts.measure()
        resumed = Stack(others, "cuda")
        for i in range(2):
            resumed.restore(i, parts.state(i))
        resumed.advance(run.iterations - 5)
        assert same(whole, 0, resumed, 0) and not same(whole, 1, resumed, 1)

    def test_same_course_as_on_a_cpu(self, run):
        there = Stack([run], "cuda")
        there.advance(10)
        here = plain_stack([run])
        here.advance(10)
        # float32 rounds at 6e-8, in another order of sums, ten times; dropout masks are the same on every device
        assert (there.flat.cpu() - here.flat).norm() <= 1e-4 * here.flat.norm()


class TestMLTOnAGpu:
    pytestmark = ON_A_GPU

    @pytest.mark.parametrize("case", KERNELS, ids=str)
    def test_attention(self, case):
        check_kernel("cuda", *case)

    # bfloat16 rounds at 4e-3 and float32 at 6e-8; a CPU comes to 1e-2 and 8e-7 in the worst of the tensors.
    @pytest.mark.parametrize(("precision", "layers", "bound"), [("bfloat16", 6, 3e-2), ("float32", 2, 1e-5)])
    def test_gradient(self, precision, layers, bound):
        """As it is trained, compiled and with dropout, beside the plain form in float64."""
        run = published("arithmetic", LARGE, 0, line_order=0, precision=precision, layers=layers)
        gradients = []
        for plain in (True, False):
            stack = Stack([run], "cuda")
            for name, x in unpack(run.architecture, stack.flat).items():
                x *= 1 if "norm" in name else 2  # so that attention and MLP matter
            if plain:
                stack._draw, stack._objective, stack.gpu = draw, objective, False
                stack.flat, stack.precision = stack.flat.double(), "float32"  # no autocast, that is
            gradients.append(unpack(run.architecture, stack._gradient(slice(None), stack.step).double()))
        for name, expected in gradients[0].items():
            assert (gradients[1][name] - expected).norm() <= bound * expected.norm(), name
