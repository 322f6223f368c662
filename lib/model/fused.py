"""Building and calling the fused CPU form of the Transformer (fused.cpp)."""

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib.data import Task
from lib.model import compiling
from lib.model.transformer import Architecture, forward, initialize, losses

SOURCE = Path(__file__).with_name("fused.cpp")


def fits(architecture: Architecture, dropout: float) -> bool:
    """Whether the fused form can stand in for the plain one: any architecture without dropout, and it can be built.

    With dropout windows that begin alike share nothing, so that reading them as a trie would gain nothing.
    """
    return dropout == 0 and _library(architecture) is not None


def sizes(architecture: Architecture) -> dict[str, int]:
    """The macros that make fused.cpp the form of one architecture."""
    a = architecture
    found = {"WIDTH": a.width, "HIDDEN": a.width * a.expansion, "LAYERS": a.layers, "HEADS": a.heads}
    return found | {"VOCABULARY": a.vocabulary, "CONTEXT": a.context}


@functools.cache
def _library(architecture: Architecture) -> Any:  # a ctypes.CDLL, or None where none can be had (see `fits`)
    return compiling.library(SOURCE, sizes(architecture), lambda library: _answers(library, architecture))


def kept(architecture: Architecture) -> bool:
    """Whether the fused form of this architecture need not be compiled first (`compiling.kept`)."""
    return compiling.kept(SOURCE, sizes(architecture))


def _answers(library: ctypes.CDLL, architecture: Architecture) -> bool:
    """Whether a library finds the loss and the gradient that the plain form finds, for a small text."""
    a, (flat,) = architecture, initialize(architecture, [0])
    library.loss_or_gradient.restype = ctypes.c_double
    if library.parameter_count() != len(flat):
        return False
    characters = "".join(map(chr, range(ord("0"), ord("0") + a.vocabulary)))
    text = "".join(characters[i] for i in np.random.RandomState(0).randint(a.vocabulary, size=3 * a.context + 1))
    task = Task("check", text, characters, a.context, 1, ())
    offsets = torch.arange(task.offsets, dtype=torch.int32)
    windows = torch.from_numpy(task.tokens).long()[offsets[:, None] + torch.arange(a.context + 1)][None]
    corpus, models, found = Corpus(task), flat[None].clone().requires_grad_(), np.empty_like(flat.numpy())
    loss = losses(forward(a, models, windows[..., :-1]), windows[..., 1:]).sum()
    (gradient,) = torch.autograd.grad(loss, models)
    asked = [*corpus.arguments(), _pointer(flat.numpy(), np.float32)]
    places = [_pointer(offsets.numpy(), np.int32), ctypes.c_int(len(offsets))]
    answer = library.loss_or_gradient(*asked, None, *places)
    library.loss_or_gradient(*asked, _pointer(found, np.float32), *places)
    apart = np.linalg.norm(found - gradient[0].numpy()) / gradient.norm().item()
    return abs(answer / loss.item() - 1) < 1e-4 and apart < 1e-3  # rounding is a hundredth of that, a mistake more


def _pointer(array: np.ndarray | None, dtype) -> ctypes.c_void_p:
    if array is None:
        return ctypes.c_void_p()
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"an array of {np.dtype(dtype)} in C order is needed, but this is {array.dtype}")
    return ctypes.c_void_p(array.ctypes.data)


class Corpus:
    """A task's windows in lexicographic order, which is what the fused form reads.

    Windows are numbered by their start, 0 to `Task.offsets` - 1. Window r in lexicographic order starts at character
    `order[r]`; `rank` has the place in that order of every number; the windows r - 1 and r share their first
    `shared[r]` characters, or all: then `shared[r]` is the context, so that each of them counts as a target.
    """

    def __init__(self, task: Task):
        self.tokens = task.tokens
        windows = np.lib.stride_tricks.sliding_window_view(self.tokens, task.context + 1)[:: task.stride]
        order = np.lexsort(windows.T[::-1])
        different = windows[order[1:]] != windows[order[:-1]]
        self.order = (order * task.stride).astype(np.int32)
        self.rank = np.empty_like(self.order)
        self.rank[order] = np.arange(len(order), dtype=np.int32)
        first = np.where(different.any(1), different.argmax(1), task.context)
        self.shared = np.concatenate([[0], first]).astype(np.int32)

    def arguments(self) -> list:
        arrays = (self.tokens, self.order, self.rank, self.shared)
        return [*(_pointer(a, np.int32) for a in arrays), ctypes.c_int(len(self.order))]


def loss(architecture: Architecture, corpus: Corpus, parameters: np.ndarray, windows: np.ndarray) -> float:
    """Mean loss (nats a character) of one model, parameters (P,) float32, over the windows of int32 numbers (B,)."""
    library = _library(architecture)
    return library.loss_or_gradient(
        *corpus.arguments(),
        _pointer(parameters, np.float32),
        None,
        _pointer(windows, np.int32),
        ctypes.c_int(len(windows)),
    )


def gradient(architecture: Architecture, corpus: Corpus, parameters: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Gradient (P,) of that loss."""
    library, result = _library(architecture), np.empty_like(parameters)
    library.loss_or_gradient(
        *corpus.arguments(), _pointer(parameters, np.float32), _pointer(result, np.float32),
        _pointer(windows, np.int32), ctypes.c_int(len(windows)),
    )  # fmt: skip
    return result


def train(
    architecture: Architecture, corpus: Corpus, *, parameters: np.ndarray, exp_avg: np.ndarray, exp_avg_sq: np.ndarray,
    decay: np.ndarray, scale: np.ndarray, windows: np.ndarray, rates: np.ndarray, done: int,
    betas: tuple[float, float], epsilon: float,
) -> None:  # fmt: skip
    """Updates one model in place: parameters and both moments (P,), one update for each row of windows (steps, B).

    `rates` (steps,) are the learning rates, `scale` (P,) what each parameter's is multiplied by, `decay` (P,) its
    weight decay, `done` the updates made before.
    """
    steps, batch = windows.shape
    f = np.float32
    _library(architecture).train(
        *corpus.arguments(), _pointer(parameters, f), _pointer(exp_avg, f), _pointer(exp_avg_sq, f), _pointer(decay, f),
        _pointer(scale, f), _pointer(windows, np.int32), ctypes.c_int(batch), _pointer(rates, f), ctypes.c_int(steps),
        ctypes.c_int64(done), *(ctypes.c_float(x) for x in (*betas, epsilon)),
    )  # fmt: skip
