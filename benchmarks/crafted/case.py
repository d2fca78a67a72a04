"""What a crafted file is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OUTSIDE = "outside"
"""Folder beside the case's own with what no case may reach: secret.txt, secret.h5, secret.json and a pipe."""


@dataclass(frozen=True)
class Case:
    """A file, or a folder, that is made at the structures of its format.

    Attributes
    ----------
    name : str
        What it does, with the format first.
    make : callable
        ``make(folder) -> Path`` of what is to be read; it may lay other files beside it.
    refused : bool or None
        Whether it must be refused or must be read; None where either is well.
    heavy : bool
        Whether making or reading it takes more than a moment.
    """

    name: str
    make: Callable[[Path], Path]
    refused: bool | None = True
    heavy: bool = False


def holding(suffix: str, content: bytes) -> Callable[[Path], Path]:
    """Make a file with that content."""

    def make(folder: Path) -> Path:
        path = folder / f"model{suffix}"
        path.write_bytes(content)
        return path

    return make


def lazily(suffix: str, content: Callable[[], bytes]) -> Callable[[Path], Path]:
    """Make a file whose content is put together when it is needed."""
    return lambda folder: holding(suffix, content())(folder)
