"""The Transformer: GPT-2's, with nothing that the experiments do not need, for a stack of models at once.

Notable features:
- learned positions, LayerNorm before each sublayer and before the output, GELU, no biases, output tied to the token
  embedding;
- a stack of S models of one architecture is one flat tensor of parameters (S, P), so that the optimizer is elementwise;
- dropout draws its masks from a counter-based hash: a model's masks depend on its seed and step, never on its
  neighbours.

Initialization: N(0, 0.02), residual projections N(0, 0.02 / sqrt(2 layers)), gains 1 (Radford et al. 2019; the
configuration is that of Barron and White 2025, arXiv:2506.09099).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.errors import UserError, whole


@dataclass(frozen=True)
class Architecture:
    """Sizes of a Transformer; `vocabulary` and `context` count tokens, `expansion` is the MLP's width over `width`."""

    vocabulary: int
    context: int
    width: int
    layers: int = 1
    heads: int = 1
    expansion: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole(name, value, (1, 10_000))
        if self.width % self.heads:
            raise UserError(f"width is {self.width}, but it must be a multiple of heads, which is {self.heads}.")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter, in the order in which they lie in the flat tensor."""
        d, h = self.width, self.width * self.expansion
        shapes: dict[str, tuple[int, ...]] = {"tokens": (self.vocabulary, d), "positions": (self.context, d)}
        for i in range(self.layers):
            shapes |= {f"{i}.norm1": (d,), f"{i}.attention": (3 * d, d), f"{i}.projection": (d, d)}
            shapes |= {f"{i}.norm2": (d,), f"{i}.up": (h, d), f"{i}.down": (d, h)}
        return shapes | {"norm3": (d,)}

    def parameters(self, positions: bool = True) -> int:
        """The number of parameters; the published counts leave out the table of positions."""
        return sum(math.prod(s) for n, s in self.shapes().items() if positions or n != "positions")

    def decayed(self) -> Tensor:
        """Which of the P parameters weight decay acts on: those of two or more dimensions. Shape (P,), bool."""
        return torch.cat([torch.full((math.prod(s),), len(s) > 1) for s in self.shapes().values()])

    def mlp(self) -> Tensor:
        """Which of the P parameters are the matrices of an MLP. Shape (P,), bool."""
        matrices = ("up", "down")
        return torch.cat([torch.full((math.prod(s),), n.endswith(matrices)) for n, s in self.shapes().items()])


def initialize(architecture: Architecture, seeds: list[int]) -> Tensor:
    """Initial parameters of one model a seed, shape (S, P), float32, the same on every device."""
    residual = 0.02 / math.sqrt(2 * architecture.layers)
    stack = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for name, shape in architecture.shapes().items():
            std = residual if name.endswith(("projection", "down")) else 0.02
            parts.append(torch.ones(shape) if "norm" in name else torch.randn(shape, generator=generator) * std)
        stack.append(torch.cat([p.flatten() for p in parts]))
    return torch.stack(stack)


def unpack(architecture: Architecture, flat: Tensor) -> dict[str, Tensor]:
    """Views of the flat parameters (S, P) by name, each (S, *shape)."""
    shapes = architecture.shapes()
    parts = flat.split([math.prod(s) for s in shapes.values()], dim=1)
    return {n: p.view(-1, *s) for (n, s), p in zip(shapes.items(), parts, strict=True)}


GOLDEN = -0x61C8864680B583EB  # 2 ** 64 over the golden ratio, as a signed number


def mix(x: Tensor) -> Tensor:
    """A hash of 64-bit integers, elementwise: the finalizer of SplitMix64 (Steele, Lea and Flood 2014, fig. 16)."""
    x = (x ^ (x >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ (x >> 31 & 0x1FFFFFFFF)


def uniform(key: Tensor, count: int, bound: int | Tensor) -> Tensor:
    """`count` whole numbers in 0..bound-1 for each key (S,), shape (S, count): a pure function of key and place.

    A tensor `bound`, (S, 1) or (1,), has one for each key or for all.
    """
    place = torch.arange(count, device=key.device)
    # key + GOLDEN place, modulo 2 ** 64, in a form that no compiler takes for an index of 32 bits
    bits = mix((key[:, None] + place) * GOLDEN + key[:, None] * (1 - GOLDEN))
    return (bits >> 33 & 0x7FFFFFFF) * bound >> 31


def _dropout(x: Tensor, rate: float, key: Tensor | None, site: int) -> Tensor:
    """x (S, ...) with a share `rate` of it zeroed and the rest scaled up; `key` (S,) is None when scoring."""
    if key is None or rate == 0:
        return x
    kept = uniform(mix(key + site), x[0].numel(), 1 << 24) >= int(rate * (1 << 24))
    return x * kept.view_as(x) / (1 - rate)


def attend(q: Tensor, k: Tensor, v: Tensor, *, drop, gpu: bool) -> Tensor:
    """Causal attention over q, k, v (S, B, heads, T, head size); in the form for a GPU, as sums (see `forward`)."""
    T, size = q.shape[-2:]
    hidden = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
    scores = (q[..., :, None, :] * k[..., None, :, :]).sum(-1) if gpu else q @ k.transpose(-1, -2)
    share = drop((scores / math.sqrt(size)).masked_fill(hidden, -torch.inf).softmax(-1))
    return (share[..., None] * v[..., None, :, :]).sum(-2) if gpu else share @ v


WIDE = 128  # the width from which a single model gives a GPU enough to do


def pieces(models: int, tokens: int) -> int:
    """Into how many pieces to cut the tokens that each of so many models reads, so that a GPU has enough to do at once.

    Else a gradient, a sum over all tokens, would keep as many of its hundred processors busy as there are models.
    """
    whole = [n for n in range(1, tokens // 128 + 1) if tokens % n == 0]
    return next((n for n in whole if n * models >= 512), max(whole, default=1))


def forward(
    architecture: Architecture, flat: Tensor, tokens: Tensor, *, dropout: float = 0.0, key: Tensor | None = None,
    gpu: bool = False,
) -> Tensor:  # fmt: skip
    """Logits (S, B, T, vocabulary) of the models `flat` (S, P) for tokens (S, B, T) or (B, T), T at most the context.

    `key` (S,) int64 decides the dropout masks; without it nothing is dropped. With `gpu` the same is computed in a form
    that a compiler makes the best of for a GPU: attention as sums, which merge with what surrounds them, where a dozen
    positions of a dozen features would be millions of tiny matrix products; the products over all tokens in `pieces`;
    and the embedding as one of them, so that its gradient is summed in one order, too. A model of `WIDE` features or
    more has its products whole, and its attention by a kernel of its own (attention.py).
    """
    a, p = architecture, unpack(architecture, flat)
    S, (B, T) = len(flat), tokens.shape[-2:]
    tokens = tokens.expand(S, B, T)
    wide = gpu and a.width >= WIDE
    cut = pieces(S, B * T) if gpu and not wide else 1

    def linear(x: Tensor, weight: Tensor) -> Tensor:  # (S, B, T, i), (S, o, i) -> (S, B, T, o)
        weight = weight.transpose(1, 2)[:, None].expand(-1, cut, -1, -1).flatten(0, 1)
        return (x.reshape(S * cut, B * T // cut, -1) @ weight).view(S, B, T, -1)

    def norm(x: Tensor, gain: Tensor) -> Tensor:
        return F.layer_norm(x, (a.width,)) * gain[:, None, None]

    def drop(site: int):
        return lambda x: _dropout(x, dropout, key, site)

    def look(qkv: Tensor, site: int) -> Tensor:  # (S, B, T, 3 width) -> (S, B, T, width)
        if wide and qkv.is_cuda:
            from lib.model import attention  # needs Triton, which comes with PyTorch for CUDA only

            if attention.fits(T, a.width // a.heads):
                keys, rate = (tokens.new_zeros(S), 0.0) if key is None else (mix(key + site), dropout)
                return attention.attend(qkv, keys, a.heads, rate)
        q, k, v = (x.view(S, B, T, a.heads, -1).transpose(2, 3) for x in qkv.chunk(3, dim=-1))
        return attend(q, k, v, drop=drop(site), gpu=gpu and not wide).transpose(2, 3).reshape(S, B, T, -1)

    if gpu:
        with torch.autocast(flat.device.type, enabled=False):
            each = tokens[..., None] == torch.arange(a.vocabulary, device=tokens.device)
            x = linear(each.to(flat.dtype), p["tokens"].transpose(1, 2))
    else:
        x = p["tokens"].gather(1, tokens.reshape(S, -1, 1).expand(-1, -1, a.width)).view(S, B, T, -1)
    x = drop(0)(x + p["positions"][:, None, :T])
    for i in range(a.layers):
        y = look(linear(norm(x, p[f"{i}.norm1"]), p[f"{i}.attention"]), 3 * i + 1)
        x = x + drop(3 * i + 2)(linear(y, p[f"{i}.projection"]))
        y = F.gelu(linear(norm(x, p[f"{i}.norm2"]), p[f"{i}.up"]))
        x = x + drop(3 * i + 3)(linear(y, p[f"{i}.down"]))
    return linear(norm(x, p["norm3"]), p["tokens"])


def losses(logits: Tensor, targets: Tensor, often: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of each model, nats a character, shape (S,), from logits (S, B, T, V), targets (S, B, T).

    `often` (S, B, T) is how often each character counts; without it all count once.
    """
    S, B, T, V = logits.shape
    each = F.cross_entropy(logits.float().view(-1, V) if logits.dtype == torch.bfloat16 else logits.view(-1, V),
                           targets.expand(S, B, T).reshape(-1), reduction="none")  # fmt: skip
    if often is None:
        return each.view(S, -1).mean(1)
    return (each.view(S, B, T) * often).sum((1, 2)) / often.sum((1, 2))
