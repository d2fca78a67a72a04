"""Initialisers of an ONNX model, without the onnx package: its file is a protocol-buffer message.

Only the fields that lead to the initialisers are followed (numbers from onnx.proto, ONNX IR version 10), and the values
are mapped from the file, or from the file beside it that holds them.
"""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.readers.limits import LONGEST_NAME, MOST_AXES, check_name, check_sides
from htmp_bayes.spectra.readers.paths import inside
from htmp_bayes.spectra.readers.raw_values import (
    BFLOAT16,
    FLOAT8_E4M3,
    FLOAT8_E5M2,
    NO_REALS,
    mapped,
    no_values,
)
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor
from htmp_bayes.spectra.spectrum import SpectrumError

# TensorProto.DataType: the types of real numbers, and how raw_data holds them (little-endian).
FLOATS: dict[int, np.dtype] = {
    1: np.dtype("<f4"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    16: BFLOAT16,
    17: FLOAT8_E4M3,
    19: FLOAT8_E5M2,
}
_FLOAT_DATA, _DOUBLE_DATA = 4, 10
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 7, 1, 5, 15
_EXTERNAL = 1
_UNNAMED = "onnx::"
_PLACE = ("location", "offset", "length")
_LONGEST_TEXT = 4 * LONGEST_NAME  # in UTF-8
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

MOST_NUMBERS = 2_000_000
"""Tags, lengths and sides that are parsed: a graph of 50,000 nodes has as many, and they take 2 s."""


@dataclass
class _Tensor:
    """What a TensorProto says."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    data_type: int = 0
    values: tuple[int, int] = (0, 0)
    """Where its values are in this file, if they are."""
    packed: int = 0
    """Number of the typed field that holds them in place of ``raw_data``."""
    external: dict[str, str] = field(default_factory=dict)
    location: int = 0


def tensors(path: Path) -> list[StoredTensor]:
    """List the initialisers of an ONNX model.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the graph. An initialiser that the exporter left without a name of its own
        (``onnx::MatMul_12``) is named after the node that takes it.

    Raises
    ------
    SpectrumError
        If the file is truncated or is no such model.
    """
    try:
        if path.stat().st_size == 0:
            raise ValueError("it is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            graph = _graph(_Message(whole, 0, len(whole), _Count(MOST_NUMBERS)))
            users = _users(graph)
            found = [
                _described(path, _tensor(graph.inner(value)), users)
                for number, _, value in graph
                if number == _GRAPH_INITIALIZER
            ]
    except (ValueError, LookupError, OverflowError, TypeError) as error:
        raise SpectrumError(
            f"{path} is not a whole ONNX model ({reason(error)}); export it again."
        ) from error
    if not found:
        raise SpectrumError(f"{path} is not a whole ONNX model (it has no initialisers); export it again.")
    return found


class _Count:
    """Numbers that may still be parsed."""

    def __init__(self, left: int) -> None:
        self.left = left

    def one_more(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it has more than {MOST_NUMBERS} fields and numbers, not counting values")


class _Message:
    """The fields of a protocol-buffer message, which lies in a range of a file.

    Encoding: https://protobuf.dev/programming-guides/encoding/.
    """

    def __init__(self, whole: mmap.mmap, start: int, stop: int, count: "_Count") -> None:
        self.whole, self.start, self.stop, self.count = whole, start, stop, count

    def inner(self, value: tuple[int, int]) -> "_Message":
        return _Message(self.whole, *value, self.count)

    def text(self, value: tuple[int, int]) -> str:
        start, stop = value
        if stop - start > _LONGEST_TEXT:
            raise ValueError(f"a text at {start} is {stop - start} bytes long")
        return self.whole[start:stop].decode()

    def __iter__(self) -> Iterator[tuple[int, int, tuple[int, int]]]:
        """Yield number and wire type of each field, with the range of its bytes or (for a number) its value twice."""
        position = self.start
        while position < self.stop:
            tag, position = self._varint(position)
            number, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                value, position = self._varint(position)
                yield number, wire, (value, value)
                continue
            if wire == _BYTES:
                length, position = self._varint(position)
            elif wire in (_FIXED32, _FIXED64):
                length = 4 if wire == _FIXED32 else 8
            else:
                raise ValueError(f"its bytes at {position} are no field of a message")
            if position + length > self.stop:
                raise ValueError(f"its field at {position} reaches beyond the message")
            yield number, wire, (position, position + length)
            position += length

    def varints(self, value: tuple[int, int]) -> Iterator[int]:
        position, stop = value
        while position < stop:
            number, position = self._varint(position)
            yield number

    def _varint(self, position: int) -> tuple[int, int]:
        self.count.one_more()
        result = 0
        for shift in range(0, 70, 7):
            if position >= self.stop:
                raise ValueError("it ends within a number")
            byte = self.whole[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, position
        raise ValueError(f"its number at {position} has no end")


def _graph(model: _Message) -> _Message:
    for number, wire, value in model:
        if number == _MODEL_GRAPH and wire == _BYTES:
            return model.inner(value)
    raise ValueError("it has no graph")


def _users(graph: _Message) -> dict[str, str]:
    """Name of the first node that takes each input (NodeProto: input 1, name 3)."""
    users: dict[str, str] = {}
    for number, wire, value in graph:
        if number == _GRAPH_NODE and wire == _BYTES:
            node = graph.inner(value)
            fields = [(key, text) for key, kind, text in node if key in (1, 3) and kind == _BYTES]
            name = next((node.text(text) for key, text in fields if key == 3), "")
            for text in (node.text(text) for key, text in fields if key == 1):
                if text.startswith(_UNNAMED):
                    users.setdefault(text, name)
    return users


def _tensor(message: _Message) -> _Tensor:
    tensor = _Tensor()
    for number, wire, value in message:
        if number == 1:
            tensor.dims.extend(
                islice(message.varints(value), MOST_AXES + 1) if wire == _BYTES else [value[0]]
            )
            check_sides(tensor.dims, tensor.name)
        elif number == 2 and wire == _VARINT:
            tensor.data_type = value[0]
        elif number == 8 and wire == _BYTES:
            tensor.name = check_name(message.text(value))
        elif number in (_FLOAT_DATA, _DOUBLE_DATA, 9) and wire == _BYTES:
            tensor.values, tensor.packed = value, 0 if number == 9 else number
        elif number == 13 and wire == _BYTES:
            pair = {key: message.text(text) for key, kind, text in message.inner(value) if kind == _BYTES}
            if pair.get(1) in _PLACE:
                tensor.external[pair[1]] = pair.get(2, "")
        elif number == 14 and wire == _VARINT:
            tensor.location = value[0]
    return tensor


def _described(path: Path, tensor: _Tensor, users: dict[str, str]) -> StoredTensor:
    name = tensor.name
    if name.startswith(_UNNAMED) and users.get(name):
        name = users[name].strip("/").replace("/", ".")
    shape = tuple(tensor.dims)
    if any(side >= 2**63 for side in shape):
        raise ValueError(f"{name} has a negative side")
    if tensor.data_type not in FLOATS:
        obstacle = f"is of ONNX's type {tensor.data_type}, {NO_REALS}"
        return StoredTensor(name, shape, f"type {tensor.data_type}", no_values, obstacle)
    dtype = FLOATS[tensor.data_type]
    where, offset, size = _place(path, tensor)
    obstacle = ""
    if size != math.prod(shape) * dtype.itemsize:
        if size or 0 in shape:
            raise ValueError(f"{name} has {size} bytes for shape {list(shape)}")
        obstacle = "has its values in a field that weights are not kept in; export it with raw data"
    return StoredTensor(
        name,
        shape,
        str(dtype),
        partial(mapped, where, offset, shape, dtype),
        obstacle,
        (where, offset, shape),
    )


def _place(path: Path, tensor: _Tensor) -> tuple[Path, int, int]:
    """File, offset and length of the values."""
    if tensor.location != _EXTERNAL:
        start, stop = tensor.values
        if tensor.packed and tensor.packed != {1: _FLOAT_DATA, 11: _DOUBLE_DATA}.get(tensor.data_type):
            raise ValueError(f"{tensor.name} has its values in a field of another type")
        return path, start, stop - start
    other = inside(path.parent, tensor.external.get("location", ""), path)
    offset = _number(tensor.external.get("offset", "0"))
    rest = other.stat().st_size - offset
    length = _number(tensor.external.get("length", str(rest)))
    if length > rest:
        raise ValueError(f"{other.name} is too short for {tensor.name}")
    return other, offset, length


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) < 20):
        raise ValueError(f"{text[:40]!r} is no place in a file")
    return int(text)
