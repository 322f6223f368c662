"""Progress: a line a minute in a log, one line on a terminal, an estimate that is right from the first."""

import io
import sys
import warnings

import pytest

from lib.run import Run
from lib.train import progress
from lib.train.progress import Progress

RUNS = [Run("arithmetic", 6, seed, iterations=1_000) for seed in range(10)]


class Stream(io.StringIO):
    """Standard error, on a terminal or not."""

    def __init__(self, terminal: bool):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """A clock that stands still until its first item is changed."""
    found = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: found[0])
    return found


def trained(now: list[float], seconds: float = 600, cores: int = 2, speed: float = 1.0) -> Progress:
    """Ten runs that cost a core so long, trained one after the other in steps of a second; as it is in the middle."""
    with Progress(dict.fromkeys(RUNS, seconds), cores) as shown:
        for run in RUNS:
            for second in range(int(seconds / speed) + 1):
                now[0] += 1
                shown.tell(run.id, min(1_000, int(1_000 * second * speed / seconds)), "2 cores")
            shown.tell(run.id, 1_000, "2 cores")
    return shown


def test_a_log_gets_a_line_a_minute(now, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := Stream(terminal=False))
    trained(now)
    lines = log.getvalue().splitlines()
    assert 98 <= len(lines) <= 102 and "\r" not in log.getvalue()  # 6,000 seconds
    assert lines[-1] == "training: 100 %, 10 of 10 runs done, 2 cores at work"
    assert lines[1].startswith("training: 2 %, 0 of 10 runs done, about ") and " left, 2 cores" in lines[1]


def test_a_terminal_has_one_line_that_fits(now, monkeypatch):
    monkeypatch.setattr(progress, "_columns", lambda: 40)
    monkeypatch.setattr(sys, "stderr", terminal := Stream(terminal=True))
    trained(now)
    assert terminal.getvalue().count("\n") == 1
    written = terminal.getvalue().rstrip("\n").split("\r")
    assert max(map(len, written)) < 40 and written[-1] == "training: 100 %, 10 of 10 runs done"


def test_a_warning_is_not_glued_to_the_line(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Stream(terminal=True))
    before = warnings.formatwarning
    with Progress(dict.fromkeys(RUNS, 1.0)):
        line, text = terminal.getvalue().split("\r")[-1], warnings.formatwarning("slow", UserWarning, "file.py", 1)
        room, blank, warning = text.split("\r")
        assert room == "" and len(blank) >= len(line) > 0 and blank.isspace() and "slow" in warning
    assert warnings.formatwarning is before


def test_the_first_estimate_is_what_was_reckoned_and_the_later_ones_are_what_was_measured(now):
    shown = Progress(dict.fromkeys(RUNS, 600.0), 2)
    assert shown.seconds() == pytest.approx(3_000)
    assert Progress(dict.fromkeys(RUNS[:1], 600.0), 2).seconds() == pytest.approx(600)  # one run takes one core
    for run in RUNS[:5]:
        shown.tell(run.id, 0, "2 cores")
        now[0] += 2_400  # a quarter of the speed of both cores
        shown.tell(run.id, 1_000, "2 cores")
    assert shown.seconds() == pytest.approx(5 * 2_400, rel=0.05)
    assert Progress(dict.fromkeys(RUNS, 600.0)).seconds() is None  # a GPU


def test_what_was_done_before_is_no_speed(now, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := Stream(terminal=False))
    with Progress({RUNS[0]: 600.0}, 1) as shown:
        shown.tell(RUNS[0].id, 750, "1 core")
        assert shown.seconds() == pytest.approx(150) and not shown.got_on
        shown.tell(RUNS[0].id, 1_000, "1 core")
    assert log.getvalue() == "training: 100 %, 1 of 1 run done, 1 core at work\n" and shown.got_on


def fail(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("gone", ["none", "closed", "full"])
def test_training_goes_on_where_nobody_can_hear_of_it(now, monkeypatch, gone):
    stream = Stream(terminal=False)
    if gone == "closed":
        stream.close()
    stream.write = fail
    monkeypatch.setattr(sys, "stderr", None if gone == "none" else stream)
    assert trained(now).finished == 10
