"""The committed notebooks are their sources, run. That they run the same again is nbval's to say."""

import ast
import re

import nbformat
import pytest

from lib.book import notebooks, render
from lib.stats import words

NAMES = notebooks.names()


def committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(notebooks.NOTEBOOKS / f"{name}.ipynb", as_version=4)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def test_each_source_has_its_notebook() -> None:
    assert NAMES == sorted(path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_notebook_agrees_with_its_source(name: str) -> None:
    def content(notebook: nbformat.NotebookNode) -> list[tuple]:
        injected = tagged(notebook, "injected-parameters")
        cells = [cell for cell in notebook.cells if cell not in injected]
        return [(c.cell_type, c.source, {k: v for k, v in c.metadata.items() if v != []}) for c in cells]

    assert content(committed(name)) == content(notebooks.read(name))


@pytest.mark.parametrize("name", NAMES)
def test_one_cell_of_literal_parameters(name: str) -> None:
    (cell,) = tagged(notebooks.read(name), "parameters")
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign | ast.AnnAssign)
        ast.literal_eval(statement.value)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_was_run_without_an_error(name: str) -> None:
    cells = [cell for cell in committed(name).cells if cell.cell_type == "code" and cell.source]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_tidy(name: str) -> None:
    notebook = committed(name)
    assert notebooks.tidy(committed(name)) == notebook


def printed(name: str) -> list[str]:
    """What a notebook says, in order: its Markdown, typed and made."""
    found = []
    for cell in committed(name).cells:
        found += [cell.source] if cell.cell_type == "markdown" else []
        found += [text for output in cell.get("outputs", []) if (text := output.get("data", {}).get("text/markdown"))]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_typed_finding_holds_on_the_books_own_runs(name: str) -> None:
    """Where runs say something else than its author typed, an author has to type something else."""
    assert words.OTHERWISE not in printed(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_books_own_runs_lack_nothing_that_a_page_shows(name: str) -> None:
    outputs = [output for cell in committed(name).cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("metadata")]


def test_the_readme_begins_with_the_sentences_of_the_opening() -> None:
    said = printed("index")
    first = next(i for i, text in enumerate(said) if text.startswith("The paper says"))
    opening = " ".join(" ".join(said[first : first + 3]).split())
    assert opening in " ".join((notebooks.ROOT / "README.md").read_text().split())


def test_the_data_files_are_those_of_the_figures() -> None:
    text = "".join((notebooks.NOTEBOOKS / f"{name}.ipynb").read_text() for name in NAMES)
    offered = set(re.findall(r"_static/([\w-]+\.csv)", text))
    assert offered == {path.name for path in (render.BOOK / "data").glob("*.csv")}
