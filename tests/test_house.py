"""The house stands as CONTRIBUTING.md draws it, and code builds ever fewer sentences."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules() -> dict[str, Path]:
    """The modules of lib by name, without "lib."."""
    found = {}
    for path in sorted((ROOT / "lib").rglob("*.py")):
        parts = path.relative_to(ROOT / "lib").with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if name != "__init__":
            found[name] = path
    return found


def house(name: str) -> str:
    """The place of a module in the picture: a package is one, whatever files it has."""
    return name.partition(".")[0]


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of lib that a file imports, at its top or within functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lib":
            inside = (node.module or "").removeprefix("lib").removeprefix(".")
            names = [f"{inside}.{alias.name}".removeprefix(".") for alias in node.names] + [inside]
        elif isinstance(node, ast.Import):
            names = [alias.name.removeprefix("lib.") for alias in node.names if alias.name.startswith("lib.")]
        exact = [name for name in names if name in known]
        found |= set(exact[:-1] if len(exact) > 1 and exact[-1] == names[-1] else exact)
    return found


def test_every_module_has_a_place_and_uses_what_lies_below():
    known = modules()
    (picture,) = re.findall(r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    lines = [re.split(r"\s{3,}", line)[0].split() for line in picture.strip().splitlines()]
    level = {name: -i for i, line in enumerate(lines) for name in line}
    assert sum(map(len, lines)) == len(level)  # each once
    assert set(level) == {house(name) for name in known}
    wrong = [
        f"{name} uses {other}"
        for name, path in known.items()
        for other in imports(path, known)
        if house(name) != house(other) and level[house(name)] <= level[house(other)]
    ]
    assert wrong == []


SPOKEN = {"UserError", "Lacking", "warn", "echo", "ValueError", "RuntimeError", "need", "fail", "exit"}
# How many sentences code builds, by file; what is not here builds none. Errors, progress and warnings are no such
# sentences. Prose is typed (`Chapter.finding`): these numbers fall, and never rise.
BUILT = {
    "lib/book/answers.py": 21, "lib/book/chapter.py": 3, "lib/book/render.py": 2, "lib/book/report.py": 5,
    "lib/charts/causes.py": 1, "lib/charts/curves.py": 1, "lib/charts/items.py": 4, "lib/cli.py": 3,
    "lib/errors.py": 1, "lib/experiments/claims.py": 1, "lib/experiments/clock.py": 2,
    "lib/experiments/dynamics.py": 1, "lib/experiments/hole.py": 2, "lib/experiments/points.py": 6,
    "lib/model/compiling.py": 1, "lib/stats/words.py": 1, "lib/store/files.py": 1, "lib/store/store.py": 3,
    "lib/train/cluster.py": 1, "lib/train/course.py": 1, "lib/train/lab.py": 12, "lib/train/slices.py": 2,
    "lib/train/workers.py": 2, "notebooks/capacity.py": 3, "notebooks/clock.py": 4, "notebooks/controls.py": 5,
    "notebooks/geometry.py": 3, "notebooks/grokking.py": 5, "notebooks/hole.py": 8, "notebooks/index.py": 3,
    "notebooks/joint.py": 3, "notebooks/lines.py": 7, "notebooks/order.py": 2, "notebooks/pairs.py": 3,
    "notebooks/points.py": 9, "notebooks/rate.py": 11, "notebooks/replication.py": 4, "notebooks/scan.py": 3,
    "notebooks/share.py": 3, "notebooks/speed.py": 4, "notebooks/tuning.py": 2, "notebooks/verdicts.py": 14,
    "notebooks/why.py": 15,
}  # fmt: skip


def words_of(node: ast.AST) -> int:
    """How many words the texts in an expression have."""
    texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return len(re.findall(r"[A-Za-z]{2,}", " ".join(texts)))


def is_built(node: ast.AST) -> bool:
    """Whether an expression puts a text of four words or more together: f-string, format, join or +."""
    if isinstance(node, ast.JoinedStr):
        parts = [value for value in node.values if isinstance(value, ast.Constant)]
        return len(parts) < len(node.values) and sum(map(words_of, parts)) >= 4
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return any(
            isinstance(n, ast.Constant) and isinstance(n.value, str) and words_of(n) >= 4
            for n in (node.left, node.right)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join"):
        return isinstance(node.func.value, ast.Constant) and words_of(node.func.value) >= 4
    return False


def built(source: str) -> int:
    tree, apart = ast.parse(source), set()
    for node in ast.walk(tree):
        name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and name in SPOKEN):
            apart |= {id(inner) for inner in ast.walk(node)}
    return sum(id(node) not in apart and is_built(node) for node in ast.walk(tree))


def test_code_builds_no_more_sentences():
    files = [*(ROOT / "lib").rglob("*.py"), *(ROOT / "notebooks").glob("*.py")]
    counted = {str(path.relative_to(ROOT)): built(path.read_text()) for path in files}
    assert {name: count for name, count in sorted(counted.items()) if count} == BUILT


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('f"as many words as {these}"', 1), ('f"{two} words"', 0), ('"as many words as {}".format(these)', 1),
        ('"as many words as these"', 0), ('"as many words as " + these', 1), ('echo(f"as many words as {these}")', 0),
        ('raise E(f"as many words as {these}")', 0), ('", ".join(f"as many words as {x}" for x in xs)', 1),
    ],
)  # fmt: skip
def test_what_counts_as_built(source, count):
    assert built(source) == count
