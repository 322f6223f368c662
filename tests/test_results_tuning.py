"""The results of `tuning`, against choices made by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lib.errors import Lacking
from lib.experiments import tuning
from tests.conftest import source

RECIPES = [("rate", 1e-3, 0, None), ("rate", 1e-2, 0, None), ("decay", 1e-3, 10, None), ("batch", 1e-2, 0, 196)]
TIMES, BATCH = (500, 1_000), 882
PAIRS = {"chooses": (1, 3), "tests": (2, 6)}


def made() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Eight seeds a size and recipe; each has its own number of four right of each pair at each time."""
    drawn, runs, items = np.random.RandomState(3), [], []
    for width, seed, (part, *recipe) in itertools.product((14, 28, 56), range(8), RECIPES):
        run = {"run": f"{width} {seed} {part} {recipe}", "part": part, "width": width, "seed": seed}
        runs.append(run | dict(zip(("learning_rate", "weight_decay", "batch"), recipe, strict=True)))
        runs[-1] |= {role: "{},{}".format(*pair) for role, pair in PAIRS.items()}
        for at, (a, b) in itertools.product(TIMES, PAIRS.values()):
            correct = drawn.permutation(4) < drawn.randint(5)
            for (left, right), is_right in zip([(a, b), (b, a), (a, b), (b, a)], correct, strict=True):
                items.append({"run": run["run"], "iteration": at, "left": left, "right": right, "greedy": is_right})
    return pd.DataFrame(runs), pd.DataFrame(items)


RUNS, ITEMS = made()
WHOLE = RUNS[RUNS["run"] != RUNS["run"][RUNS["width"] == 28].iloc[0]]  # n28 lacks a recipe of its first seed


@pytest.mark.parametrize("choice, recipes", [("rate", RECIPES[:2]), ("recipe", RECIPES)])
def test_what_each_size_chooses_and_then_has(choice, recipes):
    found, tests = tuning.results(source(WHOLE, items=ITEMS)), {}
    right = ITEMS.assign(tests=ITEMS["left"].isin(PAIRS["tests"])).groupby(["run", "iteration", "tests"])["greedy"]
    share = right.mean().to_dict()
    for width in (14, 28, 56):
        seeds = range(width == 28, 8)
        options = [(np.mean([share[f"{width} {seed} {part} {recipe}", at, False] for seed in seeds]), part, recipe, at)
                   for part, *recipe in recipes for at in TIMES]  # fmt: skip
        chooses, part, recipe, at = max(options, key=lambda option: option[0])
        assert [option[0] for option in options].count(chooses) == 1
        tests[width] = np.mean([share[f"{width} {seed} {part} {recipe}", at, True] for seed in seeds])
        assert found.chooses[choice][width] == pytest.approx(chooses)
        assert found.tests[choice][width].mean == pytest.approx(tests[width])
        assert found.tests[choice][width].units == len(seeds)
        assert found.learning_rate[choice][width] == recipe[0] and found.weight_decay[choice][width] == recipe[1]
        assert found.batch[choice][width] == (recipe[2] or BATCH) and found.iteration[choice][width] == at
    lead = found.lead[choice]
    assert lead.mean == pytest.approx(tests[14] - max(tests[28], tests[56])) and lead.units == 7
    assert lead.low <= lead.mean <= lead.high


def test_the_word_is_that_of_the_rate_alone():
    def word(small: bool, decayed: bool) -> str:
        """n14 has all right or none, other sizes none; with decay all have all right."""
        run = ITEMS["run"].str.startswith("14") if small else False
        items = ITEMS.assign(greedy=run | (ITEMS["run"].str.contains("decay") & decayed))
        return tuning.results(source(RUNS, items=items)).word

    assert word(small=True, decayed=True) == "a size effect survives"
    assert word(small=False, decayed=False) == "overtraining"


def test_some_of_the_runs():
    small = tuning.results(source(RUNS[RUNS["width"] == 14], items=ITEMS))
    assert (small.word, small.lead["rate"].units) == ("missing", 0) and [*small.tests["recipe"]] == [14]
    largest = tuning.results(source(RUNS.replace({"width": {28: 8, 56: 10}}), items=ITEMS))
    assert largest.word == "missing" and [*largest.tests["rate"]] == [8, 10, 14]
    partly = tuning.results(source(RUNS[RUNS["part"] != "batch"], items=ITEMS))
    assert [*partly.lead] == [*partly.tests] == ["rate"]
    with pytest.raises(Lacking):
        partly.lead["recipe"]
    assert tuning.results(source(RUNS[RUNS["part"] == "decay"], items=ITEMS)).word == "missing"
    apart = RUNS[(RUNS["seed"] % 2 == 0) == (RUNS["learning_rate"] == 1e-3)]  # no seed has all recipes
    assert tuning.results(source(apart, items=ITEMS)).tests["rate"] == {}
    with pytest.raises(Lacking):
        tuning.results(source(RUNS.iloc[:0], items=ITEMS))
