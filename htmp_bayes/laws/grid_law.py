"""Any density on a grid, with the face of the other laws."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes.laws.spectral_law import Complexes, Floats, SpectralLaw

_SMALLEST_LOG = -700.0


class GridLaw(SpectralLaw):
    r"""Law whose density is given at points of a grid, linear between them and 0 beyond.

    Its Stieltjes transform is exact: a piece from a to b with density f(t) contributes
    :math:`(b - a) f' + f(z) \log\frac{b - z}{a - z}`, f(z) its line's value at z.

    Parameters
    ----------
    x : array_like, shape (K,)
        Points, ascending and not negative, in the units of the eigenvalues; close together where the density bends.
    density : array_like, shape (K,)
        Density there, not negative; it is normalised.
    gamma : float
        Aspect ratio N/n of the matrices whose eigenvalues follow the law, in (0, 1].

    Raises
    ------
    ValueError
        If the points are not ascending, or a number is outside its range.

    Examples
    --------
    >>> from htmp_bayes.laws import MarchenkoPastur
    >>> exact = MarchenkoPastur(gamma=0.25)
    >>> x = 1.25 - np.cos(np.linspace(0, np.pi, 501))
    >>> law = GridLaw(x, exact.pdf(x), gamma=0.25)
    >>> print(law.stieltjes(1.0).round(2), exact.stieltjes(1.0).round(2))
    (-0.5+1.94j) (-0.5+1.94j)
    """

    def __init__(self, x: ArrayLike, density: ArrayLike, gamma: float) -> None:
        self.x, f = np.asarray(x, dtype=np.float64), np.asarray(density, dtype=np.float64)
        if self.x.ndim != 1 or self.x.shape != f.shape or self.x.size < 2:
            raise ValueError(
                f"x and density must be vectors of one length, 2 at least, got {self.x.shape} and {f.shape}"
            )
        if not (np.isfinite(self.x).all() and self.x[0] >= 0 and np.all(np.diff(self.x) > 0)):
            raise ValueError("x must be finite, not negative and ascending: sort the points and drop doubles")
        if not (np.isfinite(f).all() and np.all(f >= 0) and np.any(f > 0)):
            raise ValueError("density must be finite, not negative and somewhere positive")
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], got {gamma!r}")
        self.gamma = float(gamma)
        self.shape = ()
        masses = 0.5 * (f[1:] + f[:-1]) * np.diff(self.x)
        self.density = f / masses.sum()
        masses /= masses.sum()
        self._cdf = np.concatenate([[0.0], np.cumsum(masses)])
        self._sf = np.concatenate([np.cumsum(masses[::-1])[::-1], [0.0]])
        self._freeze()

    def __repr__(self) -> str:
        return f"GridLaw({self.x.size} points from {self.x[0]:g} to {self.x[-1]:g}, gamma={self.gamma})"

    def support(self) -> tuple[float, float]:
        """First and last point with mass beside it."""
        inside = np.flatnonzero(np.diff(self._cdf) > 0)
        return float(self.x[inside[0]]), float(self.x[inside[-1] + 1])

    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        x = np.exp(log_x)
        piece = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, self.x.size - 2)
        density = np.interp(x, self.x, self.density, left=0.0, right=0.0)
        low, high = self.x[piece], self.x[piece + 1]
        x = np.clip(x, low, high)
        before = 0.5 * (self.density[piece] + np.interp(x, self.x, self.density)) * (x - low)
        after = 0.5 * (self.density[piece + 1] + np.interp(x, self.x, self.density)) * (high - x)
        with np.errstate(divide="ignore"):
            return np.log(density), self._cdf[piece] + before, self._sf[piece + 1] + after

    @cached_property
    def _panels(self) -> Floats:
        """The density bends at the points of the grid."""
        with np.errstate(divide="ignore"):
            return np.sort(np.concatenate([super()._panels, np.maximum(np.log(self.x), _SMALLEST_LOG)]))

    def _log_bracket(self) -> tuple[Floats, Floats]:
        low, high = self.support()
        return np.array(np.log(low) if low > 0 else _SMALLEST_LOG), np.array(np.log(high))

    def _stieltjes(self, z: Complexes) -> Complexes:
        out = np.empty(z.size, np.complex128)
        slopes = np.diff(self.density) / np.diff(self.x)
        for i, point in enumerate(z.ravel()):
            distances = self.x - point
            # at a point of the grid the logarithms of the pieces on both sides cancel
            logs = np.log(np.where(distances == 0, 1.0, distances))
            if point.imag == 0:
                logs.imag = np.where(distances.real < 0, -np.pi, 0.0)
                logs.imag[distances == 0] = -0.5 * np.pi
            lines = self.density[:-1] - slopes * distances[:-1]
            out[i] = np.sum(slopes * np.diff(self.x) + lines * np.diff(logs))
        return out.reshape(z.shape)
