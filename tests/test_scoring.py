"""Scores against brute-force generation by the published procedure, on models that are partly right."""

import re

import numpy as np
import pytest
import torch
from scipy import stats

from lib.book.models import STORE
from lib.data import Prompt
from lib.model import scores
from lib.model.scores import Scorer
from lib.model.transformer import forward
from lib.run import Run
from lib.store import Store
from lib.train.stack import Stack

SAMPLES = 200


@pytest.fixture(scope="module", params=["arithmetic", "facts", "joint"])
def trained(request):
    """The showcase's models of update 2,013, which are right about some prompts."""
    run = Run(request.param, 14 if request.param == "arithmetic" else 28, 0)
    stack = Stack([run])
    stack.flat[0] = Store(STORE).weights(run)[2_013]
    return stack


@torch.no_grad()
def generate(stack: Stack, prompts: list[str], length: int, choose) -> list[str]:
    """Continuations of prompts of one length: token by token, the text cropped to the context (nanoGPT's `generate`).

    `choose` makes the next tokens from the logits (texts, vocabulary). Equal texts share one pass of the model, and
    what follows the first line, which no parser reads, is left out.
    """
    task = stack.runs[0].corpus
    texts = torch.from_numpy(np.stack([task.encode(prompt) for prompt in prompts])).long()
    start, newline = texts.shape[1], task.vocabulary.index("\n")
    for _ in range(length):
        going = ~(texts[:, start:] == newline).any(1)
        following = torch.full((len(texts),), newline)
        if going.any():
            distinct, which = texts[going][:, -task.context :].unique(dim=0, return_inverse=True)
            parts = [forward(stack.architecture, stack.flat, part)[0, :, -1] for part in distinct.split(512)]
            following[going] = choose(torch.cat(parts)[which].double())
        texts = torch.cat([texts, following[:, None]], dim=1)
    return ["".join(task.vocabulary[i] for i in row[start:]) for row in texts.tolist()]


def shares(stack: Stack, choose, right, samples: int = SAMPLES) -> np.ndarray:
    """How many of the continuations of each prompt are right: 4 tokens for a sum and 20 for a capital, as published."""
    prompts = stack.runs[0].corpus.prompts
    found = np.zeros(len(prompts))
    for size in {len(p.text) for p in prompts}:
        some = [i for i, p in enumerate(prompts) if len(p.text) == size for _ in range(samples)]
        length = 20 if prompts[some[0]].group == "fact" else 4
        for i, text in zip(some, generate(stack, [prompts[i].text for i in some], length, choose), strict=True):
            found[i] += right(prompts[i], text)
    return found


def sampling(temperature: float, top_k: int | None):
    generator = torch.Generator().manual_seed(0)

    def choose(logits: torch.Tensor) -> torch.Tensor:
        logits = logits / temperature
        if top_k:
            least = torch.topk(logits, top_k).values[:, [-1]]
            logits[logits < least] = -torch.inf
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]

    return choose


def published(p: Prompt, continuation: str) -> bool:
    """The published parsers: the integer after "=", or the first line, stripped and case-folded."""
    if p.group == "fact":
        return continuation.splitlines()[0].strip().casefold() == p.answer.casefold() if continuation else False
    found = re.search(r"<\s*\d+\s*([+\-])\s*\d+\s*=\s*(-?\d+)", p.text + continuation)
    return found is not None and int(found[2]) == int(p.answer)


def canonical(p: Prompt, continuation: str) -> bool:
    """What Scorer counts: the answer, or -0 for 0, then no digit; the capital, then at most a space, then a newline."""
    if p.group == "fact":
        return re.match(rf"{p.answer} ?\n", continuation) is not None
    return re.match(rf"{'-?0' if p.answer == '0' else re.escape(p.answer)}\D", continuation) is not None


def agree(right: np.ndarray, probability: np.ndarray) -> None:
    """Counts of `SAMPLES` agree with the probabilities within binomial error, for each prompt and over all."""
    pvalues = [stats.binomtest(int(k), SAMPLES, float(p)).pvalue for k, p in zip(right, probability, strict=True)]
    assert min(pvalues) > 1e-3 / len(right)  # the samples are fixed: this passes or fails for good
    error = np.sqrt(SAMPLES * (probability * (1 - probability)).sum())
    assert (
        abs(right.sum() - SAMPLES * probability.sum()) <= 4 * error + 1e-3
    )  # the last for probabilities of nearly 0 or 1


def test_models_are_partly_right(trained):
    """Else the comparisons below would compare nothing."""
    likelihood, greedy = (trained.measure()[0][name] for name in ("likelihood", "greedy"))
    assert 0.05 < greedy.mean() < 0.95
    assert ((likelihood > 0.05) & (likelihood < 0.95)).mean() > 0.2


def test_greedy(trained):
    found = shares(trained, lambda logits: logits.argmax(-1), published, samples=1)
    assert found.tolist() == trained.measure()[0]["greedy"].tolist()


def test_sampled(trained):
    agree(shares(trained, sampling(0.01, 10), published), trained.measure()[0]["sampled"])


@pytest.mark.parametrize(("name", "temperature", "top_k"), [("likelihood", 1.0, None), ("sampled", 0.7, 3)])
def test_spread_out_distributions(trained, monkeypatch, name, temperature, top_k):
    """At temperature 1, and with a temperature and a top-k at which both can be seen to act."""
    if top_k:
        monkeypatch.setattr(scores, "TEMPERATURE", temperature)
        monkeypatch.setattr(scores, "TOP_K", top_k)
    agree(shares(trained, sampling(temperature, top_k), canonical), trained.measure()[0][name])


def test_scores_of_a_stack(trained):
    """Scores belong to the models in their order."""
    flat = torch.cat([trained.flat, torch.zeros_like(trained.flat)])
    both = Scorer(trained.runs[0].corpus)(trained.architecture, flat)
    alone = trained.measure()[0]
    for name, value in both.items():
        assert value.shape == (2, len(trained.runs[0].corpus.prompts))
        np.testing.assert_allclose(value[0], alone[name], atol=1e-3)  # float32 logits at temperature 0.01
    # A model of zeros gives every character the same logit: it is right by chance alone.
    vocabulary = len(trained.runs[0].corpus.vocabulary)
    for p, found in zip(trained.runs[0].corpus.prompts, both["likelihood"][1], strict=True):
        ways = [np.prod([len(step) / vocabulary for step in steps]) for steps in p.accepted]
        assert found == pytest.approx(sum(ways), rel=1e-9)  # float64
