"""Eigenvalue laws as functions of NumPy arrays, with the face of `scipy.stats` distributions."""

# ruff: noqa: E402 - Numba looks for a place when a function is decorated, so one must be found first
from htmp_bayes.laws.cache_place import find_cache_place

find_cache_place()

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.laws.gamma_limit import GammaLimit
from htmp_bayes.laws.grid_law import GridLaw
from htmp_bayes.laws.htmp import HTMP, InverseHTMP
from htmp_bayes.laws.joint import joint_logpdf
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
