"""The registered replication (book/protocol.md): its runs, and the tables of the chapter."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from lib import data
from lib import sweep as sweeps
from lib.data import LABELS
from lib.data.paper import LARGE, REGULARIZED
from lib.errors import some
from lib.experiments import Source
from lib.run import Run
from lib.stats import estimates, intervals, words
from lib.stats.estimates import Cells, Count
from lib.stats.measures import RULES, reported, succeeded
from lib.stats.words import size_name
from lib.sweep import published

TASKS = data.TASKS
SEEDS = False  # the registered numbers below, where none is asked for
# Seeds a cell: the least that a chapter may be written on, and two goals, for a CPU and for a GPU.
GOALS = (
    {"arithmetic": 20, "joint": 8, "facts": 6},  # 5 in the protocol; the chapter verdicts says why it is one more
    {"arithmetic": 40, "joint": 20, "facts": 20},
    {"arithmetic": 100},
)
VARIANTS: dict[str, dict] = {"base": {}, "wd": REGULARIZED}
PRECISION = {LARGE: {"precision": "bfloat16"}}  # MLT as the paper's hardware trained it, which needs a GPU
COMPARED = {  # the paper's measures
    "addition": "addition (%)", "subtraction": "subtraction (%)", "facts": "capitals (%)", "loss": "final loss",
}  # fmt: skip
HELD_OUT = ("5+7", "7+5", "5-7", "7-5")


def sweep(tasks: list[str], widths: list[int], *, seeds: int | None, iterations: int) -> pd.DataFrame:
    """Every task, size and variant (column `variant`) in order of worth.

    A seed decides the initial weights, the windows, the dropout and the order of the lines together. On the arithmetic
    a second set of runs, variant "one order", keeps the published order of the lines and varies the rest.

    Parameters
    ----------
    seeds : the most seeds a cell; None for the numbers of `GOALS`, one goal after the other.
    """
    cells: dict[Run, str] = {}
    for goal in GOALS if seeds is None else (dict.fromkeys(GOALS[0], seeds),):
        for task, most in goal.items():  # the sums first: they carry most claims and cost least
            for seed in range(most if task in tasks else 0):
                common = {
                    width: {"iterations": iterations, **PRECISION.get(width, {})} for width in sorted(set(widths))
                }
                for (width, same), (variant, changes) in itertools.product(common.items(), VARIANTS.items()):
                    cells[published(task, width, seed, line_order=seed, **same, **changes)] = variant
                if task == "arithmetic" and seed < GOALS[0]["arithmetic"]:
                    for width, same in common.items():
                        cells[published(task, width, seed, **same)] = "one order"
    return sweeps.table(cells, variant=cells.values())


AS_PUBLISHED = "the smallest alone"


@dataclass(frozen=True)
class Results:
    """What the runs of the variant "base" say.

    `small` and `large` are the runs on the sums, of the smallest size and of the others, that have all four hidden ones
    right at the end; `at_the_end` is `AS_PUBLISHED` where some of the smallest size have them and none of the others.
    `single` are the mean shares of the hidden sums right, by width; `recall` those of the capitals, of runs on them;
    `both` are the runs on both tasks that have all four hidden sums right.
    """

    at_the_end: str
    small: Count
    large: Count
    single: Cells
    recall: Cells
    both: Count


def _succeeded(runs: pd.DataFrame) -> Count:
    return Count(int(succeeded(runs).sum()), len(runs))


def results(source: Source) -> Results:
    """What the runs show; `Lacking` where there is none on the sums."""
    base = source.runs[source.runs["variant"] == "base"]
    sums, facts, both = (base[base["task"] == task] for task in TASKS)
    smallest = some(sums)["width"] == sums["width"].min()
    small, large = _succeeded(sums[smallest]), _succeeded(sums[~smallest])
    alone = AS_PUBLISHED if small.number > 0 == large.number else "other sizes, too, or none"
    return Results(
        at_the_end=alone if large.of else "missing", small=small, large=large, both=_succeeded(both),
        single=estimates.by_width(sums, estimates.share_right(sums)),
        recall=estimates.by_width(facts, facts["facts_accuracy"]),
    )  # fmt: skip


def strips(curves: pd.DataFrame) -> pd.DataFrame:
    """One row a run and rule of reporting: task, width, variant, seed, rule, success, and the interval of its cell.

    Tasks are in words; rows stand in the order of tasks, sizes and variants.
    """
    table = pd.concat([reported(curves, rule) for rule in RULES]).assign(success=succeeded)
    keys = ["task", "width", "variant", "rule"]
    cells = intervals.shares(sweeps.unpooled(table, keys), keys, "success")
    places = {"of_task": table["task"].map(list(TASKS).index)}
    places["of_variant"] = table["variant"].map(list(words.VARIANTS).index)
    order = ["of_task", "width", "of_variant", "seed"]
    table = table.assign(**places).sort_values(order, kind="stable")
    table = table[["run", *keys, "seed", "success"]].merge(cells[[*keys, "low", "high"]], on=keys)
    return table.assign(task=table["task"].map(LABELS))


def effects(table: pd.DataFrame) -> pd.DataFrame:
    """`measures.effects` for people, the sums and the facts side by side: a row a variant and size."""
    rows = []
    keys = table[["variant", "width"]].drop_duplicates()
    for key in keys.itertuples(index=False):
        cell = table[(table["variant"] == key.variant) & (table["width"] == key.width)].set_index("task")
        row = {"runs are": words.VARIANTS[key.variant], "size": size_name(key.width)}
        if "arithmetic" in cell.index:
            sums = cell.loc["arithmetic"]
            row[f"{words.MEASURES['held_out_correct']}, mean of 4"] = (
                f"{sums.correct:.2f} ({words.span(sums.correct_low, sums.correct_high, scale=1, unit='', digits=2)})"
            )
            row |= {name: f"{sums[name]:.0f}" for name in HELD_OUT}
            row |= {"all four": words.share(int(sums.all_four), sums.runs), "three or more": f"{sums.but_one:.0f}"}
        if "facts" in cell.index:
            facts = cell.loc["facts"]
            row[f"{words.MEASURES['facts_accuracy']}, mean"] = (
                f"{100 * facts.recall:.1f} % ({words.mean_span(facts.recall_low, facts.recall_high, facts.runs)})"
            )
            row["of runs"] = f"{facts.runs}"
        rows.append(row)
    return _shown(rows)


def _shown(rows: list[dict[str, str]]) -> pd.DataFrame:
    """A table for people; what the runs are only where they differ."""
    table = pd.DataFrame(some(rows)).fillna("–")
    return table if table["runs are"].nunique() > 1 else table.drop(columns="runs are")


def recalled(table: pd.DataFrame) -> pd.DataFrame:
    """`measures.recalled` for people: a row a way of counting, a column a size."""
    rows = []
    for (variant, way), cells in table.groupby(["variant", "way"], sort=False):
        row = {f"{words.MEASURES['facts_accuracy']}, counted": way, "runs are": words.VARIANTS[variant]}
        for cell in cells.itertuples():
            interval = words.mean_span(cell.low, cell.high, cell.runs)
            row[size_name(cell.width)] = f"{100 * cell.mean:.1f} % ({interval})"
        rows.append(row)
    return _shown(rows)


def compared(curves: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The published numbers and whether each lies where one more of our runs would: a row a number.

    Accuracies are those of the checkpoint that the paper's rule keeps, counted over the paper's own prompts (91 an
    operation); the loss is the final one. The interval is `stats.predict_score`, at 95 %.

    Returns
    -------
    Columns: task, width, variant, cell (the three in words), measure, runs, mean, low, high, published, and place
    ("inside", "outside" or "no interval").
    """
    best, final = (reported(curves, rule).assign(facts=lambda t: 100 * t["facts_accuracy"]) for rule in RULES[1::-1])
    rows = []
    for one in published.to_dict("records"):
        for measure in COMPARED:
            table = final if measure == "loss" else best
            same = (table["task"] == one["task"]) & (table["width"] == one["width"])
            values = table.loc[same & (table["variant"] == one["variant"]), measure].dropna()
            if pd.isna(one[measure]) or values.empty:
                continue
            low, high = intervals.predict_score(values, (0, float("inf") if measure == "loss" else 100))
            rounding = 0.0005 if measure == "loss" else 0.05
            inside = low - rounding <= one[measure] <= high + rounding
            place = ("inside" if inside else "outside") if low == low else "no interval"
            row = {name: one[name] for name in ("task", "width", "variant")}
            row |= {"cell": f"{LABELS[one['task']]}, {size_name(one['width'])}, {one['variant']}"}
            row |= {"measure": COMPARED[measure], "runs": len(values), "mean": values.mean()}
            rows.append(row | {"low": low, "high": high, "published": one[measure], "place": place})
    names = ["task", "width", "variant", "cell", "measure", "runs", "mean", "low", "high", "published", "place"]
    return pd.DataFrame(rows, columns=names)


def bands(curves: pd.DataFrame, published: pd.DataFrame, measures: Iterable[str]) -> pd.DataFrame:
    """The range of our runs over time and the paper's run in it: a row a cell, measure and evaluation of the paper's.

    Columns: task, variant, width, measure, iteration, low, high (the range of our runs), runs, published, outside.

    Parameters
    ----------
    curves : `Store.curves`, with the column `variant`.
    published : `paper.curves`.
    measures : columns of `published`.
    """
    ours = curves.assign(facts=100 * curves["facts_accuracy"], score=100 * curves["score"])
    keys = ["task", "variant", "width", "iteration"]
    parts = []
    for measure in measures:
        cells = ours.dropna(subset=[measure]).groupby(keys)[measure].agg(low="min", high="max", runs="size")
        part = cells.join(published.set_index(keys)[measure].rename("published"), how="inner").dropna()
        parts.append(part.reset_index().assign(measure=measure))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(outside=(found["published"] < found["low"]) | (found["published"] > found["high"]))


def orders(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with an order of the lines each beside runs that share the published one, for people: a row a size.

    Of each set how many have all four right, and the mean number right with its standard deviation; then Fisher's
    exact p of the two counts.
    """
    sums = runs[(runs["task"] == "arithmetic") & runs["variant"].isin(["base", "one order"])]
    rows = []
    for width, cell in sums.groupby("width"):
        row, counts = {"size": size_name(int(width))}, []
        for variant, said in (("base", "an order each"), ("one order", "the published order")):
            one = cell[cell["variant"] == variant]
            right, held = int(succeeded(one).sum()), one["held_out_correct"]
            counts += [right, len(one)]
            row[said] = f"{right} of {len(one)}; {held.mean():.2f} ± {held.std():.2f}" if len(one) else "–"
        rows.append(
            row | {"p of the difference": words.p_value(intervals.fisher(*counts)) if all(counts[1::2]) else "–"}
        )
    return pd.DataFrame(rows)
