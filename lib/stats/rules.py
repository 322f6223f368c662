"""Verdicts: the registered rules that judge a claim by the interval of its estimate (book/protocol.md).

A verdict carries the interval that decided it. `claims` says which claim is judged by which rule.
"""

from dataclasses import dataclass, replace
from itertools import count
from math import nan

import numpy as np
from scipy.stats import binom

from lib.stats import intervals

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
    interval = intervals.clopper_pearson(successes, runs)
    low, high = float(interval.low), float(interval.high)
    return Verdict(decide(claim, interval), float(successes / runs), low, high, int(runs), "Clopper-Pearson")


def judge_mean(claim, scores):
    """Verdict on a claim about the mean recall: a key of CLAIMS and the share of the facts (0 to 1) of each run."""
    scores = np.asarray(scores, float)
    if len(scores) == 0:
        return Verdict("missing")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must be shares between 0 and 1, without NaN")
    interval, note = intervals.bootstrap(scores), ""
    if len(scores) == 1:
        note = "one run shows no variation: no interval"
    verdict = decide(claim, interval)
    return Verdict(verdict, float(scores.mean()), interval.low, interval.high, len(scores), "bootstrap", note)


def trade_off(difference, interval, *, adjusted_p, runs, method):
    """'The sizes differ by at least 0.5': lower bound 0.5 or more and adjusted p under 0.05; refuted by an upper below.

    `interval` is of the difference: `stats.newcombe` for shares of runs, `stats.bootstrap` with weights (1, -1) for
    mean scores; `adjusted_p` is what `stats.holm`, over the whole primary family, made of `stats.fisher` or
    `stats.permutation`.
    """
    if runs == 0:
        return Verdict("missing")
    replicated = interval.low >= GAP and adjusted_p < intervals.ALPHA
    verdict = "replicated" if replicated else "not replicated" if interval.high < GAP else "unresolved"
    return Verdict(verdict, difference, interval.low, interval.high, runs, method)


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
        if decide(claim, intervals.clopper_pearson(successes, runs)) == "replicated":
            return runs


def runs_at(claim, share):
    """About how many runs a claim takes for a verdict if this share of them succeeds; None if over 10,000."""
    for runs in range(1, 10_001):
        if decide(claim, intervals.clopper_pearson(round(share * runs), runs)) != "unresolved":
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
        still = np.convolve(still, binom.pmf(np.arange(runs - before + 1), runs - before, share))
        before = runs
        verdicts = [decide(claim, intervals.clopper_pearson(successes, runs)) for successes in range(runs + 1)]
        for verdict in ended:
            ended[verdict] += still[[v == verdict for v in verdicts]].sum()
        still[[v in ended for v in verdicts]] = 0
    return float(max(ended.values()))
