"""Sums and differences: every a+b and a-b of some numbers, less the pairs that are held out.

Notable features:
- the published table has the digits 0 to 9 (Barron and White 2025, arXiv:2506.09099); others have another base, one
  character a digit, or more numbers;
- a line is an expression and its answer, "<5+7=12>", filled up with blanks so that all are equally long;
- answers can be dealt to the lines anew, so that there is nothing but a table to learn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.data.prompts import Prompt, ordered
from lib.errors import UserError

PUBLISHED_PAIR = ((5, 7),)
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"  # of numbers in a base of up to 36
SYMBOLS = "\n +-<=>"

# The order of the 196 published lines (data/as_math/train.txt of the paper's public code).
PUBLISHED_ORDER = """
    1-4 7-7 9-1 2+5 7+2 1-3 6+2 7+7 9+9 0+4 3+1 8+3 2-7 3-9 4-9 9-8 4-3 0-7 7-2 4+7 7+9 5+5 9+2 3-0 2-3 7+4 7+3 3-5
    7+8 8+2 5+0 4+3 3+2 9+5 9+3 2-0 9-4 8-6 8-3 2+7 8-1 1+1 9+6 0-5 7-0 1+0 8-4 3-6 1+6 6+9 3+5 2-2 3+4 6-8 9+1 6+8
    2-1 8-2 7+1 5-1 2-5 8-7 4+4 6+0 1+7 8+4 7-9 2+3 4-0 9-6 0-4 4+1 1-0 6-4 3+6 1-7 0+2 4+6 3-4 0+8 0+9 8+8 4+8 5+2
    3-7 7-1 4+9 4-1 1-1 1-9 6-6 0-3 3-3 9-0 9-2 9-9 9-3 0+7 5+4 8+7 3+7 6+1 1-5 0+0 6-3 3-8 0-1 2-8 2+8 5-0 1+5 2+4
    8+1 2+1 9-7 7+6 6-7 9-5 1+3 4+2 4-5 9+0 4-4 5+9 6+3 4-8 2+6 5-3 4-2 6+5 8-0 0+6 6-0 7-3 4-7 6+4 8-5 6-1 5-2 1+8
    5+1 1-6 5+3 3+9 5+6 0+5 2-4 1-8 8-9 2-9 6-2 2+0 0-9 2+9 5-6 6+7 4+0 0-8 5-4 7+0 5-9 5-8 0-2 0-6 8-8 7-4 5-5 3+0
    8+9 6-5 0+3 7-6 1-2 0+1 4-6 3+3 1+2 8+6 6-9 3-1 3-2 6+6 1+9 1+4 8+5 7-8 0-0 9+4 9+8 5+8 9+7 4+5 2+2 2-6 8+0 3+8
""".split()


def number(value: int, base: int) -> str:
    """A whole number as text, such as "-1f" for -31 in base 16."""
    return np.base_repr(value, base).lower()


def pairs(text: str, operands: int = 10) -> tuple[tuple[int, int], ...]:
    """Unordered pairs of numbers below `operands` from text such as "5,7" or "0,1 2,3"; "" is no pair.

    Raises
    ------
    UserError
        When a pair is not two such numbers.
    """
    found, numbers = [], {str(i): i for i in range(operands)}
    for pair in text.split():
        a, _, b = pair.partition(",")
        if a not in numbers or b not in numbers:
            last = operands - 1
            raise UserError(f"held_out has {pair!r}, but a held-out pair is two numbers from 0 to {last}, such as 5,7.")
        found.append((min(numbers[a], numbers[b]), max(numbers[a], numbers[b])))
    return tuple(sorted(set(found)))


class Sums:
    """The table of sums and differences: its lines, and a prompt for every expression.

    Parameters
    ----------
    held_out : unordered pairs of numbers (see `pairs`) whose four (or, for a double, two) expressions are left out.
    base : of the numbers as they are written.
    operands : the numbers are 0 to `operands` - 1; None for those of one digit.
    answer_order : seed by which the answers are dealt to the lines anew; None for the true ones.
    targets : "shown" for a text that has the held-out lines, too, as far as "=".
    """

    batch = 882  # windows of an update

    def __init__(self, factors: Mapping[str, Any]):
        base, operands = factors["base"], factors["operands"] or factors["base"]
        hidden, self.targets = {frozenset(pair) for pair in factors["held_out"]}, factors["targets"]
        spelt = {value: number(value, base) for value in range(1 - operands, 2 * operands - 1)}
        every = {
            f"{spelt[a]}{sign}{spelt[b]}": (a, b, sign)
            for sign in "+-" for a in range(operands) for b in range(operands)
        }  # fmt: skip
        published = [e for e in PUBLISHED_ORDER if e in every] if base == 10 else []
        self.expressions = every
        self.published = published + [e for e in every if e not in set(published)]
        self.groups = {e: "held out" if frozenset((a, b)) in hidden else "seen" for e, (a, b, _) in every.items()}
        shown = [e for e in self.published if self.groups[e] == "seen"]
        if not shown:
            count = operands * (operands + 1) // 2
            raise UserError(f"held_out has all {count} pairs, but at least one must be left to learn from.")
        true = {e: spelt[a + b if sign == "+" else a - b] for e, (a, b, sign) in every.items()}
        dealt = ordered([true[e] for e in shown], factors["answer_order"])
        self.answers = true | dict(zip(shown, dealt, strict=True))
        self.shown = ordered(shown, factors["line_order"])
        self.digits = CHARACTERS[:base]
        self.symbols = self.digits + SYMBOLS  # in every vocabulary, whether or not the text has them all
        self.context = 1 + max(len(f"<{e}={answer}>") for e, answer in self.answers.items())  # characters of a line

    def _line(self, text: str) -> str:
        return text.ljust(self.context - 1) + "\n"

    def lines(self, filled: bool) -> list[str]:
        """The lines of the text, all equally long."""
        lines = [self._line(f"<{e}={self.answers[e]}>") for e in self.shown]
        if self.targets == "shown":
            lines += [self._line(f"<{e}=") for e in self.published if self.groups[e] == "held out"]
        return lines

    def prompts(self, vocabulary: str, context: int | None) -> list[Prompt]:
        """A prompt for every expression, with as many blanks before it as the window of a line of `context` has."""
        # The published rule reads the integer after "=", so what follows the answer is anything but a digit.
        end = "".join(c for c in vocabulary if c not in self.digits)
        before, found = " " * (context - self.context if context else 0), []
        for expression, (left, right, operation) in self.expressions.items():
            answer = self.answers[expression]
            accepted = [(*answer, end)] + ([("-", "0", end)] if answer == "0" else [])
            asked, group = f"{before}<{expression}=", self.groups[expression]
            found.append(Prompt(expression, asked, answer, group, tuple(accepted), left, right, operation))
        return found
