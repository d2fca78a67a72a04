"""Datasets of HDF5 files that nobody vouches for."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from htmp_bayes.spectra.child import run_script
from htmp_bayes.spectra.readers.raw_values import mapped

LISTING_SECONDS = 8
"""Processor time in which the directory of a file is read; it takes a few milliseconds."""

BYTES_A_SECOND = 10 * 2**20
"""Slowest decompression that is waited for."""

MOST_COMPRESSED = 20
"""Values are at most this many times longer than what is stored of them: more is a decompression bomb."""

MEMORY = 2**30
MEMORY_FOR_VALUES = 2 * 2**30


@dataclass(frozen=True)
class Dataset:
    """A dataset of an HDF5 file.

    Attributes
    ----------
    name : str
        Its path in the file.
    shape : tuple of int
        Its axes.
    dtype : numpy.dtype
        Its type.
    offset : int or None
        Where its values lie, if they lie in one piece and uncompressed.
    text : list of str or None
        Its content, flattened, if that is text.
    problem : str
        Why its values must not be read, or empty.
    """

    file: "Hdf5File"
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int | None
    text: list[str] | None
    problem: str

    def load(self) -> np.ndarray:
        """Read the values, of that shape.

        Raises
        ------
        ValueError
            If they are not whole, or would be a bomb.
        """
        if self.problem:
            raise ValueError(self.problem)
        if self.offset is not None:
            return mapped(self.file.path, self.file.start + self.offset, self.shape, self.dtype)
        size = math.prod(self.shape) * self.dtype.itemsize
        values = _run(self.file, LISTING_SECONDS + size // BYTES_A_SECOND, self.name)
        if len(values) != size:
            raise ValueError(f"{self.name} is not whole")
        return np.frombuffer(values, self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Hdf5File:
    """An HDF5 file, or one that lies within another file."""

    path: Path
    start: int = 0
    length: int | None = None

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.path.stat().st_size - self.start if self.length is None else self.length

    def contents(self) -> tuple[dict[str, str], list[Dataset]]:
        """List the file's attributes (texts and whole numbers, as text) and its datasets.

        Raises
        ------
        ValueError
            If it is no whole HDF5 file, or one that would take more memory or time than it is worth.
        """
        try:
            content = json.loads(_run(self, LISTING_SECONDS))
        except RecursionError as error:
            raise ValueError("its directory is damaged") from error
        return content["attributes"], [self._dataset(entry) for entry in content["datasets"]]

    def _dataset(self, entry: dict[str, Any]) -> Dataset:
        shape, dtype, name = tuple(entry["shape"]), np.dtype(entry["dtype"]), entry["name"]
        offset, size = entry["offset"], math.prod(shape) * dtype.itemsize
        problem = ""
        if offset is None and size and not size / MOST_COMPRESSED <= entry["stored"] <= self.size:
            problem = f"{name} would be {size} bytes long, of which {entry['stored']} are stored"
        elif offset is not None and offset + size > self.size:
            problem = f"{name} reaches beyond the file"
        return Dataset(self, name, shape, dtype, offset, entry.get("text"), problem)


def check_within(path: Path) -> None:
    """Refuse a file of which a dataset has its values in another one, before that is opened.

    This process opens the file: it is for results of fits, which are larger than checkpoints' directories and come
    from the same place as the program. What may be anybody's is read by `Hdf5File`.

    Raises
    ------
    ValueError
        If it has such a dataset.
    OSError
        If it is no whole HDF5 file.
    """
    from htmp_bayes.spectra import hdf5_child

    def visit(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            hdf5_child.check_within(item)

    with h5py.File(path, "r") as file:
        file.visititems(visit)


def _run(file: Hdf5File, seconds: int, *name: str) -> bytes:
    """Run the script beside this module on a file, and take what it writes."""
    what = (str(file.path), str(file.start), str(file.size), *name)
    memory = MEMORY_FOR_VALUES if name else MEMORY
    return run_script("hdf5_child.py", *what, library="HDF5", seconds=seconds, memory=memory)
