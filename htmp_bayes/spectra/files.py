"""Which files are meant: a path, several, a folder, a Hugging Face model."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htmp_bayes.spectra import eigenvalue_lists, readers
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers import sharded
from htmp_bayes.spectra.readers.paths import check_inside

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

_NUMBERED = re.compile(r"(model|pytorch_model|diffusion_pytorch_model)_\d+\.(safetensors|bin)")
"""Names that accelerate gives the second and further models of a run."""

_TWINS = re.compile(  # names of the same model in other formats, and of what Mistral and Meta ship beside it
    r"(tf_model\.h5|(model|pytorch_model|diffusion_pytorch_model)(\.(fp16|fp32|non_ema))?\.(safetensors|bin)"
    r"|consolidated(\.\d+)?\.(safetensors|pth)|.+-\d{5}-of-\d{5}\.(safetensors|bin)|.+\.index\.json)"
)

_NAMED = 3  # files that a message names

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True)
class File:
    """A file to read, whether it was named itself or found in a folder, and what is to be said once it is read."""

    path: Path
    named: bool
    note: str = ""


def files_of(path: Paths) -> list[File]:
    """List the files to read, those of a folder in natural order.

    Raises
    ------
    SpectrumError
        If a path is none or not there, or there is nothing to read.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else _listed(path)
    for item in paths:
        if not isinstance(item, str | os.PathLike):
            raise SpectrumError(
                f"A path is wanted in place of {type(item).__name__}; weights in memory come as one dictionary of "
                "names to arrays, as one matrix or as a torch module."
            )
    files = {file.path: file for item in paths for file in _expand(Path(item))}
    return list(files.values())


def _listed(paths: Any) -> list[Any]:
    try:
        return list(paths)
    except TypeError:
        return [paths]


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which ``layer.2`` comes before ``layer.10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def prefixes(files: set[Path]) -> dict[Path, str]:
    """Shortest ends of the paths, from the file's own name up, that differ between the files."""
    depth = max(len(file.parts) for file in files)
    for parts in range(1, depth + 1):
        prefix = {file: ".".join(file.with_suffix("").parts[-parts:]) for file in files}
        if len(set(prefix.values())) == len(files):
            return prefix
    return {file: ".".join(file.parts) for file in files}


def _expand(path: Path) -> list[File]:
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise SpectrumError(f"{path} does not exist; check the path.")
    _check_regular(path)
    if path.suffix.lower() == ".zip":
        raise SpectrumError(
            f"{path} is an archive of files; unpack it and read the checkpoint in it (policy.pth of Stable-Baselines)."
        )
    if path.suffix.lower() not in SUFFIXES:
        raise SpectrumError(
            f"{path} is not of a format that is read ({', '.join(SUFFIXES)}; pickles never, for they "
            "run code); save the weights as .safetensors."
        )
    return [File(path, named=True)]


def _in_folder(folder: Path) -> list[File]:
    for name in _MODELS:
        if (folder / name).exists():
            return _models_in(folder, folder / name)
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
    read = sorted(set(inside) - sharded_files, key=lambda file: natural(file.name))
    return [File(file, named=False) for file in read]


def _models_in(folder: Path, model: Path) -> list[File]:
    """List the model of a folder of Hugging Face's libraries, and those that accelerate numbers, and what is beside."""
    beside = [file for file in folder.iterdir() if file.suffix.lower() in IN_FOLDERS and file != model]
    numbered = [file for file in beside if _NUMBERED.fullmatch(file.name) and file.suffix == model.suffix]
    found = [model, *sorted(numbered, key=lambda file: natural(file.name))]
    for file in found:
        check_inside(folder, file, folder)
        _check_regular(file)
    read = {*numbered, *(sharded.shards(model) if model.name.endswith(sharded.SUFFIX) else ())}
    others = [file.name for file in beside if file not in read and not _TWINS.fullmatch(file.name)]
    named = ", ".join(sorted(others)[:_NAMED]) + " and others" * (len(others) > _NAMED)
    note = f"{model} is read, and {named} beside it not; name them to read them." if others else ""
    return [File(file, named=False, note=note if file == model else "") for file in found]


def _check_regular(file: Path) -> None:
    """Refuse pipes and devices, which may keep a reader waiting or never end."""
    if not file.is_file():
        raise SpectrumError(f"{file} is no regular file; copy what it gives into one.")
