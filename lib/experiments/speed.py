"""Speed: what a run costs here and elsewhere, as `make bench` measured it. Nothing is trained."""

from pathlib import Path

import pandas as pd

from lib.words import size_name

TASKS = ()
PROJECT, PUBLIC = "this project", "public code"
MEASURED = Path(__file__).parents[2] / "results" / "speed.parquet"


def measured() -> pd.DataFrame:
    """What benchmarks/bench.py kept, one row a measurement, with `what` for task and size in words."""
    table = pd.read_parquet(MEASURED)
    return table.assign(what=[f"{t} {size_name(w)}" for t, w in zip(table["task"], table["width"], strict=True)])


def full_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Seconds for one full run, for people: a row a contestant, a column a task and size."""
    full = table[table["measure"] == "full run"]
    shown = full.pivot_table(index="contestant", columns="what", values="value", sort=False)
    return shown.map(lambda s: "–" if pd.isna(s) else f"{s:,.1f}").reset_index()


def limits(table: pd.DataFrame) -> pd.DataFrame:
    """What shares of the machine's limits are reached, for people: a row a task and size."""
    shares = table[table["measure"].str.startswith("share of")]
    shares = shares.assign(of=shares["measure"].str.removeprefix("share of ") + ", " + shares["contestant"])
    wide = shares.pivot_table(index="what", columns="of", values="value", sort=False)
    return wide.map(lambda p: f"{p:.0f} %").reset_index()


def stacks(table: pd.DataFrame) -> pd.DataFrame:
    """What models trained at once cost each, and the memory that they take, for people."""
    found = table[table["measure"].isin(["stack", "stack's memory"])]
    wide = found.pivot_table(index=["what", "models"], columns="unit", values="value", sort=False).reset_index()
    return wide.rename(columns={"ms": "ms an update of one model", "MiB": "peak memory (MiB)"}).round(2)


def gpu(table: pd.DataFrame) -> pd.DataFrame:
    """Stacks on a GPU, for people; empty where none was measured."""
    found = table[table["measure"].isin(["GPU", "GPU's memory"])].dropna(subset="value")
    keys = ["what", "models", "contestant"]
    return found.pivot_table(index=keys, columns="unit", values="value", sort=False).round(0).reset_index()
