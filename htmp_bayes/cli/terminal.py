"""What the commands say: progress on a terminal, tables that fit, and text that a terminal can be shown."""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import typer

from htmp_bayes._errors import HTMPError, printable, reason

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Advance", "OutputError", "printable", "progress", "say", "show", "tell"]


class OutputError(HTMPError):
    """A standard output that nothing can be written to."""


Advance = Callable[[int, int, str], None]


@contextmanager
def progress(activity: str, quiet: bool) -> Iterator[Advance]:
    """Show a bar on standard error if that is a terminal, and nothing otherwise.

    Parameters
    ----------
    activity : str
        What goes on, in one word.
    quiet : bool
        Show nothing.

    Yields
    ------
    callable
        To be called as ``advance(done, total, name)`` with what comes next; with a total of 0 the name is that of an
        activity whose length is not known, in place of the one before.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    name_column = TextColumn("{task.fields[name]}", markup=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        name_column,
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(activity, total=None, name="")

        def advance(done: int, total: int, name: str) -> None:
            nonlocal task
            if total or not name:
                bar.update(task, completed=done, total=total, name=printable(name))
                return
            bar.remove_task(task)
            task = bar.add_task(name, total=None, name="")

        yield advance


def show(make_table: Callable[[int], "Table"]) -> None:
    """Print a table on standard output, made for the columns of the terminal; where there is none, for very many."""
    from rich.console import Console

    with _standard_output() as out:
        console = Console() if out.isatty() else Console(width=10_000, color_system=None)
        console.print(make_table(console.width))


def tell(text: str) -> None:
    """Print a text on standard output."""
    with _standard_output():
        typer.echo(text)


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Write to standard output: a reader who has seen enough is no error, and one that cannot be written to is."""
    if sys.stdout is None:
        raise OutputError(
            "Standard output is closed, and all else is done; use --quiet if nothing is to be shown."
        )
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _write_no_more()
    except OSError as error:
        _write_no_more()
        raise OutputError(
            f"Standard output cannot be written ({reason(error)}), and all else is done; send it elsewhere."
        ) from error


def _write_no_more() -> None:
    """Let what is still held for standard output go nowhere: it is written again when the program ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(sentence: str) -> None:
    """Say a sentence on standard error, wrapped between words if that is a terminal."""
    line = printable(sentence)
    if sys.stderr is not None and sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(
            line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    typer.echo(line, err=True)
