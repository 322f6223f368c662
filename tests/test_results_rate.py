"""The results of `rate`, against numbers counted by hand."""

import itertools
from collections import Counter
from math import inf, isnan, log

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from lib import data
from lib.errors import Lacking
from lib.experiments import rate
from lib.stats.estimates import Count
from tests.conftest import source

SEEDS, LARGE = 6, rate.LARGEST
ANSWERS = [eval(prompt.name) for prompt in data.make("arithmetic").prompts if prompt.group == "seen"]
ENTROPY = sum(n * log(196 / n) for n in Counter(ANSWERS).values())  # of the answers, nats


def right(width: int, seed: int, factor: float) -> int:
    """Of the four hidden sums, at the end."""
    fills = width < (56 if factor == 0.1 else 28)
    return 3 if width == LARGE else 4 - 2 * (seed == 0) if fills else int(seed == 1)


def finds(width: int, seed: int, factor: float) -> float:
    """The first evaluation with all four right."""
    if (width, seed) == (40, 0) or (width == LARGE and seed > 1):
        return inf
    return 1_000 if factor != 0.1 else 4_000 if width == 56 else 2_000


def stores(width: int, factor: float) -> int:
    """The first evaluation with all lines stored."""
    return 4_000 if width < 20 else 500 if factor == 1 or width == 20 else 1_000


def made() -> tuple[pd.DataFrame, pd.DataFrame]:
    runs, curves = [], []
    widths = {1.0: (*rate.MLP_WIDTHS, LARGE), 0.3: rate.MLP_WIDTHS, 0.1: rate.MLP_WIDTHS}
    for factor, answers, seed in itertools.product(widths, ("true", "dealt"), range(SEEDS)):
        for width in widths[factor] if (factor, answers) != (0.3, "dealt") else ():
            part = "answers" if factor == 1 else "mlp" if answers == "true" else "slowed"
            run = {"run": f"{width} {seed} {factor} {answers}", "part": part, "answers": answers, "mlp_rate": factor}
            run |= {"width": width, "parameters": width**2, "seed": seed, "held_out_asked": 4, "facts_accuracy": np.nan}
            lacks = ENTROPY / 196 / (2 if width == 10 else inf)
            end = {"held_out_correct": right(width, seed, factor) if answers == "true" else 0}
            end |= {"seen_accuracy": 0.5 + seed / 100 if width == 10 else 1.0, "loss": (log(196) + lacks) / 9}
            runs.append(run | end)
            for at in (500, 1_000, 2_000, 4_000):
                there = {"held_out_correct": 4 * (answers == "true" and at >= finds(width, seed, factor))}
                curves.append(run | there | {"iteration": at, "seen_accuracy": float(at >= stores(width, factor))})
    return pd.DataFrame(runs), pd.DataFrame(curves)


RUNS, CURVES = made()


def between(low: int, high: int, part: float) -> float:
    """A number of parameters a part of the way from one width to another, in its logarithm."""
    return float(np.exp((1 - part) * log(low**2) + part * log(high**2)))


def test_accounts():
    found, seeds = rate.results(source(RUNS, CURVES)), range(SEEDS)
    widths = [*rate.MLP_WIDTHS, LARGE]
    share = {width: np.mean([right(width, seed, 1) / 4 for seed in seeds]) for width in widths}
    assert {width: cell.mean for width, cell in found.right.items()} == pytest.approx(share)
    assert (found.once[40], found.once[14], found.once[LARGE]) == (Count(5, 6), Count(6, 6), Count(2, 6))
    assert found.stored[10].mean == pytest.approx(0.525) and found.stored[14].mean == 1
    assert found.parameters[56] == 3136 and found.right[LARGE].units == SEEDS

    def half(sizes):
        x = sm.add_constant(np.log([width**2 for width in sizes]))
        a, b = sm.GLM([share[width] for width in sizes], x, family=sm.families.Binomial()).fit().params
        return np.exp(-a / b)

    expected = {"capacity": between(10, 14, 0.425 / 0.475), "rate": between(14, 20, log(4) / log(8))}
    for name, parameters in expected.items():
        assert found.at[name].mean == pytest.approx(parameters)
        assert found.ratio[name].mean == pytest.approx(parameters / found.at["w50"].mean)
        assert found.ratio[name].low <= found.ratio[name].mean <= found.ratio[name].high
    assert found.at["w50"].mean == pytest.approx(half(widths), rel=0.01)
    assert found.at["w50"].units == 2 * len(widths) * SEEDS
    assert found.steady["w50"] == pytest.approx(half(rate.MLP_WIDTHS), rel=0.01)
    assert found.steady["rate"] == pytest.approx(expected["rate"]) and "w50" not in found.ratio
    assert found.lies["capacity"] == "outside of" and found.ratio["capacity"].high < 1 / rate.NEAR
    assert found.account == "neither"
    entropy = ENTROPY / log(2)
    assert (found.bits[10].mean, found.bits[56].mean) == pytest.approx((entropy / 2, entropy))
    assert (found.of_table[10], found.a_parameter[10]) == pytest.approx((0.5, entropy / 200))


def test_a_slower_mlp():
    found = rate.results(source(RUNS, CURVES))
    assert [*found.larger] == ["x 0.1", "x 0.3"] and found.moved == "rate is a cause"
    assert found.larger["x 0.3"].mean == 1 and found.larger["x 0.1"].low > 1
    assert found.larger["x 0.1"].mean == pytest.approx(found.halves["x 0.1"] / found.halves["x 1"])
    assert found.halves["x 1"] == found.steady["w50"] and found.larger["x 0.1"].units == 36
    assert (found.by_rate["x 0.1"][40].mean, found.by_rate["x 1"][40].mean) == pytest.approx((5.5 / 6, 0.25 / 6))
    assert (found.storing, found.finding) == ((1, 2), (2, 4))
    assert [*found.later] == ["x 0.1"] and found.raced == "finding is slowed more"
    assert found.later["x 0.1"].mean == pytest.approx((1 / 2 * 1 * 1 * 1 / 2) ** 0.25)


def test_some_of_the_runs():
    one = rate.results(source(RUNS[RUNS["width"] == 14], CURVES))
    assert (one.account, one.moved, one.raced) == ("missing",) * 3 and all(map(isnan, one.storing + one.finding))
    assert one.at == one.steady == one.ratio == one.later == {} and [*one.right] == [*one.bits] == [14]
    with pytest.raises(Lacking):
        one.at["w50"]
    untouched = rate.results(source(RUNS[RUNS["mlp_rate"] == 1], CURVES))
    assert untouched.account == "neither" and untouched.larger == untouched.halves == untouched.later == {}
    slow = rate.results(source(RUNS[RUNS["part"] == "mlp"], CURVES))
    assert slow.right == slow.once == slow.bits == {} and slow.account == slow.raced == "missing"
    tiny = {10: 4, 14: 6, 20: 8}
    small = RUNS[RUNS["width"].isin(tiny)].replace({"width": tiny})
    assert rate.results(source(small, CURVES.replace({"width": tiny}))).at == {}
    for seed in range(8):
        rate.results(source(RUNS.sample(frac=0.5 if seed % 2 else 0.05, random_state=seed), CURVES))
    with pytest.raises(Lacking):
        rate.results(source(RUNS.iloc[:0], CURVES))
