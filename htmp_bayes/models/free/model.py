"""The PyMC model of one layer with an open population, to which more can be added."""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply

from htmp_bayes.models.free import prior
from htmp_bayes.models.free.curve import KNOTS
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood_op import LikelihoodOp

if TYPE_CHECKING:
    import pymc as pm

# A proposal may be beyond all that exp can tell.
_FARTHEST = 50.0


class FreeLogLikelihood(LikelihoodOp):
    """Log-likelihood of a spectrum by the curve's parameters and log kappa/N, without a gradient.

    There is none that would be of use: wherever an edge of the law passes from one cell to the next, the counts'
    covariance has a step, and the log-likelihood with it, of a tenth at N = 32. Chains that accept or refuse do not
    mind; NUTS shortens its steps to less than a hundredth of what the posterior is wide.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    """

    def __init__(self, data: LayerData) -> None:
        super().__init__(data)
        self._posterior = FreePosterior(data)

    def make_node(self, theta: Any, log_index: Any) -> Apply:
        """Take the parameters, shape ``(PARAMETERS,)``, and log kappa/N."""
        theta, log_index = pt.as_tensor(theta, dtype="float64"), pt.as_tensor(log_index, dtype="float64")
        return Apply(self, [theta, log_index], [pt.dscalar()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate; -inf where the law is not available."""
        theta, log_index = inputs
        value = -np.inf
        if np.abs(theta - self._posterior.mode.theta).max() < _FARTHEST and abs(log_index) < _FARTHEST:
            with contextlib.suppress(np.linalg.LinAlgError):
                value = self._posterior.log_likelihood(theta, float(log_index))
        output_storage[0][0] = np.asarray(value)

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        """Give that of a scalar."""
        return [()]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Say that there is no gradient, so that PyMC chooses samplers that need none."""
        raise NotImplementedError("the likelihood of an open population has no gradient")


def free_layer_model(data: LayerData) -> "pm.Model":
    r"""PyMC model of one layer's spectrum with an open population: prior and likelihood of `htmp_bayes.models.free`.

    Parameters
    ----------
    data : LayerData
        What :func:`~htmp_bayes.models.layer.data.layer_data` returns for the population "free".

    Returns
    -------
    pymc.Model
        With variables ``median`` (m), ``level`` (L), ``d`` (at the knots), ``log_roughness`` and ``log_index`` (log
        kappa/N), and deterministic ``theta`` (the curve's parameters), ``kappa`` and ``dyson_index``. The likelihood is
        a ``Potential`` without a gradient: sample with ``pm.sample(step=pm.DEMetropolisZ())``, and some 100,000 draws.
    """
    import pymc as pm

    posterior = FreePosterior(data)
    centre, sd = prior.location(data)
    low, high = prior.log_index_range(data.size)
    law = prior.kappa_prior(data.size)
    mean = law["mu"] - np.log(data.size)
    lengths = np.sqrt(np.diff(posterior.curve.knots))
    with pm.Model() as model:
        median = pm.Normal("median", centre, sd, initval=posterior.mode.theta[0])
        level = pm.Normal("level", prior.LEVEL, prior.LEVEL_SD, initval=posterior.mode.theta[1])
        log_roughness = pm.Normal(
            "log_roughness", prior.LOG_ROUGHNESS, prior.LOG_ROUGHNESS_SD, initval=posterior.mode.log_roughness
        )
        d = pm.Normal("d", 0.0, prior.BOUND_SD, shape=KNOTS, initval=posterior.mode.theta[2:])
        steps = pt.diff(d) / lengths
        walk = pm.StudentT.dist(
            nu=prior.DEGREES_OF_FREEDOM, mu=0.0, sigma=pt.exp(log_roughness), shape=KNOTS - 1
        )
        pm.Potential("walk", pm.logp(walk, steps).sum())
        log_index = pm.Truncated(
            "log_index", pm.Normal.dist(mean, law["sigma"]), lower=low, upper=high,
            initval=np.clip(posterior.mode.log_index, low + 0.01, high - 0.01),
        )  # fmt: skip
        pm.Deterministic("dyson_index", pt.exp(log_index))
        pm.Deterministic("kappa", data.size * pt.exp(log_index))
        theta = pm.Deterministic("theta", pt.concatenate([pt.stack([median, level]), d]))
        pm.Potential("likelihood", FreeLogLikelihood(data)(theta, log_index))
    return model
