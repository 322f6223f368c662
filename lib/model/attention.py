"""Causal attention over short windows for a GPU: one Triton kernel forward, one backward.

Notable features:
- a program computes one head of one window of one model, whose scores never leave the chip;
- the dropout masks are those of `model.uniform`, drawn once more on the way back instead of being kept;
- scores, softmax and sums are float32, whatever q, k and v are.
"""

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

GOLDEN = tl.constexpr(-0x61C8864680B583EB)  # as in model.py


def fits(context: int, size: int) -> bool:
    """Whether there is a kernel for windows of so many positions and heads of so many features."""
    return context <= 64 and size in (16, 32, 64, 128)


@triton.jit
def _mix(x):
    x = (x ^ (x >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ (x >> 31 & 0x1FFFFFFFF)


@triton.jit
def _window(
    qkv, keys, windows, T: tl.constexpr, ROWS: tl.constexpr, HEADS: tl.constexpr, SIZE: tl.constexpr,
    LEAST: tl.constexpr,
):  # fmt: skip
    """q, k, v (ROWS, SIZE) and where they lie, softmax (ROWS, ROWS) and what of it is kept; q, k, v are 0 past T."""
    program = tl.program_id(0).to(tl.int64)  # model, window, head
    head, window = program % HEADS, program // HEADS
    model = window // windows
    rows, columns = tl.arange(0, ROWS), tl.arange(0, SIZE)
    real = (rows < T)[:, None]
    out = (window * T + rows)[:, None] * (HEADS * SIZE) + head * SIZE + columns[None, :]
    at = out + (window * T + rows)[:, None] * (2 * HEADS * SIZE)
    q = tl.load(qkv + at, real, 0.0)
    k = tl.load(qkv + at + HEADS * SIZE, real, 0.0)
    v = tl.load(qkv + at + 2 * HEADS * SIZE, real, 0.0)
    seen = rows[None, :] <= rows[:, None]
    scores = tl.where(seen, tl.dot(q, tl.trans(k), input_precision="ieee") / SIZE**0.5, float("-inf"))
    share = tl.exp(scores - tl.max(scores, 1)[:, None])
    share /= tl.sum(share, 1)[:, None]
    kept = seen
    if LEAST > 0:
        key = tl.load(keys + model)
        place = ((program - model * windows * HEADS) * T + rows[:, None]) * T + rows[None, :]
        bits = _mix((key + place) * GOLDEN + key * (1 - GOLDEN))
        kept = kept & ((bits >> 33 & 0x7FFFFFFF) >> 7 >= LEAST)  # of 2 ** 24
    return q, k, v, at, out, real, share, kept


@triton.jit
def _forward(
    qkv, keys, y, windows, SCALE: tl.constexpr, T: tl.constexpr, ROWS: tl.constexpr, HEADS: tl.constexpr,
    SIZE: tl.constexpr, LEAST: tl.constexpr,
):  # fmt: skip
    _, _, v, _, out, real, share, kept = _window(qkv, keys, windows, T, ROWS, HEADS, SIZE, LEAST)
    dropped = tl.where(kept, share * SCALE, 0.0).to(v.dtype)
    tl.store(y + out, tl.dot(dropped, v, input_precision="ieee").to(y.dtype.element_ty), real)


@triton.jit
def _backward(
    qkv, keys, dy, dqkv, windows, SCALE: tl.constexpr, T: tl.constexpr, ROWS: tl.constexpr, HEADS: tl.constexpr,
    SIZE: tl.constexpr, LEAST: tl.constexpr,
):  # fmt: skip
    q, k, v, at, out, real, share, kept = _window(qkv, keys, windows, T, ROWS, HEADS, SIZE, LEAST)
    g = tl.load(dy + out, real, 0.0).to(q.dtype)
    dropped = tl.where(kept, share * SCALE, 0.0).to(q.dtype)
    dv = tl.dot(tl.trans(dropped), g, input_precision="ieee")
    dshare = tl.where(kept, tl.dot(g, tl.trans(v), input_precision="ieee") * SCALE, 0.0)
    dscores = (share * (dshare - tl.sum(dshare * share, 1)[:, None]) / SIZE**0.5).to(q.dtype)
    dq = tl.dot(dscores, k, input_precision="ieee")
    dk = tl.dot(tl.trans(dscores), q, input_precision="ieee")
    kind = dqkv.dtype.element_ty
    tl.store(dqkv + at, dq.to(kind), real)
    tl.store(dqkv + at + HEADS * SIZE, dk.to(kind), real)
    tl.store(dqkv + at + 2 * HEADS * SIZE, dv.to(kind), real)


def _sizes(qkv: Tensor, heads: int, rate: float) -> tuple[tuple[int], dict[str, Any]]:
    """How many programs there are, and what the kernels are compiled for."""
    S, B, T, width = qkv.shape
    rows = max(16, 2 ** math.ceil(math.log2(T)))  # of a product, which are never fewer
    sizes = {"windows": B, "T": T, "ROWS": rows, "HEADS": heads, "SIZE": width // 3 // heads, "num_warps": rows // 16}
    return (S * B * heads,), {**sizes, "LEAST": int(rate * (1 << 24)), "SCALE": 1 / (1 - rate)}


@torch.library.triton_op("tiny::attend", mutates_args={})
def attend(qkv: Tensor, keys: Tensor, heads: int, rate: float) -> Tensor:
    """What `model.attend` makes of q, k and v, side by side in qkv (S, B, T, 3 width): (S, B, T, width).

    A share `rate` of the attention is dropped, by a key (S,) int64 for each model.
    """
    grid, sizes = _sizes(qkv, heads, rate)
    y = qkv.new_empty(*qkv.shape[:-1], qkv.shape[-1] // 3)
    torch.library.wrap_triton(_forward)[grid](qkv.contiguous(), keys, y, **sizes)
    return y


@torch.library.triton_op("tiny::attend_backward", mutates_args={})
def _descend(qkv: Tensor, keys: Tensor, dy: Tensor, heads: int, rate: float) -> Tensor:
    grid, sizes = _sizes(qkv, heads, rate)
    dqkv = torch.empty(qkv.shape, dtype=qkv.dtype, device=qkv.device)
    torch.library.wrap_triton(_backward)[grid](qkv.contiguous(), keys, dy.contiguous(), dqkv, **sizes)
    return dqkv


def _keep(ctx, inputs, output) -> None:
    qkv, keys, ctx.heads, ctx.rate = inputs
    ctx.save_for_backward(qkv, keys)


def _gradient(ctx, dy: Tensor) -> tuple[Tensor, None, None, None]:
    return _descend(*ctx.saved_tensors, dy, ctx.heads, ctx.rate), None, None, None


attend.register_autograd(_gradient, setup_context=_keep)
