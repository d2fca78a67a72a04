"""Whether this runs in a notebook, and what is shown there."""

import sys
from typing import TextIO


def in_notebook() -> bool:
    """Whether the process is the kernel of a notebook, which shows HTML and pictures.

    Examples
    --------
    >>> in_notebook()
    False
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def shows_progress(wanted: bool | None, stream: TextIO | None = None) -> bool:
    """Whether a sampler shows its progress: in notebooks unless it is unwanted, on terminals if it is wanted.

    Parameters
    ----------
    wanted : bool or None
        What the user said.
    stream : file, optional
        Where it is shown outside of notebooks; standard output by default.

    Examples
    --------
    >>> shows_progress(None), shows_progress(False)
    (False, False)
    """
    if in_notebook():
        return wanted is not False
    return bool(wanted) and (stream or sys.stdout).isatty()
