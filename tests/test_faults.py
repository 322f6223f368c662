"""Whatever is read is verified, and whatever is stopped stops: damage, kills, bad compilers and odd input."""

import errno
import functools
import io
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from benchmarks.kills import members
from lib import sweep as sweeps
from lib.book import notebooks
from lib.errors import UserError, shown
from lib.model import compiling, fused
from lib.run import Run
from lib.store import Store, files, run_file
from lib.store.store import MARKER
from lib.train import course, lab, workers
from lib.train.stack import Stack
from tests.conftest import one_sentence
from tests.test_store import ARITHMETIC, STATE, TRAINED, P, contents, curve

ROOT = Path(__file__).parents[1]
TINY = Run("arithmetic", 6, 0, iterations=40)
STORED = run_file.finished(ARITHMETIC, curve(ARITHMETIC), TRAINED)
FILE = STORED.encode()
TABLE = pq.read_table(pa.BufferReader(FILE))
CHECKPOINT = run_file.packed({**STATE, "curve.loss": torch.zeros(21)}, ARITHMETIC)
often = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


# Damage: 2,300 cases, none of which is believed or ends in anything but the named exceptions


def decoded(data: bytes) -> run_file.Stored | None:
    """What a file is taken for; None when it is refused."""
    try:
        return run_file.decode(data, ARITHMETIC.id)
    except files.ODD:
        return None


def believed(data: bytes) -> bool:
    """Whether a file is taken for something else than what was stored."""
    found = decoded(data)
    return found is not None and not (found.text == STORED.text and found.same_curve(STORED))


def changed(data: bytes, places: list[tuple[float, int]]) -> bytes:
    """`data` with the byte at each place, a share of its length, xored."""
    result = bytearray(data)
    for place, value in places:
        result[int(place * len(data))] ^= value
    return bytes(result)


places = some.lists(some.tuples(some.floats(0, 1, exclude_max=True), some.integers(1, 255)), min_size=1, max_size=4)


def test_what_was_stored_is_read():
    found = decoded(FILE)
    assert found.text == STORED.text and found.same_curve(STORED) and found.run == ARITHMETIC
    assert run_file.unpacked(CHECKPOINT, ARITHMETIC)


@settings(max_examples=900, **often)
@given(places)
def test_changed_bytes_are_not_believed(where):
    assert not believed(changed(FILE, where))


@settings(max_examples=300, **often)
@given(some.floats(0.9, 1, exclude_max=True), some.integers(0, 7))
def test_flipped_bits_of_the_metadata_are_not_believed(place, bit):
    assert not believed(changed(FILE, [(place, 1 << bit)]))


@settings(max_examples=300, **often)
@given(some.floats(0, 1, exclude_max=True), some.floats(0, 1), some.binary(max_size=20))
def test_files_that_are_cut_or_filled_in_are_not_believed(start, end, filling):
    start, end = sorted((int(start * len(FILE)), int(end * len(FILE))))
    assert not believed(FILE[:start] + filling + FILE[end:]) or FILE[start:end] == filling


def rewritten(table: pa.Table, **details) -> bytes:
    """A file as somebody makes it who knows the form but not the digests."""
    metadata = dict(table.schema.metadata)
    metadata[b"run"] = json.dumps(json.loads(metadata[b"run"]) | details).encode()
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file, write_page_checksum=True)
    return file.getvalue()


def without_digests(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({b"run": table.schema.metadata[b"run"]})


@settings(max_examples=300, **often)
@given(some.sampled_from(["loss", *run_file.SCORES]), some.floats(0, 1, exclude_max=True), some.floats(0, 1))
def test_changed_values_are_not_believed(name, place, value):
    columns = {key: x.copy() for key, x in STORED.columns.items()}
    flat = columns[name].ravel()
    flat[int(place * flat.size)] = not flat[int(place * flat.size)] if name == "greedy" else value
    other = pq.read_table(pa.BufferReader(run_file.Stored(STORED.text, columns).encode()))
    assert not believed(rewritten(other.replace_schema_metadata(TABLE.schema.metadata)))


@settings(max_examples=200, **often)
@given(some.data())
def test_other_details_are_not_believed_even_without_digests(data):
    details = json.loads(STORED.text)
    name = data.draw(some.sampled_from([n for n in details if n not in TRAINED]))
    value = data.draw(some.one_of(some.none(), some.integers(), some.floats(), some.text(), some.booleans()))
    if value != details[name] or type(value) is not type(details[name]):
        assert decoded(rewritten(TABLE, **{name: value})) is None
        plain = decoded(rewritten(without_digests(TABLE), **{name: value}))
        # 14.0 is not 14, but 0 is 0.0; and two numbers can mean the same evaluations.
        assert plain is None or replace(plain.run, evaluate_every=ARITHMETIC.evaluate_every) == ARITHMETIC


@settings(max_examples=200, **often)
@given(some.data())
def test_other_shapes_are_not_believed_even_without_digests(data):
    table, columns = without_digests(TABLE), TABLE.column_names
    rows = data.draw(some.lists(some.integers(0, 20), max_size=21))
    kept = data.draw(some.lists(some.sampled_from(columns), unique=True, max_size=5))
    if rows != list(range(21)):
        assert decoded(rewritten(table.take(pa.array(rows, pa.int64())))) is None
    if kept != columns:
        assert decoded(rewritten(table.select(kept))) is None
    name, row = data.draw(some.sampled_from(run_file.SCORES)), data.draw(some.integers(0, 20))
    lists = TABLE[name].to_pylist()
    lists[row] = data.draw(some.sampled_from([None, [], lists[row][:-1], [*lists[row][:-1], None]]))
    ragged = pa.array(lists, TABLE.schema.field(name).type)
    assert decoded(rewritten(table.set_column(columns.index(name), name, ragged))) is None


def test_a_file_of_gigabytes_is_refused_before_it_is_read(monkeypatch):
    """A list of equal values takes next to nothing in a file."""
    rows, many = len(TABLE), 100_000
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1) * many, pa.int32()), pa.array(np.ones(rows * many, bool))
    )
    table = TABLE.set_column(2, TABLE.schema.field("greedy"), lists)
    data = rewritten(without_digests(table))
    assert len(data) < 100_000 < 1_000_000 < lists.nbytes * 8
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(ValueError, match="it has another number of values than it must have"):
        run_file.decode(data, ARITHMETIC.id)


@settings(max_examples=300, **often)
@given(places)
def test_changed_checkpoints_are_not_believed(where):
    try:
        found = run_file.unpacked(changed(CHECKPOINT, where), ARITHMETIC)
    except files.ODD:
        return
    assert all(torch.equal(found[name], x) for name, x in STATE.items())  # a space of the header, at most


# The store


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "store")
    made.add(ARITHMETIC, curve(ARITHMETIC), TRAINED)
    return made


def test_a_file_of_before_the_digests_is_read_and_merged_into_todays_form(store, tmp_path):
    store.path(ARITHMETIC.id).write_bytes(rewritten(without_digests(TABLE)))
    assert store.stored(ARITHMETIC.id).same_curve(STORED)
    new = Store(tmp_path / "new")
    assert new.merge(store) == (1, []) and new.path(ARITHMETIC.id).read_bytes() == FILE


def test_merge_stops_at_a_conflict(store, tmp_path):
    other, new = Store(tmp_path / "other"), replace(ARITHMETIC, seed=5)
    rows = curve(ARITHMETIC)
    rows[3]["loss"] += 1e-9
    other.add(ARITHMETIC, rows, TRAINED)
    other.add(new, curve(new), TRAINED)
    before = contents(store.folder)
    with pytest.raises(UserError, match=f"{ARITHMETIC.id} came out differently in .* nothing was copied"):
        store.merge(other)
    assert contents(store.folder) == before


def test_what_is_advised_works_as_it_is_written(cli, tmp_path):
    one, other = Store(tmp_path / "my runs"), Store(tmp_path / "other")
    for i, held in enumerate((one, other)):
        for seed in range(3):
            run = replace(ARITHMETIC, seed=seed)
            held.add(run, curve(replace(run, seed=seed + i)), TRAINED)
    conflict = cli("merge", other.folder, "--store", one.folder)[2]
    for path in one.folder.glob("runs/*"):
        path.write_bytes(b"")
    damaged = cli("run", "capacity", "--tasks", "arithmetic", "--widths", 14, "--seeds", 3, "--iterations", 40,
                  "--store", one.folder)[2]  # fmt: skip
    advised = [re.search("`python -m lib (.+?)`", said)[1] for said in (conflict, damaged)]
    assert [line.split()[0] for line in advised] == ["rerun", "check"]
    for line in advised:
        message = cli(*shlex.split(line))[2]
        assert str(one.folder) in message and "0 files" not in message and "must be the id" not in message


def test_a_checkpoint_of_another_run_or_with_no_numbers_is_set_aside(store):
    run = replace(ARITHMETIC, seed=9)
    wrong = [
        {"flat": torch.full_like(STATE["flat"], torch.nan)},
        {"kept.abc": torch.ones(P)},
        {"kept.2": torch.ones(3)},
    ]
    others = [(STATE, replace(run, seed=8)), (STATE, replace(run, width=15))]
    for state, owner in [*others, *((STATE | changes, run) for changes in wrong)]:
        store.save_checkpoint(owner, state, curve(run))
        if owner != run:
            store.checkpoint_path(owner).replace(store.checkpoint_path(run))
        with pytest.warns(UserWarning, match=r"does not fit \(.*set aside as .*begins anew"):
            assert store.load_checkpoint(run) is None


def test_only_regular_files_are_opened(store):
    path = store.path(ARITHMETIC.id)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"not a regular file"):
        store.runs()
    store.marker.unlink()
    os.mkfifo(store.marker)
    with pytest.raises(UserError, match="must be a folder that this project wrote"):
        Store(store.folder)


@pytest.fixture(params=[errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE, None])
def unreadable(request, monkeypatch):
    """Makes files and folders unreadable: for want of leave, a disk, a server, descriptors or memory."""
    paths, opened, listed = [], os.open, os.listdir

    def refuse(what, path, *more, **options):
        if Path(path) in paths:
            raise OSError(request.param, os.strerror(request.param)) if request.param else MemoryError
        return what(path, *more, **options)

    monkeypatch.setattr(os, "open", functools.partial(refuse, opened))
    monkeypatch.setattr(os, "listdir", functools.partial(refuse, listed))
    return paths.append


def test_what_cannot_be_read_is_not_damaged(unreadable, cli, store, tmp_path):
    path = store.path(ARITHMETIC.id)
    unreadable(path)
    with pytest.raises(UserError, match=rf"^store cannot read {path} \(.+\); it stays as it is, and must be"):
        store.runs()
    for command in (("check", store.folder), ("merge", store.folder, "--store", tmp_path / "new")):
        status, _, message = cli(*command)
        assert status == 1 and one_sentence(message) and not re.search("damaged|delete|should be", message)


def test_a_file_in_the_place_of_the_runs_is_not_an_empty_store(cli, store):
    store.path(ARITHMETIC.id).unlink()
    (store.folder / "runs").rmdir()
    (store.folder / "runs").write_text("mine")
    message = cli("status", "capacity", "--store", store.folder)[2]
    assert one_sentence(message) and f"cannot read {store.folder}/runs (Not a directory)" in message


def test_a_folder_that_cannot_be_listed_is_not_empty(unreadable, store):
    unreadable(store.folder / "runs")
    with pytest.raises(UserError, match=rf"^store cannot read {store.folder}/runs"):
        store.ids()


def test_a_checkpoint_that_cannot_be_read_stays_and_its_run_does_not_begin_anew(unreadable, store):
    run = replace(ARITHMETIC, seed=9)
    store.save_checkpoint(run, STATE, curve(run))
    unreadable(path := store.checkpoint_path(run))
    before = path.stat()
    with pytest.raises(UserError, match=rf"^store cannot read {path}"):
        course.train_stack([run], str(store.folder), device="cpu", deadline=float("inf"))
    assert path.stat() == before and run.id not in store.ids()


def test_memory_that_is_too_small_to_decode_a_file_is_no_damage(monkeypatch, store):
    store.save_checkpoint(ARITHMETIC, STATE, curve(ARITHMETIC))

    def fail(*_, **__):
        raise pa.ArrowMemoryError("malloc failed")

    monkeypatch.setattr(pq, "ParquetFile", fail)
    monkeypatch.setattr(run_file, "load", fail)
    for read in (store.runs, lambda: store.load_checkpoint(ARITHMETIC)):
        with pytest.raises(UserError, match=r"^store cannot read .* \(the memory is too small\)"):
            read()
    assert store.checkpoint_path(ARITHMETIC).exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"optimizer": "muon"}, "it has optimizer"), ({"windows": "words"}, "windows is 'words', but it must be")],
)
def test_a_run_of_a_later_version_says_so(store, more, reason):
    """Its id hashes what this version does not know; what its checksum does not vouch for is damaged all the same."""
    run, details = "0123456789ab", json.loads(STORED.text) | more
    text = json.dumps(details | {"run": run}).encode()
    sums = json.dumps({"details": files.digest(text), "all": ""}).encode()
    for metadata, said in (({b"run": text, b"sha256": sums}, rf"^A later version .*{run}.*\({reason}"),
                           ({b"run": text}, "is damaged")):  # fmt: skip
        file = io.BytesIO()
        pq.write_table(TABLE.replace_schema_metadata(metadata), file, write_page_checksum=True)
        store.path(run).write_bytes(file.getvalue())
        with pytest.raises(UserError, match=said):
            store.details(run)


@pytest.mark.parametrize(
    "text", [json.dumps(MARKER | {"version": True}), json.dumps(MARKER | {"version": 1.0}), "[" * 100_000, "\udcff"]
)
def test_odd_markers(tmp_path, text):
    (tmp_path / "store.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match="must be a folder that this project wrote"):
        Store(tmp_path)


def test_a_file_is_safe_before_its_name_is(monkeypatch, tmp_path):
    """The file is synced, renamed, and its folder is synced."""
    happened, sync, rename = [], os.fsync, Path.replace
    kind = {True: "folder", False: "file"}
    monkeypatch.setattr(os, "fsync", lambda f: happened.append(kind[stat.S_ISDIR(os.fstat(f).st_mode)]) or sync(f))
    monkeypatch.setattr(Path, "replace", lambda a, b: happened.append("rename") or rename(a, b))
    files.write(tmp_path / "a", b"new")
    assert happened == ["file", "rename", "folder"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF])
def test_a_file_system_without_locks_or_synced_folders_can_hold_a_store(monkeypatch, tmp_path, number):
    sync = os.fsync

    def fail(handle, *_):
        if _ or stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(files.fcntl, "flock", fail)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.warns(UserWarning) as told:
        Store(tmp_path).add(ARITHMETIC, curve(ARITHMETIC), TRAINED)
    said = {str(one.message) for one in told}
    assert len(said) == 2 and all(text.startswith("The file system of the store cannot ") for text in said)
    assert Store(tmp_path).stored(ARITHMETIC.id).same_curve(STORED)


def test_what_killed_writers_left_is_removed_and_what_is_being_written_stays(store):
    left = store.path("abc").with_name(f".{ARITHMETIC.id}.parquet.0123456789abcdef")
    left.write_text("half")
    with files.beside(store.path(ARITHMETIC.id)) as busy:
        store.prepare()
        assert busy.exists() and not left.exists()
    assert not busy.exists()


def test_a_path_that_is_not_utf_8(cli, tmp_path):
    place = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    asked = ("--tasks", "arithmetic", "--widths", 6, "--iterations", 40, "--seeds", 1, "--device", "cpu")
    assert cli("run", "capacity", *asked, "--store", place)[:2] == (
        0, "1 of 1 runs are in the store; 1 trained just now.\n",
    )  # fmt: skip
    assert cli("check", place)[0] == 0


def test_check(cli, store):
    path, manifest = store.path(ARITHMETIC.id), store.folder / "runs.sha256"
    assert cli("check", store.folder)[:2] == (0, f"1 runs in {store.folder} are sound.\n")
    manifest.write_text("")
    assert "1 of them are not listed in runs.sha256" in cli("check", store.folder)[1]
    done = subprocess.run(["sha256sum", f"runs/{path.name}"], cwd=store.folder, capture_output=True, text=True)
    manifest.write_text(done.stdout)
    assert cli("check", store.folder)[:2] == (0, f"1 runs in {store.folder} are sound.\n")
    store.add(ARITHMETIC, curve(ARITHMETIC), TRAINED | {"seconds": 2.0})  # sound, but another file
    assert cli("check", store.folder)[0] == 1
    path.unlink()
    store.add(replace(ARITHMETIC, seed=3), curve(ARITHMETIC), TRAINED)
    status, _, message = cli("check", store.folder)
    assert status == 1 and one_sentence(message)


# Weights


@pytest.mark.parametrize("asked", ["final", "log"])
def test_weights_are_kept_where_they_are_asked_for(inline, tmp_path, asked):
    sweep, store = sweeps.table([TINY]), Store(tmp_path)
    lab.run(sweep, str(tmp_path))
    assert not store.weights_path(TINY.id).exists()
    before = store.path(TINY.id).read_bytes()
    lab.run(sweep.assign(weights=asked), str(tmp_path))  # trained again beside; the run stays as it is
    found, alone = store.weights(TINY), Stack([TINY])
    assert list(found) == ([40] if asked == "final" else [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 40])
    for at, weights in found.items():
        alone.advance(at - alone.iteration)
        assert torch.equal(weights, alone.flat[0])
    assert store.path(TINY.id).read_bytes() == before
    store.weights_path(TINY.id).write_bytes(changed(store.weights_path(TINY.id).read_bytes(), [(0.9, 1)]))
    with pytest.raises(UserError, match="no sound weights"):
        store.weights(TINY)


def test_how_often_a_run_is_evaluated_makes_it_no_other(inline, tmp_path):
    """Weights may be asked for with another number than is stored, and stores with two numbers can be merged."""
    often, one, other = replace(TINY, evaluate_every=1), Store(tmp_path / "one"), Store(tmp_path / "other")
    lab.run(sweeps.table([TINY]), str(one.folder))
    lab.run(sweeps.table([often]).assign(weights="final"), str(one.folder))
    assert list(one.weights(TINY)) == [40] and one.config(TINY.id) == TINY
    lab.run(sweeps.table([often]), str(other.folder))
    assert one.merge(other) == (0, []) and other.merge(one) == (0, [])


def test_weights_survive_an_interruption(tmp_path):
    looks = iter(range(10**6))
    while not course.train_stack([TINY], str(tmp_path), device="cpu", deadline=float("inf"), weights={TINY.id: "log"},
                                  stop=lambda: next(looks) % 7 == 6):  # fmt: skip
        pass
    assert course.train_stack(
        [TINY], str(tmp_path / "whole"), device="cpu", deadline=float("inf"), weights={TINY.id: "log"}
    )
    parts, whole = (Store(folder).weights(TINY) for folder in (tmp_path, tmp_path / "whole"))
    assert parts.keys() == whole.keys() and all(torch.equal(parts[at], whole[at]) for at in whole)


def test_a_run_that_another_engine_or_processor_went_on_with_says_so(cache, monkeypatch, tmp_path):
    def train(updates: int) -> None:
        looks = iter(range(10**6))
        course.train_stack(
            [TINY], str(tmp_path), device="cpu", deadline=float("inf"), stop=lambda: next(looks) == updates
        )

    train(4)
    train(4)
    mine = course.processor()
    monkeypatch.setattr(course, "processor", lambda: "another")
    monkeypatch.setattr(fused, "fits", lambda *_: False)
    train(0)  # which gets on with nothing
    train(4)
    train(-1)
    details = Store(tmp_path).details(TINY.id)
    assert (details["engine"], details["processor"]) == ("fused then plain", f"{mine} then another")
    assert (details["device"], details["torch"]) == ("cpu", torch.__version__)


def test_a_checkpoint_of_before_they_said_where_is_gone_on_with(monkeypatch, tmp_path):
    looks, save = iter(range(10**6)), Store.save_checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(Store, "save_checkpoint", lambda *what: what[2].pop("where", None) is save(*what))
        course.train_stack([TINY], str(tmp_path), device="cpu", deadline=float("inf"), stop=lambda: next(looks) == 4)
    assert course.train_stack([TINY], str(tmp_path), device="cpu", deadline=float("inf"))
    assert Store(tmp_path).details(TINY.id)["processor"] == course.processor()


def test_the_time_of_a_run_is_that_of_all_its_parts(monkeypatch, tmp_path):
    """And not as if all of it had gone like the last of them."""
    looks, advance = iter(range(10**6)), Stack.advance

    def slowly(stack: Stack, updates: int) -> None:
        time.sleep(0.2)
        advance(stack, updates)

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "advance", slowly)
        course.train_stack([TINY], str(tmp_path), device="cpu", deadline=float("inf"), stop=lambda: next(looks) == 4)
    assert course.train_stack([TINY], str(tmp_path), device="cpu", deadline=float("inf"))
    assert 0.7 <= Store(tmp_path).details(TINY.id)["seconds"] < 4


# Two at once


def test_who_trains_into_a_store_hears_of_another_command(cli, tmp_path):
    arguments = ("run", "capacity", "--profile", "smoke", "--seeds", 1, "--tasks", "arithmetic", "--store", tmp_path)
    store = Store(tmp_path)
    store.prepare()
    with store.training() as alone:
        assert alone
        assert "another command trains into" in cli(*arguments)[2]
    assert "another command" not in cli("run", "order", *arguments[2:])[2]


def test_what_another_command_has_trained_meanwhile_is_not_trained_again(monkeypatch, tmp_path):
    runs = [replace(TINY, seed=seed) for seed in range(3)]
    trained, through = [], connection.Connection.send
    other = lambda: course.train_stack(runs[1:2], str(tmp_path), device="cpu", deadline=float("inf"))  # noqa: E731

    def send(pipe, what):
        if isinstance(what, tuple) and isinstance(what[0], Run):
            trained.append(what[0].seed)
            if what[0] == runs[0]:
                other()
        return through(pipe, what)

    monkeypatch.setattr(connection.Connection, "send", send)
    lab.run(sweeps.table(runs), str(tmp_path), cores=1)
    assert trained == [0, 2] and Store(tmp_path).ids() == {run.id for run in runs}


# Stopping


def test_chunks_are_bounded_by_time(monkeypatch, tmp_path):
    """An update that takes five seconds is made alone, and what takes a hundredth of one is not."""
    now, made, advance = [0.0], [], Stack.advance
    monkeypatch.setattr(course.time, "monotonic", lambda: now[0])
    for each, least in ((5.0, 1), (0.01, 20)):

        def slow(stack, updates, each=each):
            made.append(updates)
            now[0] += each * updates
            advance(stack, updates)

        made.clear()
        monkeypatch.setattr(Stack, "advance", slow)
        run = replace(TINY, iterations=800)
        course.train_stack([run], str(tmp_path / str(each)), device="cpu", deadline=now[0] + 200 * each)
        assert max(made) >= least and max(made) * each <= max(each, 1.5 * course.CHUNK_SECONDS)


def test_a_clock_that_is_set_back_is_not_looked_at(monkeypatch, tmp_path):
    back = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(back)))
    assert course.train_stack([TINY], str(tmp_path), device="cpu", deadline=float("inf"))
    assert 0 <= Store(tmp_path).details(TINY.id)["seconds"] < 600


def test_a_budget_that_is_over_before_training_has_begun(inline, tmp_path):
    with pytest.raises(UserError, match="time-budget is 1e-06 seconds, but it must be more"):
        lab.run(sweeps.table([TINY]), str(tmp_path), time_budget=1e-6)


def begin(folder: Path, *more: str, iterations: int = 20_000) -> subprocess.Popen:
    """The real command, in a process group of its own, on a run that takes a while."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
    command = "run capacity --tasks arithmetic --widths 28 --seeds 2 --device cpu".split()
    return subprocess.Popen(
        [sys.executable, "-m", "lib", *command, "--iterations", str(iterations), "--store", folder, *more],
        cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def children(process: subprocess.Popen) -> list[int]:
    return [pid for pid, command in members(process.pid).items() if "spawn_main" in command]


def wait_for(what, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("moment", ["loading", "starting"])
def test_ctrl_c_at_any_moment(tmp_path, times, moment):
    process = begin(tmp_path)
    time.sleep(0.5)  # Python itself is up
    if moment == "starting":
        wait_for(lambda: children(process))
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in words
    assert words.splitlines()[-1] == "Stopped; the same command goes on from here."
    wait_for(lambda: not members(process.pid), 5)


def test_who_stops_on_a_full_disk_hears_that_nothing_was_saved(tmp_path):
    """The worker fails to save while the parent waits for it to end."""
    Store(tmp_path).prepare()
    (tmp_path / "checkpoints").rmdir()
    (tmp_path / "checkpoints").write_text("in the way")
    ask = lambda *_: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    with pytest.raises(UserError, match=r"store cannot write .*checkpoints"), workers.ready("cpu") as train:
        train([replace(TINY, iterations=1_000_000)], str(tmp_path), deadline=float("inf"), tell=ask, weights={})


def test_who_asked_not_to_hear_of_a_closed_terminal_does_not():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with workers.stoppable() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_worker_that_is_killed_is_told_and_another_takes_its_run(tmp_path):
    process = begin(tmp_path, "--cores", "2", iterations=2_000)
    wait_for(lambda: len(children(process)) == 2)
    os.kill(children(process)[0], signal.SIGKILL)
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "2 of 2 runs are in the store; 2 trained just now.\n")
    told = r"^A training process was ended from outside while it had a run of width 28 on .* \(by SIGKILL, "
    assert re.search(rf"{told}.*runs out of memory\); the others go on\.$", said, re.MULTILINE)


def test_a_sweep_whose_workers_are_all_killed_ends_in_a_sentence(tmp_path):
    process = begin(tmp_path, "--cores", "2")
    wait_for(lambda: len(children(process)) == 2)
    for pid in children(process):
        os.kill(pid, signal.SIGKILL)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in words
    assert words.splitlines()[-1].endswith("); the same command goes on where it stopped.")
    wait_for(lambda: not members(process.pid), 5)


class Pipe:
    """The end of a worker's pipe: one job, and what the worker says."""

    def __init__(self):
        self.said = []

    def recv(self):
        if self.said:
            raise EOFError
        return TINY, ""

    def poll(self) -> bool:
        return False

    def send(self, word) -> None:
        self.said.append(word)


def serve(pipe: Pipe, folder: Path) -> None:
    """A worker, in this process."""
    handlers = signal.getsignal(signal.SIGTERM), warnings.showwarning
    workers._serve(pipe, str(folder), float("inf"))
    signal.signal(signal.SIGTERM, handlers[0])
    warnings.showwarning = handlers[1]


class Broken(Pipe):
    """A pipe whose other end is gone after some words."""

    def poll(self) -> bool:
        return len(self.said) > 5

    def send(self, word) -> None:
        super().send(word)
        if self.poll():
            raise BrokenPipeError


def test_a_worker_whose_parent_is_gone_saves_what_it_has(tmp_path):
    serve(Broken(), tmp_path)
    state, _ = Store(tmp_path).load_checkpoint(TINY)
    assert 0 < state["iteration"] < 40


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_worker_without_memory_says_so(monkeypatch, tmp_path, error):
    monkeypatch.setattr(course, "Stack", lambda *_: (_ for _ in ()).throw(error))
    serve(pipe := Pipe(), tmp_path)
    ((what, sentence),) = pipe.said
    assert what == "sentence" and "memory is too small to train a run of width 6" in sentence


# The compile cache


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    if compiling.compiler() is None:
        pytest.skip("there is no C++ compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "too-big-to-think"


def built():
    return fused._library.__wrapped__(TINY.architecture)


def test_a_library_that_is_not_what_it_was_is_built_anew(cache):
    assert built() is not None and stat.S_IMODE(cache.stat().st_mode) == 0o700
    (path,) = cache.glob("*.so")
    whole, key = path.read_bytes(), path.name.split(".")[0]
    foreign = Path(np._core._multiarray_umath.__file__).read_bytes()
    for data in (b"", whole[: len(whole) // 2], foreign):
        path.unlink()  # what is loaded stays mapped: only another file may be changed
        path.write_bytes(data)
        assert built() is not None and path.read_bytes() == whole
    planted = cache / f"{key}.{compiling._digest(foreign)}.so"  # its name is right, but it answers nothing
    planted.write_bytes(foreign)
    path.unlink()
    assert built() is not None and path.exists()


def test_another_architectures_library_does_not_answer_rightly(cache):
    other = fused._library.__wrapped__(replace(TINY, width=8).architecture)
    assert fused._answers(other, replace(TINY, width=8).architecture) and not fused._answers(other, TINY.architecture)


def test_a_compiler_that_cannot_link_and_one_that_can(cache, monkeypatch, tmp_path):
    bad = tmp_path / "c++"
    real = subprocess.run(["which", compiling.compiler()], capture_output=True, text=True).stdout.strip()
    bad.write_text(f'#!/bin/sh\ncase "$*" in *-o*) echo "ld: cannot find -lc" >&2; exit 1;; esac\nexec {real} "$@"\n')
    bad.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "compiler", lambda: str(bad))
        with pytest.warns(UserWarning, match=r"cannot be had \(.* said: ld: cannot find -lc\).*slower"):
            assert built() is None
    assert built() is not None


def test_a_cache_that_others_can_write_to_is_refused(cache):
    cache.mkdir(mode=0o700)
    cache.chmod(0o777)
    with pytest.warns(UserWarning, match="others can write to"):
        assert built() is None
    assert not list(cache.iterdir())


def test_a_cache_from_which_nothing_may_be_run_is_not_built_in(cache, monkeypatch):
    whole = os.statvfs(cache.parent)
    flags = [*whole[:8], whole.f_flag | os.ST_NOEXEC, whole.f_namemax]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(flags))
    with pytest.warns(UserWarning, match=r"nothing in .* may be run; XDG_CACHE_HOME may name another folder"):
        assert built() is None
    assert not list(cache.iterdir()) and fused.kept(TINY.architecture)  # no worker builds it, either


def test_what_is_to_be_compiled_is_announced_once(cache, cli, tmp_path):
    def said(seeds):
        line = f"run capacity --tasks arithmetic --widths {TINY.width} --iterations 40 --device cpu --seeds {seeds}"
        return "compiling the training kernel for 1 shape" in cli(*line.split(), "--store", tmp_path / "runs")[2]

    assert said(1)
    assert built() is not None
    assert not said(2)
    cache.chmod(0o777)  # nothing can be built there, so there is nothing to wait for
    assert not said(3)


# Odd input


@pytest.mark.parametrize("text", ["[1, 2", "9" * 5_000, "[" * 3_000, "{a: b: c}", "\x00", "!!python/name:os.system"])
def test_a_parameter_that_is_not_yaml(text):
    with pytest.raises(UserError, match=r"seeds is .*must be a number, a word or a list") as error:
        notebooks.value("seeds", text)
    assert len(str(error.value)) < 200


@settings(max_examples=200, **often)
@given(some.recursive(some.one_of(some.integers(), some.floats(), some.text(), some.none()), some.lists))
def test_what_is_shown_is_short(value):
    assert len(shown(value)) < 120 and "\n" not in shown(value)


def test_numbers_that_python_does_not_print():
    with pytest.raises(UserError, match=r"width is too long to print \(int\), but it must be a whole number"):
        replace(TINY, width=10**5_000)


@pytest.mark.parametrize("change", [{"learning_rate": float("nan")}, {"weight_decay": 1e9}, {"line_order": 2**32}])
def test_runs_have_bounds(change):
    with pytest.raises(UserError, match=r"but it must be a .*number of at least 0, at most"):
        replace(TINY, **change)


def test_rerun_of_an_empty_store_and_of_a_damaged_run(cli, store, tmp_path):
    assert "in none, which has none." in cli("rerun", "abc", "--store", "none")[2]
    details = json.loads(STORED.text) | {"width": 384, "layers": 6, "heads": 6}
    store.path(ARITHMETIC.id).write_bytes(rewritten(TABLE, **details))
    message = cli("rerun", ARITHMETIC.id, "--store", store.folder)[2]
    assert one_sentence(message) and "is damaged" in message


def test_status_into_a_closed_pipe():
    done = subprocess.run(
        f"{sys.executable} -m lib status --profile full | head -1", shell=True, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1


# The supply chain


def test_everything_is_installed_with_hashes():
    blocks = {}
    for name in ("requirements.lock", "requirements-cuda.lock", "requirements-cpu.lock", "requirements-cluster.lock"):
        for block in re.split(r"\n(?=[a-zA-Z])", (ROOT / name).read_text()):
            if found := re.match(r"([a-zA-Z][\w.-]*)==([\w.+]+)", block):
                blocks.setdefault(re.sub("[-_.]+", "-", found[1]).lower(), []).append(found[2])
                assert "--hash=sha256:" in block, f"{found[0]} in {name} has no hash"
    asked = [
        one
        for name in ("requirements.txt", "requirements-cluster.txt")
        for one in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.M)
    ]
    for name, version in asked:
        assert version in blocks[re.sub("[-_.]+", "-", name).lower()], f"{name} is locked in another version"
    assert set(blocks["torch"]) == {"2.13.0", "2.13.0+cpu"} and len(asked) > 20


def test_the_workflow_trusts_no_tag_and_no_extra_index():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    flow = yaml.safe_load(text)
    uses = [step["uses"] for job in flow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert uses and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use) for use in uses)
    assert flow["permissions"] == {"contents": "read"} and "EXTRA_INDEX" not in text
