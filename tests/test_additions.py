"""What is added later leaves stored runs readable and ids as they are: an outcome, a table with its sign, a factor."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.run import Run
from lib.store import Store
from lib.train import course

ROOT = Path(__file__).parents[1]
RUN = Run("arithmetic", 6, 0, 21, held_out="5,7 0,1")
TABLE = '''
class Products(Sums):
    """Every a*b of two digits."""

    def __init__(self, factors):
        super().__init__(factors)
        self.expressions = {f"{a}*{b}": (a, b, "*") for a in range(10) for b in range(10)}
        self.groups = {e: "seen" for e in self.expressions}
        self.shown = self.published = list(self.expressions)
        self.answers = {e: str(a * b) for e, (a, b, _) in self.expressions.items()}
        self.symbols = self.symbols + "*"


'''
ADDED = {  # file, what stands there, and what takes its place
    "an outcome": [
        ("store/run_file.py", '"facts_accuracy"]', '"facts_accuracy", "all_right"]'),
        (
            "store/run_file.py", '"facts_accuracy": share.get("fact"),',
            '"facts_accuracy": share.get("fact"), "all_right": bool(last.all()),',
        ),
    ],
    "a table": [
        ("data/corpus.py", '"facts": (Capitals,),', '"facts": (Capitals,), "products": (Products,),'),
        ("data/corpus.py", "# The tables of each task", TABLE + "# The tables of each task"),
    ],
    "a factor": [("run.py", "    base: int", '    ink: str = factor("red", choices=("red", "blue"))\n    base: int')],
}  # fmt: skip
READ = """
import json, sys
from lib.store import Store

store = Store(sys.argv[1])
damage = store.damage(store.ids())
assert not damage, damage
found = store.runs().iloc[0]
vocabulary = store.config(found["run"]).corpus.vocabulary
print(json.dumps({"run": found["run"], "columns": list(found.index), "vocabulary": vocabulary}))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    course.train_stack([RUN], folder, device="cpu", deadline=math.inf)
    return folder


def elsewhere(folder: Path, code: str, *arguments) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("what", ADDED)
def test_an_addition_leaves_stored_runs_as_they_are(what, tmp_path, store):
    shutil.copytree(ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in ADDED[what]:
        path = tmp_path / "lib" / name
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new))
    found = json.loads(elsewhere(tmp_path, READ, store))
    assert found["run"] == RUN.id and found["vocabulary"] == RUN.corpus.vocabulary
    assert set(found["columns"]) - set(Store(store).runs().columns) == {
        "an outcome": {"all_right"}, "a table": set(), "a factor": {"ink"},
    }[what]  # fmt: skip
    if what == "a table":
        learn = ("run", "capacity", "--tasks", "products", "--widths", "6", "--seeds", "1", "--iterations", "21")
        command = [sys.executable, "-m", "lib", *learn, "--device", "cpu", "--store", str(tmp_path / "runs")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "1 trained just now" in done.stdout, done.stderr
        assert len(list((tmp_path / "runs" / "runs").glob("*.parquet"))) == 1
