"""What the tensors of a checkpoint are to one another, which none of them shows alone."""

from collections.abc import Iterable
from dataclasses import replace

from htmp_bayes.spectra.adapters import with_products
from htmp_bayes.spectra.bookkeeping import sorted_out
from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.reparametrised import put_together
from htmp_bayes.spectra.stacks import with_gates


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
    found = put_together(sorted_out(list(tensors)))
    return _with_dense_layers(with_gates(with_products(found, adapters)))


def _with_dense_layers(tensors: list[StoredTensor]) -> list[StoredTensor]:
    """Say which are dense layers, whatever they are called: they have a bias, and embeddings have none."""
    names = {tensor.name for tensor in tensors}
    return [replace(tensor, type="dense") if _is_dense(tensor, names) else tensor for tensor in tensors]


def _is_dense(tensor: StoredTensor, names: set[str]) -> bool:
    has_bias = f"{tensor.name.removesuffix('.weight')}.bias" in names
    return not tensor.type and len(tensor.shape) == 2 and has_bias
