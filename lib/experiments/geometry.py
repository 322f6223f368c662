"""What the weights say: whether the digits' embeddings lie as on a number line, and what follows from it.

It reads the weights that the experiment `rate` keeps of its runs with true answers.
"""

import functools
import itertools

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.model.scores import Scorer
from lib.model.transformer import unpack
from lib.run import Run
from lib.stats import estimates, intervals
from lib.store import Store

TASKS = ()
NEAR = 0.1  # of the root mean square: what counts as zero
NEIGHBOURS = {5: (4, 6), 7: (6, 8)}  # what the embeddings of the held-out digits are replaced by the mean of
FEWEST = 5  # runs of each kind, for an area under the curve


@functools.cache
def _quadruples() -> tuple[np.ndarray, np.ndarray]:
    """All (a, b, c, d) of four different digits, a < b, c < d, a < c: those with a + b = c + d, and the others."""
    pairs = list(itertools.combinations(range(10), 2))
    both = [(*p, *q) for p, q in itertools.combinations(pairs, 2) if not set(p) & set(q)]
    every = np.array(both)
    same = every[:, 0] + every[:, 1] == every[:, 2] + every[:, 3]
    return every[same], every[~same]


def index(digits: np.ndarray) -> float:
    """The parallelogram index of the embeddings (10, width) of the digits (Liu et al. 2022, arXiv:2205.10343).

    The share of the quadruples with a + b = c + d for which E(a) + E(b) - E(c) - E(d) is shorter than a tenth of the
    root mean square of that expression over the quadruples without that property.
    """
    apart = lambda q: np.linalg.norm(digits[q[:, 0]] + digits[q[:, 1]] - digits[q[:, 2]] - digits[q[:, 3]], axis=1)  # noqa: E731
    same, other = _quadruples()
    return float((apart(same) < NEAR * np.sqrt((apart(other) ** 2).mean())).mean())


def line(digits: np.ndarray) -> float:
    """The share of the variance of the digits' embeddings that lies along their first principal component."""
    values = np.linalg.svd(digits - digits.mean(0), compute_uv=False) ** 2
    return float(values[0] / values.sum())


def replaced(run: Run, flat: Tensor) -> Tensor:
    """The parameters (P,) with the embeddings of 5 and 7 replaced by the mean of those of their neighbours."""
    changed = flat.clone()[None]
    tokens, place = unpack(run.architecture, changed)["tokens"][0], run.corpus.vocabulary.index
    for digit, near in NEIGHBOURS.items():
        tokens[place(str(digit))] = torch.stack([tokens[place(str(n))] for n in near]).mean(0)
    return changed[0]


def measured(store: Store, runs: pd.DataFrame) -> pd.DataFrame:
    """A row a run and kept iteration: run, width, seed, iteration, index, line; right, the held-out expressions right
    (of 4), and right_replaced, the same with `replaced` embeddings."""
    rows = []
    for one in store.runs(runs["run"])["run"]:
        if not store.weights_path(one).exists():
            continue
        run = store.config(one)
        scorer = Scorer(run.corpus)
        hidden = [i for i, p in enumerate(run.corpus.prompts) if p.group == "held out"]
        for at, flat in store.weights(run).items():
            both = torch.stack([flat, replaced(run, flat)])
            right, changed = scorer(run.architecture, both)["greedy"][:, hidden].sum(1)
            tokens = unpack(run.architecture, flat[None])["tokens"][0].numpy()
            digits = tokens[[run.corpus.vocabulary.index(str(d)) for d in range(10)]]
            row = {"run": one, "width": run.width, "seed": run.seed, "iteration": at, "index": index(digits)}
            rows.append(row | {"line": line(digits), "right": int(right), "right_replaced": int(changed)})
    columns = ["run", "width", "seed", "iteration", "index", "line", "right", "right_replaced"]
    return pd.DataFrame(rows, columns=columns)


def auc(scores, success) -> float:
    """The area under the curve: how often a success has a higher score than a failure, ties half (Mann and Whitney)."""
    scores, success = np.asarray(scores, float), np.asarray(success, bool)
    higher = scores[success][:, None] - scores[~success][None]
    return float(((higher > 0) + 0.5 * (higher == 0)).mean()) if higher.size else np.nan


def predicts(table: pd.DataFrame) -> estimates.Estimate:
    """The area under the curve of the index for success (all right), with an interval from resampled runs."""
    table = table.assign(success=table["right"] == 4)
    kinds = table.groupby("run")["success"].agg(["any", "all"])
    if kinds["any"].sum() < FEWEST or (~kinds["all"]).sum() < FEWEST:
        return estimates.Estimate(np.nan, np.nan, np.nan, 0)
    rng = np.random.RandomState(0)
    parts = [part[["index", "success"]].to_numpy(float) for _, part in table.groupby("run")]
    samples = [auc(table["index"], table["success"])]
    for _ in range(estimates.RESAMPLES):
        some = np.concatenate([parts[i] for i in rng.randint(len(parts), size=len(parts))])
        samples.append(auc(*some.T))
    found = estimates.interval(np.array(samples), 2)  # within n14, or within n28 over time
    return estimates.Estimate(found.mean, found.low, found.high, len(parts))


def gained(table: pd.DataFrame, width: int) -> estimates.Estimate:
    """How many more held-out expressions of a size are right at the end with replaced embeddings, over runs."""
    last = table[(table["width"] == width) & (table["iteration"] == table["iteration"].max())]
    more = (last["right_replaced"] - last["right"]).to_numpy(float)
    if len(more) < 2:
        return estimates.Estimate(np.nan, np.nan, np.nan, 0)
    low, high = intervals.bootstrap(more)
    return estimates.Estimate(float(more.mean()), low, high, len(more))


def verdict(table: pd.DataFrame) -> str:
    """The registered word: whether the geometry of the digits mediates success.

    Where there are too few runs of each kind, the index cannot be shown to predict anything.
    """
    last = table["iteration"] == table["iteration"].max()
    small, medium = predicts(table[last & (table["width"] == 14)]), predicts(table[table["width"] == 28])
    more = gained(table, 28)
    if more.units == 0:
        return "missing"
    predicted = any(found.units and found.low > 0.7 for found in (small, medium))
    return "geometry mediates" if predicted and more.low >= 2 else "not shown"
