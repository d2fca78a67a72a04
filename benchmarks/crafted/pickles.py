"""PyTorch checkpoints, as archives and in the older format, whose pickles crash, hang or grow."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator

import numpy as np

from .case import Case, lazily

MAGIC = 0x1950A86A20F9469CFC6C
VALUES = np.random.default_rng(1).normal(size=900).astype(np.float32).tobytes()


def text(value: str) -> bytes:
    """Opcode of a text."""
    held = value.encode()
    return b"X" + struct.pack("<I", len(held)) + held


def number(value: int) -> bytes:
    """Opcode of a whole number."""
    return pickle.dumps(value, 2)[2:-1]


def sides(values: tuple[int, ...]) -> bytes:
    """Opcodes of a tuple of whole numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


STRIDES = sides((30, 1))
SHAPE = sides((30, 30))
STORAGE = b"ctorch\nFloatStorage\n"
KEY = text("0")


def persistent(key: bytes = KEY, kind: bytes = STORAGE) -> bytes:
    """Opcodes of a storage."""
    return b"(" + text("storage") + kind + key + text("cpu") + b"M\x84\x03tQ"


def tensor(
    place: bytes | None = None,
    start: bytes = b"K\0",
    shape: bytes = SHAPE,
    strides: bytes = STRIDES,
    maker: bytes = b"ctorch._utils\n_rebuild_tensor_v2\n",
) -> bytes:
    """Opcodes of a tensor."""
    place = persistent() if place is None else place
    return maker + b"(" + place + start + shape + strides + b"\x89NtR"


def named(value: bytes, name: bytes = text("w")) -> bytes:
    """Opcodes of a dictionary with one entry."""
    return b"}" + name + value + b"s"


DEEP = b")" + b"\x85" * 200_000
DOUBLED = b")" + b"2\x86" * 40


def archive(content: bytes, values: bytes = VALUES, key: str = "0") -> bytes:
    """Put a checkpoint of today's format together."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
        file.writestr(f"archive/data/{key}", values)
    return held.getvalue()


def legacy(content: bytes, keys: bytes = b"]" + KEY + b"a", values: bytes = VALUES) -> bytes:
    """Put a checkpoint of the older format together."""
    system = pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)
    head = pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + system
    return head + b"\x80\x02" + content + b"." + b"\x80\x02" + keys + b"." + struct.pack("<q", 900) + values


def called(module: str, name: str, argument: bytes = text("touch executed")) -> bytes:
    """Opcodes of a call."""
    return f"c{module}\n{name}\n".encode() + b"(" + argument + b"tR"


def nested(depth: int, key: Callable[[int], bytes], inside: bytes) -> bytes:
    """Opcodes of dictionaries in one another."""
    return b"".join(b"}" + key(level) for level in range(depth)) + inside + b"s" * depth


def shared(count: int) -> bytes:
    """Opcodes of one tensor under so many names."""
    entries = b"".join(text(f"w{i}") + b"h\1" for i in range(count))
    return tensor() + b"q\x010}(" + entries + b"u"


BOTH: dict[str, Callable[[], bytes]] = {
    "deep tuple as the key of a storage": lambda: named(tensor(persistent(DEEP))),
    "doubled tuples as the key of a storage": lambda: named(tensor(persistent(DOUBLED))),
    "list as the key of a storage": lambda: named(tensor(persistent(b"]"))),
    "path as the key of a storage": lambda: named(tensor(persistent(text("../../outside/secret.txt")))),
    "deep tuple as a persistent id": lambda: named(tensor(DEEP + b"Q")),
    "doubled tuples as a persistent id": lambda: named(tensor(DOUBLED + b"Q")),
    "number as a persistent id": lambda: named(tensor(b"K\1Q")),
    "deep tuple as the class of a storage": lambda: named(tensor(persistent(kind=DEEP))),
    "deep tuple as the name of a class": lambda: named(DEEP + text("a") + b"\x93"),
    "doubled tuples as the module of a class": lambda: named(text("a") + DOUBLED + b"\x93"),
    "deep tuple as a key": lambda: b"}" + DEEP + b"K\1s" + text("w") + tensor() + b"s",
    "doubled tuples as a key": lambda: b"}" + DOUBLED + b"K\1s" + text("w") + tensor() + b"s",
    "deep tuple as the number of a side": lambda: named(tensor(shape=b"(" + DEEP + b"t")),
    "doubled tuples as a shape": lambda: named(tensor(shape=DOUBLED)),
    "deep tuple as a function": lambda: named(DEEP + b")R"),
    "deep tuple as a state": lambda: named(b"ca\nb\n)R" + DEEP + b"b"),
    "300,000 sides": lambda: named(tensor(shape=b"(" + b"K\1" * 300_000 + b"t")),
    "300,000 strides": lambda: named(tensor(strides=b"(" + b"K\1" * 300_000 + b"t")),
    "text as a shape": lambda: named(tensor(shape=text("30" * 200_000))),
    "dictionary as a shape": lambda: named(tensor(shape=b"}")),
    "sides that are texts": lambda: named(tensor(shape=b"(" + text("30") + text("30") + b"t")),
    "side beyond 64 bits": lambda: named(tensor(shape=sides((2**70, 30)))),
    "negative stride": lambda: named(tensor(strides=sides((-30, 1)))),
    "start beyond the storage": lambda: named(tensor(start=number(2**60))),
    "storage of no known type": lambda: named(tensor(persistent(kind=b"ctorch\nOddStorage\n"))),
    "40 nested keys of 300 kB and 100 tensors": lambda: (
        text("k" * 300_000)
        + b"q\x010"
        + nested(40, lambda _: b"h\1", b"}(" + b"".join(text(f"w{i}") + tensor() for i in range(100)) + b"u")
    ),
    "name of 100,000 characters": lambda: named(tensor(), text("w" * 100_000)),
    "name with a NUL": lambda: named(tensor(), text("a\0b")),
    "1,000 levels of modules": lambda: nested(1000, lambda _: text("_modules"), tensor()),
    "dictionary that holds itself": lambda: b"}q\1" + text("w") + b"h\1s" + text("v") + tensor() + b"s",
    "200,000 names of one tensor": lambda: shared(200_000),
    "dictionary of a long list 5,000 times": lambda: (
        b"]q\1("
        + (text("a") + b"K\1\x86") * 20_000
        + b"e0ccollections\nOrderedDict\nq\x020"
        + b"h\2h\1\x85R0" * 5000
        + named(tensor())
    ),
    "parameters of parameters": lambda: named(
        b"ctorch._utils\n_rebuild_parameter\n(" * 20_000 + tensor() + b"tR" * 20_000
    ),
    "4,000,000 steps": lambda: b"N0" * 2_000_000 + named(tensor()),
    "place 2**31 in the memo": lambda: named(tensor() + b"r\xff\xff\xff\x7f"),
    "place that is not in the memo": lambda: named(b"j\xff\xff\xff\x7f"),
    "number of 2 GB": lambda: named(b"\x8b\xff\xff\xff\x7f"),
    "text of 2**62 bytes": lambda: named(b"\x8d" + struct.pack("<Q", 2**62)),
    "number of 100,000 digits": lambda: named(b"I" + b"9" * 100_000 + b"\n"),
    "class with a name of 300 kB": lambda: named(b"c" + b"a" * 300_000 + b"\nb\n)R") + b"0" + named(tensor()),
    "quantised tensor with 300,000 arguments": lambda: named(
        b"ctorch._utils\n_rebuild_qtensor\n(" + b"K\1" * 300_000 + b"tR"
    ),
    "os.system": lambda: named(called("os", "system")),
    "posix.system": lambda: named(called("posix", "system")),
    "subprocess.Popen": lambda: named(called("subprocess", "Popen")),
    "builtins.exec": lambda: named(called("builtins", "exec", text("open('executed', 'w')"))),
    "builtins.open": lambda: named(called("builtins", "open", text("executed") + text("w"))),
    "runpy": lambda: named(called("runpy", "run_path", text("../outside/secret.txt"))),
    "import of a module": lambda: named(b"cantigravity\ngeohash\n"),
    "instance of a class (INST)": lambda: named(b"(" + text("touch executed") + b"ios\nsystem\n"),
    "instance of a class (OBJ)": lambda: named(b"(cos\nsystem\n" + text("touch executed") + b"o"),
    "extension of the registry": lambda: named(b"\x82\1"),
    "buffer out of band": lambda: named(b"\x97"),
    "only marks": lambda: b"(" * 100_000,
    "stack that is empty": lambda: b"0" * 10,
}
WELL = {
    "name with a NUL",
    "place 2**31 in the memo",
    "deep tuple as a key",
    "doubled tuples as a key",
    "dictionary that holds itself",
}
SLOW = {"4,000,000 steps", "200,000 names of one tensor", "dictionary of a long list 5,000 times"}


def cases() -> Iterator[Case]:
    """Yield all of them."""
    yield Case("pt: as it is", lazily(".pt", lambda: archive(named(tensor()))), False)
    yield Case("older pt: as it is", lazily(".bin", lambda: legacy(named(tensor()))), False)
    for name, content in BOTH.items():
        refused, heavy = (None if name in WELL else True), name in SLOW
        yield Case(f"pt: {name}", lazily(".pt", lambda content=content: archive(content())), refused, heavy)
        yield Case(
            f"older pt: {name}", lazily(".pt", lambda content=content: legacy(content())), refused, heavy
        )
    for name, keys in {
        "deep tuple in the list of keys": lambda: b"](" + DEEP + b"e",
        "doubled tuples in the list of keys": lambda: b"](" + DOUBLED + b"e",
        "doubled tuples as the list of keys": lambda: DOUBLED,
        "number as the list of keys": lambda: b"K\1",
        "class as the list of keys": lambda: b"ca\nb\n",
    }.items():
        yield Case(f"older pt: {name}", lazily(".pt", lambda keys=keys: legacy(named(tensor()), keys())))
    slow = b"\x80\x02" + b"N0" * 1_000_000 + b"N."
    magic = pickle.dumps(MAGIC, 2)
    yield Case(
        "older pt: 2,000,000 steps before the version", lazily(".pt", lambda: magic + slow), heavy=True
    )
    yield Case("older pt: 2,000,000 steps before the magic number", lazily(".pt", lambda: slow), heavy=True)
