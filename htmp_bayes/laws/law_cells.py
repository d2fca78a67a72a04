"""A law along the axis, for sums over it: its columns at any points, and cells that crowd where it changes.

The cells are even in a parameter of their own, of which log x is a smooth function: at the square-root edges of a law
with bounded support they are the closer the nearer the edge, so that the transform is smooth in the parameter.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from htmp_bayes.laws.compiled import counting_mean, htmp_density
from htmp_bayes.laws.compiled.atoms_point import atoms_rows
from htmp_bayes.laws.grid_law import GridLaw
from htmp_bayes.laws.htmp import HTMP
from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur
from htmp_bayes.laws.parameters import population_code, quadrature_rule
from htmp_bayes.laws.populations import Atoms

type Floats = NDArray[np.float64]
type Complexes = NDArray[np.complex128]
type Law = HTMP | MarchenkoPastur | GridLaw

# Beyond the ends lies no more of the law than this.
_TAIL = 1e-13
# Farthest from its middle that a law is looked at, in log x: beyond, squares of the transform leave a double.
_FARTHEST = 300.0
# Points of the first look, rounds in which they move to where the law changes, and bisections for an edge.
_COARSE, _ROUNDS, _HALVINGS = 300, 3, 50
_FEWEST_CELLS = 16


class Columns(NamedTuple):
    """F, 1 - F and companion transform at points of log x, each shape ``(K,)``."""

    cdf: Floats
    sf: Floats
    transform: Complexes


def law_columns(law: Law, log_x: Floats) -> Columns:
    """Evaluate a law with one set of parameters at ascending ``log_x``."""
    if isinstance(law, HTMP):
        kappa, gamma, temperature, _ = law._parameters.ravel().tolist()
        log_y = log_x - np.log(temperature)
        rows = kernel_rows(law, log_y)
        m = counting_mean.finite_transform(rows[:, 0], rows[:, 7], log_y, kappa) * (
            2 * gamma / kappa / temperature
        )
        return Columns(np.clip(rows[:, 5], 0, 1), np.clip(rows[:, 6], 0, 1), m)
    if isinstance(law, MarchenkoPastur):
        gamma, scale, rho = law._parameters.ravel().tolist()
        rule = quadrature_rule(law.population, rho)
        cdf, sf, m, _ = counting_mean.limit_columns(log_x - np.log(gamma * scale), gamma, rule)
        return Columns(cdf, sf, m / scale)
    _, cdf, sf = law._evaluate(log_x)
    x = np.exp(log_x)
    return Columns(cdf, sf, law.gamma * law._stieltjes(x + 0j) - (1 - law.gamma) / x)


def kernel_rows(law: HTMP, log_y: Floats) -> Floats:
    """Rows of :func:`htmp_bayes.laws.compiled.htmp_density.exact_rows`, for every population."""
    kappa, gamma, _, rho = law._parameters.ravel().tolist()
    if isinstance(law.population, Atoms) and rho > 0:
        return atoms_rows(log_y, kappa, gamma, quadrature_rule(law.population, rho))
    return htmp_density.fast_rows(log_y, kappa, gamma, rho, population_code(law.population, rho))


class Panel(NamedTuple):
    """A range of log x without gaps: where the even steps of the parameter lie, and the number of cells."""

    log_x: Floats
    cells: int


def panels(law: Law, cells: int) -> list[Panel]:
    """Divide a law's support into panels with so many cells in all, at least 16 each."""
    bands = _bands(law)
    placed = [_crowded(law, low, high) for low, high in bands]
    lengths = np.array([length for _, length in placed])
    shares = np.maximum(np.round(cells * lengths / lengths.sum()), _FEWEST_CELLS).astype(int)
    return [Panel(log_x, int(share)) for (log_x, _), share in zip(placed, shares, strict=True)]


def points(panel: Panel, halvings: int) -> Floats:
    """Return ends and middles of a panel's cells, halved so many times: ``2**(halvings + 1)`` steps a cell."""
    even = np.linspace(0.0, 1.0, len(panel.log_x))
    steps = np.linspace(0.0, 1.0, 2 ** (halvings + 1) * panel.cells + 1)
    return np.asarray(PchipInterpolator(even, panel.log_x)(steps))


def _bands(law: Law) -> list[tuple[float, float]]:
    low, high = _ends(law)
    if not (
        isinstance(law, MarchenkoPastur) and isinstance(law.population, Atoms) and np.any(law.correlation)
    ):
        return [(low, high)]
    log_x = np.linspace(low, high, 4 * _COARSE + 1)[1:-1]
    inside = law_columns(law, log_x).transform.imag > 0
    turns = np.flatnonzero(inside[1:] != inside[:-1])
    edges = [low, *(_edge(law, log_x[i], log_x[i + 1], bool(inside[i])) for i in turns), high]
    return [(edges[i], edges[i + 1]) for i in range(0, len(edges) - 1, 2)]


def _edge(law: Law, low: float, high: float, inside: bool) -> float:
    """Place between ``low`` and ``high`` where the density begins, or ends if ``low`` is inside."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if (law_columns(law, np.array([middle])).transform[0].imag > 0) == inside:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _ends(law: Law) -> tuple[float, float]:
    """Edges of the support where they are finite, otherwise points with hardly any mass beyond."""
    low_edge, high_edge = (float(edge) for edge in law.support())
    low, high = (float(end) for end in law._log_bracket())
    middle, step = 0.5 * (low + high), 1.0
    while law_columns(law, np.array([low])).cdf[0] > _TAIL and low > middle - _FARTHEST:
        low, step = max(low - step, middle - _FARTHEST), 1.5 * step
    step = 1.0
    while law_columns(law, np.array([high])).sf[0] > _TAIL and high < middle + _FARTHEST:
        high, step = min(high + step, middle + _FARTHEST), 1.5 * step
    log_x = np.linspace(low, high, _COARSE)
    columns = law_columns(law, log_x)
    first = int(np.searchsorted(columns.cdf, _TAIL)) - 1
    last = int(np.searchsorted(-columns.sf, -_TAIL))
    return (
        float(np.log(low_edge) if low_edge > 0 else log_x[max(first, 0)]),
        float(np.log(high_edge) if high_edge < np.inf else log_x[min(last, _COARSE - 1)]),
    )


def _crowded(law: Law, low: float, high: float) -> tuple[Floats, float]:
    """Points between which a law changes by equal amounts, and their number's measure for this panel."""
    log_x = np.linspace(low, high, _COARSE)
    for _ in range(_ROUNDS):
        columns = law_columns(law, log_x)
        w = columns.transform * np.exp(log_x)
        density = np.maximum(w.imag, 0.0)
        parts = (
            np.abs(np.diff(w)) / (np.abs(w[1:]) + np.abs(w[:-1]) + 1e-300),
            np.diff(log_x) * (0.5 * (density[1:] + density[:-1])) ** 0.3,
            np.abs(np.diff(columns.cdf)),
            0.1 * np.diff(log_x),
        )
        change = sum(part / part.sum() for part in parts)
        total = np.concatenate([[0.0], np.cumsum(change)])
        log_x = np.interp(np.linspace(0.0, total[-1], _COARSE), total, log_x)
    return log_x, float(np.abs(columns.cdf[-1] - columns.cdf[0]) ** 0.5)
