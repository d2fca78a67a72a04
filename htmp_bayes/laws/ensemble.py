"""Draws of the finite ensemble: all N eigenvalues of one matrix, with their repulsion.

Without correlation they are the squared singular values of a random bidiagonal matrix (Dumitriu & Edelman,
J. Math. Phys. 43 (2002) 5830, the beta-Laguerre ensemble). With it, columns of population variance h_k are
added one at a time, each a rank-one change of a diagonal matrix (Dubbs, Edelman, Koev & Venkataramana, *The
beta-Wishart ensemble*, J. Math. Phys. 54 (2013) 083507). Here beta = kappa / N; a chi-square variable is
twice a gamma variable of half its degrees of freedom, and that factor 2 is part of the temperature.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address

from htmp_bayes.laws.joint import check_ensemble_parameters
from htmp_bayes.laws.populations import Population, get_population
from htmp_bayes.laws.secular import growing_eigenvalues

__all__ = ["sample_ensemble"]


def sample_ensemble(
    N: int,
    kappa: float,
    gamma: float,
    temperature: float = 1.0,
    correlation: float = 0.0,
    population: str | Population = "inverse-gamma",
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> np.ndarray:
    """Draw the eigenvalues of one finite matrix.

    Parameters
    ----------
    N : int
        Number of eigenvalues, at least 1.
    kappa : float
        Eigenvalue repulsion, in [1e-6, 1e6]; the Dyson index is ``kappa / N``, so that ``kappa = N`` gives
        the real Wishart matrix and ``kappa = 2 N`` the complex one.
    gamma : float
        Aspect ratio N/n, in [1e-4, 1].
    temperature : float
        Scale of the eigenvalues, positive.
    correlation : float
        Standard deviation of log h in the population, in [0, 10].
    population : {"inverse-gamma", "log-normal", "point"} or Population
        Population law; ignored at ``correlation = 0``. Its N values are independent draws, as they would be
        in another matrix of the same kind: the eigenvalues fluctuate with them.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Seed or generator, as in `scipy.stats`.

    Returns
    -------
    ndarray, shape (N,)
        Eigenvalues, ascending, each to high relative accuracy, however small; those that a double cannot
        hold, below about 1e-270, come out as 0 (common where ``kappa`` is small and ``gamma`` near 1).

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    The time is O(N^2) without correlation (N = 4,096: a fraction of a second) and O(N^3) with it (N = 1,000: a
    few seconds).

    Examples
    --------
    >>> x = sample_ensemble(200, kappa=5.0, gamma=0.3, random_state=1)
    >>> x.shape, bool((x[1:] >= x[:-1]).all())
    ((200,), True)
    >>> bool(abs(x.mean() - 5.0 / 0.6) < 1.0)  # the mean of the law is kappa T / (2 gamma)
    True
    """
    check_ensemble_parameters(kappa, gamma, temperature)
    if isinstance(N, bool) or int(N) != N or N < 1:
        raise ValueError(f"N, the number of eigenvalues, must be a positive integer, not {N!r}.")
    law = get_population(population)
    rng = _generator(random_state)
    n = int(N)
    if correlation == 0:
        return temperature * _bidiagonal_eigenvalues(n, kappa, gamma, rng)
    variances = law.sample(n, correlation, rng)
    return temperature * _recursive_eigenvalues(variances, kappa, gamma, rng)


def _bidiagonal_eigenvalues(n: int, kappa: float, gamma: float, rng: Any) -> np.ndarray:
    half_beta, i = kappa / (2 * n), np.arange(n)
    # n/gamma - i in the form that stays positive at gamma = 1
    diagonal = rng.standard_gamma(half_beta * ((n - i) + n * (1 - gamma) / gamma))
    off = rng.standard_gamma(half_beta * (n - 1 - i[:-1]))
    return _singular_values(np.sqrt(diagonal), np.sqrt(off))[::-1] ** 2


def _recursive_eigenvalues(variances: np.ndarray, kappa: float, gamma: float, rng: Any) -> np.ndarray:
    n = variances.size
    half_beta, wide = kappa / (2 * n), n * (1 - gamma) / gamma
    old, new = [], np.empty(n)
    for k in range(n):
        # The first is not used: this order of the draws is that of earlier versions, whose seeds stay good.
        old.append(rng.standard_gamma(half_beta, size=k + 1)[1:])
        new[k] = rng.standard_gamma(half_beta * (n - k + wide))
    return growing_eigenvalues(variances, new, np.concatenate(old))


@functools.cache
def _dlasq1() -> Callable[..., None]:
    """LAPACK's dqds for singular values of a bidiagonal matrix, which SciPy offers to compiled code only.

    The tridiagonal solvers work to absolute accuracy: at gamma near 1 the smallest eigenvalues would be
    noise.
    """
    number, index = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int)
    signature = ctypes.CFUNCTYPE(None, index, number, number, number, index)
    return signature(get_cython_function_address("scipy.linalg.cython_lapack", "dlasq1"))


def _singular_values(diagonal: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Singular values of a bidiagonal matrix, descending, each to high relative accuracy."""
    d, e = diagonal.copy(), np.append(off, 0.0)
    work, info = np.empty(4 * d.size), ctypes.c_int(0)
    pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for a in (d, e, work)]
    _dlasq1()(ctypes.byref(ctypes.c_int(d.size)), *pointers, ctypes.byref(info))
    if info.value != 0:
        raise ArithmeticError(
            f"the singular values of the drawn matrix did not converge (dlasq1: {info.value})."
        )
    return d


def _generator(random_state: int | np.random.Generator | np.random.RandomState | None) -> Any:
    if isinstance(random_state, np.random.RandomState):
        return random_state
    return np.random.default_rng(random_state)
