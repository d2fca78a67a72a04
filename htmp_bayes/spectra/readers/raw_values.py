"""Values that lie in a file as they lie in memory, mapped and not read."""

import math
from pathlib import Path

import ml_dtypes
import numpy as np

NO_REALS = "which holds no plain real numbers (quantised, whole or complex)"

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT8_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
FLOAT8_E5M2 = np.dtype(ml_dtypes.float8_e5m2)


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
