"""What a user's mistake raises, and the one check of whole numbers."""

import re
from collections.abc import Sized
from typing import TypeVar

NONE = "There is no run to show here yet."


class UserError(ValueError):
    """A mistake that a person can mend; its text is one sentence with the name, the value and what it may be."""


class Lacking(Exception):
    """Runs at hand lack what a chart or a table needs; the text says so to a reader, in one sentence."""

    def __init__(self, text: str = NONE):
        super().__init__(text)


Rows = TypeVar("Rows", bound=Sized)


def some(rows: Rows, otherwise: str = NONE) -> Rows:
    """The same rows; `Lacking`, which says `otherwise`, where there is none."""
    if not len(rows):
        raise Lacking(otherwise)
    return rows


def shown(value: object) -> str:
    """A value for a sentence: as Python writes it, cut where that is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python does not print numbers of thousands of digits, nor endless lists
        return f"too long to print ({type(value).__name__})"
    return text if len(text) <= 80 else f"{text[:40]}... ({len(text)} characters)"


def number(text: str) -> int | str:
    """The whole number that a text spells, or the text itself where it spells none that could be within bounds."""
    return int(text) if re.fullmatch("-?[0-9]{1,20}", text) else text


def whole(name: str, value: object, bounds: tuple[int, int]) -> int:
    """`value` of a parameter, if it is a whole number within bounds, the least and the most.

    Raises
    ------
    UserError
        When it is not.
    """
    least, most = bounds
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UserError(
            f"{name} is {shown(value)}, but it must be a whole number of at least {least}, at most {most:,}."
        )
    return value
