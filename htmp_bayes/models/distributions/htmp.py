"""The HTMP law and the law of its reciprocal as PyMC distributions."""

from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pymc.distributions.continuous import PositiveContinuous
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.shape_utils import rv_size_is_none
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.random.op import RandomVariable

from htmp_bayes.laws.htmp import CORRELATION_RANGE, GAMMA_RANGE, KAPPA_RANGE
from htmp_bayes.models.distributions.draws import draw_htmp, quantiles
from htmp_bayes.models.distributions.ops import LawOp, Quantile, log_cdf, log_density, log_quantile, log_sf
from htmp_bayes.models.layer.data import POPULATION_CODES

RANGES = {"kappa": KAPPA_RANGE, "gamma": GAMMA_RANGE, "correlation": CORRELATION_RANGE}
_RANGE_MESSAGE = ", ".join(
    [f"{low} <= {name} <= {high}" for name, (low, high) in RANGES.items()] + ["temperature > 0"]
)


def _over_law(op: LawOp | Quantile, log_y: Any, *parameters: Any) -> Any:
    """Value of a vector Op for log y and parameters of any shapes that broadcast.

    Values that share their parameters go to the kernel in one vector: all of them if the parameters are
    scalars, the last axis if the parameters do not vary along it, and one by one otherwise.
    """
    ndim = max(x.type.ndim for x in (log_y, *parameters))
    log_y, *laws = (pt.shape_padleft(x, ndim - x.type.ndim) for x in (log_y, *parameters))
    if all(all(p.type.broadcastable) for p in laws):
        scalars = [p.reshape(()) for p in laws]
        return _first(op(log_y.ravel(), *scalars)).reshape(log_y.shape, ndim=ndim)
    if all(p.type.broadcastable[-1] for p in laws):
        return _first(Blockwise(op)(log_y, *(p[..., 0] for p in laws)))
    return _first(Blockwise(op)(log_y[..., None], *laws))[..., 0]


def _first(outputs: Any) -> Any:
    return outputs[0] if isinstance(outputs, list | tuple) else outputs


def _within(name: str, parameter: Any) -> Any:
    """Keep a parameter that is out of range away from the kernel; the check of parameters reports it."""
    return pt.clip(parameter, *RANGES[name])


def _evaluate(
    op: LawOp, log_value: Any, kappa: Any, gamma: Any, temperature: Any, correlation: Any, population: Any
) -> Any:
    return _over_law(
        op,
        log_value - pt.log(temperature),
        _within("kappa", kappa),
        _within("gamma", gamma),
        _within("correlation", correlation),
        population,
    )


def _quantile(
    probability: Any, kappa: Any, gamma: Any, temperature: Any, correlation: Any, population: Any
) -> Any:
    """Quantile, at the probabilities that are between 0 and 1."""
    inside = (probability > 0) & (probability < 1)
    within = [_within(*pair) for pair in (("kappa", kappa), ("gamma", gamma), ("correlation", correlation))]
    log_y = _over_law(log_quantile, pt.switch(inside, probability, 0.5), *within, population)
    ends = pt.switch(pt.eq(probability, 0), 0.0, pt.switch(pt.eq(probability, 1), np.inf, np.nan))
    return pt.switch(inside, temperature * pt.exp(log_y), ends)


def _checked(result: Any, kappa: Any, gamma: Any, temperature: Any, correlation: Any, population: Any) -> Any:
    conditions = [temperature > 0]
    for name, parameter in {"kappa": kappa, "gamma": gamma, "correlation": correlation}.items():
        conditions += [parameter >= RANGES[name][0], parameter <= RANGES[name][1]]
    return check_parameters(result, *conditions, msg=_RANGE_MESSAGE)


def _log_of_positive(value: Any) -> Any:
    """Logarithm of the positive values; 0 for the others, which the caller switches away."""
    return pt.log(pt.switch(value > 0, value, 1.0))


def _support_point(size: Any, kappa: Any, gamma: Any, temperature: Any, *rest: Any) -> Any:
    """Mean of the law without correlation: finite always, and within the bulk."""
    point = temperature * kappa / (2 * gamma)
    for parameter in rest:
        point, _ = pt.broadcast_arrays(point, parameter)
    return point if rv_size_is_none(size) else pt.full(size, point)


def _parameters(kappa: Any, gamma: Any, temperature: Any, correlation: Any, population: Any) -> list[Any]:
    if isinstance(population, str):
        if population not in POPULATION_CODES:
            raise ValueError(f"population must be one of {sorted(POPULATION_CODES)}, got {population!r}")
        population = np.int64(POPULATION_CODES[population])
    numbers = [pt.as_tensor_variable(x, dtype="float64") for x in (kappa, gamma, temperature, correlation)]
    return [*numbers, pt.as_tensor_variable(population, dtype="int64")]


class HTMPRV(RandomVariable):
    """Random variable of the HTMP law."""

    name = "htmp"
    signature = "(),(),(),(),()->()"
    dtype = "float64"
    _print_name = ("HTMP", "\\operatorname{HTMP}")

    @classmethod
    def rng_fn(cls, rng: Any, *parameters_and_size: Any) -> Any:
        """Draw with the Python backend."""
        return draw_htmp(rng, *parameters_and_size)


class InverseHTMPRV(RandomVariable):
    """Random variable of the reciprocal of an HTMP eigenvalue."""

    name = "inverse_htmp"
    signature = "(),(),(),(),()->()"
    dtype = "float64"
    _print_name = ("InverseHTMP", "\\operatorname{InverseHTMP}")

    @classmethod
    def rng_fn(cls, rng: Any, *parameters_and_size: Any) -> Any:
        """Draw with the Python backend."""
        return 1 / draw_htmp(rng, *parameters_and_size)


def _one_draw(
    uniform: float, kappa: float, gamma: float, temperature: float, correlation: float, population: int
) -> float:
    probability = max(uniform, np.finfo(float).tiny)
    return float(temperature * quantiles(probability, kappa, gamma, correlation, population))


@numba_core_rv_funcify.register(HTMPRV)
@numba_core_rv_funcify.register(InverseHTMPRV)
def _numba_draw(op: RandomVariable, node: Any) -> Any:
    """One draw within compiled code; the quantile function lives in Python, where its tables are kept."""
    inverse = isinstance(op, InverseHTMPRV)

    @numba.njit(fastmath=False)
    def draw(rng, kappa, gamma, temperature, correlation, population):  # type: ignore[no-untyped-def]
        uniform = rng.random()
        with numba.objmode(drawn="float64"):
            drawn = _one_draw(uniform, kappa, gamma, temperature, correlation, population)
        return 1 / drawn if inverse else drawn

    return draw, None


htmp = HTMPRV()
inverse_htmp = InverseHTMPRV()


class _WithParameters(PositiveContinuous):
    """A law whose parameters are those of :class:`HTMP`."""

    @classmethod
    def dist(
        cls,
        kappa: Any,
        gamma: Any,
        temperature: Any = 1.0,
        correlation: Any = 0.0,
        population: Any = "inverse-gamma",
        **kwargs: Any,
    ) -> Any:
        """Unregistered variable with these parameters."""
        return super().dist(_parameters(kappa, gamma, temperature, correlation, population), **kwargs)


class HTMP(_WithParameters):
    r"""Law of the eigenvalues of a heavy-tailed matrix ensemble, in the limit of many eigenvalues.

    Parameters
    ----------
    kappa : tensor_like of float
        Eigenvalue repulsion, from 0.001 to 10,000.
    gamma : tensor_like of float
        Aspect ratio, from 0.005 to 1.
    temperature : tensor_like of float
        Scale of the eigenvalues, positive.
    correlation : tensor_like of float
        Standard deviation of the log-population spectrum, from 0 to 3.
    population : {"inverse-gamma", "log-normal"} or tensor_like of int
        Law of the population spectrum, by name or by its code in :mod:`htmp_bayes.laws.compiled.htmp_density`.

    Notes
    -----
    Support is :math:`(0, \infty)`. The density is that of Hodgkinson, Wang & Mahoney (arXiv 2506.03470) with
    a population spectrum :math:`H` of :math:`\mathrm E[\log h] = 0`; the mean is
    :math:`T\kappa\,\mathrm E[h]/(2\gamma)`. Gradients of ``logp`` by the value and by all parameters are
    exact; those of ``logcdf`` by the parameters are five-point differences. Second derivatives are not
    available, nor those of ``icdf``. Parameters out of range raise PyMC's ``ParameterValueError``.

    Examples
    --------
    >>> import pymc as pm
    >>> law = HTMP.dist(kappa=4.0, gamma=0.5, temperature=0.25, correlation=0.5)
    >>> print(f"{pm.logp(law, 1.0).eval():.4f}")
    -1.1370
    """

    rv_op = htmp

    def support_point(rv: Any, size: Any, *parameters: Any) -> Any:  # noqa: D102
        return _support_point(size, *parameters)

    def logp(value: Any, *parameters: Any) -> Any:  # noqa: D102
        log_value = _log_of_positive(value)
        log_f = _evaluate(log_density, log_value, *parameters)
        result = pt.switch(value > 0, log_f - pt.log(parameters[2]), -np.inf)
        return _checked(result, *parameters)

    def logcdf(value: Any, *parameters: Any) -> Any:  # noqa: D102
        log_value = _log_of_positive(value)
        log_f = _evaluate(log_cdf, log_value, *parameters)
        result = pt.switch(value > 0, pt.switch(pt.isinf(value), 0.0, log_f), -np.inf)
        return _checked(result, *parameters)

    def icdf(value: Any, *parameters: Any) -> Any:  # noqa: D102
        return _checked(_quantile(value, *parameters), *parameters)


class InverseHTMP(_WithParameters):
    r"""Law of 1/x for x of the :class:`HTMP` law: eigenvalues of kernel matrices.

    Parameters
    ----------
    kappa, gamma, temperature, correlation, population
        Those of the law of the reciprocal; see :class:`HTMP`.

    Notes
    -----
    The upper tail is a power law of exponent :math:`1 + (\kappa/2)(1/\gamma - 1)`.

    Examples
    --------
    >>> import pymc as pm
    >>> law = InverseHTMP.dist(kappa=4.0, gamma=0.5, temperature=0.25, correlation=0.5)
    >>> print(f"{pm.logp(law, 1.0).eval():.4f}")
    -1.1370
    """

    rv_op = inverse_htmp

    def support_point(rv: Any, size: Any, *parameters: Any) -> Any:  # noqa: D102
        return 1 / _support_point(size, *parameters)

    def logp(value: Any, *parameters: Any) -> Any:  # noqa: D102
        log_value = _log_of_positive(value)
        log_f = _evaluate(log_density, -log_value, *parameters)
        result = pt.switch(value > 0, log_f - pt.log(parameters[2]) - 2 * log_value, -np.inf)
        return _checked(result, *parameters)

    def logcdf(value: Any, *parameters: Any) -> Any:  # noqa: D102
        log_value = _log_of_positive(value)
        log_f = _evaluate(log_sf, -log_value, *parameters)
        result = pt.switch(value > 0, pt.switch(pt.isinf(value), 0.0, log_f), -np.inf)
        return _checked(result, *parameters)

    def icdf(value: Any, *parameters: Any) -> Any:  # noqa: D102
        return _checked(1 / _quantile(1 - value, *parameters), *parameters)
