"""What models read and are asked; it uses nothing but `errors`.

`sums` and `capitals` are the tables that texts are made of, with their `prompts`; `corpus` makes a text, its windows
and its prompts of them; `floors` has the least loss that is possible on it; `paper` has the numbers of the paper.
"""

from lib.data.capitals import CAPITALS, FACTS, PROMPTED_AS, Capitals
from lib.data.corpus import ARITHMETIC, LABELS, TARGETS, TASKS, WINDOWS, Task, make
from lib.data.floors import floor, surprise
from lib.data.prompts import Prompt
from lib.data.sums import PUBLISHED_ORDER, Sums, pairs

__all__ = [
    "ARITHMETIC", "CAPITALS", "FACTS", "LABELS", "PROMPTED_AS", "PUBLISHED_ORDER", "TARGETS", "TASKS", "WINDOWS",
    "Capitals", "Prompt", "Sums", "Task", "floor", "make", "pairs", "surprise",
]  # fmt: skip
