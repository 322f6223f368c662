"""The model against transformers' GPT-2, the hash against SplitMix64's outputs, dropout against its definition."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from transformers import GPT2Config, GPT2LMHeadModel

from lib.data import make
from lib.errors import UserError
from lib.model import transformer
from lib.model.transformer import Architecture, forward, initialize, losses, unpack

MASK = 2**64 - 1
MLT = {"layers": 6, "heads": 6, "expansion": 4}


def architecture(task: str, width: int, **sizes) -> Architecture:
    corpus = make(task)
    return Architecture(len(corpus.vocabulary), corpus.context, width, **sizes)


def random_parameters(a: Architecture, models: int, seed: int = 0) -> torch.Tensor:
    """Parameters (S, P) large enough that attention and GELU leave their linear range, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(models, a.parameters(), generator=generator, dtype=torch.float64) * 0.5


# Parameters


@pytest.mark.parametrize(
    ("task", "width", "total", "published"),
    [  # totals with positions, and the published counts, which leave them out and are rounded
        ("arithmetic", 14, 1_582, "1.46k"),
        ("arithmetic", 28, 5_516, "5.26k"),
        ("arithmetic", 56, 20_440, "19.94k"),
        ("arithmetic", 384, 10_631_808, "10.63M"),
        ("facts", 14, 2_268, "1.93k"),
        ("facts", 28, 6_888, "6.22k"),
        ("facts", 56, 23_184, "21.84k"),
        ("facts", 384, 10_650_624, "10.64M"),
        ("joint", 14, 2_478, "2.14k"),
        ("joint", 28, 7_308, "6.64k"),
        ("joint", 56, 24_024, "22.68k"),
        ("joint", 384, 10_656_384, "10.65M"),
    ],
)
def test_counts_of_parameters(task, width, total, published):
    a = architecture(task, width, **(MLT if width == 384 else {}))
    assert a.parameters() == total
    scale, unit = (1e3, "k") if published.endswith("k") else (1e6, "M")
    assert f"{a.parameters(positions=False) / scale:.2f}{unit}" == published


@pytest.mark.parametrize("name", ["vocabulary", "context", "width", "layers", "heads", "expansion"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "4"])
def test_sizes_must_be_counts(name, value):
    with pytest.raises(UserError, match=rf"{name} is {value!r}.* at least 1"):
        Architecture(**{"vocabulary": 5, "context": 4, "width": 4, name: value})


def test_heads_must_divide_the_width():
    with pytest.raises(UserError, match=r"width is 10.*multiple of heads, which is 4"):
        Architecture(5, 4, 10, heads=4)


def test_initialization():
    a = architecture("joint", 384, layers=2, heads=6, expansion=4)
    (one,) = initialize(a, [1])
    for name, part in unpack(a, one[None]).items():
        if "norm" in name:
            assert (part == 1).all()
            continue
        std = 0.02 / 2 if name.endswith(("projection", "down")) else 0.02  # 2 = sqrt(2 layers)
        # The mean and standard deviation of n normal draws scatter by std / sqrt(n) and std / sqrt(2 n): five of those.
        n = part.numel()
        assert abs(part.mean()) < 5 * std / n**0.5
        assert abs(part.std() - std) < 5 * std / (2 * n) ** 0.5


def test_initialization_depends_on_the_seed_alone():
    a = architecture("arithmetic", 14)
    stack = initialize(a, [3, 1, 2])
    assert torch.equal(stack[1:2], initialize(a, [1]))
    assert not torch.equal(stack[0], stack[1])


# GPT-2


def gpt2(a: Architecture, flat: torch.Tensor) -> GPT2LMHeadModel:
    """transformers' GPT-2 with the weights of one model, flat (P,) float64, and no biases."""
    config = GPT2Config(
        vocab_size=a.vocabulary, n_positions=a.context, n_embd=a.width, n_layer=a.layers, n_head=a.heads,
        n_inner=a.width * a.expansion, activation_function="gelu", resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    theirs = GPT2LMHeadModel(config).double()
    ours = {name: x[0] for name, x in unpack(a, flat[None]).items()}
    names = gpt2_names(a)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                source = ours[names[name]]
                parameter.copy_(source.T if source.dim() == 2 and ".h." in name else source)  # Conv1D is (in, out)
    return theirs


def gpt2_names(a: Architecture) -> dict[str, str]:
    names = {
        "transformer.wte.weight": "tokens",
        "transformer.wpe.weight": "positions",
        "transformer.ln_f.weight": "norm3",
    }
    parts = {"ln_1": "norm1", "attn.c_attn": "attention", "attn.c_proj": "projection", "ln_2": "norm2"}
    parts |= {"mlp.c_fc": "up", "mlp.c_proj": "down"}
    return names | {f"transformer.h.{i}.{k}.weight": f"{i}.{v}" for i in range(a.layers) for k, v in parts.items()}


@pytest.mark.parametrize(
    "a",
    [architecture(task, width) for task in ("arithmetic", "facts", "joint") for width in (14, 28, 56)]
    + [architecture("joint", 12, layers=2, heads=2, expansion=4)],
    ids=str,
)
def test_same_as_gpt2(a):
    flat = random_parameters(a, 1).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    windows = torch.randint(a.vocabulary, (3, a.context + 1), generator=generator)
    inputs, targets = windows[:, :-1], windows[:, 1:]

    theirs = gpt2(a, flat.detach()[0])
    assert theirs.lm_head.weight is theirs.transformer.wte.weight
    their_logits = theirs(inputs).logits
    their_loss = F.cross_entropy(their_logits.reshape(-1, a.vocabulary), targets.reshape(-1))
    their_loss.backward()

    logits = forward(a, flat, inputs)
    loss = losses(logits, targets[None])
    (gradient,) = torch.autograd.grad(loss.sum(), flat)

    def close(ours, reference):  # relative to the largest: float64 keeps 16 digits, and sums of thousands lose a few
        assert (ours - reference).abs().max() <= 1e-10 * reference.abs().max()

    close(logits[0], their_logits)
    close(loss[0], their_loss)
    ours = {name: x[0] for name, x in unpack(a, gradient).items()}
    named = dict(theirs.named_parameters())
    assert len(ours) == len(gpt2_names(a))
    for their_name, name in gpt2_names(a).items():
        reference = named[their_name].grad
        close(ours[name], reference.T if reference.dim() == 2 and ".h." in their_name else reference)


def test_shorter_texts_use_the_first_positions():
    a = architecture("arithmetic", 14)
    flat, tokens = random_parameters(a, 1), torch.arange(a.context)[None]
    whole, part = forward(a, flat, tokens), forward(a, flat, tokens[:, :4])
    torch.testing.assert_close(whole[:, :, :4], part, rtol=1e-12, atol=1e-12)  # float64; products differ in shape


@pytest.mark.parametrize("sizes", [{}, {"layers": 2, "heads": 2, "expansion": 4}])
def test_a_stack_equals_its_models_alone(sizes):
    a = architecture("arithmetic", 14, **sizes)
    flat = random_parameters(a, 3)
    tokens = torch.randint(a.vocabulary, (3, 5, a.context), generator=torch.Generator().manual_seed(2))
    stacked = forward(a, flat, tokens)
    for i in range(3):
        alone = forward(a, flat[i : i + 1], tokens[i])  # (B, T): the same tokens for every model
        torch.testing.assert_close(stacked[i : i + 1], alone, rtol=1e-12, atol=1e-12)  # float64; the order of sums


def test_both_forms_of_attention_agree_with_torch():
    shape = (2, 3, 2, 9, 7)  # (S, B, heads, T, head size)
    q, k, v = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reference = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    for gpu in (False, True):
        result = transformer.attend(q, k, v, drop=lambda x: x, gpu=gpu)
        torch.testing.assert_close(result, reference, rtol=1e-12, atol=1e-12)  # float64; the order of sums


def test_losses_are_mean_cross_entropies_per_model():
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(5, (2, 3, 4), generator=torch.Generator().manual_seed(1))
    probabilities = (logits.exp() / logits.exp().sum(-1, keepdim=True)).numpy()
    for s in range(2):
        each = [-np.log(probabilities[s, b, t, targets[s, b, t]]) for b in range(3) for t in range(4)]
        assert losses(logits, targets)[s].item() == pytest.approx(np.mean(each), rel=1e-12)  # float64


# The hash


def splitmix64(state: int) -> int:
    """SplitMix64's finalizer in unbounded integers."""
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def signed(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x


def test_mix_gives_the_published_outputs_of_splitmix64():
    # The first outputs for seed 1234567, as listed with the generator at rosettacode.org and in Vigna's implementation.
    state, outputs = 1234567, []
    for _ in range(5):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        outputs.append(transformer.mix(torch.tensor([signed(state)])).item() & MASK)
    assert outputs == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


def test_mix_equals_arithmetic_on_64_bits():
    numbers = [0, 1, -1, 2**63 - 1, -(2**63), *np.random.RandomState(0).randint(-(2**63), 2**63 - 1, 1000).tolist()]
    assert [x & MASK for x in transformer.mix(torch.tensor(numbers)).tolist()] == [
        splitmix64(x & MASK) for x in numbers
    ]


def test_uniform_is_the_top_of_splitmix64_streams():
    keys = [0, 5, -(2**60)]
    found = transformer.uniform(torch.tensor(keys), 50, 1755)
    for key, row in zip(keys, found.tolist(), strict=True):
        bits = [splitmix64((key + place * 0x9E3779B97F4A7C15) & MASK) >> 33 for place in range(50)]
        assert row == [b * 1755 >> 31 for b in bits]


@pytest.mark.parametrize("bound", [1, 7, 1755, 1 << 24])
def test_uniform_is_uniform(bound):
    draws = transformer.uniform(torch.arange(100), 2000, bound)
    assert draws.shape == (100, 2000) and draws.min() >= 0 and draws.max() < bound
    bins = min(bound, 1000)
    if bins > 1:
        counts = np.bincount((draws.flatten() * bins // bound).numpy(), minlength=bins)
        expected = np.bincount(np.arange(bound) * bins // bound, minlength=bins) / bound * draws.numel()
        assert stats.chisquare(counts, expected).pvalue > 1e-4  # the draws are fixed: this passes or fails for good


# Dropout


def test_dropout_keeps_the_expectation():
    x = torch.ones(1, 400_000)
    dropped = transformer._dropout(x, 0.2, torch.tensor([9]), 1)
    # Shares of n draws scatter by sqrt(0.2 * 0.8 / n) = 0.0006: five of those.
    assert abs((dropped == 0).double().mean() - 0.2) < 0.0032
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert transformer._dropout(x, 0.2, None, 1) is x and transformer._dropout(x, 0.0, torch.tensor([9]), 1) is x


def test_dropout_differs_between_sites_keys_and_places():
    x = torch.ones(2, 10_000)
    one, other = (
        transformer._dropout(x, 0.5, torch.tensor([1, 2]), 0),
        transformer._dropout(x, 0.5, torch.tensor([1, 2]), 1),
    )
    for a, b in ((one[0], one[1]), (one[0], other[0]), (one[0, 1:], one[0, :-1])):
        # Independent masks agree at half the places, give or take 5 * sqrt(1 / 4 / 10,000).
        assert abs((a == b).double().mean() - 0.5) < 0.025


def test_dropout_does_not_depend_on_the_neighbours():
    a = architecture("arithmetic", 14, layers=2, heads=2)
    flat, tokens = random_parameters(a, 2), torch.arange(a.context).expand(2, 4, -1)
    keys = torch.tensor([11, 12])
    both = forward(a, flat, tokens, dropout=0.3, key=keys)
    alone = forward(a, flat[1:], tokens[1:], dropout=0.3, key=keys[1:])
    torch.testing.assert_close(both[1:], alone, rtol=1e-12, atol=1e-12)  # float64: another mask would change all
    without = forward(a, flat, tokens)
    assert (both - without).abs().mean() > 1e-3 * without.abs().mean()


def test_dropout_reaches_every_published_site(monkeypatch):
    """nanoGPT drops the embedding, each attention's shares, each attention's output and each MLP's output."""
    a, seen = architecture("arithmetic", 14, layers=2), []
    monkeypatch.setattr(
        transformer, "_dropout", lambda x, rate, key, site: seen.append((tuple(x.shape[1:]), site)) or x
    )
    forward(
        a, random_parameters(a, 1), torch.zeros(5, a.context, dtype=torch.int64), dropout=0.2, key=torch.tensor([0])
    )
    T, d = a.context, a.width
    block = [(5, 1, T, T), (5, T, d), (5, T, d)]
    assert [shape for shape, _ in seen] == [(5, T, d), *block, *block]
    assert len({site for _, site in seen}) == len(seen)
