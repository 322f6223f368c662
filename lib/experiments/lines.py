"""Facts, sums and both where a window is one line; with random names, more of the facts, and one after the other."""

import itertools
from dataclasses import dataclass
from math import nan

import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.errors import some
from lib.experiments import Source
from lib.run import Run
from lib.stats import estimates, intervals, words
from lib.stats.estimates import Cells, Count, Estimate

TASKS = ("arithmetic", "facts", "joint")
SEEDS = False
CELLS = ["look", "arm", "width"]
EVERYWHERE = ["alone", "facts", "both", "random"]  # arms of all widths
FACTORS = {"arm": [*EVERYWHERE, "alone 4", "both 4", "alone 16", "both 16", "sums first", "facts first"]}
LOOKS = (6, 20)  # registered seeds a cell
PROFILES = {"full": {"widths": [14, 20, 28, 40, 56]}}
DESCRIBED = (28, 56)  # the widths of the other arms
CONTRASTS = 5  # primary ones of each kind, one a width of the registered sweep
_both = data.make("joint", windows="lines")
PUBLISHED = data.make("facts")
BLANKS = _both.context - data.make("arithmetic", windows="lines").context  # before a sum
SUMS, FACTS = len(data.PUBLISHED_ORDER), len(data.CAPITALS)  # lines


def share(copies: int) -> float:
    """The share of the windows that are sums, in a text that has every fact so often."""
    return SUMS / (SUMS + copies * FACTS)


FACTS_BATCH = round(_both.batch * (1 - share(1)))  # windows of the facts alone, as many as in the text with both


def whole_questions() -> float:
    """The share of the published windows of the facts that show a country and ask for its capital's first letter."""
    found, at = set(), 0
    for line in PUBLISHED.text.splitlines(keepends=True):
        country, capital = at + len("Capital of "), at + line.index(" is ") + len(" is ")
        found |= set(range(max(0, capital - PUBLISHED.context), min(country, PUBLISHED.offsets - 1) + 1))
        at += len(line)
    return len(found) / PUBLISHED.offsets


def _arm(name: str) -> dict:
    """What an arm changes: each task alone is read as often as in the text with both."""
    kind, _, copies = name.partition(" ")
    if kind == "alone":
        return {"context": _both.context, "batch": round(_both.batch * share(int(copies or 1)))}
    if name == "facts":
        return {"task": "facts", "batch": FACTS_BATCH}
    if kind == "both":
        return {"task": "joint", "copies": int(copies or 1)}
    return {"task": "joint", **({"facts": "random"} if kind == "random" else {"turns": name})}


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int, arm: list[str]) -> pd.DataFrame:
    """Every arm, width and seed; columns `look`, the registered look that a run belongs to, and `arm`."""
    cells: dict[Run, dict] = {}
    for look, most in enumerate(LOOKS if seeds is None else (seeds,), 1):
        for seed, width, name in itertools.product(range(most), sorted(set(widths)), arm):
            if name in EVERYWHERE or seeds is not None or width in DESCRIBED:
                run = sweeps.registered(width, seed, iterations, "lines", **_arm(name))
                if run.task in tasks:
                    cells.setdefault(run, {"look": look, "arm": name})
    return sweeps.labelled(cells, ["look", "arm"])


@dataclass(frozen=True)
class Results:
    """What the runs say. The first three are by arm and width, other `Cells` of runs by width.

    Mean shares right: of the `hidden` sums, of the `seen` ones and of the `capitals`. `stored` is that of the capitals
    of n14 on facts alone, and `memorizes` the word of rule (i). `cost` is "both" less "alone", in hidden sums, and
    `interference` has the words of rule (ii). `does` counts the runs of "both" that do both tasks; `doing` is their
    share, and `able` has the words of rule (iii). `at_once` is "yes" where a size does both, else "none shown".
    `names` is "random" less "both", in hidden sums, and `specific` has the words of rule (iv). Intervals of `cost`,
    `doing` and `names` are at the level of one of five.

    Of the texts, whatever the runs: `sums` is the share of the windows that are sums, by how often each fact stands in
    the text; `whole` is the share of the published windows of facts (its units) that hold a question.
    """

    hidden: Cells
    seen: Cells
    capitals: Cells
    memorizes: str
    stored: Estimate
    cost: Cells
    interference: Cells
    does: Cells
    doing: Cells
    able: Cells
    at_once: str
    names: Cells
    specific: Cells
    sums: Cells
    whole: Estimate


def judged(runs: pd.DataFrame) -> pd.DataFrame:
    """Each width's arms and the registered words: a row a width.

    Columns: width, runs; alone, both, random (mean shares of the held-out sums); seen, the mean seen accuracy of
    "both"; facts and recall, the mean shares of the capitals alone and in "both"; difference, low, high: both less
    alone; verdict; does and asked, the runs of "both" that do both tasks of all, does_low, does_high, word; names,
    names_low, names_high, names_runs: random less both, and specific.
    """
    rows = []
    for width, cell in runs.groupby("width"):
        arm = {name: cell[cell["arm"] == name] for name in EVERYWHERE}
        right = {name: estimates.share_right(arm[name]) for name in EVERYWHERE if name != "facts"}
        lost = estimates.difference(right["both"], right["alone"], CONTRASTS)
        names = estimates.difference(right["random"], right["both"], CONTRASTS)
        seen = arm["both"]["seen_accuracy"].mean()
        verdict = estimates.judge(lost, {"no interference": -0.25}, {"interference": -0.25})
        if verdict != "missing":
            verdict = "not testable" if right["alone"].mean() < 0.5 else verdict if seen > 0.95 else "sums not learnt"
        does = (right["both"] >= 0.75) & (arm["both"]["facts_accuracy"] >= 0.95)
        low, high = (
            intervals.clopper_pearson(does.sum(), len(does), intervals.ALPHA / CONTRASTS) if len(does) else (nan, nan)
        )
        row = {"width": int(width), "runs": lost.units, **{name: values.mean() for name, values in right.items()}}
        row |= {"seen": seen, "facts": arm["facts"]["facts_accuracy"].mean()}
        row |= {"recall": arm["both"]["facts_accuracy"].mean()}
        row |= {"difference": lost.mean, "low": lost.low, "high": lost.high, "verdict": verdict}
        row |= {"does": int(does.sum()), "asked": len(does), "does_low": low, "does_high": high}
        decided = "does both" if low > 0.5 else "does not" if high < 0.5 else "unresolved"
        row |= {"word": decided if len(does) else "missing"}
        row |= {"names": names.mean, "names_low": names.low, "names_high": names.high}
        row |= {"names_runs": names.units}
        rows.append(row | {"specific": estimates.judge(names, {"specific to facts": 0.25}, {"not specific": 0.25})})
    columns = ["width", "runs", "alone", "both", "random", "seen", "facts", "recall", "difference", "low", "high"]
    columns += ["verdict", "does", "asked", "does_low", "does_high", "word", "names", "names_low", "names_high"]
    return pd.DataFrame(rows, columns=[*columns, "names_runs", "specific"])


def memorizes(runs: pd.DataFrame) -> tuple[estimates.Estimate, str]:
    """What n14 recalls of the capitals alone, and the registered word."""
    found = estimates.mean(runs.loc[(runs["arm"] == "facts") & (runs["width"] == 14), "facts_accuracy"])
    return found, estimates.judge(found, {"memorizes": 0.5}, {"does not memorize": 0.5})


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where there is none."""
    runs = some(source.runs)
    table, (stored, word) = judged(runs).set_index("width"), memorizes(runs)
    table["doing"] = table["does"] / table["asked"]
    right: dict[str, Cells] = {name: Cells() for name in words.SHORT}
    for r in estimates.measured(runs, ["arm", "width"]).itertuples():
        right[r.measure].setdefault(r.arm, Cells())[r.width] = Estimate(r.mean, r.low, r.high, r.runs)

    def cells(make: type, *columns: str) -> Cells:
        return Cells({width: make(*row) for width, *row in table[list(columns)].itertuples(name=None)})

    able = cells(str, "word")
    return Results(
        hidden=right["held_out_correct"], seen=right["seen_accuracy"], capitals=right["facts_accuracy"],
        memorizes=word, stored=stored, interference=cells(str, "verdict"), does=cells(Count, "does", "asked"),
        cost=cells(Estimate, "difference", "low", "high", "runs"), able=able,
        doing=cells(Estimate, "doing", "does_low", "does_high", "asked"),
        at_once="yes" if "does both" in able.values() else "none shown" if table["asked"].any() else "missing",
        names=cells(Estimate, "names", "names_low", "names_high", "names_runs"), specific=cells(str, "specific"),
        sums=Cells({copies: share(copies) for copies in (1, 4, 16)}),
        whole=Estimate(whole_questions(), nan, nan, PUBLISHED.offsets),
    )  # fmt: skip
