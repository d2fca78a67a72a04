"""The model of one spectrum under its exact joint density, without correlation."""

import hashlib
import inspect
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike, NDArray
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from htmp_bayes.laws.compiled import polygamma
from htmp_bayes.laws.ensemble import joint_density, log_gamma_sum
from htmp_bayes.models.layer.prior import expected_log, kappa_prior, kappa_range

if TYPE_CHECKING:
    import pymc as pm


class JointLogDensity(Op):
    """Exact log density of all eigenvalues, from their sufficient statistics, and its derivatives.

    Inputs: the statistics (number of eigenvalues, sum of logarithms, sum, sum of logarithms of the gaps), shape
    ``(4,)``, then the scalars kappa, gamma and temperature. Outputs, scalars: the value and its derivatives by
    kappa, gamma and temperature.
    """

    __props__ = ()

    def make_node(self, statistics: Any, kappa: Any, gamma: Any, temperature: Any) -> Apply:
        """Check the number of dimensions and build the node."""
        statistics = pt.as_tensor(statistics, dtype="float64")
        scalars = [pt.as_tensor(x, dtype="float64") for x in (kappa, gamma, temperature)]
        if statistics.type.ndim != 1 or any(x.type.ndim for x in scalars):
            raise TypeError("JointLogDensity takes a vector of statistics and scalar parameters")
        return Apply(self, [statistics, *scalars], [scalar.type() for scalar in [scalars[0], *scalars]])

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        """All outputs are scalars."""
        return [()] * 4

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate without the Numba backend."""
        for storage, value in zip(output_storage, _joint(*map(np.asarray, inputs)), strict=True):
            storage[0] = np.asarray(value)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """All but the statistics can be differentiated by."""
        return [[False] * 4] + [[True] * 4] * 3

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Gradients from the derivatives that came with the value; there are no second derivatives."""
        cotangent, *of_derivatives = cotangents
        if not all(isinstance(c.type, DisconnectedType) for c in of_derivatives):
            raise NotImplementedError("second derivatives of the joint density are not available")
        return [disconnected_type(), *(cotangent * derivative for derivative in outputs[1:])]


@numba.njit(fastmath=False, error_model="numpy")
def _joint(statistics, kappa, gamma, temperature):  # type: ignore[no-untyped-def]
    value, by_kappa, by_gamma, by_temperature = joint_density.joint_value_and_gradient(
        int(statistics[0]),
        statistics[1],
        statistics[2],
        statistics[3],
        kappa.item(),
        gamma.item(),
        temperature.item(),
    )
    return np.array(value), np.array(by_kappa), np.array(by_gamma), np.array(by_temperature)


@register_funcify_default_op_cache_key(JointLogDensity)
def _numba_funcify(op: JointLogDensity, **kwargs: Any) -> Any:
    source = "".join(inspect.getsource(module) for module in (joint_density, log_gamma_sum, polygamma))
    return _joint, int(hashlib.sha256(source.encode()).hexdigest()[:16], 16)


joint_log_density = JointLogDensity()


def joint_data(eigenvalues: ArrayLike, gamma: float) -> dict[str, Any]:
    """Everything that distinguishes one spectrum from another in :func:`joint_model`, as its ``pm.Data``.

    Parameters
    ----------
    eigenvalues : array_like
        Positive, different eigenvalues, shape ``(N,)``.
    gamma : float
        Aspect ratio of the matrix, known from its shape.

    Returns
    -------
    dict
        ``statistics`` of shape ``(4,)``: the number of eigenvalues, the sum of their logarithms, their sum and the
        sum of the logarithms of their gaps; ``log_kappa_prior``, mean and standard deviation of log kappa, and
        ``kappa_range``, where its prior ends; scalars ``gamma``, ``log_mean`` and ``log_sd`` (mean and standard
        deviation of the log-eigenvalues).

    Raises
    ------
    ValueError
        If the eigenvalues are not positive and finite, or two coincide: the density is zero there.

    Examples
    --------
    >>> print(joint_data([0.5, 1.0, 2.0], gamma=0.25)["statistics"].round(4))
    [ 3.      0.      3.5    -0.2877]
    """
    eigenvalues = np.sort(np.asarray(eigenvalues, dtype=np.float64))
    statistics = joint_density.JointStatistics.of(eigenvalues)
    if not np.isfinite(statistics.sum_log_gaps):
        raise ValueError(
            "two eigenvalues are equal, which has density 0 under the joint likelihood; use likelihood='counts'."
        )
    logarithms = np.log(eigenvalues)
    return {
        "statistics": np.array(
            [statistics.size, statistics.sum_log, statistics.total, statistics.sum_log_gaps], dtype=np.float64
        ),
        "log_kappa_prior": np.array(list(kappa_prior(statistics.size).values())),
        "kappa_range": np.array(kappa_range(statistics.size)),
        "gamma": float(gamma),
        "log_mean": float(logarithms.mean()),
        "log_sd": float(logarithms.std()),
    }


def joint_model(data: dict[str, Any]) -> "pm.Model":
    r"""PyMC model of one spectrum under the exact joint density of its eigenvalues.

    The law of Dumitriu & Edelman (2002) with N eigenvalues and Dyson index kappa/N, without correlation
    (:func:`htmp_bayes.joint_logpdf`). The priors of ``kappa`` and ``location`` are those of
    :mod:`~htmp_bayes.models.layer.prior`.

    Parameters
    ----------
    data : dict
        What :func:`joint_data` returns.

    Returns
    -------
    pymc.Model
        With variables ``kappa``, ``location`` and the deterministic ``temperature``.

    Examples
    --------
    >>> model = joint_model(joint_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> [rv.name for rv in model.free_RVs]
    ['kappa', 'location']
    """
    import pymc as pm

    with pm.Model() as model:
        given = {name: pm.Data(name, value) for name, value in data.items()}
        mean, spread = given["log_kappa_prior"][0], given["log_kappa_prior"][1]
        low, high = given["kappa_range"][0], given["kappa_range"][1]
        kappa = pm.Truncated("kappa", pm.LogNormal.dist(mean, spread), lower=low, upper=high)
        location = pm.Normal("location", 0.0, 1.0)
        expected = given["log_mean"] + given["log_sd"] * location
        temperature = pm.Deterministic(
            "temperature", pt.exp(expected - expected_log(kappa, given["gamma"], pt.gammaln))
        )
        value = joint_log_density(given["statistics"], kappa, given["gamma"], temperature)[0]
        pm.Potential("likelihood", value)
    return model


def joint_log_likelihood(
    data: dict[str, Any], kappa: NDArray[np.float64], temperature: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log density of the whole spectrum at each draw, of the draws' shape."""
    columns = zip(kappa.ravel(), temperature.ravel(), strict=True)
    size, *sums = data["statistics"]
    values = [
        joint_density.joint_value_and_gradient(int(size), *sums, float(k), data["gamma"], float(t))[0]
        for k, t in columns
    ]
    return np.reshape(values, kappa.shape)
