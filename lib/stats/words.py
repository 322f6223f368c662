"""Words: how sizes, variants, measures, counts, intervals and p values are spelt, everywhere."""

from collections.abc import Iterable

from lib.run import PLURALS
from lib.stats import intervals

VARIANTS = {"base": "as published", "wd": "weight decay 0.1", "one order": "one order of the lines"}
MEASURES = {
    "seen_accuracy": "seen sums right", "held_out_correct": "held-out sums right",
    "facts_accuracy": "capitals recalled", "loss": "training loss",
}  # fmt: skip
SHORT = {"held_out_correct": "held-out sums", "seen_accuracy": "seen sums", "facts_accuracy": "capitals"}
UNITS = {"seen_accuracy": "%", "held_out_correct": "number", "facts_accuracy": "%", "loss": "nats per character"}
TITLES = {name: f"{said} ({UNITS[name]})" for name, said in MEASURES.items()}
PLURALS = PLURALS | {"hides": "choices of what is hidden", "answers": "kinds of answers"}  # experiments' own
OTHERWISE = "These runs do not say what the book's own runs say, so the book's sentence is left out here."
MLT = "MLT, the paper's largest model (6 layers, 10.6 million parameters)"  # its name, wherever it comes up first


def size_name(width: int) -> str:
    """The paper's name of a size: n14, n28, n56, MLT; other widths are named alike."""
    return "MLT" if width == 384 else f"n{width}"


def count(number: int, what: str) -> str:
    """Such as "3 runs", and of what runs can differ in "3 widths", "2 depths"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {PLURALS.get(what, what.replace('_', ' ') + 's')}"


def duration(seconds: float) -> str:
    """Such as "40 seconds", "12 minutes" or "1.5 hours"."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            number = seconds / length
            return f"{number:.{'0f' if number >= 10 else '2g'}} {unit}s"
    return count(max(1, round(seconds)), "second")


def listing(parts: Iterable[str]) -> str:
    """Such as "a, b and c"."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def per_cent(share: float) -> str:
    """A share in per cent without decimals, in words where that would hide a rare event."""
    return "under 1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def span(low: float, high: float, *, scale: float = 100, unit: str = " %", digits: int = 0) -> str:
    """An interval, such as "41 to 73 %"; "–" where there is none."""
    return f"{scale * low:z.{digits}f} to {scale * high:z.{digits}f}{unit}" if low == low else "–"


def share(successes: int, runs: int, unit: str = "") -> str:
    """A count with the interval of its share, such as "23 of 40 runs (41 to 73 %)" with " runs" for the unit."""
    return f"{successes} of {runs}{unit} ({span(*intervals.clopper_pearson(successes, runs))})" if runs else "no run"


def mean_span(low: float, high: float, runs: int, **written) -> str:
    """The bootstrap interval of a mean; one without width says what it hides."""
    if low == high:
        return f"all {runs} alike; up to {per_cent(intervals.unseen(runs))} % could differ"
    return span(low, high, **written)


def p_value(p: float) -> str:
    """A p value, two digits; tiny ones are not told apart."""
    return f"{p:.2g}" if p >= 1e-4 else "<0.0001"
