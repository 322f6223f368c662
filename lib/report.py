"""The verdicts (claims.py) for people: tables and sentences."""

import pandas as pd

from lib import stats
from lib.experiments import REPLICATION, SIZES, VARIANTS, size_name

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
MARKS = {"replicated": "✓", "not replicated": "✗", "unresolved": "?", "uninformative": "○", "missing": "·"}
TASK = {"C2": "facts", "C3": "facts", "C6": "joint"}  # where the figure of a claim is not that of the sums
FIGURES = {"C7": ("regularization", "fig-pairs"), "C9": ("verdicts", "fig-trade-off")}


def _interval(row) -> str:
    return f"{100 * row.low:.0f} to {100 * row.high:.0f} %" if row.runs and row.low == row.low else "–"


def _marked(verdict: str) -> str:
    return f"{MARKS[verdict]}\u00a0{verdict}"


def p_value(p: float) -> str:
    """A p value for people, two digits; tiny ones are not told apart."""
    return f"{p:.2g}" if p >= 1e-4 else "<0.0001"


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
    tables: dict[str, pd.DataFrame] = {}
    base, decayed = judged[judged["variant"] == "base"], judged[judged["variant"] == "wd"]
    for claim in WORDS:
        if claim == "C7":
            rows = []
            for other, cells in decayed.groupby("claim"):
                least = cells.loc[cells["runs"] > 0, "runs"].min()
                ours = "no run" if pd.isna(least) else f"{least:.0f} runs" if least > 1 else "one run"
                rows.append((str(other), "one run", ours, "–", stats.overall(cells.itertuples())))
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
            words += f": **{_marked(stats.overall(table.itertuples()))}**"
        table.insert(0, "claim", [words, *[""] * (len(table) - 1)])
        table["verdict"] = table["verdict"].map(_marked)
    whole = pd.concat(tables.values(), ignore_index=True)
    whole[columns] = whole[columns].replace(" ", "\u00a0", regex=True)  # one line each
    return whole


def shown(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts size by size, for people (from `judge`)."""
    rules = judged["rule"] + [" after joint training" if task == "joint" else "" for task in judged["task"]]
    verdict = [_marked(r.verdict) + (f" ({r.note})" if r.note else "") for r in judged.itertuples()]
    columns = {"size": "size", "paper": "its one run", "here": "ours"}
    table = judged[["claim", *columns]].rename(columns=columns)
    table.insert(2, "rule", rules)
    table["95 % interval"] = list(map(_interval, judged.itertuples()))
    numbers = ["its one run", "ours", "95 % interval"]
    table[numbers] = table[numbers].replace(" ", "\u00a0", regex=True)  # one line each
    return table.assign(verdict=verdict)


def shown_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    """The primary family, for people (from `trade_offs`)."""
    names = {"arithmetic": "sums: n14 − {}", "facts": "capitals: {} − n14"}
    rows = []
    for r in gaps.itertuples():
        row = {"variant": r.variant, "comparison": names[r.task].format(r.size), "runs": str(r.runs or "none")}
        row["points"] = f"{100 * r.estimate:+.0f}" if r.runs else "–"
        row |= {"95 % interval": _interval(r), "p": p_value(r.p) if r.runs else "–"}
        row |= {"p after Holm": p_value(r.adjusted) if r.runs else "–", "verdict": _marked(r.verdict)}
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
        sizes = ", ".join(cell["size"][:-1]) + " and " * (len(cell) > 1) + cell["size"].iloc[-1]
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
        return "; ".join(parts) or "nothing so far"

    return "\n".join(
        [
            f"- **What stands:** {listed(replicated='')}.",
            f"- **What does not:** {listed(not_replicated='that ')}.",
            "- **What is open:** "
            + listed(
                unresolved="too few runs to tell whether ",
                uninformative="no evidence (the size failed alone or did not learn the seen sums) on whether ",
                missing="not run yet, whether ",
            )
            + ".",
        ]
    )


def differences(gaps: pd.DataFrame) -> str:
    """Which sizes differ from n14 without regularization after Holm's correction: a sentence, or ""."""
    words = {"arithmetic": "n14 extrapolates more often than {}", "facts": "{} recalls more than n14"}
    less = {"arithmetic": "n14 extrapolates less often than {}", "facts": "{} recalls less than n14"}
    found = gaps[(gaps["variant"] == "base") & (gaps["adjusted"] < stats.ALPHA)]
    parts = [
        (words if r.estimate > 0 else less)[r.task].format(r.size)
        + f" (by {100 * abs(r.estimate):.0f} points, {_interval(r)})"
        for r in found.itertuples()
    ]
    return f"Differences that hold after Holm's correction: {', '.join(parts)}." if parts else ""
