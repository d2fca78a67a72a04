"""From files to spectra: which files, which tensors, under which names."""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from htmp_bayes._errors import reason
from htmp_bayes.spectra import readers
from htmp_bayes.spectra.collection import load_spectra
from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.spectrum import MIN_EIGENVALUES, Spectrum, SpectrumError

logger = logging.getLogger(__name__)

DEFAULT_MIN_SIZE = 50
COLLECTION = ".nc"
SUFFIXES = (*readers.MODULES, COLLECTION)

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
Progress = Callable[[int, int, str], None]


def read_spectra(
    path: Paths,
    include: str | None = None,
    exclude: str | None = None,
    min_size: int | None = None,
    progress: Progress | None = None,
) -> list[Spectrum]:
    """Read the spectra of the weight matrices of checkpoints, or of saved collections.

    Parameters
    ----------
    path : str, path-like or an iterable of them
        A ``.safetensors``, ``.npz`` or ``.npy`` file, a collection (``.nc``) made by `save_spectra`, or a
        folder with such files directly in it.
    include, exclude : str, optional
        Regular expressions, sought (`re.search`) in the layer's name and in the tensor's full name in the
        file. A layer is read if ``include`` is found in either and ``exclude`` in neither.
    min_size : int, optional
        Smaller matrices, by their shorter side, are left out. At least 20; by default 50 for checkpoints,
        and no limit for collections.
    progress : callable, optional
        Called as ``progress(done, total, name)`` before each layer's singular values are computed, and at
        the end.

    Returns
    -------
    list of Spectrum
        File by file, those of a checkpoint in natural order of the names (``layer.2`` before ``layer.10``).
        A layer is named after its tensor without a final ``.weight``; if a name comes from two files, all
        names get their file's in front.

    Raises
    ------
    SpectrumError
        A ValueError with one sentence, if a file is not there, not readable, truncated or not of its
        format, if a tensor that was chosen has NaN or infinite entries, no real numbers (quantised,
        complex, pickled objects) or a rank below 20, or if nothing is left to read. A matrix that would be
        read but cannot be is never passed over in silence: leave it out by ``exclude``.

    Notes
    -----
    One tensor is in memory at a time. Vectors and scalars (biases, norms) are no matrices and are left out;
    convolutions are flattened to (out, in·kh·kw). What was left out and why is logged at level INFO.
    Nothing in a file is executed.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> rng = np.random.default_rng(1)
    >>> weights = {"conv1.weight": rng.normal(size=(64, 16, 3, 3)), "conv1.bias": np.zeros(64)}
    >>> np.savez(folder / "model.npz", **weights)
    >>> read_spectra(folder / "model.npz")
    [Spectrum('conv1', 64 eigenvalues from 0.129 to 2.61, n=144, gamma=0.4444)]
    """
    choice = _Choice(_pattern(include, "include"), _pattern(exclude, "exclude"), _size(min_size))
    layers = _told_apart([layer for file in _files(path) for layer in _layers(file, choice)])
    if not layers:
        raise SpectrumError(choice.nothing_left(path))
    spectra = []
    for done, layer in enumerate(layers):
        if progress:
            progress(done, len(layers), layer.name)
        spectra.append(layer.read())
    if progress:
        progress(len(layers), len(layers), "")
    return spectra


@dataclass(frozen=True)
class _Layer:
    """A spectrum that is still to be computed (or, from a collection, only to be renamed)."""

    file: Path
    name: str
    make: Callable[[], Spectrum]

    def read(self) -> Spectrum:
        return replace(self.make(), name=self.name)


class _Choice:
    """What the caller wants to read, and a count of what was left out for which reason."""

    def __init__(
        self, include: re.Pattern[str] | None, exclude: re.Pattern[str] | None, min_size: int | None
    ):
        self.include, self.exclude, self.min_size = include, exclude, min_size
        self.left_out: Counter[str] = Counter()

    def takes(self, names: Sequence[str], size: int, default_min_size: int = 0) -> bool:
        reason = self._against(names, size, default_min_size if self.min_size is None else self.min_size)
        if reason:
            logger.info("%s left out: %s", names[0], reason)
            self.left_out[reason] += 1
        return not reason

    def _against(self, names: Sequence[str], size: int, min_size: int) -> str:
        if size == 0:
            return "not matrices"
        if self.include and not any(map(self.include.search, names)):
            return f"not matching include={self.include.pattern!r}"
        if self.exclude and any(map(self.exclude.search, names)):
            return f"matching exclude={self.exclude.pattern!r}"
        return f"smaller than min_size={min_size}" if size < min_size else ""

    def nothing_left(self, path: Paths) -> str:
        reasons = (
            ", ".join(f"{count} {reason}" for reason, count in self.left_out.items()) or "no tensors at all"
        )
        return f"{_shown(path)}: no weight matrix to read ({reasons}); mend include, exclude or min_size."


def _layers(file: Path, choice: _Choice) -> list[_Layer]:
    try:
        return _spectra_in(file, choice) if file.suffix.lower() == COLLECTION else _tensors_in(file, choice)
    except OSError as error:
        raise SpectrumError(
            f"{file} cannot be read ({reason(error)}); check its permissions and the disk."
        ) from error


def _spectra_in(file: Path, choice: _Choice) -> list[_Layer]:
    return [
        _Layer(file, spectrum.name, partial(_same, spectrum))
        for spectrum in load_spectra(file)
        if choice.takes([spectrum.name], len(spectrum) + spectrum.zeros)
    ]


def _same(spectrum: Spectrum) -> Spectrum:
    return spectrum


def _tensors_in(file: Path, choice: _Choice) -> list[_Layer]:
    taken = [
        tensor
        for tensor in readers.tensors(file)
        if choice.takes([_layer_name(tensor.name), tensor.name], tensor.smaller_side, DEFAULT_MIN_SIZE)
    ]
    shared = Counter(_layer_name(tensor.name) for tensor in taken)
    layers = []
    for tensor in taken:
        name = _layer_name(tensor.name)
        layers.append(
            _Layer(file, name if shared[name] == 1 else tensor.name, partial(_spectrum_of, file, tensor))
        )
    return sorted(layers, key=lambda layer: _natural(layer.name))


def _layer_name(tensor: str) -> str:
    return tensor.removesuffix(".weight")


def _spectrum_of(file: Path, tensor: StoredTensor) -> Spectrum:
    where = f"{file}: tensor {tensor.name}"
    if tensor.obstacle:
        raise SpectrumError(f"{where} {tensor.obstacle}; leave it out with exclude.")
    meta = {"file": file.name, "tensor": tensor.name}
    try:
        return Spectrum.from_matrix(tensor.load(), meta=meta)
    except SpectrumError as error:
        raise SpectrumError(f"{where} cannot be used, leave it out with exclude: {error}") from error
    except OSError as error:
        raise SpectrumError(f"{where} cannot be read ({reason(error)}); check the disk.") from error


def _told_apart(layers: list[_Layer]) -> list[_Layer]:
    """Put the file's name in front of every layer's if two files have a layer of the same name."""
    counts = Counter(name for _, name in {(layer.file, layer.name) for layer in layers})
    if max(counts.values(), default=1) == 1:
        return layers
    prefix = _prefixes({layer.file for layer in layers})
    return [replace(layer, name=f"{prefix[layer.file]}.{layer.name}") for layer in layers]


def _prefixes(files: set[Path]) -> dict[Path, str]:
    """Shortest ends of the paths, from the file's own name up, that differ between the files."""
    depth = max(len(file.parts) for file in files)
    for parts in range(1, depth + 1):
        prefix = {file: ".".join(file.with_suffix("").parts[-parts:]) for file in files}
        if len(set(prefix.values())) == len(files):
            return prefix
    return {file: ".".join(file.parts) for file in files}


def _files(path: Paths) -> list[Path]:
    """List the files to read, those of a folder in natural order."""
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    files = [file for item in paths for file in _expand(Path(item))]
    return list(dict.fromkeys(files))


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        inside = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != "."]
        if not inside:
            raise SpectrumError(
                f"{path} has no checkpoint in it; files that are read end in {', '.join(SUFFIXES)}."
            )
        return sorted(inside, key=lambda file: _natural(file.name))
    if not path.exists():
        raise SpectrumError(f"{path} does not exist; check the path.")
    if path.suffix.lower() not in SUFFIXES:
        raise SpectrumError(
            f"{path} is not of a format that is read ({', '.join(SUFFIXES)}; pickles never, for they "
            "run code); save the weights as .safetensors."
        )
    return [path]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which ``layer.2`` comes before ``layer.10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _pattern(regex: str | None, what: str) -> re.Pattern[str] | None:
    try:
        return None if regex is None else re.compile(regex)
    except re.error as error:
        raise SpectrumError(f"{what}={regex!r} is not a regular expression ({reason(error)}).") from error


def _size(min_size: int | None) -> int | None:
    if min_size is not None and min_size < MIN_EIGENVALUES:
        raise SpectrumError(
            f"min_size={min_size} is less than {MIN_EIGENVALUES}, the fewest eigenvalues that are fitted."
        )
    return min_size


def _shown(path: Paths) -> str:
    return str(path) if isinstance(path, str | os.PathLike) else ", ".join(map(str, path))
