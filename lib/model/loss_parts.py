"""The training loss in parts: of answers, of operands, and of the operands of a line that follows another.

Notable features:
- every character that a window asks for belongs to exactly one part, so that the parts add up to the training loss;
- only a line whose predecessor the window shows can be told from the order of the lines: what a reader who knows every
  line, but not their order, pays for that part (`floors`) is what a model can undercut by learning the order alone;
- what windows read alike is computed once.
"""

import numpy as np
import torch
from torch import Tensor

from lib.data import Task, surprise
from lib.model.transformer import Architecture, forward

PARTS = ("answers", "operands", "order")
AT_ONCE = 4_096  # windows


def kinds(task: Task) -> np.ndarray:
    """The place in `PARTS` of every character that a window of the sums asks for, shape (offsets, context).

    What follows "=" belongs to the answers, with the end of the line; what stands before it, or is "=", to the order
    where the window began in an earlier line, else to the operands.
    """
    line, answer = np.empty((2, len(task.text)), dtype=int)  # of each character: its line; whether it follows "="
    begin = 0
    for number, text in enumerate(task.text.splitlines(keepends=True)):
        end = begin + len(text)
        line[begin:end], answer[begin:end] = number, 0
        answer[begin + text.find("=") + 1 if "=" in text else end : end] = 1
        begin = end
    start = np.arange(task.offsets)[:, None] * task.stride
    asked = start + 1 + np.arange(task.context)
    return np.where(answer[asked] == 1, 0, np.where(line[asked] > line[start], 2, 1))


def _by_part(nats: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The sums of nats over the characters of each part, shape (3,)."""
    return np.bincount(kind.ravel(), nats.ravel(), len(PARTS))


def floors(task: Task, ordered: bool = True) -> np.ndarray:
    """The parts (3,) of `data.floor`, nats a character."""
    nats = surprise(task, ordered)
    return _by_part(nats, kinds(task)) / nats.size


class Reader:
    """The windows of a task, to find the parts of a model's training loss.

    What a model reads of a window, all but its last character, is in `windows` (N, context), each once; `often`
    (N, context, vocabulary) counts what is asked for after each of its characters, as a share of all that is asked.
    """

    def __init__(self, task: Task, device: str = "cpu"):
        T, V = task.context, len(task.vocabulary)
        windows = np.lib.stride_tricks.sliding_window_view(task.tokens, T + 1)[:: task.stride].astype(np.int64)
        # The characters of a window and where in its line it begins, as one number.
        begins = np.arange(task.offsets) * task.stride % task.line
        key = windows[:, :T] @ V ** np.arange(T) * task.line + begins
        _, first, row = np.unique(key, return_index=True, return_inverse=True)
        place = (row[:, None] * T + np.arange(T)) * V + windows[:, 1:]
        counts = np.bincount(place.ravel(), minlength=len(first) * T * V).reshape(-1, T, V)
        self.kind = kinds(task)[first]
        self.windows = torch.from_numpy(windows[first, :T]).to(device)
        self.often = torch.from_numpy(counts / windows[:, 1:].size).to(device)

    @torch.no_grad()
    def __call__(self, architecture: Architecture, flat: Tensor) -> np.ndarray:
        """The parts (3,) of the exact training loss of one model, flat (P,), in nats a character, as `PARTS` names."""
        found = []
        for windows, often in zip(self.windows.split(AT_ONCE), self.often.split(AT_ONCE), strict=True):
            logs = forward(architecture, flat[None], windows)[0].log_softmax(-1)
            found.append(-(logs * often).sum(-1).cpu())  # in float64, as the shares are
        return _by_part(torch.cat(found).numpy(), self.kind)
