"""Tensors of a ``.safetensors`` file, half precision and float8 included, without torch.

The `safetensors` package checks the file (header, offsets, lengths). The values are read here, at the
offsets of the header, because its NumPy reader does not know the float8 types.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers.limits import LONGEST_HEADER, check_tensors
from htmp_bayes.spectra.readers.raw_values import (
    BFLOAT16,
    FLOAT8_E4M3,
    FLOAT8_E5M2,
    NO_REALS,
    mapped,
)
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

# Little-endian, as the format prescribes: https://github.com/huggingface/safetensors#format
FLOATS: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "F8_E4M3": FLOAT8_E4M3,
    "F8_E5M2": FLOAT8_E5M2,
}


def tensors(path: Path) -> list[StoredTensor]:
    """List the tensors of a safetensors file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the file's header.

    Raises
    ------
    SpectrumError
        If the file is truncated or is not safetensors.
    """
    try:
        length = _header_length(path)
        with safe_open(path, framework="np") as checked:
            names = set(checked.keys())
        check_tensors(list(names))
    except (SafetensorError, ValueError) as error:
        raise SpectrumError(
            f"{path} is not a whole safetensors file ({reason(error)}); fetch or save it again."
        ) from error
    with path.open("rb") as file:
        header = json.loads(file.read(8 + length)[8:])
    return [_describe(path, 8 + length, name, header[name], names) for name in header if name in names]


def _header_length(path: Path) -> int:
    """Bytes of the header; the package takes up to 100 MB, of which it makes 1.5 GB in memory."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if LONGEST_HEADER < length < path.stat().st_size:
        raise ValueError(f"its header has {length} bytes, more than {LONGEST_HEADER}")
    return length


def _describe(path: Path, start: int, name: str, entry: dict[str, Any], names: set[str]) -> StoredTensor:
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    offset = start + entry["data_offsets"][0]
    return StoredTensor(
        name, shape, dtype, partial(_load, path, offset, shape, dtype), _obstacle(name, dtype, names)
    )


def _obstacle(name: str, dtype: str, names: set[str]) -> str:
    if dtype not in FLOATS:
        return f"is of type {dtype}, {NO_REALS}"
    scales = {name + suffix for suffix in ("_scale", "_scale_inv", "_scales")} & names
    if dtype.startswith("F8") and scales:
        return f"is quantised in blocks (its scales are in {min(scales)})"
    return ""


def _load(path: Path, offset: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return mapped(path, offset, shape, FLOATS[dtype])
