"""Turn a Parquet file into a stream of Arrow's, in a process of its own: run as a script by `parquet`.

What is wrong with a file may end the process from within pyarrow, by an exception of C++ that nothing catches.
"""

import sys
from typing import IO, Any

import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet
import pyarrow.types as types

COLUMN, LAYER = "eigenvalue", "layer"
LONGEST_FOOTER, LARGEST = 2**21, 2**28
"""Bytes of the directory of a Parquet file, and of the columns that are read."""


def check_footer(file: IO[bytes]) -> None:
    """Look at the length of the directory before pyarrow reads it."""
    if file.seek(0, 2) >= 8:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        if LONGEST_FOOTER < length < file.tell():
            raise ValueError(f"its directory has {length} bytes, more than {LONGEST_FOOTER}")
    file.seek(0)


def check(content: Any, most_rows: int) -> None:
    """Look at what the directory says of rows, types and sizes."""
    meta = content.metadata
    if meta.num_rows > most_rows:
        raise ValueError(f"it says that it has {meta.num_rows} rows, more than {most_rows}")
    for name in content.schema_arrow.names:
        kind = content.schema_arrow.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        number = types.is_integer(kind) or (types.is_floating(kind) and name != LAYER)
        text = types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind)
        if not (number or (text and name != COLUMN)):
            raise ValueError(f"its column {name!r} is of type {str(kind)[:100]}")
    groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
    columns = [group.column(index) for group in groups for index in range(group.num_columns)]
    size = sum(column.total_uncompressed_size for column in columns)
    if size > LARGEST:
        raise ValueError(f"its columns have {size} bytes, more than {LARGEST}")


def check_texts(batch: Any, longest: int) -> None:
    """Refuse texts that are longer than names are."""
    for column in batch.columns:
        if hasattr(column, "dictionary"):
            length = pyarrow.compute.max(pyarrow.compute.binary_length(column.dictionary)).as_py() or 0
            if length > longest:
                raise ValueError(f"the name of a layer, or another text, is {length} bytes long")


def main() -> None:
    """Do what the command line asks: path, most rows, most columns, longest text."""
    path, most_rows, most_columns, longest = sys.argv[1], *map(int, sys.argv[2:])
    with open(path, "rb") as file:
        check_footer(file)
        known = pyarrow.parquet.read_metadata(file)
        if known.num_columns > most_columns:
            raise ValueError(f"it has {known.num_columns} columns, more than {most_columns}")
        in_dictionary = [name for name in known.schema.names if name != COLUMN]
        content = pyarrow.parquet.ParquetFile(file, metadata=known, read_dictionary=in_dictionary)
        check(content, most_rows)
        with pyarrow.ipc.new_stream(sys.stdout.buffer, content.schema_arrow) as stream:
            for batch in content.iter_batches(use_threads=False):
                check_texts(batch, longest)
                stream.write_batch(batch)


if __name__ == "__main__":
    main()
