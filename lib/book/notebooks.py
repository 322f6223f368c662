"""The book's notebooks: `notebooks/NAME.py` is edited, `notebooks/NAME.ipynb` is made from it by running it.

`python -m lib.book` runs them all, `python -m lib.book capacity -p seeds 3` one of them with other parameters.
Run twice on the same results, a notebook comes out the same to the byte. One that fails leaves what was there.
"""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import jupytext
import nbformat
import papermill
import yaml

from lib.book import render
from lib.errors import UserError, shown

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py"}  # of a script that is made of a notebook


def names() -> list[str]:
    """The names of all notebooks, in alphabetical order."""
    return sorted(path.stem for path in NOTEBOOKS.glob("*.py"))


def run(name: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Run `notebooks/NAME.py` and put the result into `notebooks/NAME.ipynb` and its figures' data into `book/data`.

    Parameters
    ----------
    name : a notebook, without its ending.
    parameters : values that replace those of the notebook's `parameters` cell.

    Raises
    ------
    UserError : there is no such notebook, or it failed; what was there before is left as it was.
    """
    if name not in names():
        raise UserError(f"There is no notebook {name!r}: there are {', '.join(names())}.")
    work = ROOT / "_build" / "notebooks"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        source, result, data = Path(folder, "in.ipynb"), Path(folder, f"{name}.ipynb"), Path(folder, "data")
        nbformat.write(read(name), source)
        os.environ[render.DATA] = str(data)
        try:
            papermill.execute_notebook(
                source, result, dict(parameters or {}), cwd=ROOT, stderr_file=sys.stderr, progress_bar=False
            )
        except papermill.exceptions.PapermillExecutionError as error:
            raise UserError(f"{name}: {(error.evalue.strip() or error.ename).splitlines()[-1]}") from error
        finally:
            del os.environ[render.DATA]
        nbformat.write(tidy(nbformat.read(result, as_version=4)), result)
        result.replace(NOTEBOOKS / result.name)
        (render.BOOK / "data").mkdir(exist_ok=True)
        for path in data.glob("*"):
            path.replace(render.BOOK / "data" / path.name)


def read(name: str) -> nbformat.NotebookNode:
    """The notebook of `notebooks/NAME.py`, not yet run."""
    notebook = jupytext.read(NOTEBOOKS / f"{name}.py")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook without what differs from one run to the next: times, versions, random ids, progress."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def value(name: str, text: str) -> Any:
    """What YAML makes of the text of a parameter; UserError where it makes nothing of it."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{name} is {shown(text)}, but it must be a number, a word or a list like [14, 28].") from error


@click.command()
@click.argument("notebooks", nargs=-1, metavar="[NAME]...")
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter of the notebooks.")
def main(notebooks: Sequence[str], parameters: Sequence[tuple[str, str]]) -> None:
    """Run the notebooks NAME, or all, and keep the results for the book."""
    for name in notebooks or names():
        click.echo(f"running {name}")
        try:
            run(name, {key: value(key, text) for key, text in parameters})
        except UserError as error:
            raise click.ClickException(str(error)) from error
