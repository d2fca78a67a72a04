"""The laws as PyMC distributions, the likelihood of counts, and the models built from them."""

from htmp_bayes.models.distributions import HTMP, InverseHTMP
from htmp_bayes.models.layer import layer_model
from htmp_bayes.models.layer_data import layer_data

__all__ = ["HTMP", "InverseHTMP", "layer_data", "layer_model"]
