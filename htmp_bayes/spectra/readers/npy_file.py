"""The one array of a ``.npy`` file, and the header that members of an ``.npz`` share. No pickles."""

import math
import warnings
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers.limits import check_sides
from htmp_bayes.spectra.readers.raw_values import BFLOAT16, NO_REALS, with_name
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

# A header is a Python literal: what its parser and NumPy's types raise is any of these.
BROKEN = (
    *(ValueError, EOFError, TokenError, TypeError, LookupError, SyntaxError, AttributeError),
    *(MemoryError, RecursionError, OverflowError),
)
"""What NumPy raises for a header or a body that is not what it says."""

_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def tensors(path: Path) -> list[StoredTensor]:
    """List the array of a ``.npy`` file, named after the file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        One tensor.

    Raises
    ------
    SpectrumError
        If the file is truncated or is not in NumPy's format.
    """
    try:
        with path.open("rb") as file:
            shape, dtype = read_header(file, path.stat().st_size)
    except BROKEN as error:
        raise SpectrumError(
            f"{path} is not a whole .npy file ({reason(error)}); save it again with numpy.save."
        ) from error

    def load() -> np.ndarray:
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False).view(dtype)
        except BROKEN as error:
            raise SpectrumError(
                f"{path} is not a whole .npy file ({reason(error)}); save it again."
            ) from error

    return [StoredTensor(path.stem, shape, str(dtype), load, obstacle(dtype), opaque=dtype.hasobject)]


def read_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype]:
    """Read the shape and type of an array in NumPy's format from a stream of ``size`` bytes.

    Raises
    ------
    ValueError
        If the stream does not start with such a header, or is too short for what the header says: NumPy would
        first ask for the memory.
    """
    version = npy_format.read_magic(stream)
    if version not in _HEADERS:  # version 3 is for the field names of structured types, which no weight has
        raise ValueError(f"unknown version {version} of the array format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of literals in the header that are odd
        shape, _, dtype = _HEADERS[version](stream)
    check_sides(shape, "it")
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {shape} is none")
    if not dtype.hasobject and size - stream.tell() < math.prod(shape) * dtype.itemsize:
        raise ValueError(f"too short for an array of shape {shape}")
    return shape, with_name(dtype)


def obstacle(dtype: np.dtype) -> str:
    """Say why an array of this type holds no weights, or nothing if it may."""
    if dtype.hasobject:
        return "holds pickled Python objects, which are never executed"
    if dtype.kind == "V" and dtype != BFLOAT16:
        return f"is of type {dtype.str[:100]}, bytes without a name (float8, if one each); save it as float32"
    if dtype.kind != "f" and dtype != BFLOAT16:
        return f"is of type {str(dtype)[:100]}, {NO_REALS}"
    return ""
