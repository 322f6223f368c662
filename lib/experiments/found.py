"""Found, then lost: do larger sizes find the hidden sums after fewer updates, and have they lost them at the end?"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import sweep as sweeps
from lib.errors import some
from lib.experiments import Source
from lib.experiments.pairs import PAIRS
from lib.run import Run
from lib.stats import estimates, intervals, words
from lib.stats.estimates import Cells, Estimate

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["part", "width"]
STAGED = "part"
FIRST = 200  # the first seed
PARTS: dict[str, dict] = {  # the registered widths and seeds a cell, and what a part changes
    "sizes": {"widths": (8, 14, 20, 28, 40, 56), "seeds": 44, "windows": "lines"},
    "widest": {"widths": (112,), "seeds": 10, "windows": "lines"},
    "stream": {"widths": (14, 28, 56), "seeds": 10, "windows": "anywhere"},
}
FACTORS = {"part": list(PARTS)}
SMALL, LARGE = 14, 56  # the widths that are compared
CONTRASTS = 2
LEARNT = 0.9  # of the seen sums
WORD = "found, then lost, by larger sizes"  # what the registered rule says of the book's runs
PROFILES = {"full": {"widths": [8, 14, 20, 28, 40, 56, 112]}}
_unlike = [pair for pair in PAIRS if pair[0] != pair[2] and pair != "5,7"]
ORDER = [_unlike[i] for i in np.random.RandomState(FIRST).permutation(len(_unlike))]


def hidden(seed: int) -> str:
    """The pair that the runs of a seed hide: each of the 44 once, from seed `FIRST` on."""
    return ORDER[(seed - FIRST) % len(ORDER)]


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every part, seed and width; columns `look` and `part`. With `seeds` each part has all `widths`."""
    cells: dict[Run, str] = {}
    for name in part:
        most = PARTS[name]["seeds"] if seeds is None else seeds
        for seed, width in itertools.product(range(FIRST, FIRST + most), sorted(set(widths))):
            if seeds is not None or width in PARTS[name]["widths"]:
                run = sweeps.registered(
                    width, seed - sweeps.FIRST_SEED, iterations, PARTS[name]["windows"], held_out=hidden(seed),
                    evaluate_every=100,
                )  # fmt: skip
                cells.setdefault(run, name)
    return sweeps.table(cells, look=[1] * len(cells), part=cells.values())


@dataclass(frozen=True)
class Results:
    """What the runs say.

    `word` is `WORD` where both contrasts, n56 less n14, and the slopes over all sizes are on their registered sides; it
    speaks of n56 alone where only the contrasts are, and else says what they say apart. Shares of the hidden sums right
    by width: `early`, `late`, and `learnt`, when 90 % of the seen sums are first right. `sooner` and `less` are the
    contrasts, `early_slope` and `late_slope` the slopes a doubling of parameters, all at the level of one of two.
    `leads` are the evaluations at which the mean of n56 is above that of n14. `highest` has the highest value of the
    mean curve by part and width, `ended` its last.
    """

    word: str
    seeds: int
    early: Cells
    late: Cells
    learnt: Cells
    sooner: Estimate
    less: Estimate
    early_slope: Estimate
    late_slope: Estimate
    leads: str
    highest: dict[str, dict[int, Estimate]]
    ended: dict[str, dict[int, Estimate]]


def outcomes(curves: pd.DataFrame) -> pd.DataFrame:
    """A row a run: part, width, parameters, seed, and the shares `early`, `late` and `learnt` (see `Results`).

    Parameters
    ----------
    curves : `Store.curves` of runs of this sweep. Early is the first thirtieth, 1,000 updates of the published length.
    """
    table = curves.assign(share=estimates.share_right)
    last = table.groupby("run")["iteration"].transform("max")
    at = table.groupby("run")["share"]
    early = table[(table["iteration"] > 0) & (table["iteration"] <= last / 30)].groupby("run")["share"].mean()
    learnt = table[table["seen_accuracy"] >= LEARNT].groupby("run")["share"].first()
    found = pd.DataFrame({"early": early, "late": at.last(), "learnt": learnt})
    keys = table.groupby("run")[["part", "width", "parameters", "seed"]].first()
    return keys.join(found).reset_index()


def _paired(values: pd.Series) -> Estimate:
    """The mean over seeds, at the level of one contrast of two."""
    low, high = intervals.bootstrap(values, alpha=intervals.ALPHA / CONTRASTS) if len(values) else (np.nan, np.nan)
    return Estimate(float(values.mean()), low, high, len(values))


def slopes(wide: pd.DataFrame) -> pd.Series:
    """For each seed the least-squares slope of its shares (seeds, parameters) a doubling of parameters."""
    if wide.shape[1] < 2:
        return pd.Series(dtype=float)
    x = np.log2(wide.columns.to_numpy(float))
    x -= x.mean()
    return wide @ x / (x @ x)


def over_time(curves: pd.DataFrame) -> pd.DataFrame:
    """The mean share after each evaluation from the first update on: columns part, width, iteration, share, runs."""
    if curves.empty:
        return pd.DataFrame(columns=["part", "width", "iteration", "share", "runs"])
    shares = curves[curves["iteration"] > 0].assign(share=estimates.share_right)
    keys = ["part", "width", "iteration"]
    return shares.groupby(keys, as_index=False, sort=False).agg(share=("share", "mean"), runs=("run", "nunique"))


def peaks(means: pd.DataFrame) -> pd.DataFrame:
    """What each mean curve does, a row a part and width.

    Columns: part, width, runs; `highest`, its highest value, first `at` an update, and `half` of it; `end`, and the
    share of the highest that is `left` then.
    """
    rows = []
    for (part, width), curve in means.groupby(["part", "width"], sort=False):
        highest, end = curve["share"].max(), curve["share"].iloc[-1]
        at, half = (curve.loc[curve["share"] >= least, "iteration"].iloc[0] for least in (highest, highest / 2))
        row = {"part": part, "width": int(width), "runs": int(curve["runs"].iloc[0]), "highest": highest, "at": int(at)}
        rows.append(row | {"half": int(half), "end": end, "left": end / highest if highest else np.nan})
    return pd.DataFrame(rows)


def title(word: str) -> str:
    """What the fan shows, over the book's runs and over others."""
    told = "Larger models find the hidden sums in fewer updates, and lose them"
    return told if word == WORD else "Hidden sums over time"


def _leads(means: pd.DataFrame) -> str:
    wide = means[means["part"] == "sizes"].pivot(index="iteration", columns="width", values="share")
    if not {SMALL, LARGE} <= set(wide):
        return "–"
    over = wide[LARGE] > wide[SMALL]
    groups = over.index.to_series().groupby((over != over.shift()).cumsum()[over])
    return words.listing(f"{group.min():,} to {group.max():,}" for _, group in groups) if over.any() else "none"


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where the part "sizes" has none."""
    curves = source.curves(source.runs)
    table = outcomes(some(curves[curves["part"] == "sizes"]))
    means, gap, slope = over_time(curves), {}, {}
    for when in ("early", "late"):
        wide = table.pivot(index="seed", columns="width", values=when)
        both = wide.reindex(columns=[SMALL, LARGE])
        gap[when] = _paired((both[LARGE] - both[SMALL]).dropna())
        slope[when] = _paired(slopes(table.pivot(index="seed", columns="parameters", values=when).dropna()))
    early = estimates.judge(gap["early"], {"sooner": 0}, {"later": 0})
    late = estimates.judge(gap["late"], {"keeps more": 0}, {"keeps less": 0})
    word = f"early {early}, late {late}"
    if (early, late) == ("sooner", "keeps less"):
        word = WORD if slope["early"].low > 0 > slope["late"].high else "found, then lost, by n56"

    early_share, late_share, learnt = (estimates.by_width(table, table[when]) for when in ("early", "late", "learnt"))

    known = {(row["part"], row["width"]): row for row in peaks(means).to_dict("records")}

    def described(what: str) -> dict[str, dict[int, Estimate]]:
        none = {"runs": 0, what: np.nan}
        rows = {part: {w: known.get((part, w), none) for w in about["widths"]} for part, about in PARTS.items()}
        return {
            part: {w: Estimate(row[what], np.nan, np.nan, row["runs"]) for w, row in each.items()}
            for part, each in rows.items()
        }

    return Results(
        word=word, seeds=table["seed"].nunique(), early=early_share, late=late_share,
        learnt=learnt, sooner=gap["early"], less=gap["late"], early_slope=slope["early"],
        late_slope=slope["late"], leads=_leads(means), highest=described("highest"), ended=described("end"),
    )  # fmt: skip
