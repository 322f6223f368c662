"""The store: what goes in comes out, what is damaged is named, and what fails leaves everything as it was."""

import contextlib
import errno
import json
import os
import re
import resource
import subprocess
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from lib.errors import UserError
from lib.run import Run
from lib.store import Store, files, run_file
from lib.store.run_file import OUTCOMES
from lib.store.store import MARKER

ROOT = Path(__file__).parents[1]
ARITHMETIC = Run("arithmetic", 14, 0, iterations=40)
RUNS = [
    ARITHMETIC,
    Run("facts", 28, 1, iterations=40, weight_decay=0.1),
    Run("joint", 14, 2, iterations=40, line_order=3),
]
TRAINED = {"device": "cpu", "seconds": 1.5}


def curve(run: Run, rows: int = 21) -> list[dict]:
    """A learning curve of made-up scores, as `Stack.measure` gives it."""
    random, prompts = np.random.RandomState(run.seed), len(run.corpus.prompts)
    return [
        {
            "iteration": 2 * i,
            "loss": float(random.rand()),
            "greedy": random.rand(prompts) < 0.5,
            "sampled": random.rand(prompts),
            "likelihood": random.rand(prompts),
        }
        for i in range(rows)
    ]


@pytest.fixture
def store(tmp_path):
    """A store that holds RUNS."""
    made = Store(tmp_path / "runs")
    for run in RUNS:
        made.add(run, curve(run), TRAINED)
    return Store(tmp_path / "runs")


def contents(folder) -> dict[str, bytes]:
    """Every file under a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def chosen(run: Run, group: str) -> list[int]:
    return [i for i, p in enumerate(run.corpus.prompts) if p.group == group]


# Ids


def test_the_id_depends_on_every_factor():
    other = {
        "task": "joint", "width": 28, "seed": 1, "iterations": 41, "layers": 2, "heads": 2, "expansion": 4,
        "dropout": 0.1, "weight_decay": 0.1, "learning_rate": 1e-3, "minimum_learning_rate": 1e-5,
        "held_out": "5,7 0,0", "line_order": 0, "precision": "bfloat16", "windows": "lines", "answer_order": 0,
        "facts": "random", "context": 24, "batch": 196, "mlp_rate": 0.1, "targets": "answers", "copies": 2,
        "turns": "sums first", "stop_after": 39, "base": 16, "operands": 20,
    }  # fmt: skip
    both = Run("joint", 14, 0, windows="lines")  # which turns are for
    recorded = {"evaluate_every": 100, "scores": "greedy"}  # what is kept of a run, and not how it comes out
    assert list(other | recorded) == [field.name for field in fields(Run)]
    ids = [run.id for run in (ARITHMETIC, both)]
    for name, value in other.items():
        ids.append(replace(both if name in ("turns", "copies") else ARITHMETIC, **{name: value}).id)
    assert len(set(ids)) == len(ids)
    assert replace(ARITHMETIC, **recorded).id == ARITHMETIC.id


def test_the_id_depends_on_nothing_else():
    assert replace(ARITHMETIC, weight_decay=0, dropout=0, held_out="7,5 5,7").id == ARITHMETIC.id
    assert Run("facts", 14, 0, held_out="1,2").id == Run("facts", 14, 0).id
    # The ids of two runs of the published protocol, as in the committed results: they must never change.
    assert Run("arithmetic", 14, 0).id == "375c074ac858"
    assert Run("facts", 56, 2, weight_decay=0.1).id == "31929eaee139"


STORED = {  # ids of runs in the committed results, which must never change
    "0094c6d4aa05": ("joint", 28, 2, {"weight_decay": 0.1, "line_order": 2}),
    "1c0b8a4c434f": ("joint", 56, 3, {"weight_decay": 0.1, "line_order": 3}),
    "394f2c1373f2": ("arithmetic", 28, 13, {}),
    "52e4f9e20871": ("joint", 28, 0, {"weight_decay": 0.1, "line_order": 0}),
    "6f123c13fd1c": ("arithmetic", 14, 16, {"weight_decay": 0.1, "line_order": 16}),
    "86bd4b4719fa": ("arithmetic", 14, 8, {"line_order": 8}),
    "a0666303157a": ("joint", 56, 1, {"weight_decay": 0.1, "line_order": 1}),
    "c66c9aac892f": ("arithmetic", 28, 25, {"line_order": 25}),
    "e1938d320bf4": ("facts", 14, 2, {"line_order": 2}),
    "fd1890f69643": ("joint", 28, 2, {}),
}


@dataclass(frozen=True)
class Later(Run):
    """A run with a factor that was added later."""

    optimizer: str = "adamw"


@pytest.mark.parametrize("run", STORED)
def test_a_factor_that_is_added_changes_no_id(run):
    task, width, seed, changes = STORED[run]
    assert Run(task, width, seed, **changes).id == Later(task, width, seed, **changes).id == run
    assert Later(task, width, seed, **changes, optimizer="muon").id != run


# Finished runs


def test_round_trip(store):
    assert store.ids() == {run.id for run in RUNS}
    for run in RUNS:
        assert store.config(run.id) == run
        assert store.config(run.id).id == run.id
        details = store.details(run.id)
        assert details["parameters"] == run.architecture.parameters()
        assert {name: details[name] for name in TRAINED} == TRAINED


def test_runs(store):
    table = store.runs().set_index("run")
    assert len(table) == 3
    for run in RUNS:
        row, last = table.loc[run.id], curve(run)[-1]
        for name in ("task", "width", "layers", "heads", "expansion", "seed", "iterations", "weight_decay", "held_out"):
            assert row[name] == getattr(run, name)
        assert row["loss"] == last["loss"] and row["seconds"] == 1.5
        seen, held_out, facts = (last["greedy"][chosen(run, g)] for g in ("seen", "held out", "fact"))
        np.testing.assert_equal(row["seen_accuracy"], seen.mean() if len(seen) else np.nan)
        np.testing.assert_equal(row["held_out_correct"], float(held_out.sum()) if len(held_out) else np.nan)
        np.testing.assert_equal(row["facts_accuracy"], facts.mean() if len(facts) else np.nan)
    assert table["line_order"].isna().sum() == 2 and table["line_order"].dtype == "Int64"
    assert store.runs([RUNS[2].id, "absent", RUNS[0].id])["run"].tolist() == [RUNS[2].id, RUNS[0].id]


def test_an_empty_store_has_the_same_columns(store, tmp_path):
    empty = Store(tmp_path / "new")
    assert empty.ids() == set() and empty.runs().empty and empty.curves(empty.runs()).empty
    assert set(empty.runs().columns) == {*store.runs().columns, *run_file.TRAINED}
    assert not empty.folder.exists()  # looking makes nothing


def test_curves(store):
    table = store.curves(store.runs())
    assert len(table) == 63 and not table.columns.duplicated().any()
    for run in RUNS:
        part, rows = table[table["run"] == run.id], curve(run)
        assert part["iteration"].tolist() == list(range(0, 41, 2)) and part["loss"].tolist() == [
            row["loss"] for row in rows
        ]
        assert (part["width"] == run.width).all() and (part["task"] == run.task).all()
        # The paper asks no sum with a right-hand 0, but for 0+0 and 0-0.
        asked = [p.group == "fact" or p.name[2] != "0" or p.name[0] == "0" for p in run.corpus.prompts]
        np.testing.assert_allclose(part["score"], [row["greedy"][asked].mean() for row in rows])
        if run.task != "facts":
            expected = [row["greedy"][chosen(run, "held out")].sum() for row in rows]
            assert part["held_out_correct"].tolist() == expected


def test_items(store):
    table = store.items(store.runs([ARITHMETIC.id]))
    assert len(table) == 21 * 200
    prompts = {p.name: i for i, p in enumerate(ARITHMETIC.corpus.prompts)}
    for row in pd.concat([table.sample(50, random_state=0), table.tail(50)]).itertuples():
        source = curve(ARITHMETIC)[row.iteration // 2]
        assert row.greedy == source["greedy"][prompts[row.prompt]]
        for name in run_file.PROBABILITIES:  # four digits are kept, of the last evaluation
            expected = source[name][prompts[row.prompt]] if row.iteration == 40 else np.nan
            assert getattr(row, name) == pytest.approx(expected, abs=5e-5, nan_ok=True)
        assert row.prompt == f"{row.left}{row.operation}{row.right}" and int(row.answer) == eval(row.prompt)
    some = store.items(store.runs(), iterations=[40], groups=["held out", "fact"])
    assert some.groupby("run").size().to_dict() == {RUNS[0].id: 4, RUNS[1].id: 50, RUNS[2].id: 54}
    assert set(some["iteration"]) == {40} and set(some["group"]) == {"held out", "fact"}
    assert some.loc[some["group"] == "fact", "left"].isna().all()


def test_items_carry_factors_and_labels(store):
    runs = store.runs().assign(label=["one", None, "three"], share=[0.1, 0.2, 0.3])
    items = store.items(runs, iterations=[40])
    assert not set(OUTCOMES) & set(items)
    for row in runs.itertuples():
        part = items[items["run"] == row.run]
        for name in ("task", "width", "seed", "dropout", "line_order", "device", "label", "share"):
            found, given = part[name].unique().tolist(), getattr(row, name)
            assert found == [given] or (pd.isna(found).all() and pd.isna(given)), name


def test_adding_twice_changes_nothing(store):
    before = contents(store.folder)
    store.add(ARITHMETIC, curve(ARITHMETIC), TRAINED)
    assert contents(store.folder) == before


def test_names_of_no_run_are_passed_over(store, tmp_path):
    """Such as a sync's copies; the run that they copy is there."""
    store.keep_weights(ARITHMETIC, {40: torch.zeros(ARITHMETIC.architecture.parameters())})
    for path, name in (
        (store.path(ARITHMETIC.id), f"{ARITHMETIC.id} (1).parquet"),
        (store.path(ARITHMETIC.id), f"{ARITHMETIC.id}.sync-conflict-20261128.parquet"),
        (store.weights_path(ARITHMETIC.id), f"{ARITHMETIC.id} copy.safetensors"),
    ):
        path.with_name(name).write_bytes(path.read_bytes()[:-1])
    assert store.ids() == {run.id for run in RUNS} and len(store.runs()) == 3 and store.check() == ([], [])
    assert Store(tmp_path / "new").merge(store) == (3, [])


def test_merge(store, tmp_path):
    other = Store(tmp_path / "other")
    other.add(ARITHMETIC, curve(ARITHMETIC), {"device": "elsewhere"})
    assert other.merge(store) == (2, []) and other.merge(store) == (0, [])
    assert other.ids() == store.ids()
    assert other.details(ARITHMETIC.id)["device"] == "elsewhere"  # what is there stays
    assert other.path(RUNS[1].id).read_bytes() == store.path(RUNS[1].id).read_bytes()


def test_merge_takes_the_weights_along(store, tmp_path):
    kept = {run: {40: torch.arange(run.architecture.parameters(), dtype=torch.float32)} for run in RUNS[:2]}
    for run, weights in kept.items():
        store.keep_weights(run, weights)
    store.weights_path(RUNS[1].id).write_bytes(b"damaged")
    other = Store(tmp_path / "other")
    other.add(ARITHMETIC, curve(ARITHMETIC), TRAINED)  # a run that is there, without its weights
    copied, wrong = other.merge(store)
    assert copied == 2 and len(wrong) == 1 and RUNS[1].id in wrong[0]
    assert torch.equal(other.weights(ARITHMETIC)[40], kept[ARITHMETIC][40])
    assert not other.weights_path(RUNS[1].id).exists()


# Damage


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path):
    pd.DataFrame({"a": [1]}).to_parquet(path)


def text(path):
    path.write_text("not parquet")


def nothing(path):
    path.write_bytes(b"")


def another_run(path):
    path.write_bytes((path.parent / f"{RUNS[1].id}.parquet").read_bytes())


@pytest.mark.parametrize("damage", [truncate, foreign, text, nothing, another_run])
def test_a_damaged_run_is_named_and_the_others_stay(store, tmp_path, damage):
    path = store.path(ARITHMETIC.id)
    damage(path)
    before = contents(store.folder)
    for read in (store.runs, lambda: store.config(ARITHMETIC.id)):
        with pytest.raises(UserError, match=rf"store has {path}, but it is damaged.*delete it") as error:
            read()
        assert str(error.value).count("\n") == 0
    assert contents(store.folder) == before
    assert len(store.runs([RUNS[1].id, RUNS[2].id])) == 2
    new = Store(tmp_path / "new")
    copied, wrong = new.merge(store)  # copies what is sound, and names what is not
    assert copied == 2 and len(wrong) == 1 and str(path) in wrong[0]
    assert new.ids() == {RUNS[1].id, RUNS[2].id}


def test_damage_in_the_middle_is_found_when_it_is_read(store):
    path = store.path(ARITHMETIC.id)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"store has {path}, but it is damaged"):
        store.curves(store.runs([ARITHMETIC.id]))


def a_folder_of_others(path):
    path.mkdir()
    (path / "thesis.tex").write_text("mine")


def a_file(path):
    path.write_text("mine")


def an_unreadable_marker(path):
    path.mkdir()
    (path / "store.json").write_text("{")


@pytest.mark.parametrize("make", [a_folder_of_others, a_file, an_unreadable_marker])
def test_a_folder_that_is_not_a_store(tmp_path, make):
    make(tmp_path / "place")
    before = contents(tmp_path)
    with pytest.raises(
        UserError, match=rf"store is '{tmp_path}/place', but it must be a folder that this project wrote"
    ):
        Store(tmp_path / "place")
    assert contents(tmp_path) == before


def test_a_store_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Store("~/mine").folder == tmp_path / "mine"
    assert Store(tmp_path / "~").folder == tmp_path / "~"
    with pytest.raises(UserError, match=r"^store is '~nobody-at-all/x', but there is no such user"):
        Store("~nobody-at-all/x")


@pytest.mark.parametrize("place", ["a\0b", "a" * 300, "a/" * 1_900], ids=["NUL", "a long name", "a long way"])
def test_a_path_that_no_folder_can_have(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^store (is|cannot) "):
        Store(place).prepare()


def test_a_store_of_a_later_version_says_so(tmp_path):
    (tmp_path / "store.json").write_text(json.dumps(MARKER | {"version": 2}))
    with pytest.raises(UserError, match=rf"^A later version of this project wrote {tmp_path}/store.json \(version 2\)"):
        Store(tmp_path)


@pytest.mark.parametrize("name", [".store.json.123", ".DS_Store", ".gitkeep", "lost+found"])
def test_a_folder_with_nobodys_files_may_become_a_store(tmp_path, name):
    (tmp_path / name).touch()
    Store(tmp_path).add(ARITHMETIC, curve(ARITHMETIC), TRAINED)
    assert Store(tmp_path).ids() == {ARITHMETIC.id}


# Failing to write


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("mine")
    place = Store(tmp_path / "file" / "store")
    for write in (place.prepare, lambda: place.add(ARITHMETIC, curve(ARITHMETIC), TRAINED)):
        with pytest.raises(
            UserError, match=rf"store cannot write {tmp_path}/file/store/store.json \(Not a directory\)"
        ):
            write()
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_file_in_the_way_of_the_runs(tmp_path):
    place = Store(tmp_path)
    place.prepare()
    (tmp_path / "runs").rmdir()
    (tmp_path / "runs").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=rf"store cannot write {place.path(ARITHMETIC.id)}"):
        place.add(ARITHMETIC, curve(ARITHMETIC), TRAINED)
    assert contents(tmp_path) == before


def limit(patch):
    """The system's limit on the size of a file, below what a run takes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@contextlib.contextmanager
def limits_kept():
    """Limits of the system, as they were at the end: pytest may itself be writing to a file."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def no_space(patch):
    """A disk that is full when a file is to be safe on it: all its bytes may be there by then, or none."""

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "fsync", fail)


P = ARITHMETIC.architecture.parameters()
STATE = {
    "flat": torch.arange(float(P)),
    "exp_avg": torch.ones(P),
    "exp_avg_sq": torch.rand(P),
    "iteration": torch.tensor(40),
}


@pytest.mark.parametrize("fill", [limit, no_space])
def test_a_full_disk_loses_nothing(store, tmp_path, monkeypatch, fill):
    new, again = replace(ARITHMETIC, seed=9), replace(ARITHMETIC)
    other = Store(tmp_path / "other")
    other.prepare()
    store.save_checkpoint(new, STATE, curve(new))
    before = contents(tmp_path)
    attempts = {
        store.path(new.id): lambda: store.add(new, curve(new), TRAINED),
        store.path(again.id): lambda: store.add(again, curve(again, 5), TRAINED),
        store.checkpoint_path(new): lambda: store.save_checkpoint(new, STATE, curve(new, 5)),
        other.path(min(store.ids())): lambda: other.merge(store),
    }
    with limits_kept():
        fill(monkeypatch)
        for path, attempt in attempts.items():
            with pytest.raises(UserError, match=rf"store cannot write {path} \(.*\); it needs .* free space\.$"):
                attempt()
    assert contents(tmp_path) == before


def test_a_file_is_renamed_into_its_place(tmp_path):
    """Not copied: whoever reads it, or finds it after a crash, has the old or the new one, whole."""
    path = tmp_path / "a"
    path.write_text("old")
    with files.beside(path) as new:
        new.write_text("new")
        written = new.stat().st_ino
        assert path.read_text() == "old"
        new.replace(path)
    assert path.read_text() == "new" and path.stat().st_ino == written


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_while_writing_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(error), files.beside(path) as new:
        new.write_text("half of the n")
        raise error
    assert contents(tmp_path) == {"a": b"old"}


# Unfinished runs


def test_checkpoints(store):
    run = replace(ARITHMETIC, seed=9)
    assert store.load_checkpoint(run) is None
    store.save_checkpoint(run, STATE, curve(run))
    state, rows = Store(store.folder).load_checkpoint(run)
    assert state.keys() == STATE.keys() and all(torch.equal(state[name], STATE[name]) for name in STATE)
    assert len(rows) == 21
    for row, source in zip(rows, curve(run), strict=True):
        assert row.keys() == source.keys()
        assert all(np.array_equal(row[name], source[name]) for name in row)  # to the bit
    assert run.id not in store.ids()
    store.add(run, rows, TRAINED)
    assert run.id in store.ids() and store.load_checkpoint(run) is None


@pytest.mark.parametrize("damage", [truncate, text, nothing, lambda path: save_file({"a": torch.ones(3)}, path)])
def test_a_damaged_checkpoint_counts_as_none(store, damage):
    run = replace(ARITHMETIC, seed=9)
    store.save_checkpoint(run, STATE, curve(run))
    damage(store.checkpoint_path(run))
    with pytest.warns(UserWarning, match=f"{run.id}.* does not fit .*set aside as {run.id}.damaged"):
        assert store.load_checkpoint(run) is None
    assert store.load_checkpoint(run) is None and store.checkpoint_path(run).with_suffix(".damaged").exists()


def test_a_large_checkpoint_lies_outside_of_a_checkout_where_another_one_finds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    mlt = Run("arithmetic", 384, 0, windows="lines", layers=6, heads=6, expansion=4)
    for clone in ("one", "two"):
        (tmp_path / clone / ".git").mkdir(parents=True)
    one, two = (Store(tmp_path / clone / "results") for clone in ("one", "two"))
    outside = tmp_path / "state" / "too-big-to-think" / f"{mlt.id}.safetensors"
    assert one.checkpoint_path(mlt) == two.checkpoint_path(mlt) == outside
    assert one.checkpoint_path(ARITHMETIC).is_relative_to(one.folder)  # a small one stays
    apart = Store(tmp_path / "apart")
    assert apart.checkpoint_path(mlt).is_relative_to(apart.folder)  # and so does one of a store that is in no checkout


@pytest.mark.slow
def test_the_table_of_all_runs_is_that_of_the_results():
    """`make manifest` makes it; its columns are those that the card beside it explains."""
    listed = pd.read_parquet(ROOT / "results" / "runs.parquet").set_index("run").sort_index()
    named = (ROOT / "results" / "runs.sha256").read_text()  # of the book's own: a reader may have added some
    own = re.findall(r"runs/(\w+)\.parquet", named)
    runs = Store(ROOT / "results").runs(own).set_index("run").sort_index()
    pd.testing.assert_frame_equal(listed.drop(columns="experiments"), runs, check_dtype=False)
    of_rate = listed["experiments"].str.split().map(lambda names: "rate" in names)
    alike = (runs["windows"] == "lines") & (runs["answer_order"].isna()) & (runs["mlp_rate"] == 1) & of_rate
    assert set(runs[alike].groupby("width").size()) == {10, 20}  # with the seeds of other experiments there are more
    card = (ROOT / "results" / "README.md").read_text()
    assert set(re.findall(r"`(\w+)`", card.partition("|---|---|")[2])) >= {"run", *listed.columns}


def test_the_project_stays_small():
    """What a checkout holds, without its history: everything that travels to another machine."""
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    files = [ROOT / name for name in set(listed.stdout.split("\0")) - {""}]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 58 * 2**20
