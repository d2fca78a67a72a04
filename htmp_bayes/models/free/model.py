"""The PyMC model of one layer with an open population: what can be extended, and sampled by PyMC's own NUTS."""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.laws.compiled.counting_covariance import precision_factor
from htmp_bayes.models.free import prior
from htmp_bayes.models.free.curve import KNOTS
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood_op import LikelihoodOp

if TYPE_CHECKING:
    import pymc as pm

_STEP = 1e-4
# A trajectory that runs away may leave all that exp can tell.
_FARTHEST = 50.0


class FreeLogLikelihood(LikelihoodOp):
    """Log-likelihood of a spectrum by the curve's parameters and log kappa/N.

    Outputs: the log-likelihood, and the direction in which it rises: its gradient, but for what the covariance and the
    second term of the mean change by the curve. NUTS needs no more: with any field of forces its draws are those of
    the density (Neal 2011, Handbook of Markov Chain Monte Carlo, section 5.5.1). There are no second derivatives.

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
        return Apply(self, [theta, log_index], [pt.dscalar(), theta.type(), pt.dscalar()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate; -inf and no direction where the law is not available."""
        theta, log_index = inputs
        value, by_theta, by_index = -np.inf, np.zeros(len(theta)), 0.0
        if np.abs(theta - self._posterior.mode.theta).max() < _FARTHEST and abs(log_index) < _FARTHEST:
            with contextlib.suppress(np.linalg.LinAlgError):
                value, by_theta, by_index = self._at(theta, float(log_index))
        for storage, found in zip(output_storage, (value, by_theta, by_index), strict=True):
            storage[0] = np.asarray(found)

    def _at(self, theta: Any, log_index: float) -> tuple[float, Any, float]:
        posterior = self._posterior
        with one_blas_thread():
            moments, index = posterior.moments(theta), np.exp(log_index)
            factor, _ = precision_factor(moments.repulsion, moments.independent, float(index))
            residual = factor @ (factor.T @ (posterior.data.counts - moments.at(float(index)).mean))
            log_values = posterior.curve.log_values(theta)
            slopes = posterior.slopes(moments, log_values) @ posterior.curve.derivatives(theta)
            here, above, below = (
                posterior.of_moments(moments, log_index + step) for step in (0.0, _STEP, -_STEP)
            )
        return here, residual @ slopes, (above - below) / (2 * _STEP)


def free_layer_model(data: LayerData) -> "pm.Model":
    r"""PyMC model of one layer's spectrum with an open population: prior and likelihood of `htmp_bayes.models.free`.

    Parameters
    ----------
    data : LayerData
        What :func:`~htmp_bayes.models.layer.data.layer_data` returns for the population "free".

    Returns
    -------
    pymc.Model
        With variables ``median`` (m), ``level`` (L), ``d`` (at the knots), ``log_roughness``
        and ``log_index`` (log kappa/N), and deterministic ``theta`` (the curve's parameters), ``kappa`` and
        ``dyson_index``. The likelihood is a ``Potential``.
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
        pm.Potential("likelihood", FreeLogLikelihood(data)(theta, log_index)[0])
    return model
