"""Population laws H of the correlated ensemble, one a file; `population` says what each has to be.

A new one is a file here, a row in `by_name`, and, for the HTMP law, its quadrature rule and its tails in
`htmp_bayes.laws.compiled` (`population_rule`, `population_tail`).
"""

from htmp_bayes.laws.populations.atoms import Atoms
from htmp_bayes.laws.populations.by_name import get_population, population_quantiles
from htmp_bayes.laws.populations.inverse_gamma import InverseGamma, inverse_gamma_shape
from htmp_bayes.laws.populations.log_normal import LogNormal
from htmp_bayes.laws.populations.point_mass import PointMass
from htmp_bayes.laws.populations.population import Population

__all__ = [
    "Atoms",
    "InverseGamma",
    "LogNormal",
    "PointMass",
    "Population",
    "get_population",
    "inverse_gamma_shape",
    "population_quantiles",
]
