"""Lists of eigenvalues that were computed elsewhere: CSV, JSON and Parquet.

A table has a column ``eigenvalue`` and, where it holds several layers, ``layer``; the longer side of the matrix is in
a column ``n`` or is said by the caller. JSON has a list of numbers, or a list of objects (or one) with ``eigenvalues``,
``n`` and, as may be, ``name``, ``kind``, ``zeros`` and ``dead``.
"""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.spectrum import Spectrum, SpectrumError

SUFFIXES = (".csv", ".json", ".parquet")
MOST_ROWS = 10**7
"""Eigenvalues that are read from a Parquet file: few bytes can stand for any number of rows."""

_COLUMN, _LAYER, _SIDE = "eigenvalue", "layer", "n"


def load_list(path: Path, n: int | None = None) -> list[Spectrum]:
    """Read the spectra of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file, with suffix ``.csv``, ``.json`` or ``.parquet``.
    n : int, optional
        Longer side of the matrix, for spectra of which the file does not say it.

    Returns
    -------
    list of Spectrum
        In the order of the file.

    Raises
    ------
    SpectrumError
        A ValueError, if the file is not of that form, or what it holds is no spectrum.
    """
    readers: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
        ".csv": _csv,
        ".json": _json,
        ".parquet": _parquet,
    }
    try:
        entries = readers[path.suffix.lower()](path)
        return [_spectrum(entry, path.stem, n) for entry in entries]
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}") from error
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError, csv.Error) as error:
        raise SpectrumError(
            f"{path} is not a list of eigenvalues ({reason(error)}); it needs a column 'eigenvalue', or in JSON "
            "a list of numbers or objects with 'eigenvalues'."
        ) from error


def _spectrum(entry: dict[str, Any], stem: str, n: int | None) -> Spectrum:
    name = str(entry.get("name", stem))
    side = entry.get("n", n)
    if side is None:
        raise SpectrumError(f"{name} has no n, the longer side of its matrix; add it to the file or give n.")
    values = np.asarray(entry["eigenvalues"])
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{name} has entries that are no numbers")
    known = {key: entry[key] for key in ("kind", "zeros", "dead") if key in entry}
    return Spectrum(values, _whole(side), name=name, meta={"file": stem}, **known)


def _whole(value: Any) -> int:
    number = float(value)
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError(f"n = {value!r} is no whole number")
    return int(number)


def _csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = [cell.strip() for cell in next(rows, [])]
        if _COLUMN not in header and len(header) == 1 and _is_number(header[0]):  # a bare column of numbers
            values = [float(header[0]), *(float(row[0]) for row in rows if row)]
            return [{"eigenvalues": values}]
        columns: dict[str, list[Any]] = {name: [] for name in header}
        for row in rows:
            for name, cell in zip(header, row, strict=True) if row else ():
                columns[name].append(cell)
    return _layers({**columns, _COLUMN: list(map(float, columns[_COLUMN]))})


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, list) and content and not isinstance(content[0], dict):
        return [{"eigenvalues": content}]
    return content if isinstance(content, list) else [{**content}]


def _parquet(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise SpectrumError(
            "Parquet is read by pyarrow, which is not installed; install htmp-bayes[parquet], or write CSV."
        ) from error
    try:
        with path.open("rb") as file:
            content = pyarrow.parquet.ParquetFile(file)
            if content.metadata.num_rows > MOST_ROWS:
                raise ValueError(
                    f"it says that it has {content.metadata.num_rows} rows, more than {MOST_ROWS}"
                )
            names = set(content.schema_arrow.names) & {_COLUMN, _LAYER, _SIDE}
            return _layers(content.read(columns=sorted(names)).to_pydict())
    except pyarrow.ArrowException as error:
        raise ValueError(reason(error)) from error


def _layers(columns: dict[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Gather the rows of each layer."""
    values = list(columns[_COLUMN])
    names = list(columns.get(_LAYER, [None] * len(values)))
    sides = list(columns.get(_SIDE, [None] * len(values)))
    layers: dict[Any, dict[str, Any]] = {}
    for name, side, value in zip(names, sides, values, strict=True):
        layer = layers.setdefault(name, {"eigenvalues": [], "n": side, "name": name})
        if layer["n"] != side:
            raise ValueError(f"layer {name} has two values of n")
        layer["eigenvalues"].append(value)
    return [{key: item for key, item in layer.items() if item is not None} for layer in layers.values()]
