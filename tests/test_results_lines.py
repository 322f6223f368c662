"""The results of `lines`, against numbers counted by hand."""

from math import nan

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from lib.errors import Lacking
from lib.experiments import lines
from lib.stats.estimates import Count
from tests.conftest import source

SEEDS = 20


def arm(name: str, width: int, hidden, seen, facts) -> pd.DataFrame:
    """A run a seed: of 4 hidden sums right, shares of the seen ones and of the capitals, functions of the seed."""
    at = range(SEEDS)
    columns = {"held_out_correct": hidden, "seen_accuracy": seen, "facts_accuracy": facts}
    table = pd.DataFrame({column: [of(seed) for seed in at] for column, of in columns.items()})
    return table.assign(arm=name, width=width, seed=list(at), held_out_asked=4)


def none(seed):
    return nan


def all_right(seed):
    return 1.0


RUNS = pd.concat([
    arm("alone", 28, lambda s: 4 - s % 2, all_right, none),
    arm("both", 28, lambda s: 3 * (s % 5 == 1), lambda s: 0.97, lambda s: 0.94 + 0.02 * (s % 2)),
    arm("random", 28, lambda s: 4 * (s % 2), all_right, lambda s: 0.5),
    arm("facts", 14, none, none, lambda s: 0.1 + 0.02 * (s % 2)),
    arm("both 4", 28, lambda s: 1, lambda s: 0.25, all_right),
], ignore_index=True)  # fmt: skip


def test_each_field_is_that_of_its_arm_and_size():
    found, seeds = lines.results(source(RUNS)), np.arange(SEEDS)
    both, alone, dealt = 0.75 * (seeds % 5 == 1), (4 - seeds % 2) / 4, seeds % 2
    for cells, name, values in (
        (found.hidden, "both", both), (found.hidden, "alone", alone), (found.hidden, "random", dealt),
        (found.seen, "both", [0.97]), (found.seen, "both 4", [0.25]), (found.capitals, "random", [0.5]),
        (found.capitals, "both", 0.94 + 0.02 * dealt),
    ):  # fmt: skip
        assert (cells[name][28].mean, cells[name][28].units) == (pytest.approx(np.mean(values)), SEEDS)
    assert "alone" not in found.capitals and "facts" not in found.hidden
    assert (found.stored.mean, found.memorizes) == (pytest.approx(0.11), "does not memorize")
    assert (found.cost[28].mean, found.cost[28].units) == (pytest.approx(np.mean(both) - np.mean(alone)), SEEDS)
    assert found.cost[28].high < -0.25 and found.interference[28] == "interference"
    assert found.names[28].mean == pytest.approx(np.mean(dealt) - np.mean(both)) and found.names[28].units == SEEDS
    able = int(((both >= 0.75) & (seeds % 2 == 1)).sum())
    assert found.does[28] == Count(able, SEEDS) and 0 < able < SEEDS / 4
    doing = found.doing[28]
    assert (doing.mean, doing.low, doing.high) == pytest.approx(
        (able / 20, *proportion_confint(able, 20, 0.01, "beta"))
    )
    assert doing.high < 0.5 and (found.able[28], found.at_once) == ("does not", "none shown")
    assert found.sums[4] == pytest.approx(196 / (196 + 4 * 50)) and found.whole.units == 1523


def test_one_arm_alone():
    found = lines.results(source(RUNS[RUNS["arm"] == "facts"]))
    assert found.memorizes == "does not memorize" and found.interference == {14: "missing"}
    assert (found.does[14], found.cost[14].units, found.doing[14].units) == (Count(0, 0), 0, 0)
    assert (found.able[14], found.at_once, found.specific[14]) == ("missing", "missing", "missing")
    without = lines.results(source(RUNS[RUNS["width"] == 28]))
    assert (without.memorizes, without.stored.units) == ("missing", 0)
    with pytest.raises(Lacking):
        without.hidden["alone"][14]
    with pytest.raises(Lacking):
        lines.results(source(RUNS.iloc[:0]))
    good = arm("both", 28, lambda s: 4, all_right, all_right)
    assert lines.results(source(good)).at_once == "yes"
