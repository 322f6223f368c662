"""The results of `share`, against numbers counted by hand."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import Lacking
from lib.experiments import share
from tests.conftest import source

HIDDEN = (1, 2, 4, 8, 16, 28)
LARGE = {1: 0, 2: 1, 4: 2, 8: 2, 16: 0, 28: 0}  # of 20 expressions right, and one more with every other seed
SMALL = {1: 16, 2: 14, 4: 12, 8: 2, 16: 1, 28: 0}


def runs(sizes: dict[int, dict], seeds: int = 8) -> pd.DataFrame:
    """A run a size, what is hidden and seed."""
    rows = [
        (str(hides), width, seed, right + seed % 2)
        for width, cells in sizes.items() for hides, right in cells.items() for seed in range(seeds)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["hides", "width", "seed", "held_out_correct"])
    return table.assign(held_out_asked=20)


def test_shares_leads_and_the_numbers_that_nothing_bears():
    outside = {"no operand 9": 5}
    found = share.results(source(runs({56: LARGE | outside, 14: SMALL | outside}, seeds=8)))
    for hides in HIDDEN:
        small, large = (np.mean([(n[hides] + seed % 2) / 20 for seed in range(8)]) for n in (SMALL, LARGE))
        assert list(found.right[hides]) == [14, 56]
        assert [found.right[hides][w].mean for w in (14, 56)] == pytest.approx([small, large])
        lead = found.lead[hides]
        assert (lead.mean, lead.units) == (pytest.approx(small - large), 8) and lead.low <= lead.mean <= lead.high
    assert (found.ahead, found.lost) == ([1, 2, 4, 16], [8, 16, 28])
    assert found.most == pytest.approx(2.5 / 20) and found.word == "too big to think"
    assert list(found.beyond) == ["no operand 9"] and found.beyond["no operand 9"][56].mean == pytest.approx(5.5 / 20)


def test_one_size_and_the_ranges_alone():
    found = share.results(source(runs({14: SMALL})))
    assert found.word == "missing" and found.ahead == [] and found.right[1][14].units == 8
    assert [found.lead[hides].units for hides in HIDDEN] == [0] * 6 and f"{found.lead[1]:points interval}" == "–"
    with pytest.raises(Lacking):
        found.right[1][56]
    ranges = share.results(source(runs({14: {"no result over 15": 3}, 56: {"no result over 15": 3}})))
    assert (ranges.lead, ranges.right, ranges.lost, ranges.most, ranges.word) == ({}, {}, [], None, "missing")
    with pytest.raises(Lacking):
        share.results(source(runs({14: SMALL}).iloc[:0]))
