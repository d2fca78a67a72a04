"""The Marchenko-Pastur law, with a population its generalisation: the limit of `HTMP` for kappa to infinity."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from htmp_bayes.laws.compiled.population_tail import population_constants
from htmp_bayes.laws.compiled.silverstein import continuous_rows, discrete_rows, limit_stieltjes
from htmp_bayes.laws.parameters import (
    CORRELATION_RANGE,
    SCALE_RANGE,
    in_range,
    parameter_sets,
    population_code,
    quadrature_rule,
)
from htmp_bayes.laws.population_law import PopulationLaw
from htmp_bayes.laws.populations import Atoms, Population, get_population
from htmp_bayes.laws.spectral_law import Complexes, Floats

_SMALLEST_GAMMA = 1e-300
# With a population the law is solved for numerically, and tested, in the range of `HTMP`.
_SMALLEST_CORRELATED_GAMMA = 0.005


class MarchenkoPastur(PopulationLaw):
    r"""Marchenko-Pastur law with aspect ratio `gamma` and mean `scale`; with a population, its generalisation.

    .. math:: f(x) = \frac{\sqrt{(x_+ - x)(x - x_-)}}{2 \pi \gamma \sigma^2 x}, \qquad
        x_\pm = \sigma^2 (1 \pm \sqrt{\gamma})^2

    (Marchenko & Pastur, Math. USSR-Sbornik 1, 457, 1967), with :math:`\sigma^2` = `scale`. With a population H it is
    the law of a sample covariance matrix whose population eigenvalues follow `scale` times H, by the equation of
    Silverstein & Bai (J. Multivariate Anal. 54, 175, 1995). Both are the limit of `HTMP` for kappa to infinity at fixed
    kappa * temperature / (2 gamma) = `scale`.

    Parameters
    ----------
    gamma : array_like
        Aspect ratio, shorter over longer side, in (0, 1]; in [0.005, 1] where `correlation` is not 0.
    scale : array_like, default 1
        Mean of the law without correlation, positive.
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
    >>> law = MarchenkoPastur(gamma=0.25)
    >>> print(law.support(), round(float(law.pdf(1.0)), 6), round(float(law.cdf(1.0)), 6))
    (np.float64(0.25), np.float64(2.25)) 0.616404 0.55339
    >>> print(MarchenkoPastur(gamma=0.25, correlation=0.7).pdf([0.2, 1.0, 10.0]).round(6))
    [0.815129 0.400918 0.001304]
    """

    def __init__(
        self,
        gamma: ArrayLike,
        scale: ArrayLike = 1.0,
        correlation: ArrayLike = 0.0,
        population: str | Population = "inverse-gamma",
    ) -> None:
        self.population = get_population(population)
        self.correlation = in_range("correlation", correlation, *CORRELATION_RANGE)
        correlated = bool(np.any(self.correlation))
        smallest = _SMALLEST_CORRELATED_GAMMA if correlated else _SMALLEST_GAMMA
        self.gamma = in_range("gamma", gamma, smallest, 1.0, hint=" with a correlation" if correlated else "")
        self.scale = in_range("scale", scale, *SCALE_RANGE)
        self._hold(self.gamma, self.scale)

    def __repr__(self) -> str:
        population = (
            f", correlation={self.correlation}, population={self.population.name!r}"
            if np.any(self.correlation)
            else ""
        )
        return f"MarchenkoPastur(gamma={self.gamma}, scale={self.scale}{population})"

    def support(self) -> tuple[Floats, Floats]:
        """Lower and upper edge of the spectrum: 0 and infinity for a population with a density."""
        root = np.sqrt(self.gamma)
        low, high = self.scale * (1 - root) ** 2, self.scale * (1 + root) ** 2
        if np.any(self.correlation):
            low, high = (np.broadcast_to(edge, self.shape).copy() for edge in (low, high))
            for index in np.ndindex(self.shape):
                gamma, scale, rho = self._parameters[index]
                if rho > 0:
                    low[index], high[index] = scale * np.array(self._correlated_edges(gamma, rho))
        return low[()], high[()]

    def mean(self) -> Floats:
        """Mean, `scale` times that of the population."""
        first, _ = self.population.moments(self.correlation)
        return np.broadcast_to(self.scale * first, self.shape)[()]

    def var(self) -> Floats:
        """Variance, scale^2 (E[h^2] + (gamma - 1) E[h]^2); inf where the population's second moment is."""
        first, second = self.population.moments(self.correlation)
        with np.errstate(invalid="ignore"):
            variance = self.scale**2 * (second + (self.gamma - 1) * first**2)
        return np.broadcast_to(np.where(np.isinf(second), np.inf, variance), self.shape)[()]

    def moment(self, order: int) -> Floats:
        """Raw moment: of order 1 and 2 in closed form, by quadrature beyond."""
        if order not in (1, 2):
            return super().moment(order)
        return self.mean() if order == 1 else self.var() + np.where(np.isinf(self.var()), 0, self.mean() ** 2)

    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        gamma, scale, rho = np.moveaxis(np.broadcast_to(self._parameters, (*log_x.shape, 3)), -1, 0)
        out = np.stack(_classical(log_x, gamma, scale), axis=-1)
        flat = np.stack([gamma, scale, rho], axis=-1).reshape(-1, 3)
        rows, logs = out.reshape(-1, 3), log_x.reshape(-1)
        for (one_gamma, one_scale, one_rho), index in parameter_sets(flat, self._parameters):
            index = index[np.isfinite(logs[index])]
            if one_rho > 0 and index.size:
                rows[index] = self._correlated(logs[index] - np.log(one_scale), one_gamma, one_rho)
                rows[index, 0] -= np.log(one_scale)
        return out[..., 0], out[..., 1], out[..., 2]

    def _correlated(self, log_x: Floats, gamma: float, rho: float) -> Floats:
        rule = quadrature_rule(self.population, rho)
        # The equation is in units where the mean without correlation is 1/gamma.
        x = np.exp(log_x) / gamma
        if isinstance(self.population, Atoms):
            rows = discrete_rows(x, gamma, rule)
        else:
            code = population_code(self.population, rho)
            rows = continuous_rows(x, gamma, code, rule, population_constants(rho, code))
        rows[:, 0] -= np.log(gamma)
        return rows

    def _stieltjes(self, z: Complexes) -> Complexes:
        out = np.empty(z.shape, np.complex128)
        parameters = np.broadcast_to(self._parameters, (*z.shape, 3))
        flat, values, points = parameters.reshape(-1, 3), out.reshape(-1), z.reshape(-1)
        for (gamma, scale, rho), index in parameter_sets(flat, self._parameters):
            unit = scale * gamma
            rule = quadrature_rule(self.population, rho)
            values[index] = limit_stieltjes(points[index] / unit, gamma, rule) / unit
        return out

    def _correlated_edges(self, gamma: float, rho: float) -> tuple[float, float]:
        """Edges from the extrema of x(v) = (1/gamma + M(v))/v on the axis (Silverstein & Choi, 1995)."""
        if not isinstance(self.population, Atoms):
            return 0.0, np.inf
        h, weights = self.population.values(rho), np.asarray(self.population.weights)

        def x(v: float) -> float:
            return float((1 / gamma + weights @ (v * h / (1 - v * h))) / v)

        upper = minimize_scalar(
            lambda u: x(u / h[-1]), bounds=(0, 1), method="bounded", options={"xatol": 1e-12}
        )
        if gamma == 1:
            return 0.0, gamma * upper.fun
        lower = minimize_scalar(
            lambda u: -x(1 / (u * h[0])), bounds=(0, 1), method="bounded", options={"xatol": 1e-12}
        )
        return -gamma * lower.fun, gamma * upper.fun

    def _log_bracket(self) -> tuple[Floats, Floats]:
        low, high = self.support()
        root = np.sqrt(self.gamma)
        high = np.where(np.isinf(high), self.scale * (1 + root) ** 2 * np.exp(3 * self.correlation), high)
        smallest = 1e-40 * self.scale
        if np.any(self.correlation) and not isinstance(self.population, Atoms):
            smallest = 1e-6 * self.scale * np.exp(-3 * self.correlation)
        low = np.maximum(low, smallest)
        return np.log(np.broadcast_to(low, self.shape)), np.log(np.broadcast_to(high, self.shape))


def _classical(log_x: Floats, gamma: Floats, scale: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-density, F and 1 - F without correlation."""
    # With x = 1 + gamma + 2 sqrt(gamma) cos(phi), phi from pi at the lower edge to 0 at the upper one.
    x = np.exp(log_x) / scale
    root = np.sqrt(gamma)
    above, below = x - (1 - root) ** 2, (1 + root) ** 2 - x
    inside = (above > 0) & (below > 0)
    phi = 2 * np.arctan2(np.sqrt(np.maximum(below, 0.0)), np.sqrt(np.maximum(above, 0.0)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_f = 0.5 * np.log(above * below) - np.log(2 * np.pi * gamma * x * scale)
    sf = np.clip(np.where(above > 0, _upper_mass(phi, root), 1.0), 0.0, 1.0)
    return np.where(inside, log_f, -np.inf), 1 - sf, sf


def _upper_mass(phi: Floats, root: Floats) -> Floats:
    r"""P(x > x(phi)) = (2/pi) \int_0^phi sin^2 / (1 + gamma + 2 sqrt(gamma) cos) in closed form."""
    gamma = root**2
    arc = np.arctan2((1 - root) * np.sin(phi / 2), (1 + root) * np.cos(phi / 2))
    return ((1 + gamma) * phi / 2 - root * np.sin(phi) - (1 - gamma) * arc) / (np.pi * gamma)
