"""Writing files so that a file under its final name is always whole."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
