"""What is stored of a run: its file, encoded and decoded, and the outcomes that its curve has.

Notable features:
- a finished run is one parquet table, one row an evaluation; its factors, outcomes and where it was trained are JSON in
  the metadata, and so are SHA-256 digests of this text and of text and numbers;
- tensors (states of unfinished runs, weights of finished ones) are safetensors with the run's id and a digest;
- decoding verifies all of it: pages and contents by their checksums, the id by the factors, the columns by the task,
  the outcomes by the curve. A run's file of before there were checksums is verified but for these.
"""

import io
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load, save
from torch import Tensor

from lib.data import Prompt
from lib.model.loss_parts import PARTS
from lib.run import FACTORS, Run
from lib.store.files import Later, digest, need

SCORES = ("greedy", "sampled", "likelihood")
PROBABILITIES = SCORES[1:]  # kept of the last evaluation, NaN elsewhere: no page shows others, three quarters of all
OUTCOMES = ["loss", "seen_accuracy", "held_out_correct", "facts_accuracy"]
TRAINED = ["device", "processor", "engine", "torch", "seconds", "finished"]  # where, with what and when
ASKED = ("task", "held_out", "answer_order", "facts", "base", "operands")  # the factors that decide the prompts
SCHEMA = pa.schema(
    {"iteration": pa.int64(), "loss": pa.float64(), "greedy": pa.list_(pa.bool_())}
    | dict.fromkeys(("sampled", "likelihood"), pa.list_(pa.float32()))
)
IN_PARTS = pa.schema([*list(SCHEMA)[:3], pa.field("parts", pa.list_(pa.float64()))])


def schema(run: Run) -> pa.Schema:
    """The columns that are stored of a run (see `Run.scores`)."""
    return {"all": SCHEMA, "parts": IN_PARTS}.get(run.scores, pa.schema(list(SCHEMA)[:3]))


@dataclass(frozen=True)
class Stored:
    """A finished run as it is stored.

    `text` is the JSON with its factors, outcomes and where it was trained; `columns` are those of `schema`: `iteration`
    (evaluations,), `loss` (evaluations,) and the scores, each (evaluations, prompts); the loss in `parts` (evaluations,
    3) where it was asked for. Of the probabilities there is the last evaluation alone (`PROBABILITIES`).
    """

    text: str
    columns: dict[str, np.ndarray]

    @property
    def run(self) -> Run:
        return configuration(json.loads(self.text))

    def same_curve(self, other: "Stored") -> bool:
        """Whether two runs came out the same to the bit at all iterations at which both were evaluated."""
        at = np.intersect1d(self.columns["iteration"], other.columns["iteration"], return_indices=True)
        shared = self.columns.keys() & other.columns.keys()
        return all(self.columns[name][at[1]].tobytes() == other.columns[name][at[2]].tobytes() for name in shared)

    def encode(self) -> bytes:
        """The file that holds it."""
        arrays = [pa.array(self.columns["iteration"]), pa.array(self.columns["loss"])]
        kept = schema(self.run)
        for name in kept.names[2:]:
            values = self.columns[name]
            ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
            arrays.append(pa.ListArray.from_arrays(pa.array(ends), pa.array(values.ravel())))
        text = self.text.encode()
        sums = {"details": digest(text), "all": digest(text, *(self.columns[name] for name in kept.names))}
        file = io.BytesIO()
        options: dict = {"compression": "zstd", "compression_level": 12, "write_page_checksum": True}
        # A file is so small that statistics, and the schema a second time, would be the most of it.
        options |= {"store_schema": False, "write_statistics": False}
        options["use_dictionary"] = [f"{name}.list.element" for name in SCORES]
        options["column_encoding"] = {"iteration": "DELTA_BINARY_PACKED"}
        with pq.ParquetWriter(file, kept, **options) as writer:
            writer.write_table(pa.table(arrays, schema=kept))
            writer.add_key_value_metadata({"run": text, "sha256": json.dumps(sums)})
        return file.getvalue()


def finished(run: Run, curve: list[dict], trained: dict) -> Stored:
    """A finished run as it is stored: probabilities are rounded to four digits, and outcomes are computed.

    `curve` has the rows of `Stack.measure`, `trained` where and with what it was trained.
    """
    columns = {name: np.stack([np.asarray(row[name]) for row in curve]) for name in schema(run).names}
    for name in columns.keys() & PROBABILITIES:
        columns[name] = columns[name].round(4).astype(np.float32)
    _thin(columns)
    columns["iteration"], columns["loss"] = columns["iteration"].astype(np.int64), columns["loss"].astype(float)
    details = {"parameters": run.architecture.parameters(), **outcomes(run, columns), **trained}
    return Stored(json.dumps({"run": run.id, **asdict(run), **details}), columns)


def _thin(columns: dict[str, np.ndarray]) -> None:
    """Leaves of `PROBABILITIES` what is kept."""
    for name in columns.keys() & PROBABILITIES:
        columns[name] = columns[name].copy()
        columns[name][:-1] = np.nan


def configuration(details: dict) -> Run:
    """The run with these factors; one that was added after it was stored has its default."""
    lacking = [f.name for f in fields(Run) if f.name not in details and f.default is MISSING]
    need(not lacking, f"it does not say {' and '.join(lacking)}")
    return Run(**{name: value for name, value in details.items() if name in FACTORS})


def opened(data: bytes, run: str) -> tuple[pq.ParquetFile, dict, dict]:
    """A run's file, the details in its metadata, and its digests where it has any; ValueError for what does not fit."""
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    metadata = file.schema_arrow.metadata or {}
    need(b"run" in metadata, "it is not a run of this project")
    details, sums = json.loads(metadata[b"run"]), json.loads(metadata.get(b"sha256", b"{}"))
    need(not sums or sums["details"] == digest(metadata[b"run"]), "its details are not what their checksum says")
    try:
        config = configuration(details)
        need(details["run"] == run == config.id, "its name is not the id of what it holds")
    except ValueError as error:
        if sums and details["run"] == run:  # it is as it was written, by who knows what we do not
            unknown = sorted(details.keys() - {"run", "parameters", *FACTORS, *OUTCOMES, *TRAINED})
            raise Later(f"it has {', '.join(unknown)}" if unknown else error) from error
        raise
    need(file.schema_arrow.equals(schema(config)), "its columns are not those of a run")
    need(file.metadata.num_rows == len(config.evaluations()), "it lacks evaluations or has more than it should")
    return file, details, sums


def decode(data: bytes, run: str) -> Stored:
    """What a run's file holds, wholly verified; ValueError for what does not fit (or another of `ODD`)."""
    file, details, sums = opened(data, run)
    config = configuration(details)
    asked = dict.fromkeys(SCORES, len(prompts(vars(config)))) | {"parts": len(PARTS)}
    parts = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    count = sum(part.column(i).num_values for part in parts for i in range(part.num_columns))
    due = len(config.evaluations()) * sum(asked.get(name, 1) for name in schema(config).names)
    need(count == due, "it has another number of values than it must have")  # a few kB can stand for gigabytes
    table = file.read(use_threads=False)
    table.validate(full=True)
    columns = {}
    for name in table.column_names:
        values = table[name].combine_chunks()
        need(values.null_count == 0, f"{name} has gaps")
        if name in asked:
            ends = np.arange(len(values) + 1) * asked[name]
            need(np.array_equal(values.offsets, ends), f"{name} has another number of values than it must have")
            values = values.values
            need(values.null_count == 0, f"{name} has gaps")
        columns[name] = values.to_numpy(zero_copy_only=False)
    for name in table.column_names[2:]:
        columns[name] = columns[name].reshape(-1, asked[name])
        need(not ((columns[name] < 0) | (name in SCORES) & (columns[name] > 1)).any(), f"{name} is not between 0 and 1")
    if "parts" in columns:
        whole = np.allclose(columns["parts"].sum(1), columns["loss"], rtol=1e-4, atol=0, equal_nan=True)
        need(whole, "its parts do not add up to its loss")
    need(columns["iteration"].tolist() == config.evaluations(), "its evaluations are not those of the run")
    text = file.schema_arrow.metadata[b"run"]
    arrays = (columns[name] for name in table.column_names)
    need(not sums or sums["all"] == digest(text, *arrays), "its numbers are not what their checksum says")
    found = outcomes(config, columns)
    same = all(details[name] == found[name] for name in OUTCOMES if name in details)
    need(same, "its outcomes are not those of its curve")
    need(details["parameters"] == config.architecture.parameters(), "its number of parameters is not that of its model")
    _thin(columns)  # what was stored before has them all
    return Stored(text.decode(), columns)


def unpacked(data: bytes, run: Run) -> dict[str, Tensor]:
    """The tensors of a file that `packed` made for this run; ValueError for another or a changed one."""
    tensors = load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    need(header["run"] == run.id, f"it is of the run {header['run']}")
    need(header["sha256"] == _sum(tensors), "its numbers are not what their checksum says")
    return tensors


def packed(tensors: dict[str, Tensor], run: Run) -> bytes:
    tensors = {name: x.contiguous() for name, x in tensors.items()}
    return save(tensors, {"run": run.id, "sha256": _sum(tensors)})


def _sum(tensors: dict[str, Tensor]) -> str:
    parts = ((f"{name} {x.dtype} {tuple(x.shape)}".encode(), x.numpy()) for name, x in sorted(tensors.items()))
    return digest(*(part for pair in parts for part in pair))


def fitting(run: Run, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[dict]]:
    """State and curve in a checkpoint; ValueError for what cannot be those of this run."""
    curve = {name.removeprefix("curve."): x.numpy() for name, x in tensors.items() if name.startswith("curve.")}
    state = {name: x for name, x in tensors.items() if not name.startswith("curve.")}
    for name in ("flat", "exp_avg", "exp_avg_sq", *(name for name in state if name.startswith("kept."))):
        need(state[name].shape == (run.architecture.parameters(),), f"{name} has another shape than the model")
        need(state[name].dtype == torch.float32 and state[name].isfinite().all(), f"{name} is not finite float32")
    if "where" in state:
        places = json.loads(state["where"].numpy().tobytes())
        spent = places.pop("seconds", 0)
        need(all(isinstance(name, str) for name in places.values()), "it does not say where it was trained")
        need(isinstance(spent, int | float) and 0 <= spent < math.inf, "it does not say how long it was trained")
    at, count, width = int(state["iteration"]), len(curve["iteration"]), len(prompts(vars(run)))
    due = [i for i in run.evaluations() if i <= at]
    need(all(name[5:].isdecimal() for name in state if name.startswith("kept.")), "it has weights of no iteration")
    need(0 <= at <= run.updates and curve["iteration"].tolist() == due, "its evaluations are not those of the run")
    need(curve["loss"].shape == (count,), "it has another number of losses than of evaluations")
    for name in SCORES:
        need(curve[name].shape == (count, width), f"{name} has another shape than the task's prompts")
    rows = [{name: x[i] for name, x in curve.items()} for i in range(count)]
    for row in rows:
        row["iteration"], row["loss"] = int(row["iteration"]), float(row["loss"])
    return state, rows


# Prompts and outcomes


@cache
def _prompts(*asked) -> tuple[Prompt, ...]:
    """The prompts of runs with these factors, which are the same whatever the order of the lines and the windows."""
    return Run(width=1, seed=0, **dict(zip(ASKED, asked, strict=True))).corpus.prompts


def prompts(factors: Mapping) -> tuple[Prompt, ...]:
    """The prompts of a run with these factors, in the order of its scores."""
    return _prompts(*(factors[name] for name in ASKED))


@cache
def _prompt_table(*asked) -> pd.DataFrame:
    rows = [(p.name, p.group, p.answer, p.left, p.right, p.operation) for p in _prompts(*asked)]
    return compact(pd.DataFrame(rows, columns=["prompt", "group", "answer", "left", "right", "operation"]))


def prompt_table(run: Run) -> pd.DataFrame:
    """The prompts of a run's task in the order of its scores: prompt, group, answer, left, right, operation."""
    return _prompt_table(*(getattr(run, name) for name in ASKED))


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with whole numbers in four bytes and texts as categories, which sort and group as the texts do."""
    kinds = {"str": "category", "int64": "int32", "Int64": "Int32"}
    return table.astype({name: kinds.get(str(kind), kind) for name, kind in table.dtypes.items()})


def groups(factors: Mapping) -> dict[str, np.ndarray]:
    """The places of the prompts of each group, of a run with these factors."""
    group = np.array([prompt.group for prompt in prompts(factors)])
    return {name: np.flatnonzero(group == name) for name in ("seen", "held out", "fact")}


def asked(factors: Mapping) -> int:
    """How many held-out expressions a run with these factors is asked: of sums four a pair, two a double."""
    return len(groups(factors)["held out"])


def outcomes(run: Run, columns: dict[str, np.ndarray]) -> dict[str, float | None]:
    """The outcomes at the last evaluation, None where the task has no such prompts; the columns of `summarize`."""
    last, loss = columns["greedy"][-1], float(columns["loss"][-1])
    right = {group: last[places] for group, places in groups(vars(run)).items() if len(places)}
    share = {group: float(values.mean()) for group, values in right.items()}
    return {
        "loss": None if np.isnan(loss) else loss,
        "seen_accuracy": share.get("seen"),
        "held_out_correct": float(right["held out"].sum()) if "held out" in right else None,
        "facts_accuracy": share.get("fact"),
    }


def summarize(run: Run, iteration: np.ndarray, loss: np.ndarray, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """Accuracies from the scores (evaluations, prompts) of the prompts, one row an evaluation.

    `seen_accuracy` and `facts_accuracy` are shares of the prompts and `held_out_correct` a count, all under greedy
    decoding and NaN where the task has no such prompts. `addition` and `subtraction` are the paper's percentages, of 91
    prompts each: those with a right-hand 0 are left out, but for 0+0 and 0-0 (arXiv:2506.09099). `score` is the share
    right of those and of the facts, whose first maximum the paper's code keeps as its checkpoint; in joint training it
    keeps none that has no sum or no fact right, and such a score is 0 here.
    """
    table = prompt_table(run)
    group, operation = table["group"].to_numpy(), table["operation"].to_numpy()
    asked = ((table["right"] != 0) | (table["left"] == 0)).to_numpy()  # by the paper
    facts, sums = group == "fact", asked & (group != "fact")

    def over(chosen: np.ndarray, what) -> np.ndarray:
        inside = scores["greedy"][:, chosen]
        return what(inside, axis=1).astype(float) if inside.shape[1] else np.full(len(iteration), np.nan)

    kept = np.all([scores["greedy"][:, some].any(1) for some in (facts, sums) if some.any()], axis=0)
    return pd.DataFrame(
        {
            "iteration": iteration,
            "loss": loss,
            "seen_accuracy": over(group == "seen", np.mean),
            "held_out_correct": over(group == "held out", np.sum),
            "facts_accuracy": over(group == "fact", np.mean),
            "addition": 100 * over((operation == "+") & asked, np.mean),
            "subtraction": 100 * over((operation == "-") & asked, np.mean),
            "score": scores["greedy"][:, facts | sums].mean(1) * kept,
        }
    )
