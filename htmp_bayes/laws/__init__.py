"""Eigenvalue laws as functions of NumPy arrays, with the face of `scipy.stats` distributions."""

from htmp_bayes.laws.ensemble import joint_logpdf, sample_ensemble
from htmp_bayes.laws.gamma_limit import GammaLimit
from htmp_bayes.laws.grid_law import GridLaw
from htmp_bayes.laws.htmp import HTMP, InverseHTMP
from htmp_bayes.laws.linear_statistics import (
    LinearStatistics,
    companion_transform,
    linear_statistics,
    mean_derivatives,
)
from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur
from htmp_bayes.laws.populations import Atoms, population_quantiles

__all__ = [
    "HTMP",
    "Atoms",
    "GammaLimit",
    "GridLaw",
    "InverseHTMP",
    "LinearStatistics",
    "MarchenkoPastur",
    "companion_transform",
    "joint_logpdf",
    "linear_statistics",
    "mean_derivatives",
    "population_quantiles",
    "sample_ensemble",
]
