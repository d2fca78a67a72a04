"""Readers of checkpoints, one file a format.

A reader is a module with a function ``tensors(path)`` that lists the `StoredTensor` objects of a file and
reads only its directory. To add a format, write such a module and name it in `MODULES`. What a directory says is
bounded by `limits`: here for every format, and in the reader where more of it would cost time or memory before.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers import gguf_file, sharded
from htmp_bayes.spectra.readers.foreign import refuse_foreign
from htmp_bayes.spectra.readers.limits import MOST_IN_SHARDS, check_name, check_sides, check_tensors
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
    found: list[StoredTensor] = []
    for file, names in sharded.shards(path).items():
        found += sharded.listed(path, file, _in_file(file), names)
        if len(found) > MOST_IN_SHARDS:
            raise SpectrumError(
                f"{path} names more than {MOST_IN_SHARDS} tensors; name some of its files instead."
            )
    return found


def settings(path: Path) -> dict[str, Any]:
    """Read the settings of the model in a checkpoint: its own (GGUF), or ``config.json`` beside it."""
    if path.suffix.lower() == ".gguf":
        return gguf_file.settings(path)
    return sharded.config_beside(path)


def _in_file(path: Path) -> list[StoredTensor]:
    if path.suffix.lower() not in MODULES:
        raise SpectrumError(f"{path} is not of a format that is read ({', '.join(MODULES)}).")
    refuse_foreign(path)
    found: list[StoredTensor] = import_module(MODULES[path.suffix.lower()]).tensors(path)
    try:
        check_tensors([check_name(tensor.name) for tensor in found])
        for tensor in found:
            check_sides(tensor.shape, tensor.name)
    except ValueError as error:
        raise SpectrumError(
            f"{path} is not read ({reason(error)}); save its matrices anew, in smaller parts."
        ) from error
    return found


__all__ = ["MODULES", "StoredTensor", "settings", "tensors"]
