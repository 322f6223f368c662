"""Statistics: intervals, tests and verdicts over training runs.

Notable features:
- the unit is the training run; whatever is averaged inside a run is one number here;
- a share of runs has a Clopper-Pearson interval and a mean score a bootstrap interval, wherever printed or drawn;
- a verdict carries the interval that decided it;
- pure functions of numbers, arrays and tables; random resampling has one seed.
"""

from dataclasses import dataclass, replace
from itertools import count
from math import floor, nan
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import contingency_tables, multitest, proportion

ALPHA = 0.05  # of every interval and test: 95 % confidence
RESAMPLES = 9_999
# Each claim about a size: the threshold that the whole interval must pass, and whether it must lie above or below it.
CLAIMS = {
    "extrapolates": (0.50, "above"),  # share of runs
    "does not extrapolate": (0.10, "below"),  # share of runs
    "recalls": (0.95, "above"),  # mean share of the facts
    "cannot recall": (0.25, "below"),  # mean share of the facts
}
GAP = 0.5  # the least difference between sizes that is called a trade-off
FAILED = 0.5  # a size failed alone when its upper bound is under this
LEARNED = 0.95  # a size has learned the seen items when the lower bound of its mean accuracy is over this
VERDICTS = ("not replicated", "missing", "unresolved", "uninformative", "replicated")  # of several, the first one wins


class Interval(NamedTuple):
    """A lower and an upper bound: numbers, or arrays of them."""

    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """One of VERDICTS, and on what it rests: the estimate, its interval, the runs and the method of the interval."""

    verdict: str
    estimate: float = nan
    low: float = nan
    high: float = nan
    runs: int = 0
    method: str = ""
    note: str = ""


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


def predict_success(successes, runs):
    """Prediction interval for the outcome of one further run: (0, 0) failure, (1, 1) success, or (0, 1) either.

    The number of successes in m further runs is beta-binomial, BetaBin(m, successes + 1/2, runs - successes + 1/2): the
    posterior of the Jeffreys prior, integrated over the share. One further run succeeds with probability
    (successes + 1/2) / (runs + 1); the interval leaves at most 2.5 % out on either side.
    """
    return Interval(*map(int, stats.bernoulli((successes + 0.5) / (runs + 1)).interval(1 - ALPHA)))


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
    """Permutation test of the difference of two mean scores: exact where RESAMPLES relabellings list them all."""
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


# Verdicts


def decide(claim, interval):
    """'replicated' if the interval is beyond the threshold, 'not replicated' if short of it, else 'unresolved'."""
    threshold, side = CLAIMS[claim]
    over, under = interval.low > threshold, interval.high < threshold
    replicated, refuted = (over, under) if side == "above" else (under, over)
    return "replicated" if replicated else "not replicated" if refuted else "unresolved"


def judge_share(claim, successes, runs):
    """Verdict on a claim about the share of runs that extrapolate: a key of CLAIMS, the successes and the runs."""
    if runs == 0:
        return Verdict("missing")
    interval = clopper_pearson(successes, runs)
    low, high = float(interval.low), float(interval.high)
    return Verdict(decide(claim, interval), float(successes / runs), low, high, int(runs), "Clopper-Pearson")


def judge_mean(claim, scores):
    """Verdict on a claim about the mean recall: a key of CLAIMS and the share of the facts (0 to 1) of each run."""
    scores = np.asarray(scores, float)
    if len(scores) == 0:
        return Verdict("missing")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must be shares between 0 and 1, without NaN")
    interval, note = bootstrap(scores), ""
    if len(scores) == 1:
        note = "one run shows no variation: no interval"
    verdict = decide(claim, interval)
    return Verdict(verdict, float(scores.mean()), interval.low, interval.high, len(scores), "bootstrap", note)


def trade_off(difference, interval, adjusted_p, runs, method):
    """'The sizes differ by at least 0.5': lower bound 0.5 or more and adjusted p under 0.05; refuted by an upper below.

    `interval` is of the difference: `newcombe` for shares of runs, `bootstrap` with weights (1, -1) for mean scores;
    `adjusted_p` is what `holm`, over the whole primary family, made of `fisher` or `permutation`.
    """
    if runs == 0:
        return Verdict("missing")
    note = f"Holm-adjusted p = {adjusted_p:.2g}"
    replicated = interval.low >= GAP and adjusted_p < ALPHA
    verdict = "replicated" if replicated else "not replicated" if interval.high < GAP else "unresolved"
    return Verdict(verdict, difference, interval.low, interval.high, runs, method, note)


def joint(verdict, alone, seen):
    """Verdict on joint training: that on the joint runs, unless joint training had nothing to spoil.

    `verdict` is on the joint runs, from `judge_share` or `judge_mean`; `alone` is the interval of the same outcome when
    the size is trained on the single task, `seen` that of the mean accuracy of the joint runs on the seen items, and
    either is None where there are no such runs. 'uninformative' is said where the size failed alone or is not shown to
    have learned the seen items; the note then has the verdict that stands behind it.
    """
    if verdict.verdict == "missing" or alone is None or seen is None:
        return replace(verdict, verdict="missing")
    failed, learned = alone.high < FAILED, seen.low > LEARNED
    if learned and not failed:
        return verdict
    reason = "failed alone" if failed else "seen sums not learnt"
    return replace(verdict, verdict="uninformative", note=f"{reason}; otherwise {verdict.verdict}")


def overall(verdicts):
    """The verdict on a claim about every cell: of those of the cells, the one that comes first in VERDICTS.

    A claim replicated in every cell needs no correction for their number: an intersection-union test (Casella and
    Berger 2001, Statistical Inference, section 8.3).
    """
    found = {verdict.verdict for verdict in verdicts} or {"missing"}
    return next(word for word in VERDICTS if word in found)


def runs_needed(claim, exceptions=0):
    """The fewest runs with which a claim about a share can be replicated when this many runs are exceptions to it.

    Without exceptions, 'extrapolates' needs 6 runs, the least n with 0.025^(1/n) > 0.5, and 'does not extrapolate' 36,
    the least with 1 - 0.025^(1/n) < 0.10: after 20 runs without a success the upper bound is still 0.168.
    """
    for runs in count(exceptions + 1):
        successes = runs - exceptions if CLAIMS[claim][1] == "above" else exceptions
        if decide(claim, clopper_pearson(successes, runs)) == "replicated":
            return runs


def runs_at(claim, share):
    """About how many runs a claim takes for a verdict if this share of them succeeds; None if over 10,000."""
    for runs in range(1, 10_001):
        if decide(claim, clopper_pearson(round(share * runs), runs)) != "unresolved":
            return runs
    return None


def repeated_looks(claim, looks):
    """How often a verdict on a share errs when it is asked for at several numbers of runs, and the first answer stands.

    The true share lies at the threshold of the claim, where a verdict to either side is an error; the counts are
    followed exactly from look to look.

    Parameters
    ----------
    claim : a key of CLAIMS with a threshold for a share of runs.
    looks : numbers of runs, increasing.

    Returns
    -------
    The larger of the probabilities of 'replicated' and of 'not replicated'.
    """
    share, ended = CLAIMS[claim][0], {"replicated": 0.0, "not replicated": 0.0}
    still, before = np.ones(1), 0  # probability of each number of successes, given no verdict so far
    for runs in looks:
        still = np.convolve(still, stats.binom.pmf(np.arange(runs - before + 1), runs - before, share))
        before = runs
        verdicts = [decide(claim, clopper_pearson(successes, runs)) for successes in range(runs + 1)]
        for verdict in ended:
            ended[verdict] += still[[v == verdict for v in verdicts]].sum()
        still[[v in ended for v in verdicts]] = 0
    return float(max(ended.values()))
