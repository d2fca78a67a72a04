"""A Gauss rule for one panel of a path, and the running integrals within the panel."""

import numpy as np

GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(20)


def _running_integrals(nodes):
    """Matrix of the integrals from -1 to each node of the interpolating polynomial."""
    legendre = np.polynomial.legendre
    size = nodes.size
    to_coefficients = np.linalg.inv(legendre.legvander(nodes, size - 1))
    columns = [legendre.legval(nodes, legendre.legint(row, lbnd=-1)) for row in np.eye(size)]
    return np.ascontiguousarray(np.array(columns).T @ to_coefficients)


GAUSS_RUNNING = _running_integrals(GAUSS_NODES)
