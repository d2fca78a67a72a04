"""Look into an HDF5 file, in a process of its own: run as a script by `hdf5`.

The HDF5 library is made for files that one trusts: a damaged one can keep it in an endless loop, make it ask for all
memory, or crash it. Here that ends this process only, which `child` gives a limit on its memory and its time.
"""

import io
import json
import os
import sys
from typing import Any, BinaryIO

import h5py
import numpy as np

MOST_OBJECTS = 50_000
LONGEST_NAME = 500
MOST_TEXT = 32 * 2**20
"""Characters of all text datasets together."""

BLOCK = 32 * 2**20
_ROWS = 1000  # of text, which may be of any length each


class Window(io.RawIOBase):
    """A range of a file as a file: an HDF5 file within an archive."""

    def __init__(self, path: str, start: int, length: int) -> None:
        super().__init__()
        self.file, self.start, self.length, self.position = open(path, "rb"), start, length, 0  # noqa: SIM115

    def readable(self) -> bool:  # noqa: D102 - this and the next are documented by the base class
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:  # noqa: D102
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:  # noqa: D102
        self.position = offset + (0, self.position, self.length)[whence]
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # noqa: D102
        wanted = max(0, min(len(buffer), self.length - self.position))
        self.file.seek(self.start + self.position)
        content = self.file.read(wanted)
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)


def describe(file: h5py.File) -> dict[str, Any]:
    """Attributes of the file, and all its datasets."""
    found: list[dict[str, Any]] = []
    budget, seen = Budget(MOST_TEXT), 0

    def visit(name: str, item: object) -> None:
        nonlocal seen
        seen += 1
        if seen > MOST_OBJECTS:
            raise ValueError(f"it has more than {MOST_OBJECTS} objects")
        if len(name) > LONGEST_NAME:
            raise ValueError(f"a name in it is longer than {LONGEST_NAME} characters")
        if isinstance(item, h5py.Dataset):
            check_within(item)
            found.append(describe_dataset(item, budget))

    file.visititems(visit)
    texts = {key: str(value) for key, value in file.attrs.items() if isinstance(value, str | np.integer)}
    return {"attributes": texts, "datasets": found}


def check_within(item: h5py.Dataset) -> None:
    """Refuse a dataset whose values are elsewhere, before the library opens what it names.

    Even the shape of a virtual dataset is looked up in the files that it is put together of.
    """
    created = item.id.get_create_plist()
    if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
        raise ValueError(f"{item.name} has its values in another file, which is not opened")


class Budget:
    """Characters of text that may still be read."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, count: int) -> None:
        """Take from what is left, or refuse."""
        self.left -= count
        if self.left < 0:
            raise ValueError(f"its texts have more than {MOST_TEXT} characters")


def describe_dataset(item: h5py.Dataset, budget: Budget) -> dict[str, Any]:
    """Shape, type and place of a dataset, and its content if that is text."""
    entry = {
        "name": item.name,
        "shape": item.shape if item.shape is not None else [0],
        "dtype": item.dtype.str,
        "offset": item.id.get_offset(),
        "stored": item.id.get_storage_size(),
    }
    if h5py.check_string_dtype(item.dtype) and item.size:
        entry["text"] = read_text(item, budget)
    return entry


def read_text(item: h5py.Dataset, budget: Budget) -> list[str]:
    """Read a text or a list of them, some at a time."""
    budget.spend(item.size)
    if item.ndim == 0:
        values = [item.asstr()[()]]
        budget.spend(len(values[0]))
        return values
    values = []
    step = max(1, min(_ROWS, budget.left // item.dtype.itemsize) * item.shape[0] // item.size)
    for start in range(0, item.shape[0], step):
        some = item.asstr()[start : start + step].ravel().tolist()
        budget.spend(sum(map(len, some)))
        values += some
    return values


def write_values(item: h5py.Dataset, out: BinaryIO) -> None:
    """Write the values of a dataset, in blocks of rows."""
    check_within(item)
    if item.ndim == 0:
        out.write(item[()].tobytes())
        return
    row = max(1, item.dtype.itemsize * int(np.prod(item.shape[1:])))
    step = max(1, BLOCK // row)
    for start in range(0, item.shape[0], step):
        out.write(item[start : start + step].tobytes())


def main() -> None:
    """Do what the command line asks: path, start, length and (optional) the dataset to write."""
    path, start, length, *name = sys.argv[1:]
    whole = int(start) == 0 and int(length) == os.path.getsize(path)
    source = path if whole else io.BufferedReader(Window(path, int(start), int(length)), 2**20)
    with h5py.File(source, "r") as file:
        if name:
            write_values(file[name[0]], sys.stdout.buffer)
        else:
            sys.stdout.write(json.dumps(describe(file)))


if __name__ == "__main__":
    main()
