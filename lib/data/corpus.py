"""A task: what a model reads, and what it is asked.

Notable features:
- a task is a text, its vocabulary, the length and number of its training windows, and its prompts;
- a text is made of tables, each a small class (`Sums`, `Capitals`); `TASKS` says which task has which;
- the order of the lines is part of a task: the published one, a random one drawn from a seed, or none at all;
- a training window can be one line and no more.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lib.data.capitals import Capitals
from lib.data.prompts import Prompt
from lib.data.sums import PUBLISHED_PAIR, Sums
from lib.errors import UserError

# The tables of each task, in the order in which its text has them.
TASKS: dict[str, tuple[type, ...]] = {"arithmetic": (Sums,), "facts": (Capitals,), "joint": (Sums, Capitals)}
LABELS = {"arithmetic": "sums", "facts": "capitals", "joint": "both"}  # of what a run is trained on, for people
ARITHMETIC = next(iter(TASKS))
# Where a training window may begin: at any character of one text (as published); where a line begins; or at any
# character of a text in which each line of the sums follows each line once, so that there are straddling windows but no
# order.
WINDOWS = ("anywhere", "lines", "pairs")
# What counts in the loss: every character; only what follows "="; or every character of a text that has the held-out
# lines, too, but for what would follow their "=", where the text is blank.
TARGETS = ("all", "answers", "shown")


@dataclass(frozen=True)
class Task:
    """A text to learn by heart, and the prompts that ask what was learnt.

    `vocabulary` is the sorted string of the text's characters; a token is a character's place in it. A training example
    is a window of `context` + 1 characters at a random offset, a multiple of `stride`; `batch` of them make one update.
    """

    name: str
    text: str
    vocabulary: str
    context: int
    batch: int
    prompts: tuple[Prompt, ...]
    stride: int = 1
    targets: str = "all"  # one of `TARGETS`; another than "all" where a window is a line

    @property
    def tokens(self) -> np.ndarray:
        """The text as int32 tokens, shape (characters,)."""
        return self.encode(self.text)

    def encode(self, text: str) -> np.ndarray:
        """Characters to int32 tokens, shape (len(text),)."""
        return np.array([self.vocabulary.index(c) for c in text], dtype=np.int32)

    @property
    def line(self) -> int:
        """How many characters the first line has, its end included; where there are sums alone, so have all."""
        return self.text.index("\n") + 1

    @property
    def offsets(self) -> int:
        """How many offsets a window can start at."""
        return (len(self.text) - self.context - 1) // self.stride + 1

    @property
    def counted(self) -> np.ndarray:
        """Which of the characters that its windows ask for count in the loss, shape (offsets, context), bool."""
        if self.targets == "all":
            return np.ones((self.offsets, self.context), dtype=bool)
        lines = self.text.split("\n")[: self.offsets]
        place = np.arange(1, self.context + 1)  # in the line, of the character that is asked for
        answers = (place > np.array([[line.index("=")] for line in lines])) & (place < self.line)
        blank = np.array([[line.endswith((" ", "=")) and ">" not in line] for line in lines])
        return {"answers": answers, "shown": ~(answers & blank)}[self.targets]


def _without_order(lines: list[str]) -> str:
    """A text in which each line follows each line, itself too, once, and the first characters again at its end.

    The lines are the letters of a de Bruijn sequence of order 2: the Lyndon words of one and two letters, end to end.
    """
    sequence = [line for i, a in enumerate(lines) for line in (a, *(x for b in lines[i + 1 :] for x in (a, b)))]
    return "".join(sequence) + lines[0]


@cache
def make(
    name: str, *, held_out: tuple[tuple[int, int], ...] = PUBLISHED_PAIR, base: int = 10, operands: int | None = None,
    line_order: int | None = None, windows: str = "anywhere", answer_order: int | None = None, facts: str = "capitals",
    targets: str = "all", context: int | None = None, batch: int | None = None, copies: int = 1,
) -> Task:  # fmt: skip
    """The task called `name`.

    Where `windows` is "lines", a window is one line, filled up with blanks on its left to the context.

    Parameters
    ----------
    name : one of `TASKS`.
    held_out, base, operands, answer_order : see `Sums`.
    facts, copies : one of `FACTS`; how often each fact stands in the text.
    line_order : seed of the order of the lines; None for the published order. Expressions that are not in the published
        text come last in the published order.
    windows : one of `WINDOWS`; "pairs" where all lines are equally long.
    targets : one of `TARGETS`; other than "all" where a window is a line of the sums and no more.
    context, batch : characters of a window and windows of an update; None for those of the task.

    Raises
    ------
    UserError
        For an unknown name, an impossible combination, or when nothing is left to learn from.
    """
    if name not in TASKS:
        raise UserError(f"tasks has {name!r}, but a task is one of {', '.join(TASKS)}.")
    factors = {
        "held_out": held_out, "base": base, "operands": operands, "line_order": line_order,
        "answer_order": answer_order, "facts": facts, "targets": targets, "copies": copies,
    }  # fmt: skip
    tables = [table(factors) for table in TASKS[name]]
    aligned = windows == "lines"
    lines = [line for table in tables for line in table.lines(filled=aligned)]
    alike = len({len(line) for line in lines}) == 1
    if windows == "pairs" and not alike:
        raise UserError(f"windows is 'pairs', but it must be another for {name}, whose lines differ in length.")
    if targets != "all" and not (aligned and TASKS[name] == (Sums,) and context in (None, len(lines[0]))):
        raise UserError(f"targets is {targets!r}, but it must be 'all' where a window is not one line of the sums.")
    widest = max(tables, key=lambda table: table.context)
    if aligned:
        # What a window asks for last is how the next line begins: "<" in all of the sums, else a blank in all.
        least = len(lines[0]) if alike and len({line[0] for line in lines}) == 1 else 1 + max(map(len, lines))
        context = context or least
        if context < least:
            raise UserError(f"context is {context}, but it must be at least {least} for a window that holds a line.")
        lines = [line.rjust(context) for line in lines]
    text = {"anywhere": "".join, "lines": lambda x: "".join(x) + x[0][0], "pairs": _without_order}[windows](lines)
    context = context or widest.context
    batch = batch or (widest.batch if windows == "anywhere" else Sums.batch)
    vocabulary = "".join(sorted(set(text).union(*(table.symbols for table in tables))))
    prompts = [prompt for table in tables for prompt in table.prompts(vocabulary, context if aligned else None)]
    return Task(name, text, vocabulary, context, batch, tuple(prompts), context if aligned else 1, targets)
