"""The laws as PyMC distributions, and the operations that their graphs are made of."""

from htmp_bayes.models.distributions.htmp import HTMP, InverseHTMP

__all__ = ["HTMP", "InverseHTMP"]
