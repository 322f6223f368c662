"""Every notebook, run again with other parameters than its own, ends well and says what it cannot show.

The cells run in this process, and what would be trained is made up: chapters are tested, not training. `make
test-reruns` has more parameters, and lets papermill run the notebooks and train.
"""

import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import papermill
import pytest
import torch
import vl_convert

from lib import experiments
from lib.book import notebooks, render
from lib.model.loss_parts import PARTS
from lib.model.transformer import initialize
from lib.run import Run
from lib.store import Store, run_file
from lib.store.run_file import prompt_table
from lib.train import course, workers

README = {"seeds": 2, "iterations": 500, "widths": [10, 20], "device": "cpu"}
# What a chapter cannot draw of those, for want of runs or of sizes that the paper has.
NOT_DRAWN = {
    "geometry": {"geometry"}, "index": {"fan-first"}, "rate": {"slowed"}, "replication": {"bands"},
    "verdicts": {"forest", "trade-off"},
}  # fmt: skip
SETS = {
    "one size": {"seeds": 2, "iterations": 500, "widths": [14]},
    "sums": {"seeds": 2, "iterations": 500, "tasks": ["arithmetic"]},
    "capitals": {"seeds": 2, "iterations": 500, "tasks": ["facts"]},
    "one seed, one iteration": {"seeds": 1, "iterations": 1},
    "sizes that the paper does not have": {"seeds": 3, "iterations": 300, "widths": [6, 12, 40]},
    "numbers as text": {"seeds": "3", "iterations": " 300", "widths": "14,28"},
    "a list as text": {"seeds": 1, "iterations": 300, "widths": "[10, 20]"},
    "smoke": {"profile": "smoke"},
    "the paper's profile, short": {"profile": "paper", "iterations": 20},
    "quick": {"profile": "quick", "iterations": 100},
    "a width of 1": {"seeds": 2, "iterations": 100, "widths": [1]},
    "a width, not a list": {"seeds": 2, "iterations": 100, "widths": 28},
    "a width twice": {"seeds": 2, "iterations": 100, "widths": [14, 14]},
    "from large to small": {"seeds": 2, "iterations": 100, "widths": [56, 28, 14]},
    "the two that are compared": {"seeds": 2, "iterations": 100, "widths": [14, 56]},
    "all but the smallest": {"seeds": 2, "iterations": 100, "widths": [28, 56]},
    "MLT alone": {"seeds": 1, "iterations": 100, "widths": [384]},
    "n112 alone": {"seeds": 1, "iterations": 100, "widths": [112]},
    "both tasks together": {"seeds": 2, "iterations": 100, "tasks": "joint"},
    "no sums": {"seeds": 2, "iterations": 100, "tasks": ["facts", "joint"]},
    "tasks as text": {"seeds": 2, "iterations": 100, "tasks": "facts, arithmetic"},
    "tasks the other way round": {"seeds": 2, "iterations": 100, "tasks": ["joint", "facts", "arithmetic"]},
    "one seed": {"seeds": 1, "iterations": 1_000},
    "many seeds": {"seeds": 12, "iterations": 10, "widths": [14]},
    "odd iterations": {"seeds": 2, "iterations": 251, "widths": [14, 28]},
    "two iterations": {"seeds": 2, "iterations": 2, "widths": [14, 28]},
    "a seed and nothing else": {"seeds": 1},
    "widths and nothing else": {"widths": [10, 20]},
    "iterations and nothing else": {"iterations": 500},
    "empty values": {"seeds": 1, "iterations": 100, "widths": [], "tasks": "", "profile": None},
}


def made_up(run: Run, kept: list[int], store: Store) -> None:
    """Puts a run into the store that was never trained: at each evaluation every prompt is right with some chance."""
    drawn, prompts = np.random.RandomState(int(run.id[:8], 16)), prompt_table(run)
    curve = []
    for iteration in run.evaluations():
        chances = {group: drawn.rand() for group in ("seen", "held out", "fact")}
        chance = prompts["group"].astype(str).map(chances)
        parts = drawn.rand(len(PARTS))
        row = {"iteration": iteration, "loss": parts.sum(), "parts": parts}
        row |= {"greedy": drawn.rand(len(prompts)) < chance.to_numpy(float)}
        curve.append(row | {name: drawn.rand(len(prompts)).astype(np.float32) for name in run_file.PROBABILITIES})
    where = {"device": "cpu", "processor": "none", "engine": "plain", "torch": torch.__version__}
    store.prepare()
    store.add(run, curve, where | {"seconds": 1.0, "finished": "2026-11-28T12:00:00+00:00"})
    if kept:
        (flat,) = initialize(run.architecture, [run.seed])
        store.keep_weights(run, dict.fromkeys(kept, flat))


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Runs are made up, and pictures are not drawn, but compiled as they are for drawing."""

    def train(cores, runs, folder, *, deadline, tell, weights, stop):
        for run in runs:
            made_up(run, course.kept(run, weights.get(run.id, "")), Store(folder))

    def bundle(spec):
        vl_convert.vegalite_to_vega(spec, vl_version=render.VEGA_LITE)
        return {"text/html": ""}

    monkeypatch.setattr(workers, "_on_cpu", train)
    monkeypatch.setattr(render, "mimebundle", bundle)
    monkeypatch.setenv(render.DATA, str(tmp_path / "data"))


def rerun(name: str, again: dict | None = None, **parameters) -> list[tuple[str, bool]]:
    """What a notebook shows with these parameters: names of figures, Markdown, and whether it is for want of runs.

    With `again` its cells run a second time in the same kernel, with other values of some parameters.
    """
    shown: list[tuple[str, bool]] = []

    def emit(what, text, metadata=None):
        shown.append((what["text/plain"] if isinstance(what, dict) else text, bool(metadata)))

    names = {"__name__": "__main__", "In": [""]}
    with patch.object(render, "emit", emit):
        for given in (parameters, *([again] if again else [])):
            for cell in notebooks.read(name).cells:
                if cell.cell_type == "code":
                    exec(compile(cell.source, f"{name}, {cell.source[:60]!r}", "exec"), names)
                if "parameters" in cell.metadata.get("tags", []):
                    parameters |= given
                    names |= parameters
                    names["In"].append("# Parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in parameters.items()))
    return shown


def figures(name: str) -> set[str]:
    """The names of the figures that a notebook's source draws."""
    return set(re.findall(r'chapter\.figure\(\s*"(.*?)"', (notebooks.NOTEBOOKS / f"{name}.py").read_text()))


@pytest.mark.parametrize("name", notebooks.names())
def test_with_nothing_in_the_store_there_is_a_sentence_in_the_place_of_a_figure(name, quick, tmp_path):
    shown = rerun(name, store=str(tmp_path / "runs"))
    assert not Path(tmp_path / "runs").exists()  # nothing was trained that nobody asked for
    if name not in ("corpora", "speed"):  # which show no runs
        assert not figures(name) & {what for what, _ in shown}
        assert any(lacking for _, lacking in shown) or name in ("laboratory", "points")


@pytest.mark.parametrize("name", notebooks.names())
def test_the_parameters_of_the_readme_draw_what_they_can(name, quick, tmp_path):
    shown = {what for what, _ in rerun(name, store=str(tmp_path / "runs"), **README)}
    assert figures(name) & shown == figures(name) - NOT_DRAWN.get(name, set())


@pytest.mark.parametrize("name", notebooks.names())
def test_with_half_of_the_runs_and_then_with_other_seeds_in_the_same_kernel(name, quick, monkeypatch, tmp_path):
    whole = workers._on_cpu
    half = lambda cores, runs, *args, **how: whole(cores, [r for r in runs if int(r.id, 16) % 2], *args, **how)  # noqa: E731
    monkeypatch.setattr(workers, "_on_cpu", half)
    rerun(name, {"seeds": 1}, store=str(tmp_path / "runs"), seeds=3, iterations=300, widths=[14, 28])


@pytest.mark.reruns
@pytest.mark.parametrize("case", SETS)
@pytest.mark.parametrize("name", notebooks.names())
def test_a_rerun_ends_well(name, case, quick, tmp_path):
    rerun(name, store=str(tmp_path / "a folder, größer" / "runs"), **SETS[case])


def factors() -> list[tuple[str, str, object]]:
    """Every notebook with each value of each parameter that only its experiment has."""
    found = []
    for name in notebooks.names():
        (experiment,) = re.findall(r'chapter\.begin\(\s*"(.*?)"', (notebooks.NOTEBOOKS / f"{name}.py").read_text())
        own = experiments.factors(experiment).items()
        found += [(name, factor, value) for factor, values in own for value in values]
    return found


@pytest.mark.reruns
@pytest.mark.parametrize(("name", "factor", "value"), factors())
def test_each_value_of_a_factor_alone(name, factor, value, quick, tmp_path):
    rerun(name, store=str(tmp_path / "runs"), seeds=2, iterations=300, **{factor: [value]})


@pytest.mark.reruns
@pytest.mark.parametrize("name", notebooks.names())
def test_papermill_runs_it_and_trains(name, tmp_path):
    given = {"seeds": 1, "iterations": 20, "widths": [6], "store": str(tmp_path / "runs")}
    papermill.execute_notebook(notebooks.NOTEBOOKS / f"{name}.ipynb", tmp_path / "out.ipynb", given, cwd=tmp_path)
