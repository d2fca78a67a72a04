"""The log-density of a law that many callers ask for: filled where it is wanted, and kept.

The layers of a network have few aspect ratios, and the search of each layer's box looks at the same grid of kappa and
correlation. What a layer adds is only where in log y its eigenvalues lie. So the law is tabulated on panels of log y
of a fixed width, which are filled when they are first wanted: always the same ones together, as the last bits of a
value depend on the points that share its path, and may not depend on which layer came first.
"""

import functools

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from htmp_bayes.laws import kernel
from htmp_bayes.laws.many_points import hermite_matrices, resolved_series

type Array = NDArray[np.float64]

_WIDTH = 1.0
# Panels that are filled together.
_BLOCK = 4
_NODES = 8
_POINTS, *_MATRICES = hermite_matrices(_NODES)
# The last coefficients of a panel that is resolved, relative to 1 + abs(log f).
_TOLERANCE = 1e-5
_LAST = 3


class LawTable:
    """Log-density at temperature 1 and its derivative by log y of one law, to about 1e-5 relative to 1 + abs(log f).

    On a panel that holds a sharp edge the kernel is asked for every point.

    Parameters
    ----------
    kappa, gamma, rho, population : float, float, float, int
        As the kernel takes them.

    Examples
    --------
    >>> log_y = np.linspace(0.0, 3.0, 100)
    >>> exact = kernel.log_density_and_slope(log_y, 5.0, 0.25, 0.7, 0)
    >>> bool(np.allclose(LawTable(5.0, 0.25, 0.7, 0).log_density_and_slope(log_y), exact, rtol=0, atol=1e-3))
    True
    """

    def __init__(self, kappa: float, gamma: float, rho: float, population: int) -> None:
        self._law = (kappa, gamma, rho, population)
        self._panels: dict[int, Array | None] = {}
        self._filled: set[int] = set()

    def log_density_and_slope(self, log_y: Array) -> Array:
        """Shape ``(N, 2)`` for ``log_y`` of shape ``(N,)``."""
        panels = np.floor(log_y / _WIDTH).astype(np.int64)
        present, which = np.unique(panels, return_inverse=True)
        for block in dict.fromkeys(int(panel) // _BLOCK for panel in present):
            if block not in self._filled:
                self._fill(block)
        series = [self._panels[int(panel)] for panel in present]
        unresolved = np.array([row is None for row in series])[which]
        stacked = np.stack([np.zeros(2 * _NODES) if row is None else row for row in series], axis=1)
        z = 2 * (log_y / _WIDTH - panels) - 1
        slopes = chebyshev.chebder(stacked) * (2 / _WIDTH)
        rows = np.stack([chebyshev.chebval(z, c[:, which], tensor=False) for c in (stacked, slopes)], axis=1)
        if unresolved.any():
            rows[unresolved] = kernel.log_density_and_slope(log_y[unresolved], *self._law)
        return rows

    def _fill(self, block: int) -> None:
        panels = _BLOCK * block + np.arange(_BLOCK)
        half = 0.5 * _WIDTH
        log_y = (_WIDTH * panels[:, None] + half * (1 + _POINTS)).ravel()
        rows = kernel.log_density_and_slope(log_y, *self._law).reshape(_BLOCK, _NODES, 2)
        for panel, row in zip(panels, rows, strict=True):
            series = None
            if np.isfinite(row).all():
                series = resolved_series(row, half, _MATRICES, _TOLERANCE, _LAST)
            self._panels[int(panel)] = series
        # last, as another thread may look at any time
        self._filled.add(block)


@functools.lru_cache(maxsize=4096)
def law_table(kappa: float, gamma: float, rho: float, population: int) -> LawTable:
    """Table of a law, the same one for all who ask for it."""
    return LawTable(kappa, gamma, rho, population)
