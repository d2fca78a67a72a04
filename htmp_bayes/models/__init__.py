"""The laws as PyMC distributions, the compressed likelihood, and the models built from them."""

from htmp_bayes.models.distributions import HTMP, InverseHTMP
from htmp_bayes.models.layer import layer_data, layer_model

__all__ = ["HTMP", "InverseHTMP", "layer_data", "layer_model"]
