"""Progress: how far a sweep is, and about how long it will take.

Notable features:
- on a terminal a line that is written anew, elsewhere (a log, a notebook, a job of a cluster) a line a minute;
- runs count by what they cost, and the time left rests first on that and then more and more on the speed;
- what is said on the way goes through `say`: nobody may be left to hear it, and training goes on.
"""

import contextlib
import os
import shutil
import sys
import time
import warnings
from collections.abc import Mapping

from lib.run import Run
from lib.stats import words

PAUSE, ALONE = 0.5, 60.0  # seconds between two lines where somebody watches, and where nobody does
TRUSTED = 60.0  # seconds of training after which speed and reckoned costs count the same


def say(text: str, end: str = "\n") -> None:
    """Writes to standard error, if that can be had."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it is full or gone, closed, or None
        sys.stderr.write(text + end)
        sys.stderr.flush()


class Progress:
    """Progress over runs, shown while the context lasts.

    Parameters
    ----------
    costs : seconds that a core would train each run.
    cores : that will train, or 0 where something else will, whose speed only time tells.
    """

    def __init__(self, costs: Mapping[Run, float], cores: int = 0):
        self.updates = {run.id: run.updates for run in costs}
        self.left = {run.id: float(cost) for run, cost in costs.items()}  # seconds of a core
        self.unit = {run.id: cost / run.updates for run, cost in costs.items()}
        self.total, self.cores = sum(self.left.values()), cores
        self.at: dict[str, int] = {}
        self.done = self.before = 0.0  # seconds of a core, all and those that were done before
        self.finished, self.at_work, self.got_on = 0, "", False
        self.watched = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
        self.started = self.shown = time.monotonic()

    def __enter__(self) -> "Progress":
        self.formatted = warnings.formatwarning
        warnings.formatwarning = lambda *what, **more: self._blank() + self.formatted(*what, **more)
        if self.watched:
            self._show()
        return self

    def __exit__(self, *_) -> None:
        self._show()
        if self.watched:
            say("")
        warnings.formatwarning = self.formatted

    def tell(self, run: str, iteration: int, at_work: str) -> None:
        """Takes in the iteration that a run has reached, and what is at work; an empty one of them is no news."""
        self.at_work = at_work or self.at_work
        if run:
            done = self.unit[run] * (iteration - self.at.get(run, 0))
            self.done, self.left[run] = self.done + done, self.left[run] - done
            if run not in self.at:  # resumed: what was done before counts as done, not as speed
                self.before += done
            self.got_on |= iteration > self.at.get(run, iteration)
            self.finished += self.at.get(run) != iteration == self.updates[run]
            self.at[run] = iteration
        if time.monotonic() - self.shown > (PAUSE if self.watched else ALONE):
            self._show()

    def seconds(self) -> float | None:
        """About how long what is left will take, None while nothing tells."""
        wall, done = time.monotonic() - self.started, self.done - self.before
        if not self.cores and (wall < TRUSTED or not done):
            return None
        speed = (done + self.cores * TRUSTED) / (wall + TRUSTED) if self.cores else done / wall
        return max(sum(self.left.values()), self.cores * max(self.left.values())) / speed

    def __str__(self) -> str:
        share = f"training: {100 * self.done / self.total:.0f} %"
        parts = [share, f"{self.finished} of {words.count(len(self.updates), 'run')} done"]
        if (seconds := self.seconds()) and self.finished < len(self.updates):
            parts.append(f"about {words.duration(seconds)} left")
        if self.at_work:
            parts.append(f"{self.at_work} at work")
        if self.watched:  # what is told first matters most, and a line that is too long could not be written anew
            while len(", ".join(parts)) >= _columns() and len(parts) > 1:
                parts.pop()
        return ", ".join(parts)

    def _show(self) -> None:
        self.shown = time.monotonic()
        say(self._blank() + str(self), end="" if self.watched else "\n")

    def _blank(self) -> str:
        """Makes room where the line is."""
        return f"\r{'':{_columns() - 1}}\r" if self.watched else ""


def _columns() -> int:
    with contextlib.suppress(OSError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return shutil.get_terminal_size().columns
