"""Readers of checkpoints, one file a format.

A reader is a module with a function ``tensors(path)`` that lists the `StoredTensor` objects of a file and
reads only its directory. To add a format, write such a module and name it in `MODULES`.
"""

from importlib import import_module
from pathlib import Path

from htmp_bayes.spectra.readers import sharded
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

_HERE = __name__
MODULES = {
    ".safetensors": f"{_HERE}.safetensors_file",
    ".npz": f"{_HERE}.npz_file",
    ".npy": f"{_HERE}.npy_file",
    ".pt": f"{_HERE}.torch_file",
    ".pth": f"{_HERE}.torch_file",
    ".bin": f"{_HERE}.torch_file",
    ".ckpt": f"{_HERE}.torch_file",
    ".onnx": f"{_HERE}.onnx_file",
    ".keras": f"{_HERE}.keras_file",
    ".h5": f"{_HERE}.keras_file",
    ".hdf5": f"{_HERE}.keras_file",
    ".gguf": f"{_HERE}.gguf_file",
}


def tensors(path: Path) -> list[StoredTensor]:
    """List the tensors of a checkpoint, by the reader of its suffix, without reading their values.

    A path that ends in ``.index.json`` stands for a model in several files.
    """
    if not path.name.endswith(sharded.SUFFIX):
        return _in_file(path)
    return [
        tensor
        for file, names in sharded.shards(path).items()
        for tensor in sharded.listed(path, file, _in_file(file), names)
    ]


def _in_file(path: Path) -> list[StoredTensor]:
    from htmp_bayes.spectra.readers.foreign import refuse_foreign
    from htmp_bayes.spectra.spectrum import SpectrumError

    if path.suffix.lower() not in MODULES:
        raise SpectrumError(f"{path} is not of a format that is read ({', '.join(MODULES)}).")
    refuse_foreign(path)
    return import_module(MODULES[path.suffix.lower()]).tensors(path)


__all__ = ["MODULES", "StoredTensor", "tensors"]
