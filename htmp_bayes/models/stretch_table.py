"""The stretch of the likelihood's adjustment, from a table: for `estimate`, and for large matrices.

A simulation on the spot is too slow for these.

How much narrower repulsion makes a spectrum's likelihood varies slowly with the law's parameters and the number of
eigenvalues. So the stretch was simulated (`htmp_bayes.models.adjustment`) on a grid over their whole range, by
studies/stretches.py, and is interpolated linearly. Sizes above the largest of the grid are taken as that.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from htmp_bayes.models.grid_table import GAMMAS, KAPPAS, gamma_coordinate, grid_interpolator

type Array = NDArray[np.float64]

AXES: dict[str, tuple[float, ...]] = {
    "population": (0, 1),
    "size": (24, 96, 384),
    "kappa": KAPPAS,
    "gamma": GAMMAS,
    "correlation": (0.1, 0.35, 0.7, 1.2, 2.0, 3.0),
}
"""The grid; population by its code."""

_FILE = "stretch_table.npy"
_LOWER = np.tril_indices(3)
_DIAGONAL = np.flatnonzero(_LOWER[0] == _LOWER[1])


def as_row(stretch: Array) -> Array:
    """List a stretch's entries by rows, and of its diagonal the logarithms: what is interpolated.

    Examples
    --------
    >>> print(as_row(np.array([[1.0, 0.0, 0.0], [0.3, 1.0, 0.0], [0.1, 0.2, 1.0]])))
    [0.  0.3 0.  0.1 0.2 0. ]
    """
    row = stretch[_LOWER]
    row[_DIAGONAL] = np.log(row[_DIAGONAL])
    return row


def tabulated_stretch(kappa: float, correlation: float, data: dict[str, Any]) -> Array:
    """Lower triangular stretch of the composite likelihood around a maximum.

    Parameters
    ----------
    kappa, correlation : float
        Of the maximum, within the ranges of the prior.
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.

    Returns
    -------
    ndarray
        Shape ``(3, 3)``; the coordinates are those of :class:`~htmp_bayes.models.adjustment.Adjustment`.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> data = layer_data(np.linspace(0.5, 2.0, 50), gamma=1.0)
    >>> bool(tabulated_stretch(20.0, 0.3, data)[0, 0] > 1.2)  # repulsion narrows the likelihood of log kappa
    True
    """
    point = {
        "population": data["population"],
        "size": data["n_eigenvalues"],
        "kappa": kappa,
        "gamma": data["gamma"],
        "correlation": correlation,
    }
    within = [np.clip(value, AXES[name][0], AXES[name][-1]) for name, value in point.items()]
    row = _interpolator()(np.array(_coordinates(*within)))[0]
    row[_DIAGONAL] = np.exp(row[_DIAGONAL])
    stretch = np.zeros((3, 3))
    stretch[_LOWER] = row
    return stretch


def _coordinates(population: Any, size: Any, kappa: Any, gamma: Any, correlation: Any) -> tuple[Any, ...]:
    """Coordinates in which the stretch is about linear between nodes."""
    return population, np.log(size), np.log(kappa), gamma_coordinate(gamma), correlation


@functools.cache
def _interpolator() -> RegularGridInterpolator:
    return grid_interpolator(_FILE, _coordinates(*map(np.array, AXES.values())))
