"""Weights that a checkpoint keeps in several tensors, put together again.

`torch.nn.utils.weight_norm`, `prune` and `spectral_norm` keep what the weight is computed from, and so do those of
`torch.nn.utils.parametrizations`. None of these tensors is the weight; their names and formulas are in the modules
torch/nn/utils/weight_norm.py, prune.py, spectral_norm.py and parametrizations.py.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.readers.raw_values import no_values

PART = "part"

_PARAMETRIZED = re.compile(r"^(?P<layer>.*?)parametrizations\.(?P<weight>\w+)\.(?P<of>.+)$")
Values = np.ndarray


def put_together(tensors: list[StoredTensor]) -> list[StoredTensor]:
    """Put the weights together that are kept in several tensors.

    Parameters
    ----------
    tensors : list of StoredTensor
        Those of a checkpoint.

    Returns
    -------
    list of StoredTensor
        The same, with the parts of such weights of type "part", and behind the last part of each the weight, under the
        name that it has in the model. One of which the formula is not known has an obstacle.
    """
    named = {tensor.name: tensor for tensor in tensors if not tensor.type}
    groups: dict[str, dict[str, StoredTensor]] = {}
    for tensor in named.values():
        if found := _place(tensor.name, named):
            groups.setdefault(found[0], {})[found[1]] = tensor
    weights = {list(parts.values())[-1].name: _weight(name, parts) for name, parts in groups.items()}
    parts = {tensor.name for group in groups.values() for tensor in group.values()}
    result = []
    for tensor in tensors:
        result.append(replace(tensor, type=PART) if tensor.name in parts else tensor)
        if tensor.name in weights and tensor.name in parts:
            result.append(weights[tensor.name])
    return result


def _place(name: str, named: dict[str, StoredTensor]) -> tuple[str, str] | None:
    """Name of the weight that a tensor is a part of, and which part, if it is one."""
    if match := _PARAMETRIZED.match(name):
        return match["layer"] + match["weight"], match["of"]
    base, _, part = name.rpartition("_")
    beside = {
        key: named[f"{base}_{key}"] for key in ("g", "v", "orig", "mask", "u") if f"{base}_{key}" in named
    }
    if part not in beside:
        return None
    normed = {"g", "v"} <= beside.keys() and _are_lengths(beside["g"].shape, beside["v"].shape)
    return (base, part) if normed or ("orig" in beside and "weight" in base) else None


def _are_lengths(lengths: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether the first may be the norms of the second: one for each place on some of its axes."""
    if not lengths or len(lengths) != len(shape):
        return not lengths
    return lengths != shape and all(a in (1, b) for a, b in zip(lengths, shape, strict=True))


def _weight(name: str, parts: dict[str, StoredTensor]) -> StoredTensor:
    for keys, formula in _FORMULAS.items():
        if set(keys) == parts.keys():
            main, *others = (parts[key] for key in keys)
            obstacle = next((part.obstacle for part in (main, *others) if part.obstacle), "")
            load = partial(_load, name, formula, main, *others)
            return StoredTensor(name, main.shape, main.dtype, load, obstacle)
    main = max(parts.values(), key=lambda tensor: tensor.smaller_side)
    obstacle = (
        f"is reparametrised in a way that is not known ({', '.join(sorted(parts))}); save the weight itself"
    )
    return StoredTensor(name, main.shape, main.dtype, no_values, obstacle)


def _load(name: str, formula: Callable[..., Values], *parts: StoredTensor) -> Values:
    stored = parts[0].load()
    values = [stored.astype(np.float64), *(part.load().astype(np.float64) for part in parts[1:])]
    try:
        found = formula(*values)
    except ValueError as error:
        raise ValueError(f"the parts of {name} do not fit together") from error
    if found.shape != stored.shape:
        raise ValueError(f"the parts of {name} do not fit together")
    return found.astype(
        np.float64 if stored.dtype.itemsize >= 8 else np.float32
    )  # as precise as the parts are


def _weight_norm(v: Values, g: Values) -> Values:
    axes = tuple(axis for axis in range(v.ndim) if g.ndim != v.ndim or g.shape[axis] == 1)
    norm = np.sqrt(np.square(v).sum(axis=axes, keepdims=True))
    return g * np.divide(v, norm, out=np.zeros_like(v), where=norm > 0)


def _pruned(original: Values, mask: Values) -> Values:
    return original * mask


def _spectral_norm(original: Values, u: Values, v: Values) -> Values:
    """Divide by the norm that power iteration found, of the matrix (out, everything else), or (in, ...) if turned."""
    turned = original if u.size == original.shape[0] else np.swapaxes(original, 0, 1)
    return original / (u @ turned.reshape(turned.shape[0], -1) @ v)


_FORMULAS: dict[tuple[str, ...], Callable[..., Values]] = {
    ("v", "g"): _weight_norm,
    ("original1", "original0"): _weight_norm,
    ("orig", "mask"): _pruned,
    ("orig", "u", "v"): _spectral_norm,
    ("original", "0._u", "0._v"): _spectral_norm,
}
