"""Writers of formats, as small as can be: what their own libraries would write, without them."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile

import numpy as np

# torch.save


class Tensor:
    """A tensor of torch, for `save_torch`."""

    def __init__(self, array):
        self.array = np.asarray(array, order="C")

    def __reduce__(self):
        strides = tuple(side // self.array.itemsize for side in self.array.strides)
        made = (_Storage(self.array), 0, self.array.shape, strides, False, collections.OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, made


class _Storage:
    def __init__(self, array):
        self.array = array


_KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage", "u1": "ByteStorage"}


def _stand_in(name, **things):
    module = types.ModuleType(name)
    for key, value in things.items():
        value.__module__, value.__qualname__ = name, key
        setattr(module, key, value)
    return module


def save_torch(content, path):
    """Write what `torch.save` writes of a nest of dictionaries and of tensors, with stand-ins for torch."""

    def rebuild(*_):
        raise NotImplementedError

    storages = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if not isinstance(thing, _Storage):
                return None
            storages.append(thing.array)
            kind = getattr(sys.modules["torch"], _KINDS[thing.array.dtype.str[1:]])
            return "storage", kind, str(len(storages) - 1), "cpu", thing.array.size

    stand_ins = {
        "torch": _stand_in("torch", **{name: type(name, (), {}) for name in _KINDS.values()}),
        "torch._utils": _stand_in("torch._utils", _rebuild_tensor_v2=rebuild),
    }
    before = {name: sys.modules.get(name) for name in stand_ins}
    out = io.BytesIO()
    try:
        sys.modules.update(stand_ins)
        Pickler(out, 2).dump(content)
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        for key, array in enumerate(storages):
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


# ONNX: https://protobuf.dev/programming-guides/encoding/


def _varint(number):
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def field(number, content):
    """Make a field of bytes, or of a number."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def onnx_tensor(name, array, data_type=1):
    """Make a TensorProto."""
    sides = b"".join(field(1, side) for side in array.shape)
    return sides + field(2, data_type) + field(8, name.encode()) + field(9, array.tobytes())


def onnx_node(operation, inputs=(), outputs=(), attributes=(), name=""):
    """Make a NodeProto; attributes are names, numbers of the field and contents."""
    texts = [field(1, text.encode()) for text in inputs] + [field(2, text.encode()) for text in outputs]
    made = [field(5, field(1, key.encode()) + field(number, content)) for key, number, content in attributes]
    return b"".join([*texts, field(3, (name or operation).encode()), field(4, operation.encode()), *made])


def onnx_constant(name, array):
    """Make a Constant node."""
    return onnx_node("Constant", [], [name], [("value", 5, onnx_tensor("", array))])


def onnx_graph(nodes, initialisers=()):
    """Make a GraphProto."""
    return b"".join([*(field(1, node) for node in nodes), *(field(5, tensor) for tensor in initialisers)])


def save_onnx(path, nodes, initialisers=()):
    """Write a model."""
    path.write_bytes(field(1, 10) + field(7, onnx_graph(nodes, initialisers)))
    return path


# GGUF


def save_gguf(path, arrays, kinds=None, metadata=None):
    """Write tensors of float32, or of what `kinds` says for their names, and metadata of texts and whole numbers."""
    head, data = struct.pack("<4sIQQ", b"GGUF", 3, len(arrays), len(metadata or {})), b""
    for key, value in (metadata or {}).items():
        head += struct.pack("<Q", len(key)) + key.encode()
        text = isinstance(value, str)
        head += struct.pack("<IQ", 8, len(value)) + value.encode() if text else struct.pack("<II", 4, value)
    for name, array in arrays.items():
        head += struct.pack("<Q", len(name)) + name.encode()
        head += struct.pack(f"<I{array.ndim}Q", array.ndim, *reversed(array.shape))
        head += struct.pack("<IQ", (kinds or {}).get(name, 0), len(data))
        data += array.tobytes().ljust(-(-array.nbytes // 32) * 32, b"\0")
    path.write_bytes(head.ljust(-(-len(head) // 32) * 32, b"\0") + data)
    return path
