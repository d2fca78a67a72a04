r"""Sums of functions over the eigenvalues of one matrix: their means and covariances, for any law.

Of the real matrix, or beta-ensemble, whose population values are a fixed list: see
:mod:`htmp_bayes.laws.compiled.counting_covariance`, which has the formulas and their sources. With N(x) the number of
eigenvalues up to x, a sum is :math:`\sum_i \phi(\lambda_i) = N \phi(\infty) - \int \phi'(x) N(x) dx`, so that what
holds for N(x) holds for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes.laws.compiled import counting_covariance, counting_mean
from htmp_bayes.laws.grid_law import GridLaw
from htmp_bayes.laws.htmp import HTMP
from htmp_bayes.laws.law_cells import Columns, Law, kernel_rows, law_columns, panels, points
from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur
from htmp_bayes.laws.parameters import (
    CORRELATION_RANGE,
    GAMMA_RANGE,
    KAPPA_RANGE,
    SCALE_RANGE,
    quadrature_rule,
)

type Floats = NDArray[np.float64]
type Function = Callable[[Floats], ArrayLike]

_CELLS = 400
_FEWEST_CELLS = 32
# Smallest eigenvalue of the correlations of independent eigenvalues' sums below which one follows from the others.
_DEPENDENT = 1e-12
# Relative step of the differences that give the derivatives of the second term of the mean.
_STEP = 0.01
_RANGES = {
    "kappa": KAPPA_RANGE,
    "gamma": GAMMA_RANGE,
    "temperature": SCALE_RANGE,
    "scale": SCALE_RANGE,
    "correlation": CORRELATION_RANGE,
}


@dataclass(frozen=True, eq=False)
class LinearStatistics:
    """Mean and covariance of p sums over the eigenvalues of one matrix.

    Attributes
    ----------
    size : int
        Number N of eigenvalues.
    dyson_index : float
        kappa/N; 1 for a real matrix.
    mean : ndarray, shape (p,)
        Of the sums.
    repulsion : ndarray, shape (p, p)
        A: covariance at a Dyson index of 1 for N to infinity. It does not depend on N.
    independent : ndarray, shape (p, p)
        B: covariance of independent eigenvalues, in proportion to N.
    """

    size: int
    dyson_index: float
    mean: Floats
    repulsion: Floats
    independent: Floats

    def covariance(self) -> Floats:
        """Covariance of the sums, shape ``(p, p)``.

        A/beta where eigenvalues repel one another, B where they do not, and between them by the structure factor of
        the log-gas (:func:`htmp_bayes.laws.compiled.counting_covariance.structure_factor`). For beta to 0 this is the
        inverse of (kappa/N) A^-1 + B^-1.

        Raises
        ------
        ValueError
            If the functions are linearly dependent on the spectrum.
        """
        spread = np.sqrt(np.diag(self.independent))
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = np.nan_to_num(self.independent / np.outer(spread, spread))
        if np.linalg.eigvalsh(correlation)[0] < _DEPENDENT:
            raise ValueError(
                "the functions are linearly dependent on the spectrum: leave out those that follow from the others"
            )
        return np.asarray(
            counting_covariance.joint_covariance(self.repulsion, self.independent, self.dyson_index)
        )

    def precision(self) -> Floats:
        """Inverse of the covariance, shape ``(p, p)``; raises as it does."""
        return np.linalg.inv(self.covariance())


def companion_transform(law: Law, x: ArrayLike) -> NDArray[np.complex128]:
    r"""Companion transform :math:`m(x) = -(1-\gamma)/x + \gamma s(x)` on the axis, from above.

    The Stieltjes transform of the law of all n eigenvalues of the larger product, of which a share 1 - gamma is 0
    (Bai & Silverstein, Ann. Probab. 32, 2004). Its imaginary part is pi gamma times the density.

    Parameters
    ----------
    law : law of the eigenvalues
        HTMP, MarchenkoPastur or GridLaw with one set of parameters.
    x : array_like
        Points, positive, in any order.

    Returns
    -------
    ndarray of complex
        Of the shape of `x`.

    Raises
    ------
    ValueError
        If `law` is another one or has several sets of parameters, or an `x` is not positive and finite.

    Examples
    --------
    >>> print(companion_transform(MarchenkoPastur(gamma=0.25), [0.5, 1.0]).round(6))
    [-1.25 +0.661438j -0.875+0.484123j]
    """
    _check_law(law)
    x = np.asarray(x, dtype=np.float64)
    if not np.all((x > 0) & np.isfinite(x)):
        raise ValueError("x must be positive and finite: the transform is that of eigenvalues above 0")
    log_x = np.log(x.ravel())
    order = np.argsort(log_x, kind="stable")
    out = np.empty(x.size, np.complex128)
    out[order] = law_columns(law, log_x[order]).transform
    return out.reshape(x.shape)[()]


def linear_statistics(
    law: Law, size: int, functions: Sequence[Function], dyson_index: float = 1.0, cells: int = _CELLS
) -> LinearStatistics:
    r"""Mean and covariance of sums of functions over the eigenvalues of one matrix.

    Parameters
    ----------
    law : law of the eigenvalues
        HTMP, MarchenkoPastur or GridLaw with one set of parameters. The last two are taken as the limit for N to
        infinity, HTMP as what the ensemble of its kappa has on average, up to the second term of the mean.
    size : int
        Number N of eigenvalues, at least 1.
    functions : sequence of callable
        Each takes eigenvalues, shape ``(K,)``, and returns its values there. They are taken to be smooth, or
        to bend at a few points, and constant beyond the points with 1e-13 of the law's mass on the other side (below
        exp(-300) times its middle, at the latest: that is where an HTMP law of gamma = 1 goes on and on).
    dyson_index : float, default 1
        kappa/N, positive; that of HTMP is its own, and this is not used.
    cells : int, default 400
        Cells on which the companion transform is taken to be linear, at least 32; the error that this leaves is
        taken back by as many again, and falls as the fourth power or so where functions and law are smooth.

    Returns
    -------
    LinearStatistics

    Raises
    ------
    ValueError
        If `law` is another one or has several sets of parameters, a number is out of range, or a function does not
        return a finite number for each eigenvalue.

    Notes
    -----
    The mean is :math:`N \int \phi f - \mu` for HTMP and :math:`N \int \phi f + (2/\beta - 1) \mu` for a limit,
    :math:`\mu = \frac{1}{2\pi} \int \phi' \operatorname{arg}(m^2/m')`. For the inverse law, give that of 1/x and
    functions of 1/x.

    Examples
    --------
    The variance of the log-determinant of a real matrix is -2 log(1 - gamma), whatever its population.

    >>> found = linear_statistics(MarchenkoPastur(gamma=0.5), 100, [np.log, np.sqrt])
    >>> print(found.repulsion[0, 0].round(4), (-2 * np.log(0.5)).round(4))
    1.3863 1.3863
    """
    _check_law(law)
    _check_numbers(size, dyson_index, cells)
    if isinstance(law, HTMP):
        dyson_index = float(law.kappa) / size
    columns, values = _prepared(law, functions, int(cells))
    expected, independent = _moments(columns, values)
    share = -1.0 if isinstance(law, HTMP) else 2.0 / dyson_index - 1.0
    mean = size * expected + share * _second_term(columns, values)
    return LinearStatistics(
        int(size), float(dyson_index), mean, _repulsion(columns, values), size * independent
    )


def mean_derivatives(
    law: Law,
    size: int,
    functions: Sequence[Function],
    dyson_index: float = 1.0,
    cells: int = _CELLS,
) -> dict[str, Floats]:
    """Differentiate the mean by the law's parameters, at a fixed number of eigenvalues.

    That of N times the law is exact up to the cells; that of the second term of the mean, which is an N-th of it, is a
    difference of nearby laws.

    Parameters
    ----------
    law, size, functions, dyson_index, cells
        As for :func:`linear_statistics`, but not for a law on a grid, which has no parameters.

    Returns
    -------
    dict
        By the parameter's name, shape ``(p,)`` each: kappa, gamma, temperature and correlation of HTMP,
        gamma, scale and correlation of MarchenkoPastur.

    Raises
    ------
    ValueError
        As by :func:`linear_statistics`.

    Examples
    --------
    The sum of all eigenvalues is in proportion to the temperature.

    >>> slopes = mean_derivatives(HTMP(kappa=5.0, gamma=0.25, temperature=2.0), 100, [np.asarray])
    >>> print(slopes["temperature"].round(3))
    [1000.]
    """
    _check_law(law)
    if not isinstance(law, HTMP | MarchenkoPastur):
        raise ValueError("a law on a grid has no parameters: mean_derivatives takes HTMP and MarchenkoPastur")
    _check_numbers(size, dyson_index, cells)
    share = -1.0 if isinstance(law, HTMP) else 2.0 / dyson_index - 1.0
    log_x = [points(panel, 1) for panel in panels(law, int(cells))]
    values = [_values(functions, np.exp(part)) for part in log_x]
    slopes: dict[str, Floats] = {}
    for part, own in zip(log_x, values, strict=True):
        for name, slope in _law_slopes(law, part, own).items():
            slopes[name] = slopes.get(name, 0.0) + size * slope
    return {
        name: slope + share * _second_term_slope(law, name, functions, int(cells))
        for name, slope in slopes.items()
    }


def _check_law(law: Any) -> None:
    if not isinstance(law, HTMP | MarchenkoPastur | GridLaw):
        raise ValueError(
            f"law must be HTMP, MarchenkoPastur or GridLaw, got {type(law).__name__}: "
            "for another one give its density to GridLaw, for InverseHTMP the law of 1/x"
        )
    if int(np.prod(law.shape)) != 1:
        raise ValueError(f"law must have one set of parameters, got those of shape {law.shape}")


def _check_numbers(size: int, dyson_index: float, cells: int) -> None:
    if isinstance(size, bool) or int(size) != size or size < 1:
        raise ValueError(f"size, the number of eigenvalues, must be a positive integer, got {size!r}")
    if not (dyson_index > 0 and np.isfinite(dyson_index)):
        raise ValueError(f"dyson_index must be positive and finite, got {dyson_index!r}")
    if int(cells) != cells or cells < _FEWEST_CELLS:
        raise ValueError(f"cells must be an integer of {_FEWEST_CELLS} or more, got {cells!r}")


def _prepared(law: Law, functions: Sequence[Function], cells: int) -> tuple[list[Columns], list[Floats]]:
    """Evaluate law and functions on the cells' halves, panel by panel."""
    log_x = [points(panel, 1) for panel in panels(law, cells)]
    return [law_columns(law, part) for part in log_x], [_values(functions, np.exp(part)) for part in log_x]


def _values(functions: Sequence[Function], x: Floats) -> Floats:
    """Values of all functions, shape ``(p, K)``."""
    values = np.empty((len(functions), x.size))
    for row, function in zip(values, functions, strict=True):
        own = np.asarray(function(x), dtype=np.float64)
        if own.shape not in ((), x.shape) or not np.isfinite(own).all():
            raise ValueError(
                f"functions must return a finite number for each of the {x.size} eigenvalues they are given, "
                f"from {x[0]:g} to {x[-1]:g}; {function!r} does not"
            )
        row[:] = own
    return values


def _integrals(of: Floats, by: Floats) -> Floats:
    """Integrals of ``of`` d ``by`` over cells of two steps each, both being parabolas along a cell."""
    low, middle, high = of[..., :-1:2], of[..., 1::2], of[..., 2::2]
    slope, bend = (high - low) / 2, (high + low) / 2 - middle
    by_slope = (by[..., 2::2] - by[..., :-1:2]) / 2
    by_bend = (by[..., 2::2] + by[..., :-1:2]) / 2 - by[..., 1::2]
    return np.asarray((2 * middle * by_slope + 2 / 3 * (bend * by_slope + 2 * slope * by_bend)).sum(axis=-1))


def _moments(columns: list[Columns], values: list[Floats]) -> tuple[Floats, Floats]:
    """Means and covariances of the functions under the law."""
    ends = np.array([columns[0].cdf[0], columns[-1].sf[-1]])
    at_ends = np.stack([values[0][:, 0], values[-1][:, -1]], axis=-1)
    mean = at_ends @ ends
    for own, part in zip(columns, values, strict=True):
        mean = mean + _integrals(part, own.cdf)
    centred = [part - mean[:, None] for part in values]
    at_ends = at_ends - mean[:, None]
    covariance = (at_ends * ends) @ at_ends.T
    for own, part in zip(columns, centred, strict=True):
        covariance = covariance + _integrals(part[:, None] * part[None], own.cdf)
    return mean, covariance


def _second_term(columns: list[Columns], values: list[Floats]) -> Floats:
    """Bai and Silverstein's mean correction mu: arg(m^2/m') by differences of two widths, extrapolated."""
    fine, coarse = np.zeros(len(values[0])), np.zeros(len(values[0]))
    for own, part in zip(columns, values, strict=True):
        fine += _integrals(_arguments(own.transform), part)
        coarse += _integrals(_arguments(own.transform[::2]), part[:, ::2])
    return (4 * fine - coarse) / 3 / (2 * np.pi)


def _arguments(transform: Any) -> Floats:
    argument = counting_mean.arguments_by_differences(
        np.ascontiguousarray(transform), np.arange(float(len(transform)))
    )
    # at the ends the transform may have an infinite slope, and differences have one side only
    argument[0] = 3 * argument[1] - 3 * argument[2] + argument[3]
    argument[-1] = 3 * argument[-2] - 3 * argument[-3] + argument[-4]
    return np.asarray(argument)


def _repulsion(columns: list[Columns], values: list[Floats]) -> Floats:
    """Compute A of the sums by cells and by their halves, extrapolated."""
    halves, whole = (_cell_repulsion(columns, values, stride) for stride in (1, 2))
    return (4 * halves - whole) / 3


def _cell_repulsion(columns: list[Columns], values: list[Floats], stride: int) -> Floats:
    middles = np.concatenate([own.transform[stride :: 2 * stride] for own in columns])
    lengths = np.concatenate([np.abs(np.diff(own.transform[:: 2 * stride])) for own in columns])
    steps = np.concatenate([np.diff(part[:, :: 2 * stride]) for part in values], axis=1)
    count = len(middles)
    between = counting_covariance.repulsion_covariance(
        middles, lengths, np.ones(count), np.arange(count), count, np.inf
    )
    return np.asarray(steps @ between @ steps.T)


def _law_slopes(law: HTMP | MarchenkoPastur, log_x: Floats, values: Floats) -> dict[str, Floats]:
    """Differentiate the functions' means under the law by each parameter."""
    if isinstance(law, HTMP):
        kappa, gamma, temperature, _ = law._parameters.ravel().tolist()
        rows = kernel_rows(law, log_x - np.log(temperature))
        mass = np.exp(rows[:, 0] + log_x - np.log(temperature))
        by_log_y, by_s, by_c, by_rho = (_integrals(values * (mass * rows[:, k]), log_x) for k in (1, 2, 3, 4))
        return {
            "kappa": 0.5 * by_s / gamma + 0.5 * by_c,
            "gamma": -0.5 * kappa / gamma**2 * by_s,
            "temperature": -(_integrals(values * mass, log_x) + by_log_y) / temperature,
            "correlation": by_rho,
        }
    gamma, scale, rho = law._parameters.ravel().tolist()
    slopes = counting_mean.limit_slopes(
        log_x - np.log(gamma * scale), gamma, quadrature_rule(law.population, rho)
    )
    by_gamma, by_log_x, by_rho = (_integrals(slope, values) for slope in slopes)
    return {"gamma": by_gamma - by_log_x / gamma, "scale": -by_log_x / scale, "correlation": by_rho}


def _second_term_slope(
    law: HTMP | MarchenkoPastur, name: str, functions: Sequence[Function], cells: int
) -> Floats:
    value = float(getattr(law, name))
    if value == 0:  # of the correlation, in which all is even
        return np.zeros(len(functions))
    lowest, highest = _RANGES[name]
    ends = max(value * (1 - _STEP), lowest), min(value * (1 + _STEP), highest)
    low, high = (_second_term(*_prepared(_changed(law, name, end), functions, cells)) for end in ends)
    return (high - low) / (ends[1] - ends[0])


def _changed(law: HTMP | MarchenkoPastur, name: str, value: float) -> HTMP | MarchenkoPastur:
    """Return the same law with another value of one parameter."""
    first = ("kappa", "gamma", "temperature") if isinstance(law, HTMP) else ("gamma", "scale")
    parameters = {other: float(getattr(law, other)) for other in (*first, "correlation")}
    return type(law)(**(parameters | {name: value}), population=law.population)
