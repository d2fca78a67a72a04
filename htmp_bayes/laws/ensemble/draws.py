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
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numba.extending import get_cython_function_address
from numpy.typing import ArrayLike

from htmp_bayes._seeds import generator_of, one_of
from htmp_bayes.laws.ensemble.joint_density import check_ensemble_parameters
from htmp_bayes.laws.ensemble.secular_equations import growing_eigenvalues
from htmp_bayes.laws.populations import Population, get_population, population_quantiles

__all__ = ["sample_ensemble"]


def sample_ensemble(
    N: int,
    kappa: float,
    gamma: float,
    temperature: float = 1.0,
    correlation: float = 0.0,
    population: str | Population = "inverse-gamma",
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
    population_values: ArrayLike | Literal["quantiles", "random"] = "quantiles",
    *,
    random_seed: int | np.random.Generator | None = None,
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
        Population law; ignored at ``correlation = 0``.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Seed or generator, as in `scipy.stats`.
    random_seed : None, int or numpy.random.Generator
        The same under PyMC's name.
    population_values : array_like, shape (N,), or {"quantiles", "random"}
        The N values of the population. ``"quantiles"``: those of its law
        (`htmp_bayes.laws.population_quantiles`), the same list in every matrix, as where training fixes the covariance
        of the weights and leaves the rest to chance. A list of your own, positive, takes the place of `population`
        and `correlation`. ``"random"``: drawn anew for each matrix, which adds the scatter of N independent draws:
        many times that of the eigenvalues of a matrix whose covariance is fixed.

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
    source = one_of(random_state=random_state, random_seed=random_seed)
    matrices = sample_ensembles(
        1, N, kappa, gamma, temperature, correlation, population, source, population_values
    )
    return matrices[0]


def sample_ensembles(
    count: int,
    N: int,
    kappa: float,
    gamma: float,
    temperature: float = 1.0,
    correlation: float = 0.0,
    population: str | Population = "inverse-gamma",
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
    population_values: ArrayLike | Literal["quantiles", "random"] = "quantiles",
) -> np.ndarray:
    """Draw the eigenvalues of several matrices, on all cores.

    Parameters
    ----------
    count : int
        Number of matrices.
    N, kappa, gamma, temperature, correlation, population, random_state, population_values
        As for `sample_ensemble`, of which these are as many calls with the same generator.

    Returns
    -------
    ndarray, shape (count, N)
        Eigenvalues of each matrix, ascending.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Examples
    --------
    >>> two = sample_ensembles(2, 20, kappa=5.0, gamma=0.3, correlation=0.5, random_state=1)
    >>> bool((two[0] == sample_ensemble(20, kappa=5.0, gamma=0.3, correlation=0.5, random_state=1)).all())
    True
    """
    check_ensemble_parameters(kappa, gamma, temperature)
    if isinstance(N, bool) or int(N) != N or N < 1:
        raise ValueError(f"N, the number of eigenvalues, must be a positive integer, not {N!r}.")
    law, rng = get_population(population), generator_of(random_state)
    values = _population_values(population_values, int(N), correlation, law, rng)
    matrices = (_random_matrix(int(N), kappa, gamma, values, rng) for _ in range(count))
    if count == 1:
        return temperature * next(matrices)()[None]
    # drawn one after the other, so that they do not depend on the number of cores
    with ThreadPoolExecutor() as pool:
        return temperature * np.array(list(pool.map(lambda eigenvalues: eigenvalues(), matrices)))


def _population_values(
    wanted: ArrayLike | str, size: int, correlation: float, law: Population, rng: Any
) -> Callable[[], np.ndarray]:
    """Return what gives the population's values of the next matrix."""
    if isinstance(wanted, str):
        if wanted == "random":
            return lambda: law.sample(size, correlation, rng)
        if wanted != "quantiles":
            raise ValueError(f"population_values is 'quantiles', 'random' or an array, not {wanted!r}.")
        quantiles = population_quantiles(law, correlation, size)
        return lambda: quantiles
    values = np.asarray(wanted, dtype=np.float64)
    if values.shape != (size,) or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(
            f"population_values must be {size} positive finite numbers, one for each eigenvalue, "
            f"not an array of shape {values.shape}{'' if values.shape != (size,) else ' with others among them'}."
        )
    return lambda: values


def _random_matrix(
    n: int, kappa: float, gamma: float, population: Callable[[], np.ndarray], rng: Any
) -> Callable[[], np.ndarray]:
    """Draw all that is random of a matrix; what is returned computes its eigenvalues at temperature 1."""
    variances = population()
    if np.all(variances == variances[0]):
        bidiagonal = _random_bidiagonal(n, kappa, gamma, rng)
        return lambda: variances[0] * _bidiagonal_eigenvalues(*bidiagonal)
    return functools.partial(growing_eigenvalues, variances, *_random_terms(n, kappa, gamma, rng))


def _random_bidiagonal(n: int, kappa: float, gamma: float, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the entries on the diagonal and beside it."""
    half_beta, i = kappa / (2 * n), np.arange(n)
    # n/gamma - i in the form that stays positive at gamma = 1
    diagonal = rng.standard_gamma(half_beta * ((n - i) + n * (1 - gamma) / gamma))
    return diagonal, rng.standard_gamma(half_beta * (n - 1 - i[:-1]))


def _bidiagonal_eigenvalues(diagonal: np.ndarray, off: np.ndarray) -> np.ndarray:
    return _singular_values(np.sqrt(diagonal), np.sqrt(off))[::-1] ** 2


def _random_terms(n: int, kappa: float, gamma: float, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the terms' components in the new direction of each, and in the directions that are there."""
    half_beta, k = kappa / (2 * n), np.arange(n)
    # For each term one that is not used, those in the old directions, and the new one: this order of the draws is
    # that of earlier versions, whose seeds stay good.
    last = np.cumsum(k + 2) - 1
    shapes = np.full(last[-1] + 1, half_beta)
    shapes[last] = half_beta * ((n - k) + n * (1 - gamma) / gamma)
    squares = rng.standard_gamma(shapes)
    return squares[last], np.delete(squares, np.concatenate([last - k - 1, last]))


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
