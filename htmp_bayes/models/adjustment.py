r"""Correction of the product of marginal densities for the repulsion of eigenvalues.

The eigenvalues of a matrix are not independent, so the product of their marginal densities is a composite likelihood:
its score has the expectation zero (in the limit of many eigenvalues) but not the variance that its curvature
promises. With H the expected curvature and J the variance of the score, the maximum has the covariance
:math:`H^{-1} J H^{-1}`, and repulsion makes J smaller than H. The curvature adjustment (Ribatet, Cooley & Davison
2012, *Bayesian inference from composite likelihoods, with an application to spatial extremes*, Statistica Sinica 22,
813, section 3.3) evaluates the composite likelihood at

.. math:: \theta^* = \hat\theta + C (\theta - \tilde\theta), \qquad C^T H C = H J^{-1} H,

which gives the adjusted one the curvature :math:`H J^{-1} H`. Here
:math:`\tilde\theta = \hat\theta - (N H + \Lambda)^{-1} b` also takes out the bias b of the score of a finite matrix
of N eigenvalues; the precision :math:`\Lambda` of the prior leaves alone what the eigenvalues say nothing of. H, J and
b come from draws of the finite ensemble: of as many eigenvalues as the spectrum has, or of 96 and, for what J makes of
C, from a table of draws of up to 384 (:mod:`htmp_bayes.models.stretch_table`).

That is right next to the maximum. Further away the likelihood is high along a curved ridge, as more correlation makes
up for more repulsion, and a linear map would leave it. So points are straightened before the map and bent after it,
along a curve that has the ridge's direction at the maximum and goes on as the law does (:func:`bend`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htmp_bayes.laws.ensemble import sample_ensembles
from htmp_bayes.laws.htmp import CORRELATION_RANGE, KAPPA_RANGE
from htmp_bayes.laws.many_points import gradient_near
from htmp_bayes.models.layer import CORRELATION_PRIOR, KAPPA_PRIOR, POPULATIONS, slope_of_expected_log
from htmp_bayes.models.stretch_table import tabulated_stretch

type Array = NDArray[np.float64]

DRAWS = 200
# Small matrices are cheap, and good enough for the score's mean and curvature, of which the shift and the ridge come;
# its variance depends on the size where kappa is large.
LARGEST_SIZE = 96
# At zero the law depends on the square of the correlation only, and the score says nothing of it.
_LEAST_CORRELATION = 0.1
_LOG_TINY = -600.0
# Of scores, against a Monte-Carlo error of some percent.
_SCORE_TOLERANCE = 1e-5
# How the ridge goes on below its centre: 0 would be linear in 1/kappa, which is too steep at small kappa.
_LINEARITY = 0.25
# Bounds on the squared stretch along any direction, and on the shift in standard deviations.
_STRETCH_RANGE = (0.5, 16.0)
_LARGEST_SHIFT = 2.0


class Adjustment(NamedTuple):
    """Map from the parameters to those at which the composite likelihood is evaluated.

    The coordinates are log kappa, correlation and the expected log-eigenvalue, regularised as in
    :func:`htmp_bayes.models.layer.expected_log`: a change of kappa at the same temperature moves the whole law.

    Attributes
    ----------
    centre, origin : ndarray
        Estimate, and what it is an estimate of once its bias is taken out, shape ``(3,)``.
    stretch : ndarray
        Shape ``(3, 3)``: a point ``p`` near the origin is evaluated at ``centre + stretch @ (p - origin)``.
    ridge : ndarray
        Slopes of correlation and expected log-eigenvalue by log kappa along the likelihood's ridge at the centre,
        shape ``(2,)``; straight by default.
    """

    centre: Array
    origin: Array
    stretch: Array
    ridge: Array = np.zeros(2)

    def straightened(self, points: Array) -> Array:
        """Points of shape ``(..., 3)`` without the bend of the ridge at their kappa."""
        return np.concatenate([points[..., :1], points[..., 1:] - self._bend(points)], axis=-1)

    def bent(self, points: Array) -> Array:
        """Undo :meth:`straightened`."""
        return np.concatenate([points[..., :1], points[..., 1:] + self._bend(points)], axis=-1)

    def _bend(self, points: Array) -> Array:
        return np.stack(bend(points[..., 0], self.centre, self.ridge), axis=-1)

    def evaluated_at(self, points: Array) -> Array:
        """Points of evaluation for points of shape ``(..., 3)``.

        Where the stretch leaves the law's range, kappa approaches its end smoothly (towards infinity the law no
        longer depends on it), a negative correlation stands for its absolute value, as the law depends on its
        square, and one above the range for the end of the range.
        """
        return _within_range(self._bent_within(self._moved(points)))

    def at(self, point: Array) -> tuple[Array, Array]:
        """Point of evaluation and its derivatives by `point`, shapes ``(3,)`` and ``(3, 3)``."""
        moved = self._moved(point)
        bent = self._bent_within(moved)
        slopes = self.stretch @ _shear(-slope_of_bend(point[0], self.centre, self.ridge))
        slopes[0] *= _slope_of_softly_between(moved[0])
        slopes = _shear(slope_of_bend(bent[0], self.centre, self.ridge)) @ slopes
        # at the end itself the slope is that from within, by which a search leaves it or stays
        slopes[1] *= np.sign(bent[1]) * (abs(bent[1]) <= CORRELATION_RANGE[1])
        return _within_range(bent), slopes

    def _moved(self, points: Array) -> Array:
        away = self.straightened(points) - self.straightened(self.origin)
        return self.centre + np.sum(self.stretch * away[..., None, :], axis=-1)

    def _bent_within(self, moved: Array) -> Array:
        return self.bent(np.concatenate([softly_between(moved[..., :1]), moved[..., 1:]], axis=-1))


IDENTITY = Adjustment(np.zeros(3), np.zeros(3), np.eye(3))
"""The composite likelihood as it is."""


def estimate_adjustment(estimate: Array, data: dict[str, Any], random_seed: int) -> Adjustment:
    """Estimate the adjustment at a point, from draws of the finite ensemble there and a table of such draws.

    Parameters
    ----------
    estimate : ndarray
        Maximum of the composite likelihood (or of its posterior): log kappa, correlation, expected log-eigenvalue.
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    random_seed : int
        Seed of the draws.

    Examples
    --------
    >>> from htmp_bayes.laws import sample_ensemble
    >>> from htmp_bayes.models.layer import layer_data
    >>> eigenvalues = sample_ensemble(60, kappa=20.0, gamma=1.0, random_state=1)
    >>> adjustment = estimate_adjustment(np.array([3.0, 0.2, 1.7]), layer_data(eigenvalues, 1.0), random_seed=1)
    >>> bool(adjustment.stretch[0, 0] > 1.3)  # repulsion narrows the posterior of log kappa
    True
    """
    n_eigenvalues = int(data["n_eigenvalues"])
    kappa, gamma, correlation = float(np.exp(estimate[0])), float(data["gamma"]), float(estimate[1])
    size = min(n_eigenvalues, LARGEST_SIZE)
    scores = simulated_scores(kappa, gamma, correlation, data["population"], size, DRAWS, random_seed)
    curvature, stretch = curvature_and_stretch(scores)
    if n_eigenvalues > size:
        stretch = tabulated_stretch(kappa, correlation, data)
    totals = scores.sum(axis=1)
    information = curvature * n_eigenvalues + _prior_precision(data)
    bias = np.linalg.solve(information, totals.mean(axis=0))
    return Adjustment(
        centre=np.asarray(estimate, dtype=np.float64),
        origin=estimate - _bounded_shift(bias, information),
        stretch=stretch,
        # where the others are best for each kappa
        ridge=-np.linalg.solve(curvature[1:, 1:], curvature[1:, 0]),
    )


def simulated_scores(
    kappa: float, gamma: float, correlation: float, population: int, size: int, draws: int, random_seed: Any
) -> Array:
    """Scores of the eigenvalues of random matrices: derivatives of the log-density by the adjustment's coordinates.

    Parameters
    ----------
    kappa, gamma, correlation : float
        Of the ensemble and of the law; a correlation near 0, where the score vanishes, is taken as 0.1.
    population : int
        Code of the population.
    size, draws : int
        Eigenvalues of a matrix, and number of matrices.
    random_seed : int or sequence of int
        Seed of the draws.

    Returns
    -------
    ndarray
        Shape ``(draws, size, 3)``.

    Examples
    --------
    >>> simulated_scores(5.0, 0.25, 0.5, POPULATIONS["log-normal"], size=20, draws=7, random_seed=1).shape
    (7, 20, 3)
    """
    correlation = max(correlation, _LEAST_CORRELATION)
    name = next(name for name, code in POPULATIONS.items() if code == population)
    rng = np.random.default_rng(random_seed)
    spectra = sample_ensembles(draws, size, kappa, gamma, 1.0, correlation, name, rng)
    log_y = np.log(np.maximum(spectra, np.exp(_LOG_TINY))).ravel()
    columns = gradient_near(log_y, kappa, gamma, correlation, population, _SCORE_TOLERANCE)
    by_scale = -columns[:, 1] - 1
    by_log_kappa = kappa * (columns[:, 2] - slope_of_expected_log(kappa, gamma) * by_scale)
    scores = np.stack([by_log_kappa, columns[:, 4], by_scale], axis=1).reshape(draws, size, 3)
    # beyond e^-700 the density vanishes in a double, and so does its score
    return np.where(np.isfinite(scores), scores, 0.0)


def curvature_and_stretch(scores: Array) -> tuple[Array, Array]:
    """Estimate the curvature for each eigenvalue and the stretch C from scores of shape ``(draws, size, 3)``.

    Examples
    --------
    >>> scores = np.random.default_rng(1).normal(size=(4000, 20, 3))
    >>> curvature, stretch = curvature_and_stretch(scores)
    >>> print(abs(curvature - np.eye(3)).max() < 0.05, abs(stretch - np.eye(3)).max() < 0.05)  # independent: no change
    True True
    """
    draws, size, _ = scores.shape
    curvature = np.einsum("mni,mnj->ij", scores, scores) / (draws * size)
    # an inverse of an estimated covariance is too large by this factor (Hartlap, Simon & Schneider 2007)
    precision = np.linalg.inv(np.cov(scores.sum(axis=1).T) / size) * (draws - 5) / (draws - 1)
    return curvature, _stretch(precision @ curvature, curvature)


def bend(log_kappa: Any, centre: Any, ridge: Any, backend: Any = np) -> tuple[Any, Any]:
    r"""Distance of the likelihood's ridge from its tangent at the centre, in correlation and expected log-eigenvalue.

    What repulsion adds to the variance of log-eigenvalues is about a constant and a multiple of :math:`1/\kappa`, and
    what the correlation adds is about :math:`\rho^2`. So along the ridge :math:`\rho^2` and the expected
    log-eigenvalue are linear in :math:`u \approx 1 - \kappa_0/\kappa`, where :math:`\kappa_0` is that of the centre.

    Parameters
    ----------
    log_kappa : float or array
        Where.
    centre, ridge : array
        See :class:`Adjustment`; shapes ``(..., 3)`` and ``(..., 2)``.
    backend : module
        NumPy or PyTensor's ``tensor``.

    Examples
    --------
    >>> correlation, _ = bend(np.log([1.0, 5.0]), np.array([0.0, 0.5, 0.0]), np.array([0.2, 0.0]))
    >>> print(correlation.round(3))  # it grows to 0.67 only, and not by 0.2 each time that kappa grows by a factor of e
    [ 0.   -0.17]
    """
    away = log_kappa - centre[..., 0]
    u = (1 + 1 / _LINEARITY) * (np.log1p(_LINEARITY) - backend.log1p(_LINEARITY * backend.exp(-away)))
    least = _LEAST_CORRELATION
    # the correlation's square, and its root, which stays positive below the end of the ridge
    square = backend.clip(centre[..., 1], least, np.inf) ** 2
    start, steepness = _positive_root(square, backend)
    along, _ = _positive_root(square + ridge[..., 0] / steepness * u, backend)
    return along - start - ridge[..., 0] * away, ridge[..., 1] * (u - away)


def moved_symbolically(point: Any, centre: Any, origin: Any, stretch: Any, ridge: Any) -> list[Any]:
    """`Adjustment.at` for PyTensor, but for the ends of the correlation's range.

    Parameters
    ----------
    point : tensor
        Log kappa, correlation and expected log-eigenvalue, shape ``(..., 3)``.
    centre, origin, stretch, ridge : tensor
        See :class:`Adjustment`, with the same leading dimensions.
    """
    import pytensor.tensor as pt

    def bends(log_kappa: Any) -> list[Any]:
        return [0.0, *bend(log_kappa, centre, ridge, pt)]

    bends_of_both = zip(bends(point[..., 0]), bends(origin[..., 0]), strict=True)
    away = [point[..., i] - origin[..., i] - (here - there) for i, (here, there) in enumerate(bends_of_both)]
    moved = [centre[..., i] + sum(stretch[..., i, j] * away[j] for j in range(3)) for i in range(3)]
    log_kappa = softly_between(moved[0], pt)
    return [log_kappa, *(part + bent for part, bent in zip(moved[1:], bends(log_kappa)[1:], strict=True))]


def _positive_root(square: Any, backend: Any) -> tuple[Any, Any]:
    """Smooth square root that is small where `square` is negative, and its slope."""
    size = backend.sqrt(square**2 + _LEAST_CORRELATION**4)
    root = backend.sqrt((square + size) / 2)
    return root, (1 + square / size) / (4 * root)


def slope_of_bend(log_kappa: Any, centre: Array, ridge: Array) -> Array:
    """Differentiate :func:`bend` by log kappa, shape ``(..., 2)``.

    Examples
    --------
    >>> slope_of_bend(np.array([1.0, 3.0]), np.array([1.0, 0.5, 0.0]), np.array([0.2, 0.1])).round(3)
    array([[ 0.   ,  0.   ],
           [-0.175, -0.084]])
    """
    growth = _LINEARITY * np.exp(centre[0] - log_kappa)
    u = (1 + 1 / _LINEARITY) * (np.log1p(_LINEARITY) - np.log1p(growth))
    by_log_kappa = (1 + 1 / _LINEARITY) * growth / (1 + growth)
    square = max(centre[1], _LEAST_CORRELATION) ** 2
    by_square = ridge[0] / _positive_root(square, np)[1]
    slope = _positive_root(square + by_square * u, np)[1]
    return np.stack([slope * by_square * by_log_kappa - ridge[0], ridge[1] * (by_log_kappa - 1)], axis=-1)


def _within_range(points: Array) -> Array:
    correlation = np.minimum(np.abs(points[..., 1]), CORRELATION_RANGE[1])
    return np.stack([points[..., 0], correlation, points[..., 2]], axis=-1)


def _shear(slopes: Array) -> Array:
    """Matrix that adds multiples of log kappa to the other two coordinates."""
    matrix = np.eye(3)
    matrix[1:, 0] = slopes
    return matrix


def softly_between(log_kappa: Any, backend: Any = np) -> Any:
    """Identity within the range of log kappa that bends in its outermost unit, and stays at the end beyond it.

    Examples
    --------
    >>> print(softly_between(np.array([-20.0, 3.0, 9.0, 20.0])).round(3))
    [-6.908  3.     8.844  9.21 ]
    """
    low, high = np.log(KAPPA_RANGE)
    over = backend.clip(log_kappa - (high - 1), 0.0, 2.0)
    under = backend.clip((low + 1) - log_kappa, 0.0, 2.0)
    return backend.clip(log_kappa, low + 1, high - 1) + over - over**2 / 4 - under + under**2 / 4


def _slope_of_softly_between(log_kappa: float) -> float:
    low, high = np.log(KAPPA_RANGE)
    over = np.clip(log_kappa - (high - 1), 0.0, 2.0)
    under = np.clip((low + 1) - log_kappa, 0.0, 2.0)
    return float(1 - over / 2 - under / 2)


def _stretch(ratio: Array, curvature: Array) -> Array:
    """Lower triangular C with ``C.T @ H @ C = H J^-1 H``, the eigenvalues of ``J^-1 H`` kept within bounds.

    Of all such C the one that takes log kappa, of which a spectrum may say next to nothing, from log kappa alone: with
    the principal square root a small step of the location would take it out of the law's range.
    """
    sizes, axes = np.linalg.eigh(curvature)
    half = (axes * np.sqrt(sizes)) @ axes.T
    inverse_half = (axes / np.sqrt(sizes)) @ axes.T
    symmetric = half @ ratio @ inverse_half
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    adjusted = half @ (vectors * np.clip(values, *_STRETCH_RANGE)) @ vectors.T @ half
    return np.linalg.solve(_upper_factor(curvature).T, _upper_factor(adjusted).T)


def _upper_factor(matrix: Array) -> Array:
    """Upper triangular U with ``U @ U.T = matrix``."""
    return np.linalg.cholesky(matrix[::-1, ::-1])[::-1, ::-1]


def _prior_precision(data: dict[str, Any]) -> Array:
    """Precision of the prior of log kappa, correlation and expected log-eigenvalue."""
    deviations = KAPPA_PRIOR["sigma"], CORRELATION_PRIOR["sigma"], data["log_sd"]
    return np.diag(1.0 / np.square(deviations))


def _bounded_shift(bias: Array, information: Array) -> Array:
    length = float(np.sqrt(bias @ information @ bias))
    return bias * min(1.0, _LARGEST_SHIFT / length) if length > 0 else bias
