"""Values that lie in a file as they lie in memory, mapped and not read."""

import math
from pathlib import Path

import ml_dtypes
import numpy as np

PERHAPS = "quantised, whole or complex"
NO_REALS = f"which holds no plain real numbers ({PERHAPS})"

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT8_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
FLOAT8_E5M2 = np.dtype(ml_dtypes.float8_e5m2)

UNNAMED_BFLOAT16 = "V2"
"""What NumPy and h5py make of bfloat16, whose name their formats do not know: two bytes of anything."""


def with_name(dtype: np.dtype) -> np.dtype:
    """Give a type its name back that was lost in a file: two bytes of anything are bfloat16.

    Examples
    --------
    >>> with_name(np.dtype("V2")), with_name(np.dtype("<f4"))
    (dtype(bfloat16), dtype('float32'))
    """
    return BFLOAT16 if dtype == np.dtype(UNNAMED_BFLOAT16) else dtype


def mapped(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Map values of a file; what is looked at is read then, and given back with the array.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    offset : int
        Where the values start, in bytes.
    shape : tuple of int
        Their axes, the last one running fastest.
    dtype : numpy.dtype
        Their type.

    Returns
    -------
    numpy.memmap
        Read-only, of that shape.

    Raises
    ------
    ValueError
        If the file is too short.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "values"
    >>> _ = file.write_bytes(bytes(8) + np.arange(6.0).tobytes())
    >>> mapped(file, 8, (2, 3), np.dtype("<f8"))[1].tolist()
    [3.0, 4.0, 5.0]
    """
    if offset + math.prod(shape) * dtype.itemsize > path.stat().st_size:
        raise ValueError("too short for the values that it names")
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def no_values() -> np.ndarray:
    """Stand in for the values of a tensor that has an obstacle, and is not loaded."""
    raise ValueError("the values are of no use, as the tensor's obstacle says")
