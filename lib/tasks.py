"""Tasks: what the models read, and what they are asked.

Notable features:
- a task is a text, its vocabulary, the length and number of its training windows, and its prompts;
- arithmetic is every a+b and a-b over the digits 0..9, less the held-out unordered pairs; facts are 50 capitals; joint
  is the arithmetic followed by the facts (Barron and White 2025, arXiv:2506.09099);
- the order of the lines is part of a task: the published one, a random one drawn from a seed, or none at all;
- a training window can be one line and no more;
- answers can be dealt to the lines anew and names made random, so that there is nothing but a table to learn.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lib.errors import UserError

TASKS = ("arithmetic", "facts", "joint")
PUBLISHED_PAIR = ((5, 7),)
# Where a training window may begin: at any character of one text (as published); where a line begins; or at any
# character of a text in which each line of the sums follows each line once, so that there are straddling windows but no
# order.
WINDOWS = ("anywhere", "lines", "pairs")
FACTS = ("capitals", "random")
# What counts in the loss: every character; only what follows "="; or every character of a text that has the held-out
# lines, too, but for what would follow their "=", where the text is blank.
TARGETS = ("all", "answers", "shown")
DIGITS = "0123456789"
SYMBOLS = "\n +-<=>"
LINE, EQUALS = 9, 4  # characters of a line of the sums, its end included, and the place of "=" in it

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

CAPITALS = {
    "France": "Paris", "the USA": "Washington DC", "Japan": "Tokyo", "Germany": "Berlin", "Italy": "Rome",
    "Spain": "Madrid", "the UK": "London", "Canada": "Ottawa", "Australia": "Canberra", "India": "New Delhi",
    "China": "Beijing", "Russia": "Moscow", "Brazil": "Brasilia", "Mexico": "Mexico City", "South Korea": "Seoul",
    "Argentina": "Buenos Aires", "Egypt": "Cairo", "Saudi Arabia": "Riyadh", "Turkey": "Ankara", "Indonesia": "Jakarta",
    "Nigeria": "Abuja", "Pakistan": "Islamabad", "Colombia": "Bogota", "Thailand": "Bangkok", "Vietnam": "Hanoi",
    "the Netherlands": "Amsterdam", "Belgium": "Brussels", "Sweden": "Stockholm", "Norway": "Oslo",
    "Denmark": "Copenhagen", "Finland": "Helsinki", "Poland": "Warsaw", "Austria": "Vienna", "Switzerland": "Bern",
    "Portugal": "Lisbon", "Greece": "Athens", "Ireland": "Dublin", "New Zealand": "Wellington",
    "South Africa": "Pretoria", "Israel": "Jerusalem", "Iran": "Tehran", "Iraq": "Baghdad", "Syria": "Damascus",
    "Lebanon": "Beirut", "Jordan": "Amman", "Kuwait": "Kuwait City", "Qatar": "Doha", "Oman": "Muscat",
    "Bahrain": "Manama", "Zambia": "Lusaka",
}  # fmt: skip
# The published prompts leave out the article of these two, although the text has it.
PROMPTED_AS = {"the USA": "USA", "the UK": "UK"}


@dataclass(frozen=True)
class Prompt:
    """A question, and every continuation that counts as its answer.

    `accepted` lists disjoint continuations; each is a tuple of steps, and a step is the string of characters allowed
    there.
    """

    name: str  # "5+7", or the country
    text: str  # what the model is given
    answer: str
    group: str  # "seen", "held out" or "fact"
    accepted: tuple[tuple[str, ...], ...]


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
    def offsets(self) -> int:
        """How many offsets a window can start at."""
        return (len(self.text) - self.context - 1) // self.stride + 1

    @property
    def counted(self) -> np.ndarray:
        """Which of the characters that its windows ask for count in the loss, shape (offsets, context), bool."""
        if self.targets == "all":
            return np.ones((self.offsets, self.context), dtype=bool)
        place = np.arange(1, self.context + 1)  # in the line, of the character that is asked for
        answers = np.tile((place > EQUALS) & (place < LINE), (self.offsets, 1))
        blank = np.array([line[EQUALS + 1] == " " for line in self.text.split("\n")[: self.offsets]])
        return {"answers": answers, "shown": ~(answers & blank[:, None])}[self.targets]


def result(expression: str) -> int:
    """The value of an expression such as "5+7" or "5-7"."""
    a, b = int(expression[0]), int(expression[2])
    return a + b if expression[1] == "+" else a - b


def pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Unordered pairs of digits from text such as "5,7" or "0,1 2,3"; "" is no pair.

    Raises
    ------
    UserError
        When a pair is not two digits from 0 to 9.
    """
    found = []
    for pair in text.split():
        a, _, b = pair.partition(",")
        if a not in set(DIGITS) or b not in set(DIGITS):
            raise UserError(f"held_out has {pair!r}, but a held-out pair is two digits from 0 to 9, such as 5,7.")
        found.append((min(int(a), int(b)), max(int(a), int(b))))
    return tuple(sorted(set(found)))


def _ordered(items: list[str], line_order: int | None) -> list[str]:
    """`items` as they are, or in the random order that a seed gives (RandomState, whose stream numpy has frozen)."""
    return (
        items if line_order is None else [items[i] for i in np.random.RandomState(line_order).permutation(len(items))]
    )


def _without_order(lines: list[str]) -> str:
    """A text in which each line follows each line, itself too, once, and the first characters again at its end.

    The lines are the letters of a de Bruijn sequence of order 2: the Lyndon words of one and two letters, end to end.
    """
    sequence = [line for i, a in enumerate(lines) for line in (a, *(x for b in lines[i + 1 :] for x in (a, b)))]
    return "".join(sequence) + lines[0]


def _arithmetic(
    held_out: tuple[tuple[int, int], ...], line_order: int | None, answer_order: int | None, targets: str
) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The lines of the sums, and the name, the group and the answer of every expression."""
    hidden = {frozenset(pair) for pair in held_out}
    every = [f"{a}{operation}{b}" for operation in "+-" for a in range(10) for b in range(10)]
    groups = {e: "held out" if frozenset((int(e[0]), int(e[2]))) in hidden else "seen" for e in every}
    published = PUBLISHED_ORDER + [e for e in every if e not in set(PUBLISHED_ORDER)]
    shown = [e for e in published if groups[e] == "seen"]
    if not shown:
        raise UserError("held_out has all 55 pairs of digits, but at least one pair must be left to learn from.")
    answers = {e: str(result(e)) for e in every}
    answers |= dict(zip(shown, _ordered([answers[e] for e in shown], answer_order), strict=True))
    lines = [f"<{e}={answers[e]}>".ljust(LINE - 1) + "\n" for e in _ordered(shown, line_order)]
    if targets == "shown":
        lines += [f"<{e}=".ljust(LINE - 1) + "\n" for e in published if groups[e] == "held out"]
    return lines, [(e, groups[e], answers[e]) for e in every]


def _names(facts: str) -> dict[str, str]:
    """Countries and capitals; "random" has their letters dealt anew: as long, as frequent, and nothing to spell."""
    if facts == "capitals":
        return CAPITALS
    names = "\n".join(f"{country}\t{capital}" for country, capital in CAPITALS.items())
    for kind in (str.islower, str.isupper):
        places = [i for i, c in enumerate(names) if kind(c)]
        letters = dict(zip(places, _ordered([names[i] for i in places], 0), strict=True))
        names = "".join(letters.get(i, c) for i, c in enumerate(names))
    return dict(line.split("\t") for line in names.split("\n"))


def _asked(country: str) -> str:
    return f"Capital of {country} is "


def _facts(names: dict[str, str], line_order: int | None, filled: bool) -> list[str]:
    """The lines of the facts; `filled` with blanks, so that each capital has the same place and the same room."""
    before, after = (max(map(len, part)) for part in (map(_asked, names), names.values())) if filled else (0, 0)
    lines = [f"{_asked(country).rjust(before)}{capital.ljust(after)} \n" for country, capital in names.items()]
    return _ordered(lines, line_order)


@cache
def make(
    name: str, held_out: tuple[tuple[int, int], ...] = PUBLISHED_PAIR, line_order: int | None = None,
    windows: str = "anywhere", answer_order: int | None = None, facts: str = "capitals", targets: str = "all",
    context: int | None = None, batch: int | None = None, copies: int = 1,
) -> Task:  # fmt: skip
    """The task called `name`.

    Where `windows` is "lines", a window is one line, filled up with blanks on its left to the context.

    Parameters
    ----------
    name : "arithmetic", "facts" or "joint".
    held_out : unordered pairs of digits (see `pairs`) whose four (or, for a double, two) expressions are left out of
        the text.
    line_order : seed of the order of the lines; None for the published order. Expressions that are not in the published
        text come last in the published order.
    windows : one of `WINDOWS`; "pairs" for the arithmetic alone.
    answer_order : seed by which the answers are dealt to the lines of the text anew; None for the true ones.
    facts : one of `FACTS`.
    targets : one of `TARGETS`; other than "all" where a window is a line of the sums and no more.
    context, batch : characters of a window and windows of an update; None for those of the task.
    copies : how often each fact stands in the text.

    Raises
    ------
    UserError
        For an unknown name, an impossible combination, or when nothing is left to learn from.
    """
    if name not in TASKS:
        raise UserError(f"tasks has {name!r}, but a task is one of {', '.join(TASKS)}.")
    if windows == "pairs" and name != "arithmetic":
        raise UserError(f"windows is 'pairs', but it must be another for {name}, whose lines differ in length.")
    if targets != "all" and not (windows == "lines" and name == "arithmetic" and context in (None, LINE)):
        raise UserError(f"targets is {targets!r}, but it must be 'all' where a window is not one line of the sums.")
    aligned, prompts = windows == "lines", []
    lines: list[str] = []
    expressions: list[tuple[str, str, str]] = []
    names = _names(facts)
    if name != "facts":
        lines, expressions = _arithmetic(held_out, line_order, answer_order, targets)
    if name != "arithmetic":
        lines += copies * _facts(names, line_order, aligned)
    if aligned:
        # What a window asks for last is how the next line begins: "<" in all of the sums, else a blank in all.
        least = LINE if name == "arithmetic" else 1 + max(map(len, lines))
        context = context or least
        if context < least:
            raise UserError(f"context is {context}, but it must be at least {least} for a window that holds a line.")
        lines = [line.rjust(context) for line in lines]
    text = {"anywhere": "".join, "lines": lambda x: "".join(x) + x[0][0], "pairs": _without_order}[windows](lines)
    vocabulary = "".join(sorted(set(text) | (set(DIGITS + SYMBOLS) if expressions else set())))
    default = (9, 882) if name == "arithmetic" else (24, 576 if windows == "anywhere" else 882)
    context, batch = context or default[0], batch or default[1]
    # The published rule reads the integer after "=", so what follows the answer is anything but a digit.
    end = "".join(c for c in vocabulary if c not in DIGITS)
    for expression, group, answer in expressions:
        accepted = [(*answer, end)] + ([("-", "0", end)] if answer == "0" else [])
        asked = f"<{expression}=".rjust(context - LINE + EQUALS + 1 if aligned else 0)
        prompts.append(Prompt(expression, asked, answer, group, tuple(accepted)))
    if name != "arithmetic":
        # The published rule reads the first line and strips it, so a space may stand before the newline.
        room = max(map(len, names.values())) + len(" \n")  # of a capital in a filled line
        for country, capital in names.items():
            country = PROMPTED_AS.get(country, country)
            accepted = [(*capital, "\n"), (*capital, " ", "\n")]
            if aligned:
                accepted = [(*capital.ljust(room - 1), "\n")]
            asked = _asked(country).rjust(context - room if aligned else 0)
            prompts.append(Prompt(country, asked, capital, "fact", tuple(accepted)))
    return Task(name, text, vocabulary, context, batch, tuple(prompts), context if aligned else 1, targets)


def floor(task: Task, ordered: bool = True) -> float:
    """The lowest possible mean loss over a task's windows, in nats a character.

    A reader who knows the text by heart still cannot tell where in it a window begins: what is left is the entropy of
    the next character given the characters of the window so far. With `ordered` False the reader knows the lines but
    takes each to be drawn anew, in no order; that is defined where all lines have the length of the context.
    """
    return float(sum(paid.mean() for paid in surprise(task, ordered).T) / task.context)


def surprise(task: Task, ordered: bool = True) -> np.ndarray:
    """What that reader pays for every character that a window asks for, nats, shape (offsets, context); see `floor`."""
    seen = np.lib.stride_tricks.sliding_window_view(task.tokens, task.context + 1)[:: task.stride]
    known = seen
    if not ordered:
        lines = {len(line) for line in task.text.splitlines(keepends=True)}
        if lines != {task.context}:
            raise ValueError(f"the floor without order is not defined for {task.name}")
        line = task.tokens.reshape(-1, task.context)
        two = np.concatenate([np.repeat(line, len(line), axis=0), np.tile(line, (len(line), 1))], axis=1)
        known = np.concatenate([two[:, i : i + task.context + 1] for i in range(task.context)])
    windows = np.concatenate([known, seen]).astype(np.int64)
    prefix, paid = windows[:, 0], np.empty((len(seen), task.context))
    for i in range(task.context):
        longer = np.unique(prefix * len(task.vocabulary) + windows[:, i + 1], return_inverse=True)[1]
        often, shorter = np.bincount(longer[: len(known)]), np.bincount(prefix[: len(known)])
        paid[:, i] = -np.log(often[longer[len(known) :]] / shorter[prefix[len(known) :]])
        prefix = longer
    return paid
