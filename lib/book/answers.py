"""What the experiments of the second protocol answer: a row each, what to remember, is it capacity."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.book import chapter
from lib.book.chapter import Chapter
from lib.experiments import controls, grokking, lines, order, pairs, rate, scan, share, tuning
from lib.settings import settle
from lib.stats import words

ACCOUNTS = {
    "capacity": "the table fits into models from {} the size at which half of the hidden sums are right (on a curve "
    f"fitted to the sizes from n{rate.FITTED} on)",
    "rate": "storing it gets as fast as finding the rule at {} that size",
}
WINDOWS = {"lines": "aligned", "anywhere": "published stream", "pairs": "no order"}


def read(store: str | None) -> dict[str, Chapter]:
    """The runs of every experiment, as far as they may be judged; nothing is trained."""
    return {name: chapter.read(settle({"store": store}, name)) for name in ROWS}


def said(low: float, high: float, value: float) -> str:
    """A difference with its interval, such as "+31 points (+12 to +48)"."""
    return f"{100 * value:+z.0f} points ({100 * low:+z.0f} to {100 * high:+z.0f})" if low == low else "–"


def _pairs(here: Chapter) -> list[tuple[str, str, str]]:
    rows = []
    found = pairs.judged(pairs.by_pair(here.runs))
    for r in found[found["width"] == 14].itertuples():
        effect = f"n14 has {100 * r.mean:.0f} % of the hidden sums right ({words.span(r.low, r.high)}), {r.pairs} pairs"
        rows.append((f"another pair, {WINDOWS[r.windows]}", effect, r.verdict))
    return rows or [("another pair", "–", "missing")]


def _rate(here: Chapter) -> list[tuple[str, str, str]]:
    answered = here.runs[here.runs["part"] == "answers"]
    curves = here.curves(here.runs)
    found = rate.accounts(answered, curves).set_index("quantity")
    halves = "; ".join(
        ACCOUNTS[name].format(f"{r.ratio:.2g} times ({r.ratio_low:.2g} to {r.ratio_high:.2g})")
        for name, r in found.iterrows()
        if name in ACCOUNTS
    )
    moved = rate.intervention(here.runs)
    by = [
        f"{r.ratio:.2f} times as large ({r.low:.2f} to {r.high:.2f}) with a rate x {r.mlp_rate:g}"
        for r in moved.itertuples()
        if r.mlp_rate != 1
    ]
    slowed = f"the size at which half of the hidden sums are right becomes {words.listing(by)}" if by else "–"
    raced = rate.races(curves)
    later = [
        f"{np.exp(r.difference):.2f} times ({np.exp(r.low):.2f} to {np.exp(r.high):.2f}) with a rate x {r.mlp_rate:g}"
        for r in raced.itertuples()
        if r.mlp_rate != 1
    ]
    waits = f"the time to store over the time to find the rule becomes {words.listing(later)}" if later else "–"
    return [
        ("capacity or rate", halves or "–", rate.verdict(found.reset_index())),
        ("the MLP's learning rate alone", slowed, rate.moved(moved)),
        ("what a slower MLP slows", waits, rate.raced(raced)),
    ]


def _tuning(here: Chapter) -> list[tuple[str, str, str]]:
    shares, rows = tuning.shares(here.items(here.runs, groups=["held out"]), here.runs), []
    for cause, parts in (
        ("rate and time chosen for each size", ("rate",)),
        ("weight decay and batch, too", ("rate", "decay", "batch")),
    ):
        table = tuning.chosen(shares, parts)
        lead, word = tuning.verdict(table)
        each = ", ".join(f"{words.size_name(r.width)} {100 * r.tests:.0f} %" for r in table.itertuples())
        effect = f"{each}; n14 leads by {said(lead.low, lead.high, lead.mean)}"
        judged = word if parts == ("rate",) else "described"  # the rule speaks of the rate alone
        made = set(parts) <= set(here.runs["part"])
        rows.append((cause, effect, judged) if made else (cause, "–", "missing"))
    return rows


def _order(here: Chapter) -> list[tuple[str, str, str]]:
    rows = []
    found = order.judged(here.runs)
    for r in found[found["width"] > 14].itertuples():
        effect = f"{100 * r.without_order:.0f} % without, {100 * r.with_order:.0f} % with: "
        effect += said(r.low, r.high, r.difference)
        rows.append((f"the order of the lines, {words.size_name(r.width)}", effect, r.verdict))
    return rows or [("the order of the lines", "–", "missing")]


def _share(here: Chapter) -> list[tuple[str, str, str]]:
    table = share.frontier(here.runs)
    leads = "; ".join(
        f"{r.hides} hidden {said(r.lead_low, r.lead_high, r.lead)}" for r in share.leads(table).itertuples()
    )
    return [("more than one pair hidden", f"n14 less n56: {leads}" if leads else "–", share.verdict(table))]


def _scan(here: Chapter) -> list[tuple[str, str, str]]:
    three, gains, shapes, does = scan.matched(here.runs), scan.fits(here.runs), "–", "–"
    if three["units"].min():
        most = three.loc[three["mean"].abs().idxmax()]
        better, worse, low, high = most[["first", "second", "low", "high"]]
        if most["mean"] < 0:
            better, worse, low, high = worse, better, -high, -low
        lead = f"{said(low, high, abs(most['mean']))} of the hidden sums"
        shapes = f"with nearly as many parameters, {better} leads {worse} by {lead}"
    if gains.notna().all():
        a_run = scan.by_run(here.runs, gains)["layers"]
        by = f"{gains['layers']:.0f} in BIC ({a_run:.0f} with a run for one observation), the width by "
        shapes += f"; beside parameters the layers improve the fit by {by}{gains['width']:.0f}"
    both, word = scan.does_both(scan.spectrum(here.runs)), "missing"
    if runs := scan.on_both(here.runs):
        does = (
            f"{words.listing(map(words.size_name, both))} do"
            if both
            else f"none is shown to; with {words.count(runs, 'run')} a size on the capitals none could be"
        )
        word = "yes" if both else "none shown"
    return [
        ("parameters, width or depth", shapes, scan.verdict(three, gains)),
        ("a size that does both tasks", does, word),
    ]


def _controls(here: Chapter) -> list[tuple[str, str, str]]:
    rows = []
    for r in controls.judged(here.runs).itertuples():
        effect = f"{100 * r.alone:.0f} % alone, with facts {said(r.low, r.high, r.difference)}"
        rows.append((f"joint training, {words.size_name(r.width)}", effect, r.verdict))
    return rows or [("joint training", "–", "missing")]


def _lines(here: Chapter) -> list[tuple[str, str, str]]:
    found, word = lines.memorizes(here.runs)
    recall = (
        f"n14 recalls {100 * found.mean:.0f} % of the capitals ({words.mean_span(found.low, found.high, found.units)})"
    )
    rows = [("the window, facts alone, n14", recall if found.units else "–", word)]
    judged = lines.judged(here.runs)
    for r in judged.itertuples():
        effect = f"{100 * r.alone:.0f} % alone, with facts {said(r.low, r.high, r.difference)}"
        rows.append((f"joint training, one line a window, {words.size_name(r.width)}", effect, r.verdict))
    does = [words.size_name(r.width) for r in judged.itertuples() if r.word == "does both"]
    each = ", ".join(f"{words.size_name(r.width)} {r.does} of {r.asked} ({r.word})" for r in judged.itertuples())
    word = "missing" if judged.empty else "yes" if does else "none shown"
    rows.append(("a model that does both at once, one line a window", f"runs that do: {each}" if each else "–", word))
    return rows


def _grokking(here: Chapter) -> list[tuple[str, str, str]]:
    rows = []
    for r in grokking.judged(here.curves(here.runs)).itertuples():
        effect = f"second tenth of a run {100 * r.early:.0f} %, last {100 * r.late:.0f} %: "
        effect += said(r.low, r.high, r.difference)
        decay = f"decay {r.weight_decay:g}" if r.weight_decay else "no decay"
        rows.append((f"too short a training, {words.size_name(r.width)}, {decay}", effect, r.verdict))
    return rows or [("too short a training", "–", "missing")]


ROWS = {
    "pairs": _pairs, "rate": _rate, "tuning": _tuning, "order": _order, "share": _share, "scan": _scan,
    "controls": _controls, "lines": _lines, "grokking": _grokking,
}  # fmt: skip


def table(chapters: Mapping[str, Chapter]) -> pd.DataFrame:
    """Every suspected cause: columns experiment, cause, effect (in words, with its interval), verdict."""
    rows = [(name, *row) for name, make in ROWS.items() for row in make(chapters[name])]
    return pd.DataFrame(rows, columns=["experiment", "cause", "effect", "verdict"])


def remember(name: str, here: Chapter) -> str:
    """What to remember of an experiment: its rows of `table` in a sentence each."""
    rows = [f"{cause[0].upper()}{cause[1:]}: {effect}; *{verdict}*." for cause, effect, verdict in ROWS[name](here)]
    return f"**To remember.** {' '.join(rows)}"


def is_it_capacity(found: pd.DataFrame) -> list[str]:
    """The answer that the verdicts give: whether it is, then what else is known of the causes, a paragraph each."""
    word, effect = (found.set_index("cause")[name] for name in ("verdict", "effect"))
    account = word.get("capacity or rate", "missing")
    parts = {
        "capacity": "Yes, by the registered rule: sizes stop filling the hole where they become able to store the "
        "table.",
        "rate": "No, by the registered rule: sizes stop filling the hole where they memorize faster than they "
        "generalize, not where they become able to store the table.",
        "neither": "Not shown. By the registered rule sizes lose the hole neither where the table fits into them nor "
        "where they store it faster than they find the rule: "
        f"{effect.get('capacity or rate', '')} ({{doc}}`rate`).",
        "missing": "It cannot be said yet: the runs that would tell capacity from rate are not complete.",
    }
    text = [parts[account]]
    if word.get("parameters, width or depth") == "not parameters alone":
        shapes = effect["parameters, width or depth"].partition(";")[0]
        text.append(f"*Not the number of parameters alone*: {shapes} ({{doc}}`scan`).")
    mlp = "the MLP's learning rate alone"
    if word.get(mlp) == "rate is a cause":
        how = {
            "storing is slowed more": ", as it should be where storing too fast does harm: storing is slowed more than "
            "finding the rule",
            "finding is slowed more": ", though not by making storing later: finding the rule is slowed more",
        }.get(word.get("what a slower MLP slows", ""), "; why is open")
        moved = effect[mlp].partition(" with a rate x 0.1")[0]
        text.append(f"*A rate is a cause*: where the MLP alone learns at a tenth of it, {moved}{how} ({{doc}}`rate`).")
    elif word.get(mlp) == "the MLP's rate is no cause":
        text.append("A slower MLP does not move the size at which success falls to one half ({doc}`rate`).")
    own, more = "rate and time chosen for each size", "weight decay and batch, too"
    judged = {
        "overtraining": "The recipe is a cause",
        "a size effect survives": "The recipe is not it",
        "between": "Perhaps the recipe",
    }.get(word.get(own, "missing"))
    if judged:
        sizes = f"*{judged}*: with a learning rate and a stopping time of its own, chosen on another pair, each size "
        sizes += f"has of the hidden sums {effect[own]}, by the rule *{word[own]}*"
        if more in effect:
            sizes += f"; with weight decay and batch to choose as well, not judged, {effect[more]}"
        text.append(f"{sizes} ({{doc}}`tuning`).")
    orders = {verdict for cause, verdict in word.items() if str(cause).startswith("the order of the lines,")}
    if orders == {"order does not explain it"}:
        text.append("*Not the order of the lines*, which larger models learn by heart ({doc}`order`).")
    elif "order explains it" in orders:
        text.append("*The order of the lines*, a second task hidden in the stream, explains part of it ({doc}`order`).")
    if word.get("the window, facts alone, n14") == "memorizes":
        text.append(
            "*Small models can store facts*: that they cannot holds for the published window; line by line, n14 can "
            "({doc}`lines`)."
        )
    if word.get("a model that does both at once, one line a window") == "yes":
        text.append("And one model can do both tasks at once ({doc}`lines`).")
    return text
