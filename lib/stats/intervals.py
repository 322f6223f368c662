"""Statistics: intervals and tests over training runs.

Notable features:
- the unit is the training run; whatever is averaged inside a run is one number here;
- a share of runs has a Clopper-Pearson interval and a mean score a bootstrap interval, wherever printed or drawn;
- pure functions of numbers, arrays and tables; random resampling has one seed.
"""

from math import floor, nan
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import contingency_tables, multitest, proportion

ALPHA = 0.05  # of every interval and test: 95 % confidence
RESAMPLES = 9_999


class Interval(NamedTuple):
    """A lower and an upper bound: numbers, or arrays of them."""

    low: float
    high: float


# Intervals


def clopper_pearson(successes, runs, alpha=ALPHA):
    """Exact interval of a share of runs, never below nominal coverage (Clopper and Pearson 1934, Biometrika 26:404)."""
    return Interval(*proportion.proportion_confint(successes, runs, alpha=alpha, method="beta"))


def unseen(runs):
    """The largest share of runs that could differ from all these, which are alike (Clopper-Pearson, none of `runs`)."""
    return float(clopper_pearson(0, runs).high)


def newcombe(successes, runs, other_successes, other_runs):
    """Interval of a difference of shares, the first less the other (Newcombe 1998, Stat. Med. 17:873, method 10)."""
    counts = (successes, runs, other_successes, other_runs)
    low, high = proportion.confint_proportions_2indep(*counts, alpha=ALPHA, compare="diff", method="newcomb")
    return Interval(float(low), float(high))


def bootstrap(*strata, weights=None, alpha=ALPHA):
    """Stratified bootstrap interval of a weighted sum of means: their average, or a difference with weights (1, -1).

    Each stratum holds one number a run; runs are resampled within each (Agarwal et al. 2021, arXiv:2108.13264). Plain
    percentiles are too narrow for a few runs, so they are expanded from alpha/2 to Phi(-sqrt(n/(n-1)) t(alpha/2, n-1)),
    n the size of the smallest stratum (Hesterberg 2015, Am. Stat. 69:371). The same scores give the same interval in
    any order. NaN where a stratum has fewer than two runs: one run shows no variation.
    """
    samples = [np.sort(np.asarray(stratum, float)) for stratum in strata]
    weights = np.full(len(samples), 1 / len(samples)) if weights is None else weights
    n = min(map(len, samples))
    if n < 2:
        return Interval(nan, nan)
    level = 1 - 2 * stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.isf(alpha / 2, n - 1))
    found = stats.bootstrap(
        samples,
        lambda *drawn, axis=-1: sum(w * scores.mean(axis=axis) for w, scores in zip(weights, drawn, strict=True)),
        confidence_level=level,
        method="percentile",
        n_resamples=RESAMPLES,
        rng=0,
    )
    return Interval(*np.round(found.confidence_interval, 12).tolist())  # the mean of equal scores is that score


def predict_score(scores, bounds=(0, 1)):
    """Prediction interval for the score of one further run.

    From 39 runs on, the order statistics j and n+1-j, which cover (n+1-2j)/(n+1) whatever the distribution; with fewer,
    mean -+ t(alpha/2, n-1) s sqrt(1 + 1/n), which assumes a normal one, cut at `bounds` (both: Hahn and Meeker 1991,
    Statistical Intervals). NaN with fewer than two runs.
    """
    scores = np.sort(np.asarray(scores, float))
    n = len(scores)
    if n < 2:
        return Interval(nan, nan)
    j = floor((n + 1) * ALPHA / 2)
    if j >= 1:
        return Interval(float(scores[j - 1]), float(scores[n - j]))
    half = stats.t.isf(ALPHA / 2, n - 1) * scores.std(ddof=1) * np.sqrt(1 + 1 / n)
    return Interval(*np.clip(np.round([scores.mean() - half, scores.mean() + half], 12), *bounds).tolist())


# Tests: each returns a two-sided p value


def cochran_armitage(successes, runs, parameters):
    """Trend of the share of successes over log parameters (Cochran 1954, Biometrics 10:417; Armitage 1955, 11:375).

    statsmodels has the linear-by-linear statistic, whose variance divides by N - 1, and adds 1/2 to every cell when one
    is empty; the classical statistic divides by N and adds nothing. Returns (z, p): z is negative where larger models
    succeed less often, and NaN, with p = 1, where all runs or none succeed.
    """
    successes, runs = np.asarray(successes, float), np.asarray(runs, float)
    if successes.sum() in (0, runs.sum()):
        return nan, 1.0
    table = contingency_tables.Table(np.column_stack([runs - successes, successes]), shift_zeros=False)
    mantel = table.test_ordinal_association(row_scores=np.log(parameters), col_scores=np.array([0, 1])).zscore
    z = float(mantel * np.sqrt(runs.sum() / (runs.sum() - 1)))
    return z, float(2 * stats.norm.sf(abs(z)))


def fisher(successes, runs, other_successes, other_runs):
    """Fisher's exact test of two shares (scipy.stats.fisher_exact)."""
    table = [[successes, runs - successes], [other_successes, other_runs - other_successes]]
    return float(stats.fisher_exact(table).pvalue)


def mcnemar(first, second):
    """Exact McNemar test of paired runs: binomial on the discordant pairs (statsmodels' mcnemar).

    `first` and `second` are Series of successes indexed by seed; a seed that lacks one of the two is left out. Returns
    (pairs, only_first, only_second, p), the middle ones being the discordant pairs.
    """
    pairs = pd.concat([first, second], axis=1).dropna().astype(bool).to_numpy()
    only_first, only_second = ((pairs == order).all(axis=1).sum() for order in ([True, False], [False, True]))
    p = contingency_tables.mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue
    return len(pairs), int(only_first), int(only_second), float(p)


def permutation(first, second):
    """Permutation test of the difference of two mean scores: exact where RESAMPLES relabellings list them all.

    NaN where one of them is of a single run.
    """
    if min(len(first), len(second)) < 2:
        return float("nan")
    found = stats.permutation_test(
        (np.sort(np.asarray(first, float)), np.sort(np.asarray(second, float))),
        lambda a, b, axis=-1: a.mean(axis=axis) - b.mean(axis=axis),
        n_resamples=RESAMPLES,
        rng=0,
    )
    return float(found.pvalue)


def holm(p_values):
    """P values adjusted over their family (Holm 1979, Scand. J. Stat. 6:65), as a Series in the order given.

    A NaN is a test that could not be made: it stays NaN, and still counts in the size of the family.
    """
    p_values = pd.Series(p_values, dtype=float)
    adjusted = multitest.multipletests(p_values.fillna(1.0), method="holm")[1]
    return pd.Series(adjusted, index=p_values.index).where(p_values.notna())


# Tables


def shares(table, by, success):
    """Count the runs with `success` in each group of a table of runs, a row a group.

    Columns: those of `by`, runs, successes, share, low, high (Clopper-Pearson). An empty `success` is not counted: give
    a run that failed by its own fault, such as one that diverged, a False.
    """
    groups = table.dropna(subset=[success]).astype({success: float}).groupby(by, as_index=False, observed=True)
    rows = groups.agg(runs=(success, "size"), successes=(success, "sum")).astype({"successes": int})
    exact = clopper_pearson(rows.successes, rows.runs)
    return rows.assign(share=rows.successes / rows.runs, low=exact.low, high=exact.high)


def means(table, by, score):
    """Average `score` in each group of a table of runs. Columns: those of `by`, runs, mean, low, high (bootstrap)."""
    groups = table.dropna(subset=[score]).groupby(by, observed=True)[score]
    rows = groups.agg(runs="size", mean="mean").reset_index()
    intervals = [bootstrap(values) for _, values in groups]
    return rows.assign(low=[i.low for i in intervals], high=[i.high for i in intervals])
