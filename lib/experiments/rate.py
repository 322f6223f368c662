"""Capacity or rate: true answers against answers dealt anew, over widths; and the learning rate of the MLP alone."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.errors import some
from lib.experiments import Source
from lib.run import Run
from lib.stats import estimates, intervals
from lib.stats.estimates import Cells, Count, Estimate

TASKS = ("arithmetic",)
SEEDS = False
CELLS = ["look", "part", "answers"]
STAGED = "part"
FACTORS = {"part": ["answers", "mlp", "slowed"]}
LARGEST = 112  # a width whose runs train unsteadily
WIDTHS = [*range(6, 29, 2), 40, 56, LARGEST]
LOOKS = (8, 20)  # registered seeds a cell; for width 112 3 and 10
WIDEST = {8: 3, 20: 10}
MLP_WIDTHS, MLP_RATES = (10, 14, 20, 28, 40, 56), (0.1, 0.3, 3.0)
RACES = (20, 28, 40, 56)  # sizes that a slower MLP may save
FITTED = 10  # the least width that the curve of success is fitted to
KEPT = {14: "log", 28: "log", 56: "final"}  # weights, of the runs with true answers
PROFILES = {"smoke": {"widths": [10]}, "full": {"widths": WIDTHS}}
NEAR = 1.5  # an account is right that lies within this factor of where success halves
ACCOUNTS = {"capacity": "first stores the dealt answers", "rate": "first stores them no later than it generalizes"}


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, part: list[str]) -> pd.DataFrame:
    """Every width and seed with its parts: columns `look`, the registered look of a run, `part`, and `answers`."""
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for kind, seed, width in itertools.product(part, range(most), sorted(set(widths))):
            if width == LARGEST and seed >= WIDEST.get(most, most):
                continue
            dealt = {"answer_order": sweeps.FIRST_SEED + seed}
            slow: list[dict] = [{"mlp_rate": rate} for rate in MLP_RATES if width in MLP_WIDTHS]
            changes = {"answers": [{}, dealt], "mlp": slow, "slowed": [change | dealt for change in slow]}
            for change in changes[kind]:
                run = sweeps.registered(width, seed, iterations, "lines", evaluate_every=100, **change)
                labels = {"look": look, "part": kind, "answers": "dealt" if "answer_order" in change else "true"}
                kept = KEPT.get(width, "") if not change else ""
                cells.setdefault(run, labels | {"weights": kept})
    return sweeps.labelled(cells, ["look", "part", "answers", "weights"])


@dataclass(frozen=True)
class Results:
    """What the runs say. Learning rates of the MLP are keys such as "x 0.1"; "x 1" is the published one.

    `account` is the word on what limits a size. `at` has numbers of parameters: "w50", where a curve fitted to the true
    sums right falls to one half, and where the accounts "capacity" and "rate" expect that. `ratio` is each account's
    number over w50, and `lies` says where its interval lies, in words before "a factor of 1.5". `steady` are the
    numbers of `at` without the width `LARGEST`.

    By width: `right`, the mean share of the hidden sums right at the end, `once`, the runs that have three of four
    right at some time, `stored`, the mean share of the dealt lines stored, and `parameters`. `bits` are the bits stored
    of the dealt answers, `of_table` their share of all of them, and `a_parameter` the bits a parameter.

    `moved` is the word on the intervention. By the MLP's learning rate, over the widths `MLP_WIDTHS`: `halves`, the
    parameters at which a curve falls to one half, `larger`, how many times as large that is as with the published rate,
    at the level of one of two, and `by_rate`, the mean share of the hidden sums right, by width.

    `raced` is the word on what a slower MLP slows. `later` is, by its learning rate, the time to store over the time to
    find the rule, as a multiple of what it is with the published rate. `storing` and `finding` are the least and the
    most, over the widths `RACES`, of how many times as long each takes with the lowest rate.

    The units of `at`, `ratio`, `larger` and `later` are the runs that are resampled, in the last two those of the rate.
    """

    account: str
    at: Cells
    ratio: Cells
    lies: Cells
    steady: Cells
    right: Cells
    once: Cells
    stored: Cells
    parameters: Cells
    bits: Cells
    of_table: Cells
    a_parameter: Cells
    moved: str
    halves: Cells
    larger: Cells
    by_rate: Cells
    raced: str
    later: Cells
    storing: tuple[float, float]
    finding: tuple[float, float]


def times(curves: pd.DataFrame) -> pd.DataFrame:
    """When each run first stores 95 % of its dealt answers, or has 3 of 4 true held-out sums right (infinity: never).

    Columns: run, width, parameters, seed, mlp_rate, answers, iteration.
    """
    keys = ["run", "width", "parameters", "seed", "mlp_rate", "answers"]
    if curves.empty:
        return pd.DataFrame(columns=[*keys, "iteration"])
    dealt = curves["answers"] == "dealt"
    there = (dealt & (curves["seen_accuracy"] >= estimates.STORED)) | (~dealt & (estimates.share_right(curves) >= 0.75))
    first = curves[there].groupby("run")["iteration"].min().rename("iteration").astype(float)
    return curves[keys].drop_duplicates().merge(first, on="run", how="left").fillna({"iteration": np.inf})


def accounts(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Where success halves, and where the two accounts say that it should: a row a quantity, in parameters.

    Columns: quantity, mean, low, high; ratio, ratio_low, ratio_high to w50; accepted; runs. All from one resampling of
    runs. Nothing where there are fewer than three sizes, or two to fit the curve to.
    """
    rng, when = np.random.RandomState(0), times(curves)
    answered = runs[runs["part"] == "answers"]
    both = answered.groupby("parameters")["answers"].nunique().loc[lambda n: n == 2].index.to_numpy()
    fitted = np.isin(both, answered.loc[answered["width"] >= FITTED, "parameters"].unique())
    if len(both) < 3 or fitted.sum() < 2:
        columns = ["quantity", "mean", "low", "high", "ratio", "ratio_low", "ratio_high", "accepted", "runs"]
        return pd.DataFrame(columns=columns)

    def draws(table: pd.DataFrame, answers: str, values: pd.Series, statistic) -> np.ndarray:
        chosen = table["answers"] == answers
        return estimates.resampled(
            [values[chosen & (table["parameters"] == size)].to_numpy(float) for size in both], statistic, rng
        )

    shares = draws(answered, "true", estimates.share_right(answered), np.mean)
    when = when[when["mlp_rate"] == 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        stored = draws(answered, "dealt", answered["seen_accuracy"], np.mean)
        late = np.log(draws(when, "dealt", when["iteration"], np.median))
        found = {
            "w50": estimates.half(both[fitted], shares[:, fitted]),
            "capacity": estimates.crossing(both, estimates.STORED - stored - 1e-12, first=True),
            "rate": estimates.crossing(both, late - np.log(draws(when, "true", when["iteration"], np.median))),
        }
    rows = []
    for name, samples in found.items():
        own, ratio = estimates.interval(samples), estimates.interval(samples / found["w50"])
        row = {"quantity": name, "mean": own.mean, "low": own.low, "high": own.high}
        row |= {"ratio": ratio.mean, "ratio_low": ratio.low, "ratio_high": ratio.high}
        row |= {"accepted": ratio.low > 1 / NEAR and ratio.high < NEAR}
        rows.append(row | {"runs": int(answered["parameters"].isin(both).sum())})
    return pd.DataFrame(rows)


def place(account: pd.Series) -> str:
    """Where the interval of a ratio lies, in words before "a factor of": accepted is what lies within."""
    outside = account["ratio_low"] > NEAR or account["ratio_high"] < 1 / NEAR
    return "within" if account["accepted"] else "outside of" if outside else "within or outside of, which is open,"


def verdict(found: pd.DataFrame) -> str:
    """ "capacity" or "rate" where that account alone is accepted, else "neither", or "missing"."""
    if found.empty:
        return "missing"
    accepted = found.set_index("quantity")["accepted"]
    right = [name for name in ACCOUNTS if accepted[name]]
    return right[0] if len(right) == 1 else "neither"


def intervention(runs: pd.DataFrame) -> pd.DataFrame:
    """How w50 moves with the learning rate of the MLP: a row a factor; two primary contrasts, those under 1.

    Columns: mlp_rate, w50, ratio, low, high (of w50 to that of the same widths untouched), runs. Nothing where there is
    nothing to compare.
    """
    cells = runs[(runs["answers"] == "true") & runs["width"].isin(MLP_WIDTHS)]
    rng, found = np.random.RandomState(0), {}
    sizes = np.sort(cells["parameters"].unique())
    for rate in sorted(cells["mlp_rate"].unique()):
        one = cells[cells["mlp_rate"] == rate]
        groups = [estimates.share_right(one[one["parameters"] == size]).to_numpy(float) for size in sizes]
        if len(sizes) > 1 and all(map(len, groups)):
            found[rate] = estimates.half(sizes, estimates.resampled(groups, np.mean, rng))
    rows = []
    for rate, samples in found.items() if 1.0 in found and len(found) > 1 else ():
        ratio = estimates.interval(samples / found[1.0], 2)
        row = {"mlp_rate": rate, "w50": samples[0], "ratio": ratio.mean, "low": ratio.low, "high": ratio.high}
        rows.append(row | {"runs": int((cells["mlp_rate"] == rate).sum())})
    return pd.DataFrame(rows, columns=["mlp_rate", "w50", "ratio", "low", "high", "runs"])


def moved(table: pd.DataFrame) -> str:
    """The registered word on the intervention."""
    slowed = table[table["mlp_rate"] < 1]
    if len(slowed) < 2:
        return "missing"
    if (slowed["low"] > 1).any():
        return "rate is a cause"
    return "the MLP's rate is no cause" if (slowed["high"] < 1.25).all() else "unresolved"


def races(curves: pd.DataFrame) -> pd.DataFrame:
    """How much later the dealt answers are stored than the rule is found: a row a factor of the MLP's learning rate.

    Columns: mlp_rate; later, the mean over the widths `RACES` of the logarithm of the median time to store less that of
    the median time to find (what never gets there counts with the last iteration); difference, low, high, of that to
    where nothing is changed; runs.
    """
    when, rng, found = times(curves), np.random.RandomState(0), {}
    when = when[when["width"].isin(RACES)].assign(iteration=when["iteration"].clip(upper=curves["iteration"].max()))
    for rate, cell in when.groupby("mlp_rate"):
        each = {key: group["iteration"].to_numpy() for key, group in cell.groupby(["answers", "width"])}
        if len(each) == 2 * len(RACES):
            dealt, true = (
                np.log(estimates.resampled([each[kind, width] for width in RACES], np.median, rng))
                for kind in ("dealt", "true")
            )
            found[rate] = (dealt - true).mean(1)
    rows = []
    for rate, samples in found.items() if 1.0 in found else ():
        gap = estimates.interval(samples - found[1.0])
        row = {"mlp_rate": rate, "later": samples[0], "difference": gap.mean, "low": gap.low, "high": gap.high}
        rows.append(row | {"runs": int((when["mlp_rate"] == rate).sum())})
    return pd.DataFrame(rows, columns=["mlp_rate", "later", "difference", "low", "high", "runs"])


def raced(table: pd.DataFrame) -> str:
    """The registered word on what a slower MLP slows."""
    slowest = table[table["mlp_rate"] == min(MLP_RATES)]
    if slowest.empty:
        return "missing"
    estimate = Estimate(*slowest[["difference", "low", "high", "runs"]].iloc[0])
    return estimates.judge(estimate, {"storing is slowed more": 0}, {"finding is slowed more": 0})


def kept(runs: pd.DataFrame) -> pd.DataFrame:
    """How many bits of the dealt answers each size has stored at the end; exploratory: no rule judges it.

    A reader who knows the lines but for their answers, and how often each answer comes, pays the entropy of the answers
    a line; one who knows the answers, too, pays nothing for them (arXiv:2505.24832 measures memorization so). What is
    left of the loss beyond the choice of the line is what a model has not stored.

    Returns
    -------
    Columns: width, parameters, runs; bits, their mean, low and high; all_bits, those of the whole table.
    """
    task = data.make("arithmetic")
    lines = task.text.splitlines()
    counts = pd.Series([line[5:].strip() for line in lines]).value_counts()
    entropy = float(np.log2(len(lines) / counts).mul(counts).sum())
    rows = []
    for (width, parameters), cell in runs[runs["answers"] == "dealt"].groupby(["width", "parameters"]):
        lacking = task.context * cell["loss"] - np.log(len(lines))  # nats a line
        bits = entropy - len(lines) * lacking / np.log(2)
        low, high = intervals.bootstrap(bits)
        row = {"width": width, "parameters": parameters, "runs": len(bits), "bits": bits.mean()}
        rows.append(row | {"low": low, "high": high, "all_bits": entropy})
    return pd.DataFrame(rows, columns=["width", "parameters", "runs", "bits", "low", "high", "all_bits"])


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where there is none."""
    runs = some(source.runs)
    curves = source.curves(runs)
    first, answered = times(curves), runs[runs["part"] == "answers"]
    true, dealt = (answered[answered["answers"] == kind] for kind in ("true", "dealt"))
    found, bits = accounts(answered, curves), kept(answered).set_index("width")
    at = found.set_index("quantity")
    rivals = at[at.index.isin(list(ACCOUNTS))]
    steady = accounts(answered[answered["width"] < LARGEST], curves).set_index("quantity")["mean"]
    own = first[first["run"].isin(true["run"])].groupby("width")["iteration"]
    slow = runs[(runs["answers"] == "true") & runs["width"].isin(MLP_WIDTHS)]
    slowed, race = intervention(runs), races(curves)
    medians = first[first["width"].isin(RACES)].groupby(["answers", "mlp_rate", "width"])["iteration"].median()
    middle = medians.unstack("mlp_rate").reindex(columns=[min(MLP_RATES), 1.0])
    longer = (middle[min(MLP_RATES)] / middle[1.0]).groupby("answers").agg(["min", "max"]).reindex(["dealt", "true"])
    storing, finding = longer.itertuples(index=False, name=None)
    return Results(
        account=verdict(found),
        at=Cells({r.Index: Estimate(r.mean, r.low, r.high, r.runs) for r in at.itertuples()}),
        ratio=Cells({r.Index: Estimate(r.ratio, r.ratio_low, r.ratio_high, r.runs) for r in rivals.itertuples()}),
        lies=Cells({name: place(row) for name, row in rivals.iterrows()}), steady=Cells(steady.to_dict()),
        right=estimates.by_width(true, estimates.share_right(true)),
        once=Cells({width: Count(int((when < np.inf).sum()), len(when)) for width, when in own}),
        stored=estimates.by_width(dealt, dealt["seen_accuracy"]),
        parameters=Cells(runs.groupby("width")["parameters"].first().to_dict()),
        bits=Cells({r.Index: Estimate(r.bits, r.low, r.high, r.runs) for r in bits.itertuples()}),
        of_table=Cells((bits["bits"] / bits["all_bits"]).to_dict()),
        a_parameter=Cells((bits["bits"] / bits["parameters"]).to_dict()),
        moved=moved(slowed), halves=Cells({f"x {r.mlp_rate:g}": r.w50 for r in slowed.itertuples()}),
        larger=Cells({
            f"x {r.mlp_rate:g}": Estimate(r.ratio, r.low, r.high, r.runs)
            for r in slowed[slowed["mlp_rate"] != 1].itertuples()
        }),
        by_rate=Cells({
            f"x {rate:g}": estimates.by_width(each, estimates.share_right(each))
            for rate, each in slow.groupby("mlp_rate")
        }),
        raced=raced(race), storing=storing, finding=finding,
        later=Cells({
            f"x {r.mlp_rate:g}": Estimate(np.exp(r.difference), np.exp(r.low), np.exp(r.high), r.runs)
            for r in race[race["mlp_rate"] != 1].itertuples()
        }),
    )  # fmt: skip
