"""Columns of Parquet files that nobody vouches for."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from htmp_bayes.spectra.child import run_script
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers.limits import LONGEST_NAME

SECONDS, MEMORY = 9, 2**30


def parquet_columns(
    path: Path, most_rows: int, most_columns: int
) -> tuple[list[str], Iterator[list[list[Any]]]]:
    """Read a Parquet file, some rows at a time.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    most_rows, most_columns : int
        More are refused.

    Returns
    -------
    names : list of str
        Those of the columns.
    batches : iterator
        For some rows at a time, the values of each column: numbers, or texts, each of which is made once.

    Raises
    ------
    SpectrumError
        If pyarrow is not installed.
    ValueError
        If the file is damaged, too large, or of other types.
    """
    if not find_spec("pyarrow"):
        raise SpectrumError(
            "Parquet is read by pyarrow, which is not installed; install htmp-bayes[parquet], or write CSV."
        )
    limits = map(str, (most_rows, most_columns, 4 * LONGEST_NAME))
    stream = run_script(
        "parquet_child.py", str(path), *limits, library="Parquet", seconds=SECONDS, memory=MEMORY
    )
    import pyarrow.ipc

    batches = pyarrow.ipc.open_stream(stream)
    return batches.schema.names, ([_values_of(column) for column in batch.columns] for batch in batches)


def _values_of(column: Any) -> list[Any]:
    if not hasattr(column, "dictionary"):
        return column.to_pylist()
    texts = column.dictionary.to_pylist()
    return [None if index is None else texts[index] for index in column.indices.to_pylist()]
