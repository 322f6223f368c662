"""Setting up: for which Python, and when an environment is made anew."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import one_sentence

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock")


def python(folder: Path, version: str) -> Path:
    """A program that says of itself what Python of that version says."""
    found = folder / f"python{version}"
    major, minor = version.split(".")
    program = f"import sys; sys.version_info = ({major}, {minor}, 0); exec(sys.argv[1])"
    found.write_text(f'#!/bin/sh\nexec python3 -c "{program}" "$2"\n')
    found.chmod(0o755)
    return found


@pytest.fixture
def clone(tmp_path):
    """A folder with what `make` reads, in a path with a space and letters that ASCII lacks."""
    folder = tmp_path / "my clöne"
    (folder / ".venv").mkdir(parents=True)
    for name in ("Makefile", *LOCKS):
        shutil.copy(ROOT / name, folder)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", *arguments, ".venv/ready"], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(("version", "refused"), [("3.10", True), ("3.11", False), ("3.14", False), ("3.15", True)])
def test_another_python_is_refused_in_a_sentence(clone, tmp_path, version, refused):
    program = python(tmp_path, version)
    said = make(clone, f"PYTHON={program}").stderr
    assert (f"{program} is Python {version}, but 3.11 to 3.14 are needed; make PYTHON=python3.12" in said) is refused


def test_an_environment_is_made_anew_where_python_or_the_place_changed(clone, tmp_path):
    program = python(tmp_path, "3.12")
    made, ready = clone / ".venv" / "made", clone / ".venv" / "ready"
    made.write_text(f"{os.path.realpath(clone / '.venv')} 3.12")
    ready.touch()
    assert make(clone, "-q", f"PYTHON={program}").returncode == 0
    assert make(clone, "-q", f"PYTHON={python(tmp_path, '3.13')}").returncode == 1
    moved = clone.rename(tmp_path / "moved")
    assert make(moved, "-q", f"PYTHON={program}").returncode == 1
    assert "venv --clear .venv" in make(moved, "-n", f"PYTHON={program}").stdout


def test_text_is_text_in_every_checkout():
    """A checkout with CRLF could not run `.ci/run`."""
    assert (ROOT / ".gitattributes").read_text().splitlines()[0] == "* text=auto eol=lf"


def test_a_python_without_the_packages_says_where_they_are():
    said = subprocess.run([sys.executable, "-S", "-m", "lib", "status"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 1 and one_sentence(said.stderr) and "No module named" in said.stderr


@pytest.mark.parametrize("megabytes", [300, 900, 1_200])
def test_too_little_memory_to_begin_with_is_said_in_a_sentence(megabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)

    command = [sys.executable, "-m", "lib", "status"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit)
    assert said.returncode == 1 and one_sentence(said.stderr) and "`ulimit -v" in said.stderr


def test_an_attempt_to_install_it_as_a_package_says_what_to_do_instead():
    said = subprocess.run([sys.executable, "setup.py", "-q", "bdist_wheel"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 1 and said.stderr.startswith("This is not a package to install.")
