"""The PyMC model of one layer: a prior for the law's parameters and the likelihood of the spectrum's counts."""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply

from htmp_bayes.models.layer import prior
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood import Whitened
from htmp_bayes.models.layer.likelihood_op import LikelihoodOp
from htmp_bayes.models.layer.posterior import LayerPosterior

if TYPE_CHECKING:
    import pymc as pm

# in standard deviations of the location's prior
_LOCATION_END = 40.0


class SpectrumLogLikelihood(LikelihoodOp):
    """Log-likelihood of a spectrum by log kappa, correlation and location, with its gradient by central differences.

    Inputs: a vector of the coordinates of :class:`~htmp_bayes.models.layer.posterior.LayerPosterior`, shape ``(D,)``.
    Outputs: the log-likelihood and its gradient, ``()`` and ``(D,)``. There are no second derivatives.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    """

    def __init__(self, data: LayerData) -> None:
        super().__init__(data)
        self._likelihood = LayerPosterior(data, with_prior=False)

    def make_node(self, point: Any) -> Apply:
        """Check the number of dimensions and build the node."""
        point = pt.as_tensor(point, dtype="float64")
        if point.type.ndim != 1:
            raise TypeError("SpectrumLogLikelihood takes a vector of coordinates")
        return Apply(self, [point], [pt.dscalar(), point.type()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate; -inf and a gradient of 0 where the law is not available."""
        value, gradient = -np.inf, np.zeros(len(inputs[0]))
        # a trajectory that runs away may leave all that exp can tell, far outside of the prior of the location
        if abs(inputs[0][-1]) < _LOCATION_END:
            with contextlib.suppress(np.linalg.LinAlgError):
                value, gradient = self._likelihood.with_gradient(inputs[0])
        output_storage[0][0] = np.asarray(value)
        output_storage[1][0] = gradient

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        """Give that of a scalar, and those of the inputs."""
        return [(), *input_shapes]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Gradient, from what came with the value."""
        of_value, *others = cotangents
        if any(not isinstance(other.type, DisconnectedType) for other in others):
            raise NotImplementedError("second derivatives of the likelihood of counts are not available")
        return [of_value * gradient for gradient in outputs[1:]]

    def whitened(self, point: Any) -> Whitened:
        """Residuals of the counts at a point: see :mod:`htmp_bayes.models.layer.likelihood`."""
        return self._likelihood.whitened(point)


def parametric_model(data: LayerData) -> "pm.Model":
    """PyMC model of one layer's spectrum whose population is of a family: see :func:`htmp_bayes.models.layer_model`."""
    import pymc as pm

    low, high = prior.kappa_range(data.size)
    with pm.Model() as model:
        kappa = pm.Truncated(
            "kappa", pm.LogNormal.dist(**prior.kappa_prior(data.size)), lower=low, upper=high
        )
        coordinates = [pt.log(kappa)]
        if data.correlated:
            spread = pm.HalfNormal.dist(prior.CORRELATION_SD)
            coordinates.append(pm.Truncated("correlation", spread, lower=0.0, upper=prior.CORRELATION_MAX))
        location = pm.Normal("location", 0.0, 1.0)
        expected = prior.expected_log(kappa, data.gamma, pt.gammaln)
        pm.Deterministic("temperature", pt.exp(data.log_mean + data.log_sd * location - expected))
        pm.Deterministic("dyson_index", kappa / data.size)
        value = SpectrumLogLikelihood(data)(pt.stack([*coordinates, location]))[0]
        pm.Potential("likelihood", value)
    return model
