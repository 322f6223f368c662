"""What every chapter does: begin with one call, then show tables, sentences and figures that rest on its runs.

Whatever rests on runs is given as a function, which is called when there are any; where there are none, one sentence
says so in its place. Numbers are printed by the cell, so that a chapter reads in any notebook viewer as in the book.
"""

import contextlib
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd
from IPython.display import Markdown

from lib import experiments
from lib.book import render
from lib.errors import Lacking, some
from lib.experiments import claims
from lib.settings import Settings, of_notebook, settle
from lib.stats import words
from lib.store import Store
from lib.train import lab

UNTRAINED = (
    "The store has no run for this page yet, which is why most of it is empty. The parameter `seeds` makes some: with "
    "`-p seeds 2 -p iterations 500` that takes minutes."
)
NOTHING_TO_SUM_UP = (
    "The store has no run for this page yet, which is why most of it is empty. It sums up other pages, which make "
    "their own."
)


@dataclass(frozen=True)
class Chapter:
    """The runs of a chapter and how to read them.

    `runs` (`Store.runs`, with the labels of the sweep) are those to show; `uncounted` are in the store as well, but not
    yet to be looked at, by the protocol; `report` says in a sentence what is there, what was trained and what lacks.
    """

    settings: Settings
    runs: pd.DataFrame
    uncounted: pd.DataFrame
    report: str

    def progress(self) -> str:
        """How many of the registered runs are judged, in a sentence; `report` where the reader chose the runs."""
        if self.settings.seeds:
            return self.report
        waiting = f"; {len(self.uncounted):,} finished runs wait for the next one" if len(self.uncounted) else ""
        return (
            f"{len(self.runs):,} of {len(self.settings.sweep()):,} planned runs are used here. Runs are judged only "
            f"when a number of seeds that was fixed beforehand is complete{waiting}."
        )

    def shown(self, runs: pd.DataFrame) -> str:
        """How many runs a chapter on a part of the replication shows; `report` where the reader chose the runs."""
        if self.settings.seeds:
            return self.report
        return f"{len(runs)} runs, at numbers of seeds that were fixed beforehand ({{doc}}`replication`)."

    @cached_property
    def results(self) -> Any:
        """What the experiment makes of the runs, its `Results`; also written beside the figures' data, as JSON."""
        found = experiments.load(self.settings.experiment).results(self)
        render.save_results(found, self.settings.experiment)
        return found

    def finding(self, text: str, **rests_on: str) -> None:
        """Show what an author `typed` of the `results`, or what the runs lack for it.

        Parameters
        ----------
        text : Markdown in which `{name}` is a field of the results.
        rests_on : words of the results on which it rests, as in `word=found.WORD`.
        """
        show(lambda: say(typed(text, rests_on, self.results)))

    def of(self, experiment: str) -> "Chapter":
        """The runs of another experiment in the same store, as far as they may be judged; nothing is trained."""
        return read(settle({"store": self.settings.store}, experiment))

    def curves(self, runs: pd.DataFrame) -> pd.DataFrame:
        """The learning curves of `runs` (`Store.curves`)."""
        return Store(self.settings.store).curves(runs)

    def items(
        self, runs: pd.DataFrame, iterations: Iterable[int] | None = None, groups: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """The scores of the single prompts of `runs` (`Store.items`)."""
        return Store(self.settings.store).items(runs, iterations, groups)

    def last(self, runs: pd.DataFrame, groups: Iterable[str] | None = None) -> pd.DataFrame:
        """The same at the last iteration."""
        return self.items(runs, [self.settings.iterations], groups)


def begin(experiment: str, given: Mapping, tasks: Collection[str] = (), trains: bool = True) -> Chapter:
    """Checks the parameters of a chapter, trains what lacks of its runs, and reads them.

    Nothing is trained but what `seeds` or a small `profile` asks for; where there is no run yet, it says so.

    Parameters
    ----------
    experiment : whose runs it shows, a name of `experiments.names`.
    given : `globals()`, after the parameters cell (`settings.of_notebook`).
    tasks : the tasks that the chapter is about, unless it is given others; all of the experiment's by default.
    trains : False for a chapter that sums up what others train.
    """
    given = of_notebook(given, experiment)
    settings = settle(given, experiment, tasks)
    settings = replace(settings, trains=trains and settings.trains)
    render.enable(_command(experiment, {"tasks": list(tasks)} | {k: v for k, v in given.items() if v}))
    here = read(settings)
    if here.runs.empty and experiments.load(experiment).TASKS:
        say(UNTRAINED if trains else NOTHING_TO_SUM_UP)
    return here


def read(settings: Settings) -> Chapter:
    """The runs that settings ask for, as far as they may be judged; see `begin`."""
    experiment = settings.experiment
    if not experiments.load(experiment).TASKS:
        empty = pd.DataFrame()
        return Chapter(settings, empty, empty, "")
    outcome = lab.gather(settings)
    runs = outcome.runs
    if settings.seeds is None:
        runs = claims.counted(experiment, settings.sweep(), runs)
    return Chapter(settings, runs, outcome.runs[~outcome.runs["run"].isin(runs["run"])], outcome.report())


def _command(experiment: str, given: Mapping) -> str:
    """What makes the runs of a chapter, from the command line."""
    names = ["profile", "tasks", "widths", "seeds", "iterations", *experiments.factors(experiment)]
    asked = {name: given[name] for name in names if given.get(name)}
    spelt = [(name, shlex.quote(",".join(map(str, v)) if isinstance(v, list) else str(v))) for name, v in asked.items()]
    return " ".join([f"python -m lib run {experiment}", *(f"--{k.replace('_', '-')} {v}" for k, v in spelt)])


def say(text: str) -> None:
    """Show Markdown."""
    render.emit(Markdown(text), text)


def show(make: Callable[[], None]) -> None:
    """Call `make`, which shows something, or say what it lacks: the one place where lacking runs become a sentence."""
    try:
        make()
    except Lacking as lacking:
        render.emit(Markdown(str(lacking)), str(lacking), {"lacking": True})  # which tests look for


def tell(runs: pd.DataFrame, text: Callable[[], str]) -> None:
    """Show the Markdown that `text` makes of `runs`, or what they lack."""

    def told() -> None:
        some(runs)
        say(text())

    show(told)


def optional(text: Callable[[], str]) -> str:
    """The Markdown that `text` makes, or none where it lacks runs: for what stands beside something else."""
    with contextlib.suppress(Lacking):
        return text()
    return ""


def points(runs: pd.DataFrame, *texts: Callable[[], str]) -> None:
    """Show the Markdown that each of `texts` makes of `runs`, one below the other, without those that lack some."""
    tell(runs, lambda: "\n".join(some([made for text in texts if (made := optional(text))])))


def typed(text: str, rests_on: Mapping[str, str], *results: Any) -> str:
    """What an author typed, with the numbers of results, where their criteria came to the words that it rests on.

    Parameters
    ----------
    text : Markdown in which `{name}` is a field of the results (`str.format`), of the first that has it.
    rests_on : fields of the results, and the words that they had of the book's own runs.
    results : frozen dataclasses, such as `Chapter.results`.

    Raises
    ------
    Lacking
        Where a number that the text has cannot be had from the runs, or where they say something else.
    """
    fields = {name: value for found in reversed(results) for name, value in vars(found).items()}
    if any(fields[name] != word for name, word in rests_on.items()):
        raise Lacking(words.OTHERWISE)
    return text.strip().format(**fields)


def table(runs: pd.DataFrame, make: Callable[[], pd.DataFrame]) -> None:
    """Show the table that `make` makes of `runs`."""
    tell(runs, lambda: markdown(make()))


def markdown(rows: pd.DataFrame) -> str:
    """A table as Markdown."""
    return rows.to_markdown(index=False, disable_numparse=True)


def figure(
    name: str, runs: pd.DataFrame | None, make: Callable[[], tuple[alt.TopLevelMixin, pd.DataFrame]],
    experiment: str = "",
) -> None:  # fmt: skip
    """Show the chart that `make` makes of `runs`, or what they lack, with its data as the file `name`.

    `runs` is None for a figure that shows no runs; `experiment` is whose they are, if not the chapter's own.
    """

    def drawn() -> None:
        if runs is not None:
            some(runs)
        chart, data = make()
        render.figure(chart, data, name=name, runs=runs, made=_command(experiment, {}) if experiment else "")

    show(drawn)
