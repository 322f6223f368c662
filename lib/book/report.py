"""The verdicts (claims.py) for people: tables, and the sentences whose words depend on the verdicts."""

import pandas as pd

from lib.data import ARITHMETIC, LABELS
from lib.data.paper import LARGE, SIZES
from lib.experiments.claims import TASKS
from lib.experiments.replication import GOALS, VARIANTS
from lib.stats import rules, words
from lib.stats.words import size_name

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
FIGURES = {"C6": ("joint", "fig-joint"), "C7": ("joint", "fig-pairs"), "C9": ("verdicts", "fig-trade-off")}
THEIRS = "the paper's one run"
NUMBERS = [THEIRS, "ours", "95 % interval", "runs"]


def _marked(verdict: str, note: str = "") -> str:
    return f"{MARKS[verdict]}\u00a0{verdict}" + (f" ({note})" if note else "")


def _interval(row) -> str:
    return words.mean_span(row.low, row.high, row.runs) if row.runs else "–"


def _one_line(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with numbers that do not break."""
    short = lambda text: text.replace(" ", "\u00a0") if len(text) < 16 else text  # noqa: E731
    return table.assign(**{name: table[name].map(short) for name in ("size", *NUMBERS)})


def _by_claim(judged: pd.DataFrame, gaps: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each claim: size, the paper's one run, ours, 95 % interval, runs, verdict, note."""
    base, found = judged[judged["variant"] == "base"], {}
    for claim in WORDS:
        cells = base[base["claim"] == claim]
        if claim == "C9":
            cells = gaps[gaps["variant"] == "base"]
            size = [
                f"{LABELS[r.task]}: {f'n14 − {r.size}' if r.task == ARITHMETIC else f'{r.size} − n14'}"
                for r in cells.itertuples()
            ]
            ours = [f"{100 * r.estimate:+z.0f} points" if r.runs else "no run" for r in cells.itertuples()]
            cells = cells.assign(size=size, paper="–", here=ours)
        table = pd.DataFrame({"size": cells["size"], THEIRS: cells["paper"], "ours": cells["here"]})
        table["95 % interval"] = list(map(_interval, cells.itertuples()))
        found[claim] = table.assign(runs=cells["runs"], verdict=cells["verdict"], note=cells["note"])
    found["C7"] = _regularized(judged)
    found["C8"] = pd.DataFrame(
        [("MLT", "0 of 4 sums", "no run", "–", 0, "missing", "")], columns=list(found["C8"].columns)
    )
    return found


def _heading(claim: str) -> str:
    page, name = FIGURES.get(claim, ("replication", "fig-strips"))
    linked = f'<a href="{page}.html#{name}">{claim}</a>' if claim != "C8" else claim
    return f"{linked} {WORDS[claim]}"


def findings(judged: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """What was found claim by claim, for the sizes that were run: a row a claim and size; claims are links.

    Parameters
    ----------
    judged, gaps : from `claims.judge` and `claims.trade_offs`.
    """
    parts = []
    for claim, table in _by_claim(judged, gaps).items():
        table = table[table["runs"] != 0]
        if claim == "C7":
            table = _summed(table)
        if len(table):
            verdict = [_marked(r.verdict, r.note) for r in table.itertuples()]
            parts.append(table.assign(verdict=verdict, claim=[_heading(claim), *[""] * (len(table) - 1)]))
    if not parts:
        return pd.DataFrame({"claim": ["no run yet"]})
    whole = pd.concat(parts, ignore_index=True).astype({"runs": str})
    return _one_line(whole[["claim", "size", *NUMBERS, "verdict"]])


def _summed(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of a claim, in one row: how many have which verdict, and the worst of them."""
    if cells.empty:
        return cells
    counted = words.listing(f"{(cells['verdict'] == v).sum()} {v}" for v in MARKS if (cells["verdict"] == v).any())
    row = {"size": "all", THEIRS: "as without", "ours": f"{len(cells)} cells: {counted}", "95 % interval": "–"}
    row |= {"runs": cells["runs"].sum(), "verdict": rules.overall(cells.itertuples()), "note": ""}
    return pd.DataFrame([row])


def _regularized(judged: pd.DataFrame) -> pd.DataFrame:
    """C1 to C6 on the regularized runs: a row a claim and size that was run."""
    cells = judged[judged["variant"] == "wd"]
    table = pd.DataFrame({"size": cells["claim"] + " " + cells["size"], THEIRS: cells["paper"], "ours": cells["here"]})
    table["95 % interval"] = list(map(_interval, cells.itertuples()))
    return table.assign(runs=cells["runs"], verdict=cells["verdict"], note=cells["note"])


def record(judged: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """The verdict on each whole claim, by the registered order of verdicts; sizes that were run and not run apart."""
    rows = []
    for claim, table in _by_claim(judged, gaps).items():
        run, not_run = table[table["runs"] > 0], table[table["runs"] == 0]
        row = {"claim": claim, "registered verdict on the whole": _marked(rules.overall(table.itertuples()))}
        row["of what was run"] = _marked(rules.overall(run.itertuples())) if len(run) else "–"
        rows.append(row | {"not run": ", ".join(not_run["size"]) or "–"})
    return pd.DataFrame(rows)


def changed(judged: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """The cells whose verdict differs between two calls of `judge`, for people: then and now."""
    keys = ["variant", "claim", "size", "rule"]
    both = judged.merge(earlier, on=keys, suffixes=("", "_then"))
    both = both[both["verdict"] != both["verdict_then"]]
    columns = {"here_then": "ours then", "verdict_then": "verdict then", "here": "ours now", "verdict": "verdict now"}
    return both[[*keys, *columns]].rename(columns=columns)


def provisional(runs: pd.DataFrame) -> str:
    """How many cells have the protocol's least number of runs, and which lack it: a sentence or two.

    The protocol's cells are every task, size and variant, and the sums in one order of the lines.
    """
    there = runs.groupby(["task", "width", "variant"]).size()
    named = [(task, variant) for task in TASKS for variant in VARIANTS] + [(ARITHMETIC, "one order")]
    cells = {(t, width, v): int(there.get((t, width, v), 0)) for t, v in named for width in SIZES}
    least = {key: GOALS[0][key[0]] for key in cells}
    enough = sum(number >= least[key] for key, number in cells.items())
    text = f"{enough} of the protocol's {len(cells)} cells have at least their least number of runs."
    few = [
        f"{t} {size_name(w)} {v} ({n} of {least[t, w, v]})" for (t, w, v), n in cells.items() if 0 < n < least[t, w, v]
    ]
    none = sorted({w for (_, w, _), n in cells.items() if not n} - {w for (_, w, _), n in cells.items() if n})
    text += f" Short of it are: {', '.join(few)}." if few else ""
    return text + (f" No run yet: {', '.join(map(size_name, none))}." if none else "")


def not_run(judged: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """Which claims speak of sizes that were not run: a sentence, or ""."""
    missing = judged[(judged["variant"] == "base") & (judged["runs"] == 0)]
    if missing.empty:
        return ""
    sizes = [words.MLT if width == LARGE else size_name(width) for width in sorted(set(missing["width"]))]
    table = record(judged, gaps)
    partly = table.loc[(table["not run"] != "–") & (table["of what was run"] != "–"), "claim"]
    text = f"Not run: {words.listing(sizes)}."
    if partly.empty:
        return text
    return f"{text} What {words.listing(partly)} say of it stays open, and so does C8, that {WORDS['C8']}."


def undecided(judged: pd.DataFrame) -> str:
    """What the interval of each open share does say, and how many runs a verdict would take: sentences, or ""."""
    found = judged[
        (judged["variant"] == "base") & (judged["verdict"] == "unresolved") & (judged["method"] == "Clopper-Pearson")
    ]
    parts = []
    for r in found.itertuples():
        text = f"The share of {r.size} runs with all four held-out sums right lies between "
        text += f"{100 * r.low:.0f} and {100 * r.high:.0f} %"
        text += "; that every run has them is ruled out" if r.high < 1 else ""
        text += "; that none has them is ruled out" if r.low > 0 else ""
        runs = rules.runs_at(r.rule, r.estimate)
        more = f" If it stays where it is, a verdict takes about {runs:,} runs or more." if runs else ""
        parts.append(f"{text}.{more}")
    return " ".join(parts)
