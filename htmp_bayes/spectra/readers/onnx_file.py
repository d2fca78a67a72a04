"""Weights of an ONNX model, without the onnx package: its file is a protocol-buffer message.

Weights are the initialisers of a graph, or the values of its Constant nodes; graphs lie in the branches and loops of
others. Only the fields that lead there are followed (numbers from onnx.proto, ONNX IR version 10), and the values are
mapped from the file, or from the file beside it that holds them.
"""

import math
import mmap
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import NoTensors, SpectrumError
from htmp_bayes.spectra.readers.limits import MOST_AXES, check_name, check_sides
from htmp_bayes.spectra.readers.paths import inside
from htmp_bayes.spectra.readers.protobuf import BYTES, MOST_NUMBERS, VARINT, Count, Message
from htmp_bayes.spectra.readers.raw_values import (
    BFLOAT16,
    FLOAT8_E4M3,
    FLOAT8_E5M2,
    NO_REALS,
    mapped,
    no_values,
)
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

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
_SPARSE = -1
_OTHERS = (
    {_SPARSE: "sparse", 18: "float8e4m3fnuz", 20: "float8e5m2fnuz"}
    | dict(enumerate(["uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"], start=2))
    | dict(enumerate(["uint32", "uint64", "complex64", "complex128"], start=12))
    | dict(enumerate(["uint4", "int4", "float4e2m1"], start=21))
)
_MODEL_GRAPH, _MODEL_FUNCTION, _FUNCTION_NODE = 7, 25, 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATION, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = 1, 5, 6, 11, 22
_DEEPEST = 20
# Order of the gates: https://onnx.ai/onnx/operators/onnx__LSTM.html and GRU
_GATES: dict[str, tuple[str, ...]] = {
    "LSTM": ("input_gate", "output_gate", "forget_gate", "cell"),
    "GRU": ("update_gate", "reset_gate", "new"),
    "RNN": (),
}
_EXTERNAL = 1
_NAMELESS = re.compile(r"onnx::|\d+$|(.*/)?Constant_?\d*(_output_0)?$")
_PLACE = ("location", "offset", "length")


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
    """List the weights of an ONNX model: initialisers and Constant nodes, those of branches and loops too.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the graph. A tensor that the exporter left without a name of its own
        (``onnx::MatMul_12``) is named after the node that takes it; where branches have tensors of the same name,
        these have the names of node and branch in front.

    Raises
    ------
    SpectrumError
        If the file is truncated or is no such model.
    """
    try:
        if path.stat().st_size == 0:
            raise ValueError("it is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            graphs = _Graphs(Message(whole, 0, len(whole), Count(MOST_NUMBERS)))
            found = _told_apart(path, graphs)
    except (ValueError, LookupError, OverflowError, TypeError) as error:
        raise SpectrumError(
            f"{path} is not a whole ONNX model ({reason(error)}); export it again."
        ) from error
    if not found:
        raise NoTensors(
            f"{path} is an ONNX model without initialisers and constants; it has no weights to read."
        )
    return found


def _told_apart(path: Path, graphs: "_Graphs") -> list[StoredTensor]:
    described = [(place, _described(path, tensor, graphs)) for place, tensor in graphs.tensors]
    counts = Counter(tensor.name for _, tensor in described)
    return [
        replace(tensor, name=check_name(".".join((*place, tensor.name))))
        if counts[tensor.name] > 1
        else tensor
        for place, tensor in described
    ]


@dataclass
class _Node:
    """What a NodeProto says."""

    name: str
    operation: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[Message]


class _Graphs:
    """The graph of a model with all that lie within it: their tensors, and which nodes take them."""

    def __init__(self, model: Message) -> None:
        self.tensors: list[tuple[tuple[str, ...], _Tensor]] = []
        """With the nodes and branches that each is in."""
        self.users: dict[str, str] = {}
        """Name of the first node that takes each tensor."""
        self.recurrent: dict[str, str] = {}
        """The operation, of the weights of a recurrent layer."""
        graph = next(
            (model.inner(v) for number, wire, v in model if (number, wire) == (_MODEL_GRAPH, BYTES)), None
        )
        if graph is None:
            raise ValueError("it has no graph")
        self._walk(graph, ())
        for number, wire, value in model:
            if (number, wire) == (_MODEL_FUNCTION, BYTES):
                self._walk(model.inner(value), (), _FUNCTION_NODE)

    def _walk(self, graph: Message, place: tuple[str, ...], nodes: int = _GRAPH_NODE) -> None:
        if len(place) > 2 * _DEEPEST:
            raise ValueError("its graphs lie within one another without end")
        for number, wire, value in graph:
            if wire != BYTES:
                continue
            if number == nodes:
                self._look_at(_node(graph.inner(value)), place)
            elif nodes == _GRAPH_NODE and number == _GRAPH_INITIALIZER:
                self.tensors.append((place, _tensor(graph.inner(value))))
            elif nodes == _GRAPH_NODE and number == _GRAPH_SPARSE:
                self.tensors.append((place, _sparse(graph.inner(value))))

    def _look_at(self, node: _Node, place: tuple[str, ...]) -> None:
        for text in filter(_NAMELESS.match, node.inputs):
            self.users.setdefault(text, node.name)
        if node.operation in _GATES:
            self.recurrent |= dict.fromkeys(node.inputs[1:3], node.operation)
        for attribute in node.attributes:
            name = ""
            for number, wire, value in attribute:
                if wire != BYTES:
                    continue
                if number == _ATTRIBUTE_NAME:
                    name = attribute.text(value)
                elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    self._walk(attribute.inner(value), (*place, node.name or node.operation, name))
                elif node.operation == "Constant" and number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_SPARSE):
                    read = _tensor if number == _ATTRIBUTE_TENSOR else _sparse
                    tensor = read(attribute.inner(value))
                    tensor.name = check_name(next(iter(node.outputs), node.name))
                    self.tensors.append((place, tensor))


def _node(message: Message) -> _Node:
    node = _Node("", "", [], [], [])
    for number, wire, value in message:
        if wire != BYTES:
            continue
        if number == _NODE_INPUT:
            node.inputs.append(message.text(value))
        elif number == _NODE_OUTPUT:
            node.outputs.append(message.text(value))
        elif number == _NODE_NAME:
            node.name = message.text(value)
        elif number == _NODE_OPERATION:
            node.operation = message.text(value)
        elif number == _NODE_ATTRIBUTE:
            node.attributes.append(message.inner(value))
    return node


def _sparse(message: Message) -> _Tensor:
    """Name and sides of a SparseTensorProto (values 1, dims 3)."""
    tensor = _Tensor(data_type=_SPARSE)
    for number, wire, value in message:
        if (number, wire) == (1, BYTES):
            tensor.name = _tensor(message.inner(value)).name
        elif number == 3:
            _extend(tensor, message, wire, value)
    return tensor


def _tensor(message: Message) -> _Tensor:
    tensor = _Tensor()
    for number, wire, value in message:
        if number == 1:
            _extend(tensor, message, wire, value)
        elif number == 2 and wire == VARINT:
            tensor.data_type = value[0]
        elif number == 8 and wire == BYTES:
            tensor.name = check_name(message.text(value))
        elif number in (_FLOAT_DATA, _DOUBLE_DATA, 9) and wire == BYTES:
            tensor.values, tensor.packed = value, 0 if number == 9 else number
        elif number == 13 and wire == BYTES:
            pair = {key: message.text(text) for key, kind, text in message.inner(value) if kind == BYTES}
            if pair.get(1) in _PLACE:
                tensor.external[pair[1]] = pair.get(2, "")
        elif number == 14 and wire == VARINT:
            tensor.location = value[0]
    return tensor


def _extend(tensor: _Tensor, message: Message, wire: int, value: tuple[int, int]) -> None:
    """Add the sides that a field gives, one or several."""
    tensor.dims.extend(islice(message.varints(value), MOST_AXES + 1) if wire == BYTES else [value[0]])
    check_sides(tensor.dims, tensor.name)


def _described(path: Path, tensor: _Tensor, graphs: _Graphs) -> StoredTensor:
    name, operation = tensor.name, graphs.recurrent.get(tensor.name, "")
    if _NAMELESS.match(name) and graphs.users.get(name):
        name = graphs.users[name].strip("/").replace("/", ".")
    shape = tuple(tensor.dims)
    if any(side >= 2**63 for side in shape):
        raise ValueError(f"{name} has a negative side")
    if tensor.data_type not in FLOATS:
        known = _OTHERS.get(tensor.data_type, f"type {tensor.data_type}")
        obstacle = f"is of ONNX's type {known}, {NO_REALS}"
        return StoredTensor(name, shape, known, no_values, obstacle)
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
        "recurrent" if operation else "",
        gates=_GATES.get(operation, ()),
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
