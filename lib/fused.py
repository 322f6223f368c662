"""Building and calling the fused CPU form of the Transformer (fused.cpp)."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np

from lib.errors import UserError
from lib.model import Architecture
from lib.tasks import Task

SOURCE = Path(__file__).with_name("fused.cpp")
FLAGS = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math"]
# What old compilers lack: with it, and the flags above, fused.cpp compiles.
PROBE = "typedef float v __attribute__((vector_size(8))); v f(v a) { return __builtin_shufflevector(a, a, 1, 0); }"


@functools.cache
def compiler() -> str | None:
    """The C++ compiler to use ($CXX, c++, g++ or clang++), or None, with a warning, where there is none that works."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            command = [name, *FLAGS, "-fsyntax-only", "-x", "c++", "-"]
            if subprocess.run(command, input=PROBE, capture_output=True, text=True).returncode == 0:
                return name
    warnings.warn("No C++ compiler that works was found, so training on the CPU is 5 to 20 times slower.", stacklevel=2)
    return None


def fits(architecture: Architecture, dropout: float) -> bool:
    """Whether the fused form can stand in for the plain one: any architecture without dropout, and a compiler.

    With dropout windows that begin alike share nothing, so that reading them as a trie would gain nothing.
    """
    return dropout == 0 and compiler() is not None


def _processor() -> str:
    """What the compiled code may be used on: the machine's type and its processor's features."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return platform.machine() + next(
        (line for line in lines if line.startswith(("flags", "Features"))), platform.processor()
    )


@functools.cache
def _library(architecture: Architecture) -> ctypes.CDLL:
    a = architecture
    sizes = {"WIDTH": a.width, "HIDDEN": a.width * a.expansion, "LAYERS": a.layers, "HEADS": a.heads}
    sizes |= {"VOCABULARY": a.vocabulary, "CONTEXT": a.context}
    command = [str(compiler()), *FLAGS, *(f"-D{k}={v}" for k, v in sizes.items()), str(SOURCE), "-o"]
    key = hashlib.sha256("\0".join([*command, SOURCE.read_text(), _processor()]).encode()).hexdigest()[:20]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "too-big-to-think"
    path = cache / f"{key}.so"
    if not path.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as folder:  # build beside, then rename: processes may race
                built = Path(folder) / "fused.so"
                subprocess.run([*command, str(built)], check=True, capture_output=True, text=True)
                built.replace(path)
        except OSError as error:
            raise UserError(
                f"The folder for compiled code, {cache}, cannot be written ({error.strerror}); "
                "XDG_CACHE_HOME may name another folder, with free space."
            ) from error
    library = ctypes.CDLL(str(path))
    library.loss_or_gradient.restype = ctypes.c_double
    if library.parameter_count() != a.parameters():
        raise RuntimeError(f"{path} was built for another architecture.")
    return library


def _pointer(array: np.ndarray | None, dtype) -> ctypes.c_void_p:
    if array is None:
        return ctypes.c_void_p()
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"an array of {np.dtype(dtype)} in C order is needed, but this is {array.dtype}")
    return ctypes.c_void_p(array.ctypes.data)


class Corpus:
    """A task's windows in lexicographic order, which is what the fused form reads.

    Window r in that order starts at `order[r]`; `rank` is the inverse; the windows r - 1 and r share their first
    `shared[r]` characters, or all: then `shared[r]` is the context, so that each of them counts as a target.
    """

    def __init__(self, task: Task):
        self.tokens = task.tokens
        windows = np.lib.stride_tricks.sliding_window_view(self.tokens, task.context + 1)
        order = np.lexsort(windows.T[::-1])
        different = windows[order[1:]] != windows[order[:-1]]
        self.order = order.astype(np.int32)
        self.rank = np.empty_like(self.order)
        self.rank[order] = np.arange(len(order), dtype=np.int32)
        first = np.where(different.any(1), different.argmax(1), task.context)
        self.shared = np.concatenate([[0], first]).astype(np.int32)

    def arguments(self) -> list:
        arrays = (self.tokens, self.order, self.rank, self.shared)
        return [*(_pointer(a, np.int32) for a in arrays), ctypes.c_int(len(self.order))]


def loss(architecture: Architecture, corpus: Corpus, parameters: np.ndarray, windows: np.ndarray) -> float:
    """Mean loss (nats a character) of one model, parameters (P,) float32, over the windows at int32 offsets (B,)."""
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
    architecture: Architecture, corpus: Corpus, parameters: np.ndarray, exp_avg: np.ndarray, exp_avg_sq: np.ndarray,
    decay: np.ndarray, windows: np.ndarray, rates: np.ndarray, done: int, betas: tuple[float, float], epsilon: float,
) -> None:  # fmt: skip
    """Updates one model in place: parameters and both moments (P,), one update for each row of windows (steps, B).

    `rates` (steps,) are the learning rates, `decay` (P,) the weight decay of each parameter, `done` the updates made
    before.
    """
    steps, batch = windows.shape
    f = np.float32
    _library(architecture).train(
        *corpus.arguments(), _pointer(parameters, f), _pointer(exp_avg, f), _pointer(exp_avg_sq, f), _pointer(decay, f),
        _pointer(windows, np.int32), ctypes.c_int(batch), _pointer(rates, f), ctypes.c_int(steps), ctypes.c_int64(done),
        *(ctypes.c_float(x) for x in (*betas, epsilon)),
    )  # fmt: skip
