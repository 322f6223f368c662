"""A run: one model trained from one seed under one configuration, and the id that stands for it."""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from lib import tasks
from lib.errors import BOUNDS, UserError, shown, whole
from lib.model import Architecture

WARM_UP, DECAY = 2_000 / 30_000, 25_000 / 30_000  # as shares of the iterations
EVALUATE_EVERY = 250
# The factors that every id hashes. One that is added later is hashed only where it differs from its default, so that
# no run changes its id when a factor is added.
FIRST = (
    "task", "width", "seed", "iterations", "layers", "heads", "expansion", "dropout", "weight_decay", "learning_rate",
    "minimum_learning_rate", "held_out", "line_order", "precision",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Everything that decides the outcome of a run. The defaults are the published protocol of the small models.

    `held_out` are the unordered pairs left out of the arithmetic ("5,7" or "0,1 2,3"), empty for the facts;
    `line_order` is the seed of the order of the lines, None for the published order; `precision` is "float32" or, on
    CUDA, "bfloat16".
    """

    task: str
    width: int
    seed: int
    iterations: int = 30_000
    layers: int = 1
    heads: int = 1
    expansion: int = 1
    dropout: float = 0.0
    weight_decay: float = 0.0
    learning_rate: float = 1e-2
    minimum_learning_rate: float = 1e-4
    held_out: str = "5,7"
    line_order: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        # One spelling for one thing, so that it has one id.
        pairs = () if self.task == "facts" else tasks.pairs(self.held_out)
        object.__setattr__(self, "held_out", " ".join(f"{a},{b}" for a, b in pairs))
        for name in ("weight_decay", "learning_rate", "minimum_learning_rate", "dropout"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1_000:
                raise UserError(f"{name} is {shown(value)}, but it must be a number of at least 0, at most 1,000.")
            object.__setattr__(self, name, float(value))
        if not self.dropout < 1:
            raise UserError(f"dropout is {self.dropout!r}, but it must be at least 0 and less than 1.")
        for name in BOUNDS.keys() & vars(self).keys():
            if not (name == "line_order" and self.line_order is None):
                whole(name, getattr(self, name))
        if self.precision not in ("float32", "bfloat16"):
            raise UserError(f"precision is {shown(self.precision)}, but it must be float32 or bfloat16.")

    @property
    def id(self) -> str:
        """A hash of everything above (see `FIRST`), 12 hexadecimal digits."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        hashed = {name: value for name, (value, default) in values.items() if name in FIRST or value != default}
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def corpus(self) -> tasks.Task:
        """The task that the run learns."""
        return tasks.make(self.task, tasks.pairs(self.held_out), self.line_order)

    @cached_property
    def architecture(self) -> Architecture:
        """The Transformer that learns it."""
        task = self.corpus
        return Architecture(len(task.vocabulary), task.context, self.width, self.layers, self.heads, self.expansion)

    @property
    def shape(self) -> tuple:
        """What runs must have in common to be trained as one stack."""
        return (self.architecture, self.iterations, self.task, len(self.corpus.text), self.dropout, self.precision)

    def evaluations(self) -> list[int]:
        """The iterations at which the run is scored: every 250, or 20 times in a short run, from first to last."""
        every = max(1, min(EVALUATE_EVERY, self.iterations // 20))
        return sorted({*range(0, self.iterations, every), self.iterations})

    def rates(self) -> np.ndarray:
        """Learning rate of every update, shape (iterations,), float32."""
        i = np.arange(self.iterations, dtype=np.float64)
        warm, end = round(WARM_UP * self.iterations), round(DECAY * self.iterations)
        share = np.clip((i - warm) / max(1, end - warm), 0, 1)
        cosine = self.minimum_learning_rate + 0.5 * (1 + np.cos(np.pi * share)) * (
            self.learning_rate - self.minimum_learning_rate
        )
        return np.where(i < warm, self.learning_rate * (i + 1) / (warm + 1), cosine).astype(np.float32)
