"""The results of `pairs`, against numbers counted by hand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from lib.errors import Lacking
from lib.experiments import pairs
from lib.stats.estimates import Count
from tests.conftest import source


def runs(width: int, windows: str, seeds: int, right) -> pd.DataFrame:
    """A run a pair and seed, `right(pair, seed)` of 4 hidden expressions right."""
    rows = [(pair, seed, right(pair, seed)) for pair in pairs.PAIRS for seed in range(seeds)]
    table = pd.DataFrame(rows, columns=["held_out", "seed", "held_out_correct"])
    return table.assign(width=width, windows=windows, held_out_asked=4)


def some_of_four(pair: str, seed: int) -> int:
    """Doubles have all right, which must not count; other pairs more with a larger sum, and with a later seed."""
    a, b = int(pair[0]), int(pair[2])
    return 4 if a == b else min(4, (a + b) // 5 + seed)


def test_pairs_of_different_digits_are_counted_and_compared_with_the_published_one():
    table = pd.concat([runs(14, "lines", 2, some_of_four), runs(28, "anywhere", 1, lambda pair, seed: pair == "5,7")])
    found = pairs.results(source(table))
    shares = {
        f"{a},{b}": np.mean([some_of_four(f"{a},{b}", s) / 4 for s in (0, 1)]) for a, b in combinations(range(10), 2)
    }
    aligned = found.right["lines"][14]
    assert (aligned.mean, aligned.units) == (pytest.approx(np.mean(list(shares.values()))), 45)
    assert aligned.low < aligned.mean < aligned.high
    assert found.aligned == (
        "about arithmetic" if aligned.low > 0.5 else "about (5,7)" if aligned.high < 0.5 else "unresolved"
    )
    assert (found.published["lines"].mean, found.published["lines"].units) == (shares["5,7"], 2)
    better = sum(share >= shares["5,7"] for share in shares.values()) - 1
    assert found.as_good["lines"] == Count(better, 44) and 0 < better < 44
    assert found.right["anywhere"][28].mean == pytest.approx(1 / 180) and found.stream == "missing"


def test_what_half_of_the_runs_lack_is_missing():
    table = runs(14, "anywhere", 1, lambda pair, seed: 0)
    found = pairs.results(source(table[table["held_out"] != "5,7"]))
    assert (found.stream, found.aligned) == ("about (5,7)", "missing")
    assert found.right["anywhere"][14].units == 44 and not found.published
    for cell in ("lines", "anywhere"):
        with pytest.raises(Lacking):
            found.published[cell]
    assert pairs.results(source(table[table["held_out"] == "3,3"])).right == {}
    with pytest.raises(Lacking):
        pairs.results(source(table.iloc[:0]))
