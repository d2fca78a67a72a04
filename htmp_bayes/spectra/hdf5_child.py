"""Look into an HDF5 file, in a process of its own: run as a script by `hdf5`, and never imported.

The HDF5 library is made for files that one trusts: a damaged one can keep it in an endless loop, make it ask for all
memory, or crash it. Here that ends this process only, which has a limit on its memory and its time.
"""

import contextlib
import io
import json
import os
import sys
from typing import BinaryIO

import h5py
import numpy as np

MOST_OBJECTS = 100_000
MOST_TEXT = 64 * 2**20
BLOCK = 32 * 2**20
MEMORY = 2 * 2**30


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


def limit(seconds: int) -> None:
    """Bound this process's memory and processor time, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def describe(file: h5py.File) -> dict:
    """Attributes of the file, and all its datasets."""
    found: list[h5py.Dataset] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(item)
        if len(found) > MOST_OBJECTS:
            raise ValueError("it has too many objects")

    file.visititems(visit)
    texts = {key: str(value) for key, value in file.attrs.items() if isinstance(value, str | np.integer)}
    return {"attributes": texts, "datasets": [describe_dataset(item) for item in found]}


def describe_dataset(item: h5py.Dataset) -> dict:
    """Shape, type and place of a dataset, and its content if that is text."""
    entry = {
        "name": item.name,
        "shape": item.shape if item.shape is not None else [0],
        "dtype": item.dtype.str,
        "offset": item.id.get_offset(),
        "stored": item.id.get_storage_size(),
        "elsewhere": bool(item.external) or item.is_virtual,
    }
    if h5py.check_string_dtype(item.dtype) and item.size * item.dtype.itemsize <= MOST_TEXT and item.size:
        values = np.atleast_1d(item.asstr()[...]).ravel().tolist()
        if sum(map(len, values)) > MOST_TEXT:
            raise ValueError("its texts are too long")
        entry["text"] = values
    return entry


def write_values(item: h5py.Dataset, out: BinaryIO) -> None:
    """Write the values of a dataset, in blocks of rows."""
    if item.ndim == 0:
        out.write(item[()].tobytes())
        return
    row = max(1, item.dtype.itemsize * int(np.prod(item.shape[1:])))
    step = max(1, BLOCK // row)
    for start in range(0, item.shape[0], step):
        out.write(item[start : start + step].tobytes())


def main() -> None:
    """Do what the command line asks: path, start, length, seconds and (optional) the dataset to write."""
    path, start, length, seconds, *name = sys.argv[1:]
    limit(int(seconds))
    whole = int(start) == 0 and int(length) == os.path.getsize(path)
    source = path if whole else io.BufferedReader(Window(path, int(start), int(length)), 2**20)
    with h5py.File(source, "r") as file:
        if name:
            write_values(file[name[0]], sys.stdout.buffer)
        else:
            sys.stdout.write(json.dumps(describe(file)))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told in one line
        sys.stderr.write(" ".join(str(error).split()) or type(error).__name__)
        sys.exit(1)
