"""What the tensors of a checkpoint are to one another, which none of them shows alone."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from htmp_bayes.spectra.adapters import with_products
from htmp_bayes.spectra.bookkeeping import sorted_out
from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.readers.outputs_first import Turn, outputs_first
from htmp_bayes.spectra.reparametrised import put_together
from htmp_bayes.spectra.stacks import LARGEST_KERNEL, with_gates


def understood(tensors: Iterable[StoredTensor], adapters: bool = False) -> list[StoredTensor]:
    """Say what each tensor of a checkpoint is, and put together what is kept in several.

    Parameters
    ----------
    tensors : iterable of StoredTensor
        Those of a checkpoint, as its reader lists them.
    adapters : bool
        Whether to add the products of low-rank adapters.

    Returns
    -------
    list of StoredTensor
        All of them, with the weights that were put together beside their parts.
    """
    found = put_together(sorted_out([_turned(tensor) for tensor in tensors]))
    return _with_dense_layers(with_gates(with_products(found, adapters)))


def _turned(tensor: StoredTensor) -> StoredTensor:
    """Bring the outputs to the front where the name (of Flax) or the shape says that they are on the last axis."""
    parts = re.split(r"[./]", tensor.name)
    *outer, inputs, outputs = tensor.shape if len(tensor.shape) > 1 else (0, 0)
    kernel_first = len(outer) == 2 and max(outer) <= LARGEST_KERNEL < min(inputs, outputs)
    if len(tensor.shape) < 2 or not (parts[-1] == "kernel" or kernel_first):
        return tensor
    shape, turn = outputs_first(tensor.shape, parts[:-1], tensor.type)
    return replace(tensor, shape=shape, load=partial(_load_turned, tensor.load, turn))


def _load_turned(load: Callable[[], np.ndarray], turn: Turn) -> np.ndarray:
    return turn(load())


def _with_dense_layers(tensors: list[StoredTensor]) -> list[StoredTensor]:
    """Say which are dense layers, whatever they are called: they have a bias, and embeddings have none."""
    names = {tensor.name for tensor in tensors}
    return [replace(tensor, type="dense") if _is_dense(tensor, names) else tensor for tensor in tensors]


def _is_dense(tensor: StoredTensor, names: set[str]) -> bool:
    has_bias = f"{tensor.name.removesuffix('.weight')}.bias" in names
    return not tensor.type and len(tensor.shape) == 2 and has_bias
