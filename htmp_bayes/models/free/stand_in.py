"""What NUTS walks on in the place of the open population's posterior: mean counts that are linear in log h.

The average counts are nearly linear in the log population values, and their covariance changes slowly: the first are
taken at one curve, the second as a mean over curves about it. The values at both ends, where a direction can move as
far as a spike does, are not linear: how the counts follow each of them is tabulated, to first order in its mass. What
is not linear, the values by the parameters, and what must not be approximated, the dependence of mean and covariance
on kappa, stay as they are. What this misses is a smooth function of the parameters, of which a quadratic is found by
least squares at some draws and added. So a step costs a few products of small matrices. What is still missed is
measured at every draw and corrected (:mod:`htmp_bayes.models.free.draws`).
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htmp_bayes.laws.compiled.counting_covariance import BLUR, structure_factors
from htmp_bayes.models.free import prior
from htmp_bayes.models.free.curve import KNOTS, PARAMETERS
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.layer.likelihood import log_density_of_gaps
from htmp_bayes.models.nuts import compile_model

type Array = NDArray[np.float64]

DIMENSIONS = PARAMETERS + 2
TEMPER = 0.8
"""Power of the likelihood that is sampled: proposals that are a little too wide have weights that are never large."""
# Places between which what only kappa/N decides, its prior and the gaps, is interpolated.
_PLACES = 1000
# Standard deviations, about, of log tau and of the logit of log kappa/N on its range: the units of their coordinates.
_UNIT = 0.3
# Distance of the centre from the ends of the range of log kappa/N.
_WITHIN = 0.3


# Values at either end that are tabulated, and the moves of log h for which they are.
_ENDS = 7
_LEAST_MOVE, _MOVE_STEP, _MOVES = -3.0, 0.05, 161
# Curves about the centre over which the covariance of the counts is averaged.
_AVERAGED = 15
# Coordinates of the quadratic are bounded by so many standard deviations, and its value by so many nats, smoothly:
# where there were no draws it must not outweigh what it is added to.
_BOUND, _MOST_ADDED = 3.0, 8.0
# Standard deviation of the coefficients of the quadratic, in nats, and of what it leaves.
_COEFFICIENT_SD, _LEFT_SD = 0.5, 0.5
# Share of the error that may be left at points that were not fitted.
_GAINED = 0.8
# Data of the compiled model, with shapes that they could have.
_SHAPES: dict[str, tuple[int, ...]] = {
    "theta": (PARAMETERS,), "root": (PARAMETERS, PARAMETERS), "interpolation": (5, KNOTS), "integral": (5, 5),
    "log_values": (5,), "slopes": (4, 5), "ends": (2, 5), "moved": (2 * _MOVES, 4), "residual": (4,), "shift": (4,),
    "ratios": (4,), "innovations": (KNOTS - 1, KNOTS), "of_index": (_PLACES,), "log_roughness": (), "log_index": (4,),
    "location": (2,), "index_at": (), "linear": (PARAMETERS + 1,), "quadratic": (PARAMETERS + 1, PARAMETERS + 1),
}  # fmt: skip


class Centre(NamedTuple):
    """A place of the posterior, and the covariance of the curve's parameters about it."""

    theta: Array
    log_roughness: float
    log_index: float
    covariance: Array


class Quadratic(NamedTuple):
    """What is added to the log-density, bounded: linear and quadratic in the coordinates of :func:`coordinates`."""

    linear: Array
    quadratic: Array


NOTHING = Quadratic(np.zeros(PARAMETERS + 1), np.zeros((PARAMETERS + 1, PARAMETERS + 1)))


def coordinates(centre: Centre, theta: Array, log_index: Array) -> Array:
    """Bounded coordinates of points: of the curve in standard deviations, and of kappa/N; ``(K, PARAMETERS + 1)``."""
    root = np.linalg.cholesky(centre.covariance)
    of_curve = np.linalg.solve(root, (theta - centre.theta).T).T
    of_index = (log_index - centre.log_index) / _UNIT
    return _BOUND * np.tanh(np.column_stack([of_curve, of_index]) / _BOUND)


def fitted_quadratic(at: Array, errors: Array) -> Quadratic:
    """Find the quadratic for errors of the log-density at K points of bounded coordinates, by ridge regression.

    Where it does not foretell the errors of every third point, which it was not fitted to, there is none.
    """
    held_out = np.arange(len(at)) % 3 == 2
    found = _ridge(at[~held_out], errors[~held_out])
    left = errors[held_out] - _values(found, at[held_out])
    return found if np.std(left) < _GAINED * np.std(errors[held_out]) else NOTHING


def _values(added: Quadratic, at: Array) -> Array:
    values = at @ added.linear + np.sum((at @ added.quadratic) * at, axis=1)
    return np.asarray(_MOST_ADDED * np.tanh(values / _MOST_ADDED))


def _ridge(at: Array, errors: Array) -> Quadratic:
    rows, columns = np.triu_indices(at.shape[1])
    design = np.column_stack([np.ones(len(at)), at, at[:, rows] * at[:, columns]])
    ridge = np.full(design.shape[1], (_LEFT_SD / _COEFFICIENT_SD) ** 2)
    ridge[0] = 0.0
    coefficients = np.linalg.solve(design.T @ design + np.diag(ridge), design.T @ errors)
    quadratic = np.zeros((at.shape[1], at.shape[1]))
    quadratic[rows, columns] = coefficients[1 + at.shape[1] :]
    return Quadratic(coefficients[1 : 1 + at.shape[1]], quadratic)


def stand_in_data(posterior: FreePosterior, centre: Centre, added: Quadratic = NOTHING) -> dict[str, Array]:
    """Compute the data of the compiled model that stands for the posterior around a centre."""
    data, curve = posterior.data, posterior.curve
    log_h = curve.log_values(centre.theta)
    moments = posterior.moments(centre.theta)
    repulsion, independent = _mean_covariances(posterior, centre)
    whiten, ratios = _whitening(repulsion, independent, float(np.exp(centre.log_index)))
    low, high = prior.log_index_range(data.size)
    at = float(np.clip(centre.log_index, low + _WITHIN, high - _WITHIN))
    unit = _UNIT * (high - low) / ((at - low) * (high - at))
    # the gaps' factor is the same for every curve
    places = np.linspace(low, high, _PLACES)
    known = prior.log_prior_of_index(data, places) + log_density_of_gaps(data, np.exp(places))
    mean, sd = prior.location(data)
    ends = np.unique(np.r_[: min(_ENDS, len(log_h)), max(len(log_h) - _ENDS, 0) : len(log_h)])
    slopes = whiten @ posterior.slopes(moments, log_h)
    slopes[:, ends] = 0.0
    return {
        "theta": centre.theta,
        "root": np.linalg.cholesky(centre.covariance),
        "interpolation": curve.interpolation,
        "integral": curve.integral,
        "log_values": log_h,
        "slopes": slopes,
        "ends": np.eye(len(log_h))[ends],
        "moved": np.concatenate(_moved(posterior, moments.transform, log_h, ends) @ whiten.T),
        "residual": whiten @ (data.counts - moments.at_infinity + moments.shift),
        "shift": whiten @ moments.shift,
        "ratios": ratios,
        "innovations": prior.innovations(curve)[:, 2:],
        "of_index": known,
        "log_roughness": np.array(centre.log_roughness),
        "log_index": np.array([low, high, np.log((at - low) / (high - at)), unit]),
        "location": np.array([mean, sd]),
        "index_at": np.array(centre.log_index),
        "linear": added.linear,
        "quadratic": added.quadratic,
    }  # fmt: skip


def _mean_covariances(posterior: FreePosterior, centre: Centre) -> tuple[Array, Array]:
    """Average the counts' A and B over curves about the centre.

    At the upper edge they change manyfold as the largest value moves, and what is sampled has to be wide wherever the
    posterior is.
    """
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(centre.covariance)
    places = centre.theta + rng.standard_normal((_AVERAGED, PARAMETERS)) @ root.T
    found = [posterior.moments(theta) for theta in (centre.theta, *places)]
    repulsion, independent = (
        np.mean([getattr(m, name) for m in found], axis=0) for name in ("repulsion", "independent")
    )
    return repulsion, independent


def _moved(posterior: FreePosterior, transform: NDArray[np.complex128], log_h: Array, ends: Array) -> Array:
    """Find by how much the mean counts grow when one value moves, shape ``(len(ends), _MOVES, J)``.

    To first order in the value's mass it is what stands explicitly in F, as F is stationary in the transform: see
    :mod:`htmp_bayes.laws.compiled.listed_population`.
    """
    data = posterior.data
    moves = _LEAST_MOVE + _MOVE_STEP * np.arange(_MOVES)
    h = np.exp(log_h[ends][:, None] + np.append(moves, 0.0))[..., None]
    phase = np.arctan2(np.abs(transform.imag) * h, 1.0 + transform.real * h)
    average = np.zeros((len(data.counts), len(data.cell_widths)))
    average[data.cell_intervals, np.arange(len(data.cell_widths))] = data.cell_widths
    average /= average.sum(axis=1, keepdims=True)
    above = phase @ average.T
    mass = data.size * posterior.curve.shares[ends][:, None, None] / np.pi
    return np.asarray(mass * (above[:, -1:] - above[:, :-1]))


def _whitening(repulsion: Array, independent: Array, dyson_index: float) -> tuple[Array, Array]:
    """Matrix that makes B one and A diagonal, and that diagonal.

    As in :func:`htmp_bayes.laws.compiled.counting_covariance.precision_factor`.
    """
    blur = BLUR * np.eye(len(repulsion))
    inverse = np.linalg.inv(np.linalg.cholesky(independent + blur))
    ratios, vectors = np.linalg.eigh(inverse @ (repulsion + dyson_index * blur) @ inverse.T)
    return vectors.T @ inverse, np.maximum(ratios, 1e-12)


def log_likelihood(given: dict[str, Array], theta: Array, log_index: Array) -> Array:
    """Log-likelihood of the counts by what stands for it, without the quadratic, at K points, shape ``(K,)``."""
    slopes = np.exp(theta[:, 1:2] + theta[:, 2:] @ given["interpolation"].T)
    log_values = theta[:, :1] + slopes @ given["integral"].T
    index = np.exp(log_index)[:, None]
    moves = log_values - given["log_values"]
    residual = given["residual"] - moves @ given["slopes"].T - 2 / index * given["shift"]
    place = np.clip((moves @ given["ends"].T - _LEAST_MOVE) / _MOVE_STEP, 0.0, _MOVES - 1.0)
    below = np.minimum(place.astype(np.int64), _MOVES - 2)
    for end in range(len(given["ends"])):
        rows, share = end * _MOVES + below[:, end], (place - below)[:, end, None]
        residual -= (1 - share) * given["moved"][rows] + share * given["moved"][rows + 1]
    variances = structure_factors(given["ratios"], np.exp(log_index))
    return np.asarray(-0.5 * np.sum(residual**2 / variances + np.log(variances), axis=1))


def packed(given: dict[str, Array]) -> dict[str, NDArray[Any]]:
    """Put all data of the compiled model into one array of numbers, and their sizes into another.

    For each array of its own the sampler would compile code that passes it on, in every process anew.
    """
    arrays = [given[name] for name in _SHAPES]
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    return {
        "numbers": numbers,
        "sizes": np.array([size for array in arrays for size in array.shape], np.int64),
    }


def _unpacked(numbers: Any, sizes: Any) -> dict[str, Any]:
    """Take the arrays out again, as a graph."""
    import pytensor.tensor as pt

    found, start, place = {}, pt.constant(0, dtype="int64"), 0
    for name, dimensions in ((name, len(shape)) for name, shape in _SHAPES.items()):
        own = [sizes[place + axis] for axis in range(dimensions)]
        length = functools.reduce(lambda one, other: one * other, own, pt.constant(1, dtype="int64"))
        part = numbers[start : start + length]
        found[name] = part.reshape(own, ndim=dimensions) if dimensions else part[0]
        start, place = start + length, place + dimensions
    return found


def starting_point(seed: int) -> Array:
    """Unconstrained starting point of a chain, near the centre."""
    return 0.3 * np.random.default_rng(seed).standard_normal(DIMENSIONS)


def _structure_factor(x: Any, beta: Any) -> Any:
    """Write :func:`htmp_bayes.laws.compiled.counting_covariance.structure_factor` as a graph."""
    import pytensor.tensor as pt

    half = pt.minimum(0.5 * beta, 1.0)
    classical, tau = x / (1.0 + x), 0.5 * x
    small = pt.le(tau, 1.0)
    # each branch has to be finite where it is not taken, too
    beyond = pt.switch(small, 3.0, x)
    real = pt.switch(small, x - tau * pt.log1p(x), 2.0 - tau * pt.log1p(2.0 / (beyond - 1.0)))
    unitary = pt.minimum(x, 1.0)
    return (
        2.0 * (half - 0.5) * (half - 1.0) * classical
        - 4.0 * half * (half - 1.0) * real
        + 2.0 * half * (half - 0.5) * unitary
    )


@functools.cache
def compiled_model() -> Any:
    """Compile the model once in a process; the data of any spectrum can follow."""
    return compile_model(_model(), var_names=["theta", "log_roughness", "log_index", "log_density"])


def _model() -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    example = packed({name: np.ones(shape) for name, shape in _SHAPES.items()})
    with pm.Model() as model:
        given = _unpacked(*(pm.Data(name, value) for name, value in example.items()))
        xi = pm.Flat("xi", shape=DIMENSIONS)
        theta = given["theta"] + pt.dot(given["root"], xi[:PARAMETERS])
        log_roughness = given["log_roughness"] + _UNIT * xi[PARAMETERS]
        low, high, place, unit = (given["log_index"][k] for k in range(4))
        share = pt.sigmoid(place + unit * xi[PARAMETERS + 1])
        log_index = low + (high - low) * share
        likelihood = _log_likelihood(given, theta, pt.exp(log_index))
        of_index = (log_index - given["index_at"]) / _UNIT
        bounded = _BOUND * pt.tanh(pt.concatenate([xi[:PARAMETERS], of_index[None]]) / _BOUND)
        added = pt.dot(given["linear"], bounded) + pt.dot(bounded, pt.dot(given["quadratic"], bounded))
        likelihood += _MOST_ADDED * pt.tanh(added / _MOST_ADDED)
        known = _interpolated(given["of_index"], share)
        log_density = TEMPER * likelihood + known + _log_prior(given, theta, log_roughness)
        pm.Deterministic("theta", theta)
        pm.Deterministic("log_roughness", log_roughness)
        pm.Deterministic("log_index", log_index)
        pm.Deterministic("log_density", log_density)
        pm.Potential("log_posterior", log_density + pt.log(share) + pt.log1p(-share))
    return model


def _interpolated(values: Any, share: Any) -> Any:
    """Interpolate between values at even places, at a share of their range: the gaps' factor has kinks."""
    import pytensor.tensor as pt

    place = share * (_PLACES - 1)
    below = pt.clip(pt.floor(place), 0, _PLACES - 2).astype("int64")
    return values[below] + (place - below) * (values[below + 1] - values[below])


def _log_likelihood(given: dict[str, Any], theta: Any, dyson_index: Any) -> Any:
    import pytensor.tensor as pt

    slopes = pt.exp(theta[1] + pt.dot(given["interpolation"], theta[2:]))
    log_values = theta[0] + pt.dot(given["integral"], slopes)
    moves = log_values - given["log_values"]
    residual = (
        given["residual"]
        - pt.dot(given["slopes"], moves)
        - _counts_of_moves(given["moved"], pt.dot(given["ends"], moves))
        - 2.0 / dyson_index * given["shift"]
    )
    variances = _structure_factor(given["ratios"] / dyson_index, dyson_index)
    return -0.5 * pt.sum(residual**2 / variances + pt.log(variances))


def _counts_of_moves(moved: Any, moves: Any) -> Any:
    """Sum what the moves of the values at the ends add to the mean counts, between the rows of their tables."""
    import pytensor.tensor as pt

    place = pt.clip((moves - _LEAST_MOVE) / _MOVE_STEP, 0.0, _MOVES - 1.0)
    below = pt.minimum(pt.floor(place), _MOVES - 2).astype("int64")
    rows, share = pt.arange(moves.shape[0]) * _MOVES + below, (place - below)[:, None]
    return pt.sum((1.0 - share) * moved[rows] + share * moved[rows + 1], axis=0)


def _log_prior(given: dict[str, Any], theta: Any, log_roughness: Any) -> Any:
    import pytensor.tensor as pt

    nu = prior.DEGREES_OF_FREEDOM
    jumps = pt.dot(given["innovations"], theta[2:]) * pt.exp(-log_roughness)
    value = -0.5 * (nu + 1) * pt.sum(pt.log1p(jumps**2 / nu)) - (KNOTS - 1) * log_roughness
    value -= 0.5 * pt.sum((theta[2:] / prior.BOUND_SD) ** 2)
    value -= 0.5 * ((theta[0] - given["location"][0]) / given["location"][1]) ** 2
    value -= 0.5 * ((theta[1] - prior.LEVEL) / prior.LEVEL_SD) ** 2
    return value - 0.5 * ((log_roughness - prior.LOG_ROUGHNESS) / prior.LOG_ROUGHNESS_SD) ** 2
