"""A run: one model trained from one seed under one configuration, and the id that stands for it."""

import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from lib import data
from lib.errors import UserError, shown, whole
from lib.model.transformer import Architecture

WARM_UP, DECAY = 2_000 / 30_000, 25_000 / 30_000  # as shares of the iterations
LATE = 1 / 300  # of a run: until then there is little to see
# The factors that every id hashes. One that is added later is hashed only where it differs from its default, so that
# no run changes its id when a factor is added.
FIRST = (
    "task", "width", "seed", "iterations", "layers", "heads", "expansion", "dropout", "weight_decay", "learning_rate",
    "minimum_learning_rate", "held_out", "line_order", "precision",
)  # fmt: skip


def spaced(iterations: int, first: float, count: int) -> list[int]:
    """At most `count` iterations spaced by logarithm, from `first`, or 1 if that is less, to the last."""
    return np.unique(np.geomspace(max(1, first), iterations, count).round().astype(int)).tolist()


SEED = (0, 2**32 - 1)
MANY = (1, 10_000_000)


def factor(
    default: Any = MISSING, bounds: tuple[int, int] | None = None, *, choices: tuple[str, ...] = (), plural: str = "",
    text: bool = False, recorded: bool = False,
) -> Any:  # fmt: skip
    """A factor of a run, with all that is to be said of it.

    Parameters
    ----------
    default : None where that means what is published; a run of before there was the factor has it, too.
    bounds : the least and the most of a whole number.
    choices : of a word.
    plural : where "s" does not suit, such as "depths".
    text : whether it decides the task's text (see `data.make`).
    recorded : whether it decides no outcome, but what is recorded of it.
    """
    about = {"bounds": bounds, "choices": choices, "plural": plural, "text": text, "recorded": recorded}
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Run:
    """Everything that decides the outcome of a run. The defaults are the published protocol of the small models.

    `held_out` are the unordered pairs left out of the arithmetic ("5,7" or "0,1 2,3"), empty for the facts;
    `line_order` is the seed of the order of the lines, None for the published order; `precision` is "float32" or, on
    CUDA, "bfloat16". `windows` says where a training window may begin (see `data.WINDOWS`); `answer_order` is the seed
    by which the answers of the sums are dealt to the lines anew, None where each line has its own; `facts` are the
    "capitals" or "random" names; `context` and `batch` are None for those of the task; `mlp_rate` multiplies the
    learning rate of the MLP's matrices; `targets` are the characters that count in the loss (see `data.TARGETS`);
    `copies` is how often each fact stands in the text, and `turns` says whether sums and facts are learnt "together" or
    one in each half of the iterations. A run makes all `iterations` of its schedule, or ends with the update
    `stop_after`. The sums are of the numbers 0 to `operands` - 1, None for those of one digit, in a `base`.

    Two fields decide no outcome, but what is recorded of it: `evaluate_every` how often, in iterations; `scores`
    "all" of a prompt (model/scores.py), its "greedy" answer alone, or with that the loss of the sums in "parts"
    (model/loss_parts.py), at iterations that are spaced by logarithm.
    """

    task: str
    width: int = factor(bounds=(1, 10_000))
    seed: int = factor(bounds=SEED)
    iterations: int = factor(30_000, MANY, plural="numbers of iterations")
    layers: int = factor(1, (1, 1_000), plural="depths")
    heads: int = factor(1, (1, 1_000), plural="numbers of heads")
    expansion: int = factor(1, (1, 1_000))
    dropout: float = factor(0.0, plural="rates of dropout")
    weight_decay: float = 0.0
    learning_rate: float = 1e-2
    minimum_learning_rate: float = 1e-4
    held_out: str = factor("5,7", plural="choices of what is held out")
    line_order: int | None = factor(None, SEED, plural="orders of the lines", text=True)
    precision: str = factor("float32", choices=("float32", "bfloat16"))
    windows: str = factor("anywhere", choices=data.WINDOWS, plural="texts", text=True)
    answer_order: int | None = factor(None, SEED, text=True)
    facts: str = factor("capitals", choices=data.FACTS, text=True)
    context: int | None = factor(None, (1, 10_000), text=True)
    batch: int | None = factor(None, (1, 100_000), text=True)
    mlp_rate: float = 1.0
    targets: str = factor("all", choices=data.TARGETS, plural="choices of what counts", text=True)
    copies: int = factor(1, (1, 1_000), text=True)
    turns: str = factor("together", choices=("together", "sums first", "facts first"))
    stop_after: int | None = factor(None, MANY)
    base: int = factor(10, (2, 36), text=True)
    operands: int | None = factor(None, (2, 1_000), plural="numbers of operands", text=True)
    evaluate_every: int = factor(250, MANY, recorded=True)
    scores: str = factor("all", choices=("all", "greedy", "parts"), recorded=True)

    def __post_init__(self) -> None:
        # One spelling for one thing, so that it has one id.
        for name in ("weight_decay", "learning_rate", "minimum_learning_rate", "dropout", "mlp_rate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1_000:
                raise UserError(f"{name} is {shown(value)}, but it must be a number of at least 0, at most 1,000.")
            object.__setattr__(self, name, float(value))
        if not self.dropout < 1:
            raise UserError(f"dropout is {self.dropout!r}, but it must be at least 0 and less than 1.")
        for name, bounds in BOUNDS.items():
            if not (name in OPTIONAL and getattr(self, name) is None):
                whole(name, getattr(self, name), bounds)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                every = f"{', '.join(choices[:-1])} or {choices[-1]}"
                raise UserError(f"{name} is {shown(getattr(self, name))}, but it must be {every}.")
        if self.operands == self.base:
            object.__setattr__(self, "operands", None)
        tables = data.TASKS.get(self.task, ())
        pairs = data.pairs(self.held_out, self.operands or self.base) if data.Sums in tables else ()
        object.__setattr__(self, "held_out", " ".join(f"{a},{b}" for a, b in pairs))
        if self.stop_after is not None and self.stop_after >= self.iterations:
            raise UserError(f"stop_after is {self.stop_after}, but it must be less than iterations, {self.iterations}.")
        if self.windows == "pairs" and self.context is not None:
            raise UserError(f"context is {self.context}, but it must be None where windows is 'pairs'.")
        if self.scores == "parts" and (tables != (data.Sums,) or self.context is not None):
            what = self.task if self.context is None else f"a context of {self.context}"
            raise UserError(f"scores is 'parts', but it must be all or greedy for {what}.")
        if self.copies != 1 and len(tables) < 2:
            raise UserError(f"copies is {self.copies}, but it must be 1 for {self.task}.")
        if self.turns != "together" and (len(tables) < 2 or self.windows != "lines"):
            raise UserError(
                f"turns is {self.turns!r}, but it must be 'together' where a window is not a line of either task."
            )
        for name, usual in (("base", 10), ("operands", None)):
            if getattr(self, name) != usual and data.Sums not in tables:
                raise UserError(f"{name} is {getattr(self, name)}, but it must be {usual} for {self.task}.")

    @property
    def id(self) -> str:
        """A hash of all that decides the outcome (see `FIRST`), 12 hexadecimal digits."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.name not in RECORD}
        hashed = {name: value for name, (value, default) in values.items() if name in FIRST or value != default}
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def corpus(self) -> data.Task:
        """The task that the run learns."""
        pairs = data.pairs(self.held_out, self.operands or self.base)
        factors = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("text")}
        return data.make(self.task, held_out=pairs, **factors)

    @cached_property
    def architecture(self) -> Architecture:
        """The Transformer that learns it."""
        task = self.corpus
        return Architecture(len(task.vocabulary), task.context, self.width, self.layers, self.heads, self.expansion)

    @property
    def updates(self) -> int:
        """How many updates the run makes."""
        return self.stop_after or self.iterations

    @property
    def shape(self) -> tuple:
        """What runs must have in common to be trained as one stack."""
        task = self.corpus
        text = (self.task, len(task.text), task.stride, task.batch, self.targets, self.turns, self.copies)
        recorded = (self.evaluate_every, self.scores == "parts")
        return (self.architecture, self.iterations, self.updates, *text, self.dropout, self.precision, *recorded)

    def evaluations(self) -> list[int]:
        """The iterations at which the run is scored, from first to last; evenly spaced, in a short run at least 20."""
        if self.scores == "parts":
            return [0, *spaced(self.updates, self.updates * LATE, 20)]
        every = max(1, min(self.evaluate_every, self.updates // 20))
        return sorted({*range(0, self.updates, every), self.updates})

    def turned(self) -> np.ndarray:
        """The first offset, and the number of offsets, of the windows of every update: (2, iterations), int64."""
        spans = np.array([[0], [self.corpus.offsets]]).repeat(self.iterations, axis=1)
        if self.turns != "together":
            sums = sum(prompt.group == "seen" for prompt in self.corpus.prompts)  # whose lines are the first
            halves = [(0, sums), (sums, self.corpus.offsets - sums)]
            for at, half in enumerate(halves if self.turns == "sums first" else halves[::-1]):
                spans[:, at * self.iterations // 2 :] = np.array(half)[:, None]
        return spans

    def rates(self) -> np.ndarray:
        """Learning rate of every update, shape (iterations,), float32."""
        i = np.arange(self.iterations, dtype=np.float64)
        warm, end = round(WARM_UP * self.iterations), round(DECAY * self.iterations)
        share = np.clip((i - warm) / max(1, end - warm), 0, 1)
        cosine = self.minimum_learning_rate + 0.5 * (1 + np.cos(np.pi * share)) * (
            self.learning_rate - self.minimum_learning_rate
        )
        return np.where(i < warm, self.learning_rate * (i + 1) / (warm + 1), cosine).astype(np.float32)


def _about(what: str) -> dict[str, Any]:
    """What the factors' metadata say of one thing, by name, where they say anything."""
    return {f.name: f.metadata[what] for f in fields(Run) if f.metadata.get(what)}


FACTORS = [f.name for f in fields(Run)]
BOUNDS: dict[str, tuple[int, int]] = _about("bounds")  # of whole numbers
CHOICES: dict[str, tuple[str, ...]] = _about("choices")
PLURALS: dict[str, str] = _about("plural")
OPTIONAL = [f.name for f in fields(Run) if f.default is None]  # whole numbers, or None for what is published
RECORD = list(_about("recorded"))
