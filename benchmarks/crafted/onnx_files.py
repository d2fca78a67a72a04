"""ONNX models: protocol-buffer messages of very many fields, and values that are elsewhere."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .case import OUTSIDE, Case, lazily

VALUES = np.random.default_rng(1).normal(size=(30, 40)).astype(np.float32).tobytes()


def varint(value: int) -> bytes:
    """Write a number of a message."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(key: int, value: bytes | int) -> bytes:
    """Write a field of a message: bytes, or a number."""
    if isinstance(value, int):
        return varint(key << 3) + varint(value)
    return varint(key << 3 | 2) + varint(len(value)) + value


def weights(
    name: bytes = b"w",
    dims: bytes | None = None,
    data_type: int = 1,
    values: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """Write a tensor as an initialiser of a graph."""
    dims = field(1, 30) + field(1, 40) if dims is None else dims
    values = field(9, VALUES) if values is None else values
    return field(5, dims + field(2, data_type) + field(8, name) + values + more)


def model(*graph: bytes) -> bytes:
    """Write a model with a graph."""
    return field(1, 10) + field(7, b"".join(graph))


def external(location: str, offset: str = "0", length: str = "4800") -> bytes:
    """Write a model whose values are in another file."""
    pairs = {"location": location, "offset": offset, "length": length}
    entries = b"".join(
        field(13, field(1, key.encode()) + field(2, value.encode())) for key, value in pairs.items()
    )
    return model(weights(values=b"", more=entries + field(14, 1)))


MESSAGES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no graph": lambda: field(1, 10),
    "no initialisers": lambda: model(field(2, b"graph")),
    "graph beyond the file": lambda: varint(7 << 3 | 2) + varint(2**40),
    "number without end": lambda: b"\xff" * 30,
    "group": lambda: varint(7 << 3 | 3),
    "field 0": lambda: b"\x00\x01" + model(weights(data_type=99)),
    "300,000 sides": lambda: model(weights(dims=field(1, 1) * 300_000)),
    "300,000 packed sides": lambda: model(weights(dims=field(1, b"\1" * 300_000))),
    "33 sides": lambda: model(weights(dims=field(1, b"\1" * 31 + b"\x1e\x28"))),
    "negative side": lambda: model(weights(dims=field(1, 2**64 - 30) + field(1, 40))),
    "sides whose product overflows": lambda: model(weights(dims=field(1, 2**62) * 3)),
    "sides without values": lambda: model(weights(values=b"")),
    "more values than its shape": lambda: model(weights(values=field(9, VALUES + b"more"))),
    "values in a field of another type": lambda: model(weights(values=field(10, VALUES))),
    "unknown type": lambda: model(weights(data_type=99)),
    "type of 2**60": lambda: model(weights(data_type=2**60)),
    "name of 100,000 bytes": lambda: model(weights(b"w" * 100_000)),
    "name that is no text": lambda: model(weights(b"\xff\xfe")),
    "3,000,000 fields": lambda: model(field(3, 1) * 3_000_000, weights()),
    "fields one by one for values": lambda: model(
        weights(values=varint(4 << 3 | 5) + bytes(4)) + field(3, 1) * 9
    ),
    "300,000 nodes": lambda: model(field(1, field(1, b"onnx::a") + field(3, b"n")) * 300_000, weights()),
    "200,000 tensors": lambda: model(weights(dims=field(1, 1), values=field(9, bytes(4))) * 200_000),
    "1,000,000 entries for a place": lambda: model(
        weights(values=b"", more=field(13, field(1, b"a")) * 1_000_000 + field(14, 1))
    ),
    "graph in graph": lambda: model(model(model(weights()))),
    "120,000 parts": lambda: model(
        weights(b"experts.w", field(1, b"\xc0\xa9\x07\1\1"), values=field(9, bytes(480_000)))
    ),
}
PLACES = {
    "absolute": "/etc/hostname",
    "above": f"../{OUTSIDE}/secret.txt",
    "above, by way of below": f"a/../../{OUTSIDE}/secret.txt",
    "link": "link",
    "pipe": "pipe",
    "folder": ".",
    "nothing": "",
    "NUL": "a\0b",
    "absent": "absent",
    "itself with an offset of 10**30": "model.onnx",
    "5,000 characters": "a" * 5000,
}


def placed(location: str, offset: str = "0", length: str = "4800") -> Callable[[Path], Path]:
    """Make a model whose values are elsewhere, with a link and a pipe beside it."""

    def make(folder: Path) -> Path:
        (folder / "link").symlink_to(folder.parent / OUTSIDE / "secret.txt")
        os.mkfifo(folder / "pipe")
        (folder / "model.onnx").write_bytes(external(location, offset, length))
        return folder / "model.onnx"

    return make


def cases() -> Iterator[Case]:
    """Yield all of them."""
    yield Case("onnx: as it is", lazily(".onnx", lambda: model(weights())), False)
    for what, content in MESSAGES.items():
        heavy = what.startswith(("3,0", "300,000 n", "200,000", "1,000"))
        yield Case(
            f"onnx: {what}", lazily(".onnx", content), None if what == "300,000 nodes" else True, heavy
        )
    for what, location in PLACES.items():
        yield Case(
            f"onnx: values elsewhere: {what}", placed(location, str(10**30) if "10**30" in what else "0")
        )
    yield Case("onnx: values elsewhere: length of 5,000 digits", placed("model.onnx", "0", "9" * 5000))
    yield Case("onnx: values elsewhere: negative offset", placed("model.onnx", "-1"))
