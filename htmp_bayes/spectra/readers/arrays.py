"""Weights in memory: a dictionary of names to arrays or tensors (a ``state_dict``), or one array."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers import npy_file, torch_module
from htmp_bayes.spectra.readers.raw_values import no_values
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

NAME = "matrix"
"""Name of an array that comes without one."""

_DEEPEST = 50


def is_array(value: object) -> bool:
    """Say whether a value is an array or a tensor, of whatever library."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def tensors(arrays: Any) -> list[StoredTensor]:
    """List the arrays of a dictionary.

    Parameters
    ----------
    arrays : mapping or array
        Names to arrays of NumPy, tensors of torch, or anything that `numpy.asarray` takes; dictionaries within are
        named with dots. Or one array alone, of which the name is "matrix".

    Returns
    -------
    list of StoredTensor
        In the order of the dictionary.

    Raises
    ------
    SpectrumError
        If it holds something else that is no number either.
    """
    named = [(NAME, arrays)] if is_array(arrays) else list(_named(arrays, ()))
    if not is_array(arrays) and not any(is_array(value) for _, value in named):
        raise SpectrumError(
            "The dictionary holds no arrays; read_spectra takes names to arrays, such as a state_dict."
        )
    return [_described(name, value) for name, value in named if is_array(value)]


def _named(arrays: Mapping[Any, Any], names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, value in arrays.items():
        if isinstance(value, Mapping) and len(names) < _DEEPEST:
            yield from _named(value, (*names, str(key)))
        else:
            yield ".".join((*names, str(key))), value


def _described(name: str, array: Any) -> StoredTensor:
    if torch_module.is_tensor(array):
        return torch_module.described(name, array)
    if np.ma.is_masked(array):
        obstacle = "has masked entries; fill them (with .filled(0), if the mask prunes)"
        return StoredTensor(name, array.shape, str(array.dtype), no_values, obstacle, opaque=True)
    try:
        values = np.ma.getdata(array) if isinstance(array, np.ndarray) else np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SpectrumError(f"{name} cannot be read as an array ({reason(error)}); leave it out.") from error
    obstacle = npy_file.obstacle(values.dtype)
    return StoredTensor(name, values.shape, str(values.dtype), partial(np.asarray, values), obstacle)
