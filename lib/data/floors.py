"""The lowest possible loss on a task, for a reader who knows its text by heart."""

import numpy as np

from lib.data.corpus import Task


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
