"""What the tables that ship with the package have in common: axes of their grids, and how they are read."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

type Array = NDArray[np.float64]

GAMMAS = (0.005, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 1.0)
"""Aspect ratios."""
KAPPAS = tuple(np.geomspace(0.05, 1e4, 14).round(4).tolist())
"""Repulsions."""


def gamma_coordinate(gamma: Array) -> Array:
    """Coordinate of the aspect ratio that stretches both ends: towards 1 the lower tail goes on and on.

    Examples
    --------
    >>> print(gamma_coordinate(np.array([0.25, 1.0])).round(3))
    [-1.125  3.912]
    """
    return np.log(gamma) - np.log(1.02 - gamma)


def grid_interpolator(name: str, coordinates: Sequence[Array]) -> RegularGridInterpolator:
    """Read a table, and interpolate it linearly in the coordinates of its axes.

    Parameters
    ----------
    name : str
        File beside this module.
    coordinates : sequence of ndarray
        Of each axis's nodes.

    Examples
    --------
    >>> from htmp_bayes.models.stretch_table import AXES
    >>> table = grid_interpolator("stretch_table.npy", [np.arange(len(axis)) for axis in AXES.values()])
    >>> table(np.zeros(5)).shape
    (1, 6)
    """
    with (files("htmp_bayes.models") / name).open("rb") as file:
        values = np.load(file, allow_pickle=False).astype(np.float64)
    return RegularGridInterpolator(tuple(coordinates), values)
