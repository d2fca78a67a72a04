"""The laws as PyMC distributions, the likelihood of counts, and the models built from them."""

from pathlib import Path

import htmp_bayes.laws  # noqa: F401 - finds a place for compiled code, before PyTensor looks for one

import pytensor  # isort: skip

from htmp_bayes.models.distributions import HTMP, InverseHTMP
from htmp_bayes.models.layer import prior
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.one_layer import layer_model

__all__ = ["HTMP", "InverseHTMP", "layer_data", "layer_model", "prior"]

if not pytensor.config.generated_src_dir:
    # Else each process leaves dozens of files in the temporary folder, which may be full besides.
    pytensor.config.generated_src_dir = str(Path(pytensor.config.base_compiledir) / "generated")
