"""What a model is asked: a question, and every continuation that counts as its answer."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prompt:
    """A question, and every continuation that counts as its answer.

    `accepted` lists disjoint continuations; each is a tuple of steps, and a step is the string of characters allowed
    there. A question about numbers has its operands and its sign.
    """

    name: str  # "5+7", or the country
    text: str  # what the model is given
    answer: str
    group: str  # "seen", "held out" or "fact"
    accepted: tuple[tuple[str, ...], ...]
    left: int | None = None
    right: int | None = None
    operation: str | None = None


def ordered(items: list[str], order: int | None) -> list[str]:
    """`items` as they are, or in the random order that a seed gives (RandomState, whose stream numpy has frozen)."""
    return items if order is None else [items[i] for i in np.random.RandomState(order).permutation(len(items))]
