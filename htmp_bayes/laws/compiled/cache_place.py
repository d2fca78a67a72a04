"""Where compiled code is kept, if the places that Numba and PyTensor know cannot be written to (as in a container)."""

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numba
from numba.misc.appdirs import AppDirs

logger = logging.getLogger(__name__)

_FLAGS = "PYTENSOR_FLAGS"


def find_cache_place() -> None:
    """Let compiled code be kept in a temporary folder where no other place is found; without one nothing starts.

    Numba looks for a place when a function is decorated, and PyTensor when it is imported: this comes before both. The
    folder is told to processes that this one starts, and removed when this one ends.
    """
    for_numba = numba.config.CACHE_DIR or _any_writable(_numbas_places())
    for_pytensor = "compiledir" in os.environ.get(_FLAGS, "") or _any_writable(
        [Path("~/.pytensor").expanduser()]
    )
    if for_numba and for_pytensor:
        return
    folder = tempfile.mkdtemp(prefix="htmp_bayes_")
    atexit.register(_remove, folder, os.getpid())
    if not for_numba:
        os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = folder
    if not for_pytensor:
        flags = [os.environ.get(_FLAGS, ""), f"base_compiledir={folder}"]
        os.environ[_FLAGS] = ",".join(filter(None, flags))
        os.environ.setdefault(
            "MPLCONFIGDIR", folder
        )  # Matplotlib says at length where it keeps its fonts, else
    logger.warning(
        "The home%s cannot be written to: what is compiled is kept for this run only, which takes %s longer; set HOME, "
        "or NUMBA_CACHE_DIR and PYTENSOR_FLAGS=base_compiledir=..., to a folder that can be written to and is kept.",
        *(("", "some seconds") if for_numba else (" and the package's folder", "a minute or two")),
    )


def _numbas_places() -> list[Path]:
    return [Path(__file__).parent / "__pycache__", Path(AppDirs(appname="numba").user_cache_dir)]


def _any_writable(places: Iterable[Path]) -> bool:
    return any(map(_writable, places))


def _writable(place: Path) -> bool:
    """Try it, as Numba does: rights say little of file systems that are read-only."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except (OSError, RuntimeError):
        return False
    return True


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # and no process that was forked
        shutil.rmtree(folder, ignore_errors=True)
