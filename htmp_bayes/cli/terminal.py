"""What the commands say: progress on a terminal, tables that fit, and text that a terminal can be shown."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from htmp_bayes._errors import printable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Advance", "printable", "progress", "show"]

Advance = Callable[[int, int, str], None]
_TWO_LINES_BELOW = 190
"""Columns that a row of the summary takes on one line."""


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
        To be called as ``advance(done, total, name)`` with what comes next.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    name_column = TextColumn("{task.fields[name]}", markup=False)
    columns = (TextColumn(activity), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), name_column)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(activity, total=None, name="")
        yield lambda done, total, name: bar.update(task, completed=done, total=total, name=printable(name))


def show(make_table: Callable[[bool], "Table"]) -> None:
    """Print a table on standard output, a row on one line if that is wide enough or no terminal."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=10_000, color_system=None)
    console.print(make_table(console.width >= _TWO_LINES_BELOW))
