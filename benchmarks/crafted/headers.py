"""Files of safetensors and GGUF whose headers say too much, or what is not so."""

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .case import Case, holding, lazily

VALUES = np.random.default_rng(1).normal(size=(30, 40)).astype(np.float32).tobytes()


def safetensors(header: bytes | dict[str, Any], values: bytes = VALUES, length: int | None = None) -> bytes:
    """Put a file together."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + values


def entry(dtype: Any = "F32", shape: Any = (30, 40), offsets: Any = (0, 4800)) -> dict[str, Any]:
    """Describe a tensor, as a header does."""
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def empties(count: int, name: str = "") -> bytes:
    """Put a header of many empty tensors together."""
    each = json.dumps(entry(shape=[0], offsets=[0, 0]))
    return ("{" + ",".join(f'"{name}{i}":{each}' for i in range(count)) + "}").encode()


HEADERS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "header of 2**63 bytes": lambda: safetensors({}, length=2**63),
    "header beyond the file": lambda: safetensors({}, length=10**6),
    "no JSON": lambda: safetensors(b"{"),
    "list": lambda: safetensors(b"[]"),
    "100,000 levels": lambda: safetensors(b'{"a":' * 100_000),
    "100,000 lists": lambda: safetensors(b"[" * 100_000),
    "no tensors": lambda: safetensors({}, b""),
    "values of nobody": lambda: safetensors({"w": entry()}, VALUES + b"more"),
    "values beyond the file": lambda: safetensors({"w": entry(offsets=(0, 10**9))}),
    "values that overlap": lambda: safetensors({"w": entry(), "v": entry()}),
    "fewer values than its shape": lambda: safetensors({"w": entry(shape=(30, 41))}),
    "negative offset": lambda: safetensors({"w": entry(offsets=(-4800, 0))}),
    "offsets turned round": lambda: safetensors({"w": entry(offsets=(4800, 0))}),
    "sides whose product overflows": lambda: safetensors({"w": entry(shape=(2**33, 2**33))}),
    "fractions as sides": lambda: safetensors({"w": entry(shape=(30.5, 40))}),
    "unknown type": lambda: safetensors({"w": entry("F99")}),
    "type of whole numbers": lambda: safetensors({"w": entry("I32")}),
    "300,000 sides": lambda: safetensors({"w": entry(shape=[1] * 300_000 + [30, 40])}),
    "33 sides": lambda: safetensors({"w": entry(shape=[1] * 31 + [30, 40])}),
    "name of 100,000 characters": lambda: safetensors({"w" * 100_000: entry()}),
    "name with a NUL": lambda: safetensors({"a\0b": entry()}),
    "half a surrogate pair": lambda: safetensors(b'{"\\ud800":' + json.dumps(entry()).encode() + b"}"),
    "the same name twice": lambda: safetensors(
        b'{"w":' + json.dumps(entry()).encode() + b',"w":' + json.dumps(entry()).encode() + b"}"
    ),
    "metadata that are none": lambda: safetensors({"__metadata__": {"a": {}}, "w": entry()}),
    "300,000 empty tensors": lambda: safetensors(empties(300_000), b""),
    "header of 90 MB": lambda: safetensors(empties(1_300_000), b""),
    "header of 30 MB": lambda: safetensors(empties(90_000, "n" * 280), b""),
    "90,000 tensors called norm": lambda: safetensors(empties(90_000, "_norm" * 18 + "-"), b""),
    "120,000 experts": lambda: safetensors(
        {"experts.w": entry("F8_E4M3", (120_000, 1, 1), (0, 120_000))}, bytes(120_000)
    ),
    "40 tensors of 9,000 experts": lambda: safetensors(
        {
            f"experts.{i}_w": entry("F8_E4M3", (9000, 1, 1), (9000 * i, 9000 * i + 9000))
            for i in range(40)
        },
        bytes(360_000),
    ),
}  # fmt: skip
HEAVY = {"header of 90 MB", "header of 30 MB", "90,000 tensors called norm", "300,000 empty tensors"}


def name(text: str | bytes) -> bytes:
    """Write a text as GGUF has it."""
    held = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(held)) + held


def gguf(tensors: int, pairs: int, *content: bytes, version: int = 3) -> bytes:
    """Put a file together."""
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, pairs) + b"".join(content)


def described(
    called: str | bytes = "w", sides: tuple[int, ...] = (40, 30), kind: int = 0, offset: int = 0
) -> bytes:
    """Describe a tensor, as a header does."""
    return name(called) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, kind, offset)


def array(kind: int, count: int, content: bytes = b"") -> bytes:
    """Write a pair whose value is an array."""
    return name("k") + struct.pack("<IIQ", 9, kind, count) + content


BODY = bytes(64) + VALUES
GGUF: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "only the magic number": lambda: b"GGUF",
    "version 1": lambda: gguf(1, 0, described(), BODY, version=1),
    "other byte order": lambda: gguf(1, 0, described(), BODY, version=3 << 24),
    "400,000 tensors": lambda: gguf(400_000, 0, described(sides=(1,)) * 400_000, BODY),
    "2**63 tensors": lambda: gguf(2**63, 0, described(), BODY),
    "2**63 pairs": lambda: gguf(1, 2**63, name("k") + struct.pack("<II", 4, 1)),
    "2,000,000 pairs": lambda: gguf(1, 2_000_000, (name("k") + struct.pack("<IB", 7, 1)) * 2_000_000),
    "array of 2**62": lambda: gguf(1, 1, array(4, 2**62)),
    "2,000,000 texts": lambda: gguf(1, 1, array(8, 2_000_000, name("") * 2_000_000)),
    "2**62 texts": lambda: gguf(1, 1, array(8, 2**62)),
    "text of 2**62 bytes": lambda: gguf(1, 1, name("k") + struct.pack("<IQ", 8, 2**62)),
    "arrays in arrays": lambda: gguf(1, 1, array(9, 1, struct.pack("<IQ", 9, 1) * 1000)),
    "arrays of arrays of nothing": lambda: gguf(
        1, 1, array(9, 1_500_000, struct.pack("<IQ", 4, 0) * 1_500_000)
    ),
    "unknown kind of pair": lambda: gguf(1, 1, name("k") + struct.pack("<I", 99)),
    "key of 10 MB": lambda: gguf(1, 1, name("k" * 10**7)),
    "key that is no text": lambda: gguf(1, 1, name(b"\xff\xfe")),
    "alignment of 0": lambda: gguf(
        1, 1, name("general.alignment") + struct.pack("<II", 4, 0), described(), BODY
    ),
    "alignment of 2**31": lambda: gguf(
        1, 1, name("general.alignment") + struct.pack("<II", 4, 2**31), described()
    ),
    "name of 1,000 characters": lambda: gguf(1, 0, described("w" * 1000), BODY),
    "name of 2**63 bytes": lambda: gguf(1, 0, struct.pack("<Q", 2**63)),
    "name that is no text": lambda: gguf(1, 0, described(b"\xff"), BODY),
    "2**31 axes": lambda: gguf(1, 0, name("w"), struct.pack("<I", 2**31)),
    "8 axes": lambda: gguf(1, 0, described(sides=(1,) * 8), BODY),
    "sides of 2**63": lambda: gguf(1, 0, described(sides=(2**63, 2**63)), BODY),
    "offset of 2**63": lambda: gguf(1, 0, described(offset=2**63), BODY),
    "unknown type": lambda: gguf(1, 0, described(kind=99), BODY),
    "quantised": lambda: gguf(1, 0, described(kind=2), BODY),
    "120,000 parts": lambda: gguf(1, 0, described("experts.w", (1, 1, 120_000), 1), bytes(300_000)),
}


def cases() -> Iterator[Case]:
    """Yield all of them."""
    yield Case("safetensors: as it is", holding(".safetensors", safetensors({"w": entry()})), False)
    for what, content in HEADERS.items():
        refused = None if what in ("the same name twice", "name with a NUL") else True
        yield Case(f"safetensors: {what}", lazily(".safetensors", content), refused, what in HEAVY)
    whole = gguf(1, 0, described())
    yield Case("gguf: as it is", holding(".gguf", whole + bytes(-len(whole) % 32) + VALUES), False)
    for what, content in GGUF.items():
        yield Case(
            f"gguf: {what}", lazily(".gguf", content), heavy=what.startswith(("2,0", "1,5", "arrays of"))
        )
