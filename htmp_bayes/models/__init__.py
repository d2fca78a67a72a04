"""The laws as PyMC distributions, the compressed likelihood, and the models built from them."""

import htmp_bayes.laws  # noqa: F401 - finds a place for compiled code, before PyTensor looks for one
from htmp_bayes.models.distributions import HTMP, InverseHTMP
from htmp_bayes.models.layer import layer_data, layer_model

__all__ = ["HTMP", "InverseHTMP", "layer_data", "layer_model"]
