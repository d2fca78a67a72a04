"""The law of the eigenvalues whose population is a list of values, to first order in 1/kappa: a law as SciPy's are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes.laws.compiled.listed_population import listed_columns

type Array = NDArray[np.float64]

# Step of log x of the differences that give the density.
_STEP = 0.1


@dataclass(frozen=True, eq=False)
class OpenLaw:
    r"""Laws of the eigenvalues of matrices with listed population values, one for each draw of a posterior.

    Its distribution function is :math:`F_\infty - \arg(m^2/m')/(\pi\kappa)`
    (:mod:`htmp_bayes.laws.compiled.counting_mean`), kept between 0 and 1, and its density a difference of that.

    Parameters
    ----------
    kappa : ndarray
        Repulsion, shape ``(D,)``.
    gamma : float
        Aspect ratio.
    log_values : ndarray
        Log population values, shape ``(D, Q)``.
    shares : ndarray
        Their masses, shape ``(Q,)``.
    inverse : bool
        Whether it is the law of the reciprocals.

    Examples
    --------
    >>> from htmp_bayes.laws import MarchenkoPastur
    >>> law = OpenLaw(np.array([1e5]), 0.25, np.zeros((1, 1)), np.ones(1))
    >>> bool(abs(law.cdf([1.0])[0, 0] - MarchenkoPastur(0.25).cdf(1.0)) < 1e-4)
    True
    """

    kappa: Array
    gamma: float
    log_values: Array
    shares: Array
    inverse: bool = False

    def cdf(self, x: ArrayLike) -> Array:
        """Distribution function of each law at points of shape ``(K,)``, shape ``(D, K)``."""
        return 1 - self.sf(x)

    def sf(self, x: ArrayLike) -> Array:
        """Survival function, as :meth:`cdf`."""
        log_x = np.log(np.asarray(x, dtype=np.float64))
        above = self._above(-log_x if self.inverse else log_x)
        return 1 - above if self.inverse else above

    def sf_at_own(self, x: ArrayLike) -> Array:
        """Survival function of each law at a point of its own, both of shape ``(D,)``."""
        each = zip(self.kappa, self.log_values, np.asarray(x, dtype=np.float64), strict=True)
        laws = ((OpenLaw(np.array([kappa]), self.gamma, values[None], self.shares, self.inverse), point)
                for kappa, values, point in each)  # fmt: skip
        return np.array([law.sf([point])[0, 0] for law, point in laws])

    def pdf(self, x: ArrayLike) -> Array:
        """Density, as :meth:`cdf`."""
        x = np.asarray(x, dtype=np.float64)
        log_x = np.log(x)
        at = -log_x if self.inverse else log_x
        mass = self._above(at - _STEP / 2) - self._above(at + _STEP / 2)
        return np.asarray(np.maximum(mass, 0.0) / (_STEP * x))

    def mean(self) -> Array:
        """Mean of each law, shape ``(D,)``; that of reciprocals is infinite for square matrices."""
        if not self.inverse:
            return np.asarray(np.exp(self.log_values) @ self.shares)
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(-self.log_values) @ self.shares / np.float64(1 - self.gamma))

    def _above(self, log_eigenvalue: Array) -> Array:
        order = np.argsort(log_eigenvalue, kind="stable")
        at = np.ascontiguousarray(log_eigenvalue[order])
        out = np.empty((len(self.kappa), at.size))
        guesses: Any = np.zeros(at.size, np.complex128)
        for row, kappa, log_h in zip(out, self.kappa, self.log_values, strict=True):
            _, above, _, argument, guesses = listed_columns(
                at, self.gamma, np.ascontiguousarray(log_h, dtype=np.float64), self.shares, guesses
            )
            row[order] = np.clip(above + argument / (np.pi * kappa), 0.0, 1.0)
        return out
