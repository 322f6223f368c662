"""The paper's claims, size by size, and what the runs say of each by the registered rules (book/protocol.md)."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from lib import stats
from lib.experiments import LARGE, REPLICATION, SIZES, VARIANTS, published, size_name

PROTOCOL = "b98ad7b"  # the commit that registered the rules, before any run that they judge
WORDS = {
    "C1": "small models extrapolate to unseen arithmetic",
    "C2": "small models fail to memorize facts",
    "C3": "larger models memorize facts",
    "C4": "larger models fail to extrapolate",
    "C5": "an intermediate model shows the same shift toward memorization",
    "C6": "trained on both tasks jointly, no model of any size extrapolates",
    "C7": "C1 to C6 survive controlled regularization",
    "C8": "the largest model does not grok the held-out pair in 1.5 million iterations",
    "C9": "together: capacity drives a trade-off between memorization and generalization",
}
# claim, task, the rule that judges it (stats.CLAIMS), and the sizes that it speaks of
CELLS = (
    ("C1", "arithmetic", "extrapolates", (14,)),
    ("C2", "facts", "cannot recall", (14,)),
    ("C3", "facts", "recalls", (56, LARGE)),
    ("C4", "arithmetic", "does not extrapolate", (56, LARGE)),
    ("C5", "arithmetic", "does not extrapolate", (28,)),
    ("C5", "facts", "recalls", (28,)),
    ("C6", "joint", "does not extrapolate", SIZES),
)
MARKS = {"replicated": "✓", "not replicated": "✗", "unresolved": "?", "uninformative": "–", "missing": "·"}
TASK = {"C2": "facts", "C3": "facts", "C6": "joint"}  # where the figure of a claim is not that of the sums
FIGURES = {"C7": ("regularization", "fig-pairs"), "C9": ("verdicts", "fig-trade-off")}


def _cell(runs: pd.DataFrame, task: str, width: int) -> pd.DataFrame:
    return runs[(runs["task"] == task) & (runs["width"] == width)]


def _right(cell: pd.DataFrame) -> pd.Series:
    """Whether each run of a cell has all four held-out sums right."""
    return cell["held_out_correct"].dropna() == 4


def _judged(runs: pd.DataFrame, task: str, rule: str, width: int) -> stats.Verdict:
    cell = _cell(runs, task, width)
    if rule in ("recalls", "cannot recall"):
        return stats.judge_mean(rule, cell["facts_accuracy"].dropna())
    success = _right(cell)
    verdict = stats.judge_share(rule, int(success.sum()), len(success))
    if task != "joint":
        return verdict
    single = _right(_cell(runs, "arithmetic", width))
    alone = stats.clopper_pearson(int(single.sum()), len(single)) if len(single) else None
    seen = stats.bootstrap(cell["seen_accuracy"].dropna()) if len(cell) else None
    return stats.joint(verdict, alone, seen)


def judge(runs: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """One row a claim, size and regularization: what the paper has, what these runs have, and the verdict at 95 %.

    Parameters
    ----------
    runs : finished runs, outcomes at the final iteration (`Store.runs`), with the column `variant`; "base" and "wd"
        are judged.
    paper : `experiments.published_results`.

    Returns
    -------
    Columns: claim, variant, task, rule, width, size, paper, here, and those of `stats.Verdict`. C1 to C6 under "wd" are
    what C7 is about.
    """
    rows = []
    for variant in VARIANTS:
        ours, theirs = (table[table["variant"] == variant] for table in (runs, paper))
        for claim, task, rule, widths in CELLS:
            for width in widths:
                one, verdict = _cell(theirs, task, width).iloc[0], _judged(ours, task, rule, width)
                if rule in ("recalls", "cannot recall"):
                    says, here = f"{one['facts']:g} %", f"{100 * verdict.estimate:.1f} %"
                else:
                    says = f"{one['addition']:g} / {one['subtraction']:g} %"
                    here = f"{verdict.estimate * verdict.runs:.0f} of {verdict.runs}"
                row = {"claim": claim, "variant": variant, "task": task, "rule": rule, "width": width}
                row |= {"size": size_name(width), "paper": says, "here": here if verdict.runs else "no run"}
                rows.append(row | asdict(verdict))
    return pd.DataFrame(rows)


def trade_offs(runs: pd.DataFrame) -> pd.DataFrame:
    """n14 against every other size on both outcomes under both regularizations: the primary family, after Holm.

    A difference of shares of runs (sums: n14 less the other, Newcombe, Fisher's exact test) or of mean recall (facts:
    the other less n14, bootstrap, permutation test). Columns: variant, task, width, size, p, adjusted, and those of
    `stats.Verdict`.
    """
    rows: list[dict[str, Any]] = []
    for variant in VARIANTS:
        ours = runs[runs["variant"] == variant]
        for task in ("arithmetic", "facts"):
            small = _cell(ours, task, 14)
            for width in SIZES[1:]:
                large: pd.DataFrame = _cell(ours, task, width)
                row: dict[str, Any] = {"variant": variant, "task": task, "width": width}
                row |= {"size": size_name(width), "runs": min(len(small), len(large)), "p": float("nan")}
                if row["runs"] and task == "arithmetic":
                    counts = [n for cell in (small, large) for n in (int(_right(cell).sum()), len(_right(cell)))]
                    row |= {"difference": counts[0] / counts[1] - counts[2] / counts[3], "p": stats.fisher(*counts)}
                    row |= {"interval": stats.newcombe(*counts), "method": "Newcombe, Fisher"}
                elif row["runs"]:
                    values = large["facts_accuracy"], small["facts_accuracy"]
                    row |= {"difference": values[0].mean() - values[1].mean(), "p": stats.permutation(*values)}
                    row |= {"interval": stats.bootstrap(*values, weights=(1, -1)), "method": "bootstrap, permutation"}
                rows.append(row)
    kept = ["variant", "task", "width", "size", "p", "adjusted"]
    table = pd.DataFrame(rows, columns=[*kept[:-1], "runs", "difference", "interval", "method"])
    table["adjusted"] = stats.holm(table["p"])
    judged = [stats.trade_off(r.difference, r.interval, r.adjusted, r.runs, r.method) for r in table.itertuples()]
    return pd.concat([table[kept], pd.DataFrame(map(asdict, judged), index=table.index)], axis=1)


def trends(runs: pd.DataFrame) -> pd.DataFrame:
    """Cochran-Armitage trend of the success on the sums over the log of the number of parameters, a row a variant."""
    rows = []
    for variant, ours in runs[runs["task"] == "arithmetic"].groupby("variant", sort=False):
        cells = ours.assign(right=ours["held_out_correct"] == 4).groupby("width")
        if len(cells) < 2:
            continue
        right, count = cells["right"].sum(), cells["right"].size()
        parameters = [published("arithmetic", int(width), 0).architecture.parameters() for width in right.index]
        z, p = stats.cochran_armitage(right, count, parameters)
        shares = ", ".join(f"{size_name(int(w))} {right[w]} of {count[w]}" for w in right.index)
        rows.append({"variant": variant, "runs that extrapolate": shares, "z": z, "p": p})
    return pd.DataFrame(rows)


def _interval(row) -> str:
    return f"{100 * row.low:.0f} to {100 * row.high:.0f} %" if row.runs and row.low == row.low else "–"


def _marked(verdict: str) -> str:
    return f"{MARKS[verdict]}\u00a0{verdict}"


def claim_table(judged: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """The verdict table, a row a claim and size: the paper's evidence, ours, intervals, verdicts; claims are links.

    A claim about several sizes has the worst of their verdicts, beside its words. C7 is C1 to C6 judged on the
    regularized runs, C9 the trade-off without regularization.

    Parameters
    ----------
    judged : from `judge`.
    gaps : from `trade_offs`.
    """
    columns = ["size", "paper", "ours", "95 % interval", "verdict"]
    tables: dict[str, pd.DataFrame] = {}  # with these columns, and one of bare verdicts
    base, decayed = judged[judged["variant"] == "base"], judged[judged["variant"] == "wd"]
    for claim in WORDS:
        if claim == "C7":
            rows = []
            for other, cells in decayed.groupby("claim"):
                least = cells.loc[cells["runs"] > 0, "runs"].min()
                ours = "no run" if pd.isna(least) else f"{least:.0f} runs" if least > 1 else "one run"
                rows.append((str(other), "one run", ours, "–", _worst(cells["verdict"])))
        elif claim == "C8":
            rows = [("MLT", "one run", "no run", "–", "missing")]
        elif claim == "C9":
            rows = []
            for r in gaps[gaps["variant"] == "base"].itertuples():
                label = f"n14 − {r.size}" if r.task == "arithmetic" else f"{r.size} − n14"
                ours = f"{100 * r.estimate:+.0f} points" if r.runs else "no run"
                rows.append((label, "sums" if r.task == "arithmetic" else "capitals", ours, _interval(r), r.verdict))
        else:
            cells = base[base["claim"] == claim]
            rows = [(r.size, r.paper, r.here, _interval(r), r.verdict) for r in cells.itertuples()]
        tables[claim] = pd.DataFrame(rows, columns=columns)
    for claim, table in tables.items():
        page, name = FIGURES.get(claim, ("replication", f"fig-strips-{TASK.get(claim, 'arithmetic')}"))
        words = f'<a href="{page}.html#{name}">{claim}</a> {WORDS[claim]}' if claim != "C8" else f"C8 {WORDS[claim]}"
        if len(table) > 1:
            words += f": **{_marked(_worst(table['verdict']))}**"
        table.insert(0, "claim", [words, *[""] * (len(table) - 1)])
        table["verdict"] = table["verdict"].map(_marked)
    whole = pd.concat(tables.values(), ignore_index=True)
    whole[columns] = whole[columns].replace(" ", "\u00a0", regex=True)  # one line each
    return whole


def _worst(verdicts: pd.Series) -> str:
    return next(word for word in stats.VERDICTS if word in set(verdicts))


def shown(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts size by size, for people (from `judge`)."""
    rules = judged["rule"] + [" after joint training" if task == "joint" else "" for task in judged["task"]]
    verdict = [_marked(r.verdict) + (f" ({r.note})" if r.note else "") for r in judged.itertuples()]
    columns = {"size": "size", "paper": "its one run", "here": "ours"}
    table = judged[["claim", *columns]].rename(columns=columns)
    table.insert(2, "rule", rules)
    return table.assign(**{"95 % interval": list(map(_interval, judged.itertuples())), "verdict": verdict})


def shown_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    """The primary family, for people (from `trade_offs`)."""
    names = {"arithmetic": "sums: n14 − {}", "facts": "capitals: {} − n14"}
    rows = []
    for r in gaps.itertuples():
        row = {"variant": r.variant, "comparison": names[r.task].format(r.size), "runs": str(r.runs or "none")}
        row["difference"] = f"{100 * r.estimate:+.0f} points" if r.runs else "–"
        row |= {"95 % interval": _interval(r), "p": f"{r.p:.2g}" if r.runs else "–"}
        row |= {"p after Holm": f"{r.adjusted:.2g}" if r.runs else "–", "verdict": _marked(r.verdict)}
        rows.append({name: value.replace(" ", "\u00a0") for name, value in row.items()})
    return pd.DataFrame(rows)


def counts(runs: pd.DataFrame) -> pd.DataFrame:
    """How many runs each cell of the registered replication has, beside the least and the planned, for people."""
    there = runs.groupby(["task", "width", "variant"]).size()
    rows = []
    for task, least in REPLICATION[0].items():
        for width in SIZES:
            row = {"task": task, "size": size_name(width)}
            row |= {name: str(there.get((task, width, name), 0)) for name in [*VARIANTS, "one order"]}
            row |= {} if task == "arithmetic" else {"one order": "–"}
            rows.append(row | {"least": str(least), "planned": str(REPLICATION[1][task])})
    return pd.DataFrame(rows)


def provisional(runs: pd.DataFrame) -> str:
    """How many cells have the protocol's least number of runs, and which lack it: a sentence or two."""
    there = runs.groupby(["task", "width", "variant"]).size()
    cells = {
        (task, width, variant): int(there.get((task, width, variant), 0))
        for task in REPLICATION[0]
        for width in SIZES
        for variant in VARIANTS
    }
    enough = sum(number >= REPLICATION[0][task] for (task, _, _), number in cells.items())
    short: dict[str, list[str]] = {}
    none: dict[str, list[str]] = {}
    for (task, width), numbers in pd.Series(cells).groupby(level=[0, 1], sort=False):
        least, name = REPLICATION[0][task], size_name(int(width))
        if numbers.max() == 0:
            none.setdefault(task, []).append(name)
        elif numbers.min() < least:
            short.setdefault(task, []).append(f"{name} {numbers.min()} of {least}")
    text = f"{enough} of the protocol's {len(cells)} cells have at least their least number of runs."
    for words, found in (("Provisional are the verdicts on", short), ("No run yet:", none)):
        listed = ", ".join(f"{task} ({', '.join(names)})" for task, names in found.items())
        text += f" {words} {listed}." if found else ""
    return text


def _statements(found: pd.DataFrame) -> str:
    """Such as "n14 extrapolates (C1: 9 of 20 runs)", sizes with one claim and rule together."""
    verbs = {
        "extrapolates": ("extrapolates", "extrapolate"),
        "does not extrapolate": ("does not extrapolate", "do not extrapolate"),
        "recalls": ("recalls the capitals", "recall the capitals"),
        "cannot recall": ("cannot recall the capitals", "cannot recall the capitals"),
    }
    parts = []
    for (claim, task, rule), cell in found.groupby(["claim", "task", "rule"], sort=False):
        sizes = " and ".join(cell["size"]) if len(cell) < 3 else ", ".join(cell["size"])
        end = " after joint training" if task == "joint" else ""
        unit = " recalled" if "recall" in str(rule) else " runs"
        numbers = f": {', '.join(cell['here'])}{unit}" if cell["runs"].min() else ""
        parts.append(f"{sizes} {verbs[str(rule)][len(cell) > 1]}{end} ({claim}{numbers})")
    return ", ".join(parts)


def summary(judged: pd.DataFrame) -> str:
    """Three sentences on C1 to C6 without regularization: what stands, what does not, and what is open."""
    ours = judged[judged["variant"] == "base"]

    def listed(**words: str) -> str:
        parts = []
        for verdict, before in words.items():
            found = ours[ours["verdict"] == verdict.replace("_", " ")]
            parts += [before + _statements(found)] if len(found) else []
        return "; ".join(parts) or "nothing"

    return "\n".join(
        [
            f"- **What stands:** {listed(replicated='')}.",
            f"- **What does not:** {listed(not_replicated='')}.",
            "- **What is open:** "
            + listed(
                unresolved="too few runs to tell whether ",
                uninformative="it could not have shown, but for failing before or not learning the seen sums, that ",
                missing="not run yet, whether ",
            )
            + ".",
        ]
    )
