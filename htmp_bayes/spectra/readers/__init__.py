"""Readers of checkpoints, one file a format.

A reader is a module with a function ``tensors(path)`` that lists the `StoredTensor` objects of a file and
reads only its directory. To add a format, write such a module and name it in `MODULES`.
"""

from importlib import import_module
from pathlib import Path

from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

MODULES = {
    ".safetensors": "htmp_bayes.spectra.readers.safetensors_file",
    ".npz": "htmp_bayes.spectra.readers.npz_file",
    ".npy": "htmp_bayes.spectra.readers.npy_file",
}


def tensors(path: Path) -> list[StoredTensor]:
    """List the tensors of a checkpoint, by the reader of its suffix, without reading their values."""
    return import_module(MODULES[path.suffix.lower()]).tensors(path)


__all__ = ["MODULES", "StoredTensor", "tensors"]
