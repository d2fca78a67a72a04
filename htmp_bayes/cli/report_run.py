"""`htmp-bayes report`: the HTML report of a finished run."""

import csv
import shlex
from collections.abc import Callable
from pathlib import Path

from htmp_bayes._errors import HTMPError, reason
from htmp_bayes.runs import read_run

COMPARISON = "compare_laws.csv"

Rows = list[dict[str, str]]


def report_run(
    folder: Path, out: Path | None = None, progress: Callable[[int, int, str], None] | None = None
) -> Path:
    """Write the report of the layers that a run holds.

    Parameters
    ----------
    folder : pathlib.Path
        What ``htmp-bayes fit --out`` made.
    out : pathlib.Path, optional
        The file to write; ``report.html`` in the folder of the run by default.
    progress : callable, optional
        Called as ``progress(done, total, name)`` with the layer that is drawn next.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    HTMPError
        A ValueError, if the folder is not that of a run, a file of it cannot be read, or the report cannot be
        written.
    """
    from htmp_bayes.reporting import report

    run = read_run(folder)
    if not run:
        raise HTMPError(f"{folder} holds no finished layer yet; let the run finish one first.")
    return report(
        run.network if run.pooled else run,
        folder / "report.html" if out is None else out,
        command=shlex.join(run.command),
        comparisons={}
        if run.pooled
        else {name: _comparison(run.file_of(name).parent / COMPARISON) for name in run},
        settings={f"run: {key}": value for key, value in run.settings.items()},
        progress=progress,
    )


def _comparison(path: Path) -> Rows:
    """Rows of a comparison of laws, where there is one."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{str(key): str(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise HTMPError(f"{path} cannot be read ({reason(error)}); remove it or compare anew.") from error
