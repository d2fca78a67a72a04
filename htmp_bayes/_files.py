"""Writing files so that a file under its final name is always whole."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FRAGMENT = re.compile(r"\..*\.[0-9a-f]{8}\.part(\.[^.]+)?")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    r"""Yield a temporary path beside ``path`` that takes its name once the block has ended well.

    Parameters
    ----------
    path : str or path-like
        The file to write. What it holds is untouched until the block ends, and stays if the block fails.

    Yields
    ------
    pathlib.Path
        A name that is not in use, in the same folder and with the same suffix, for the block to write to.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "table.csv"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("kappa\n")
    >>> target.read_text()
    'kappa\n'
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.part{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def is_fragment(file: Path) -> bool:
    """Whether a file is what a process was writing (see `replacing`) when it was killed.

    Examples
    --------
    >>> import tempfile
    >>> fragment = Path(tempfile.mkdtemp()) / ".summary.0123abcd.part.csv"
    >>> fragment.touch()
    >>> is_fragment(fragment), is_fragment(Path(".notes.csv"))
    (True, False)
    """
    return _FRAGMENT.fullmatch(file.name) is not None and file.is_file()
