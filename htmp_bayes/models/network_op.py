"""The polynomials of all layers of a network as one PyTensor Op with gradient."""

import hashlib
import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from htmp_bayes.models.layer_likelihood import (
    HIGHEST,
    RANGE,
    RIDGE_SIZE,
    LikelihoodSurrogate,
)

TABLES = ("coefficients", "sizes", "frames", "ridges", "tops", "open_ends")
# How fast the likelihood falls outside a box, where it is not known and long negligible.
_WALL = 60.0


def tables(surrogates: Sequence[LikelihoodSurrogate]) -> dict[str, np.ndarray]:
    """Stack the polynomials of the layers, as the Op takes them.

    Parameters
    ----------
    surrogates : sequence of LikelihoodSurrogate
        One for each of the L layers.

    Returns
    -------
    dict of ndarray
        ``coefficients`` of shape ``(L, size, size, K)``, filled up with zeros to the largest size; ``sizes``
        ``(L,)``; ``frames`` ``(L, 2, 2)``, centre and half-width of the box in kappa and correlation;
        ``ridges`` ``(L, 2, RIDGE_SIZE, RIDGE_SIZE)``; ``tops`` ``(L,)``; and ``open_ends`` ``(L,)``, 1 where
        the box reaches to the largest kappa, beyond which the likelihood stays as it is.
    """
    shapes = [s.coefficients.shape for s in surrogates]
    size = max(shape[0] for shape in shapes)
    coefficients = np.zeros((len(surrogates), size, size, shapes[0][2]))
    for layer, s in zip(coefficients, surrogates, strict=True):
        m = s.coefficients.shape[0]
        layer[:m, :m] = s.coefficients
    boxes = [s.box for s in surrogates]
    return {
        "coefficients": coefficients,
        "sizes": np.array([shape[0] for shape in shapes], dtype=np.int64),
        "frames": np.array([(box.centre, box.half) for box in boxes]),
        "ridges": np.array([(box.ridge, box.log_width) for box in boxes]),
        "tops": np.array([box.top for box in boxes]),
        "open_ends": np.array([float(box.centre[0] + box.half[0] > HIGHEST - 1e-6) for box in boxes]),
    }


_jit = numba.njit(nogil=True, fastmath=True, error_model="numpy")


@_jit
def _chebyshev(z, values, slopes):
    """Chebyshev polynomials of the first kind at z and their derivatives, from k U_(k-1)."""
    values[0], slopes[0] = 1.0, 0.0
    before, second = 0.0, 1.0
    for k in range(1, values.size):
        values[k] = z if k == 1 else 2.0 * z * values[k - 1] - values[k - 2]
        slopes[k] = k * second
        before, second = second, 2.0 * z * second - before


@_jit
def _polynomial(coefficients, size, t, d):
    """Value and gradient of one layer's polynomial, from the basis functions and their derivatives."""
    length = coefficients.shape[2]
    value = by_0 = by_1 = by_2 = 0.0
    for a in range(size):
        row = row_1 = row_2 = 0.0
        for b in range(size):
            inner = inner_2 = 0.0
            for c in range(length):
                inner += coefficients[a, b, c] * t[2, c]
                inner_2 += coefficients[a, b, c] * d[2, c]
            row += inner * t[1, b]
            row_1 += inner * d[1, b]
            row_2 += inner_2 * t[1, b]
        value += row * t[0, a]
        by_0 += row * d[0, a]
        by_1 += row_1 * t[0, a]
        by_2 += row_2 * t[0, a]
    return value, by_0, by_1, by_2


@_jit
def _surface(coefficients, t, d):
    """Value and gradient of a polynomial of the first two coordinates."""
    value = by_0 = by_1 = 0.0
    for a in range(RIDGE_SIZE):
        for b in range(RIDGE_SIZE):
            value += coefficients[a, b] * t[0, a] * t[1, b]
            by_0 += coefficients[a, b] * d[0, a] * t[1, b]
            by_1 += coefficients[a, b] * t[0, a] * d[1, b]
    return value, by_0, by_1


@_jit
def network_log_likelihood(points, coefficients, sizes, frames, ridges, tops, open_ends):
    """Log-likelihood of every layer and its gradient.

    `points` of shape (L, 3): coordinates of kappa and correlation, and the location. Returns shapes (L,), (L, 3).
    """
    layers = points.shape[0]
    values, gradient = np.empty(layers), np.empty((layers, 3))
    longest = max(coefficients.shape[1], coefficients.shape[3])
    t, d = np.empty((3, longest)), np.empty((3, longest))
    z, inside, wall = np.empty(3), np.empty(3), np.empty(3)
    for k in range(layers):
        for i in range(2):
            z[i] = (points[k, i] - frames[k, 0, i]) / frames[k, 1, i]
            inside[i] = min(max(z[i], -1.0), 1.0)
            _chebyshev(inside[i], t[i], d[i])
        ridge, ridge_0, ridge_1 = _surface(ridges[k, 0], t, d)
        log_width, width_0, width_1 = _surface(ridges[k, 1], t, d)
        width = np.exp(log_width)
        z[2] = (points[k, 2] - ridge) / width
        inside[2] = min(max(z[2], -1.0), 1.0)
        _chebyshev(inside[2], t[2], d[2])
        squeezed, by_0, by_1, by_2 = _polynomial(coefficients[k], sizes[k], t, d)
        for i in range(3):
            beyond = z[i] - inside[i]
            if i == 0 and beyond > 0.0 and open_ends[k] > 0.0:
                beyond = 0.0
            squeezed += _WALL * beyond * beyond
            wall[i] = 2.0 * _WALL * beyond
        by_0 = by_0 if z[0] == inside[0] else 0.0
        by_1 = by_1 if z[1] == inside[1] else 0.0
        by_2 = (by_2 if z[2] == inside[2] else 0.0) + wall[2]
        move_0 = ridge_0 / width + z[2] * width_0 if z[0] == inside[0] else 0.0
        move_1 = ridge_1 / width + z[2] * width_1 if z[1] == inside[1] else 0.0
        growth = np.exp(min(squeezed / RANGE, 20.0))
        values[k] = tops[k] - RANGE * (growth - 1.0)
        gradient[k, 0] = -growth * (by_0 + wall[0] - by_2 * move_0) / frames[k, 1, 0]
        gradient[k, 1] = -growth * (by_1 + wall[1] - by_2 * move_1) / frames[k, 1, 1]
        gradient[k, 2] = -growth * by_2 / width
    return values, gradient


class NetworkLogLikelihood(Op):
    """Log-likelihoods of the layers, shape ``(L,)``, and their gradients, shape ``(L, 3)``.

    Inputs: the points of shape ``(L, 3)`` (see :func:`network_log_likelihood`), then `TABLES`.
    """

    __props__ = ()

    def make_node(self, points: Any, *given: Any) -> Apply:
        """Build the node."""
        inputs = [pt.as_tensor(x) for x in (points, *given)]
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="float64")])

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        """One value and three derivatives for each layer."""
        return [(input_shapes[0][0],), (input_shapes[0][0], 3)]

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate without the Numba backend."""
        for storage, result in zip(output_storage, network_log_likelihood(*inputs), strict=True):
            storage[0] = result

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Only the points can be differentiated by."""
        return [[True, True]] + [[False, False]] * len(TABLES)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Gradients from the derivatives that came with the value."""
        if not isinstance(cotangents[1].type, DisconnectedType):
            raise NotImplementedError("second derivatives of the layers' likelihoods are not available")
        return [cotangents[0][:, None] * outputs[1], *(disconnected_type() for _ in TABLES)]


def _version() -> int:
    source = inspect.getsource(sys.modules[__name__])
    return int(hashlib.sha256(source.encode()).hexdigest()[:15], 16)


@register_funcify_default_op_cache_key(NetworkLogLikelihood)
def _numba_funcify(op: NetworkLogLikelihood, **kwargs: Any) -> Any:
    return network_log_likelihood, _version()
