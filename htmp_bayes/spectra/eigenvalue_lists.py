"""Lists of eigenvalues that were computed elsewhere: CSV, JSON and Parquet.

A table has a column ``eigenvalue`` and, where it holds several layers, ``layer``; the longer side of the matrix is in
a column ``n`` or is said by the caller. JSON has a list of numbers, or a list of objects (or one) with ``eigenvalues``,
``n`` and, as may be, ``name``, ``kind`` and ``zeros``.
"""

import csv
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.readers.limits import LONGEST_NAME, MOST_TENSORS, check_name
from htmp_bayes.spectra.spectrum import Spectrum, SpectrumError

SUFFIXES = (".csv", ".json", ".parquet")
MOST_ROWS = 5_000_000
"""Eigenvalues that are read from a file: a model of 224 matrices of 4,096 has a million."""

LONGEST_LINE = 100_000
"""Characters of a row of a CSV file."""

LARGEST_JSON = 2**24
"""Bytes of a JSON file, of which Python makes up to 24 times as many in memory."""

LONGEST_FOOTER, LARGEST_PARQUET = 2**21, 2**28
"""Bytes of the directory of a Parquet file, and of the columns that are read."""

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
    readers: dict[str, Callable[[Path], Iterable[dict[str, Any]]]] = {
        ".csv": _csv,
        ".json": _json,
        ".parquet": _parquet,
    }
    try:
        entries = list(readers[path.suffix.lower()](path))
        if len(entries) > MOST_TENSORS:
            raise ValueError(f"it has {len(entries)} layers, more than {MOST_TENSORS}")
        return [_spectrum(entry, path.stem, n) for entry in entries]
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}") from error
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError, csv.Error) as error:
        raise SpectrumError(
            f"{path} is not a list of eigenvalues ({reason(error)}); it needs a column 'eigenvalue', or in JSON "
            "a list of numbers or objects with 'eigenvalues'."
        ) from error


def _spectrum(entry: dict[str, Any], stem: str, n: int | None) -> Spectrum:
    if not isinstance(entry, dict):
        raise ValueError("its list holds other things beside objects")
    name = entry.get("name", stem)
    if not isinstance(name, str | int | float):
        raise ValueError("the name of a layer is neither a text nor a number")
    name, side, values = check_name(str(name)), entry.get("n", n), entry["eigenvalues"]
    if side is None:
        raise SpectrumError(f"{name} has no n, the longer side of its matrix; add it to the file or give n.")
    # Of the numbers alone: an array of texts is as wide as the longest of them.
    if not isinstance(values, array) and not all(type(value) in (int, float) for value in values):
        raise ValueError(f"{name} has entries that are no numbers")
    known = {key: entry[key] for key in ("kind", "zeros") if key in entry}
    return Spectrum(
        np.asarray(values, dtype=np.float64), _whole(side), name=name, meta={"file": stem}, **known
    )


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
        return _layers(_of_columns(header, rows))


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


def _of_columns(header: list[str], rows: Iterable[list[str]]) -> Iterator[tuple[Any, Any, float]]:
    """Yield layer, n and eigenvalue of each row."""
    if twice := [name for name in (_COLUMN, _LAYER, _SIDE) if header.count(name) > 1]:
        raise ValueError(f"it has two columns {twice[0]!r}")
    if _COLUMN not in header:
        raise ValueError(f"it has no column {_COLUMN!r}")
    value = header.index(_COLUMN)
    layer, side = (header.index(name) if name in header else None for name in (_LAYER, _SIDE))
    for row in filter(None, rows):
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells and the header {len(header)}")
        yield None if layer is None else row[layer], None if side is None else row[side], float(row[value])


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
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise SpectrumError(
            "Parquet is read by pyarrow, which is not installed; install htmp-bayes[parquet], or write CSV."
        ) from error
    try:
        with path.open("rb") as file:
            _check_footer(file)
            known = pyarrow.parquet.read_metadata(file)
            names = [name for name in (_COLUMN, _LAYER, _SIDE) if name in known.schema.names]
            in_dictionary = [name for name in names if name == _LAYER]
            content = pyarrow.parquet.ParquetFile(file, metadata=known, read_dictionary=in_dictionary)
            _check_parquet(content, names)
            return _layers(row for batch in content.iter_batches(columns=names) for row in _of_batch(batch))
    except pyarrow.ArrowException as error:
        raise ValueError(reason(error)) from error


def _check_footer(file: IO[bytes]) -> None:
    """Look at the length of the directory before pyarrow reads it."""
    if file.seek(0, 2) >= 8:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        if LONGEST_FOOTER < length < file.tell():
            raise ValueError(f"its directory has {length} bytes, more than {LONGEST_FOOTER}")
    file.seek(0)


def _check_parquet(content: Any, names: list[str]) -> None:
    import pyarrow.types as types

    meta = content.metadata
    if meta.num_rows > MOST_ROWS:
        raise ValueError(f"it says that it has {meta.num_rows} rows, more than {MOST_ROWS}")
    if _COLUMN not in names:
        raise ValueError(f"it has no column {_COLUMN!r}")
    for name in names:
        kind = content.schema_arrow.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        number = types.is_integer(kind) or (types.is_floating(kind) and name != _LAYER)
        text = name == _LAYER and (types.is_string(kind) or types.is_large_string(kind))
        if not (number or text):
            raise ValueError(f"its column {name!r} is of type {str(kind)[:100]}")
    groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
    columns = [group.column(index) for group in groups for index in range(group.num_columns)]
    size = sum(column.total_uncompressed_size for column in columns if column.path_in_schema in names)
    if size > LARGEST_PARQUET:
        raise ValueError(f"its columns have {size} bytes, more than {LARGEST_PARQUET}")


def _of_batch(batch: Any) -> Iterator[tuple[Any, Any, float]]:
    columns = {name: batch.column(name) for name in batch.schema.names}
    values = columns[_COLUMN].to_pylist()
    nothing = [None] * len(values)
    sides = columns[_SIDE].to_pylist() if _SIDE in columns else nothing
    layers = _names_of(columns[_LAYER]) if _LAYER in columns else nothing
    return zip(layers, sides, values, strict=True)


def _names_of(column: Any) -> list[Any]:
    """Names of the layers of some rows; each text is made once."""
    if not hasattr(column, "dictionary"):
        return column.to_pylist()
    import pyarrow.compute

    longest = pyarrow.compute.max(pyarrow.compute.binary_length(column.dictionary)).as_py() or 0
    if longest > 4 * LONGEST_NAME:
        raise ValueError(f"the name of a layer is {longest} bytes long")
    names = column.dictionary.to_pylist()
    return [None if index is None else names[index] for index in column.indices.to_pylist()]


def _layers(rows: Iterable[tuple[Any, Any, float]]) -> list[dict[str, Any]]:
    """Gather the rows of each layer."""
    layers: dict[Any, dict[str, Any]] = {}
    for name, side, value in rows:
        layer = layers.get(name)
        if layer is None:
            layer = layers[name] = {"eigenvalues": array("d"), "n": side, "name": name}
            if len(layers) > MOST_TENSORS:
                raise ValueError(f"it has more than {MOST_TENSORS} layers")
        if layer["n"] != side:
            raise ValueError(f"layer {name} has two values of n")
        layer["eigenvalues"].append(value)
    return [{key: item for key, item in layer.items() if item is not None} for layer in layers.values()]
