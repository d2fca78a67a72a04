"""`htmp-bayes report`: the HTML report of a finished run."""

import csv
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from htmp_bayes._errors import HTMPError, reason
from htmp_bayes._results import opened_result
from htmp_bayes.cli.run_folder import POSTERIOR
from htmp_bayes.cli.run_record import RECORD, read_record

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

    record = _record(folder)
    # In the order of the files, which is not that in which several jobs finished.
    order = [name for name in record["inputs"] if name in record["layers"]] or list(record["layers"])
    layers = {name: folder / record["layers"][name]["folder"] for name in order}
    if not layers:
        raise HTMPError(f"{folder} holds no finished layer yet; let the run finish one first.")
    results = {name: opened_result(place / POSTERIOR) for name, place in layers.items()}
    try:
        return report(
            results,
            folder / "report.html" if out is None else out,
            command=shlex.join(record["command"]),
            comparisons={name: _comparison(place / COMPARISON) for name, place in layers.items()},
            settings={f"run: {key}": value for key, value in record["settings"].items()},
            progress=progress,
        )
    finally:
        for result in results.values():
            result.close()


def _record(folder: Path) -> dict[str, Any]:
    try:
        return read_record(folder / RECORD)
    except OSError as error:
        raise HTMPError(
            f"{folder} is not the folder of a run ({RECORD}: {reason(error)}); pass what `htmp-bayes fit --out` made."
        ) from error


def _comparison(path: Path) -> Rows:
    """Rows of a comparison of laws, where there is one."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{str(key): str(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise HTMPError(f"{path} cannot be read ({reason(error)}); remove it or compare anew.") from error
