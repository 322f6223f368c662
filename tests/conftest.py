"""What several tests share."""

import runpy
import signal
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from lib.model.transformer import forward, losses
from lib.run import Run
from lib.train import course, workers
from lib.train.stack import Stack

torch.set_num_threads(1)  # on tensors this small, threads wait for each other more than they work


def plain_stack(runs: list[Run]) -> Stack:
    """A stack that trains in float64 by the plain form of the model, from the same float32 beginnings."""
    stack = Stack(runs)
    stack.engine = "plain"
    for name in ("flat", "exp_avg", "exp_avg_sq", "rates", "decay", "scale"):
        setattr(stack, name, getattr(stack, name).double())
    return stack


def loss_and_gradient(run: Run, flat: torch.Tensor, offsets: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Mean loss of one model, flat (P,), over windows by their numbers, and its gradient: plain form, float64."""
    flat = flat.double()[None].requires_grad_()
    text = torch.from_numpy(run.corpus.tokens).long()
    starts = offsets.long()[:, None] * run.corpus.stride
    windows = text[starts + torch.arange(run.corpus.context + 1)][None]
    loss = losses(forward(run.architecture, flat, windows[..., :-1]), windows[..., 1:])
    (gradient,) = torch.autograd.grad(loss.sum(), flat)
    return loss.item(), gradient[0]


@pytest.fixture
def inline(monkeypatch):
    """Training in this process, one run after another: the same code, less the start of the workers."""

    def train(cores, runs, folder, *, deadline, tell, weights, stop):
        for run in runs:
            told = lambda i, run=run: tell(run.id, i, "1 core")  # noqa: E731
            course.train_stack([run], folder, device="cpu", deadline=deadline, tell=told, stop=stop, weights=weights)

    monkeypatch.setattr(workers, "_on_cpu", train)


@pytest.fixture
def cli(monkeypatch, capsys, inline):
    """`python -m lib ...` in this process: its exit status, standard output and last words on standard error."""

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lib", *map(str, arguments)])
        handler = signal.getsignal(signal.SIGINT)
        capsys.readouterr()
        try:
            runpy.run_module("lib", run_name="__main__")
            status, message = 0, ""
        except SystemExit as stop:  # a text goes to standard error, and the status is 1
            status, message = (1, stop.code) if isinstance(stop.code, str) else (stop.code or 0, "")
        finally:
            signal.signal(signal.SIGINT, handler)
        captured = capsys.readouterr()
        return status, captured.out, message or captured.err

    return call


def source(runs=(), curves=(), items=()) -> SimpleNamespace:
    """Made-up runs as the `results` of an experiment read them; what is filtered by run is filtered here, too."""
    kept = lambda table, runs: table[table["run"].isin(runs["run"])] if "run" in runs else table  # noqa: E731
    runs, curves, items = (pd.DataFrame(x) if isinstance(x, tuple) else x for x in (runs, curves, items))
    return SimpleNamespace(
        runs=runs, curves=lambda runs: kept(curves, runs), items=lambda runs, *_, **how: kept(items, runs),
        last=lambda runs, *_, **how: kept(items, runs),
    )  # fmt: skip


def one_sentence(message: str) -> bool:
    lines = message.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith("Error: ") and lines[0][-1] in ".?" and "Traceback" not in message
