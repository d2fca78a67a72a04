"""Lists of eigenvalues that were computed elsewhere: CSV, JSON and Parquet.

A table has a column ``eigenvalue`` and, where it holds several layers, ``layer``; the longer side of the matrix is in
a column ``n`` or is said by the caller, and ``kind``, ``zeros`` and ``dead`` may be columns too. Each further column
(``model``, ``epoch``, ``step``) tells spectra apart: they get a name and an entry of ``meta`` by its values. JSON has
a list of numbers, or a list of objects (or one) with ``eigenvalues``, ``n`` and, as may be, ``name``, ``kind``,
``zeros``, ``dead`` and further values of that sort.
"""

import csv
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.spectrum import MIN_EIGENVALUES, Spectrum, SpectrumError

SUFFIXES = (".csv", ".json", ".parquet")
MOST_ROWS = 10**7
"""Eigenvalues that are read from a Parquet file: few bytes can stand for any number of rows."""

MOST_COLUMNS = 20
"""Columns of a Parquet file that are read: a table of spectra has a handful."""

_BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError, csv.Error)
_COLUMN, _LAYER = "eigenvalue", "layer"
_SAME_IN_A_SPECTRUM = ("n", "kind", "zeros", "dead")


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
        return [_spectrum(entry, path.stem, n) for entry in _told_apart(entries, path.stem)]
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}") from error
    except _BROKEN as error:
        raise SpectrumError(
            f"{path} is not a list of eigenvalues ({reason(error)}); it needs a column 'eigenvalue', or in JSON "
            "a list of numbers or objects with 'eigenvalues'."
        ) from error


def _told_apart(entries: list[dict[str, Any]], stem: str) -> list[dict[str, Any]]:
    """Name each spectrum, with the values in front of it that are not the same for all of them."""
    known = {"eigenvalues", "name", *_SAME_IN_A_SPECTRUM}
    labels = [{key: entry[key] for key in entry.keys() - known if _is_plain(entry[key])} for entry in entries]
    varying = [
        key for key in dict.fromkeys(key for entry in entries for key in entry)
        if len({label.get(key) for label in labels}) > 1
    ]  # fmt: skip
    if varying and min(len(entry["eigenvalues"]) for entry in entries) < MIN_EIGENVALUES:
        raise SpectrumError(
            f"the values of {', '.join(map(repr, varying))} make {len(entries)} spectra of it, and one of fewer than "
            f"{MIN_EIGENVALUES} eigenvalues; leave out what does not tell spectra apart."
        )
    named = []
    for entry, label in zip(entries, labels, strict=True):
        before = [_in_a_name(key, label[key]) for key in varying if key in label]
        name = ".".join([*before, str(entry.get("name", stem))])
        named.append({**entry, "name": name, "meta": {key: _number(value) for key, value in label.items()}})
    return named


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and value != ""


def _number(value: Any) -> Any:
    """Turn the text of a number into the number."""
    if not (isinstance(value, str) and _is_number(value)) or not math.isfinite(float(value)):
        return value
    return int(float(value)) if float(value).is_integer() else float(value)


def _in_a_name(key: str, value: Any) -> str:
    return str(value) if isinstance(_number(value), str) else f"{key}{value}"


def _spectrum(entry: dict[str, Any], stem: str, n: int | None) -> Spectrum:
    name, side = entry["name"], entry.get("n", n)
    if side is None:
        raise SpectrumError(f"{name} has no n, the longer side of its matrix; add it to the file or give n.")
    values = np.asarray(entry["eigenvalues"])
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{name} has entries that are no numbers")
    known: dict[str, Any] = {key: _whole(entry[key]) for key in ("zeros", "dead") if key in entry}
    known |= {"kind": entry["kind"]} if "kind" in entry else {}
    return Spectrum(values, _whole(side), name=name, meta={"file": stem, **entry["meta"]}, **known)


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
            if content.metadata.num_columns > MOST_COLUMNS:
                raise ValueError(f"it has {content.metadata.num_columns} columns, more than {MOST_COLUMNS}")
            return _layers(content.read().to_pydict())
    except pyarrow.ArrowException as error:
        raise ValueError(reason(error)) from error


def _layers(columns: dict[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Gather the rows of each layer, for each combination of what further columns say."""
    rows = {key: list(values) for key, values in columns.items()}
    values = rows.pop(_COLUMN)
    same = {key: rows.pop(key) for key in _SAME_IN_A_SPECTRUM if key in rows}
    labels = list(zip(*rows.values(), strict=True)) or [()] * len(values)
    layers: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        known = {key: column[place] for key, column in same.items()}
        layer = layers.setdefault(label, {"eigenvalues": [], **known, **dict(zip(rows, label, strict=True))})
        for key, one in known.items():
            if layer[key] != one:
                raise ValueError(f"{' '.join(map(str, label))} has two values of {key}".strip())
        layer["eigenvalues"].append(value)
    for layer in layers.values():
        if _LAYER in layer:
            layer["name"] = layer.pop(_LAYER)
    return [{key: item for key, item in layer.items() if item is not None} for layer in layers.values()]
