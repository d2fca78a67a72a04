"""The law's Ops on PyTensor's JAX backend (extra ``jax``): import this module, then ``nuts_sampler="numpyro"`` works.

The values are those of the compiled kernel, which JAX calls back on the host: identical to the default backend's to the
last bit, under `jit`, `grad` and `vmap`. On a GPU the rest of a model runs on the device, and log y and the law's
values travel to the host and back at each evaluation, so that there is nothing to be gained from a GPU for the law
itself.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.link.jax.dispatch import jax_funcify

from htmp_bayes.models.distributions.ops import LawOp, LogCDF, LogDensity, LogSF


def _host_table(op: LawOp) -> Callable[..., np.ndarray]:
    """Return the function that JAX calls on the host; leading axes are those that `vmap` has added."""

    def table(log_y: Any, kappa: Any, gamma: Any, correlation: Any, population: Any) -> np.ndarray:
        log_y = np.asarray(log_y, dtype=np.float64)
        laws = [np.asarray(p, dtype=np.float64) for p in (kappa, gamma, correlation)]
        code = np.asarray(population, dtype=np.int64)
        batch = np.broadcast_shapes(log_y.shape[:-1], *(p.shape for p in laws), code.shape)
        log_y = np.broadcast_to(log_y, (*batch, log_y.shape[-1]))
        laws, code = [np.broadcast_to(p, batch) for p in laws], np.broadcast_to(code, batch)
        out = np.empty((*batch, 5, log_y.shape[-1]))
        for i in np.ndindex(batch):
            out[i] = op.columns(
                np.ascontiguousarray(log_y[i]), *(np.asarray(p[i]) for p in laws), np.asarray(code[i])
            )
        return out

    return table


@jax_funcify.register(LogDensity)
@jax_funcify.register(LogCDF)
@jax_funcify.register(LogSF)
def jax_funcify_law(op: LawOp, **kwargs: Any) -> Callable[..., tuple[Any, ...]]:
    """Return the Op as a JAX function of the same inputs and outputs, differentiable once."""
    on_host = _host_table(op)

    def columns(log_y: Any, *parameters: Any) -> tuple[Any, ...]:
        shape = jax.ShapeDtypeStruct((5, *jnp.shape(log_y)), np.float64)
        out = jax.pure_callback(on_host, shape, log_y, *parameters, vmap_method="expand_dims")
        return tuple(out[k] for k in range(5))

    law = jax.custom_vjp(columns)

    def forward(*inputs: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        outputs = columns(*inputs)
        return outputs, outputs[1:]

    def backward(derivatives: tuple[Any, ...], cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
        cotangent, *of_derivatives = cotangents
        # There are no second derivatives; a NaN says so where a zero would pass for one.
        asked = jnp.any(jnp.stack([jnp.any(c != 0) for c in of_derivatives]))
        cotangent = jnp.where(asked, jnp.nan, cotangent)
        by_log_y, *by_parameters = derivatives
        return (cotangent * by_log_y, *(jnp.sum(cotangent * d) for d in by_parameters), None)

    law.defvjp(forward, backward)
    return law
