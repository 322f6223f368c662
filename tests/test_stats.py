"""Every number here comes from a publication, from documentation or from a closed form; none from lib.stats."""

from math import exp, isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest

from lib.stats import intervals


def close(interval, low, high, tolerance):
    assert tuple(interval) == pytest.approx((low, high), abs=tolerance)


# Intervals


def test_clopper_pearson_closed_form_without_failures_or_successes():
    close(intervals.clopper_pearson(0, 20), 0, 1 - 0.025 ** (1 / 20), 1e-12)
    close(intervals.clopper_pearson(20, 20), 0.025 ** (1 / 20), 1, 1e-12)
    close(intervals.clopper_pearson(1, 1), 0.025, 1, 1e-12)  # one published success
    close(intervals.clopper_pearson(0, 3), 0, 0.7076, 5e-5)  # three published failures


@pytest.mark.parametrize(
    ("successes", "runs", "exact"),
    [  # Newcombe 1998, Stat. Med. 17:857, table I, method 5
        (81, 263, (0.2527, 0.3676)),
        (15, 148, (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1684)),
        (1, 29, (0.0009, 0.1776)),
    ],
)
def test_intervals_of_a_share(successes, runs, exact):
    close(intervals.clopper_pearson(successes, runs), *exact, 5e-5)


def test_largest_share_not_seen():
    assert intervals.unseen(6) == pytest.approx(1 - 0.025 ** (1 / 6))


def test_newcombe():
    close(
        intervals.newcombe(56, 70, 48, 80), 0.0524, 0.3339, 5e-5
    )  # Newcombe 1998, Stat. Med. 17:873, table II, method 10
    close(intervals.newcombe(9, 10, 3, 10), 0.1705, 0.8090, 5e-5)
    low, upper = 20 / (20 + 1.959964**2), 1.959964**2 / (20 + 1.959964**2)  # Wilson bounds of 20/20 and 0/20
    close(intervals.newcombe(20, 20, 0, 20), 1 - sqrt((1 - low) ** 2 + upper**2), 1, 1e-6)


def test_bootstrap_of_a_symmetric_sample_matches_the_t_interval():
    # Hesterberg's expansion is made for this; t(0.025, 19) = 2.093 and t(0.025, 9) = 2.262 are from the table
    for n, t in ((20, 2.093), (10, 2.262)):
        scores = np.linspace(-1, 1, n)
        s = sqrt(n * (n + 1) / 3 / (n - 1) ** 2)  # of n equally spaced points on [-1, 1], divisor n - 1
        close(intervals.bootstrap(scores), -t * s / sqrt(n), t * s / sqrt(n), 0.03)


def test_bootstrap_of_two_runs_reaches_both():
    # t(0.025, 1) = 12.7: the expanded percentiles are the ends of the four resamples {a, a}, {a, b}, {b, a}, {b, b}
    assert intervals.bootstrap([0.2, 0.6]) == (0.2, 0.6)
    assert intervals.bootstrap([0.2, 0.6], [0.0, 0.2]) == (0.1, 0.4)  # equal weights over strata of equal worth
    assert intervals.bootstrap([0.2, 0.6], [0.0, 0.2], weights=(1, -1)) == (0.0, 0.6)


def test_bootstrap_resamples_within_strata():
    # Strata without variation leave none, however far apart they lie; pooled resampling would
    assert intervals.bootstrap([0.1] * 8, [0.9] * 5) == (0.5, 0.5)


def test_bootstrap_is_deterministic_and_needs_two_runs():
    scores = np.linspace(0, 1, 12) ** 2
    assert intervals.bootstrap(scores) == intervals.bootstrap(scores)
    assert all(map(isnan, intervals.bootstrap([0.5])))


def test_predict_score_of_a_few_runs():
    # Montgomery and Runger, Applied Statistics and Probability for Engineers, examples 8-4 and 8-8: 6.16 to 21.26
    loads = [
        19.8,
        10.1,
        14.9,
        7.5,
        15.4,
        15.4,
        15.4,
        18.5,
        7.9,
        12.7,
        11.9,
        11.4,
        11.4,
        14.1,
        17.6,
        16.7,
        15.8,
        19.5,
        8.8,
    ]
    close(intervals.predict_score([*loads, 13.6, 11.9, 11.4], bounds=(-np.inf, np.inf)), 6.16, 21.26, 0.015)
    assert intervals.predict_score([0.9, 1.0]) == (0, 1)  # cut to what a share can be
    assert intervals.predict_score([0.98] * 5) == (0.98, 0.98)
    assert all(map(isnan, intervals.predict_score([0.98])))


def test_predict_score_of_many_runs_is_an_order_statistic():
    # (n - 1) / (n + 1) = 0.95 at n = 39; (n - 3) / (n + 1) = 0.95 at n = 79
    assert intervals.predict_score(np.arange(39)[::-1], bounds=(0, 100)) == (0, 38)
    assert intervals.predict_score(np.arange(79), bounds=(0, 100)) == (1, 77)


# Tests


@pytest.mark.parametrize(
    ("scores", "chi_square", "p"),
    [((1, 2, 3, 4), 8.2249, 0.004132), ((0, 0, 0, 1), 12.173, 0.0004848)],
)
def test_cochran_armitage_smokers(scores, chi_square, p):
    # R's documentation of prop.trend.test, data of Fleiss 1981, p. 139; the scores are logarithms of "parameters"
    z, found = intervals.cochran_armitage([83, 90, 129, 70], [86, 93, 136, 82], np.exp(scores))
    assert z < 0
    assert (z**2, found) == (pytest.approx(chi_square, rel=5e-5), pytest.approx(p, rel=2e-4))


def test_cochran_armitage_against_other_publications():
    z, _ = intervals.cochran_armitage(
        [320, 1206, 1011, 463, 220], [1742, 5638, 3904, 1555, 626], np.exp([1, 2, 3, 4, 5])
    )
    assert z > 0
    assert z**2 == pytest.approx(129.01, abs=0.005)  # Rosner, Fundamentals of Biostatistics: age at first birth
    # Tests of the R package CATTexact, one-sided; an empty cell and unequal doses
    _, p = intervals.cochran_armitage([3, 13, 16], [48, 50, 52], [1, exp(10 / 35), exp(1)])
    assert p / 2 == pytest.approx(0.004, abs=5e-4)
    _, p = intervals.cochran_armitage([0, 2, 1, 1], [51] * 4, np.exp(np.array([0, 85.5, 285.2, 1077.4]) / 100))
    assert p / 2 == pytest.approx(0.460, abs=5e-4)


def test_cochran_armitage_of_two_sizes_is_the_chi_square_of_the_table():
    # 20 of 20 against 0 of 20: Pearson's chi-square without correction is N = 40, whatever the sizes
    z, _ = intervals.cochran_armitage([20, 0], [20, 20], [1582, 5516])
    assert z == pytest.approx(-sqrt(40))


def test_cochran_armitage_depends_on_log_parameters():
    args = ([18, 9, 2], [20, 20, 20])
    assert intervals.cochran_armitage(*args, [10, 100, 1000]) == pytest.approx(
        intervals.cochran_armitage(*args, [3, 6, 12])
    )


@pytest.mark.parametrize("successes", [[0, 0, 0], [5, 5, 5]])
def test_cochran_armitage_without_variation(successes):
    z, p = intervals.cochran_armitage(successes, [5, 5, 5], [1, 2, 3])
    assert isnan(z)
    assert p == 1


def test_fisher():
    assert intervals.fisher(3, 4, 1, 4) == pytest.approx(
        34 / 70
    )  # the lady tasting tea: (1 + 16 + 16 + 1) of 70 tables
    assert intervals.fisher(2, 12, 15, 18) == pytest.approx(
        0.0005367, rel=1e-4
    )  # R's documentation of fisher.test: convictions of twins
    assert intervals.fisher(6, 8, 1, 5) == intervals.fisher(1, 5, 6, 8)


def test_mcnemar():
    # Vignette of the R package exact2x2: 21 both, 2 and 9 discordant, 12 neither; p = 0.06543 = 2 (1 + 11 + 55) / 2^11
    first = pd.Series([1] * 21 + [1] * 2 + [0] * 9 + [0] * 12)
    second = pd.Series([1] * 21 + [0] * 2 + [1] * 9 + [0] * 12)
    assert intervals.mcnemar(first, second) == (44, 2, 9, pytest.approx(134 / 2**11))
    assert intervals.mcnemar(first, first) == (44, 0, 0, 1)


def test_mcnemar_pairs_by_seed():
    first = pd.Series([True, True, False], index=[1, 2, 3])
    second = pd.Series([False, True, True], index=[3, 2, 4])  # in another order, seed 1 missing, seed 4 alone
    assert intervals.mcnemar(first, second) == (2, 0, 0, 1)
    assert intervals.mcnemar(first, second.where(second.index != 3)) == (1, 0, 0, 1)


def test_permutation_is_exact_for_a_few_runs():
    assert intervals.permutation([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(
        2 / 252
    )  # 2 of the 10 over 5 relabellings
    assert intervals.permutation([0.5] * 5, [0.5] * 5) == 1


def test_bootstrap_and_permutation_do_not_depend_on_the_order_of_the_runs():
    scores, others = [0.1, 0.5, 0.2, 0.9, 0.4, 0.3], [0.0, 0.1, 0.3, 0.2, 0.15, 0.12]
    assert intervals.bootstrap(scores) == intervals.bootstrap(scores[::-1])
    many = [*scores, *others]  # too many relabellings to list
    assert intervals.permutation(many, scores) == intervals.permutation(many[::-1], scores[::-1])


def test_holm():
    # The worked example of Wikipedia's article: only the smallest two are significant at 0.05
    found = intervals.holm({"h1": 0.01, "h2": 0.04, "h3": 0.03, "h4": 0.005})
    assert found.to_dict() == pytest.approx({"h1": 0.03, "h2": 0.06, "h3": 0.06, "h4": 0.02})


def test_holm_counts_the_tests_that_are_missing():
    assert intervals.holm([0.01, nan, nan]).tolist() == pytest.approx([0.03, nan, nan], nan_ok=True)


# Tables

RUNS = pd.DataFrame(
    {
        "task": "arithmetic",
        "width": [28] * 3 + [14] * 21,
        "success": [False, False, None] + [True] * 20 + [False],
        "score": [0.2, 0.6, nan] + [1.0] * 21,
    }
)


def test_shares():
    table = intervals.shares(RUNS, ["task", "width"], "success").set_index("width")
    assert table.loc[14, ["runs", "successes", "share"]].tolist() == [21, 20, pytest.approx(20 / 21)]
    assert table.loc[28, ["runs", "successes", "share"]].tolist() == [2, 0, 0]  # the empty outcome is not a failure
    assert table.loc[28, ["low", "high"]].tolist() == pytest.approx([0, 1 - sqrt(0.025)])


def test_means():
    table = intervals.means(RUNS, "width", "score")
    assert table.to_dict("list") == {
        "width": [14, 28],
        "runs": [21, 2],
        "mean": [1, 0.4],
        "low": [1, 0.2],
        "high": [1, 0.6],
    }
