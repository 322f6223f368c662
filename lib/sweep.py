"""Sweeps: tables of runs, one row a run, one column a factor; further columns are labels that are carried along."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from lib.data import ARITHMETIC
from lib.data.paper import LARGE, MLT
from lib.run import BOUNDS, FACTORS, OPTIONAL, RECORD, Run
from lib.store.run_file import OUTCOMES, TRAINED

FIRST_SEED = 100  # of the second protocol: the pilots spent the seeds below 10, the replication has those up to 99
EXPLORATORY = 200  # what exploratory experiments add to their seeds, which so begin at 300


def published(task: str, width: int, seed: int, **changes) -> Run:
    """A run under the published protocol, with changes."""
    return Run(**{"task": task, "width": width, "seed": seed, **(MLT if width == LARGE else {}), **changes})


def registered(width: int, seed: int, iterations: int, windows: str, **changes) -> Run:
    """A run of the second protocol: the published recipe with changes, its `seed` counted from `FIRST_SEED`.

    In the published stream, where windows begin anywhere, each seed has its own order of the lines.
    """
    seed += FIRST_SEED
    order = seed if windows == "anywhere" else None
    common = {"task": ARITHMETIC, "iterations": iterations, "line_order": order, "scores": "greedy"}
    return Run(**{"width": width, "seed": seed, "windows": windows, **common, **changes})


def table(runs: Iterable[Run], **labels: Iterable) -> pd.DataFrame:
    """Runs as a sweep: the column run (the id), a column for each factor, and the `labels`, a value a run."""
    frame = pd.DataFrame([{"run": run.id, **asdict(run)} for run in runs], columns=["run", *FACTORS])
    return frame.astype(dict.fromkeys(OPTIONAL, "Int64")).assign(
        **{name: list(values) for name, values in labels.items()}
    )


def labelled(cells: Mapping[Run, Mapping[str, Any]], labels: list[str]) -> pd.DataFrame:
    """Runs as a sweep, each with its own labels."""
    return table(cells, **pd.DataFrame(list(cells.values()), columns=labels))


def joined(parts: list[pd.DataFrame], labels: list[str]) -> pd.DataFrame:
    """Sweeps end to end, each run once, with these labels; its weights are the most that any of them asks for."""
    whole = pd.concat(parts, ignore_index=True).reindex(columns=["run", *FACTORS, "weights", *labels])
    whole["weights"] = whole["weights"].fillna("").groupby(whole["run"]).transform("max")  # "" < "final" < "log"
    return whole.drop_duplicates("run", ignore_index=True)


def rows(sweep: pd.DataFrame) -> list[Run]:
    """The runs of a sweep."""
    found = []
    for record in sweep[FACTORS].to_dict("records"):
        record |= {name: None if pd.isna(record[name]) else int(record[name]) for name in BOUNDS}
        found.append(Run(**record))
    return found


def labels(runs: pd.DataFrame) -> list[str]:
    """The columns of a sweep, or of `Store.runs` with the labels of one, that say which runs belong together."""
    known = ("run", "weights", "parameters", "held_out_asked", *FACTORS, *OUTCOMES, *TRAINED)
    return [name for name in runs.columns if name not in known]


def varying(runs: pd.DataFrame, by: list[str]) -> Iterator[str]:
    """The factors besides `by` that vary; the seed is none of them, nor is an order that goes with it."""
    for name in FACTORS:
        if name not in ("seed", *RECORD, *by) and name in runs and runs[name].nunique(dropna=False) > 1:
            if not (name in ("line_order", "answer_order") and runs[name].eq(runs["seed"]).all()):
                yield name


def groups(runs: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple, pd.DataFrame]]:
    """The groups of a table of runs by the columns `by`, with their keys, in the order of the table.

    Nothing is pooled silently: within a group no factor may be `varying`.

    Raises
    ------
    ValueError
        When another factor varies within a group.
    """
    for key, cell in runs.groupby(by, sort=False, dropna=False):
        for name in varying(cell, by):
            values = ", ".join(map(str, cell[name].drop_duplicates()[:4]))
            raise ValueError(f"{name} varies ({values}) within one group of {', '.join(by)}: group by it, too.")
        yield key, cell


def unpooled(runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The same table of runs, when no group of it pools runs of different factors (see `groups`)."""
    for _ in groups(runs, by):
        pass
    return runs
