"""The second protocol: its texts against rules written out here, its estimates against closed forms and statsmodels."""

import itertools
from collections import Counter
from math import lgamma, log

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from scipy.stats import mannwhitneyu
from statsmodels.stats.proportion import proportion_confint

from conftest import plain_stack
from lib import data, experiments
from lib import sweep as sweeps
from lib.book import answers
from lib.errors import UserError
from lib.experiments import (
    causes,
    claims,
    controls,
    geometry,
    grokking,
    lines,
    order,
    pairs,
    rate,
    recipes,
    scan,
    share,
    tuning,
)
from lib.model.transformer import initialize, uniform, unpack
from lib.run import Run
from lib.stats import estimates, intervals
from lib.train.stack import Stack, stream

# The registration


REGISTERED = {  # seeds a cell at both looks, as book/causes.md has them, by what tells the cells apart
    "pairs": {("lines", 14): (1, 5), ("lines", 28): (1, 5), ("lines", 56): (1, 2)}
    | {("anywhere", 14): (1, 5), ("anywhere", 28): (1, 5), ("anywhere", 56): (0, 2)},
    "rate": {
        ("answers", 6): (8, 20), ("answers", 40): (8, 20), ("answers", 112): (3, 10), ("mlp", 40): (8, 20),
        ("slowed", 56): (8, 20),
    },
    "order": {("pairs", 14): (12, 40), ("anywhere", 28): (12, 40), ("lines", 56): (6, 20)},
    "tuning": {("rate", 14): (8, 20), ("decay", 28): (8, 20), ("batch", 56): (8, 20)},
    "controls": {("alone", 14): (6, 20), ("equal", 56): (6, 20)},
    "lines": {("both", 14): (6, 20), ("alone", 56): (6, 20), ("both 16", 28): (6, 20), ("facts first", 56): (6, 20)},
    "grokking": {(0.1, 28): (6, 20), (0.0, 56): (3, 10)},
    "scan": {("arithmetic", 4): (3, 10), ("facts", 112): (2, 6), ("joint", 20): (2, 6)},
}


@pytest.mark.parametrize("name", REGISTERED)
def test_sweeps_have_the_registered_seeds(name):
    module = experiments.load(name)
    asked = experiments.profile(name, "full")
    asked.pop("seeds")
    sweep = module.sweep(seeds=None, **asked)
    assert sweep["run"].is_unique and sweep["seed"].min() == 100
    kinds = {"pairs": "windows", "order": "windows", "controls": "arm", "lines": "arm", "scan": "task"}
    kind = (kinds | {"grokking": "weight_decay"}).get(name, "part")
    for (value, width), looks in REGISTERED[name].items():
        cell = sweep[(sweep[kind] == value) & (sweep["width"] == width)]
        for look, seeds in enumerate(looks, 1):
            found = cell[cell["look"] <= look]
            assert found["seed"].nunique() == seeds
            assert sorted(found["seed"].unique()) == list(range(100, 100 + seeds))


def test_added_sweeps_have_the_registered_seeds_and_pairs():
    """Experiments 15 to 17 (book/causes.md)."""

    def asked(name):
        return experiments.load(name).sweep(**{**experiments.profile(name, "full"), "seeds": None})

    cells = asked("found")
    seeds = {part: cell.groupby("width")["seed"].agg(["min", "max", "nunique"]) for part, cell in cells.groupby("part")}
    assert seeds["sizes"].index.tolist() == [8, 14, 20, 28, 40, 56] and seeds["widest"].index.tolist() == [112]
    assert (seeds["sizes"] == [200, 243, 44]).all(axis=None) and (seeds["widest"] == [200, 209, 10]).all(None)
    assert seeds["stream"].index.tolist() == [14, 28, 56] and (seeds["stream"] == [200, 209, 10]).all(axis=None)
    assert cells.groupby("seed")["held_out"].nunique().eq(1).all()
    pairs = cells.loc[cells["part"] == "sizes", "held_out"].unique()
    assert len(pairs) == 44 and "5,7" not in pairs and all(pair[0] < pair[2] for pair in pairs)
    assert cells["windows"].eq("lines").eq(cells["part"] != "stream").all()

    cells = asked("recipes")
    assert cells["seed"].isin(range(260, 268)).eq(cells["part"] == "grid").all()
    assert cells[cells["part"] == "judged"].groupby(["learning_rate", "weight_decay", "width"])["seed"].agg(
        ["min", "max", "nunique"]
    ).eq([200, 259, 60]).all(axis=None)
    assert len(recipes.PARTS["grid"]["recipes"]) == 20
    for run in sweeps.rows(cells.drop_duplicates(["learning_rate", "shrinkage"])):
        shrinkage = cells.loc[cells["run"] == run.id, "shrinkage"].item()
        assert (run.rates().astype(float) * run.weight_decay).sum() == pytest.approx(shrinkage, rel=0.01)

    cells = asked("large")
    first = cells[cells["part"] == "first"].groupby(["learning_rate", "width"])["seed"].nunique()
    assert first[1e-3].to_dict() == {48: 5, 96: 5, 192: 3, 384: 3}
    assert first[1e-4].to_dict() == first[1e-5].to_dict() == {48: 5, 96: 5, 192: 1, 384: 1}
    assert cells["learning_rate"].tolist()[:16] == [1e-3] * 16  # which come first
    assert cells["stop_after"].eq(5_000).eq(cells["part"] == "first").all()
    (whole,) = sweeps.rows(cells[cells["part"] == "whole"])
    assert whole.architecture.parameters() == 10_631_808 and whole.updates == 30_000


def test_causes_are_all_experiments_and_each_run_once():
    asked = experiments.profile("causes", "full")
    asked.pop("seeds")
    sweep = causes.sweep(seeds=None, **asked)
    assert sweep["run"].is_unique and sweep["stage"].is_monotonic_increasing
    every = set()
    for name, module in causes.EXPERIMENTS.items():
        own = experiments.profile(name, "full")
        own.pop("seeds")
        asked_for = module.sweep(seeds=None, **own)
        every |= set(asked_for.loc[asked_for["part"] != "slowed" if name == "rate" else slice(None), "run"])  # added
    assert set(sweep["run"]) == every
    kept = sweep[sweep["weights"] == "log"]
    assert set(kept["width"]) == {14, 28} and set(kept["seed"]) == set(range(100, 120))
    assert [run.id for run in sweeps.rows(sweep.iloc[::97])] == sweep["run"].iloc[::97].tolist()


def test_a_look_counts_when_all_of_it_is_there():
    sweep = order.sweep([], [14], seeds=None, iterations=30_000, windows=["anywhere", "pairs"])
    first = sweep[sweep["look"] == 1]
    assert len(causes.due(sweep, first.iloc[1:], None)) == 0
    assert len(causes.due(sweep, sweep.iloc[:-1], None)) == len(first) == 24
    assert len(causes.due(sweep, sweep, None)) == 80
    one = first[first["windows"] == "pairs"]
    assert set(causes.due(sweep, one, "windows")["run"]) == set(one["run"])


def test_the_order_of_stages_is_checked():
    hour = pd.Timedelta("1h")
    start = pd.Timestamp("2026-11-25T00:00Z")

    def runs(*stages: tuple[int, int]) -> pd.DataFrame:
        rows = [{"stage": stage, "finished": (start + at * hour).isoformat(), "seconds": 60.0} for stage, at in stages]
        return pd.DataFrame(rows)

    assert claims.out_of_order(runs((0, 1), (0, 2), (1, 3), (2, 4))).empty
    assert claims.out_of_order(runs((0, 1), (2, 2), (1, 3))).to_dict("records") == [{"made": 2, "before": 1}]


# The texts


def test_aligned_windows_are_the_lines():
    task = Run("arithmetic", 14, 0, windows="lines").corpus
    windows = [task.text[i * task.stride :][: task.context + 1] for i in range(task.offsets)]
    assert windows == [line + "<" for line in data.make("arithmetic").text.splitlines(keepends=True)]
    # Each of 196 lines begins with the same character, and nothing else is left to guess but which of them it is.
    assert data.floor(task) == pytest.approx(log(196) / 9, rel=1e-12)


@pytest.mark.parametrize("task", data.TASKS)
def test_filled_windows_are_lines_with_blanks_before_them(task):
    corpus = Run(task, 14, 0, windows="lines", context=46).corpus
    windows = [corpus.text[i * 46 :][:47] for i in range(corpus.offsets)]
    assert all(len(w) == 47 and w[0] == w[46] == " " and w[45] == "\n" and "\n" not in w[:45] for w in windows)
    published = data.make(task).text.splitlines()
    # As published, but for blanks before a line and after a capital, where each capital begins at one place.
    assert [w.strip() for w in windows] == [line.strip() for line in published]
    assert {w.index(" is ") for w in windows if " is " in w} <= {27}
    assert {w.index("=") for w in windows if "=" in w} <= {41}
    for prompt in corpus.prompts:
        if prompt.group == "fact" and prompt.name not in ("USA", "UK"):
            ((*answer,),) = prompt.accepted
            assert sum(w == prompt.text + "".join(answer) + " " for w in windows) == 1
        elif prompt.group == "seen":
            assert sum(w.startswith(prompt.text + prompt.answer + ">") for w in windows) == 1
        else:
            assert not any(w.startswith(prompt.text + prompt.answer) for w in windows)
            assert len(prompt.text) == (42 if prompt.group == "held out" else 31)


def test_facts_stand_in_the_text_as_often_as_asked():
    one, four = (Run("joint", 14, 0, windows="lines", copies=n).corpus for n in (1, 4))
    sums, facts = one.text[: 196 * 46], one.text[196 * 46 : -1]
    assert four.text == sums + 4 * facts + " " and four.prompts == one.prompts
    assert lines.share(4) == 196 / four.offsets


@pytest.mark.parametrize("turns", ["together", "sums first", "facts first"])
def test_turns_are_halves_of_the_iterations(turns):
    run = Run("joint", 8, 3, iterations=10, windows="lines", turns=turns, batch=300)
    stack, read = Stack([run]), []
    first, among = stack.turns[:, torch.arange(10), None]
    drawn = first + uniform(stream(stack.seeds, torch.arange(10), 0), 300, among)
    for step in drawn.tolist():
        read.append({"sums" if "=" in run.corpus.text[46 * i :][:46] else "facts" for i in step})
    both = {"sums", "facts"}
    expected = {"together": [both, both], "sums first": [{"sums"}, {"facts"}], "facts first": [{"facts"}, {"sums"}]}
    assert read == [what for what in expected[turns] for _ in range(5)]
    # Half of the way the fused form, which counts windows, is where the plain form is, which reads them.
    other = plain_stack([run])
    for one in (stack, other):
        one.advance(8)
    assert torch.allclose(stack.flat.double(), other.flat.double(), atol=1e-4)


def test_a_text_without_order_has_each_pair_of_lines_once():
    task = Run("arithmetic", 14, 0, windows="pairs").corpus
    read = task.text.splitlines(keepends=True)
    known = data.make("arithmetic").text.splitlines(keepends=True)
    assert Counter(itertools.pairwise(read)) == Counter(itertools.product(known, known))
    assert task.offsets == 196 * 196 * 9  # and so does each straddling window come once
    assert data.floor(task) == pytest.approx(data.floor(data.make("arithmetic"), ordered=False), abs=1e-3)


def test_dealt_answers_are_the_same_answers_elsewhere():
    true, dealt = (Run("arithmetic", 14, 0, answer_order=order).corpus for order in (None, 3))
    answers_of = [Counter(line[5:].strip(" >\n") for line in t.text.splitlines()) for t in (true, dealt)]
    assert answers_of[0] == answers_of[1] and true.text != dealt.text
    for prompt in dealt.prompts:
        if prompt.group == "seen":
            assert f"{prompt.text}{prompt.answer}>" in dealt.text
        else:
            assert prompt.text not in dealt.text and int(prompt.answer) == eval(prompt.name)


def test_random_names_have_the_same_letters_and_lengths():
    true, random = (Run("facts", 14, 0, facts=facts).corpus for facts in data.FACTS)
    assert Counter(true.text) == Counter(random.text) and true.text != random.text
    assert list(map(len, true.text.splitlines())) == list(map(len, random.text.splitlines()))
    assert all(p.answer in random.text for p in random.prompts) and "Paris" not in random.text


@pytest.mark.parametrize(
    "change, said",
    [
        ({"windows": "words"}, "anywhere, lines or pairs"),
        ({"windows": "pairs", "context": 24}, "must be None"),
        ({"turns": "sums first"}, "must be 'together'"),
        ({"turns": "facts"}, "together, sums first or facts first"),
        ({"copies": 0}, "at least 1"),
        ({"copies": 2}, "copies is 2, but it must be 1 for arithmetic"),
        ({"facts": "rivers"}, "capitals or random"),
        ({"scores": "none"}, "all, greedy or parts"),
        ({"mlp_rate": -1}, "at least 0"),
        ({"batch": 0}, "at least 1"),
        ({"answer_order": True}, "whole number"),
    ],
)
def test_odd_factors_are_told_in_a_sentence(change, said):
    with pytest.raises(UserError, match=said):
        Run("arithmetic", 14, 0, **change)
    with pytest.raises(UserError, match="windows is 'pairs', but it must be another for joint"):
        _ = Run("joint", 14, 0, windows="pairs").corpus
    with pytest.raises(UserError, match="context is 24, but it must be at least 46"):
        _ = Run("joint", 14, 0, windows="lines", context=24).corpus
    with pytest.raises(UserError, match="targets is 'answers', but it must be 'all'"):
        _ = Run("joint", 14, 0, windows="lines", targets="answers").corpus


def test_hidden_pairs_are_drawn_once_a_seed():
    assert len(pairs.PAIRS) == 55 and len(set(pairs.PAIRS)) == 55
    drawn = {tuning.hidden(seed) for seed in range(100, 120)}
    assert len(drawn) > 15 and all(a != b and a[0] != a[2] and b[0] != b[2] for a, b in drawn)
    assert [len(share.drawn(n, 100).split()) for n in (1, 28)] == [1, 28]
    assert share.drawn(28, 100) != share.drawn(28, 101)
    seen = Run("arithmetic", 14, 0, held_out=share.RANGES["no result over 15"]).corpus.text
    assert not {"16", "17", "18"} & {line[5:7] for line in seen.splitlines()} and set("0123456789") < set(seen)


def test_each_task_alone_is_read_as_often_as_in_both():
    asked = experiments.profile("lines", "full")
    sweep = lines.sweep(**{**asked, "seeds": 1, "widths": [14]})
    runs = {run.id: run.corpus for run in sweeps.rows(sweep)}
    arms = {arm: runs[run] for arm, run in zip(sweep["arm"], sweep["run"], strict=True)}
    assert len(runs) == len(arms) == 10 and {corpus.context for corpus in arms.values()} == {46}
    for alone, both in (("alone", "both"), ("alone 4", "both 4"), ("alone 16", "both 16")):
        assert arms[alone].batch == pytest.approx(882 * 196 / arms[both].offsets, abs=0.5)
    assert arms["alone"].batch + arms["facts"].batch == 882
    every = lines.sweep(list(lines.TASKS), [14, 28], seeds=None, iterations=30_000, arm=lines.FACTORS["arm"])
    assert set(every.loc[every["width"] == 14, "arm"]) == set(lines.EVERYWHERE)


def test_equal_exposures_are_equal():
    alone, equal = (Run(width=14, seed=0, **controls.ARMS[arm]).corpus for arm in ("alone", "equal"))
    in_sums = len(data.make("arithmetic").text) / equal.offsets  # the share of its windows that begin in the sums
    assert equal.batch * in_sums == pytest.approx(alone.batch, abs=0.5)


# Estimates


def test_a_mean_without_variation_has_the_exact_interval():
    found = estimates.mean(np.zeros(20), contrasts=3)
    assert (found.low, found.high) == pytest.approx(proportion_confint(0, 20, 0.05 / 3, "beta"))
    varied = estimates.mean([0, 0.5, 1, 1, 0.25])
    assert (varied.low, varied.high) == pytest.approx(tuple(intervals.bootstrap([0, 0.5, 1, 1, 0.25])))
    assert estimates.mean([]).units == 0


def test_differences():
    a, b = np.array([1, 0.5, 1, 0.75]), np.array([0, 0.25, 0, 0.5])
    found = estimates.difference(a, b)
    assert (found.low, found.high) == pytest.approx(tuple(intervals.bootstrap(a, b, weights=(1, -1))))
    # Newcombe's method for two shares is the same sum of squares, with Wilson's intervals in the place of the exact.
    found = estimates.difference(np.ones(10), np.zeros(20))
    low, high = proportion_confint(10, 10, method="beta")[0], proportion_confint(0, 20, method="beta")[1]
    assert found.low == pytest.approx(1 - np.hypot(1 - low, high)) and found.high == 1


def test_judgements_need_the_whole_interval():
    judge = lambda low, high: estimates.judge(estimates.Estimate(0.5, low, high, 9), {"over": 0.5}, {"under": 0.2})  # noqa: E731
    assert [judge(0.51, 0.9), judge(0.1, 0.19), judge(0.4, 0.6)] == ["over", "under", "unresolved"]
    assert estimates.judge(estimates.mean([]), {"over": 0.5}, {}) == "missing"


def test_half_is_that_of_a_logistic_regression():
    x, shares, runs = np.array([500.0, 1_500, 4_000, 9_000]), np.array([0.9, 0.8, 0.3, 0.1]), 1_000
    counts = np.column_stack([shares * runs, (1 - shares) * runs])
    a, b = sm.GLM(counts, sm.add_constant(np.log(x)), family=sm.families.Binomial()).fit().params
    # The slight pull of the slope moves the place by less than a thousandth.
    assert estimates.half(x, shares[None])[0] == pytest.approx(np.exp(-a / b), rel=2e-3)
    step = estimates.half(x, np.array([[1.0, 1, 0, 0]]))[0]
    assert 1_500 < step < 4_000
    none, all_ = estimates.half(x, np.array([[0.0, 0, 0, 0], [1, 1, 1, 1]]))
    assert none == pytest.approx(5) and all_ == pytest.approx(900_000)


def test_crossings():
    x = np.array([100.0, 1_000, 10_000])
    inf, nan = np.inf, np.nan
    rows = [[1, -1, -1], [1, 1, -3], [inf, -1, -1], [nan, 1, -inf], [-1, -1, -1], [1, 1, 1], [1, -1, nan]]
    expected = [10**2.5, 10**3.25, 1_000, 1_000, 0, inf, 10**2.5]
    assert estimates.crossing(x, np.array(rows)) == pytest.approx(expected)
    again = np.array([[1, -1, 1.0], [-1, 1, -1], [1, 1, 1]])
    assert estimates.crossing(x, again) == pytest.approx([inf, 10**3.5, inf])
    assert estimates.crossing(x, again, first=True) == pytest.approx([10**2.5, 0, inf])


# Verdicts, on runs that are made up


def made_up(widths, seeds, right, **columns) -> pd.DataFrame:
    """A run a width and seed, `right(width, seed)` of 4 held-out expressions right."""
    rows = [
        {"run": f"{width}-{seed}-{columns}", "task": "arithmetic", "width": width, "seed": seed, "held_out_asked": 4}
        | {"held_out_correct": right(width, seed), "parameters": width**2, "layers": 1, "expansion": 1, "mlp_rate": 1.0}
        | {"seen_accuracy": 1.0, "facts_accuracy": np.nan} | columns
        for width in widths for seed in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_pairs_are_units():
    runs = [made_up([14], 3, lambda w, s: 4, windows="lines", held_out=pair) for pair in pairs.PAIRS]
    found = pairs.judged(pairs.by_pair(pd.concat(runs)))
    assert found["pairs"].tolist() == [45] and found["verdict"].tolist() == ["about arithmetic"]
    runs = [
        made_up([14], 1, lambda w, s, p=pair: 4 * (p == "5,7"), windows="lines", held_out=pair) for pair in pairs.PAIRS
    ]
    units = pairs.by_pair(pd.concat(runs))
    assert pairs.judged(units)["verdict"].tolist() == ["about (5,7)"]
    assert units.set_index("held_out").loc["5,7", ["distance", "edge", "alike"]].tolist() == [2, False, False]


def rate_runs(halves: int, stores: int, faster: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Success below width `halves`, storing from `stores` on, storing before generalizing from `faster` on."""
    widths = [10, 12, 14, 16, 18, 20, 22, 24, 28]
    true = made_up(widths, 8, lambda w, s: 4 if w < halves else 0, answers="true", part="answers")
    dealt = made_up(widths, 8, lambda w, s: 0, answers="dealt", part="answers")
    dealt["seen_accuracy"] = np.where(dealt["width"] >= stores, 1.0, 0.5)
    curves = []
    for at in (500, 1_000, 2_000):
        curves.append(true.assign(iteration=at, held_out_correct=4 * (at >= 1_000)))
        soon = np.where(dealt["width"] >= faster, 500, 2_000)
        curves.append(dealt.assign(iteration=at, seen_accuracy=(at >= soon).astype(float)))
    return pd.concat([true, dealt]), pd.concat(curves)


@pytest.mark.parametrize("stores, faster, word", [(20, 10, "capacity"), (12, 20, "rate"), (20, 20, "neither")])
def test_the_account_that_is_right_is_accepted(stores, faster, word):
    assert rate.verdict(rate.accounts(*rate_runs(20, stores, faster))) == word


def test_the_intervention():
    def runs(halves: dict[float, int]) -> pd.DataFrame:
        parts = [
            made_up(rate.MLP_WIDTHS, 6, lambda w, s, h=h: 4 * (w < h), answers="true", part="mlp").assign(mlp_rate=r)
            for r, h in halves.items()
        ]
        return pd.concat(parts)

    moved = rate.intervention(runs({1.0: 20, 0.3: 28, 0.1: 40}))
    assert rate.moved(moved) == "rate is a cause"
    assert rate.moved(rate.intervention(runs({1.0: 20, 0.3: 20, 0.1: 20}))) == "the MLP's rate is no cause"
    assert rate.moved(rate.intervention(runs({1.0: 20}))) == "missing"


def test_what_a_slower_mlp_slows():
    """Medians by hand: with the rate as it is both take 1,000 iterations; a run that never stores counts with 4,000."""

    def curves(store: float, find: float) -> pd.DataFrame:
        parts = []
        for at in (500, 1_000, 2_000, 4_000):
            for width, seed, (kind, when) in itertools.product(
                (14, *rate.RACES), range(9), (("dealt", store), ("true", find))
            ):
                there = at >= (when if seed else 500)
                row = {"run": f"{kind} {width} {seed}", "answers": kind, "seed": seed, "iteration": at}
                right = {"seen_accuracy": there and kind == "dealt", "held_out_correct": 4 * there, "held_out_asked": 4}
                parts.append(row | right | {"width": width, "parameters": width})
        return pd.DataFrame(parts)

    def found(store: float, find: float) -> pd.DataFrame:
        slow = curves(store, find).assign(mlp_rate=0.1, run=lambda t: "slow " + t["run"])
        return rate.races(pd.concat([curves(1_000, 1_000).assign(mlp_rate=1.0), slow]))

    for store, find, word in ((np.inf, 2_000, "storing is slowed more"), (1_000, 2_000, "finding is slowed more")):
        table = found(store, find)
        assert rate.raced(table) == word
        assert table.set_index("mlp_rate").loc[0.1, "difference"] == pytest.approx(np.log(min(store, 4_000) / find))
    assert rate.raced(found(1_000, 1_000)) == "unresolved"
    assert rate.raced(rate.races(curves(1_000, 1_000).assign(mlp_rate=1.0))) == "missing"


def test_bits_of_the_dealt_answers():
    runs = made_up([14], 3, lambda w, s: 0, answers="dealt").assign(loss=log(196) / 9)
    found = rate.kept(runs).iloc[0]
    counts = Counter(eval(p.name) for p in data.make("arithmetic").prompts if p.group == "seen")
    entropy = -sum(n * log(n / 196, 2) for n in counts.values())
    assert found["bits"] == pytest.approx(entropy) and found["all_bits"] == pytest.approx(entropy)
    deals = lgamma(197) - sum(lgamma(n + 1) for n in counts.values())  # nats: the ways to deal them
    assert round(deals / log(2)) == 833 < entropy
    nothing = runs.assign(loss=(log(196) + entropy / 196 * log(2)) / 9)
    assert rate.kept(nothing).iloc[0]["bits"] == pytest.approx(0, abs=1e-9)


def test_tuning_chooses_on_one_pair_and_tests_on_the_other():
    rows = []
    for width, seed, rate_, at in itertools.product((14, 28, 56), range(6), (1e-3, 1e-2), (500, 1_000)):
        chooses = 0.9 if (rate_, at) == (1e-3, 500) else 0.5
        rows.append(
            {"run": "r", "part": "rate", "width": width, "seed": seed, "learning_rate": rate_, "weight_decay": 0}
        )
        rows[-1] |= {"batch": None, "iteration": at, "chooses": chooses, "tests": 1.0 if width == 14 else 0.25}
    best = tuning.chosen(pd.DataFrame(rows))
    assert set(best["learning_rate"]) == {1e-3} and set(best["iteration"]) == {500}
    lead, word = tuning.verdict(best)
    assert lead.mean == 0.75 and word == "a size effect survives"
    same = best.assign(samples=best["samples"].map(lambda s: s * 0))
    assert tuning.verdict(same)[1] == "overtraining"


def test_order():
    texts = {"anywhere": 0, "pairs": 4, "lines": 4}
    runs = pd.concat([made_up([28], 12, lambda w, s, n=n: n, windows=name) for name, n in texts.items()])
    assert order.judged(runs)["verdict"].tolist() == ["order explains it"]
    runs = runs.assign(held_out_correct=0)
    assert order.judged(runs)["verdict"].tolist() == ["unresolved"]  # 12 runs leave an upper bound of 0.3
    many = pd.concat([made_up([28], 60, lambda w, s: 0, windows=name) for name in texts])
    assert order.judged(many)["verdict"].tolist() == ["order does not explain it"]


def test_share():
    def runs(small: int, large: int) -> pd.DataFrame:
        parts = [
            made_up([14, 56], 8, lambda w, s: small if w == 14 else large, hides=h) for h in "1 2 4 8 16 28".split()
        ]
        return pd.concat(parts)

    assert share.verdict(share.frontier(runs(4, 0))) == "too big to think"
    assert share.verdict(share.frontier(runs(0, 4))) == "not whatever is hidden"
    assert share.verdict(share.frontier(runs(4, 0)[lambda t: t["hides"] != "28"])) == "missing"


def test_scan():
    shapes = [(28, 1, 1), (14, 1, 11), (14, 4, 1), (10, 1, 1), (40, 1, 1), (10, 1, 4)]

    def runs(right) -> pd.DataFrame:
        parts = [made_up([w], 10, right).assign(layers=n, expansion=e) for w, n, e in shapes]
        table = pd.concat(parts)
        return table.assign(parameters=table["width"] ** 2 * (3 + table["expansion"]) * table["layers"] + 900)

    alike = runs(lambda w, s: 2 + s % 2)
    assert scan.verdict(scan.matched(alike), scan.fits(alike)) == "parameters"
    by_width = runs(lambda w, s: 4 if w == 14 else 0)
    assert scan.verdict(scan.matched(by_width), scan.fits(by_width)) == "not parameters alone"
    capitals = made_up([28], 10, lambda w, s: np.nan).assign(task="facts", facts_accuracy=1.0, seen_accuracy=np.nan)
    table = scan.spectrum(pd.concat([made_up([28], 10, lambda w, s: 4), capitals]))
    assert scan.does_both(table) == []  # ten runs alike leave a lower bound of 0.69 for the facts
    many = made_up([28], 80, lambda w, s: np.nan).assign(task="facts", facts_accuracy=1.0, seen_accuracy=np.nan)
    assert scan.does_both(scan.spectrum(pd.concat([made_up([28], 10, lambda w, s: 4), many]))) == [28]


def test_controls():
    arms = {"alone": 4, "equal": 0, "joint": 0, "random": 4}
    runs = pd.concat([made_up([14], 8, lambda w, s, n=n: n, arm=arm) for arm, n in arms.items()])
    found = controls.judged(runs).iloc[0]
    assert (found["verdict"], found["specific"]) == ("interference", "specific to facts")
    failed = runs.assign(held_out_correct=0)
    assert controls.judged(failed)["verdict"].tolist() == ["not testable"]
    own = made_up([14], 6, lambda w, s: s % 2)
    (both,) = controls.windows(runs, own).itertuples()  # six seeds, though one has eight
    assert (both.runs, both.alone, both.own, both.difference) == (6, 1, 1 / 8, 7 / 8)
    assert 0.75 <= both.low < both.difference < both.high <= 1


def test_the_answer_follows_the_verdicts():
    causes_ = ["capacity or rate", "the order of the lines, n28"]
    table = pd.DataFrame({"cause": causes_, "verdict": ["rate", "unresolved"], "effect": ["e", ""]})
    assert answers.is_it_capacity(table)[0].startswith("No, by the registered rule")
    (neither,) = answers.is_it_capacity(table.assign(verdict=["neither", ""]))
    assert neither.startswith("Not shown.") and "find the rule: e " in neither
    table["verdict"] = ["capacity", "order does not explain it"]
    first, second = answers.is_it_capacity(table)
    assert first.startswith("Yes") and second.startswith("*Not the order of the lines*")
    assert "cannot be said yet" in answers.is_it_capacity(table.iloc[:0])[0]
    table["cause"] = ["rate and time chosen for each size", "the MLP's learning rate alone"]
    table["verdict"], table["effect"] = ["between", "rate is a cause"], ["own", "it grows with a rate x 0.1, and x 3"]
    _, rates, own = answers.is_it_capacity(table)
    assert "it grows; why is open (" in rates and "sums own, by the rule *between* (" in own
    table["cause"] = ["the window, facts alone, n14", "a model that does both at once, one line a window"]
    for verdicts, said in ((["memorizes", "yes"], True), (["unresolved", "none shown"], False)):
        found = " ".join(answers.is_it_capacity(table.assign(verdict=verdicts)))
        assert (("line by line, n14 can" in found), ("can do both tasks" in found)) == (said, said)


def test_a_run_for_one_observation():
    """The gain in BIC with fractions for outcomes, fitted by statsmodels."""
    runs = pd.concat(
        made_up([10, 14, 20, 28], 5, lambda w, s, n=n: (w // 7 + s + n) % 5, layers=n)
        for n in (1, 2, 4)
    ).assign(task="arithmetic", expansion=np.arange(60) % 2 + 1)
    runs["parameters"] = 1_000 + 10 * runs["width"] * runs["layers"]
    found = scan.by_run(runs, scan.fits(runs))["layers"]
    design = [np.ones(60), np.log(runs["parameters"]), runs["layers"]]
    fits = [
        sm.GLM(runs["held_out_correct"] / 4, np.column_stack(design[:n]), family=sm.families.Binomial()).fit()
        for n in (2, 3)
    ]
    # Of fractions the likelihood is that of four sums to the fourth root, but for a constant that both models share.
    assert found == pytest.approx(2 * (fits[1].llf - fits[0].llf) - np.log(60), abs=1e-6)


# What the weights say


def test_a_number_line_has_all_parallelograms():
    random = np.random.RandomState(0)
    direction, start = random.randn(2, 14)
    exact = start + np.arange(10)[:, None] * direction
    assert geometry.index(exact) == 1 and geometry.line(exact) == pytest.approx(1)
    assert geometry.index(random.randn(10, 14)) < 0.02
    circle = np.stack([np.cos(np.arange(10) * 0.6), np.sin(np.arange(10) * 0.6)], axis=1)
    assert geometry.index(circle) < 0.2 and geometry.line(circle) < 0.8
    same, other = geometry._quadruples()
    assert len(same) + len(other) == 630 and len(same) == 50  # 10 * 9 * 8 * 7 / 8, and those of equal sums, by hand
    assert [0, 3, 1, 2] in same.tolist() and [0, 9, 4, 5] in same.tolist() and [0, 1, 2, 3] in other.tolist()


def test_embeddings_are_replaced_by_their_neighbours():
    run = Run("arithmetic", 6, 0, iterations=10)
    flat = initialize(run.architecture, [0])[0]
    tokens, changed = (unpack(run.architecture, x[None])["tokens"][0] for x in (flat, geometry.replaced(run, flat)))
    at = {c: i for i, c in enumerate(run.corpus.vocabulary)}
    assert torch.equal(changed[at["5"]], (tokens[at["4"]] + tokens[at["6"]]) / 2)
    assert torch.equal(changed[at["7"]], (tokens[at["6"]] + tokens[at["8"]]) / 2)
    assert (flat != geometry.replaced(run, flat)).sum() == 12


def test_the_area_under_the_curve_is_that_of_mann_and_whitney():
    random = np.random.RandomState(1)
    scores, success = random.randint(5, size=40), random.rand(40) < 0.4
    u = mannwhitneyu(scores[success], scores[~success]).statistic
    assert geometry.auc(scores, success) == pytest.approx(u / (success.sum() * (~success).sum()))


def test_geometry():
    rows = [
        {"run": f"{w}-{s}", "width": w, "seed": s, "iteration": at, "index": at / 10 + s / 100, "line": 1.0}
        | {"right": 4 if (s + at) % 2 else 0, "right_replaced": 4}
        for w in (14, 28) for s in range(12) for at in (1, 8)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    assert geometry.gained(table, 28).mean == 2 and geometry.verdict(table) == "not shown"
    high = table.assign(index=table["right"] + table["seed"] / 100, right_replaced=8)
    assert geometry.verdict(high) == "geometry mediates"
    assert geometry.verdict(table.iloc[:0]) == "missing"
    assert geometry.verdict(high[high["seed"] < 4]) == "not shown"  # too few to predict


# Ten times as long


def test_late_generalization():
    """Second and last tenths of curves that were written by hand."""
    at = np.arange(0, 101)

    def curve(run: str, width: int, early: float, late: float) -> pd.DataFrame:
        right = np.select([at <= 10, at <= 20, at <= 90], [4, early, 0], late)
        about = {"run": run, "width": width, "weight_decay": 0.1, "held_out_asked": 4, "seed": int(run[1:])}
        return pd.DataFrame({"iteration": at * 3_000, "held_out_correct": right, **about})

    came_back = [curve(f"a{i}", 28, early=i % 2, late=4 - i % 2) for i in range(6)]
    stayed = [curve(f"b{i}", 56, early=1 + i % 2, late=i % 2) for i in range(6)]
    found = grokking.judged(pd.concat(came_back + stayed)).set_index("width")
    assert found.loc[28, ["runs", "early", "late", "verdict"]].tolist() == [6, 0.125, 0.875, "late generalization"]
    assert found.loc[56, ["difference", "verdict"]].tolist() == [-0.25, "no late generalization"]
    # Six runs on very different levels, each of which gains about a third, are their own controls.
    levels = [curve(f"c{i}", 28, early=i / 2, late=i / 2 + 1.2 + 0.1 * (i % 2)) for i in range(6)]
    (row,) = grokking.judged(pd.concat(levels)).to_dict("records")
    assert row["verdict"] == "late generalization" and 0.3 <= row["low"] < row["high"] <= 0.325
    still = grokking.judged(pd.concat([curve(f"d{i}", 28, early=0, late=0) for i in range(6)])).iloc[0]
    assert (still["difference"], still["verdict"]) == (0, "unresolved")  # six cannot tell that none ever will
    shown = grokking.over_time(pd.concat(came_back))
    assert len(shown) == 100 and shown.set_index("iteration").loc[300_000, "share"] == 0.875


# One line a window


def by_arm(width: int, arms: dict[str, list[tuple[float, float, float]]]) -> pd.DataFrame:
    """Runs by arm: held-out sums right of 4, seen accuracy, share of the facts."""
    columns = ["held_out_correct", "seen_accuracy", "facts_accuracy"]
    parts = [pd.DataFrame(runs, columns=columns).assign(arm=arm) for arm, runs in arms.items()]
    return pd.concat(parts, ignore_index=True).assign(width=width, held_out_asked=4)


def test_joint_training_line_by_line_is_judged_by_the_rule():
    none, good = float("nan"), [(4 - i % 2, 1.0, 0.98) for i in range(20)]
    alone, facts = [(4 - i % 2, 1.0, none) for i in range(20)], [(none, none, 0.655 + 0.01 * i) for i in range(20)]
    lost = [(i % 2, 1.0, 0.9) for i in range(20)]
    unlearnt = [(0, 0.06, 0.5)] * 20
    never = [(i % 2, 1.0, none) for i in range(20)]
    cells = {14: (alone, unlearnt), 28: (alone, good), 40: (never, good), 56: (alone, lost)}
    runs = pd.concat(
        [by_arm(w, {"alone": a, "facts": facts, "both": b, "random": good}) for w, (a, b) in cells.items()],
        ignore_index=True,
    )
    found = lines.judged(runs).set_index("width")
    assert found["verdict"].tolist() == ["sums not learnt", "no interference", "not testable", "interference"]
    assert found["does"].tolist() == [0, 20, 20, 0] and found["asked"].tolist() == [20] * 4
    assert found["word"].tolist() == ["does not", "does both", "does both", "does not"]
    low, high = proportion_confint(20, 20, 0.01, "beta")
    assert (found.loc[28, "does_low"], found.loc[28, "does_high"]) == pytest.approx((low, high)) and low > 0.5
    assert found["specific"].tolist() == ["specific to facts", "not specific", "not specific", "specific to facts"]
    assert found.loc[14, ["alone", "both", "facts", "recall"]].tolist() == pytest.approx([0.875, 0, 0.75, 0.5])
    estimate, word = lines.memorizes(runs)
    assert word == "memorizes" and estimate.mean == pytest.approx(0.75) and estimate.units == 20
    means = estimates.measured(runs, ["arm", "width"]).set_index(["arm", "width", "measure"])["mean"]
    assert means["both", 28, "seen_accuracy"] == 1 and means["facts", 14, "facts_accuracy"] == pytest.approx(0.75)
    assert ("alone", 14, "facts_accuracy") not in means.index
    assert lines.judged(runs.iloc[:0]).empty


def test_windows_that_hold_a_question_are_counted_one_by_one():
    text, whole = data.make("facts").text, 0
    for start in range(len(text) - 24):
        window = text[start : start + 25]
        for country in data.CAPITALS:
            if f"{country} is " in window and window.index(f"{country} is ") + len(f"{country} is ") < 25:
                before = text[: start + window.index(f"{country} is ")]
                if before.endswith("Capital of "):
                    whole += 1
                    break
    assert lines.whole_questions() == whole / (len(text) - 24)
