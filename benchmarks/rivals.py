"""The contestants of bench.py: this project, and other ways to train and score the same models.

Each is a function of a run. It returns what is to be timed: a function that does some work and says how much.
"""

import dataclasses
import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from lib.model.transformer import Architecture
from lib.run import Run
from lib.train.stack import BETAS, EPSILON, Stack

VMAP_MODELS = 4
PROJECT, PUBLIC = "this project", "the paper's public code"
Work = Callable[[], float]


def project(run: Run, fast: bool = True, models: int = 1) -> Work:
    """This project's training of a stack; without `fast`, as on a machine that has no compiler."""
    stack = Stack([dataclasses.replace(run, seed=seed) for seed in range(models)])
    if not fast:
        stack.engine = "plain"
    updates = 20 if fast else 1

    def train() -> float:
        stack.iteration = 0
        stack.advance(updates)
        return updates * models

    return train


def exact_scoring(run: Run) -> Work:
    """This project's scoring: every prompt, and the exact training loss."""
    stack = Stack([run])
    return lambda: len(stack.measure())


def gpt2(architecture: Architecture, attention: str = "sdpa") -> torch.nn.Module:
    """The GPT-2 of `transformers` in the same configuration; its biases stay at zero, where they start."""
    from transformers import GPT2Config, GPT2LMHeadModel

    a = architecture
    sizes = {"n_embd": a.width, "n_layer": a.layers, "n_head": a.heads, "n_inner": a.width * a.expansion}
    sizes |= {"vocab_size": a.vocabulary, "n_positions": a.context, "bos_token_id": None, "eos_token_id": None}
    config = GPT2Config(**sizes, activation_function="gelu", resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, use_cache=False)
    config._attn_implementation = attention
    model = GPT2LMHeadModel(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.endswith("bias"))
    return model


def draw(run: Run, count: int) -> tuple[Tensor, Tensor]:
    """What `count` batches read and what they are to predict, each (count * batch, context)."""
    offsets = torch.randint(run.corpus.offsets, (count * run.corpus.batch, 1))
    windows = torch.from_numpy(run.corpus.tokens).long()[offsets + torch.arange(run.corpus.context + 1)]
    return windows[:, :-1], windows[:, 1:]


def plain_loop(run: Run) -> Work:
    """`transformers` and torch.optim.AdamW in a loop."""
    model = gpt2(run.architecture)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, run.learning_rate, BETAS, EPSILON, run.weight_decay)

    def train() -> float:
        read, following = draw(run, 1)
        loss = F.cross_entropy(model(read).logits.flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        return 1

    return train


def stacked_loop(run: Run) -> Work:
    """The same for a few models at once, by torch.func.vmap over their stacked parameters."""
    models = [gpt2(run.architecture, "eager") for _ in range(VMAP_MODELS)]
    every, buffers = stack_module_state(models)
    trained = {name: p for name, p in every.items() if p.requires_grad}
    rest = {name: p for name, p in every.items() if not p.requires_grad} | buffers
    optimizer = torch.optim.AdamW(list(trained.values()), run.learning_rate, BETAS, EPSILON, run.weight_decay)

    def loss(parameters: dict, rest: dict, read: Tensor, following: Tensor) -> Tensor:
        logits = functional_call(models[0], (parameters, rest), (read,)).logits
        return F.cross_entropy(logits.flatten(0, 1), following.flatten())

    gradient = vmap(grad(loss))

    def train() -> float:
        batches = (x.view(VMAP_MODELS, run.corpus.batch, -1) for x in draw(run, VMAP_MODELS))
        found = gradient(trained, rest, *batches)
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in found.values()]).norm(dim=0)
        for name, g in found.items():
            trained[name].grad = g * (1 / (norms + 1e-6)).clamp(max=1).view(-1, *[1] * (g.dim() - 1))
        optimizer.step()
        return VMAP_MODELS

    return train


def product(run: Run) -> Work:
    """GFLOP of a large float32 matrix product."""
    a = torch.randn(1_024, 1_024)
    result = torch.empty_like(a)
    return lambda: torch.mm(a, a, out=result).numel() * len(a) * 2e-9


def memory(run: Run) -> Work:
    """GB read and written in place by an addition to far more than a cache holds."""
    a = torch.ones(2**25)
    return lambda: a.add_(1).nbytes * 2e-9


class Reference:
    """A checkout of the paper's public code: copied to `folder`, its data prepared, and run as it is."""

    def __init__(self, checkout: str, folder: str):
        self.code, self.folder, stand_ins = Path(folder, "code"), folder, Path(folder, "stand_ins")
        shutil.copytree(checkout, self.code, ignore=shutil.ignore_patterns(".git", "Results"))
        stand_ins.mkdir()
        for name in ("requests", "tiktoken"):  # imported by it, but not used for these tasks
            if importlib.util.find_spec(name) is None:
                (stand_ins / f"{name}.py").touch()
        self.environment = {**os.environ, "PYTHONPATH": str(stand_ins), "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor"}
        self.environment.pop("OMP_NUM_THREADS", None)
        for data in ("as_math", "facts_char", "both_math_and_facts"):
            self._start(self.code / "data" / data, {}, "prepare.py").communicate()

    def _start(self, where: Path, environment: dict, *arguments: str) -> subprocess.Popen:
        everything, pipe = {**self.environment, **environment}, subprocess.PIPE
        command = [sys.executable, *arguments]
        return subprocess.Popen(command, cwd=where, env=everything, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def __call__(self, task: str, width: int, copies: int) -> tuple[float, float]:
        """Milliseconds a step and an evaluation, from what it prints of 51 iterations and the evaluation before them.

        So many processes of one thread each run at once, and the times are divided by their number.
        """
        config = f"config/train_{ {'arithmetic': 'math', 'joint': 'both'}.get(task, task) }_mini_{width}.py"
        options = ["--compile=False", "--device=cpu", "--dtype=float32", "--log_interval=1", "--max_iters=50"]
        command, threads = ["train_with_eval.py", config, *options], {"OMP_NUM_THREADS": "1"}
        outs = [f"--out_dir={self.folder}/out{i}" for i in range(copies)]
        steps, evaluations = 0.0, 0.0
        for process in [self._start(self.code, threads, *command, out) for out in outs]:
            text = process.communicate()[0]
            found = {int(i): float(ms) for i, ms in re.findall(r"^iter (\d+): .* time ([\d.]+)ms", text, re.M)}
            if process.returncode or not set(range(51)) <= set(found):
                raise click.ClickException(f"The public code stopped: {text.strip().splitlines()[-1]}")
            step = statistics.median(found[i] for i in range(6, 51))
            steps, evaluations = steps + 1 / step, evaluations + 1 / (found[0] - step)
        return 1 / steps, 1 / evaluations


JOBS: dict[tuple[str, str], Callable[[Run], Work]] = {
    ("training", PROJECT): project,
    ("training", f"{PROJECT}, no compiler"): lambda run: project(run, fast=False),
    ("training", "transformers"): plain_loop,
    ("training", "vmap"): stacked_loop,
    ("scoring", PROJECT): exact_scoring,
    ("limit", "matrix product"): product,
    ("limit", "memory"): memory,
}
