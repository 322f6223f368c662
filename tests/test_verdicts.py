"""Verdicts by their registered thresholds; every bound here comes from a closed form or a simulation."""

from math import log, nan

import numpy as np
import pytest

from lib.stats import intervals, rules
from lib.stats.intervals import Interval
from lib.stats.rules import Verdict


@pytest.mark.parametrize(
    ("claim", "successes", "runs", "verdict"),
    [  # 0.025^(1/5) = 0.478, 0.025^(1/6) = 0.541; 1 - 0.025^(1/35) = 0.1000 (above), 1 - 0.025^(1/36) = 0.0974
        ("extrapolates", 5, 5, "unresolved"),
        ("extrapolates", 6, 6, "replicated"),
        ("extrapolates", 0, 5, "unresolved"),
        ("extrapolates", 0, 6, "not replicated"),
        ("extrapolates", 50, 100, "unresolved"),
        ("does not extrapolate", 0, 20, "unresolved"),
        ("does not extrapolate", 0, 35, "unresolved"),
        ("does not extrapolate", 0, 36, "replicated"),
        ("does not extrapolate", 4, 100, "replicated"),  # Clopper-Pearson 0.0110 to 0.0993
        ("does not extrapolate", 5, 100, "unresolved"),  # 0.0164 to 0.1128
        ("does not extrapolate", 2, 2, "not replicated"),  # sqrt(0.025) = 0.158
        ("does not extrapolate", 1, 1, "unresolved"),  # 0.025
        ("extrapolates", 0, 0, "missing"),
    ],
)
def test_judge_share(claim, successes, runs, verdict):
    assert rules.judge_share(claim, successes, runs).verdict == verdict


def test_a_verdict_carries_its_interval():
    verdict = rules.judge_share("does not extrapolate", 0, 20)
    expected = Verdict("unresolved", 0, 0, pytest.approx(0.1684, abs=5e-5), 20, "Clopper-Pearson")
    assert verdict == expected


@pytest.mark.parametrize(
    ("claim", "scores", "verdict"),
    [  # two runs reach from one to the other
        ("cannot recall", [0.05, 0.24], "replicated"),
        ("cannot recall", [0.05, 0.26], "unresolved"),
        ("cannot recall", [0.26, 0.40], "not replicated"),
        ("recalls", [0.96, 1.0], "replicated"),
        ("recalls", [0.94, 1.0], "unresolved"),
        ("recalls", [0.10, 0.90], "not replicated"),
        ("recalls", [0.95, 0.95, 0.95], "unresolved"),  # at the threshold is not over it
        ("recalls", [1.0], "unresolved"),
        ("recalls", [], "missing"),
    ],
)
def test_judge_mean(claim, scores, verdict):
    assert rules.judge_mean(claim, scores).verdict == verdict


def test_judge_mean_says_when_the_interval_says_little():
    assert "no interval" in rules.judge_mean("recalls", [1.0]).note


@pytest.mark.parametrize("scores", [[98, 100], [0.5, nan], [-0.1, 0.5]])
def test_judge_mean_refuses_what_is_not_a_share(scores):
    with pytest.raises(ValueError, match="between 0 and 1"):
        rules.judge_mean("recalls", scores)


@pytest.mark.parametrize(
    ("interval", "adjusted_p", "runs", "verdict"),
    [
        (Interval(0.5, 0.9), 0.01, 40, "replicated"),
        (Interval(0.5, 0.9), 0.05, 40, "unresolved"),
        (Interval(0.5, 0.9), nan, 40, "unresolved"),
        (Interval(0.4, 0.9), 0.01, 40, "unresolved"),
        (Interval(0.1, 0.4), 0.01, 40, "not replicated"),
        (Interval(nan, nan), 0.01, 2, "unresolved"),
        (Interval(nan, nan), nan, 0, "missing"),
    ],
)
def test_trade_off(interval, adjusted_p, runs, verdict):
    assert rules.trade_off(0.7, interval, adjusted_p=adjusted_p, runs=runs, method="Newcombe").verdict == verdict


SUCCEEDED, FAILED = Interval(0.6, 1.0), Interval(0.0, 0.4)
LEARNED, NOT_LEARNED = Interval(0.96, 1.0), Interval(0.94, 1.0)


@pytest.mark.parametrize(
    ("alone", "seen", "verdict"),
    [
        (SUCCEEDED, LEARNED, "replicated"),
        (FAILED, LEARNED, "uninformative"),
        (SUCCEEDED, NOT_LEARNED, "uninformative"),
        (Interval(0.4, 0.6), LEARNED, "replicated"),
        (None, LEARNED, "missing"),
        (SUCCEEDED, None, "missing"),
    ],
)
def test_joint(alone, seen, verdict):
    single = rules.judge_share("does not extrapolate", 0, 40)
    found = rules.joint(single, alone, seen)
    assert found.verdict == verdict
    assert found.note.endswith("otherwise replicated") == (verdict == "uninformative")
    assert (found.low, found.high, found.runs) == (single.low, single.high, single.runs)


def test_joint_without_joint_runs():
    assert rules.joint(Verdict("missing"), SUCCEEDED, LEARNED).verdict == "missing"


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        (["replicated", "replicated"], "replicated"),
        (["replicated", "uninformative"], "uninformative"),
        (["unresolved", "uninformative"], "unresolved"),
        (["unresolved", "missing"], "missing"),
        (["not replicated", "missing"], "not replicated"),
        ([], "missing"),
    ],
)
def test_overall(cells, verdict):
    assert rules.overall(map(Verdict, cells)) == verdict


def test_runs_needed():
    assert rules.runs_needed("extrapolates") == int(log(0.025) / log(0.5)) + 1 == 6
    assert rules.runs_needed("does not extrapolate") == int(log(0.025) / log(0.9)) + 1 == 36
    assert rules.runs_needed("does not extrapolate", exceptions=4) == 100  # 4 of 100: upper bound 0.0993


# Several looks


@pytest.mark.parametrize(("claim", "share"), [("extrapolates", 0.5), ("does not extrapolate", 0.1)])
def test_errors_of_repeated_looks_by_simulation(claim, share):
    looks, drawn = (20, 40, 100), np.random.default_rng(7).random((40_000, 100)) < share
    found_at = {n: [rules.decide(claim, intervals.clopper_pearson(k, n)) for k in range(n + 1)] for n in looks}
    first = []
    for counts in np.stack([drawn[:, :n].sum(1) for n in looks], 1):
        found = [found_at[n][k] for n, k in zip(looks, counts, strict=True)]
        first.append(next((v for v in found if v != "unresolved"), "unresolved"))
    worst = max(np.mean([v == side for v in first]) for side in ("replicated", "not replicated"))
    assert rules.repeated_looks(claim, looks) == pytest.approx(worst, abs=0.004)  # four standard errors


def test_one_look_errs_as_the_interval_does():
    # at a half of 20 runs, "replicated" takes 15: P(X >= 15) = 21,700 / 2^20
    assert rules.repeated_looks("extrapolates", [20]) == pytest.approx(21_700 / 2**20)


def test_runs_for_a_verdict():
    assert rules.runs_at("does not extrapolate", 0.0) == rules.runs_needed("does not extrapolate") == 36
    assert rules.runs_at("extrapolates", 0.5) is None
    at = rules.runs_at("extrapolates", 0.6)  # near (1.96 / 0.1)^2 / 4 = 96 by the normal approximation
    assert 80 < at < 130
