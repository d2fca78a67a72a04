"""What the likelihoods of one spectrum have in common as operations of a PyTensor graph."""

import hashlib
import warnings
from typing import Any

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import generate_fallback_impl, register_funcify_and_cache_key

from htmp_bayes.models.layer.data import LayerData


class LikelihoodOp(Op):
    """Log-likelihood of a spectrum. Two of the same spectrum are one operation.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    """

    __props__ = ("digest",)

    def __init__(self, data: LayerData) -> None:
        parts = (repr((data.size, data.gamma, data.population, data.gap_ratio)), data.knots, data.counts)
        whole = b"".join(part.encode() if isinstance(part, str) else part.tobytes() for part in parts)
        self.digest = hashlib.sha256(whole).hexdigest()


@register_funcify_and_cache_key(LikelihoodOp)
def _numba_funcify(op: LikelihoodOp, node: Apply | None = None, **kwargs: Any) -> Any:
    """Have compiled graphs call back to Python: the likelihood is made of several compiled functions and NumPy's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numba will use object mode")
        return generate_fallback_impl(op, node, **kwargs), None
