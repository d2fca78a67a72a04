"""The Stieltjes transform, on the axis, of a law that is known by its density on a grid.

Between nodes the density is taken to be linear, so that the principal value of int f(t)/(t - x) dt is a sum over the
nodes with weights that know nothing of f: a matrix for each grid, and a product for each law.
"""

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]


def principal_values(points: Array, nodes: Array) -> Array:
    r"""Weights of the nodes in the principal value of :math:`\int f(t)/(t - x)\,dt`.

    Parameters
    ----------
    points : ndarray
        The x, shape ``(K,)``; none of them a node.
    nodes : ndarray
        Ascending, shape ``(M,)``. Beyond them the density is 0.

    Returns
    -------
    ndarray
        Shape ``(K, M)``; its product with the density at the nodes is exact for one that is linear between them.

    Examples
    --------
    The density 2 t on (0, 1), of which the integral is 2 + 2 x log((1 - x)/x):

    >>> nodes = np.linspace(0.0, 1.0, 11)
    >>> weights = principal_values(np.array([0.25]), nodes)
    >>> bool(np.isclose(weights @ (2 * nodes), 2 + 0.5 * np.log(3)))
    True
    """
    lengths = np.diff(nodes)
    # Place of x in a cell that reaches from -1 to 1, mirrored: the logarithm is that of the distances to its ends.
    place = ((nodes[:-1] + nodes[1:]) - 2 * points[:, None]) / lengths
    logarithm = 0.5 * _log_abs_one_plus(2 / (place - 1))
    slope = 1 - place * logarithm
    weights = np.zeros((len(points), len(nodes)))
    weights[:, :-1] += logarithm - slope
    weights[:, 1:] += logarithm + slope
    return weights


def _log_abs_one_plus(x: Array) -> Array:
    """Logarithm of |1 + x|, right for small x, too."""
    near = np.abs(x) < 0.5
    return np.where(near, np.log1p(np.where(near, x, 0.0)), np.log(np.abs(1 + np.where(near, 1.0, x))))


def companion_transform(
    points: Array, stieltjes: Array, density: Array, gamma: float
) -> NDArray[np.complex128]:
    r"""Transform :math:`m(x) = -(1 - \gamma)/x + \gamma s(x)`, with :math:`\mathrm{Im}\,m = \pi\gamma f`.

    Parameters
    ----------
    points : ndarray
        The x > 0, shape ``(K,)``.
    stieltjes : ndarray
        Principal value of the integral of f(t)/(t - x) at each.
    density : ndarray
        f at each.
    gamma : float
        Aspect ratio.

    Examples
    --------
    >>> companion_transform(np.array([1.0]), np.array([-0.5]), np.array([1 / np.pi]), 0.5)
    array([-0.75+0.5j])
    """
    real = -(1 - gamma) / points + gamma * stieltjes
    return np.asarray(real + 1j * np.pi * gamma * density, dtype=np.complex128)
