"""Linear algebra on one thread: small matrices take many times longer on several, which also round otherwise."""

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    """Look for the libraries once: that takes milliseconds."""
    import scipy.linalg  # noqa: F401  # has loaded its library by now

    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[object]:
    """Context in which BLAS and LAPACK use one thread.

    Examples
    --------
    >>> with one_blas_thread():
    ...     pass
    """
    context: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return context
