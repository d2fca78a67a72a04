"""The limit of the HTMP law without repulsion: a Gamma law, with a population a scale mixture of Gamma laws."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from htmp_bayes.laws.compiled.stieltjes_transform import stieltjes_rows
from htmp_bayes.laws.parameters import (
    CORRELATION_RANGE,
    SCALE_RANGE,
    in_range,
    parameter_sets,
    quadrature_rule,
)
from htmp_bayes.laws.population_law import PopulationLaw
from htmp_bayes.laws.populations import (
    Atoms,
    InverseGamma,
    Population,
    get_population,
    inverse_gamma_shape,
)
from htmp_bayes.laws.spectral_law import Complexes, Floats

SHAPE_RANGE = (1e-3, 1e3)
# Trapezoid rule in the standard normal z of log h = rho z, over (-9, 9). Its spacing resolves the normal density, and
# the Gamma law's density in log h, of width 1/sqrt(shape), with errors of exp(-2 (pi width/spacing)^2) < 1e-17.
_REACH = 9.0
_PER_UNIT = 4
_PER_WIDTH = 1.5


class GammaLimit(PopulationLaw):
    r"""Limit of `HTMP` for kappa to 0 at fixed `shape` = kappa / (2 gamma): eigenvalues without repulsion.

    Without correlation the Gamma law of this shape and scale `temperature`; with a population the law of the
    product of such a variable and an independent population value h,

    .. math:: f(x) = \int \frac{x^{s-1} e^{-x/(Th)}}{\Gamma(s) (Th)^s} H(dh),

    which for an inverse-gamma population is a beta-prime law (Allez, Bouchaud, Majumdar & Vivo, arXiv 1209.6171,
    for the limit without population).

    Parameters
    ----------
    shape_parameter : array_like
        Shape of the Gamma law, the limit of kappa / (2 gamma), in [0.001, 1000].
    temperature : array_like, default 1
        Scale, positive.
    correlation : array_like, default 0
        Standard deviation of the log of the population spectrum, in [0, 3].
    population : {"inverse-gamma", "log-normal", "point"} or Population
        Law of the population spectrum, normalised to E[log h] = 0; without effect where `correlation` is 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range; the message states the range.

    Examples
    --------
    >>> from scipy import stats
    >>> print(round(float(GammaLimit(2.5, 3.0).logpdf(4.0) - stats.gamma(2.5, scale=3.0).logpdf(4.0)), 12))
    0.0
    >>> print(round(float(GammaLimit(2.5, 3.0, correlation=0.7).cdf(4.0)), 6))
    0.329741
    """

    def __init__(
        self,
        shape_parameter: ArrayLike,
        temperature: ArrayLike = 1.0,
        correlation: ArrayLike = 0.0,
        population: str | Population = "inverse-gamma",
    ) -> None:
        self.population = get_population(population)
        self.shape_parameter = in_range("shape_parameter", shape_parameter, *SHAPE_RANGE)
        self.temperature = in_range("temperature", temperature, *SCALE_RANGE)
        self.correlation = in_range("correlation", correlation, *CORRELATION_RANGE)
        self._hold(self.shape_parameter, self.temperature)

    def __repr__(self) -> str:
        return (
            f"GammaLimit({self.shape_parameter}, temperature={self.temperature}, "
            f"correlation={self.correlation}, population={self.population.name!r})"
        )

    def moment(self, order: int) -> Floats:
        """Raw moment: that of the Gamma law times that of the population."""
        if not isinstance(order, int | np.integer) or order < 1:
            return super().moment(order)
        log_moment = self.population.log_moment(order, self.correlation)
        with np.errstate(over="ignore"):
            unit = self.temperature**order * special.poch(self.shape_parameter, order)
            return np.broadcast_to(unit * np.exp(log_moment), self.shape)[()]

    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        out = np.full((*log_x.shape, 3), np.nan)
        flat = np.broadcast_to(self._parameters, (*log_x.shape, 3)).reshape(-1, 3)
        rows, logs = out.reshape(-1, 3), log_x.reshape(-1)
        for (shape, temperature, rho), index in parameter_sets(flat, self._parameters):
            index = index[np.isfinite(logs[index])]
            if index.size:
                rows[index] = self._rows(logs[index] - np.log(temperature), shape, rho)
                rows[index, 0] -= np.log(temperature)
        return out[..., 0], out[..., 1], out[..., 2]

    def _rows(self, log_y: Floats, shape: float, rho: float) -> Floats:
        if rho > 0 and isinstance(self.population, InverseGamma):
            return _beta_prime_rows(log_y, shape, rho)
        log_h, weights = self._mixture(shape, rho)
        shifted = log_y[:, None] - log_h
        with np.errstate(over="ignore", divide="ignore"):
            y = np.exp(shifted)
            log_terms = shape * shifted - y - special.gammaln(shape)
            log_f = special.logsumexp(log_terms, b=weights, axis=1) - log_y
        cdf, sf = special.gammainc(shape, y) @ weights, special.gammaincc(shape, y) @ weights
        return np.stack([log_f, np.minimum(cdf, 1.0), np.minimum(sf, 1.0)], axis=-1)

    def _mixture(self, shape: float, rho: float) -> tuple[Floats, Floats]:
        """Log-values and weights of the population, or of a trapezoid rule that stands for it."""
        if rho == 0:
            return np.zeros(1), np.ones(1)
        if isinstance(self.population, Atoms):
            return rho * np.array(self.population.positions), np.asarray(self.population.weights)
        per_unit = max(_PER_UNIT, 2 * _PER_UNIT * rho, _PER_WIDTH * rho * np.sqrt(shape))
        z = np.arange(-np.ceil(_REACH * per_unit), np.ceil(_REACH * per_unit) + 1) / per_unit
        weights = np.exp(-(z**2) / 2)
        return rho * z, weights / weights.sum()

    def _stieltjes(self, z: Complexes) -> Complexes:
        out = np.empty(z.shape, np.complex128)
        flat = np.broadcast_to(self._parameters, (*z.shape, 3)).reshape(-1, 3)
        values, points = out.reshape(-1), z.reshape(-1)
        for (shape, temperature, rho), index in parameter_sets(flat, self._parameters):
            rule = quadrature_rule(self.population, rho)
            smoothing = 0.0 if isinstance(self.population, Atoms) else rho
            values[index] = stieltjes_rows(points[index] / temperature, shape, 0.0, smoothing, rule)
            values[index] /= temperature
        return out

    def _log_bracket(self) -> tuple[Floats, Floats]:
        centre = np.log(self.temperature) + np.log(self.shape_parameter)
        spread = 3.0 / np.minimum(1.0, np.sqrt(self.shape_parameter)) + 3.0 * self.correlation
        return np.asarray(centre - spread), np.asarray(centre + 2.0 + 3.0 * self.correlation)


def _beta_prime_rows(log_y: Floats, shape: float, rho: float) -> Floats:
    """Law of e^psi(nu) g / G for Gamma variables g, G of shapes `shape` and nu: beta-prime, DLMF 8.17."""
    nu = float(inverse_gamma_shape(rho)[0])
    logit = log_y - special.digamma(nu)
    log_f = shape * logit - (shape + nu) * np.logaddexp(0, logit) - special.betaln(shape, nu) - log_y
    below, above = special.expit(logit), special.expit(-logit)
    cdf = np.where(logit < 0, special.betainc(shape, nu, below), special.betaincc(nu, shape, above))
    sf = np.where(logit < 0, special.betaincc(shape, nu, below), special.betainc(nu, shape, above))
    return np.stack([log_f, cdf, sf], axis=-1)
