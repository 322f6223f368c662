"""The store: a folder with one parquet file for each finished run, named by the run's id.

Notable features:
- a file is written beside and then renamed, so that a run is either there, whole, or not there;
- a file holds the run's learning curve, one row an evaluation, with the score of every prompt; its factors, outcomes
  and where it was trained are JSON in the file's metadata;
- `checkpoints/` keeps the state of runs that were interrupted (safetensors).

    STORE/store.json                     what this folder is
    STORE/runs/ID.parquet                finished runs
    STORE/checkpoints/ID.safetensors     unfinished ones; not part of the evidence
"""

import contextlib
import json
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib.errors import UserError
from lib.training import Run

MARKER = {"format": "too-big-to-think runs", "version": 1}
SCORES = ("greedy", "sampled", "likelihood")
STATE = {"flat", "exp_avg", "exp_avg_sq", "iteration"}  # of a checkpoint (training.Stack.state)
FACTORS = list(Run.__dataclass_fields__)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of `path` when all went well.

    Raises
    ------
    UserError
        When the folder cannot be written or the disk is full; what was at `path` is then still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"store cannot write {path} ({reason}); it needs a folder that can be written, with free space."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _details(file: pq.ParquetFile) -> dict:
    return json.loads(file.schema_arrow.metadata[b"run"])


def _config(details: dict) -> Run:
    return Run(**{name: value for name, value in details.items() if name in FACTORS})


class Store:
    """Finished runs in a folder, which is made when the first run is added.

    Raises
    ------
    UserError
        When `folder` exists and is not a store, or is one of a later version.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.marker = self.folder / "store.json"
        try:
            if self.marker.exists():
                if json.loads(self.marker.read_text()) != MARKER:
                    raise ValueError
            elif self.folder.exists():  # with at most what an interrupted `prepare` left
                if not all(path.name.startswith(".store.json.") for path in self.folder.iterdir()):
                    raise ValueError
        except (ValueError, OSError) as error:
            raise UserError(
                f"store is {str(self.folder)!r}, but it must be a folder that this project wrote, an empty or new one."
            ) from error

    def path(self, run: str) -> Path:
        """Where the run with this id is, or would be."""
        return self.folder / "runs" / f"{run}.parquet"

    def checkpoint_path(self, run: str) -> Path:
        """Where the state of this unfinished run is, or would be."""
        return self.folder / "checkpoints" / f"{run}.safetensors"

    def ids(self) -> set[str]:
        """Ids of the finished runs."""
        return {path.stem for path in (self.folder / "runs").glob("[!.]*.parquet")}

    def prepare(self) -> None:
        """Makes the folder a store; raises UserError when it cannot be written."""
        with replacing(self.marker) as beside:
            beside.write_text(json.dumps(MARKER) + "\n")

    def _prepare(self) -> None:
        if not self.marker.exists():
            self.prepare()

    # Finished runs

    def add(self, run: Run, curve: list[dict], trained: dict) -> None:
        """Keeps a finished run: its curve (rows of `Stack.measure`) and where and with what it was trained."""
        self._prepare()
        scores = {name: np.stack([row[name] for row in curve]) for name in SCORES}
        arrays = {
            "iteration": pa.array([row["iteration"] for row in curve]),
            "loss": pa.array([row["loss"] for row in curve]),
        }
        for name, values in scores.items():
            flat = values.ravel() if name == "greedy" else values.ravel().round(4).astype(np.float32)
            ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
            arrays[name] = pa.ListArray.from_arrays(pa.array(ends), pa.array(flat))
        last = summarize(run, arrays["iteration"].to_numpy(), arrays["loss"].to_numpy(), scores).iloc[-1]
        outcomes = {name: None if pd.isna(last[name]) else float(last[name]) for name in OUTCOMES}
        details = {"parameters": run.architecture.parameters(), **outcomes, **trained}
        metadata = {"run": json.dumps({"run": run.id, **asdict(run), **details})}
        table = pa.table(arrays).replace_schema_metadata(metadata)
        with replacing(self.path(run.id)) as beside:
            pq.write_table(table, beside, compression="zstd", compression_level=12)
        with contextlib.suppress(OSError):
            self.checkpoint_path(run.id).unlink(missing_ok=True)

    def _open(self, run: str) -> pq.ParquetFile:
        path = self.path(run)
        try:
            file = pq.ParquetFile(path)
            if _details(file)["run"] != run:
                raise ValueError
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"store has {path}, but it is damaged or not a run of this project; delete it to train the run again."
            ) from error
        return file

    def details(self, run: str) -> dict:
        """Factors, outcomes and provenance of a finished run."""
        with self._open(run) as file:
            return _details(file)

    def config(self, run: str) -> Run:
        """The configuration of a finished run."""
        return _config(self.details(run))

    def runs(self, only: Iterable[str] | None = None) -> pd.DataFrame:
        """The finished runs, one row a run: id, factors, outcomes at the final iteration, where they were trained."""
        ids = self.ids()
        chosen = sorted(ids) if only is None else [run for run in only if run in ids]
        table = pd.DataFrame(
            [self.details(run) for run in chosen], columns=None if chosen else ["run", *FACTORS, *OUTCOMES]
        )
        return table.astype({"line_order": "Int64", **dict.fromkeys(OUTCOMES, float)})

    def _read(self, run: str) -> tuple[Run, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        with self._open(run) as file:
            config = _config(_details(file))
            try:
                table = file.read()
            except (OSError, pa.ArrowException) as error:
                raise UserError(
                    f"store has {self.path(run)}, but it is damaged; delete it to train the run again."
                ) from error
        scores = {name: table[name].combine_chunks().values.to_numpy(zero_copy_only=False) for name in SCORES}
        shape = (table.num_rows, -1)
        scores = {name: values.reshape(shape) for name, values in scores.items()}
        return config, table["iteration"].to_numpy(), table["loss"].to_numpy(), scores

    def curves(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Learning curves of `runs` (a table with the column run), one row a run and evaluation.

        Columns: those of `summarize`, and the columns of `runs` that are not outcomes.
        """
        if runs.empty:
            return pd.DataFrame(columns=["run", "iteration", *OUTCOMES, "score"])
        parts = [summarize(*self._read(run)).assign(run=run) for run in runs["run"]]
        return pd.concat(parts, ignore_index=True).merge(runs.drop(columns=OUTCOMES, errors="ignore"), on="run")

    def items(
        self, runs: pd.DataFrame, iterations: Iterable[int] | None = None, groups: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """Scores of the single prompts, one row a run, evaluation and prompt.

        Columns: run, width, seed, weight_decay, iteration, prompt, group, answer, greedy, sampled, likelihood, and for
        arithmetic left, right (digits) and operation. `iterations` and `groups` choose rows.
        """
        parts = []
        for run in runs["run"]:
            config, at, _, scores = self._read(run)
            prompts = prompt_table(config)
            columns = (
                np.flatnonzero(prompts["group"].isin(list(groups))) if groups is not None else np.arange(len(prompts))
            )
            rows = np.flatnonzero(np.isin(at, list(iterations))) if iterations is not None else np.arange(len(at))
            part = prompts.iloc[np.tile(columns, len(rows))].reset_index(drop=True)
            part.insert(0, "iteration", np.repeat(at[rows], len(columns)))
            for name, values in scores.items():
                part[name] = values[np.ix_(rows, columns)].ravel()
            same = {"run": run, "width": config.width, "seed": config.seed, "weight_decay": config.weight_decay}
            parts.append(part.assign(**same))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def merge(self, other: "Store") -> int:
        """Copies the runs of another store that this one lacks; returns how many."""
        missing = sorted(other.ids() - self.ids())
        if missing:
            self._prepare()
        for run in missing:
            other.details(run)
            with replacing(self.path(run)) as beside:
                shutil.copyfile(other.path(run), beside)
        return len(missing)

    # Unfinished runs

    def save_checkpoint(self, run: Run, state: dict[str, Tensor], curve: list[dict]) -> None:
        """Keeps the state of an unfinished run (`Stack.state`) and its curve so far."""
        import torch

        self._prepare()
        done = {
            f"curve.{name}": torch.from_numpy(np.stack([np.asarray(row[name]) for row in curve])) for name in curve[0]
        }
        with replacing(self.checkpoint_path(run.id)) as beside:
            save_file({**{name: x.contiguous() for name, x in state.items()}, **done}, beside)

    def load_checkpoint(self, run: Run) -> tuple[dict[str, Tensor], list[dict]] | None:
        """State and curve of an unfinished run, or None; a damaged file counts as none."""
        path = self.checkpoint_path(run.id)
        if not path.exists():
            return None
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError, struct.error):
            return None
        curve = {name.removeprefix("curve."): x.numpy() for name, x in tensors.items() if name.startswith("curve.")}
        state = {name: x for name, x in tensors.items() if not name.startswith("curve.")}
        if not {"iteration", "loss", *SCORES} <= set(curve) or not STATE <= set(state):
            return None
        rows = [{name: x[i] for name, x in curve.items()} for i in range(len(curve["iteration"]))]
        for row in rows:
            row["iteration"], row["loss"] = int(row["iteration"]), float(row["loss"])
        return state, rows


OUTCOMES = ["loss", "seen_accuracy", "held_out_correct", "facts_accuracy"]


def prompt_table(run: Run) -> pd.DataFrame:
    """The prompts of a run's task in the order of its scores: prompt, group, answer, left, right, operation."""
    rows = []
    for p in run.corpus.prompts:
        parts = (None, None, None) if p.group == "fact" else (int(p.name[0]), int(p.name[2]), p.name[1])
        rows.append((p.name, p.group, p.answer, *parts))
    return pd.DataFrame(rows, columns=["prompt", "group", "answer", "left", "right", "operation"])


def summarize(run: Run, iteration: np.ndarray, loss: np.ndarray, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """Accuracies from the scores (evaluations, prompts) of the prompts, one row an evaluation.

    `seen_accuracy` and `facts_accuracy` are shares of the prompts and `held_out_correct` a count, all under greedy
    decoding and NaN where the task has no such prompts; `score` is the accuracy over all prompts under the published
    sampling, by which the paper chose its checkpoints. `addition` and `subtraction` are the paper's percentages, of 91
    prompts each: those with a right-hand 0 are left out, but for 0+0 and 0-0 (arXiv:2506.09099).
    """
    table = prompt_table(run)
    group, operation = table["group"].to_numpy(), table["operation"].to_numpy()
    asked = ((table["right"] != 0) | (table["left"] == 0)).to_numpy()

    def over(chosen: np.ndarray, what) -> np.ndarray:
        inside = scores["greedy"][:, chosen]
        return what(inside, axis=1).astype(float) if inside.shape[1] else np.full(len(iteration), np.nan)

    return pd.DataFrame(
        {
            "iteration": iteration,
            "loss": loss,
            "seen_accuracy": over(group == "seen", np.mean),
            "held_out_correct": over(group == "held out", np.sum),
            "facts_accuracy": over(group == "fact", np.mean),
            "addition": 100 * over((operation == "+") & asked, np.mean),
            "subtraction": 100 * over((operation == "-") & asked, np.mean),
            "score": scores["sampled"].mean(1),
        }
    )
