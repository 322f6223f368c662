"""What several tests share."""

import torch

from lib.model import forward, losses
from lib.run import Run
from lib.training import Stack

torch.set_num_threads(1)  # on tensors this small, threads wait for each other more than they work


def plain_stack(runs: list[Run]) -> Stack:
    """A stack that trains in float64 by the plain form of the model, from the same float32 beginnings."""
    stack = Stack(runs)
    stack.engine = "plain"
    for name in ("flat", "exp_avg", "exp_avg_sq", "rates", "decay"):
        setattr(stack, name, getattr(stack, name).double())
    return stack


def loss_and_gradient(run: Run, flat: torch.Tensor, offsets: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Mean loss of one model, flat (P,), over the windows at `offsets`, and its gradient: plain form, float64."""
    flat = flat.double()[None].requires_grad_()
    text = torch.from_numpy(run.corpus.tokens).long()
    windows = text[offsets.long()[:, None] + torch.arange(run.corpus.context + 1)][None]
    loss = losses(forward(run.architecture, flat, windows[..., :-1]), windows[..., 1:])
    (gradient,) = torch.autograd.grad(loss.sum(), flat)
    return loss.item(), gradient[0]
