"""Linear algebra on one thread: small matrices take many times longer on several, which also round otherwise."""

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_within: list[Any] = []


@functools.cache
def _controller() -> ThreadpoolController:
    """Look for the libraries once: that takes milliseconds."""
    import scipy.linalg  # noqa: F401  # has loaded its library by now

    return ThreadpoolController()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Context in which BLAS and LAPACK use one thread, in all threads of the process.

    Contexts may be nested and entered by several threads: the number of BLAS's threads is set by the first and restored
    by the last. OpenBLAS does not stand being told its number of threads by one thread while another one computes.

    Examples
    --------
    >>> with one_blas_thread(), one_blas_thread():
    ...     pass
    """
    with _lock:
        _within.append(None if _within else _controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _within.pop(0)
            if _within:
                _within[0] = limit
            else:
                limit.restore_original_limits()
