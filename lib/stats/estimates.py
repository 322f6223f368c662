"""Estimates of the second protocol (book/causes.md): mean shares over units, their differences, and where curves cross.

Notable features:
- an interval is a bootstrap over units, and where all units are 0 or all are 1, the exact one of the share of units
  that are not or are, which contains it;
- a judgement says the word that the rule has for where an interval lies;
- crossings are found in the logarithm of the number of parameters, with all their intervals from one resampling.
"""

from dataclasses import dataclass
from math import inf, nan

import numpy as np
import pandas as pd

from lib.errors import Lacking
from lib.stats import intervals, words

RESAMPLES = 2_000
OUTSIDE = np.log(100.0)  # how far from the sizes that were trained, in log parameters, a crossing is told
STORED = 0.95  # of the lines: what counts as storing them


@dataclass(frozen=True)
class Estimate:
    """A mean over units, or a difference of two, with its interval."""

    mean: float
    low: float
    high: float
    units: int

    def __format__(self, spec: str) -> str:
        """As text: "%" gives "68 %", "points" gives "+53 points", "points interval" gives "+53 points (38 to 66)"."""
        unit, _, more = spec.partition(" ")
        if unit not in ("%", "points") or more not in ("", "interval"):
            raise ValueError(f"an estimate is written as % or points, with or without interval, not as {spec!r}")
        if not self.units:
            return "–"
        text = f"{100 * self.mean:.0f} %" if unit == "%" else f"{100 * self.mean:+z.0f} points"
        return f"{text} ({words.span(self.low, self.high, unit='')})" if more else text


@dataclass(frozen=True)
class Count:
    """How many of some units there are, as text such as "23 of 40" or "none of 80"."""

    number: int
    of: int

    def __format__(self, spec: str) -> str:
        if not self.of:
            return "–"
        return f"{self.number or 'none'} of {self.of}"


class Cells(dict):
    """Values by cell, such as by width; what is asked of a cell that has no runs is `Lacking`."""

    def __missing__(self, key):
        raise Lacking


def share_right(runs: pd.DataFrame) -> pd.Series:
    """The share of the held-out expressions that a run, or an evaluation, has right."""
    return runs["held_out_correct"] / runs["held_out_asked"]


def mean(values, contrasts: int = 1) -> Estimate:
    """The mean of values between 0 and 1, one a unit, with its interval at the level of one among `contrasts`."""
    values, alpha = np.asarray(values, float), intervals.ALPHA / contrasts
    if len(values) == 0:
        return Estimate(nan, nan, nan, 0)
    if values.min() == values.max() and values[0] in (0, 1):
        low, high = intervals.clopper_pearson(values.sum(), len(values), alpha)
    else:
        low, high = intervals.bootstrap(values, alpha=alpha)
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def by_width(runs: pd.DataFrame, values: pd.Series) -> Cells:
    """The mean of values between 0 and 1, one a run, by width; NaN is left out."""
    known = values.dropna()
    return Cells({int(width): mean(each) for width, each in known.groupby(runs["width"].loc[known.index])})


def difference(first, second, contrasts: int = 1) -> Estimate:
    """The first mean less the second, of independent units.

    Where one of them has no variation, their intervals are put together by the squares of their arms (Donner and Zou
    2012, Stat. Methods Med. Res. 21:347), else both are resampled.
    """
    a, b = mean(first, contrasts), mean(second, contrasts)
    apart, units = a.mean - b.mean, min(a.units, b.units)
    if units and min(np.ptp(np.asarray(values, float)) for values in (first, second)) > 0:
        low, high = intervals.bootstrap(first, second, weights=(1, -1), alpha=intervals.ALPHA / contrasts)
        return Estimate(apart, low, high, units)
    low = apart - np.hypot(a.mean - a.low, b.high - b.mean)
    return Estimate(apart, float(low), float(apart + np.hypot(a.high - a.mean, b.mean - b.low)), units)


def judge(estimate: Estimate, over: dict[str, float], under: dict[str, float]) -> str:
    """The word of the first threshold that the whole interval lies over or under; "missing" or "unresolved" else."""
    if estimate.units == 0 or estimate.low != estimate.low:
        return "missing"
    words = [word for word, threshold in over.items() if estimate.low > threshold]
    words += [word for word, threshold in under.items() if estimate.high < threshold]
    return words[0] if words else "unresolved"


def table(runs: pd.DataFrame, by: list[str], values: pd.Series | None = None) -> pd.DataFrame:
    """The mean of values between 0 and 1, one a unit, by group: columns `by`, runs, mean, low, high.

    Parameters
    ----------
    runs : a row a unit.
    values : one for each of them, by its index; `share_right`, the primary outcome, by default. NaN is left out.
    """
    units = runs.assign(value=share_right(runs) if values is None else values).dropna(subset="value")
    rows = []
    for key, cell in units.groupby(by, sort=False, dropna=False):
        found = mean(cell["value"])
        numbers = {"runs": found.units, "mean": found.mean, "low": found.low, "high": found.high}
        rows.append(dict(zip(by, key, strict=True)) | numbers)
    return pd.DataFrame(rows, columns=[*by, "runs", "mean", "low", "high"])


def measured(runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """`table` of every outcome of `words.SHORT`, end to end, with its name in the column `measure`."""
    shares = runs.assign(held_out_correct=share_right(runs))
    return pd.concat([table(runs, by, shares[name]).assign(measure=name) for name in words.SHORT], ignore_index=True)


# Crossings: `x` are increasing numbers of parameters (W,), values (B, W) a resampling a row; the result is (B,)


def half(x: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Where a logistic curve in log x, fitted to shares by maximum likelihood, is one half.

    Newton's method with a slight pull of the slope to 0, so that a step from 1 to 0 has a slope, too. Where the curve
    does not fall, or falls far outside of x, the answer is a hundredth of the least x (if most shares are low), or a
    hundred times the most.
    """
    z = np.log(x) - np.log(x).mean()
    a, b = np.zeros(len(shares)), np.full(len(shares), -1.0)
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(a[:, None] + b[:, None] * z, -30, 30)))
        w, r = p * (1 - p) + 1e-9, shares - p
        g0, g1 = r.sum(1), (r * z).sum(1) - 1e-3 * b
        h00, h01, h11 = w.sum(1), (w * z).sum(1), (w * z * z).sum(1) + 1e-3
        det = h00 * h11 - h01**2
        step0, step1 = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        short = np.minimum(1, 2 / np.maximum(1e-9, np.hypot(step0, step1)))
        a, b = a + short * step0, b + short * step1
    far = np.where(shares.mean(1) > 0.5, np.log(x[-1]) + OUTSIDE, np.log(x[0]) - OUTSIDE)
    at = np.log(x).mean() - a / np.minimum(b, -1e-6)
    inside = (b < 0) & (at > np.log(x[0]) - OUTSIDE) & (at < np.log(x[-1]) + OUTSIDE)
    return np.exp(np.where(inside, at, far))


def crossing(x: np.ndarray, values: np.ndarray, first: bool = False) -> np.ndarray:
    """Where values fall to 0, by interpolation in log x: for good, or with `first` for the first time.

    0 where they are nowhere above, infinity where they do not fall; NaN in values is passed over.
    """
    found = []
    for row in values:
        known = np.flatnonzero(~np.isnan(row))
        above, below = [[i for i in known if (row[i] > 0) == side] for side in (True, False)]
        if first:
            above = [i for i in above if not below or i < below[0]]
        later = [i for i in below if above and i > above[-1]]
        if not above or not later:
            found.append(0.0 if not above else inf)
            continue
        i, j = above[-1], later[0]
        part = 1.0 if row[i] == inf else 0.0 if row[j] == -inf else row[i] / (row[i] - row[j])
        found.append(float(np.exp((1 - part) * np.log(x[i]) + part * np.log(x[j]))))
    return np.array(found)


def resampled(groups: list[np.ndarray], statistic, rng: np.random.RandomState) -> np.ndarray:
    """`statistic` (means or medians along an axis) of each group, (1 + RESAMPLES, W): as it is, then resampled."""
    columns = []
    for values in groups:
        drawn = values[rng.randint(len(values), size=(RESAMPLES, len(values)))]
        columns.append(np.concatenate([[statistic(values, axis=0)], statistic(drawn, axis=1)]))
    return np.stack(columns, axis=1)


def interval(samples: np.ndarray, contrasts: int = 1) -> Estimate:
    """The first of resampled values with the percentiles of the others, at the level of one among `contrasts`."""
    known = samples[1:][~np.isnan(samples[1:])]
    alpha = intervals.ALPHA / contrasts
    low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2], method="nearest") if len(known) else (nan, nan)
    return Estimate(float(samples[0]), float(low), float(high), len(known))
