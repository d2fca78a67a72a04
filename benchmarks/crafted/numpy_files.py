"""Headers of ``.npy`` and ``.npz``: Python literals that are none, or say too much."""

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .case import Case, holding

VALUES = np.random.default_rng(1).normal(size=(30, 40)).tobytes()
GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (30, 40)}"


def described(descr: str = "'<f8'", order: str = "False", shape: str = "(30, 40)") -> str:
    """Write the literal of a header."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


HEADERS = {
    "nothing": "",
    "empty dictionary": "{}",
    "list": "[]",
    "number": "1",
    "open bracket": "(",
    "many brackets": "(" * 5000,
    "more brackets": "[" * 9000,
    "nested lists": "[" * 200 + "]" * 200,
    "nested dictionaries": "{'a':" * 3000,
    "signs": "-" * 9000 + "1",
    "nots": "not " * 2000 + "1",
    "sums": "1+" * 4000 + "1j",
    "words": "no literal at all",
    "call": "__import__('os').system('touch executed')",
    "attribute": "().__class__",
    "format": 'f\'{open("executed", "w")}\'',
    "indent": "  {'descr'\n     : 1}",
    "dedent": "if 1:\n\t\tx\n\ty",
    "NUL": GOOD + "\0",
    "backslash": "'\\q'",
    "is": "1 is 1",
    "set": "{1, 2}",
    "unhashable key": "{[1]: 2}",
    "unhashable set": "{{}}",
    "digits": "9" * 5000,
    "one key": "{'descr': '<f8'}",
    "more keys": GOOD[:-1] + ", 'more': 1}",
    "bytes as keys": GOOD.replace("'d", "b'd"),
    "latin": GOOD.replace("descr", "d\xe9scr"),
    "order of another type": described(order="'x'"),
    "no type": described("None"),
    "number as type": described("3"),
    "empty type": described("[]"),
    "tuple as type": described("('<f8', (10**9, 10**9))"),
    "huge subarray": described("('<f8', (1000000000, 1000000000))"),
    "field without type": described("[('a',)]"),
    "fields": described("[('a', '<f8')]"),
    "field twice": described("[('a', '<f8'), ('a', '<f8')]"),
    "fields in fields": described("[('a', " * 400 + "'<f8'" + ")]" * 400),
    "many fields": described(str([(f"f{i}", "<f8") for i in range(500)])),
    "dictionary as type": described("{'names': ['a'], 'formats': ['<f8'], 'offsets': [-5]}"),
    "type with commas": described("'<f8,<f8'"),
    "objects": described("'|O'"),
    "objects in fields": described("[('a', '|O')]"),
    "void": described("'V10000000000'"),
    "wide text": described("'<U9999999999'"),
    "dates": described("'<m8[999999999999999999999s]'"),
    "word as type": described("'weights'"),
    "bytes as type": described("b'\\xff'"),
    "number as shape": described(shape="3"),
    "text as shape": described(shape="'30'"),
    "list as shape": described(shape="[30, 40]"),
    "fractions": described(shape="(30.0, 40)"),
    "truths": described(shape="(True, False)"),
    "texts": described(shape="('30', '40')"),
    "negative side": described(shape="(-30, -40)"),
    "minus one": described(shape="(-1, 40)"),
    "long side": described(shape="(4611686018427387904, 4)"),
    "longer side": described(shape=f"(30, {10**30})"),
    "zero times much": described(shape="(0, 4611686018427387904)"),
    "many sides": described(shape=str((1,) * 33)),
    "thousands of sides": described(shape=str((1,) * 3000)),
}


def npy(header: str, version: bytes = b"\1\0", length: int | None = None) -> bytes:
    """Put an array together: magic, version, length of the header, header and values."""
    text = header.encode("latin-1")
    layout = "<H" if version[0] == 1 else "<I"
    return (
        b"\x93NUMPY" + version + struct.pack(layout, len(text) if length is None else length) + text + VALUES
    )


def npz(content: bytes, name: str = "w.npy", compression: int = zipfile.ZIP_STORED) -> bytes:
    """Put an archive with one member together."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as archive:
        archive.writestr(name, content)
    return held.getvalue()


def zeros(side: int) -> bytes:
    """Put an array of zeros together."""
    held = io.BytesIO()
    np.save(held, np.zeros((side, side), np.float32))
    return held.getvalue()


def stretched(folder: Path) -> Path:
    """Make an archive of ten members that are each 99 times longer than what is stored."""
    rng = np.random.default_rng(1)
    one = np.zeros((3000, 3000), np.float32)
    one.reshape(-1)[: one.size // 130] = rng.normal(size=one.size // 130)
    np.savez_compressed(folder / "model.npz", **{f"w{i}": one for i in range(10)})
    return folder / "model.npz"


def directory(count: int, name: int = 1) -> bytes:
    """Put an archive together that is a directory of so many members and nothing else."""
    entry = (
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, name, 0, 0, 0, 0, 0, 0)
        + b"w" * name
    )
    size = count * len(entry)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, size, 0, 0)
    return entry * count + end


def changed(content: bytes, offset: int, new: bytes) -> bytes:
    """Change the record of a member in the directory of an archive."""
    place = content.rindex(b"PK\1\2") + offset
    return content[:place] + new + content[place + len(new) :]


def cases() -> Iterator[Case]:
    """Yield all of them."""
    well = {"zero times much", "fields", "is"}
    for name, header in HEADERS.items():
        refused = None if name in well else True
        yield Case(f"npy: header: {name}", holding(".npy", npy(header)), refused)
        yield Case(f"npz: header: {name}", holding(".npz", npz(npy(header))), refused)
    yield Case("npy: version 3", holding(".npy", npy(GOOD, b"\3\0")))
    yield Case("npy: version 9", holding(".npy", npy(GOOD, b"\x09\0")))
    yield Case("npy: header of 4 GB", holding(".npy", npy(GOOD, b"\2\0", 2**32 - 1)))
    yield Case("npy: header longer than is read", holding(".npy", npy(GOOD + " " * 60_000)))
    yield Case(
        "npz: deflated as it is", holding(".npz", npz(npy(GOOD), compression=zipfile.ZIP_DEFLATED)), False
    )
    yield Case("npz: by bzip2", holding(".npz", npz(npy(GOOD), compression=zipfile.ZIP_BZIP2)))
    yield Case("npz: by LZMA", holding(".npz", npz(npy(GOOD), compression=zipfile.ZIP_LZMA)))
    lzma = npz(npy(GOOD), compression=zipfile.ZIP_LZMA)
    huge = lzma[: lzma.index(b"\x5d\0") + 1] + b"\xff\xff\xff\xff" + lzma[lzma.index(b"\x5d\0") + 5 :]
    yield Case("npz: by LZMA with a dictionary of 4 GB", holding(".npz", huge))
    yield Case("npz: zeros", holding(".npz", npz(zeros(2000), compression=zipfile.ZIP_DEFLATED)))
    yield Case("npz: members 99 times as long", stretched, heavy=True)
    yield Case("npz: name of 60,000 characters", holding(".npz", npz(npy(GOOD), "w" * 60_000 + ".npy")))
    yield Case(
        "npz: directory of 1,000,000 members", lambda f: holding(".npz", directory(10**6))(f), heavy=True
    )
    yield Case(
        "npz: directory of 400,000 members", lambda f: holding(".npz", directory(400_000))(f), heavy=True
    )
    yield Case("npz: no members", holding(".npz", directory(0)))
    yield Case("npz: encrypted", holding(".npz", changed(npz(npy(GOOD)), 8, b"\1\0")))
    yield Case("npz: unknown compression", holding(".npz", changed(npz(npy(GOOD)), 10, b"\x63\0")))
    yield Case(
        "npz: member beyond the file", holding(".npz", changed(npz(npy(GOOD)), 42, b"\xff\xff\xff\x7f"))
    )
    yield Case(
        "npz: longer than it is", holding(".npz", changed(npz(npy(GOOD)), 20, b"\xff\xff\xff\x7f" * 2))
    )
    yield Case("npz: path out of the archive", holding(".npz", npz(npy(GOOD), "../../w.npy")), None)
