"""Eigenvalue laws as functions of NumPy arrays, with the face of `scipy.stats` distributions."""

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.laws.htmp import HTMP, InverseHTMP
from htmp_bayes.laws.joint import joint_logpdf
from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur

__all__ = ["HTMP", "InverseHTMP", "MarchenkoPastur", "joint_logpdf", "sample_ensemble"]
