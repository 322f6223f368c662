"""Speed: what an update costs here and elsewhere, as `make bench` measured it. Nothing is trained."""

from pathlib import Path

import pandas as pd

from lib.stats import words

TASKS = ()
PROJECT, PUBLIC = "this project", "the paper's public code"
MEASURED = Path(__file__).parents[2] / "results" / "speed.parquet"
SHAPE = ["task", "width", "layers", "heads", "expansion"]
WORK = "distinct prefixes"  # what is computed here; the other way to count is "every token"
AXES = {"cores": {"width": 14}, "models": {"width": 14}, "layers": {"width": 28}, "width": {}}  # and what is held fixed


def measured() -> pd.DataFrame:
    """What benchmarks/bench.py kept, one row a measurement, with `what` for the task and the model in words."""
    table = pd.read_parquet(MEASURED)
    return table.assign(what=[_model(row) for row in table.itertuples()])


def _model(row) -> str:
    """Such as "arithmetic n28, 2 layers"."""
    parts = [f"{row.task} {words.size_name(row.width)}"]
    parts += [words.count(n, what) for n, what in ((row.layers, "layer"), (row.heads, "head")) if n > 1]
    return ", ".join(parts + ([f"expansion {row.expansion}"] if row.expansion > 1 else []))


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """How many times as long an update takes elsewhere. Columns: what, against, ratio, low, high (over the rounds)."""
    rivals = table[(table["measure"] == "training") & (table["contestant"] != PROJECT)]
    names = {"what": "what", "contestant": "against", "ratio": "ratio", "ratio_low": "low", "ratio_high": "high"}
    return rivals[list(names)].rename(columns=names)


def limits(table: pd.DataFrame) -> pd.DataFrame:
    """What an update costs, and what shares of the machine's limits it reaches, for people: a row a model."""
    own = table[(table["contestant"] == PROJECT) & (table["models"] == 1) & (table["cores"] == table["cores"].max())]
    own = own[own["unit"].isin(["ms", "s"])]  # and not by the clock
    cells = {
        "ms an update": own[own["measure"] == "training"]["value"].map("{:.3g}".format),
        "full run (s)": own[own["measure"] == "full run"]["value"].map("{:,.4g}".format),
    }
    for limit, work in (("matrix product", WORK), ("matrix product", "every token"), ("memory", WORK)):
        chosen = (table["measure"] == f"share of {limit}") & (table["contestant"] == work)
        cells[f"{limit}, {work}"] = table.loc[chosen, "value"].map("{:.0f} %".format)
    columns = [cell.rename(table["what"]).rename(name) for name, cell in cells.items()]
    return pd.concat(columns, axis=1).astype(object).fillna("–").rename_axis("model").reset_index()


def scaling(table: pd.DataFrame) -> pd.DataFrame:
    """How many updates a second all cores make as one number grows, on the sums, and how many were ideal.

    Ideal is, of cores and of models stacked in a process, that each does what one alone does; of layers and width, that
    the work on all distinct prefixes is done as fast as a large product of matrices.

    Returns
    -------
    Columns: axis (a key of `AXES`), at (its value), updates, low and high (a second; over the rounds), ideal.
    """
    own = table[(table["measure"] == "training") & (table["contestant"] == PROJECT) & (table["unit"] == "ms")]
    own = own[own["task"] == "arithmetic"]
    shares = table[(table["measure"] == "share of matrix product") & (table["contestant"] == WORK)]
    plain = {"layers": 1, "heads": 1, "expansion": 1, "models": 1, "cores": own["cores"].max()}
    lines = []
    for axis, fixed in AXES.items():
        held = {name: value for name, value in (plain | fixed).items() if name != axis}
        line = own[(own[list(held)] == pd.Series(held)).all(axis=1)].sort_values(axis)
        line = line.merge(shares[[*SHAPE, "value"]], on=SHAPE, suffixes=("", "_share"))
        updates = 1e3 / line["value"]
        first, ideal = updates.iloc[0], 100 * updates / line["value_share"]
        if axis in ("cores", "models"):
            ideal = first * line["cores"] / line["cores"].iloc[0]
        ends = {"low": 1e3 / line["high"], "high": 1e3 / line["low"]}
        lines.append(pd.DataFrame({"axis": axis, "at": line[axis], "updates": updates, **ends, "ideal": ideal}))
    return pd.concat(lines, ignore_index=True)


def gpu(table: pd.DataFrame) -> pd.DataFrame:
    """Stacks on a GPU, for people; empty where none was measured."""
    found = table[table["measure"].isin(["GPU", "GPU's memory"])].dropna(subset="value")
    keys = ["what", "models", "contestant"]
    return found.pivot_table(index=keys, columns="unit", values="value", sort=False).round(0).reset_index()
