"""How much of a file's directory is believed: a few bytes can stand for millions of tensors, names or sides.

Models have some thousand tensors in a file (the index of the largest public ones names 100,000 in 160 files), names of
up to 150 characters and up to 5 axes.
"""

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_TENSORS = 100_000
"""Tensors in a file."""

MOST_IN_SHARDS = 300_000
"""Tensors of a model in several files."""

LONGEST_NAME = 300
"""Characters of a tensor's name."""

MOST_NAMED = 10 * 2**20
"""Characters of the names of a file together."""

MOST_AXES = 32
"""Sides of a tensor."""

LONGEST_HEADER = 20 * 2**20
"""Bytes of a header, of an index of shards or of the directory of an archive."""


def check_tensors(names: Sequence[str]) -> None:
    """Raise ValueError if there are too many tensors, or their names are too long together.

    Examples
    --------
    >>> check_tensors(["layer.0.weight"] * 10**6)
    Traceback (most recent call last):
    ValueError: it has 1000000 tensors, more than the 100000 that are read
    """
    if len(names) > MOST_TENSORS:
        raise ValueError(f"it has {len(names)} tensors, more than the {MOST_TENSORS} that are read")
    if sum(map(len, names)) > MOST_NAMED:
        raise ValueError(f"its names have more than {MOST_NAMED} characters together")


def check_name(name: str) -> str:
    """Give the name back, or raise ValueError if it is too long."""
    if len(name) > LONGEST_NAME:
        raise ValueError(f"the name {name[:40]!r}... has {len(name)} characters, more than {LONGEST_NAME}")
    return name


def check_sides(shape: Sequence[Any], name: str) -> None:
    """Raise ValueError if a tensor has too many sides to be one."""
    if len(shape) > MOST_AXES:
        raise ValueError(f"{name[:LONGEST_NAME]} has {len(shape)} axes, more than {MOST_AXES}")


class _ShortReads(io.FileIO):
    """A file of which nothing long is read at once: `zipfile` takes the directory of an archive in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(
            LONGEST_HEADER + 1 if size is None or size < 0 else min(size, LONGEST_HEADER + 1)
        )
        if len(content) > LONGEST_HEADER:
            raise ValueError(f"its directory has more than {LONGEST_HEADER} bytes")
        return content


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive to read it; ValueError if its directory is too long."""
    with _ShortReads(path) as file, zipfile.ZipFile(file) as archive:
        yield archive
