"""How a chart gets into a notebook and into the book.

Notable features:
- a chart's output is the same text whenever its data are the same: the id of its element is a hash of it;
- the scripts that draw are shared by all pages and lie beside them, so that the book needs no network;
- opened elsewhere, in JupyterLab or on Colab, the same output fetches Vega, whose hash it knows, and draws itself;
- a picture stands in the chart's place until it is drawn, and stays where no script may run.

`python -m lib.book.render` writes the shared scripts to `book/_static`.
"""

import base64
import hashlib
import html
import importlib.metadata
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from lib import charts, sweep
from lib.errors import NONE
from lib.stats import words

BOOK = Path(__file__).parents[2] / "book"
DATA = "BOOK_DATA"  # the environment variable with the folder for figures' data, set while the book's own notebooks run
VEGA_LITE = "_".join(alt.VEGALITE_VERSION.split(".")[:2])  # as vl-convert spells it
PAPER = {**charts.LIGHT, "background": "white"}
_made = ""
ROWS_TOLD = 12  # rows, or values of a column, that a figure's text alternative lists
# What draws a chart elsewhere, and the SHA-384 of each script: a browser runs nothing else under its name.
ELSEWHERE = {
    "vega@6.4.0/build/vega.min.js": "VKdcJr3ZaBIJMbVcopTAI/JEuUkSY6qnwVu9iLuw0DnQ9gQ1JjsfZJhXFQAgNi43",
    "vega-lite@6.4.1/build/vega-lite.min.js": "QtG7pnWvq1Tk0Rcvl53B1TEVw7U1PUqfciCz3XMUqSmi1fNpJwiv5ml+m5NeOOzH",
    "vega-embed@7.3.0/build/vega-embed.min.js": "Muy1QRxYFeNrA1zShc1KtN4OfipkR/61gt+HWqN57c1Zxu3Oe16TsilsruVVjfKL",
}
# Vega's scripts hand themselves over to RequireJS where that is on a page, unless its mark is hidden from them.
OUTPUT = """<div class="chart" id="{id}"><img src="data:image/png;base64,{picture}" alt="{said}"></div>
<script>
(async (id, spec) => {{
  if (window.drawFigure) return drawFigure(id, spec);
  const load = ([name, hash]) => new Promise((onload, onerror) => document.head.append(
    Object.assign(document.createElement("script"), {{ src: "https://cdn.jsdelivr.net/npm/" + name,
      integrity: "sha384-" + hash, crossOrigin: "anonymous", onload, onerror }})));
  const place = document.getElementById(id), picture = place.innerHTML;
  try {{
    await (window.vegaScripts ??= (async (amd) => {{
      if (amd) define.amd = undefined;
      try {{ for (const script of {elsewhere}) await load(script); }} finally {{ if (amd) define.amd = amd; }}
    }})(window.define?.amd));
    await vegaEmbed(place, spec);
  }} catch (error) {{
    console.warn(error);
    place.innerHTML = picture;
  }}
}})("{id}", {spec});
</script>"""


def enable(made: str = "") -> None:
    """Show charts the book's way for the rest of this notebook; `made` is the command that makes its runs."""
    global _made
    _made = made
    charts.theme()
    alt.data_transformers.disable_max_rows()
    alt.renderers.register("book", mimebundle)
    alt.renderers.enable("book")


def mimebundle(spec: dict[str, Any]) -> dict[str, Any]:
    """The output of one chart: HTML with a PNG of it in the light theme, and what draws it there.

    Parameters
    ----------
    spec : a Vega-Lite specification with its data.
    """
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")  # cannot end the script
    name = "chart-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    picture = base64.b64encode(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, config=PAPER)).decode()
    said, scripts = html.escape(spec.get("description", "A chart.")), json.dumps(list(ELSEWHERE.items()))
    return {"text/html": OUTPUT.format(id=name, picture=picture, said=said, spec=text, elsewhere=scripts)}


def figure(
    chart: alt.TopLevelMixin, table: pd.DataFrame, *, name: str, runs: pd.DataFrame | None = None, made: str = ""
) -> None:
    """Show a chart and, under it, how many runs it draws, where they were trained, and its data as a file.

    Parameters
    ----------
    chart : an Altair chart.
    table : the data behind it, for the file.
    name : the file's name, without its ending.
    runs : the table of the runs shown (see `note`); left out where a figure shows none.
    made : the command that makes them, if not the notebook's (see `enable`).
    """
    made = made or _made
    path = save_data(table, name)
    file = f'<a href="../_static/{path.name}" download>Data</a>' if DATA in os.environ else f"<code>{path}</code>"
    how = f" Made by <code>{html.escape(made)}</code>." if made else ""
    said = file if runs is None else f"{html.escape(note(runs))}{how} {file}."
    shown = mimebundle(chart.to_dict() | {"description": described(table)})
    shown["text/html"] += f'\n<p class="chart-note">{said}</p>'
    emit({"text/plain": name, **shown}, f"[{name}: {path}]")


def emit(what: Any, text: str, metadata: Mapping[str, Any] | None = None) -> None:
    """Show an object, or a bundle of types, in a notebook; a script prints its text."""
    if InteractiveShell.initialized():
        display(what, raw=isinstance(what, dict), metadata=metadata)
    else:
        print(text)


def described(table: pd.DataFrame) -> str:
    """The text alternative of a figure, for who does not see it: what its data say, row by row where there are few.

    Otherwise each column by itself: its values where there are few, else its least and its greatest.
    """
    spelt = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)  # noqa: E731
    if len(table) <= ROWS_TOLD:
        rows = [", ".join(f"{name} {spelt(v)}" for name, v in row.items()) for row in table.to_dict("records")]
        return f"A chart of {words.count(len(table), 'row')}: {'; '.join(rows)}."
    parts = []
    for name in table.columns:
        values = table[name].dropna()
        if values.map(type).eq(list).any() or values.empty:
            continue
        found = values.drop_duplicates()
        if len(found) <= ROWS_TOLD:
            parts.append(f"{name}: {', '.join(map(spelt, found.tolist()))}")
        elif pd.api.types.is_numeric_dtype(values):
            parts.append(f"{name}: {spelt(float(values.min()))} to {spelt(float(values.max()))}")
        else:
            parts.append(f"{name}: {len(found):,} different ones")
    return f"A chart of {words.count(len(table), 'row')}. {'; '.join(parts)}."


def note(runs: pd.DataFrame) -> str:
    """How many runs a figure shows, in what they differ, and on what they were trained, in one sentence.

    Named are tasks, widths and labels of which there are several, and then whatever other factor still varies; not what
    each seed has drawn for itself, nor the look that a run belongs to.

    Parameters
    ----------
    runs : one row a run (`Store.runs`, with labels of its sweep or without).
    """
    runs = runs.drop_duplicates("run")
    if runs.empty:
        return NONE
    each = runs.groupby("seed").nunique(dropna=False).max()
    own = {"look", *(name for name in each.index if each[name] == 1 < runs[name].nunique(dropna=False))}
    named = ["task", "width", *(name for name in sweep.labels(runs) if name not in own)]
    cells = runs.groupby(named, dropna=False)
    while more := next((name for _, cell in cells for name in sweep.varying(cell, named) if name not in own), None):
        named.append(more)
        cells = runs.groupby(named, dropna=False)
    factors = [words.count(n, name) for name in named if (n := runs[name].nunique(dropna=False)) > 1]
    seeds = cells["seed"].nunique()
    low, high = seeds.min(), seeds.max()
    per = words.count(low, "seed") if low == high else f"{low} to {high} seeds"
    about = ", ".join([*factors, per + (" each" if factors else "")])
    devices = runs["device"].replace("cpu", "CPU").value_counts().sort_index()
    where = devices.index[0] if len(devices) == 1 else ", ".join(f"{d} ({n})" for d, n in devices.items())
    return f"{words.count(len(runs), 'run')} ({about}), trained on {where}."


def save_data(table: pd.DataFrame, name: str) -> Path:
    """Write a figure's data as CSV, numbers to six digits, and say where.

    The book's own notebooks write to `book/data`; a rerun of one with other parameters leaves that alone and
    writes to `_build/data`.

    Parameters
    ----------
    table : any table; its index is not written.
    name : the file's name, without its ending.
    """
    path = _data_folder() / f"{name}.csv"
    digits = lambda x: f"{x:.0f}" if x == round(x) and abs(x) < 1e15 else f"{x:.6g}"  # noqa: E731
    table.to_csv(path, index=False, float_format=digits, lineterminator="\n")
    return path


def save_results(results: Any, name: str) -> Path:
    """Write the results of an experiment as JSON where the figures' data go: an estimate as its four numbers.

    Numbers have ten digits; what cannot be had is null.
    """

    def plain(value: Any) -> Any:
        match value:
            case float():
                return float(f"{value:.10g}") if math.isfinite(value) else None
            case Mapping():
                return {str(key): plain(inner) for key, inner in value.items()}
            case list() | tuple():
                return list(map(plain, value))
        return value

    path = _data_folder() / f"{name}.json"
    path.write_text(json.dumps(plain(asdict(results)), indent=1, ensure_ascii=False) + "\n")
    return path


def _data_folder() -> Path:
    folder = Path(os.environ.get(DATA) or os.path.relpath(BOOK.parent / "_build" / "data"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save_picture(chart: alt.TopLevelMixin, name: str) -> None:
    """Write a chart as a PNG for a page that runs no scripts, beside the figures' data (see `save_data`).

    Parameters
    ----------
    chart : an Altair chart.
    name : the file's name, without its ending.
    """
    picture = vl_convert.vegalite_to_png(chart.to_dict(), vl_version=VEGA_LITE, config=PAPER, scale=1.5)
    (_data_folder() / f"{name}.png").write_bytes(picture)


def write_scripts(folder: Path = BOOK / "_static") -> None:
    """Write what every page loads: Vega, the two themes, and MathJax with its fonts."""
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    (folder / "vega.js").write_text(f"(() => {{\n{vega}\n}})();\n", encoding="utf-8")  # keeps its names to itself
    themes = json.dumps({"light": charts.LIGHT, "dark": charts.DARK}, indent=1)
    (folder / "themes.js").write_text(f"window.figureThemes = {themes};\n", encoding="utf-8")
    mathjax = next(f for f in importlib.metadata.files("sphinx-mathjax-offline") or [] if f.name == "tex-svg.js")
    shutil.copyfile(mathjax.locate(), folder / "tex-svg.js")


if __name__ == "__main__":
    write_scripts()
