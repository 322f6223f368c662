"""The store: a folder with one parquet file for each finished run, named by the run's id.

Notable features:
- a file is written beside, synced and then renamed, so that a run is either there, whole, or not there;
- a file holds the run's learning curve, one row an evaluation, with the score of every prompt; its factors, outcomes
  and where it was trained are JSON in the file's metadata;
- whatever is read is verified (run_file.py), and what is damaged is named and never believed;
- `checkpoints/` keeps the state of runs that were interrupted, `weights/` that of finished ones, where it was asked for
  (safetensors, float32).

    STORE/store.json                     what this folder is
    STORE/runs/ID.parquet                finished runs
    STORE/runs.sha256                    digests of the files, where somebody has written them (sha256sum)
    STORE/weights/ID.safetensors         `iterations` (kept,) and `weights` (kept, P) of finished runs
    STORE/checkpoints/ID.safetensors     unfinished runs; not part of the evidence. Those of large models, in a store
                                         that lies in a git checkout, lie outside of it (`checkpoint_path`).
"""

import contextlib
import fcntl
import json
import os
import re
import shlex
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.data import ARITHMETIC
from lib.errors import UserError
from lib.run import OPTIONAL, Run
from lib.store import run_file
from lib.store.files import ABSENT, Damaged, Later, beside, decoded, digest, names, need, read, sweep_up, write
from lib.store.run_file import OUTCOMES, SCORES, TRAINED, Stored, asked, compact, prompt_table, summarize

LARGE_CHECKPOINT = 2**25  # bytes
VERSION = 1
MARKER = {"format": "too-big-to-think runs", "version": VERSION}
EXAMPLE = Run(ARITHMETIC, 14, 0)  # gives tables without rows their columns
DETAILS = {"run": "", **asdict(EXAMPLE), "parameters": 0} | dict.fromkeys(OUTCOMES, 0.0)
DETAILS |= dict.fromkeys(TRAINED, "") | {"seconds": 0.0}


def _untrained() -> tuple[Run, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """What `Store._read` would give of a run without an evaluation."""
    nothing = np.zeros((0, len(prompt_table(EXAMPLE))), np.float32)
    scores = dict.fromkeys(SCORES, nothing) | {"greedy": nothing.astype(bool)}
    return EXAMPLE, np.zeros(0, int), np.zeros(0), scores


class Store:
    """Finished runs in a folder, which is made when the first run is added.

    Raises
    ------
    UserError
        When `folder` exists and is not a store, or is one of a later version.
    """

    def __init__(self, folder: str | Path):
        try:
            self.folder = Path(folder).expanduser()  # no shell has seen a notebook's parameter, or `--store=~/runs`
        except RuntimeError as error:
            raise UserError(f"store is {str(folder)!r}, but there is no such user, or none with a home.") from error
        self.marker = self.folder / "store.json"
        try:
            decoded(self.marker, _marker)
            found = True
        except ABSENT:  # new, or with at most what systems, editors or an interrupted `prepare` leave
            found = not self.folder.exists() or (
                self.folder.is_dir() and all(name[0] == "." or name == "lost+found" for name in names(self.folder))
            )
        except Damaged:
            found = False
        if not found:
            raise UserError(
                f"store is {str(self.folder)!r}, but it must be a folder that this project wrote, an empty or new one."
            )

    @property
    def quoted(self) -> str:
        """The folder as a shell needs it."""
        return shlex.quote(str(self.folder))

    def path(self, run: str) -> Path:
        """Where the run with this id is, or would be."""
        return self.folder / "runs" / f"{run}.parquet"

    def checkpoint_path(self, run: Run) -> Path:
        """Where the state of this unfinished run is, or would be.

        A large one, such as MLT's 128 MB, does not belong in a checkout: it lies in the user's folder for states
        (XDG_STATE_HOME), where every checkout of this machine finds it, since the id says all that decides it.
        """
        folder = self.folder / "checkpoints"
        large = 12 * run.architecture.parameters() > LARGE_CHECKPOINT
        if large and any((parent / ".git").exists() for parent in self.folder.absolute().parents):
            state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
            folder = Path(state) / "too-big-to-think"
        return folder / f"{run.id}.safetensors"

    def weights_path(self, run: str) -> Path:
        """Where the weights of this finished run are, or would be."""
        return self.folder / "weights" / f"{run}.safetensors"

    def ids(self) -> set[str]:
        """Ids of the finished runs."""
        return self._ids("runs", ".parquet")

    def _ids(self, folder: str, suffix: str) -> set[str]:
        """The ids of runs that files are named by; other names, such as a sync's `ID (1).parquet`, are passed over."""
        found = (re.fullmatch(rf"([0-9a-f]{{12}}){re.escape(suffix)}", name) for name in names(self.folder / folder))
        return {name[1] for name in found if name}

    def prepare(self) -> None:
        """Makes the folder a store and tries every place that will be written; UserError when one cannot be.

        What killed writers left is removed.
        """
        write(self.marker, (json.dumps(MARKER) + "\n").encode())
        for place in (self.path("."), self.weights_path("."), self.folder / "checkpoints" / "any"):
            sweep_up(place.parent)
            if place.parent.name != "weights" or place.parent.exists():
                with beside(place):
                    pass
        sweep_up(self.folder)

    @contextlib.contextmanager
    def training(self) -> Iterator[bool]:
        """Tells whether no other command trains into this store, and while it lasts tells those others of this one."""
        folder, alone = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC), True
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:  # the file system has no locks, so that nothing can be told
            pass
        try:
            yield alone
        finally:
            os.close(folder)

    def _prepare(self) -> None:
        if not self.marker.exists():
            self.prepare()

    # Finished runs

    def add(self, run: Run, curve: list[dict], trained: dict) -> None:
        """Keeps a finished run: its curve (rows of `Stack.measure`) and where and with what it was trained."""
        self._prepare()
        write(self.path(run.id), run_file.finished(run, curve, trained).encode())
        self.forget_checkpoint(run)

    def _checked(self, run: str, what):
        """`what(data, run)` of the run's file, which is read once; UserError, which says why, when that fails."""
        path = self.path(run)
        try:
            return decoded(path, lambda data: what(data, run))
        except (*ABSENT, Damaged) as error:
            raise UserError(
                f"store has {path}, but it is damaged or not a run of this project ({error}); "
                "delete it to train the run again."
            ) from error

    def stored(self, run: str) -> Stored:
        """All that is stored of a finished run, verified."""
        return self._checked(run, run_file.decode)

    def damage(self, runs: Iterable[str]) -> dict[str, str]:
        """What is wrong with these finished runs, a sentence for each that is damaged or cannot be read."""
        found = {}
        for run in runs:
            try:
                self.stored(run)
            except UserError as error:
                found[run] = str(error)
        return found

    def details(self, run: str) -> dict:
        """Factors, outcomes and provenance of a finished run."""
        details = self._checked(run, lambda data, run: run_file.opened(data, run)[1])
        details |= asdict(run_file.configuration(details))  # and the factors that are younger than the file
        if any(name not in details for name in OUTCOMES):  # or the outcomes
            found = self.stored(run)
            details = run_file.outcomes(found.run, found.columns) | details
        return details

    def config(self, run: str) -> Run:
        """The configuration of a finished run."""
        return run_file.configuration(self.details(run))

    def runs(self, only: Iterable[str] | None = None) -> pd.DataFrame:
        """The finished runs, one row a run: id, factors, outcomes at the final iteration, where they were trained.

        `held_out_asked` is the number of held-out expressions, of which `held_out_correct` are right.
        """
        ids = self.ids()
        chosen = sorted(ids) if only is None else [run for run in only if run in ids]
        details = [self.details(run) for run in chosen] or [DETAILS]
        table = pd.DataFrame(details).assign(held_out_asked=[asked(about) for about in details])
        kinds = {**dict.fromkeys(OPTIONAL, "Int64"), **dict.fromkeys(OUTCOMES, float)}
        return table.astype(kinds).head(len(chosen))

    def _read(self, run: str) -> tuple[Run, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        found = self.stored(run)
        unknown = np.full(found.columns["greedy"].shape, np.nan, np.float32)
        scores = {name: found.columns.get(name, unknown) for name in SCORES}
        return found.run, found.columns["iteration"], found.columns["loss"], scores

    def curves(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Learning curves of `runs` (a table with the column run), one row a run and evaluation.

        Columns: those of `summarize`, and the columns of `runs` that are not outcomes.
        """
        parts = [summarize(*self._read(run)).assign(run=run) for run in runs["run"]]
        parts = parts or [summarize(*_untrained()).assign(run="")]
        return pd.concat(parts, ignore_index=True).merge(runs.drop(columns=OUTCOMES, errors="ignore"), on="run")

    def items(
        self, runs: pd.DataFrame, iterations: Iterable[int] | None = None, groups: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """Scores of the single prompts, one row a run, evaluation and prompt.

        Columns: iteration, prompt, group, answer, greedy, sampled, likelihood (NaN where it was not recorded), for
        arithmetic left, right (digits) and operation, and the columns of `runs` that are not outcomes. Since there may
        be millions of rows, they are as `run_file.compact` has them. `iterations` and `groups` choose rows.
        """
        carried = compact(runs.drop(columns=OUTCOMES, errors="ignore"))
        parts = []
        for config, at, _, scores in map(self._read, runs["run"]) if len(runs) else [_untrained()]:
            prompts = prompt_table(config)
            columns = (
                np.flatnonzero(prompts["group"].isin(list(groups))) if groups is not None else np.arange(len(prompts))
            )
            rows = np.flatnonzero(np.isin(at, list(iterations))) if iterations is not None else np.arange(len(at))
            part = prompts.iloc[np.tile(columns, len(rows))].reset_index(drop=True)
            part.insert(0, "iteration", np.repeat(at[rows].astype(np.int32), len(columns)))
            for name, values in scores.items():
                part[name] = values[np.ix_(rows, columns)].ravel()
            parts.append(part)
        each = carried.iloc[np.repeat(np.arange(len(runs)), [len(part) for part in parts if len(runs)])]
        return pd.concat([pd.concat(parts, ignore_index=True), each.reset_index(drop=True)], axis=1)

    def merge(self, other: "Store") -> tuple[int, list[str]]:
        """Copies the runs of another store that this one lacks, in today's form, and the weights of runs.

        Returns
        -------
        how many runs were copied, and a sentence for each run, or its weights, that is not sound and was left out.

        Raises
        ------
        UserError
            When a run of both came out differently; nothing is copied then.
        """
        wrong: dict[str, str] = {}
        both = self.ids() & other.ids()
        for run in sorted(both):
            wrong |= self.damage([run]) or other.damage([run])
            if run not in wrong and not self.stored(run).same_curve(other.stored(run)):
                raise UserError(
                    f"{run} came out differently in {self.path(run)} and in {other.path(run)}, so nothing was "
                    f"copied; `python -m lib rerun {run} --store {self.quoted}` tells which can be had again, and the "
                    "other must go."
                )
        copied = 0
        for run in sorted(other.ids() - both):
            try:
                found = other.stored(run)
            except UserError as error:
                wrong[run] = str(error)
                continue
            self._prepare()
            write(self.path(run), found.encode())
            copied += 1
        for run in sorted(self.ids() & other.ids() - wrong.keys()):
            if other.weights_path(run).exists() and not self.weights_path(run).exists():
                try:
                    self.keep_weights(self.config(run), other.weights(self.config(run)))
                except UserError as error:
                    wrong[run] = str(error)
        return copied, list(wrong.values())

    def check(self) -> tuple[list[str], list[str]]:
        """Verifies everything: a sentence for each file that is wrong, and the ids that `runs.sha256` does not list."""
        wrong, listed = self.damage(sorted(self.ids())), {}
        for run in sorted(self._ids("weights", ".safetensors")):
            try:
                self.weights(self.config(run))
            except UserError as error:
                wrong.setdefault(run, str(error))
        manifest = self.folder / "runs.sha256"
        if not manifest.exists():
            return list(wrong.values()), []
        for line in read(manifest).decode(errors="replace").splitlines():
            found = re.fullmatch(r"([0-9a-f]{64}) [ *]runs/([^/]+)\.parquet", line)
            if found is None:
                wrong[line] = f"{manifest} has the line {line[:80]!r}, but a line is a SHA-256 and runs/ID.parquet."
            else:
                listed[found[2]] = found[1]
        for run in sorted(listed.keys() - wrong.keys()):
            path = self.path(run)
            if run not in self.ids():
                wrong[run] = f"{manifest} lists {path}, but there is no such file."
            elif digest(read(path)) != listed[run]:
                wrong[run] = f"store has {path}, but it is not the file that {manifest} lists."
        return list(wrong.values()), sorted(self.ids() - listed.keys())

    # Weights

    def keep_weights(self, run: Run, weights: dict[int, Tensor]) -> None:
        """Keeps the weights (P,) of a finished run at some iterations."""
        at = sorted(weights)
        tensors = {"iterations": torch.tensor(at), "weights": torch.stack([weights[i].float() for i in at])}
        write(self.weights_path(run.id), run_file.packed(tensors, run))

    def weights(self, run: Run) -> dict[int, Tensor]:
        """The weights (P,) that were kept of a finished run, by iteration; `model.unpack` gives them their shapes."""
        path, shape = self.weights_path(run.id), run.architecture.parameters()

        def decode(data: bytes) -> dict[int, Tensor]:
            found = run_file.unpacked(data, run)
            at, weights = found["iterations"], found["weights"]
            need(weights.shape == (len(at), shape), "its shape is not that of the model")
            need(weights.dtype == torch.float32, "its numbers are not float32")
            return dict(zip(at.tolist(), weights, strict=True))

        try:
            return decoded(path, decode)
        except (*ABSENT, Damaged) as error:
            raise UserError(
                f"store has no sound weights at {path} ({error}); train the run again, and ask for weights."
            ) from error

    # Unfinished runs

    def save_checkpoint(self, run: Run, state: dict[str, Tensor], curve: list[dict]) -> None:
        """Keeps the state of an unfinished run (`Stack.state`) and its curve so far."""
        self._prepare()
        done = {
            f"curve.{name}": torch.from_numpy(np.stack([np.asarray(row[name]) for row in curve])) for name in curve[0]
        }
        write(self.checkpoint_path(run), run_file.packed({**state, **done}, run))

    def forget_checkpoint(self, run: Run) -> None:
        """Removes the state of a run that is finished."""
        with contextlib.suppress(OSError):
            self.checkpoint_path(run).unlink(missing_ok=True)

    def load_checkpoint(self, run: Run) -> tuple[dict[str, Tensor], list[dict]] | None:
        """State and curve of an unfinished run, or None; what does not fit the run is set aside, with a warning.

        UserError when it cannot be read: the run is not begun anew while its state may be sound.
        """
        path = self.checkpoint_path(run)
        try:
            return decoded(path, lambda data: run_file.fitting(run, run_file.unpacked(data, run)))
        except ABSENT:
            return None
        except Damaged as error:
            aside = path.with_suffix(".damaged")
            with contextlib.suppress(OSError):
                path.replace(aside)
            warnings.warn(
                f"The checkpoint {path} does not fit ({error}); it is set aside as {aside.name}, "
                "and the run begins anew.",
                stacklevel=2,
            )
            return None


def _marker(data: bytes) -> None:
    """Raises ValueError unless these are the contents of `store.json`."""
    found = json.loads(data)
    version = found["version"]
    need(type(version) is int and found == MARKER | {"version": version}, "another marker")  # true is not 1
    if version > VERSION:
        raise Later(f"version {version}")
    need(version == VERSION, "another version")
