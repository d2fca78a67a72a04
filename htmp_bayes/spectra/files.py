"""Which files are meant: a path, several, a folder, a Hugging Face model."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from htmp_bayes.spectra import eigenvalue_lists, readers
from htmp_bayes.spectra.readers import sharded
from htmp_bayes.spectra.readers.paths import check_inside
from htmp_bayes.spectra.spectrum import SpectrumError

COLLECTION = ".nc"
IN_FOLDERS = (*readers.MODULES, COLLECTION)
"""Suffixes that are looked for in a folder; lists of eigenvalues are read where they are named."""

SUFFIXES = (*IN_FOLDERS, *eigenvalue_lists.SUFFIXES)

# Names that Hugging Face's libraries give a model, the better first: a repository often holds it several times over.
_MODELS = tuple(
    stem + suffix
    for suffix in (".safetensors.index.json", ".safetensors", ".bin.index.json", ".bin")
    for stem in ("model", "pytorch_model", "diffusion_pytorch_model", "adapter_model")
)

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def files_of(path: Paths) -> list[Path]:
    """List the files to read, those of a folder in natural order.

    Raises
    ------
    SpectrumError
        If a path is not there, or there is nothing to read.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    files = [file for item in paths for file in _expand(Path(item))]
    return list(dict.fromkeys(files))


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which ``layer.2`` comes before ``layer.10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise SpectrumError(f"{path} does not exist; check the path.")
    _check_regular(path)
    if path.suffix.lower() not in SUFFIXES:
        raise SpectrumError(
            f"{path} is not of a format that is read ({', '.join(SUFFIXES)}; pickles never, for they "
            "run code); save the weights as .safetensors."
        )
    return [path]


def _in_folder(folder: Path) -> list[Path]:
    for name in _MODELS:
        if (folder / name).exists():
            check_inside(folder, folder / name, folder)
            _check_regular(folder / name)
            return [folder / name]
    inside = [
        file
        for file in folder.iterdir()
        if file.name[0] != "." and (file.suffix.lower() in IN_FOLDERS or file.name.endswith(sharded.SUFFIX))
    ]
    if not inside:
        raise SpectrumError(
            f"{folder} has no checkpoint in it; files that are read end in {', '.join(IN_FOLDERS)}."
        )
    for file in inside:
        check_inside(folder, file, folder)
        _check_regular(file)
    indices = [file for file in inside if file.name.endswith(sharded.SUFFIX)]
    sharded_files = {file for index in indices for file in sharded.shards(index)}
    return sorted(set(inside) - sharded_files, key=lambda file: natural(file.name))


def _check_regular(file: Path) -> None:
    """Refuse pipes and devices, which may keep a reader waiting or never end."""
    if not file.is_file():
        raise SpectrumError(f"{file} is no regular file; copy what it gives into one.")
