"""Weights of a Keras model: ``.keras`` archives and HDF5 files (``.h5``), without Keras.

Keras keeps a kernel with its outputs on the last axis; here they come first, as in every other format. The names are
the paths in the file, with dots, without what Keras puts around every one.
"""

import re
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.hdf5 import Dataset, Hdf5File
from htmp_bayes.spectra.readers.limits import opened_archive
from htmp_bayes.spectra.readers.outputs_first import outputs_first
from htmp_bayes.spectra.readers.raw_values import BFLOAT16, NO_REALS, no_values, with_name
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor
from htmp_bayes.spectra.readers.zip_member import where_stored

WEIGHTS = "model.weights.h5"
_BROKEN = (
    *(ValueError, LookupError, TypeError, OverflowError, struct.error, RuntimeError),
    *(zipfile.BadZipFile, NotImplementedError),
)
_OPTIMISER = ("optimizer", "optimizer_weights")


def tensors(path: Path) -> list[StoredTensor]:
    """List the weights of a Keras model.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the file.

    Raises
    ------
    SpectrumError
        If the file is truncated or is no such model.
    """
    try:
        _, datasets = _opened(path).contents()
    except _BROKEN as error:
        raise SpectrumError(
            f"{path} is not a whole Keras model ({reason(error)}); save it again with model.save."
        ) from error
    return [_described(path, dataset) for dataset in datasets if dataset.text is None]


def _opened(path: Path) -> Hdf5File:
    if not zipfile.is_zipfile(path):
        return Hdf5File(path)
    with opened_archive(path) as archive, path.open("rb") as file:
        return Hdf5File(path, *where_stored(file, archive.getinfo(WEIGHTS)))


def _described(path: Path, dataset: Dataset) -> StoredTensor:
    parts = dataset.name.strip("/").split("/")
    kind = "optimiser state" if parts[0] in _OPTIMISER else ""
    if any("embedding" in part for part in parts[-3:]) and len(dataset.shape) == 2:
        kind = kind or "embedding"
    named = [part for part in parts if part not in ("model_weights", "layers", "vars")]
    once = [part for part, before in zip(named, ["", *named], strict=False) if part != before]
    name = re.sub(r"(\.(kernel|embeddings))?:0$|\.(0|kernel|embeddings)$", "", ".".join(once))
    shape, turn = outputs_first(dataset.shape, parts, kind)
    dtype = with_name(dataset.dtype)
    if dtype.kind != "f" and dtype != BFLOAT16:
        obstacle = f"is of type {dtype}, {NO_REALS}"
        return StoredTensor(name, shape, str(dtype), no_values, obstacle, type=kind)
    return StoredTensor(name, shape, str(dtype), partial(_load, path, dataset, turn), type=kind)


def _load(path: Path, dataset: Dataset, turn: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    try:
        return turn(dataset.load().view(with_name(dataset.dtype)))
    except ValueError as error:
        raise SpectrumError(f"{path}: {dataset.name} is damaged ({reason(error)}); save it again.") from error
