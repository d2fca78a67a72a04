"""Parameters of the laws: their ranges, and arrays of them taken apart into single sets."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.compiled.atoms_point import atoms_rule
from htmp_bayes.laws.compiled.population_rule import population_rule
from htmp_bayes.laws.populations import Atoms, InverseGamma, Population

type Floats = NDArray[np.float64]

KAPPA_RANGE = (1e-3, 1e4)
GAMMA_RANGE = (0.005, 1.0)
CORRELATION_RANGE = (0.0, 3.0)
SCALE_RANGE = (5e-324, 1.7e308)


def in_range(name: str, value: ArrayLike, low: float, high: float, hint: str = "") -> Floats:
    """Return `value` as an array; raise a ValueError that states the range if any of it lies outside."""
    array = np.asarray(value, dtype=np.float64)
    if not np.all((array >= low) & (array <= high)):
        end = "inf)" if high > 1e300 else f"{high:g}]"
        described = f"[{low:g}, {end}" if low > 1e-300 or low == 0 else f"(0, {end}"
        raise ValueError(f"{name} must be in {described}, got {value!r}{hint}")
    return array


def check_population(population: Population, correlation: Floats) -> None:
    """Raise a ValueError if a population without spread is given a correlation."""
    if population.name == "point" and np.any(correlation):
        raise ValueError(
            "the population 'point' has no spread: use correlation=0, or the population 'inverse-gamma', "
            "'log-normal' or Atoms(...)"
        )


# Below this the inverse-gamma's shape, about 1/rho^2, leaves the range of its rule, and the log-normal is the same.
_NARROW = 1e-4


def population_code(population: Population, correlation: float) -> int:
    """Return the kernel's code of a population with a density (any, for a point mass)."""
    inverse_gamma = isinstance(population, InverseGamma) and correlation > _NARROW
    return htmp_density.INVERSE_GAMMA if inverse_gamma else htmp_density.LOG_NORMAL


def quadrature_rule(population: Population, correlation: float) -> NDArray[np.complex128]:
    """Return the rule over the population that the compiled functions take, shape ``(6, count)``."""
    if isinstance(population, Atoms) and correlation > 0:
        return atoms_rule(correlation, np.array(population.positions), np.array(population.weights))
    return population_rule(correlation, population_code(population, correlation))


def parameter_sets(flat: Floats, parameters: Floats) -> Iterator[tuple[tuple[float, ...], NDArray[np.int64]]]:
    """Yield each distinct row of `flat` with the positions where it stands.

    `parameters` are the rows before they were broadcast to those of `flat`: a single one needs no search.
    """
    if parameters.size == flat.shape[-1]:
        yield tuple(parameters.ravel().tolist()), np.arange(flat.shape[0])
        return
    unique, inverse = np.unique(flat, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    starts = np.searchsorted(inverse.ravel()[order], np.arange(unique.shape[0] + 1))
    for i, row in enumerate(unique):
        yield tuple(row.tolist()), order[starts[i] : starts[i + 1]]
