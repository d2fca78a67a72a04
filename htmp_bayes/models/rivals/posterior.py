r"""The posteriors of the laws that HTMP competes with, under the likelihood of counts at a real matrix's repulsion.

A law that is known by its density has, as the mean of the counting function, N times its distribution function: a
density that is proposed for eigenvalues is one of the eigenvalues that there are, with no correction for a finite size.
Its counts scatter as those of a real matrix with that density do: A is that of its own companion transform, which the
density gives on a grid, at a Dyson index of 1.

All priors are weakly informative and proper, and move along when all eigenvalues are multiplied by a factor, as in
:mod:`htmp_bayes.models.layer.prior`: with m and s the mean and the standard deviation of the log-eigenvalues, the
place of a law has the standard deviation s, and its width a factor of standard deviation :math:`1/\sqrt 2` in its
logarithm about s. For a normal law of the log-eigenvalues these are unit-information priors (Kass & Wasserman 1995,
J. Am. Stat. Assoc. 90, 928): each is worth one eigenvalue. Coordinates are in standard units, in which 0 is the law
that matches m and s and the prior is standard normal.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaln, log_ndtr, ndtr

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.laws.compiled.polygamma import digamma_minus_log, inverse_trigamma, trigamma
from htmp_bayes.laws.interpolation.grid_transform import companion_transform, principal_values
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood import Moments, Whitened, averaged_moments
from htmp_bayes.models.layer.likelihood import whitened as whitened_counts
from htmp_bayes.models.layer.posterior import CountsPosterior, LayerPosterior

type Array = NDArray[np.float64]
type Parameters = Mapping[str, Array]

# Coordinates beyond so many standard deviations of the prior are not looked at.
_FARTHEST = 8.0
_LOG_WIDTH_SD = 2**-0.5
_LARGEST_LOG = 700.0
# The grid beyond the knots: first and widest step of log eigenvalue, how steps grow, and how far they go. What lies
# below is as good as 0 to all others, what lies above as good as nothing.
_STEP, _WIDEST, _GROWTH, _FAR = 0.04, 0.1, 1.1, 12.0


class Columns(NamedTuple):
    """Density of log eigenvalue and the probabilities below and above, at points of log eigenvalue."""

    density: Array
    below: Array
    above: Array


class RivalLaw(NamedTuple):
    """A law of the eigenvalues that is known by its density.

    Attributes
    ----------
    coordinates : tuple of str
        Names of the coordinates, in standard units.
    parameters : callable
        The law's parameters, by the data and an array of each coordinate.
    columns : callable
        Density and probabilities, by points of log eigenvalue and the parameters.
    """

    coordinates: tuple[str, ...]
    parameters: Callable[[LayerData, Parameters], dict[str, Array]]
    columns: Callable[[Array, Parameters], Columns]


class ContenderPosterior(CountsPosterior):
    """Log-posterior of a law whose counts scatter as those of a real matrix."""

    def log_prior(self, point: Array) -> float:
        """Log-density of the prior at a point of shape ``(D,)``."""
        raise NotImplementedError

    def whitened(self, point: Array) -> Whitened:
        """Residuals of the counts, and the rest of the log-posterior, at a point of shape ``(D,)``."""
        with one_blas_thread():
            counts = whitened_counts(self.data, *self.moments(point))
        return counts._replace(constant=counts.constant + self.log_prior(point))


class RivalPosterior(ContenderPosterior):
    """Log-posterior of a law that is known by its density.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    law : RivalLaw
        The law, one of `RIVALS`.

    Examples
    --------
    >>> from htmp_bayes.models.layer.data import layer_data
    >>> posterior = RivalPosterior(layer_data(np.geomspace(0.5, 2.0, 50), gamma=0.25), RIVALS["log-normal"])
    >>> {name: round(float(value), 3) for name, value in posterior.parameters(np.zeros(2)).items()}
    {'mu': 0.0, 'sigma': 0.408}
    """

    def __init__(self, data: LayerData, law: RivalLaw) -> None:
        bounds = np.array([[-_FARTHEST, _FARTHEST]] * len(law.coordinates))
        super().__init__(data, law.coordinates, bounds)
        self._law = law
        self._nodes = _grid(data)
        self._weights = principal_values(np.exp(data.cell_middles), np.exp(self._nodes))

    def parameters(self, points: Array) -> dict[str, Array]:
        """Parameters of the law at points of shape ``(..., D)``."""
        columns = dict(zip(self.names, np.moveaxis(np.asarray(points), -1, 0), strict=True))
        return self._law.parameters(self.data, columns)

    def moments(self, point: Array) -> tuple[Moments, float]:
        """Mean and covariances of the average counts, and the kappa of a real matrix, N."""
        law, data = self._law, self.data
        parameters = self.parameters(point)
        on_nodes = law.columns(self._nodes, parameters)
        here = law.columns(data.cell_middles, parameters)
        x = np.exp(data.cell_middles)
        stieltjes = self._weights @ (on_nodes.density * np.exp(-self._nodes)) - on_nodes.below[0] / x
        transform = companion_transform(x, stieltjes, here.density / x, data.gamma)
        found = averaged_moments(data, transform, here.below, here.above, np.zeros_like(x))
        return found._replace(response=np.zeros_like(found.mean), exact=0.0), float(data.size)

    def log_prior(self, point: Array) -> float:
        """Log-density of the prior at a point of shape ``(D,)``."""
        return -0.5 * float(point @ point) - 0.5 * len(point) * float(np.log(2 * np.pi))

    def starts(self) -> list[Array]:
        """Begin at the law that matches the log-eigenvalues' moments, and at wider and narrower ones."""
        zero = np.zeros(len(self.names))
        return [zero, *(zero + 0.7 * sign * row for row in np.eye(len(zero)) for sign in (-1, 1))]


class HTMPContender(ContenderPosterior):
    """Log-posterior of HTMP as one density among others: its counts scatter as a real matrix's, too.

    Kappa is a parameter of the mean, and not of the scatter, which would make room for a density that is wrong; the
    gaps, which know the scatter alone, have no part. With a kappa of N it is the law of Marchenko & Pastur, of which
    N F and the correction of a matrix of N rows are what is left for large N.

    Parameters
    ----------
    data : LayerData
        The spectrum, with the population.
    free : bool
        Whether kappa is a parameter, or N.

    Examples
    --------
    >>> from htmp_bayes.models.layer.data import layer_data
    >>> posterior = HTMPContender(layer_data(np.linspace(0.5, 2.0, 50), 0.25, population="none"), free=False)
    >>> posterior.names, float(posterior.parameters(np.zeros(1))["kappa"].round(6))
    (('location',), 50.0)
    """

    def __init__(self, data: LayerData, free: bool = True) -> None:
        self._layer, self._free = LayerPosterior(data), free
        first = 0 if free else 1
        super().__init__(data, self._layer.names[first:], self._layer.bounds[first:])

    def parameters(self, points: Array) -> dict[str, Array]:
        """Kappa, correlation, location and temperature at points of shape ``(..., D)``."""
        return self._layer.parameters(self._with_kappa(points))

    def moments(self, point: Array) -> tuple[Moments, float]:
        """Mean and covariances of the average counts, and the kappa of a real matrix, N."""
        found, _ = self._layer.moments(self._with_kappa(point))
        return found._replace(exact=0.0), float(self.data.size)

    def log_prior(self, point: Array) -> float:
        """Log-density of the prior, up to that of a kappa of N."""
        return float(self._layer.log_prior(self._with_kappa(point)))

    def starts(self) -> list[Array]:
        """Those of a layer's posterior, each once."""
        starts = self._layer.starts()
        return starts if self._free else list(np.unique([start[1:] for start in starts], axis=0))

    def folded(self, point: Array) -> Array:
        """Make the correlation positive."""
        folded = self._layer.folded(self._with_kappa(point))
        return folded if self._free else folded[1:]

    def _with_kappa(self, points: Array) -> Array:
        points = np.asarray(points)
        if self._free:
            return points
        return np.concatenate([np.full((*points.shape[:-1], 1), np.log(self.data.size)), points], axis=-1)


def _grid(data: LayerData) -> Array:
    """Nodes of log eigenvalue: the ends of the cells, and growing steps beyond on both sides."""
    steps = [_STEP]
    while sum(steps) < _FAR:
        steps.append(min(_GROWTH * steps[-1], _WIDEST))
    away = np.cumsum(steps)
    ends = np.append(data.cell_middles - data.cell_widths / 2, data.knots[-1])
    return np.concatenate([ends[0] - away[::-1], ends, ends[-1] + away])


def _log_normal_parameters(data: LayerData, at: Parameters) -> dict[str, Array]:
    return {
        "mu": data.log_mean + data.log_sd * at["location"],
        "sigma": data.log_sd * np.exp(_LOG_WIDTH_SD * at["width"]),
    }


def _log_normal_columns(u: Array, parameters: Parameters) -> Columns:
    sigma = parameters["sigma"]
    z = (u - parameters["mu"]) / sigma
    return Columns(np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sigma), ndtr(z), ndtr(-z))


def _gamma_parameters(data: LayerData, at: Parameters) -> dict[str, Array]:
    return _gamma_about(data.log_mean + data.log_sd * at["location"], data.log_sd, at["width"])


def _inverse_gamma_parameters(data: LayerData, at: Parameters) -> dict[str, Array]:
    """Shape and mean of the Gamma law of 1/λ."""
    return _gamma_about(-data.log_mean - data.log_sd * at["location"], data.log_sd, at["width"])


def _gamma_about(log_place: Array, log_sd: float, width: Array) -> dict[str, Array]:
    """Shape and mean; at a width of 0 the logarithm has this mean and standard deviation.

    The unit information on log(shape) is that of one draw, shape² (trigamma(shape) - 1 / shape), whatever the mean.
    """
    matched = inverse_trigamma(log_sd**2)
    information = matched**2 * (trigamma(matched) - 1 / matched)
    shape = matched * np.exp(width / np.sqrt(information))
    return {"shape": shape, "mean": np.exp(log_place - digamma_minus_log(matched))}


def _gamma_columns(u: Array, parameters: Parameters) -> Columns:
    shape = parameters["shape"]
    log_x = np.minimum(u + np.log(shape / parameters["mean"]), _LARGEST_LOG)
    x = np.exp(log_x)
    return Columns(np.exp(shape * log_x - x - gammaln(shape)), gammainc(shape, x), gammaincc(shape, x))


def _inverse_gamma_columns(u: Array, parameters: Parameters) -> Columns:
    of_reciprocal = _gamma_columns(-u, parameters)
    return Columns(of_reciprocal.density, of_reciprocal.above, of_reciprocal.below)


def _power_law_parameters(data: LayerData, at: Parameters) -> dict[str, Array]:
    """At 0, body and tail have half of the variance each."""
    sigma = data.log_sd * np.sqrt(0.5) * np.exp(_LOG_WIDTH_SD * at["width"])
    decay = np.sqrt(2.0) / data.log_sd * np.exp(at["decay"])
    mu = data.log_mean + data.log_sd * at["location"] - 1 / decay
    return {"mu": mu, "sigma": sigma, "tail_index": 1 + decay}


def _power_law_columns(u: Array, parameters: Parameters) -> Columns:
    """Add a normal and an exponential log-eigenvalue: Reed & Jorgensen, Commun. Stat. Theory Methods 33 (2004) 1733."""
    mu, sigma, decay = parameters["mu"], parameters["sigma"], parameters["tail_index"] - 1
    z = (u - mu) / sigma
    tail = np.exp(0.5 * (decay * sigma) ** 2 - decay * sigma * z + log_ndtr(z - decay * sigma))
    return Columns(decay * tail, np.maximum(ndtr(z) - tail, 0.0), ndtr(-z) + tail)


_PLACE_AND_WIDTH = ("location", "width")
RIVALS: Mapping[str, RivalLaw] = {
    "gamma": RivalLaw(_PLACE_AND_WIDTH, _gamma_parameters, _gamma_columns),
    "inverse-gamma": RivalLaw(_PLACE_AND_WIDTH, _inverse_gamma_parameters, _inverse_gamma_columns),
    "log-normal": RivalLaw(_PLACE_AND_WIDTH, _log_normal_parameters, _log_normal_columns),
    "power-law-tail": RivalLaw((*_PLACE_AND_WIDTH, "decay"), _power_law_parameters, _power_law_columns),
}
