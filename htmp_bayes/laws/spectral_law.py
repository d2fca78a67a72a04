"""What all eigenvalue laws have in common: the methods of a frozen `scipy.stats` distribution on (0, inf)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes._seeds import generator_of, one_of
from htmp_bayes.laws.frozen import Frozen

type Floats = NDArray[np.float64]
type Complexes = NDArray[np.complex128]
type RandomState = int | np.random.Generator | None

# A quantile starts from its cell of a table and takes a few Newton steps.
_TABLE_SIZE = 129
_QUANTILE_STEPS = 60
_QUANTILE_TOLERANCE = 1e-12


class SpectralLaw(Frozen):
    """A continuous law on the positive axis, by its log-density and both tails as functions of log x."""

    @abstractmethod
    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-density of x, distribution function and survival function; ``log_x`` has a finite trailing shape."""

    @abstractmethod
    def _log_bracket(self) -> tuple[Floats, Floats]:
        """Bounds of log x between which nearly all of the mass lies, of the law's shape."""

    def logpdf(self, x: ArrayLike) -> Floats:
        """Logarithm of the density at `x`; -inf for x <= 0."""
        return self._at(x, self._log_density, -np.inf, -np.inf)

    def pdf(self, x: ArrayLike) -> Floats:
        """Density at `x`."""
        return np.exp(self.logpdf(x))

    def cdf(self, x: ArrayLike) -> Floats:
        """Distribution function P(eigenvalue <= x)."""
        return self._at(x, lambda log_x: self._evaluate(log_x)[1], 0.0, 1.0)

    def sf(self, x: ArrayLike) -> Floats:
        """Survival function P(eigenvalue > x), without cancellation in the upper tail."""
        return self._at(x, lambda log_x: self._evaluate(log_x)[2], 1.0, 0.0)

    def logcdf(self, x: ArrayLike) -> Floats:
        """Logarithm of the distribution function."""
        with np.errstate(divide="ignore"):
            return np.log(self.cdf(x))

    def logsf(self, x: ArrayLike) -> Floats:
        """Logarithm of the survival function."""
        with np.errstate(divide="ignore"):
            return np.log(self.sf(x))

    def ppf(self, q: ArrayLike) -> Floats:
        """Quantile: the x with ``cdf(x) = q``; nan for q outside [0, 1]."""
        return self._quantile(q, upper=False)

    def isf(self, q: ArrayLike) -> Floats:
        """Upper quantile: the x with ``sf(x) = q``; nan for q outside [0, 1]."""
        return self._quantile(q, upper=True)

    def rvs(
        self,
        size: int | tuple[int, ...] | None = None,
        random_state: RandomState = None,
        *,
        rng: RandomState = None,
    ) -> Floats:
        """Independent draws (not a spectrum: eigenvalues of one matrix repel, see `sample_ensemble`).

        `random_state` and `rng` are two names of one thing: a seed or a Generator.
        """
        source = generator_of(one_of(random_state=random_state, rng=rng))
        if size is None:
            size = self.shape
        return self.ppf(source.uniform(size=size))

    def stieltjes(self, z: ArrayLike) -> Complexes:
        r"""Stieltjes transform :math:`E[1/(x - z)]`, of which the spectral density is the boundary value.

        Parameters
        ----------
        z : array_like of complex
            Points of the complex plane. On the positive axis the limit from above is returned, whose imaginary
            part is pi times the density; 0 has no value.

        Returns
        -------
        ndarray of complex
            Of the shape of `z` broadcast against the law's.

        Raises
        ------
        ValueError
            If a `z` is 0 or not finite.

        Examples
        --------
        >>> from htmp_bayes.laws import HTMP
        >>> law = HTMP(kappa=5.0, gamma=0.25)
        >>> print(law.stieltjes([1j, -10.0]).round(6))
        [0.142266+0.033095j 0.054231+0.j      ]
        >>> print(f"{law.stieltjes(9.0).imag / np.pi:.10f} {law.pdf(9.0):.10f}")
        0.0599081492 0.0599081492
        """
        z = np.asarray(z, dtype=np.complex128)
        if not np.all(np.isfinite(z) & (z != 0)):
            raise ValueError("z must be finite and not 0; E[1/x] is the mean of the inverse law")
        z = np.broadcast_to(z, np.broadcast_shapes(z.shape, self.shape))
        above = z.imag >= 0
        value = self._stieltjes(np.where(above, z, np.conj(z)))
        return np.where(above, value, np.conj(value))[()]

    @abstractmethod
    def _stieltjes(self, z: Complexes) -> Complexes:
        """Stieltjes transform in the closed upper half plane; ``z`` has the law's shape at its end."""

    def support(self) -> tuple[Any, Any]:
        """End points of the support."""
        return 0.0, np.inf

    def _log_density(self, log_x: Floats) -> Floats:
        """Log-density alone, for laws that have a quicker way to many values of it."""
        return self._evaluate(log_x)[0]

    def _at(self, x: ArrayLike, function: Callable[[Floats], Floats], below: float, above: float) -> Floats:
        x = np.asarray(x, dtype=np.float64)
        shape = np.broadcast_shapes(x.shape, self.shape)
        x = np.broadcast_to(x, shape)
        inside = (x > 0) & (x < np.inf)
        if inside.all():
            return function(np.log(x))[()]
        log_x = np.where(inside, np.log(np.where(inside, x, 1.0)), np.nan)
        value = function(log_x)
        outside = np.where(np.isnan(x), np.nan, np.where(x > 0, above, below))
        return np.where(inside, value, outside)[()]

    def _quantile(self, q: ArrayLike, upper: bool) -> Floats:
        q = np.asarray(q, dtype=np.float64)
        shape = np.broadcast_shapes(q.shape, self.shape)
        q = np.broadcast_to(q, shape)
        inside = (q > 0) & (q < 1)
        target = np.where(inside, q, 0.5)
        log_x = self._solve(target, upper)
        ends = (np.inf, 0.0) if upper else (0.0, np.inf)
        edges = np.where(q == 0, ends[0], np.where(q == 1, ends[1], np.nan))
        with np.errstate(over="ignore"):
            return np.where(inside, np.exp(log_x), edges)[()]

    def _solve(self, target: Floats, upper: bool) -> Floats:
        """Safeguarded Newton steps for log x, on the log of the tail in which the quantile lies."""
        low, high = self._cells(target, upper)
        log_x = 0.5 * (low + high)
        active = np.ones(target.shape, dtype=bool)
        for _ in range(_QUANTILE_STEPS):
            log_f, cdf, sf = self._evaluate(np.where(active, log_x, np.nan))
            below = (target < sf) if upper else (cdf < target)
            low = np.where(active & below, log_x, low)
            high = np.where(active & ~below, log_x, high)
            proposal = log_x - _newton_step(log_f + log_x, cdf, sf, target, upper)
            inside = (proposal > low) & (proposal < high)
            following = np.where(inside, proposal, 0.5 * (low + high))
            settled = np.abs(following - log_x) <= _QUANTILE_TOLERANCE * (1 + np.abs(log_x))
            log_x = np.where(active, following, log_x)
            active &= ~settled
            if not active.any():
                break
        return log_x

    def _cells(self, target: Floats, upper: bool) -> tuple[Floats, Floats]:
        """Neighbouring points of a table, below and above each quantile."""
        grid, lower, upper_tail = self._table(float(target.min()), float(target.max()), upper)
        values = -upper_tail if upper else lower
        wanted = -target if upper else target
        low, high = np.empty(target.shape), np.empty(target.shape)
        for i in np.ndindex(target.shape[target.ndim - len(self.shape) :]):
            own = tuple(k if size > 1 else 0 for k, size in zip(i, self.shape, strict=True))
            column, place = (slice(None), *own), (..., *i)
            cell = np.clip(np.searchsorted(values[column], wanted[place]), 1, _TABLE_SIZE - 1)
            low[place] = grid[column][cell - 1]
            high[place] = grid[column][cell]
        return low, high

    def _table(self, smallest: float, largest: float, upper: bool) -> tuple[Floats, Floats, Floats]:
        """Grid of log x that holds all quantiles between the two, with F and 1 - F there."""
        low, high = (np.array(bound, dtype=np.float64) for bound in self._log_bracket())
        for _ in range(40):
            _, cdf_low, sf_low = self._evaluate(low)
            _, cdf_high, sf_high = self._evaluate(high)
            too_high = (sf_low < largest) if upper else (cdf_low > smallest)
            too_low = (sf_high > smallest) if upper else (cdf_high < largest)
            if not (np.any(too_high) or np.any(too_low)):
                break
            width = high - low
            low = np.where(too_high, np.maximum(low - width, _SMALLEST_LOG), low)
            high = np.where(too_low, np.minimum(high + width, _LARGEST_LOG), high)
        steps = np.linspace(0.0, 1.0, _TABLE_SIZE).reshape(-1, *[1] * len(self.shape))
        grid = low + (high - low) * steps
        _, cdf, sf = self._evaluate(grid)
        return grid, np.maximum.accumulate(cdf, axis=0), np.minimum.accumulate(sf, axis=0)


# Beyond the smallest and the largest double: a quantile out there is 0 or infinite.
_SMALLEST_LOG = -800.0
_LARGEST_LOG = 800.0


def _newton_step(log_density: Floats, cdf: Floats, sf: Floats, target: Floats, upper: bool) -> Floats:
    """Newton step in log x on log F or log(1 - F), whichever is the smaller tail."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        on_upper = sf < cdf
        tail = np.where(on_upper, sf, cdf)
        wanted = np.where(on_upper == upper, target, 1.0 - target)
        slope = np.exp(log_density - np.log(tail))
        difference = np.log(tail) - np.log(wanted)
        return np.where(on_upper, -difference, difference) / slope
