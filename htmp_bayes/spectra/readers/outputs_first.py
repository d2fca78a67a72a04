"""Kernels whose outputs are on the last axis, as Keras, TensorFlow and Flax keep them, turned as in other formats."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

_PROJECTIONS = {"query", "key", "value", "query_dense", "key_dense", "value_dense"}
_JOINED = {"attention_output", "output_dense", "out"}

Turn = Callable[[np.ndarray], np.ndarray]


def outputs_first(
    shape: tuple[int, ...], parts: Sequence[str], kind: str = ""
) -> tuple[tuple[int, ...], Turn]:
    """Find the shape with the outputs first, and the function that turns the values so.

    Parameters
    ----------
    shape : tuple of int
        (in, out), or (kh, kw, in, out), or of attention (in, heads, size of a head) or (heads, size of a head, out).
    parts : sequence of str
        Parts of the name, of which some say that it is attention.
    kind : str
        Type of the layer, if it is known: an embedding stays as it is.

    Returns
    -------
    shape : tuple of int
        (out, in) or (out, in, kh, kw), of a transposed convolution (in, out, kh, kw); heads are side by side.
    turn : callable
        ``turn(values)`` has that shape.

    Examples
    --------
    >>> outputs_first((3, 5, 16, 64), ["conv"])[0], outputs_first((30, 2, 8), ["attention", "query"])[0]
    ((64, 16, 3, 5), (16, 30))
    """
    if kind == "embedding" or len(shape) < 2:
        return shape, _same
    if len(shape) == 3 and _PROJECTIONS & set(parts):
        return (shape[1] * shape[2], shape[0]), _heads_last
    if len(shape) == 3 and _JOINED & set(parts):
        return (shape[2], shape[0] * shape[1]), _heads_first
    order = (len(shape) - 1, len(shape) - 2, *range(len(shape) - 2))
    if any(part.startswith("ConvTranspose") for part in parts):  # Flax has (kh, kw, in, out) here too
        order = (order[1], order[0], *order[2:])
    return tuple(shape[axis] for axis in order), partial(np.transpose, axes=order)


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _heads_last(values: np.ndarray) -> np.ndarray:
    return values.reshape(values.shape[0], -1).T


def _heads_first(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[2]).T
