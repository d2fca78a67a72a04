"""The law's log-density and log-distribution functions as PyTensor Ops with exact gradients."""

import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
import numpy as np
import pytensor.tensor as pt
from numba import types
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.compiled.sources import source_version


class LawOp(Op):
    """A function of log y = log(eigenvalue / temperature) and its derivatives, from one call of the kernel.

    Inputs: log y of shape ``(K,)``, then the scalars kappa, gamma, correlation and the population's code.
    Outputs, each of shape ``(K,)``: the function's value and its derivatives by log y, kappa, gamma and
    correlation. The kernel tabulates what is common to all y, so many values in one call cost much less than
    many calls.
    """

    __props__ = ()
    gufunc_signature = "(k),(),(),(),()->(k),(k),(k),(k),(k)"
    symbol: str
    entry: Callable[..., None]

    @property
    def columns(self) -> Any:
        """Compiled function of the inputs that returns the outputs."""
        version = source_version()
        return _compiled_columns(f"{self.symbol}_{version}", type(self).entry)

    def make_node(self, log_y: Any, kappa: Any, gamma: Any, correlation: Any, population: Any) -> Apply:
        """Check the number of dimensions and build the node."""
        log_y = pt.as_tensor(log_y, dtype="float64")
        scalars = [pt.as_tensor(x, dtype="float64") for x in (kappa, gamma, correlation)]
        population = pt.as_tensor(population, dtype="int64")
        if log_y.type.ndim != 1 or any(x.type.ndim for x in (*scalars, population)):
            raise TypeError(f"{type(self).__name__} takes a vector of log y and scalar parameters")
        return Apply(self, [log_y, *scalars, population], [log_y.type() for _ in range(5)])

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        """All outputs have the shape of log y."""
        return [input_shapes[0]] * 5

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate without the Numba backend."""
        for storage, column in zip(output_storage, self.columns(*map(np.asarray, inputs)), strict=True):
            storage[0] = column

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """All but the population's code can be differentiated by."""
        return [[True] * 5] * 4 + [[False] * 5]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Gradients from the derivatives that came with the value; there are no second derivatives."""
        cotangent, *of_derivatives = cotangents
        if not all(isinstance(c.type, DisconnectedType) for c in of_derivatives):
            raise NotImplementedError("second derivatives of the HTMP law are not available")
        by_log_y, *by_parameters = outputs[1:]
        return [
            cotangent * by_log_y,
            *((cotangent * derivative).sum() for derivative in by_parameters),
            disconnected_type(),
        ]


# Relative step of the differences by the parameters: F is good to 1e-13, its derivatives to about 1e-9.
_STEP = 2e-3
_CENTRAL = (np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12.0)
_BACKWARD = (np.array([0.0, -1.0, -2.0, -3.0, -4.0]), np.array([25.0, -48.0, 36.0, -16.0, 3.0]) / 12.0)

_jit = numba.njit(nogil=True, fastmath=False, error_model="numpy")


@_jit
def _log_probability(log_y, parameters, population, upper):  # type: ignore[no-untyped-def]
    # F depends on the square of the correlation, so a step below 0 is one above it.
    rows = htmp_density.fast_rows(log_y, parameters[0], parameters[1], abs(parameters[2]), population)
    return np.log(rows[:, 6]) if upper else np.log(rows[:, 5])


@_jit
def _log_cdf_table(log_y, kappa, gamma, correlation, population, upper):  # type: ignore[no-untyped-def]
    """Log of F (or of 1 - F) and its derivatives, shape (K, 5).

    The derivative by log y is the density; those by the parameters are five-point differences (Abramowitz &
    Stegun, table 25.2), backward at gamma = 1, where the range ends.
    """
    rows = htmp_density.fast_rows(log_y, kappa, gamma, correlation, population)
    probability = rows[:, 6].copy() if upper else rows[:, 5].copy()
    out = np.empty((log_y.size, 5))
    out[:, 0] = np.log(probability)
    out[:, 1] = np.exp(rows[:, 0] + log_y) / probability * (-1.0 if upper else 1.0)
    parameters = np.array([kappa, gamma, correlation])
    for which in range(3):
        step = _STEP * max(parameters[which], 0.2) if which == 2 else _STEP * parameters[which]
        offsets, factors = _BACKWARD if which == 1 and gamma + 2 * step > 1.0 else _CENTRAL
        slope = np.zeros(log_y.size)
        for k in range(offsets.size):
            moved = parameters.copy()
            moved[which] += offsets[k] * step
            slope += factors[k] / step * _log_probability(log_y, moved, population, upper)
        out[:, 2 + which] = slope
    return out


_POINTER = types.CPointer(types.float64)
_SIGNATURE = types.void(
    _POINTER, types.intp, types.float64, types.float64, types.float64, types.int64, _POINTER
)


def _density_entry(version: str) -> Callable[..., None]:
    def entry(log_y, size, kappa, gamma, correlation, population, out):  # type: ignore[no-untyped-def]
        len(version)  # a variable of the enclosing function is part of the key of Numba's on-disk cache
        values = numba.carray(log_y, size)
        numba.carray(out, (size, 5))[:] = htmp_density.log_density(
            values, kappa, gamma, correlation, population
        )

    return entry


def _cdf_entry(version: str, upper: bool) -> Callable[..., None]:
    def entry(log_y, size, kappa, gamma, correlation, population, out):  # type: ignore[no-untyped-def]
        len(version)
        values = numba.carray(log_y, size)
        table = _log_cdf_table(values, kappa, gamma, correlation, population, upper)
        numba.carray(out, (size, 5))[:] = table

    return entry


@functools.cache
def _compiled_columns(symbol: str, entry: Callable[..., None]) -> Any:
    """Compile `entry` once, and return a small function that calls it through the linker's symbol table.

    A function that called the kernel directly would be compiled together with all of the kernel, half a
    minute for each PyTensor graph; through the symbol it is a second, and stays in PyTensor's on-disk cache.
    """
    compiled = numba.cfunc(_SIGNATURE, cache=True, error_model="numpy")(entry)
    llvm.add_symbol(symbol, compiled.address)
    external = types.ExternalFunction(symbol, _SIGNATURE)

    @_jit
    def columns(log_y, kappa, gamma, correlation, population):  # type: ignore[no-untyped-def]
        values = np.ascontiguousarray(log_y)
        table = np.empty((values.size, 5))
        external(
            values.ctypes,
            values.size,
            kappa.item(),
            gamma.item(),
            correlation.item(),
            population.item(),
            table.ctypes,
        )
        return (
            table[:, 0].copy(),
            table[:, 1].copy(),
            table[:, 2].copy(),
            table[:, 3].copy(),
            table[:, 4].copy(),
        )

    columns.keep_alive = compiled
    return columns


class LogDensity(LawOp):
    """Logarithm of the density f(y)."""

    symbol = "htmp_log_density"
    entry = staticmethod(_density_entry(source_version()))


class LogCDF(LawOp):
    """Logarithm of the distribution function F(y)."""

    symbol = "htmp_log_cdf"
    entry = staticmethod(_cdf_entry(source_version(), upper=False))


class LogSF(LawOp):
    """Logarithm of the survival function 1 - F(y)."""

    symbol = "htmp_log_sf"
    entry = staticmethod(_cdf_entry(source_version(), upper=True))


class Quantile(Op):
    """Logarithm of the quantile of y = eigenvalue / temperature; without derivatives.

    Inputs: probabilities of shape ``(K,)``, then the scalars kappa, gamma, correlation and the population's code.
    """

    __props__ = ()
    gufunc_signature = "(k),(),(),(),()->(k)"

    def make_node(self, probability: Any, *law: Any) -> Apply:
        """Build the node."""
        probability = pt.as_tensor(probability, dtype="float64")
        return Apply(self, [probability, *map(pt.as_tensor, law)], [probability.type()])

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        """Give the shape of the probabilities."""
        return [input_shapes[0]]

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate without the Numba backend."""
        output_storage[0][0] = _log_quantile(*inputs)


def _log_quantile(probability: Any, kappa: Any, gamma: Any, correlation: Any, population: Any) -> Any:
    """Evaluate the quantile function of the law, which lives in Python."""
    from htmp_bayes.laws import HTMP

    named = "inverse-gamma" if int(population) == htmp_density.INVERSE_GAMMA else "log-normal"
    with np.errstate(divide="ignore"):
        return np.log(HTMP(float(kappa), float(gamma), 1.0, float(correlation), named).ppf(probability))


@register_funcify_default_op_cache_key(Quantile)
def _numba_quantile(op: Quantile, **kwargs: Any) -> Any:
    @numba.njit(fastmath=False)
    def quantile(probability, kappa, gamma, correlation, population):  # type: ignore[no-untyped-def]
        values = np.ascontiguousarray(probability)
        with numba.objmode(log_y="float64[::1]"):
            log_y = _log_quantile(values, kappa, gamma, correlation, population)
        return log_y  # noqa: RET504 - a variable of its own is how a value leaves the block

    return quantile


def kernel_version() -> int:
    """Version of the kernel's source, for the key of PyTensor's on-disk cache of compiled functions."""
    return int(source_version(), 16)


def _numba_funcify(op: LawOp, **kwargs: Any) -> Any:
    return op.columns, kernel_version()


for _op_type in (LogDensity, LogCDF, LogSF):
    register_funcify_default_op_cache_key(_op_type)(_numba_funcify)

log_density = LogDensity()
log_cdf = LogCDF()
log_sf = LogSF()
log_quantile = Quantile()
