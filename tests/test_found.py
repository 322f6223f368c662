"""Found, then lost: its words on made-up runs whose answer is known, and how typed findings are shown."""

import json
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pandas as pd
import pytest

from lib.book import chapter, render
from lib.errors import NONE, Lacking
from lib.experiments import found
from lib.stats import words
from lib.stats.estimates import Cells, Count, Estimate
from tests.conftest import source

WIDTHS, SEEDS = (8, 14, 20, 28, 40, 56), range(200, 212)
SIZES = {8: 560, 14: 1_582, 20: 2_980, 28: 5_516, 40: 10_600, 56: 20_440}


def curves(early, late, noise=0.0) -> pd.DataFrame:
    """Runs scored every 100 updates: functions of log2 parameters say how many sums are right, early and late."""
    rng, parts = np.random.default_rng(0), []
    for width in WIDTHS:
        for seed in SEEDS:
            at = np.arange(0, 30_001, 100)
            right = np.where(at <= 1_000, early(np.log2(SIZES[width])), late(np.log2(SIZES[width])))
            right = right + noise * rng.normal() * (at > 0)
            part = pd.DataFrame({"iteration": at, "held_out_correct": np.where(at == 0, 0, right)})
            parts.append(part.assign(
                run=f"{width}-{seed}", width=width, seed=seed, parameters=SIZES[width], part="sizes", held_out_asked=4,
                seen_accuracy=np.minimum(1, at / 2_000),
            ))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def up(x):
    return x / 10


def down(x):
    return 4 - x / 4


@pytest.mark.parametrize(
    ("early", "late", "word"),
    [
        (up, down, found.WORD),
        (down, down, "early later, late keeps less"),
        (up, up, "early sooner, late keeps more"),
        (lambda x: 1.0, lambda x: 1.0, "early unresolved, late unresolved"),
        (lambda x: 1.0 + (x > 14), lambda x: 2.0 - (x > 14) + 2 * (12 < x < 14), "found, then lost, by n56"),
    ],
)
def test_the_word_follows_the_contrasts_and_the_slopes(early, late, word):
    assert found.results(source(curves=curves(early, late))).word == word


def test_numbers_are_those_of_the_curves():
    table = curves(up, down, noise=0.3)
    got = found.results(source(curves=table.sample(frac=1, random_state=0).sort_values(["run", "iteration"])))
    end = table[table["iteration"] == 30_000].pivot(index="seed", columns="width", values="held_out_correct") / 4
    gap = end[56] - end[14]
    assert got.less.mean == pytest.approx(gap.mean()) and got.less.low < gap.mean() < got.less.high
    fitted = [np.polyfit(np.log2(list(SIZES.values())), row, 1)[0] for row in end[list(WIDTHS)].to_numpy()]
    assert got.late_slope.mean == pytest.approx(np.mean(fitted))
    # the interval is at the level of one contrast of two: wider than that of 95 %, by t about 2.59 to 2.20 for 12 runs
    half, error = (got.less.high - got.less.low) / 2, gap.std(ddof=1) / np.sqrt(len(gap))
    assert half / error == pytest.approx(2.59, rel=0.06)
    early = table[table["iteration"].between(100, 1_000) & (table["width"] == 14)]
    assert got.early[14].mean == pytest.approx(early["held_out_correct"].mean() / 4)
    learnt = table[(table["iteration"] == 1_800) & (table["width"] == 28)]  # 90 % of the seen sums, as made up
    assert got.learnt[28].mean == pytest.approx(learnt["held_out_correct"].mean() / 4)


def test_leads_and_peaks():
    got = found.results(source(curves=curves(up, down)))
    x = np.log2(SIZES[14])
    assert got.leads == "100 to 1,000"
    assert got.highest["sizes"][14].mean == got.ended["sizes"][14].mean == pytest.approx(down(x) / 4)
    assert f"{got.highest['stream'][56]:%}" == f"{got.ended['widest'][112]:%}" == "–"  # of which there are no runs
    small = found.peaks(found.over_time(curves(up, down))).set_index("width").loc[14]
    assert small["highest"] == pytest.approx(down(x) / 4) and small["at"] == 1_100 and small["left"] == 1
    assert small["half"] == 100 and small["runs"] == len(SEEDS)


def test_pairs_are_hidden_once_each():
    hidden = [found.hidden(seed) for seed in range(200, 244)]
    assert len(set(hidden)) == 44 and found.hidden(244) == hidden[0] and "5,7" not in hidden


def test_a_size_alone_has_nothing_to_be_compared_with():
    table = curves(up, down)
    alone = found.results(source(curves=table[table["width"] == 14]))
    assert alone.word == "early missing, late missing" and f"{alone.sooner:points interval}" == alone.leads == "–"
    with pytest.raises(Lacking):
        f"{alone.early[56]:%}"
    nothing = pd.DataFrame(columns=["run", "iteration", "part"])  # as `Store.curves` has it
    with pytest.raises(Lacking):
        found.results(source(curves=nothing))
    assert found.over_time(nothing).empty


@dataclass(frozen=True)
class Said:
    word: str
    share: Estimate
    many: Count
    cells: Cells


SHARE = Estimate(0.684, 0.6, 0.75, 9)
SAID = Said("yes", SHARE, Count(0, 80), Cells({14: SHARE}))


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        (
            "{share:%}, {share:% interval}, {share:points interval}.",
            "yes",
            "68 %, 68 % (60 to 75), +68 points (60 to 75).",
        ),
        ("{many}; {cells[14]:%}", "yes", "none of 80; 68 %"),
        ("{share:%}", "no", words.OTHERWISE),
        ("{cells[28]:%}", "yes", NONE),
    ],
)
def test_a_finding_stands_where_its_criterion_holds(monkeypatch, text, word, shown):
    said = []
    monkeypatch.setattr(render, "emit", lambda what, text, metadata=None: said.append(text))
    chapter.show(lambda: chapter.say(chapter.typed(f"\n{text}\n", {"word": word}, SAID)))
    assert said == [shown]


def test_results_are_written_as_json(monkeypatch, tmp_path):
    monkeypatch.setenv(render.DATA, str(tmp_path))
    found = json.loads(render.save_results(replace(SAID, share=Estimate(0.1 + 0.2, nan, 1.0, 3)), "said").read_text())
    assert found["share"] == {"mean": 0.3, "low": None, "high": 1.0, "units": 3}
    assert found["many"] == {"number": 0, "of": 80} and found["cells"]["14"]["units"] == 9 and found["word"] == "yes"


def test_an_estimate_is_written_in_two_ways_only():
    with pytest.raises(ValueError, match=r"not as '\.1f'"):
        format(SHARE, ".1f")
