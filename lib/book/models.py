"""Models: the trained models that a reader can try, as scripts for the browser.

Notable features:
- scripts, not data files: a page opened from a disk may not fetch;
- `showcase.js` says which models there are, what they read and what they are asked, and how many of it they answer;
- each model's weights, float32 at every iteration that was kept, are a script of their own, loaded when it is chosen.

`python -m lib.book.models` writes them to `book/_static/models`.
"""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from lib import data
from lib import sweep as sweeps
from lib.experiments import showcase
from lib.model.scores import Scorer
from lib.run import Run
from lib.settings import ROOT, settle
from lib.store import Store

FOLDER = ROOT / "book" / "_static" / "models"
STORE = ROOT / showcase.FOLDER


def runs() -> list[Run]:
    """The runs of the showcase."""
    return sweeps.rows(settle({"device": "cpu"}, "showcase").sweep())


def name(run: Run) -> str:
    """What a model is called in the browser."""
    return f"{run.task}-n{run.width}-{run.seed}"


def described(run: Run, weights: dict[int, Tensor]) -> dict:
    """A model without its weights, as the browser has it.

    Returns
    -------
    The sizes of its architecture, its task and seed, the iterations kept, and `right`: by group of prompts, how many it
    answers under greedy decoding at each of these.
    """
    greedy = Scorer(run.corpus)(run.architecture, torch.stack(list(weights.values())))["greedy"]
    groups = [prompt.group for prompt in run.corpus.prompts]
    right = {g: greedy[:, [i for i, other in enumerate(groups) if other == g]].sum(1).tolist() for g in set(groups)}
    about = {"task": run.task, "seed": run.seed, "iterations": list(weights)}
    return {**asdict(run.architecture), **about, "right": dict(sorted(right.items()))}


def asked(task: data.Task) -> dict:
    """A task as the browser has it: its vocabulary, and each prompt with its answer and group."""
    return {"vocabulary": task.vocabulary, "prompts": [[p.text, p.answer, p.group] for p in task.prompts]}


def scripts() -> Iterator[tuple[str, str]]:
    """The scripts, each a name and its text."""
    store, models, corpora = Store(STORE), {}, {}
    for run in runs():
        weights = store.weights(run)
        models[name(run)] = described(run, weights)
        corpora[run.task] = asked(run.corpus)
        numbers = torch.stack(list(weights.values())).numpy().astype("<f4").tobytes()
        text = base64.b64encode(numbers).decode()
        yield f"{name(run)}.js", f'showcase.models["{name(run)}"].weights = "{text}";\n'
    index = json.dumps({"tasks": corpora, "models": models}, separators=(",", ":"))
    yield "showcase.js", f"window.showcase = {index};\n"


def write_scripts(folder: Path = FOLDER) -> None:
    """Write all scripts, in the place of those that were there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file, text in scripts():
        (folder / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_scripts()
