"""A model in several files, by the index that Hugging Face's libraries write beside them (``*.index.json``)."""

import json
import logging
from pathlib import Path
from typing import Any

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers.limits import LONGEST_HEADER
from htmp_bayes.spectra.readers.paths import check_inside, inside
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

SUFFIX = ".index.json"
LARGEST_CONFIG = 2**20
"""Bytes of a ``config.json``; those of models have thousands."""

logger = logging.getLogger(__name__)


def shards(path: Path) -> dict[Path, set[str]]:
    """Read an index: the files of a model, and the tensors that each is said to hold.

    Parameters
    ----------
    path : pathlib.Path
        The index.

    Returns
    -------
    dict
        Sets of names by file, in the order of the index.

    Raises
    ------
    SpectrumError
        If the index is none, or names a file that is not there or outside its folder.
    """
    try:
        if path.stat().st_size > LONGEST_HEADER:
            raise ValueError(f"it has {path.stat().st_size} bytes, more than {LONGEST_HEADER}")
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names = {file: set[str]() for file in dict.fromkeys(weight_map.values())}
        for tensor, file in weight_map.items():
            names[file].add(tensor)
        files: dict[Path, set[str]] = {}
        for file, tensors in names.items():  # the same file may go by several names
            files.setdefault(inside(path.parent, file, path), set()).update(tensors)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, SpectrumError):
            raise
        raise SpectrumError(
            f"{path} is not an index of shards ({reason(error)}); it needs a weight_map of tensors to files."
        ) from error
    if not files:
        raise SpectrumError(f"{path} is not an index of shards (it names no files); fetch the model again.")
    return files


def listed(path: Path, file: Path, found: list[StoredTensor], names: set[str]) -> list[StoredTensor]:
    """Choose the tensors of a shard that the index ascribes to it.

    Raises
    ------
    SpectrumError
        If one is not there.
    """
    if missing := names - {tensor.name for tensor in found}:
        raise SpectrumError(
            f"{path} says that {file.name} holds {min(missing)[:200]}, which it does not; fetch the model again."
        )
    return [tensor for tensor in found if tensor.name in names]


def config_beside(path: Path) -> dict[str, Any]:
    """Read the settings of the model, ``config.json`` in the same folder; empty if there are none."""
    file = path.parent / "config.json"
    try:
        if not file.is_file():
            return {}
        check_inside(path.parent, file, path)
        content = (
            json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= LARGEST_CONFIG else {}
        )
    except SpectrumError as error:
        logger.warning("%s It is left out of account.", error)
        return {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
