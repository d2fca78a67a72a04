"""Population laws by their names, and the list of values that stands for one."""

import numpy as np

from htmp_bayes.laws.populations.inverse_gamma import InverseGamma
from htmp_bayes.laws.populations.log_normal import LogNormal
from htmp_bayes.laws.populations.point_mass import PointMass
from htmp_bayes.laws.populations.population import Population

_BY_NAME: dict[str, type[Population]] = {p.name: p for p in (PointMass, LogNormal, InverseGamma)}


def get_population(population: str | Population) -> Population:
    """Return the population law of a name, or the object itself.

    Parameters
    ----------
    population : {"point", "log-normal", "inverse-gamma"} or Population
        A name, or an object such as ``Atoms([0.0, 1.0, 2.5])``.

    Raises
    ------
    ValueError
        If the name is not known.

    Examples
    --------
    >>> get_population("inverse-gamma")
    InverseGamma()
    """
    if isinstance(population, Population):
        return population
    if isinstance(population, str) and population in _BY_NAME:
        return _BY_NAME[population]()
    allowed = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(f"population {population!r} is not known; use {allowed} or an Atoms(...) object.")


def population_quantiles(population: str | Population, correlation: float, size: int) -> np.ndarray:
    """Quantiles of a population law at the probabilities (i - 1/2)/N: a fixed list that stands for it.

    Parameters
    ----------
    population : {"inverse-gamma", "log-normal", "point"} or Population
        The law.
    correlation : float
        Standard deviation of log h; at 0 all values are 1.
    size : int
        Number N of values.

    Returns
    -------
    ndarray, shape (size,)
        Ascending.

    Examples
    --------
    >>> print(population_quantiles("log-normal", 0.5, 4).round(4))
    [0.5626 0.8527 1.1727 1.7774]
    """
    law = get_population(population)
    probability = (np.arange(size) + 0.5) / size
    upper = probability > 0.5
    values = np.empty(size)
    values[~upper] = law.quantile(probability[~upper], correlation)
    values[upper] = law.isf(1 - probability[upper], correlation)
    return values
