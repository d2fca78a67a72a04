"""Squared singular values in float64 by the cheapest route that is accurate, and how many of them are zero."""

import math
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg.blas import dsyrk
from threadpoolctl import threadpool_limits

ONE_THREAD = 1024
"""Shorter side up to which one thread works best: threads of BLAS that wait for one another on busy cores
made 39 matrices of 384 columns take 89 s in place of 2.4 s on two cores with other work."""

GRAM_FROM = 2**16
"""Entries from which the Gram matrix is tried: below it, either route takes milliseconds."""

GRAM_DOWN_TO = 1e-9
"""Smallest over largest eigenvalue down to which those of the Gram matrix are taken."""

DEVICE_FROM = 2048
"""Shorter side from which a GPU is asked for."""

BLOCK = 32 * 2**20
"""Bytes of float64 that are converted at a time."""

Opened = Callable[[], np.ndarray]


def squared_singular_values(opened: Opened) -> np.ndarray:
    r"""Squared singular values of a matrix that need not be in memory.

    Parameters
    ----------
    opened : callable
        ``opened() -> ndarray`` of shape (out, in), real and finite, of any precision. It is called for each
        block if what it returns is mapped from a file, so that no more of the file is held than one block.

    Returns
    -------
    ndarray, shape (min(out, in),)
        Descending.

    Notes
    -----
    Two routes. The eigenvalues of the Gram matrix cost less, need a copy of the shorter side squared only, and carry an
    error of about :math:`\epsilon_{64}` times the *largest eigenvalue*, so that the relative error of the smallest is
    :math:`\epsilon_{64}\lambda_{\max}/\lambda_{\min}`; the singular values of the matrix itself carry one of
    :math:`\epsilon_{64}` times the largest *singular value*, so that it is the square root of that ratio there (Golub
    & Van Loan, Matrix Computations, 4th ed., section 8.6.1). The Gram matrix is taken where the ratio
    stays below 10⁹, and the singular value decomposition elsewhere. Measured by
    ``benchmarks/singular_values.py``, against 90-digit arithmetic and up to 1,000 rows: the error of the
    smallest eigenvalue is at most 0.3 times these, which is 7e-8 where the Gram matrix is taken; the singular
    values are good to 1e-11 down to a ratio of 10¹². The Gram matrix takes between a third and two thirds of
    the time.

    A matrix with a shorter side of 2,048 or more goes to a GPU, in float64, if torch is installed and finds one.

    Examples
    --------
    >>> import numpy as np
    >>> squared_singular_values(lambda: np.diag([1e-7, 1.0, 3.0]))
    array([9.e+00, 1.e+00, 1.e-14])
    """
    shape = opened().shape
    with threadpool_limits(1 if min(shape) <= ONE_THREAD else None, user_api="blas"):
        if math.prod(shape) >= GRAM_FROM:
            eigenvalues = _eigenvalues(_gram_matrix(opened))[::-1]
            if np.isfinite(eigenvalues).all() and eigenvalues[-1] >= GRAM_DOWN_TO * eigenvalues[0] > 0:
                return eigenvalues
        return np.square(singular_values(opened))


def singular_values(opened: Opened) -> np.ndarray:
    """Singular values of a matrix, with an error of a few float64 roundings of the largest.

    Parameters
    ----------
    opened : callable
        As for `squared_singular_values`.

    Returns
    -------
    ndarray, shape (min(out, in),)
        Descending.

    Examples
    --------
    >>> import numpy as np
    >>> singular_values(lambda: np.diag([1e-7, 1.0, 3.0]))
    array([3.e+00, 1.e+00, 1.e-07])
    """
    # Tall and stored by columns is LAPACK's quickest case; the one copy that is made is its working space.
    rows, columns = opened().shape
    by_columns = np.empty((max(rows, columns), min(rows, columns)), order="F")
    filled = by_columns if rows >= columns else by_columns.T
    for start, stop in _steps(rows, columns):
        filled[start:stop] = opened()[start:stop]
    if device := _device(columns if columns < rows else rows):
        return _on_device(by_columns, device, "svdvals")
    return scipy.linalg.svdvals(by_columns, overwrite_a=True, check_finite=False)


def blocks(opened: Opened) -> Iterator[np.ndarray]:
    """Yield the rows of a matrix in blocks, as they are stored."""
    rows, columns = opened().shape
    for start, stop in _steps(rows, columns):
        yield opened()[start:stop]


def _gram_matrix(opened: Opened) -> np.ndarray:
    """Lower half of the smaller of W Wᵀ and Wᵀ W, added up over blocks of the longer side."""
    rows, columns = opened().shape
    smaller = min(rows, columns)
    gram = np.zeros((smaller, smaller), order="F")
    for start, stop in _steps(max(rows, columns), smaller):
        stored = opened()[start:stop].T if rows >= columns else opened()[:, start:stop]
        block = np.asarray(stored, dtype=np.float64, order="F")
        del stored  # what is mapped of the file counts as memory until it is let go
        gram = dsyrk(1.0, block, beta=1.0, c=gram, lower=True, overwrite_c=True)
    return gram


def _steps(length: int, row: int) -> Iterator[tuple[int, int]]:
    step = max(1, BLOCK // (8 * row))
    for start in range(0, length, step):
        yield start, min(start + step, length)


def _eigenvalues(gram: np.ndarray) -> np.ndarray:
    """Eigenvalues of a symmetric matrix, of which the lower half is looked at, ascending."""
    if not np.isfinite(gram).all():
        return np.array([np.nan])
    if device := _device(len(gram)):
        return _on_device(gram, device, "eigvalsh")
    return scipy.linalg.eigvalsh(gram, lower=True, overwrite_a=True, check_finite=False)


def _device(shorter: int) -> str:
    """Name of the GPU that torch finds, for matrices that are worth the way there."""
    if shorter < DEVICE_FROM or not ("torch" in sys.modules or find_spec("torch")):
        return ""
    import torch

    return "cuda" if torch.cuda.is_available() else ""


def _on_device(matrix: np.ndarray, device: str, function: str) -> np.ndarray:
    import torch

    # By rows is how torch holds a matrix: the transpose of one by columns, whose upper half is this one's lower.
    on_device = torch.from_numpy(matrix.T).to(device)
    options: dict[str, Any] = {"UPLO": "U"} if function == "eigvalsh" else {}
    return getattr(torch.linalg, function)(on_device, **options).cpu().numpy()


def count_zeros(sigma: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> int:
    r"""Count singular values that are zero to the precision of the matrix.

    Parameters
    ----------
    sigma : ndarray, shape (min(shape),)
        Singular values, descending.
    shape : tuple of int
        Both sides of the matrix.
    dtype : numpy.dtype
        The type its entries were stored in.

    Returns
    -------
    int
        How many of ``sigma`` are below both kinds of error: that of the SVD, :math:`\epsilon_{64}
        \max(shape)\, \sigma_{\max}` (as in `numpy.linalg.matrix_rank`), and the norm of the rounding errors
        of the entries, :math:`\epsilon\, w (\sqrt{out} + \sqrt{in})` with w their root mean square (the
        norm of a matrix of independent entries: Bai & Yin 1988). :math:`\epsilon` is that of float32 also
        for half precision: a half-precision matrix is taken as it is stored, for its rounding errors fill
        the spectrum of any matrix.

    Examples
    --------
    >>> import numpy as np
    >>> count_zeros(np.array([3.0, 1.0, 1e-9]), (3, 4), np.dtype("float32"))
    1
    >>> count_zeros(np.array([3.0, 1.0, 1e-9]), (3, 4), np.dtype("float64"))
    0
    """
    double = np.finfo(np.float64).eps
    stored = double if dtype.itemsize >= 8 or dtype.kind in "iu" else float(np.finfo(np.float32).eps)
    root_mean_square = np.linalg.norm(sigma / np.sqrt(np.prod(shape, dtype=float)))
    rounding = stored * root_mean_square * np.sqrt(shape).sum()
    return int(np.sum(sigma <= max(double * max(shape) * sigma[0], rounding)))
