"""What was registered precedes what it judges: texts, commits and runs are compared by program, in any history."""

import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from lib import experiments
from lib.experiments import claims
from lib.store import Store

ROOT = Path(__file__).parents[1]
PAGE = "book/causes.md"
FRESH = list(claims.ADDED)[list(claims.ADDED).index("found") :]  # additions none of whose runs may be older


def git(repo: Path, *command: str) -> str | None:
    """What git prints, None where it fails."""
    done = subprocess.run(["git", "-C", repo, *command], capture_output=True, text=True)
    return None if done.returncode else done.stdout


def section(text: str, name: str) -> str:
    """The addition to the second protocol with this name, "" where there is none."""
    head = re.compile(rf"^## \d+\. .*\(`{name}`\), an addition$", re.MULTILINE)
    found = [part for part in text.split("\n---\n") if head.search(part)]
    return found[0].strip() if len(found) == 1 else ""


def complaints(repo: Path, name: str, commit: str, registered: pd.Timestamp, runs: pd.DataFrame) -> list[str]:
    """What is wrong with the order of an addition and of the runs that it judges (`Store.runs`), in a whole history."""
    if git(repo, "merge-base", "--is-ancestor", commit, "HEAD") is None:
        return [f"{commit} is no part of this history"]
    found = []
    if pd.Timestamp((git(repo, "show", "-s", "--format=%cI", commit) or "").strip()) != registered:
        found.append(f"{commit} was not made at {registered}")
    then = section(git(repo, "show", f"{commit}:{PAGE}") or "", name)
    if not then or section((repo / PAGE).read_text(), name) != then:
        found.append(f"the text of {name} is not that of {commit}")
    there = {Path(path).stem for path in (git(repo, "ls-tree", "-r", "--name-only", commit, "results") or "").split()}
    if early := sorted(there & set(runs["run"])):
        found.append(f"{commit} has runs that {name} judges: {early}")
    if len(runs) and (early := sorted(runs.loc[claims.begun(runs) < registered, "run"])):
        found.append(f"runs that {name} judges had been begun before: {early}")
    return found


def skip_without_history() -> None:
    if git(ROOT, "rev-parse", "--is-shallow-repository") != "false\n":
        pytest.skip("this checkout has not its whole history")


@pytest.mark.parametrize(
    ("commit", "registered", "page"),
    [(claims.PROTOCOL, claims.REGISTERED, "book/protocol.md"), (claims.WHY, claims.WHY_REGISTERED, PAGE)],
)
def test_the_registered_text_stands_as_it_was_committed(commit, registered, page):
    """Above its line a page is, word for word, what the commit of the registration has; notes stand below."""
    skip_without_history()
    when = git(ROOT, "show", "-s", "--format=%cI", commit)
    assert when is not None and pd.Timestamp(when.strip()) == registered
    now, _, notes = (ROOT / page).read_text().partition("\n---\n")
    assert now == git(ROOT, "show", f"{commit}:{page}").partition("\n---\n")[0]
    assert notes.lstrip().startswith("## Notes, added after the registration")


@pytest.mark.parametrize("name", claims.ADDED)
def test_an_addition_stands_as_it_was_committed_before_its_runs(name):
    """Earlier additions share runs with what came before them, which their pages count."""
    skip_without_history()
    judged: list[str] = []
    if name in FRESH:
        judged = experiments.load(name).sweep(**{**experiments.profile(name, "full"), "seeds": None})["run"].tolist()
    assert complaints(ROOT, name, *claims.ADDED[name], Store(ROOT / "results").runs(judged)) == []


@pytest.fixture
def history(tmp_path):
    """A small history: a text is registered, then a run is made and committed."""
    repo = tmp_path / "repo"
    (repo / "book").mkdir(parents=True)
    (repo / "results" / "runs").mkdir(parents=True)
    git(repo, "init", "-q")

    def commit(path: str, text: str, when: str) -> str:
        (repo / path).write_text(text)
        git(repo, "add", "-A")
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        environment = ["env", f"GIT_COMMITTER_DATE={when}", "git", "-C", str(repo), *who, "commit", "-q", "-m", "-"]
        subprocess.run(environment, check=True)
        return git(repo, "rev-parse", "--short", "HEAD").strip()

    first = commit(PAGE, "# Protocol\n", "2026-01-01T00:00:00Z")
    registered = commit(PAGE, "# Protocol\n\n---\n\n## 1. A (`toy`), an addition\n\nRule.\n", "2026-01-02T00:00:00Z")
    commit("results/runs/aaa.parquet", "a run", "2026-01-03T00:00:00Z")
    runs = pd.DataFrame({"run": ["aaa"], "finished": ["2026-01-02T12:00:00Z"], "seconds": [60.0]})
    return repo, commit, registered, pd.Timestamp("2026-01-02T00:00:00Z"), runs, first


def test_an_honest_history_has_no_complaint(history):
    repo, _, registered, when, runs, _ = history
    assert complaints(repo, "toy", registered, when, runs) == []


def test_a_tampered_history_is_told(history):
    repo, commit, registered, when, runs, first = history
    (said,) = complaints(repo, "toy", registered, when, runs.assign(finished="2026-01-02T00:00:30Z"))
    assert said == "runs that toy judges had been begun before: ['aaa']"  # the clock of the run
    assert complaints(repo, "toy", registered, when + pd.Timedelta(1, "s"), runs)[0].endswith("00:00:01+00:00")
    assert complaints(repo, "toy", first, pd.Timestamp("2026-01-01T00:00:00Z"), runs) == [
        f"the text of toy is not that of {first}"  # a commit that does not have it
    ]
    commit(PAGE, "# Protocol\n\n---\n\n## 1. A (`toy`), an addition\n\nAnother rule.\n", "2026-01-04T00:00:00Z")
    assert complaints(repo, "toy", registered, when, runs) == [f"the text of toy is not that of {registered}"]
    late = commit(PAGE, (repo / PAGE).read_text() + "\n", "2026-01-05T00:00:00Z")
    told = complaints(repo, "toy", late, pd.Timestamp("2026-01-05T00:00:00Z"), runs)
    assert told[0] == f"{late} has runs that toy judges: ['aaa']" and len(told) == 2  # a text that came after its run


def test_a_rewritten_history_is_told(history):
    repo, _, registered, when, runs, _ = history
    git(repo, "checkout", "-q", "--orphan", "again")
    git(repo, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "squashed")
    assert complaints(repo, "toy", registered, when, runs) == [f"{registered} is no part of this history"]
    assert complaints(repo, "toy", "0000000", when, runs) == ["0000000 is no part of this history"]
