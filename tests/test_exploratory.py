"""The exploratory experiments: the loss in parts, and what counts in it, against sums over single characters."""

from math import log

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import plain_stack
from lib import charts, data
from lib.errors import UserError
from lib.experiments import clock, hole
from lib.model import loss_parts
from lib.model.transformer import forward, initialize, losses, uniform
from lib.run import Run
from lib.store import Store
from lib.train.stack import Stack, draw, stream

WIDE = {"width": 6, "seed": 3, "iterations": 30}


def nats(run: Run, flat: torch.Tensor, window: str) -> list[float]:
    """What a model pays for every character of a window but the first, float64."""
    tokens = torch.from_numpy(run.corpus.encode(window)).long()
    logs = forward(run.architecture, flat.double()[None], tokens[None, :-1])[0, 0].log_softmax(-1)
    return [-logs[i, token].item() for i, token in enumerate(tokens[1:])]


def told(run: Run, flat: torch.Tensor, offsets) -> list[tuple[int, str, int, float]]:
    """A row a character asked for: its window's offset, the line that it is in, its place there, its nats."""
    text, rows = run.corpus.text, []
    for offset in offsets:
        at = offset * run.corpus.stride
        for i, paid in enumerate(nats(run, flat, text[at : at + 10]), at + 1):
            rows.append((at, text[i // 9 * 9 :][:9], i - i // 9 * 9, paid))
    return rows


# The loss in parts


@pytest.fixture(scope="module")
def some() -> tuple[Run, torch.Tensor]:
    run = Run("arithmetic", line_order=3, scores="parts", **WIDE)
    stack = Stack([run])
    stack.advance(30)
    return run, stack.flat[0]


def test_parts_are_those_of_every_character(some):
    run, flat = some
    sums = dict.fromkeys(loss_parts.PARTS, 0.0)
    rows = told(run, flat, range(run.corpus.offsets))
    for at, _, place, paid in rows:
        later = place <= at % 9  # a window has nine more characters, the last of them in the line after its first
        sums["answers" if place > 4 else "order" if later else "operands"] += paid / len(rows)
    found = loss_parts.Reader(run.corpus)(run.architecture, flat)
    assert found == pytest.approx(list(sums.values()), rel=1e-5)


def test_parts_are_the_training_loss_and_are_stored(some, tmp_path):
    run, flat = some
    stack = Stack([run])
    stack.advance(30)
    row = stack.measure()[0]
    assert torch.equal(stack.flat[0], flat) and row["parts"].sum() == pytest.approx(row["loss"], rel=1e-5)
    assert len(run.evaluations()) > 10 and run.evaluations()[-1] == 30
    rows = [{**row, "iteration": at} for at in run.evaluations()]
    store = Store(tmp_path)
    store.add(
        run, rows, {"device": "cpu", "processor": "", "engine": "fused", "torch": "", "seconds": 1.0, "finished": ""}
    )
    assert store.stored(run.id).columns["parts"].tolist() == [row["parts"].tolist()] * len(rows)
    wrong = [{**r, "parts": r["parts"] * 1.01} for r in rows]
    store.add(run, wrong, {"device": "cpu"})
    with pytest.raises(UserError, match="do not add up to its loss"):
        store.stored(run.id)


def test_only_the_order_can_be_learnt_below_the_floor_without_it():
    ordered, none = (Run("arithmetic", windows=w, **WIDE).corpus for w in ("anywhere", "pairs"))
    known, lines, free = loss_parts.floors(ordered), loss_parts.floors(ordered, ordered=False), loss_parts.floors(none)
    whole = [data.floor(ordered), data.floor(ordered, ordered=False)]
    assert [known.sum(), lines.sum()] == pytest.approx(whole)
    assert known[:2] == pytest.approx(lines[:2], abs=2e-3) and known[2] < lines[2] - 0.2
    assert free == pytest.approx(lines, abs=1e-3)


def test_a_reader_of_the_lines_alone_pays_for_the_next_one():
    """By hand: a window that begins at the end of a line tells nothing of the next, one of 196 lines."""
    task = Run("arithmetic", windows="pairs", **WIDE).corpus
    paid = data.surprise(task)[8::9]
    assert paid.sum(1) == pytest.approx(np.full(len(paid), log(196)))


# What counts in the loss


def counted(targets: str, line: str, place: int) -> bool:
    if targets == "answers":
        return 5 <= place <= 8
    return not (line[1:4] in ("5+7", "7+5", "5-7", "7-5") and 5 <= place <= 8)


@pytest.mark.parametrize("targets", ["answers", "shown"])
def test_the_gradient_is_that_of_what_counts(targets):
    run = Run("arithmetic", windows="lines", targets=targets, **WIDE)
    corpus = run.corpus
    flat = initialize(run.architecture, [3])[0].double()
    stack = plain_stack([run])
    assert Stack([run]).engine == "plain"
    drawn = uniform(stream(stack.seeds, stack.step, 0), 50, corpus.offsets)
    windows, often = draw(
        stack.seeds,
        stack.step,
        text=stack.text,
        counted=stack.counted,
        batch=50,
        turns=stack.turns,
        stride=corpus.stride,
        context=corpus.context,
    )
    assert windows.shape == (1, corpus.offsets, 10) and often.shape == (1, corpus.offsets, 9)

    free = flat.clone().requires_grad_()
    total, number = torch.zeros((), dtype=torch.float64), 0
    for offset in drawn[0].tolist():  # one window after the other, one character after the other
        window = corpus.text[9 * offset :][:10]
        tokens = torch.from_numpy(corpus.encode(window)).long()
        logs = forward(run.architecture, free[None], tokens[None, :-1])[0, 0].log_softmax(-1)
        for i in range(1, 10):
            if counted(targets, window, i):
                total, number = total - logs[i - 1, tokens[i]], number + 1
    (expected,) = torch.autograd.grad(total / number, free)

    models = flat[None].clone().requires_grad_()
    loss = losses(forward(run.architecture, models, windows[..., :-1]), windows[..., 1:], often)
    (found,) = torch.autograd.grad(loss.sum(), models)
    assert loss.item() == pytest.approx(total.item() / number, rel=1e-10)
    assert torch.allclose(found[0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("targets", ["answers", "shown"])
def test_the_training_loss_is_the_mean_over_what_counts(targets):
    run = Run("arithmetic", windows="lines", targets=targets, **WIDE)
    stack = Stack([run])
    stack.advance(5)
    rows = told(run, stack.flat[0], range(run.corpus.offsets))
    paid = [p for _, line, place, p in rows if counted(targets, line, place)]
    assert stack.losses()[0] == pytest.approx(np.mean(paid), rel=1e-5)


def test_shown_operands_have_no_answers():
    run = Run("arithmetic", windows="lines", targets="shown", **WIDE)
    usual = Run("arithmetic", windows="lines", **WIDE)
    lines = run.corpus.text.splitlines()
    assert lines[:196] == usual.corpus.text.splitlines()[:196]
    assert sorted(lines[196:200]) == sorted(f"<{e}=   " for e in ("5+7", "7+5", "5-7", "7-5"))
    assert run.corpus.prompts == usual.corpus.prompts and run.id != usual.id
    assert Run("arithmetic", windows="lines", targets="answers", **WIDE).corpus.text == usual.corpus.text


def test_only_aligned_windows_can_have_targets():
    with pytest.raises(UserError, match="targets is 'shown', but it must be 'all' where a window is not one line"):
        _ = Run("arithmetic", targets="shown", **WIDE).corpus
    with pytest.raises(UserError, match="targets is 'some', but it must be all, answers or shown"):
        Run("arithmetic", targets="some", **WIDE)
    with pytest.raises(UserError, match="scores is 'parts', but it must be all or greedy for facts"):
        Run("facts", scores="parts", **WIDE)


# The sweeps


@pytest.mark.parametrize("module", [clock, hole])
def test_exploratory_runs_have_seeds_of_their_own(module):
    factors = module.FACTORS
    sweep = module.sweep(["arithmetic"], [14, 28], seeds=3, iterations=100, **factors)
    assert sweep["run"].is_unique and sorted(set(sweep["seed"])) == [300, 301, 302] and len(sweep) % 6 == 0
    assert isinstance(sweep, pd.DataFrame)


# What is made of the runs


def success(windows: str, shares: list[float], runs: int = 6) -> pd.DataFrame:
    rows = [
        {"run": f"{windows}-{n}", "width": 28, "windows": windows, "iteration": 2**i, "share": share}
        for n in range(runs) for i, share in enumerate(shares)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_fall_is_from_the_best_to_the_end():
    falling, staying = [0, 0, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1]
    gains = success("anywhere", [0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5]).rename(columns={"share": "gained"})
    both = pd.concat([success("anywhere", falling), success("pairs", staying)])
    found = clock.declines(both, gains).set_index("windows")
    assert found.loc["anywhere", ["at", "best", "halved", "end", "fall"]].tolist() == [8, 1, 32, 0, 1]
    assert found.loc["anywhere", ["gained_best", "gained_end"]].tolist() == pytest.approx([0.1, 0.5])
    assert (
        found.loc["pairs", "fall"] == 0 and np.isnan(found.loc["pairs", ["halved", "gained_end"]].astype(float)).all()
    )
    assert clock.message(found.reset_index()) == "A decline is shown only where there is an order to learn (n28)"
    free = clock.declines(success("pairs", falling), gains)
    assert clock.message(free) == "Success declines where there is no order to learn, too (n28)"
    few = clock.declines(success("pairs", falling, runs=2), gains)
    assert few["low"].isna().all() and clock.message(few) == "Held-out success beside what is being learnt"


def test_successes_are_those_of_the_nearest_evaluation():
    curves = pd.DataFrame(
        {"run": "a", "width": 14, "windows": "pairs", "iteration": [0, 100, 200], "held_out_asked": 4}
    )
    curves["held_out_correct"] = [0.0, 2, 4]
    found = clock.successes(curves, [1, 90, 160])
    assert found["iteration"].tolist() == [1, 90, 160] and found["share"].tolist() == [0, 0.5, 1]


def test_split_is_of_the_runs_that_recorded_it(some, tmp_path):
    run, _ = some
    stack, store = Stack([run]), Store(tmp_path)
    row = stack.measure()[0]
    store.add(run, [{**row, "iteration": at} for at in run.evaluations()], {"device": "cpu"})
    other = Run("arithmetic", scores="greedy", windows="pairs", **WIDE)
    store.add(other, [{**row, "iteration": at} for at in other.evaluations()], {"device": "cpu"})
    found = clock.split(store, store.runs())
    lines = loss_parts.floors(run.corpus, ordered=False)
    assert set(found["run"]) == {run.id} and found["iteration"].min() > 0 and (found["gained"] == 0).all()
    for part, paid, known in zip(loss_parts.PARTS, row["parts"], lines, strict=True):
        assert found.loc[found["part"] == part, "nats"].unique() == pytest.approx([paid - known])


def test_what_the_hole_says():
    rows = [
        {"run": f"{what}-{n}", "width": 14, "targets": what, "held_out_correct": right, "held_out_asked": 4}
        for what, right in (("all", 0), ("answers", 0), ("shown", 4)) for n in range(8)
    ]  # fmt: skip
    table = hole.contrasts(pd.DataFrame(rows))
    assert table["difference"].tolist() == [1, 1, 0] and table["first_runs"].tolist() == [8, 8, 8]
    assert hole.message(table) == "Showing the hidden operands raises n14"
    few = hole.contrasts(pd.DataFrame(rows[:20]))  # four runs of "shown", all alike
    assert few["low"].isna().tolist() == [True, True, False] and hole.message(few).endswith("(not evidence yet)")
    assert hole.message(table.assign(low=-0.1)).endswith("changes nothing that these runs can show")
    items = pd.DataFrame({"width": 14, "targets": "all", "operation": ["+", "-", "+"], "greedy": [True, False, False]})
    assert hole.by_operation(items).iloc[0].tolist() == [14, "all", 0.5, 0]


def test_the_chart_has_both_rows_and_its_message():
    share = success("pairs", [0, 1]).assign(text="no order", mean=0.5, low=0, high=1, runs=6).drop(columns="run")
    nats = share.assign(part="order", nats=0.1)
    chart = charts.clock(share, nats, "A message").to_dict()
    assert chart["title"]["text"] == "A message" and len(chart["vconcat"]) == 2
    assert [len(row["spec"]["layer"]) for row in chart["vconcat"]] == [2, 3]
