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
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.parquet import parquet_columns
from htmp_bayes.spectra.readers.limits import MOST_TENSORS, check_name
from htmp_bayes.spectra.spectrum import MIN_EIGENVALUES, Spectrum

SUFFIXES = (".csv", ".json", ".parquet")
MOST_ROWS = 5_000_000
"""Eigenvalues that are read from a file: a model of 224 matrices of 4,096 has a million."""

LONGEST_LINE = 100_000
"""Characters of a row of a CSV file."""

LARGEST_JSON = 2**24
"""Bytes of a JSON file, of which Python makes up to 24 times as many in memory."""

MOST_COLUMNS = 20
"""Columns of a table, or entries of the objects in JSON: a table of spectra has a handful."""

_BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError, csv.Error)
_COLUMN, _LAYER = "eigenvalue", "layer"
_Row = tuple[tuple[Any, ...], float]  # what is beside an eigenvalue, and the eigenvalue
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
    readers: dict[str, Callable[[Path], Iterable[dict[str, Any]]]] = {
        ".csv": _csv,
        ".json": _json,
        ".parquet": _parquet,
    }
    try:
        entries = list(readers[path.suffix.lower()](path))
        if len(entries) > MOST_TENSORS:
            raise ValueError(f"it has {len(entries)} layers, more than {MOST_TENSORS}")
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
    _check_entries(entries)
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


def _check_entries(entries: list[dict[str, Any]]) -> None:
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("its list holds other things beside objects")
    if not all(isinstance(entry.get("name", ""), str | int | float) for entry in entries):
        raise ValueError("the name of a layer is neither a text nor a number")
    keys = {key for entry in entries for key in entry}
    if len(keys) > MOST_COLUMNS:
        raise ValueError(f"its spectra have {len(keys)} different entries, more than {MOST_COLUMNS}")


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
    name, side, values = check_name(entry["name"]), entry.get("n", n), entry["eigenvalues"]
    if side is None:
        raise SpectrumError(f"{name} has no n, the longer side of its matrix; add it to the file or give n.")
    # Of the numbers alone: an array of texts is as wide as the longest of them.
    if not isinstance(values, array) and not all(type(value) in (int, float) for value in values):
        raise ValueError(f"{name} has entries that are no numbers")
    known: dict[str, Any] = {key: _whole(entry[key]) for key in ("zeros", "dead") if key in entry}
    known |= {"kind": entry["kind"]} if "kind" in entry else {}
    meta = {"file": stem, **entry["meta"]}
    return Spectrum(np.asarray(values, dtype=np.float64), _whole(side), name=name, meta=meta, **known)


def _whole(value: Any) -> int:
    number = float(value)
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError(f"n = {value!r} is no whole number")
    return int(number)


def _csv(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(_lines(file))
        header = [cell.strip() for cell in next(rows, [])]
        if _COLUMN not in header and len(header) == 1 and _is_number(header[0]):  # a bare column of numbers
            return [{"eigenvalues": array("d", [float(header[0]), *(float(row[0]) for row in rows if row)])}]
        _check_header(header)
        return _layers(_others(header), _of_columns(header, rows))


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a table, each of which is a row of it."""
    for number in range(1, MOST_ROWS + 2):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise ValueError(f"its line {number} has more than {LONGEST_LINE} characters")
        if line.count('"') % 2:
            raise ValueError(f"its line {number} ends within quotes")
        yield line
    raise ValueError(f"it has more than {MOST_ROWS} rows")


def _of_columns(header: list[str], rows: Iterable[list[str]]) -> Iterator[_Row]:
    """Yield the eigenvalue of each row, with what the other columns say."""
    value = header.index(_COLUMN)
    for row in filter(None, rows):
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells and the header {len(header)}")
        yield (*row[:value], *row[value + 1 :]), float(row[value])


def _check_header(names: list[str]) -> None:
    if _COLUMN not in names:
        raise ValueError(f"it has no column {_COLUMN!r}")
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"it has {len(names)} columns, more than {MOST_COLUMNS}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"it has two columns {twice[0]!r}")


def _others(names: list[str]) -> list[str]:
    return [name for name in names if name != _COLUMN]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json(path: Path) -> Iterable[dict[str, Any]]:
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(
            f"it has {path.stat().st_size} bytes, more than the {LARGEST_JSON} that JSON is read of"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, list) and content and not isinstance(content[0], dict):
        return [{"eigenvalues": content}]
    return content if isinstance(content, list) else [{**content}]


def _parquet(path: Path) -> Iterable[dict[str, Any]]:
    names, batches = parquet_columns(path, MOST_ROWS, MOST_COLUMNS)
    _check_header(names)
    return _layers(_others(names), (row for columns in batches for row in _of_batch(names, columns)))


def _of_batch(names: list[str], columns: list[list[Any]]) -> Iterator[_Row]:
    values = columns.pop(names.index(_COLUMN))
    cells = zip(*columns, strict=True) if columns else repeat((), len(values))
    return zip(cells, values, strict=True)


def _layers(names: list[str], rows: Iterable[_Row]) -> list[dict[str, Any]]:
    """Gather the rows of each layer, for each combination of what further columns say."""
    same = [place for place, name in enumerate(names) if name in _SAME_IN_A_SPECTRUM]
    telling = [place for place, name in enumerate(names) if name not in _SAME_IN_A_SPECTRUM]
    layers: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cells, value in rows:
        label = tuple(cells[place] for place in telling)
        layer = layers.get(label)
        if layer is None:
            layer = layers[label] = {**dict(zip(names, cells, strict=True)), "eigenvalues": array("d")}
            if len(layers) > MOST_TENSORS:
                raise ValueError(f"it has more than {MOST_TENSORS} layers")
        for place in same:
            if layer[names[place]] != cells[place]:
                raise ValueError(f"{' '.join(map(str, label))} has two values of {names[place]}".strip())
        layer["eigenvalues"].append(value)
    for layer in layers.values():
        if _LAYER in layer:
            layer["name"] = layer.pop(_LAYER)
    return [{key: item for key, item in layer.items() if item is not None} for layer in layers.values()]
