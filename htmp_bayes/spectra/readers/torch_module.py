"""Parameters of a live ``torch.nn.Module``, one at a time, from whatever device they are on."""

from functools import partial
from typing import Any, TypeGuard

import numpy as np

from htmp_bayes.spectra.readers.raw_values import NO_REALS, no_values
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

_WIDER = {"bfloat16", "float8_e4m3fn", "float8_e5m2"}
"""Types that torch does not hand to NumPy: float32 holds their values exactly."""


def is_module(value: object) -> TypeGuard[Any]:
    """Say whether a value is a module of torch, without importing torch."""
    return any(kind.__module__.partition(".")[0] == "torch" for kind in type(value).__mro__) and hasattr(
        value, "named_modules"
    )


def tensors(module: Any) -> list[StoredTensor]:
    """List the parameters of a module.

    Parameters
    ----------
    module : torch.nn.Module
        On any device, in any mode.

    Returns
    -------
    list of StoredTensor
        In the order of the module; a parameter that is used in two places is listed for both.
    """
    found = []
    for prefix, inner in module.named_modules(remove_duplicate=False):
        for name, parameter in inner.named_parameters(recurse=False):
            full = f"{prefix}.{name}" if prefix else name
            found.append(described(full, parameter, type(inner).__name__))
    return found


def is_tensor(value: object) -> TypeGuard[Any]:
    """Say whether a value is a tensor of torch, without importing torch."""
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "is_meta")


def described(name: str, parameter: Any, module: str = "") -> StoredTensor:
    """Describe a tensor of torch, which is in a module of that class if that is known."""
    dtype, shape = str(parameter.dtype).removeprefix("torch."), tuple(parameter.shape)
    kind = "embedding" if module.startswith("Embedding") else ""
    if module == "Linear":
        kind = "dense"
    if parameter.is_meta:
        return StoredTensor(
            name, shape, dtype, no_values, "is on the device 'meta', without values", type=kind
        )
    if not parameter.is_floating_point():
        return StoredTensor(name, shape, dtype, no_values, f"is of type {dtype}, {NO_REALS}", type=kind)
    place = (parameter.data_ptr(), shape, tuple(parameter.stride()))
    return StoredTensor(name, shape, dtype, partial(_load, parameter, dtype), storage=place, type=kind)


def _load(parameter: Any, dtype: str) -> np.ndarray:
    values = parameter.detach().cpu()
    return (values.float() if dtype in _WIDER else values).numpy()
