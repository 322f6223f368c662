"""The command line: its commands, and what becomes of their errors."""

import errno
import io
import os
import sys
import warnings
from collections.abc import Iterable

import click

from lib import experiments, settings
from lib import sweep as sweeps
from lib.errors import UserError, number, shown, whole
from lib.experiments import claims
from lib.experiments import pending as pending_runs
from lib.stats import words
from lib.store import Store
from lib.store.files import write
from lib.train import lab

HOURS = 10_000  # the longest time budget
SIZED = ("profile", "tasks", "widths", "seeds", "iterations")  # parameters that decide which runs are meant


def seconds(text: str | None) -> float | None:
    """Seconds from text such as "90s", "9m" or "1.5h"."""
    if text is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        value = float(text[:-1]) * units[text[-1]]
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(f"time-budget is {shown(text)}, but it must be a number with s, m or h, such as 9m.") from error
    if not 0 < value <= 3600 * HOURS:  # nan is not, either
        raise UserError(f"time-budget is {shown(text)}, but it must be more than nothing and at most {HOURS:,}h.")
    return value


def _number(context: click.Context, parameter: click.Parameter, text: str | None) -> int | str | None:
    return None if text is None else number(text)


def options(command, own: Iterable[str] = ()):
    """The notebooks' parameters as options, and an experiment's `own`; lists are written with commas."""
    command = click.option("--store", default="results", show_default=True, help="Folder of the runs.")(command)
    command = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")(command)
    for name, text in (("iterations", "Updates a run."), ("seeds", "Runs a cell.")):
        command = click.option(f"--{name}", callback=_number, help=f"{text} [default: the profile's]")(command)
    for name in own:
        command = click.option(f"--{name.replace('_', '-')}", help="A list. [default: the experiment's]")(command)
    command = click.option("--widths", help="Such as 14,28. [default: the profile's]")(command)
    command = click.option("--tasks", help="Such as arithmetic,facts. [default: the experiment's]")(command)
    profiles = ", ".join(experiments.PROFILES)
    return click.option("--profile", help=f"{profiles}. [default: quick; for the replication, full]")(command)


def _trains(command):
    """The options of a command that trains."""
    for option in (
        click.option("--time-budget", help="Stop cleanly after this long, such as 9m."),
        click.option("--cluster", default="", envvar="RAY_ADDRESS", help="Address of a Ray cluster, or local."),
        click.option("--cores", callback=_number, help="Of this machine, at most. [default: all that it may use]"),
        click.option("--long", is_flag=True, help="On a CPU, train also what takes it more than 12 hours."),
    ):
        command = option(command)
    return command


def _train(
    sweep, chosen: settings.Settings, *, time_budget: str | None, cluster: str, long: bool, cores: int | None
) -> None:
    budget = seconds(time_budget)
    cores = None if cores is None else whole("cores", cores, (1, 10_000))
    click.echo(
        lab.run(
            sweep, chosen.store, device=chosen.device, time_budget=budget, cluster=cluster, long=long, cores=cores
        ).report()
    )


@click.group()
def main() -> None:
    """Train, look up and render the replication of Too Big to Think (arXiv:2506.09099)."""


class _Experiments(click.Group):
    """A command for each experiment, with its own parameters as options."""

    def list_commands(self, context: click.Context) -> list[str]:
        return experiments.trained()

    def get_command(self, context: click.Context, name: str) -> click.Command:
        module = experiments.load(name)
        if not module.TASKS:
            raise experiments.unknown(name)

        def train(time_budget: str | None, cluster: str, long: bool, cores: int | None, **given) -> None:
            chosen = settings.settle(given, name, here=not cluster)
            _train(chosen.sweep(), chosen, time_budget=time_budget, cluster=cluster, long=long, cores=cores)

        about = (module.__doc__ or name).splitlines()[0]
        return click.command(name, help=about)(options(_trains(train), experiments.factors(name)))


@main.group(cls=_Experiments, subcommand_metavar="EXPERIMENT [OPTIONS]", invoke_without_command=True)
@click.pass_context
def run(context: click.Context) -> None:
    """Train the runs of EXPERIMENT that the store lacks."""
    if context.invoked_subcommand is None:
        raise experiments.unknown("")


@main.command()
@_trains
@click.option("--store", default="results", show_default=True, help="Folder of the runs.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def pending(store: str, device: str, **how) -> None:
    """Train what the store lacks of all that is registered, in the order of its worth."""
    chosen = settings.settle({"store": store, "device": device}, "found", here=not how["cluster"])
    _train(pending_runs.sweep(), chosen, **how)


@main.command()
@click.argument("experiment", required=False)
@options
def status(experiment: str | None, **given) -> None:
    """Show what the store holds of each experiment, what waits for its look and what lacks; of EXPERIMENT by cells."""
    for name in [experiment] if experiment else experiments.trained():
        chosen = settings.settle(given if any(given[k] for k in SIZED) else given | {"profile": "full"}, name)
        sweep = chosen.sweep()
        outcome = lab.look(sweep, chosen.store)
        runs = outcome.runs
        waits = len(runs) - len(claims.counted(name, sweep, runs)) if chosen.seeds is None and len(runs) else 0
        click.echo(_told(name, outcome, f", {waits:,} of them wait for their look" if waits else ""))
        if experiment:
            every = ["task", "width", *chosen.factors, *sweeps.labels(sweep)]
            by = getattr(experiments.load(name), "CELLS", every)
            cells = sweep.assign(there=sweep["run"].isin(runs["run"])).groupby(by, sort=False)["there"]
            for cell in cells.agg(["sum", "count"]).reset_index().itertuples(index=False):
                key = cell._replace(width=words.size_name(cell.width)) if "width" in by else cell
                click.echo(f"  {' '.join(f'{value!s:10}' for value in key[:-2])} {cell[-2]:4} of {cell[-1]:4}")
    if not any([experiment, *(given[k] for k in SIZED)]):
        click.echo(_told("all registered", lab.look(pending_runs.sweep(), given["store"])))


def _told(name: str, outcome: lab.Outcome, waits: str = "") -> str:
    there, lacking = len(outcome.runs), sweeps.rows(outcome.missing)
    return f"{name:15}{there:6,} of {there + len(lacking):6,} runs{waits}{lab.lacking(lacking)}"


@main.command()
@click.argument("store", default="results")
def table(store: str) -> None:
    """Write one table of all runs of STORE beside them, as runs.parquet."""
    held, data = Store(store), io.BytesIO()
    runs, path = held.runs(), held.folder / "runs.parquet"
    asked = {
        name: set(settings.settle({"profile": "full"}, name).sweep()["run"])
        for name in experiments.trained()
        if name != "causes"  # which is others together
    }
    runs["experiments"] = [" ".join(name for name, ids in asked.items() if run in ids) for run in runs["run"]]
    runs.to_parquet(data, index=False)
    write(path, data.getvalue())
    click.echo(f"{len(runs):,} runs are listed in {click.format_filename(str(path))}.")


@main.command()
@click.argument("other_store")
@click.option("--store", default="results", show_default=True, help="Folder of the runs.")
def merge(other_store: str, store: str) -> None:
    """Copy the runs of OTHER_STORE that the store lacks."""
    other = Store(other_store)
    if not other.ids():
        raise UserError(f"OTHER_STORE is {shown(other_store)}, but it must be a store with at least one run.")
    copied, wrong = Store(store).merge(other)
    click.echo(
        f"{copied} runs were copied from {click.format_filename(other_store)} to {click.format_filename(store)}."
    )
    if wrong:
        for sentence in wrong:
            click.echo(sentence, err=True)
        raise UserError(f"{len(wrong)} runs were left out; the lines above say why.")


@main.command()
@click.argument("store", default="results")
def check(store: str) -> None:
    """Verify every file of STORE, and against the digests in its runs.sha256, where it has them."""
    held, name = Store(store), click.format_filename(store)
    if not held.ids():
        raise UserError(f"STORE is {name!r}, but it must be a store with at least one run.")
    wrong, unlisted = held.check()
    for sentence in wrong:
        click.echo(sentence, err=True)
    if wrong:
        raise UserError(f"{len(wrong)} files of {name} are not known to be sound; the lines above say why.")
    lacks = f"; {len(unlisted)} of them are not listed in runs.sha256, such as {unlisted[0]}" if unlisted else ""
    click.echo(f"{len(held.ids())} runs in {name} are sound{lacks}.")


@main.command()
@click.argument("run_id")
@click.option("--store", default="results", show_default=True, help="Folder of the runs.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def rerun(run_id: str, store: str, device: str) -> None:
    """Train the run RUN_ID once more and tell whether it came out the same; the store is left as it is."""
    kept = Store(store)
    if run_id not in kept.ids():
        name = click.format_filename(store)
        example = f", such as {min(kept.ids())}" if kept.ids() else ", which has none"
        raise UserError(f"RUN_ID is {shown(run_id)}, but it must be the id of a run in {name}{example}.")
    device = settings.settle({"device": device}, "capacity").device
    click.echo(lab.rerun(kept, run_id, device))


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def book(arguments: tuple[str, ...]) -> None:
    """Run the notebooks NAME..., or all, and keep the results for the book: [NAME]... [-p PARAMETER VALUE]..."""
    from lib.book.notebooks import main as run_notebooks  # papermill takes seconds to load

    run_notebooks(list(arguments), standalone_mode=False)


def call() -> int | str:
    """Runs the command line; returns its exit status, or the sentence to fail with."""
    warnings.formatwarning = lambda message, *_: f"{message}\n"
    try:
        main(standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        return f"Error: {error}"
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return f"Error: {error.format_message()}"
    except click.Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return f"Error: What there is to say cannot be written ({error.strerror})."
    return 0
