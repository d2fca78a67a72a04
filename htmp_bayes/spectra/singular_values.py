"""Singular values in float64, and how many of them are zero for the precision of the entries."""

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

ONE_THREAD = 1024
"""Shorter side up to which one thread works best: threads of BLAS that wait for one another on busy cores
made 39 matrices of 384 columns take 89 s in place of 2.4 s on two cores with other work."""


def singular_values(matrix: np.ndarray) -> np.ndarray:
    """Singular values of a matrix, with an error of a few float64 roundings of the largest.

    Parameters
    ----------
    matrix : ndarray, shape (out, in)
        Real and finite, of any precision.

    Returns
    -------
    ndarray, shape (min(out, in),)
        Descending.

    Notes
    -----
    The eigenvalues of the Gram matrix cost half as much, but carry an error of 1e-16 of the *largest
    eigenvalue*: an eigenvalue 1e-10 times the largest would have six digits, and the left edge of a
    spectrum none. Through the singular values it has eleven (Golub & Van Loan, Matrix Computations, 4th
    ed., section 8.6.1).

    Examples
    --------
    >>> import numpy as np
    >>> singular_values(np.diag([1e-7, 1.0, 3.0]))
    array([3.e+00, 1.e+00, 1.e-07])
    """
    # Tall and stored by columns is LAPACK's quickest case; the one copy that is made is its working space.
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    by_columns = np.array(tall, dtype=np.float64, order="F")
    with threadpool_limits(1 if min(matrix.shape) <= ONE_THREAD else None, user_api="blas"):
        return scipy.linalg.svdvals(by_columns, overwrite_a=True, check_finite=False)


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
