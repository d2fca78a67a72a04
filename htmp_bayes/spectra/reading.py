"""From files to spectra: which tensors, which matrices in them, under which names."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra import readers
from htmp_bayes.spectra.choice import DEFAULT_MIN_SIZE, Choice, Convolutions
from htmp_bayes.spectra.collection import load_spectra
from htmp_bayes.spectra.eigenvalue_lists import SUFFIXES as LISTS
from htmp_bayes.spectra.eigenvalue_lists import load_list
from htmp_bayes.spectra.files import COLLECTION, Paths, files_of, natural
from htmp_bayes.spectra.matrices import Heads, Matrix, matrices
from htmp_bayes.spectra.readers import StoredTensor, sharded, torch_module
from htmp_bayes.spectra.singular_values import blocks
from htmp_bayes.spectra.spectrum import Spectrum, SpectrumError

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
_SAMPLE = 4096

MOST_MATRICES = 300_000
"""Matrices in a model, the parts of tensors counted."""


@dataclass(frozen=True)
class ListedMatrix:
    """What would become of a tensor, a part of it or a saved spectrum.

    Attributes
    ----------
    name : str
        Name of the layer.
    file : str
        File it is in.
    type : str
        Type of layer: "attention", "linear", "convolution", "embedding", "experts"; "norm", "vector" or
        "optimiser state" of what is no weight matrix; "spectrum" of what is no matrix any more.
    shape : tuple of int
        Axes of the tensor.
    n_eigenvalues, n : int
        Shorter and longer side of the matrix; both 0 of what is none.
    left_out : str
        Why it is not read; empty if it is.
    obstacle : str
        Why it cannot be read although it was chosen: reading stops there. Empty if it can.
    """

    name: str
    file: str
    type: str
    shape: tuple[int, ...]
    n_eigenvalues: int
    n: int
    left_out: str
    obstacle: str


def read_spectra(
    path: Paths | Any,
    include: str | None = None,
    exclude: str | None = None,
    min_size: int | None = None,
    progress: Progress | None = None,
    *,
    max_size: int | None = None,
    types: Iterable[str] | None = None,
    heads: Heads = None,
    convolutions: Convolutions = "flattened",
    split_fused: bool = True,
    n: int | None = None,
) -> list[Spectrum]:
    """Read the spectra of the weight matrices of checkpoints, or of saved collections.

    Parameters
    ----------
    path : str, path-like, an iterable of them, or a torch.nn.Module
        A checkpoint: ``.safetensors``; PyTorch's ``.pt``, ``.pth``, ``.bin``, ``.ckpt``; ``.onnx``; Keras's ``.keras``,
        ``.h5``; ``.gguf``; ``.npz``, ``.npy``; the index of a model in several files (``.index.json``). A collection
        (``.nc``) made by `save_spectra`, or a list of eigenvalues (``.csv``, ``.json``, ``.parquet``; see
        `htmp_bayes.spectra.eigenvalue_lists`). Or a folder: of a Hugging Face model, which is read once if it is there
        in several formats, or with any checkpoints directly in it.
    include, exclude : str, optional
        Regular expressions, sought (`re.search`) in the layer's name and in the tensor's full name in the
        file. A layer is read if ``include`` is found in either and ``exclude`` in neither.
    min_size : int, optional
        Smaller matrices, by their shorter side, are left out. At least 20; by default 50 for checkpoints,
        and no limit for collections.
    progress : callable, optional
        Called as ``progress(done, total, name)`` before each layer's singular values are computed, and at
        the end.
    max_size : int, optional
        Larger matrices, by their shorter side, are left out. Without it, one beyond 20,000 is an error.
    types : iterable of str, optional
        Only layers of these types: "attention", "linear", "convolution", "embedding", "experts". The type is taken
        from the format where it says so, and else from the name and the number of axes.
    heads : int or "auto", optional
        Take the heads of query, key, value and output matrices apart; "auto" takes their number from the
        ``config.json`` beside the checkpoint.
    convolutions : {"flattened", "positions"}
        One matrix (out, in·kh·kw) of a convolution, or one (out, in) of each position of its kernel.
    split_fused : bool
        Take query, key and value apart where one tensor holds all three and their sizes are known.
    n : int, optional
        Longer side of the matrix, for lists of eigenvalues that do not say it.

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
    One tensor is in memory at a time, and of those that the format allows to map (all but compressed ones) one block
    and its Gram matrix: about twice the matrix as float32 at most. Vectors and scalars (biases, norms) are no matrices
    and are left out, as is an optimiser's state. Weights that are tied are read once, by what the format says of
    their storage or, where it says nothing, by their values. `list_matrices` says what is left out and why; it is
    also logged at level INFO. Nothing in a file is executed.

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
    choice = Choice(include, exclude, min_size, max_size, types, heads, convolutions, split_fused, n)
    found = _found(path, choice)
    layers = _told_apart([layer for layer in found if not layer.listed.left_out])
    if not layers:
        raise SpectrumError(_nothing_left(path, found))
    spectra = []
    for done, layer in enumerate(layers):
        if progress:
            progress(done, len(layers), layer.name)
        spectra.append(layer.read())
    if progress:
        progress(len(layers), len(layers), "")
    return spectra


def list_matrices(
    path: Paths | Any,
    include: str | None = None,
    exclude: str | None = None,
    min_size: int | None = None,
    *,
    max_size: int | None = None,
    types: Iterable[str] | None = None,
    heads: Heads = None,
    convolutions: Convolutions = "flattened",
    split_fused: bool = True,
    n: int | None = None,
) -> list[ListedMatrix]:
    """Say what `read_spectra` would read with the same arguments, and why it leaves out the rest.

    Parameters
    ----------
    path, include, exclude, min_size, max_size, types, heads, convolutions, split_fused, n
        As for `read_spectra`.

    Returns
    -------
    list of ListedMatrix
        Every tensor, in the order in which they would be read; what is left out comes with its file.

    Raises
    ------
    SpectrumError
        A ValueError, if a file is not there, not readable or not of its format.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "model.npz"
    >>> np.savez(file, **{"conv1.weight": np.ones((64, 16, 3, 3)), "conv1.bias": np.zeros(64)})
    >>> for matrix in list_matrices(file):
    ...     print(matrix.name, matrix.type, matrix.n_eigenvalues, matrix.n, matrix.left_out or "is read")
    conv1 convolution 64 144 is read
    conv1.bias vector 0 0 not matrices
    """
    choice = Choice(include, exclude, min_size, max_size, types, heads, convolutions, split_fused, n)
    found = _found(path, choice)
    read = iter(_told_apart([layer for layer in found if not layer.listed.left_out]))
    return [
        layer.listed if layer.listed.left_out else replace(layer.listed, name=next(read).name)
        for layer in found
    ]


@dataclass(frozen=True)
class _Layer:
    """A spectrum that is still to be computed, or (of a collection) only to be renamed, and what is said of it."""

    file: Path
    name: str
    make: Callable[[], Spectrum]
    listed: ListedMatrix

    def read(self) -> Spectrum:
        return replace(self.make(), name=self.name)

    def without(self, why: str) -> "_Layer":
        logger.info("%s left out: %s", self.name, why)
        return replace(self, listed=replace(self.listed, left_out=why))


def _nothing_left(path: Paths, found: Sequence[_Layer]) -> str:
    counts = Counter(layer.listed.left_out for layer in found)
    reasons = ", ".join(f"{count} {why}" for why, count in counts.items()) or "no tensors at all"
    return f"{_shown(path)}: no weight matrix to read ({reasons}); mend include, exclude, types or the sizes."


def _found(path: Paths | Any, choice: Choice) -> list[_Layer]:
    if torch_module.is_module(path):
        return _in_checkpoint(Path(type(path).__name__), torch_module.tensors(path), {}, choice)
    return [layer for file in files_of(path) for layer in _in_file(file, choice)]


def _in_file(file: Path, choice: Choice) -> list[_Layer]:
    suffix = file.suffix.lower()
    try:
        if suffix == COLLECTION:
            return _in_collection(file, load_spectra(file), choice)
        if suffix in LISTS and not file.name.endswith(sharded.SUFFIX):
            return _in_collection(file, load_list(file, choice.n), choice)
        return _in_checkpoint(file, readers.tensors(file), sharded.config_beside(file), choice)
    except OSError as error:
        raise SpectrumError(
            f"{file} cannot be read ({reason(error)}); check its permissions and the disk."
        ) from error


def _in_collection(file: Path, spectra: Iterable[Spectrum], choice: Choice) -> list[_Layer]:
    layers = []
    for spectrum in spectra:
        size = len(spectrum) + spectrum.zeros
        listed = ListedMatrix(
            spectrum.name, file.name, "spectrum", (size, spectrum.n), size, spectrum.n, "", ""
        )
        layer = _Layer(file, spectrum.name, partial(_same, spectrum), listed)
        why = choice.against([spectrum.name], size)
        layers.append(layer.without(why) if why else layer)
    return layers


def _same(spectrum: Spectrum) -> Spectrum:
    return spectrum


def _in_checkpoint(
    file: Path, tensors: Iterable[StoredTensor], config: dict[str, Any], choice: Choice
) -> list[_Layer]:
    positions = choice.convolutions == "positions"
    found: list[Matrix] = []
    for tensor in tensors:
        found += matrices(tensor, config, choice.heads, positions, choice.split_fused)
        if len(found) > MOST_MATRICES:
            raise SpectrumError(f"{file} holds more than {MOST_MATRICES} matrices; save it in smaller parts.")
    left_out = _reasons(found, choice)
    taken = Counter(matrix.name for matrix, why in zip(found, left_out, strict=True) if not why)
    layers = []
    for matrix, why in zip(found, left_out, strict=True):
        name = matrix.full_name if taken[matrix.name] > 1 else matrix.name
        layer = _Layer(
            file, name, partial(_spectrum_of, file, matrix, choice), _listed(file, matrix, name, choice)
        )
        layers.append(layer.without(why) if why else layer)
    return sorted(layers, key=lambda layer: natural(layer.name))


def _reasons(found: Sequence[Matrix], choice: Choice) -> list[str]:
    """For each matrix, why it is left out, or nothing."""
    first = _Originals()
    reasons = []
    for matrix in found:
        why = choice.against_type(matrix.type)
        why = why or choice.against([matrix.name, matrix.full_name], min(matrix.sides), DEFAULT_MIN_SIZE)
        if not why and (original := first.of(matrix)):
            why = f"tied to {original.name}"
        reasons.append(why)
    return reasons


class _Originals:
    """Matrices so far, to be found again by another that holds the same values."""

    def __init__(self) -> None:
        self.seen: dict[Hashable, list[Matrix]] = {}

    def of(self, matrix: Matrix) -> Matrix | None:
        """Find the earlier matrix with the same values, if there is one."""
        tensor = matrix.tensor
        if tensor.obstacle or (sample := tensor.storage or _sample(tensor)) is None:
            return None
        alike = self.seen.setdefault((tensor.shape, tensor.dtype, matrix.part, sample), [])
        for other in alike:
            if tensor.storage or _same_values(matrix, other):
                return other
        alike.append(matrix)
        return None


def _sample(tensor: StoredTensor) -> bytes | None:
    """First and last values of a tensor, if they can be had without reading the others."""
    try:
        values = tensor.load()
    except (OSError, ValueError):
        return None  # it will be said when it is read
    if not isinstance(values, np.memmap):
        return None
    flat = values.reshape(-1)
    return hashlib.sha256(flat[:_SAMPLE].tobytes() + flat[-_SAMPLE:].tobytes()).digest()


def _same_values(matrix: Matrix, other: Matrix) -> bool:
    pairs = zip(blocks(matrix.opened), blocks(other.opened), strict=True)
    return all(np.array_equal(mine, others) for mine, others in pairs)


def _listed(file: Path, matrix: Matrix, name: str, choice: Choice) -> ListedMatrix:
    tensor, shorter = matrix.tensor, min(matrix.sides)
    obstacle = tensor.obstacle or choice.beyond(shorter)
    return ListedMatrix(name, file.name, matrix.type, tensor.shape, shorter, max(matrix.sides), "", obstacle)


def _spectrum_of(file: Path, matrix: Matrix, choice: Choice) -> Spectrum:
    tensor = matrix.tensor
    where = f"{file}: tensor {tensor.name}"
    if obstacle := tensor.obstacle or choice.beyond(min(matrix.sides)):
        raise SpectrumError(f"{where} {obstacle}; leave it out with exclude.")
    meta = {"shape": list(tensor.shape), "file": file.name, "tensor": tensor.name, "type": matrix.type}
    if matrix.part:
        meta["part"] = matrix.part
    try:
        return Spectrum.from_opened(matrix.opened, meta=meta)
    except SpectrumError as error:
        raise SpectrumError(f"{where} cannot be used, leave it out with exclude: {error}") from error
    except (OSError, ValueError) as error:
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


def _shown(path: Any) -> str:
    if torch_module.is_module(path):
        return type(path).__name__
    return str(path) if isinstance(path, str | Path) else ", ".join(map(str, path))
