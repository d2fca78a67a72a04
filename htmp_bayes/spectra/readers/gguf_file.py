"""Tensors of a GGUF file (llama.cpp), without the gguf package.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3. Every length in the header is
checked against the file before it is believed. Quantised tensors are listed and not read.
"""

import math
import struct
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers.limits import LONGEST_NAME, MOST_TENSORS, check_name
from htmp_bayes.spectra.readers.raw_values import BFLOAT16, NO_REALS, mapped, no_values
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

FLOATS: dict[int, np.dtype] = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 28: np.dtype("<f8"), 30: BFLOAT16}
# enum ggml_type in ggml/include/ggml.h; 4, 5, 31 to 33 and 36 to 38 are no longer in use
_OTHERS = (
    dict(enumerate(["Q4_0", "Q4_1"], start=2))
    | dict(
        enumerate(["Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K"], start=6)
    )
    | dict(
        enumerate(["IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS"], start=16)
    )
    | dict(enumerate(["I8", "I16", "I32", "I64"], start=24))
    | {29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}
)
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the metadata types that have a fixed length."""
_UINT32, _STRING, _ARRAY = 4, 8, 9
_WHOLE = {4: "<I", 5: "<i", 10: "<Q", 11: "<q"}

# What the metadata say of a model (behind the name of its architecture), in the words of Hugging Face's config.json
_ARCHITECTURE = "general.architecture"
_SETTINGS = {
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
}
_DEEPEST_ARRAY = 4
_MOST_AXES = 4
_LONGEST_TEXT = 4 * LONGEST_NAME  # in UTF-8

MOST_VALUES = 1_000_000
"""Values in the metadata that are gone through one by one: a large vocabulary and its merges have 700,000."""


def tensors(path: Path) -> list[StoredTensor]:
    """List the tensors of a GGUF file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the file, the outputs first (GGUF itself has the axis that runs fastest first).

    Raises
    ------
    SpectrumError
        If the file is truncated or is not GGUF.
    """
    return _header(path)[0]


def settings(path: Path) -> dict[str, Any]:
    """Read what the metadata of a GGUF file say of its model.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict
        Some of the settings that ``config.json`` of Hugging Face has, under the names that they have there; ``format``
        is "gguf". Settings that differ from layer to layer are left out.

    Raises
    ------
    SpectrumError
        If the file is truncated or is not GGUF.
    """
    return _header(path)[1]


def _header(path: Path) -> tuple[list[StoredTensor], dict[str, Any]]:
    try:
        with path.open("rb") as file:
            header = _Header(file, path)
            return header.tensors(), header.settings()
    except (ValueError, struct.error, OverflowError) as error:
        raise SpectrumError(
            f"{path} is not a whole GGUF file ({reason(error)}); fetch or convert it again."
        ) from error


class _Header:
    """The header of a file, read from its start to its end."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path, self.size = file, path, path.stat().st_size
        self.alignment = 32
        self.values = 0
        self.architecture, self.numbers = "", dict[str, int]()

    def tensors(self) -> list[StoredTensor]:
        magic, version, count, pairs = self._unpack("<4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError("it does not start as one of version 2 or 3")
        if count > MOST_TENSORS:
            raise ValueError(f"it has {count} tensors, more than the {MOST_TENSORS} that are read")
        for _ in range(pairs):
            self._skip_pair()
        described = [self._tensor() for _ in range(count)]
        start = -(-self.file.tell() // self.alignment) * self.alignment
        return [self._stored(start, *entry) for entry in described]

    def settings(self) -> dict[str, Any]:
        found = {name: self.numbers.get(f"{self.architecture}.{key}") for key, name in _SETTINGS.items()}
        known = {name: number for name, number in found.items() if number is not None}
        return {"format": "gguf", "model_type": self.architecture, **known}

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.file.read(struct.calcsize(layout)))

    def _skip(self, length: int) -> None:
        if length > self.size - self.file.tell():
            raise ValueError("its header reaches beyond the file")
        self.file.seek(length, 1)

    def _name(self) -> str:
        (length,) = self._unpack("<Q")
        if length > _LONGEST_TEXT:
            raise ValueError(f"a name in it is {length} bytes long")
        return check_name(self.file.read(length).decode())

    def _skip_pair(self) -> None:
        key = self._name()
        (kind,) = self._unpack("<I")
        if key == "general.alignment" and kind == _UINT32:
            (self.alignment,) = self._unpack("<I")
            if not 0 < self.alignment <= 2**20:
                raise ValueError(f"an alignment of {self.alignment} is none")
        elif key == _ARCHITECTURE and kind == _STRING:
            self.architecture = self._name()
        elif kind in _WHOLE and key.partition(".")[2] in _SETTINGS:
            (self.numbers[key],) = self._unpack(_WHOLE[kind])
        else:
            self._skip_value(kind)

    def _skip_value(self, kind: int, depth: int = 0) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise ValueError(f"its metadata have more than {MOST_VALUES} values")
        if kind in _SIZES:
            self._skip(_SIZES[kind])
        elif kind == _STRING:
            self._skip(*self._unpack("<Q"))
        elif kind == _ARRAY and depth < _DEEPEST_ARRAY:
            kind, count = self._unpack("<IQ")
            if kind in _SIZES:
                self._skip(_SIZES[kind] * count)
            else:
                for _ in range(count):
                    self._skip_value(kind, depth + 1)
        else:
            raise ValueError(f"its metadata have a type {kind}, which there is not")

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._name()
        (axes,) = self._unpack("<I")
        if axes > _MOST_AXES:
            raise ValueError(f"{name[:100]} has {axes} axes")
        *sides, kind, offset = self._unpack(f"<{axes}QIQ")
        return name, tuple(reversed(sides)), kind, offset

    def _stored(self, start: int, name: str, shape: tuple[int, ...], kind: int, offset: int) -> StoredTensor:
        if kind not in FLOATS:
            known = _OTHERS.get(kind, f"type {kind}")
            obstacle = f"is of GGML's type {known}, {NO_REALS}; convert the model to F16, BF16 or F32"
            return StoredTensor(name, shape, known, no_values, obstacle)
        dtype = FLOATS[kind]
        if start + offset + math.prod(shape) * dtype.itemsize > self.size:
            raise ValueError(f"{name[:100]} reaches beyond the file")
        load = partial(mapped, self.path, start + offset, shape, dtype)
        return StoredTensor(name, shape, str(dtype), load)
