"""Scoring: the exact probability that a model's answer is accepted, without drawing a sample.

Notable features:
- every accepted continuation (data.Prompt) is read in one teacher-forced pass; the probability of the answer is the
  sum over its continuations of the product over their characters;
- it is computed under three rules: greedy decoding (right or wrong), the published sampling (temperature 0.01, the 10
  likeliest characters; arXiv:2506.09099), and the model's own distribution (temperature 1);
- a text longer than the context is cropped on the left, and its positions slide, just as when it is generated.

Leading zeros, doubled spaces and other capitals, which the published parser lets pass as well, are not counted; a
trained model gives them no weight, as the comparison with sampling in tests/test_scoring.py shows.
"""

import numpy as np
import torch
from torch import Tensor

from lib.data import Task
from lib.model.transformer import Architecture, forward

TEMPERATURE = 0.01
TOP_K = 10


class Scorer:
    """The prompts of a task, laid out for one pass over all of them.

    `windows` (N, context) int64 are the distinct texts to read. Step j of a continuation looks at window `row[j]`,
    place `place[j]`, where the characters `allowed[j]` (vocabulary,) are accepted; it belongs to continuation
    `path[j]`, which belongs to prompt `prompt[path[j]]`.
    """

    def __init__(self, task: Task, device: str = "cpu"):
        rows: dict[tuple[int, ...], int] = {}
        row, place, path, allowed = [], [], [], []
        prompt: list[int] = []
        T = task.context
        for number, question in enumerate(task.prompts):
            for steps in question.accepted:
                text = question.text + "".join(s[0] for s in steps[:-1])
                tokens = task.encode(text).tolist()
                for i, characters in enumerate(steps):
                    length = len(question.text) + i  # of the text before this character
                    window = tokens[:T] if length <= T else tokens[length - T : length]
                    row.append(rows.setdefault(tuple(window + [0] * (T - len(window))), len(rows)))
                    place.append(min(length, T) - 1)
                    path.append(len(prompt))
                    allowed.append([c in characters for c in task.vocabulary])
                prompt.append(number)
        self.prompts = len(task.prompts)
        self.windows = torch.tensor(list(rows), device=device)
        self.row, self.place, self.path, self.prompt = (
            torch.tensor(x, device=device) for x in (row, place, path, prompt)
        )
        self.allowed = torch.tensor(allowed, device=device)

    def _prompts(self, steps: Tensor) -> Tensor:
        """Probabilities (S, prompts) from log probabilities of the steps (S, steps)."""
        S = len(steps)
        paths = torch.zeros(S, len(self.prompt), dtype=steps.dtype, device=steps.device).index_add_(1, self.path, steps)
        total = torch.zeros(S, self.prompts, dtype=steps.dtype, device=steps.device)
        return total.index_add_(1, self.prompt, paths.exp()).clamp(max=1)

    @torch.no_grad()
    def __call__(self, architecture: Architecture, flat: Tensor) -> dict[str, np.ndarray]:
        """Scores of the models `flat` (S, P), each array (S, prompts).

        `greedy` is whether the answer is right under greedy decoding, `sampled` its probability under the published
        sampling, `likelihood` its probability at temperature 1.
        """
        logits = forward(architecture, flat, self.windows)[:, self.row, self.place].double()  # (S, steps, vocabulary)
        best = logits.argmax(-1, keepdim=True)
        right = self.allowed.expand(len(flat), -1, -1).gather(-1, best).squeeze(-1)
        least = logits.topk(min(TOP_K, logits.shape[-1])).values[..., -1:]
        kept = logits.masked_fill(logits < least, -torch.inf) / TEMPERATURE
        closed = ~self.allowed

        def log_probability(z: Tensor) -> Tensor:
            return z.log_softmax(-1).masked_fill(closed, -torch.inf).logsumexp(-1)

        scores = {
            "greedy": self._prompts(right.double().log()) > 0.5,
            "sampled": self._prompts(log_probability(kept)),
            "likelihood": self._prompts(log_probability(logits)),
        }
        return {name: value.cpu().numpy() for name, value in scores.items()}
