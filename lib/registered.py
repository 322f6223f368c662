"""The registered replication in tables: runs and curves with a column `variant`, cell by cell and pair by pair."""

import numpy as np
import pandas as pd

from lib import stats
from lib.experiments import VARIANTS, size_name
from lib.outcomes import RULES, per_cent, reported, succeeded

SETS = [*VARIANTS, "one order"]  # variants in the order in which they are shown
BIN = 0.02  # nats a character: evaluations whose losses fall into one bin are taken together
FEWEST = 5  # runs in a bin that is shown


def strips(curves: pd.DataFrame) -> pd.DataFrame:
    """One row a run and rule of reporting: task, width, variant, seed, rule, success, and Wilson bounds of its cell."""
    table = pd.concat([reported(curves, rule) for rule in RULES]).assign(success=succeeded)
    cells = stats.shares(table, ["task", "width", "variant", "rule"], "success")
    cells = cells.drop(columns=["low", "high"]).rename(columns={"wilson_low": "low", "wilson_high": "high"})
    keys = ["task", "width", "variant", "rule"]
    table = table.assign(place=table["variant"].map(SETS.index)).sort_values(["place", "seed"], kind="stable")
    return table[["run", *keys, "seed", "success"]].merge(cells[[*keys, "low", "high"]], on=keys)


def cells(curves: pd.DataFrame) -> pd.DataFrame:
    """Every cell under each rule of reporting, for people: the share of runs, or the mean recall, and its interval.

    Intervals are those of the verdicts: Clopper-Pearson, and the bootstrap over runs for recall.
    """
    tables = {rule: reported(curves, rule) for rule in RULES}
    rows = []
    for (task, width, variant), _ in tables["final"].groupby(["task", "width", "variant"]):
        row = {"task": task, "size": size_name(width), "variant": variant}
        for rule, table in tables.items():
            cell = table[(table["task"] == task) & (table["width"] == width) & (table["variant"] == variant)]
            row["runs"] = len(cell)
            if task == "facts":
                low, high = stats.bootstrap(cell["facts_accuracy"])
                row[rule] = f"{100 * cell['facts_accuracy'].mean():.1f} %"
            else:
                right = int(succeeded(cell).sum())
                low, high = stats.clopper_pearson(right, len(cell))
                row[rule] = f"{right} of {len(cell)}"
            row[rule] += f" ({100 * low:.0f} to {100 * high:.0f} %)" if low == low else ""
        rows.append(row)
    return pd.DataFrame(rows, columns=["task", "size", "variant", "runs", *RULES])


def compared(curves: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The published numbers and whether each lies where one more of our runs would, for people.

    Accuracies are those of the checkpoint with the best score, counted over the paper's own prompts (91 an operation);
    the loss is the final one. The interval is `stats.predict_score`, at 95 %.
    """
    names = {
        "addition": "addition (%)",
        "subtraction": "subtraction (%)",
        "facts": "capitals (%)",
        "loss": "final loss",
    }
    best, final = (reported(curves, rule).assign(facts=lambda t: 100 * t["facts_accuracy"]) for rule in RULES[1::-1])
    rows = []
    for one in published.to_dict("records"):
        for measure, title in names.items():
            table = final if measure == "loss" else best
            same = (table["task"] == one["task"]) & (table["width"] == one["width"])
            values = table.loc[same & (table["variant"] == one["variant"]), measure].dropna()
            if pd.isna(one[measure]) or values.empty:
                continue
            low, high = stats.predict_score(values, (0, float("inf") if measure == "loss" else 100))
            digits, rounding = (".3f", 0.0005) if measure == "loss" else (".1f", 0.05)
            inside = low - rounding <= one[measure] <= high + rounding if low == low else None
            row = {"task": one["task"], "size": size_name(one["width"]), "variant": one["variant"], "measure": title}
            row |= {"runs": len(values), "mean": f"{values.mean():{digits}}"}
            row["one more run"] = f"{low:{digits}} to {high:{digits}}" if low == low else "–"
            row["published"] = f"{one[measure]:g}"
            rows.append(row | {"inside": {True: "yes", False: "**no**", None: "–"}[inside]})
    return pd.DataFrame(rows)


def orders(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that share one order of the lines beside runs with an order each, for people: what the order adds.

    Columns: size, set, runs, how many have all four right, the mean and the standard deviation of the number right, and
    Fisher's exact p of the two sets of one size.
    """
    sums = runs[(runs["task"] == "arithmetic") & runs["variant"].isin(["base", "one order"])]
    rows = []
    for width, cell in sums.groupby("width"):
        counts = cell.assign(right=succeeded).groupby("variant")["right"].agg(["sum", "size"])
        p = stats.fisher(*counts.to_numpy().ravel()) if len(counts) == 2 else float("nan")
        for variant, words in (("base", "an order each"), ("one order", "the published order")):
            one = cell.loc[cell["variant"] == variant, "held_out_correct"]
            if len(one):
                row = {"size": size_name(int(width)), "order of the lines": words}
                row["all four right"] = f"{(one == 4).sum()} of {len(one)}"
                row |= {"right of 4, mean": f"{one.mean():.2f}", "standard deviation": f"{one.std():.2f}"}
                rows.append(row | {"p of the difference": f"{p:.2g}" if variant == "base" and p == p else ""})
    return pd.DataFrame(rows)


def spans(items: pd.DataFrame) -> pd.DataFrame:
    """When each run first and last answers each held-out sum, and at what share of its evaluations.

    Columns: run, width, seed, prompt, first, last (iterations, empty where never), share.
    """
    found = items[items["group"] == "held out"]
    keys = ["run", "width", "seed", "prompt"]
    at = found[found["greedy"]].groupby(keys)["iteration"].agg(first="min", last="max")
    return found.groupby(keys)["greedy"].mean().rename("share").to_frame().join(at).reset_index()


def span_table(table: pd.DataFrame) -> pd.DataFrame:
    """`spans` by size, for people: how many ever answer, the medians of first and last, and the mean share."""
    rows = []
    for (width, prompt), cell in table.groupby(["width", "prompt"]):
        ever = cell.dropna(subset=["first"])
        row = {"size": size_name(int(width)), "sum": prompt, "ever right": f"{len(ever)} of {len(cell)}"}
        for name in ("first", "last"):
            row[f"{name} success, median iteration"] = f"{ever[name].median():,.0f}" if len(ever) else "–"
        rows.append(row | {"evaluations right (%)": per_cent(cell["share"].mean())})
    return pd.DataFrame(rows)


def by_loss(curves: pd.DataFrame) -> pd.DataFrame:
    """How many held-out sums are right at a given training loss: a row a variant, width and bin of the loss.

    A run counts once in a bin, with the mean over its evaluations there. Columns: variant, width, loss (the middle of
    the bin), runs, and mean, low and high over runs (`stats.means`). Bins with fewer than `FEWEST` runs are left out.
    """
    keys = ["variant", "width", "loss"]
    binned = curves.assign(
        loss=((np.floor(curves["loss"] / BIN) + 0.5) * BIN).round(4), variant=pd.Categorical(curves["variant"], SETS)
    )
    runs = binned.groupby([*keys, "run"], as_index=False, observed=True)["held_out_correct"].mean()
    enough = runs.groupby(keys, observed=True)["run"].transform("size") >= FEWEST
    return stats.means(runs[enough], keys, "held_out_correct")


def crossings(curves: pd.DataFrame, floor: float) -> str:
    """A Markdown list by size: when the loss first falls below a floor, and the held-out sums around that time."""
    lines = []
    for width, cell in curves.dropna(subset=["held_out_correct"]).groupby("width"):
        at = cell[cell["loss"] < floor].groupby("run")["iteration"].min()
        right = cell.groupby("iteration")["held_out_correct"].mean()
        text = f"- **{size_name(int(width))}**: {len(at)} of {cell['run'].nunique()} runs come below the upper floor"
        text += f", first at iteration {at.median():,.0f} (median)" if len(at) else ""
        text += f". Held-out sums right, the mean over runs: {right.max():.1f} of 4 at iteration {right.idxmax():,}, "
        lines.append(f"{text}the best, and {right.iloc[-1]:.1f} at the end.")
    return "\n".join(lines)


def paired(runs: pd.DataFrame) -> pd.DataFrame:
    """The same seeds without and with regularization: a row a task and width.

    Columns: task, width, pairs, both, only without, only with, neither (seeds, by `succeeded`), p (exact McNemar); the
    difference of the score (held-out sums right, or the share of facts recalled), with less without, and its bootstrap
    interval over seeds: difference, low, high.
    """
    rows = []
    for (task, width), cell in runs[runs["variant"].isin(["base", "wd"])].groupby(["task", "width"]):
        measure = "facts_accuracy" if task == "facts" else "held_out_correct"
        wide = cell.assign(right=succeeded).pivot(index="seed", columns="variant", values=["right", measure]).dropna()
        if wide.shape[1] < 4 or wide.empty:
            continue
        base, wd = (wide[("right", variant)].astype(bool) for variant in ("base", "wd"))
        pairs, only_base, only_wd, p = stats.mcnemar(base, wd)
        both = int((base & wd).sum())
        difference = (wide[(measure, "wd")] - wide[(measure, "base")]).astype(float)
        row = {"task": task, "width": int(width), "pairs": pairs, "both": both, "only without": only_base}
        row |= {"only with": only_wd, "neither": pairs - both - only_base - only_wd, "p": p}
        low, high = stats.bootstrap(difference)
        rows.append(row | {"difference": difference.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def shown_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """`paired` for people."""
    rows = []
    for r in table.to_dict("records"):
        kinds = ["both", "only without", "only with", "neither"]
        unit, scale = (" points", 100) if r["task"] == "facts" else (" of 4", 1)
        span = f" ({scale * r['low']:+.2g} to {scale * r['high']:+.2g})" if r["low"] == r["low"] else ""
        row = {"task": r["task"], "size": size_name(r["width"]), "seeds": r["pairs"], **{k: r[k] for k in kinds}}
        rows.append(
            row
            | {"McNemar p": f"{r['p']:.2g}", "score, with less without": f"{scale * r['difference']:+.2g}{unit}{span}"}
        )
    return pd.DataFrame(rows)
