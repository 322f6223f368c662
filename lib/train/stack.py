"""Training: one run is one model trained from one seed under one configuration, and runs of one shape train as a stack.

Notable features:
- the optimizer is AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with the norm of each model's gradient clipped
  at 1; warm-up, cosine decay and a floor, as published (arXiv:2506.09099), in proportion for shorter runs;
- windows and dropout masks are a pure function of (seed, step), so a run depends neither on its neighbours in the stack
  nor on when it is evaluated, interrupted or resumed;
- on a CPU the models of a stack are trained one after another, by the fused form where it fits: without dropout, and
  where every character counts in the loss; on a GPU they are trained together, by compiled functions, and whole steps
  are captured in a CUDA graph, which is checked once against a step that is not.
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch._functorch import config

from lib.errors import UserError
from lib.model import fused
from lib.model.loss_parts import Reader
from lib.model.scores import Scorer
from lib.model.transformer import Architecture, forward, initialize, losses, mix, uniform
from lib.run import Run

BETAS = (0.9, 0.99)
EPSILON = 1e-8


def stream(seeds: Tensor, step: Tensor, number: int) -> Tensor:
    """Keys of one random stream (0 windows, 1 dropout) at a step, elementwise over seeds and steps."""
    return mix(mix(seeds * 2 + number) + step)


def draw(
    seeds: Tensor, step: Tensor, *, text: Tensor, counted: Tensor | None, batch: int, turns: Tensor, stride: int,
    context: int,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The windows (S, B, context + 1) of the texts (S, characters) at a step, and how often each target counts.

    `turns` (2, iterations) are the first offset and the number of offsets that a window may have at each step. With
    `counted` (S, offsets, context), which characters count at all, each window is read once and counted as often as it
    is drawn.
    """
    first, among = turns.index_select(1, step.view(1))
    at, often = first + uniform(stream(seeds, step, 0), batch, among), None
    if counted is not None:
        one, offsets = torch.ones_like(at, dtype=torch.float32), counted.shape[1]
        often = one.new_zeros(len(at), offsets).scatter_add_(1, at, one)[:, :, None] * counted
        at = torch.arange(offsets, device=at.device).expand(len(at), -1)
    places = (at * stride)[:, :, None] + torch.arange(context + 1, device=at.device)
    return text.gather(1, places.flatten(1)).view(places.shape), often


def objective(
    architecture: Architecture, flat: Tensor, *, windows: Tensor, often: Tensor | None, dropout: float,
    key: Tensor | None, gpu: bool,
) -> Tensor:  # fmt: skip
    """What is descended: the sum of the models' losses, whose gradient is that of each model."""
    logits = forward(architecture, flat, windows[..., :-1], dropout=dropout, key=key, gpu=gpu)
    return losses(logits, windows[..., 1:], often).sum()


def adamw(
    flat: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, *, grad: Tensor, rate: Tensor, decay: Tensor, step: Tensor
) -> None:
    """One update of AdamW with gradients clipped to a norm of 1, in place; all but the step (S, P), or (S, 1)."""
    grad = grad * (1 / (grad.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1)
    exp_avg.lerp_(grad, 1 - BETAS[0])
    exp_avg_sq.mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
    flat.mul_(1 - rate * decay)
    correct1, correct2 = (1 - beta ** (step + 1).double() for beta in BETAS)
    scale = exp_avg_sq.sqrt() / correct2.sqrt().to(flat.dtype) + EPSILON
    flat.sub_(rate / correct1.to(flat.dtype) * exp_avg / scale)


def compiled() -> tuple[Callable, Callable, Callable]:
    """`draw`, `objective` and `adamw`, compiled whole for the one shape that they are then called with.

    The compiler keeps few variants of one function and then leaves it as it is without a word, so it forgets those of
    other shapes here.
    """
    torch.compiler.reset()
    draws, descends, updates = (torch.compile(f, dynamic=False, fullgraph=True) for f in (draw, objective, adamw))
    if hasattr(config, "backward_pass_autocast"):  # else the embedding's gradient is bfloat16: pytorch/pytorch#179804
        descends = config.patch(backward_pass_autocast="off")(descends)
    return draws, descends, updates


class Stack:
    """Runs of one shape (see `Run.shape`) in training on a device, "cpu" or "cuda".

    The state is `flat`, `exp_avg` and `exp_avg_sq`: parameters and AdamW's moments, each (S, P), and `iteration`, the
    number of updates made. `engine` is what makes the updates: "fused" (fused.cpp), "graph" (captured in a CUDA graph)
    or "plain" (PyTorch, one operation after the other).
    """

    def __init__(self, runs: list[Run], device: str = "cpu"):
        if len({run.shape for run in runs}) != 1:
            raise ValueError("the runs of a stack must have one shape")
        run = runs[0]
        self.runs, self.device, self.iteration = runs, device, 0
        self.architecture, self.dropout, self.precision = run.architecture, run.dropout, run.precision
        self.context, self.batch, self.offsets = run.corpus.context, run.corpus.batch, run.corpus.offsets
        self.stride = run.corpus.stride
        some = run.targets != "all"  # which only the plain form knows
        self.gpu = device != "cpu"
        fits = not self.gpu and not some and fused.fits(self.architecture, self.dropout)
        self.engine = "graph" if self.gpu else "fused" if fits else "plain"
        if self.precision == "bfloat16" and device == "cpu":
            raise UserError("precision is bfloat16, but a CPU trains in float32 only.")
        self.flat = initialize(self.architecture, [r.seed for r in runs]).to(device)
        self.exp_avg, self.exp_avg_sq = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.text = torch.stack([torch.from_numpy(r.corpus.tokens) for r in runs]).long().to(device)
        self.seeds = torch.tensor([r.seed for r in runs], device=device)
        self.rates = torch.from_numpy(np.stack([r.rates() for r in runs])).to(device)
        self.turns = torch.from_numpy(run.turned()).to(device)
        decayed = self.architecture.decayed().to(device)
        self.decay = torch.tensor([r.weight_decay for r in runs], device=device)[:, None] * decayed
        mlp = self.architecture.mlp().to(device)
        self.scale = torch.where(mlp, torch.tensor([[r.mlp_rate] for r in runs], device=device), 1.0)
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        self.corpora = [fused.Corpus(r.corpus) for r in runs] if self.engine == "fused" else []
        # A GPU, which computes no prefix once, computes no window twice.
        once = some or (self.gpu and self.offsets <= self.batch)
        self.counted = torch.from_numpy(np.stack([r.corpus.counted for r in runs])).to(device) if once else None
        asked: dict[tuple, list[int]] = {}  # texts and right answers, whose order does not depend on what is held out
        for i, r in enumerate(runs):
            asked.setdefault(tuple((prompt.text, prompt.accepted) for prompt in r.corpus.prompts), []).append(i)
        self.scorers = [(Scorer(runs[which[0]].corpus, device), which) for which in asked.values()]
        self.readers = [Reader(r.corpus, device) for r in runs] if run.scores == "parts" else []
        self._draw: Callable
        self._objective: Callable
        self._adamw: Callable
        self._draw, self._objective, self._adamw = compiled() if self.gpu else (draw, objective, adamw)
        self._graph: torch.cuda.CUDAGraph | None = None

    def _at_once(self) -> list[slice]:
        """The models that are computed together: all on a GPU, each alone on a CPU, where its bits must not vary."""
        return [slice(i, i + 1) for i in range(len(self.runs))] if self.device == "cpu" else [slice(None)]

    def advance(self, updates: int) -> None:
        """Makes `updates` updates of every model."""
        if self.engine == "graph" and self._graph is None:
            self._capture()
        if self._graph is not None:
            for _ in range(updates):
                self._graph.replay()
        elif self.device == "cpu":
            for one in self._at_once():
                self._advance_alone(one, updates)
        else:
            for _ in range(updates):
                self._step()
        if self.device != "cpu":
            torch.cuda.synchronize()  # so that whoever times a chunk knows what an update takes
        self.iteration += updates

    def _advance_alone(self, one: slice, updates: int) -> None:
        steps = torch.arange(self.iteration, self.iteration + updates)
        if self.engine == "plain":
            for step in steps:
                self._update(one, step)
            return
        first, among = self.turns[:, steps, None]
        windows = (first + uniform(stream(self.seeds[one], steps, 0), self.batch, among)).int().numpy()
        names = {"parameters": "flat"} | {name: name for name in ("exp_avg", "exp_avg_sq", "decay", "scale")}
        state = {name: getattr(self, own)[one][0].numpy() for name, own in names.items()}
        rates = self.rates[one][0, self.iteration : self.iteration + updates].numpy()
        fused.train(
            self.architecture, self.corpora[one.start], **state, windows=windows, rates=rates, done=self.iteration,
            betas=BETAS, epsilon=EPSILON,
        )  # fmt: skip

    def _step(self) -> None:
        """One update of the whole stack, at the step that `step` says; this is what a CUDA graph captures."""
        self._update(slice(None), self.step)
        self.step.add_(1)

    def _capture(self) -> None:
        """Records `_step`, so that a replay launches it without Python; goes on without where a replay errs."""
        kept = [x.clone() for x in self._state()]
        self.step.fill_(0)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # compile and warm up away from the capture, but on its stream
            self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):
            self._step()
        for x, value in zip(self._state(), kept, strict=True):
            x.copy_(value)
        self.step.fill_(self.iteration)
        if self._repeats(graph.replay):
            self._graph = graph
        else:
            self.engine = "plain"
            warnings.warn(
                "A captured update does not do what an update does, so training goes on without a CUDA graph, slower.",
                stacklevel=3,
            )

    def _state(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.flat, self.exp_avg, self.exp_avg_sq, self.step

    def _repeats(self, replay: Callable[[], None]) -> bool:
        """Whether `replay` does what `_step` does, at the last update, where it was not captured; all stays as it was.

        The gradients of a GPU may be added up in another order: so float32 to 3 digits, where another window, dropout
        mask or rate changes the first.
        """
        kept = [x.clone() for x in self._state()]
        found = []
        for advance in (self._step, replay):
            self.step.fill_(self.rates.shape[1] - 1)
            advance()
            found.append([x.clone() for x in self._state()])
            for x, value in zip(self._state(), kept, strict=True):
                x.copy_(value)
        changes = [[(x - before).double() for x, before in zip(after, kept, strict=True)] for after in found]
        return all(bool((a - b).norm() <= 1e-3 * a.norm()) for a, b in zip(*changes, strict=True))

    def _gradient(self, some: slice, step: Tensor) -> Tensor:
        """The gradients (S, P) of the models `some` at a step."""
        seeds, counted = self.seeds[some], None if self.counted is None else self.counted[some]
        where = {"batch": self.batch, "turns": self.turns, "stride": self.stride, "context": self.context}
        windows, often = self._draw(seeds, step, text=self.text[some], counted=counted, **where)
        flat = self.flat[some].detach().requires_grad_()
        key = stream(seeds, step, 1) if self.dropout else None
        with torch.autocast(flat.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            how = {"dropout": self.dropout, "key": key, "gpu": self.gpu}
            loss = self._objective(self.architecture, flat, windows=windows, often=often, **how)
        return torch.autograd.grad(loss, flat)[0]

    def _update(self, some: slice, step: Tensor) -> None:
        """One update of the models `some`, in place; nothing here waits for the device."""
        grad = self._gradient(some, step)
        with torch.no_grad():
            rate = self.rates[some].index_select(1, step.view(1)) * self.scale[some]
            state = (self.flat[some], self.exp_avg[some], self.exp_avg_sq[some])
            self._adamw(*state, grad=grad, rate=rate, decay=self.decay[some], step=step)

    @torch.no_grad()
    def losses(self) -> list[float]:
        """Each model's exact training loss, the mean over what counts in all windows of its text (nats a character)."""
        everywhere = torch.arange(self.offsets, device=self.device)
        if self.engine == "fused":
            offsets = everywhere.int().numpy()
            pairs = zip(self.corpora, self.flat.numpy(), strict=True)
            return [fused.loss(self.architecture, corpus, flat, offsets) for corpus, flat in pairs]
        found = []
        for some in self._at_once():
            flat, total = self.flat[some], torch.zeros(len(self.flat[some]), dtype=torch.float64, device=self.device)
            for offsets in everywhere.split(512):
                places = (offsets * self.stride)[:, None] + torch.arange(self.context + 1, device=self.device)
                windows = self.text[some][:, places]
                often, part, whole = None, torch.tensor(len(offsets)), torch.tensor(self.offsets)
                if self.counted is not None:
                    often = self.counted[some][:, offsets]
                    part, whole = often.sum((1, 2)), self.counted[some].sum((1, 2))
                mean = losses(forward(self.architecture, flat, windows[..., :-1]), windows[..., 1:], often)
                total += mean.double() * part / whole
            found += total.tolist()
        return found

    def measure(self) -> list[dict]:
        """One row a model: `iteration`, `loss`; `greedy`, `sampled` and `likelihood`, a value a prompt.

        Where a run asks for them, `parts` are those of the loss (model/loss_parts.py).
        """
        scores: dict[str, np.ndarray] = {}
        for scorer, which in self.scorers:
            for some in [which] if self.gpu else [[i] for i in which]:
                for name, found in scorer(self.architecture, self.flat[some]).items():
                    scores.setdefault(name, np.empty((len(self.runs), *found.shape[1:]), found.dtype))[some] = found
        if self.readers:
            pairs = zip(self.readers, self.flat, strict=True)
            scores["parts"] = np.stack([reader(self.architecture, flat) for reader, flat in pairs])
        return [
            {"iteration": self.iteration, "loss": loss, **{name: value[i] for name, value in scores.items()}}
            for i, loss in enumerate(self.losses())
        ]

    def state(self, i: int) -> dict[str, Tensor]:
        """What model i needs to go on: `flat`, `exp_avg`, `exp_avg_sq` (P,) and `iteration`."""
        return {
            "flat": self.flat[i].cpu(), "exp_avg": self.exp_avg[i].cpu(), "exp_avg_sq": self.exp_avg_sq[i].cpu(),
            "iteration": torch.tensor(self.iteration),
        }  # fmt: skip

    def restore(self, i: int, state: dict[str, Tensor]) -> None:
        """Puts model i where `state` left it; all models of a stack must be at one iteration."""
        for name in ("flat", "exp_avg", "exp_avg_sq"):
            getattr(self, name)[i].copy_(state[name])
        self.iteration = int(state["iteration"])
        self.step.fill_(self.iteration)
