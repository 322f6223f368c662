"""The house stands as CONTRIBUTING.md draws it."""

import ast
import re
from pathlib import Path

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
