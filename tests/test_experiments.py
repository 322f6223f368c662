"""Experiments and their sweeps; a toy one takes one new file, one notebook and one line of the table of contents."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lib import experiments, settings
from lib import sweep as sweeps
from lib.errors import UserError
from lib.experiments import capacity, replication
from lib.run import Run
from lib.stats import measures
from lib.store import run_file

ROOT = Path(__file__).parents[1]
TOY = """
'''A toy: depth.'''

from lib import sweep as sweeps
from lib.sweep import published

TASKS = ("arithmetic",)
FACTORS = {"layers": [1, 2]}
PROFILES = {"smoke": {"widths": [8], "seeds": 1}}


def sweep(tasks, widths, *, seeds, iterations, layers):
    cells = [(task, width, seed, n) for seed in range(seeds) for width in widths for n in layers for task in tasks]
    return sweeps.table(published(task, width, seed, layers=n, iterations=iterations) for task, width, seed, n in cells)
"""
CHAPTER = """
# %% [markdown]
# # A toy

# %% tags=["parameters", "remove-input"]
profile = "smoke"
tasks = None
widths = None
layers = None
seeds = None
iterations = None
device = "cpu"
store = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("toy", globals())

# %% tags=["remove-input"]
from lib import sweep

sizes = here.runs.groupby("layers")["parameters"].first()
chapter.tell(here.runs, lambda: f"{len(here.runs)} runs of {sizes.index.tolist()} layers: {sizes.tolist()} parameters.")
"""


@pytest.mark.slow
def test_a_toy_experiment_takes_one_file_one_notebook_and_one_line(tmp_path):
    for name in ("lib", "notebooks", "book"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    (tmp_path / "lib" / "experiments" / "toy.py").write_text(TOY.lstrip())
    (tmp_path / "notebooks" / "toy.py").write_text(CHAPTER.lstrip())
    toc = (ROOT / "_toc.yml").read_text() + "      - file: notebooks/toy\n"
    assert "notebooks/toy" in str(yaml.safe_load(toc)["parts"][-1])

    def call(*arguments: str) -> str:
        done = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    asked = ("--profile", "smoke", "--device", "cpu", "--store", "results")
    assert "2 of 2 runs are in the store; 2 trained just now" in call("lib", "run", "toy", *asked)
    whole, *cells = [line.split() for line in call("lib", "status", "toy", *asked).splitlines()]
    assert whole == ["toy", "2", "of", "2", "runs"]
    assert cells == [["arithmetic", "n8", str(n), "1", "of", "1"] for n in (1, 2)]
    call("lib.book", "toy")
    found = (tmp_path / "notebooks" / "toy.ipynb").read_text()
    shapes = [Run("arithmetic", 8, 0, layers=n).architecture.parameters() for n in (1, 2)]
    assert f"2 runs of [1, 2] layers: {shapes} parameters." in found


def test_an_experiments_own_parameters_are_checked(monkeypatch):
    monkeypatch.setattr(capacity, "FACTORS", {"layers": [1], "order": ["published", "none"]}, raising=False)
    found = settings.settle({"layers": "1,2", "order": "none"}, "capacity")
    assert found.factors == {"layers": [1, 2], "order": ["none"]}
    assert settings.settle({}, "capacity").factors == {"layers": [1], "order": ["published", "none"]}
    with pytest.raises(UserError, match="layers is 0, but it must be a whole number of at least 1"):
        settings.settle({"layers": [0]}, "capacity")
    with pytest.raises(UserError, match="order is 'random', but it must be one of published, none"):
        settings.settle({"order": "random"}, "capacity")
    with pytest.raises(UserError, match=r"layer is not a parameter .did you mean layers"):
        settings.settle({"layer": 1}, "capacity")


def test_every_experiment_says_what_it_needs():
    assert {"capacity", "joint", "replication", "causes"} < set(experiments.trained()) < set(experiments.names())
    for name in experiments.trained():
        for which in experiments.PROFILES:
            assert len(settings.settle({"profile": which, "device": "cpu"}, name).sweep()) > 0
    with pytest.raises(UserError, match="EXPERIMENT is 'capacty', but it must be one of capacity, causes, "):
        experiments.load("capacty")


def test_a_sweep_is_the_published_protocol():
    sweep = capacity.sweep(["joint", "arithmetic"], [384, 14, 14], seeds=3, iterations=30_000)
    runs = sweeps.rows(sweep)
    assert [run.id for run in runs] == sweep["run"].tolist() and sweep["run"].is_unique
    assert sweep["seed"].tolist() == sorted(sweep["seed"])  # seeds vary slowest
    assert sweep.groupby(["task", "width"]).size().to_dict() == {
        (task, width): 3 for task in ("arithmetic", "joint") for width in (14, 384)
    }
    small, large = runs[0], next(run for run in runs if run.width == 384)
    published = ("layers", "heads", "expansion", "dropout", "weight_decay", "learning_rate", "minimum_learning_rate")
    assert [getattr(small, name) for name in published] == [1, 1, 1, 0, 0, 1e-2, 1e-4]
    assert [getattr(large, name) for name in published] == [6, 6, 4, 0.2, 0.1, 1e-5, 1e-6]
    assert {run.held_out for run in runs} == {"5,7"} and {run.line_order for run in runs} == {None}


def test_a_sweep_survives_a_table():
    """Through a file and back, a sweep is of the same runs."""
    sweep = sweeps.table([Run("arithmetic", 14, 0, line_order=7), Run("facts", 14, 1)])
    assert [run.id for run in sweeps.rows(sweep.sample(frac=1, random_state=1).sort_index())] == list(sweep["run"])
    assert sweeps.rows(sweep)[0].line_order == 7 and sweeps.rows(sweep)[1].line_order is None


def test_the_replication():
    sweep = replication.sweep(["arithmetic", "facts", "joint"], [14, 384], seeds=None, iterations=30_000)
    assert sweep["run"].is_unique
    counts = sweep.groupby(["task", "variant", "width"]).size().to_dict()
    expected = {("arithmetic", "base"): 100, ("arithmetic", "wd"): 100, ("arithmetic", "one order"): 20}
    expected |= {(task, variant): 20 for task in ("facts", "joint") for variant in ("base", "wd")}
    assert counts == {(*cell, width): n for cell, n in expected.items() for width in (14, 384)}
    varied = sweep[sweep["variant"] != "one order"]
    assert (varied["line_order"] == varied["seed"]).all()
    assert sweep.loc[sweep["variant"] == "one order", "line_order"].isna().all()
    decayed = sweep[sweep["variant"] == "wd"]
    assert set(decayed["dropout"]) == {0.0} and set(decayed["weight_decay"]) == {0.1}
    # The least that a chapter may be written on comes first.
    first = sweep.head(len(replication.sweep(["arithmetic"], [14, 384], seeds=20, iterations=30_000)))
    assert set(first["task"]) == {"arithmetic"} and first["seed"].max() == 19


# Nothing is pooled silently


def test_a_factor_that_varies_and_is_not_named_stops_a_table():
    runs = [Run("arithmetic", 14, seed, layers=n) for seed in (0, 1) for n in (1, 2)]
    table = sweeps.table(runs).assign(held_out_correct=4.0, held_out_asked=4, variant="base")
    table["facts_accuracy"] = float("nan")
    with pytest.raises(ValueError, match=r"layers varies .1, 2. within one group of width: group by it, too"):
        list(sweeps.groups(table, ["width"]))
    assert [len(cell) for _, cell in sweeps.groups(table, ["width", "layers"])] == [2, 2]
    with pytest.raises(ValueError, match="layers varies"):
        measures.effects(table, pd.DataFrame())
    own = sweeps.table([Run("arithmetic", 14, seed, line_order=seed) for seed in range(3)])
    assert len(list(sweeps.groups(own, ["width"]))) == 1  # an order a seed is part of the seed
    with pytest.raises(ValueError, match="line_order varies"):
        list(sweeps.groups(sweeps.table([Run("arithmetic", 14, 0, line_order=n) for n in (0, 1)]), ["width"]))


def test_labels_of_a_sweep_are_carried_along():
    table = sweeps.table([Run("arithmetic", 14, 0), Run("arithmetic", 14, 1)], variant=["a", "b"], weights=["", "log"])
    assert sweeps.labels(table) == ["variant"] and sweeps.rows(table)[1].seed == 1


@pytest.mark.parametrize(("held_out", "asked"), [("5,7", 4), ("3,3", 2), ("0,1 2,3", 8), ("4,4 5,6", 6)])
def test_success_counts_what_was_asked(held_out, asked):
    run = Run("arithmetic", 6, 0, held_out=held_out)
    assert run_file.asked(vars(run)) == asked
    table = pd.DataFrame({"held_out_correct": [asked, asked - 1, 4.0], "held_out_asked": asked, "task": "arithmetic"})
    table["facts_accuracy"] = float("nan")
    assert measures.succeeded(table).tolist() == [True, False, asked <= 4]
