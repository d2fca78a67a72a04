"""The high-temperature Marchenko-Pastur law and its inverse, with the face of a `scipy.stats` distribution."""

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.compiled.atoms_point import atoms_rows
from htmp_bayes.laws.compiled.stieltjes_transform import stieltjes_rows
from htmp_bayes.laws.interpolation.many_points import log_density_at
from htmp_bayes.laws.parameters import (
    CORRELATION_RANGE,
    GAMMA_RANGE,
    KAPPA_RANGE,
    SCALE_RANGE,
    in_range,
    parameter_sets,
    population_code,
    quadrature_rule,
)
from htmp_bayes.laws.population_law import PopulationLaw
from htmp_bayes.laws.populations import Atoms, Population, get_population
from htmp_bayes.laws.spectral_law import Complexes, Floats, SpectralLaw

_LIMITS = "; the limits of the law are GammaLimit (kappa to 0) and MarchenkoPastur (kappa to infinity)"


class HTMP(PopulationLaw):
    r"""High-temperature Marchenko-Pastur law of the eigenvalues of a trained network's matrices.

    With :math:`c = \kappa/2`, :math:`s = \kappa/(2\gamma)`, a population law :math:`H` normalised to
    :math:`E[\log h] = 0` and :math:`y = x / T`, the density solves

    .. math:: y f(y) = \frac{1}{\pi c} \left| \mathrm{Im}\, \frac{y \int v^s e^{-yv - cL(v)} dv}
        {\int v^{s-1} e^{-yv - cL(v)} dv} \right|, \qquad L(v) = \int \log(1 - v h) H(dh),

    the integrals along a ray below the positive axis. Without correlation it is the law of Allez, Bouchaud, Majumdar
    & Vivo (arXiv 1209.6171), :math:`f(y) \propto y^a e^{-y} / |U(\kappa/2, -a, -y)|^2` with
    :math:`a = (\kappa/2)(1/\gamma - 1) - 1` and Tricomi's U (DLMF 13.2.6).

    Parameters
    ----------
    kappa : array_like
        Eigenvalue repulsion, in [0.001, 10000].
    gamma : array_like
        Aspect ratio, shorter over longer side of the matrix, in [0.005, 1].
    temperature : array_like, default 1
        Scale of the eigenvalues, positive, in their units.
    correlation : array_like, default 0
        Standard deviation of the log of the population spectrum, in [0, 3].
    population : {"inverse-gamma", "log-normal", "point"} or Population
        Law of the population spectrum, e.g. ``Atoms([0.0, 1.0])``; without effect where `correlation` is 0.

    Attributes
    ----------
    shape : tuple of int
        Shape to which the parameters broadcast. Methods broadcast their argument against it.

    Raises
    ------
    ValueError
        If a parameter is outside its range; the message states the range.

    Notes
    -----
    `logpdf` of 200 points or more under one set of parameters interpolates in log x between values of the kernel
    (`htmp_bayes.laws.interpolation.many_points`), to 1e-10 without correlation and 1e-9 with.

    References
    ----------
    Hodgkinson, Wang & Mahoney, *Models of Heavy-Tailed Mechanistic Universality*, arXiv 2506.03470;
    Zhang, *Matrix harmonic analysis at high temperature via the Dirichlet process*, arXiv 2508.21349.

    Examples
    --------
    >>> law = HTMP(kappa=5.0, gamma=0.25, correlation=0.7)
    >>> print(law.logpdf([1.0, 10.0]).round(6))
    [-3.369972 -3.267623]
    >>> print(round(float(law.cdf(law.ppf(0.9))), 9))
    0.9
    """

    def __init__(
        self,
        kappa: ArrayLike,
        gamma: ArrayLike,
        temperature: ArrayLike = 1.0,
        correlation: ArrayLike = 0.0,
        population: str | Population = "inverse-gamma",
    ) -> None:
        self.population = get_population(population)
        self.kappa = in_range("kappa", kappa, *KAPPA_RANGE, hint=_LIMITS)
        self.gamma = in_range("gamma", gamma, *GAMMA_RANGE)
        self.temperature = in_range("temperature", temperature, *SCALE_RANGE)
        self.correlation = in_range("correlation", correlation, *CORRELATION_RANGE)
        self._hold(self.kappa, self.gamma, self.temperature)

    def __repr__(self) -> str:
        return (
            f"HTMP(kappa={self.kappa}, gamma={self.gamma}, temperature={self.temperature}, "
            f"correlation={self.correlation}, population={self.population.name!r})"
        )

    def moment(self, order: int) -> Floats:
        """Raw moment: of order 1 and 2 in closed form (law of a trace of a Wishart product), by quadrature beyond."""
        if order not in (1, 2):
            return super().moment(order)
        mu1, mu2 = self.population.moments(self.correlation)
        unit = self.temperature * self.kappa / (2 * self.gamma)
        if order == 1:
            return np.asarray(unit * mu1)[()]
        with np.errstate(over="ignore"):
            ratio = mu2 + self.gamma * mu1**2 + 2 * self.gamma * mu2 / self.kappa
            return np.where(np.isinf(mu2), np.inf, unit**2 * ratio)[()]

    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        out = np.full((*log_x.shape, 3), np.nan)
        parameters = np.broadcast_to(self._parameters, (*log_x.shape, 4))
        flat, rows, logs = parameters.reshape(-1, 4), out.reshape(-1, 3), log_x.reshape(-1)
        for unique, index in parameter_sets(flat, self._parameters):
            index = index[np.isfinite(logs[index])]
            if index.size:
                rows[index] = self._rows(logs[index], *unique)
        return out[..., 0], out[..., 1], out[..., 2]

    def _rows(self, log_x: Floats, kappa: float, gamma: float, temperature: float, rho: float) -> Floats:
        log_t = np.log(temperature)
        if isinstance(self.population, Atoms) and rho > 0:
            rows = atoms_rows(log_x - log_t, kappa, gamma, quadrature_rule(self.population, rho))
        else:
            rows = htmp_density.fast_rows(
                log_x - log_t, kappa, gamma, rho, population_code(self.population, rho)
            )
        return np.stack([rows[:, 0] - log_t, np.clip(rows[:, 5], 0, 1), np.clip(rows[:, 6], 0, 1)], axis=-1)

    def _log_density(self, log_x: Floats) -> Floats:
        if self._parameters.size > 4 or isinstance(self.population, Atoms):
            return self._evaluate(log_x)[0]
        kappa, gamma, temperature, rho = self._parameters.ravel().tolist()
        log_t = np.log(temperature)
        flat = log_x.reshape(-1)
        inside = np.isfinite(flat)
        values = np.full(flat.shape, np.nan)
        law = (kappa, gamma, rho, population_code(self.population, rho))
        if inside.any():
            values[inside] = log_density_at(flat[inside] - log_t, *law) - log_t
        return values.reshape(log_x.shape)

    def _stieltjes(self, z: Complexes) -> Complexes:
        out = np.empty(z.shape, np.complex128)
        parameters = np.broadcast_to(self._parameters, (*z.shape, 4))
        flat, values, points = parameters.reshape(-1, 4), out.reshape(-1), z.reshape(-1)
        for (kappa, gamma, temperature, rho), index in parameter_sets(flat, self._parameters):
            rule = quadrature_rule(self.population, rho)
            smoothing = 0.0 if isinstance(self.population, Atoms) else rho
            s, c = 0.5 * kappa / gamma, 0.5 * kappa
            values[index] = stieltjes_rows(points[index] / temperature, s, c, smoothing, rule) / temperature
        return out

    def _log_bracket(self) -> tuple[Floats, Floats]:
        s = self.kappa / (2 * self.gamma)
        centre = np.log(self.temperature) + np.log(s)
        spread = 3.0 / np.minimum(1.0, np.sqrt(s)) + 3.0 * self.correlation
        return np.asarray(centre - spread), np.asarray(centre + 2.0 + 3.0 * self.correlation)


class InverseHTMP(SpectralLaw):
    r"""Law of 1/x where x follows `HTMP`: eigenvalues of kernel and feature matrices.

    Its upper tail is a power law with exponent :math:`\alpha = 1 + (\kappa/2)(1/\gamma - 1)`, its lower tail
    falls like :math:`e^{-1/(T x)}` (Hodgkinson, Wang & Mahoney, arXiv 2506.03470).

    Parameters
    ----------
    kappa, gamma, temperature, correlation, population
        Of the law of 1/x, as for `HTMP`.

    Raises
    ------
    ValueError
        If a parameter is outside its range; the message states the range.

    Examples
    --------
    >>> law = InverseHTMP(kappa=5.0, gamma=0.25)
    >>> print(round(float(law.sf(0.1) - HTMP(5.0, 0.25).cdf(10.0)), 12), law.tail_index())
    0.0 8.5
    """

    def __init__(
        self,
        kappa: ArrayLike,
        gamma: ArrayLike,
        temperature: ArrayLike = 1.0,
        correlation: ArrayLike = 0.0,
        population: str | Population = "inverse-gamma",
    ) -> None:
        self.reciprocal = HTMP(kappa, gamma, temperature, correlation, population)
        self.shape = self.reciprocal.shape
        self._freeze()

    def __repr__(self) -> str:
        return f"Inverse{self.reciprocal!r}"

    def moment(self, order: int) -> Floats:
        r"""Raw moment, inf where it is infinite; of order 1 and 2 in closed form, by quadrature beyond.

        With :math:`p = (\kappa/2)(1/\gamma - 1)` and :math:`e_k = E[h^{-k}]`: :math:`e_1/(p - 1)` and
        :math:`(e_2 + \frac\kappa2 e_1^2)/((p-1)(p-2)) - \frac\kappa2 e_1^2/(p-1)^2`, from the expansion of the
        Stieltjes transform at 0, divided by the temperature to the order.
        """
        if order not in (1, 2):
            return super().moment(order)
        law = self.reciprocal
        c = law.kappa / 2
        p = c * (1 / law.gamma - 1)
        e1 = np.exp(law.population.log_moment(-1, law.correlation))
        finite = p > order
        a = np.where(finite, p, 10.0) - 1
        if order == 1:
            moment = e1 / a
        else:
            e2 = np.exp(law.population.log_moment(-2, law.correlation))
            moment = (e2 + c * e1**2) / (a * (a - 1)) - c * e1**2 / a**2
        with np.errstate(over="ignore"):
            return np.where(finite, moment / law.temperature**order, np.inf)[()]

    def tail_index(self) -> Floats:
        """Exponent alpha of the density's upper tail x**-alpha."""
        kappa, gamma = self.reciprocal.kappa, self.reciprocal.gamma
        return np.broadcast_to(1.0 + 0.5 * kappa * (1.0 / gamma - 1.0), self.shape)[()]

    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        log_f, cdf, sf = self.reciprocal._evaluate(-log_x)
        return log_f - 2 * log_x, sf, cdf

    def _log_density(self, log_x: Floats) -> Floats:
        return self.reciprocal._log_density(-log_x) - 2 * log_x

    def _stieltjes(self, z: Complexes) -> Complexes:
        # 1/(1/x - z) = -(1/z) [1 + (1/z) / (x - 1/z)]; the reciprocal of z lies in the other half plane.
        return -(1 + np.conj(self.reciprocal._stieltjes(np.conj(1 / z))) / z) / z

    def _log_bracket(self) -> tuple[Floats, Floats]:
        low, high = self.reciprocal._log_bracket()
        return -high, -low
