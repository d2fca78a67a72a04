"""From files to spectra: which tensors, which matrices in them, under which names."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from htmp_bayes._errors import printable, reason
from htmp_bayes.spectra import readers
from htmp_bayes.spectra.choice import DEFAULT_MIN_SIZE, Choice, Convolutions
from htmp_bayes.spectra.collection import load_spectra
from htmp_bayes.spectra.eigenvalue_lists import SUFFIXES as LISTS
from htmp_bayes.spectra.eigenvalue_lists import load_list
from htmp_bayes.spectra.errors import NoTensors, SpectrumError
from htmp_bayes.spectra.files import COLLECTION, Paths, files_of, natural
from htmp_bayes.spectra.layers import Layer, ListedMatrices, ListedMatrix, told_apart
from htmp_bayes.spectra.matrices import TYPES, UNKNOWN, Heads, matrices
from htmp_bayes.spectra.matrix import Matrix
from htmp_bayes.spectra.readers import StoredTensor, arrays, sharded, torch_module
from htmp_bayes.spectra.roles import understood
from htmp_bayes.spectra.spectrum import Spectrum
from htmp_bayes.spectra.ties import Originals

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]

MOST_MATRICES = 300_000
"""Matrices in a model, the parts of tensors counted."""


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
    adapters: bool = False,
    strict: bool = False,
) -> list[Spectrum]:
    """Read the spectra of the weight matrices of checkpoints, or of saved collections.

    Parameters
    ----------
    path : str, path-like, an iterable of them, a torch.nn.Module, a mapping of names to arrays, or an array
        A dictionary of arrays or tensors (a ``state_dict``), a matrix (named "matrix"), or a live module in memory. Or
        a checkpoint: ``.safetensors``; PyTorch's ``.pt``, ``.pth``, ``.bin``, ``.ckpt``; ``.onnx``; Keras's ``.keras``,
        ``.h5``; ``.gguf``; ``.npz``, ``.npy``; the index of a model in several files (``.index.json``). A collection
        (``.nc``) made by `save_spectra`, or a list of eigenvalues (``.csv``, ``.json``, ``.parquet``; see
        `htmp_bayes.spectra.eigenvalue_lists`). Or a folder: of a Hugging Face model, which is read once if it is there
        in several formats, or with any checkpoints directly in it.
    include, exclude : str, optional
        Regular expressions, sought (`re.search`) in the layer's name and in the tensor's full name in the
        file. A layer is read if ``include`` is found in either and ``exclude`` in neither. A file of a folder that
        cannot be read is passed over, and that is said, if ``exclude`` is found in its name.
    min_size : int, optional
        Smaller matrices, by their shorter side, are left out. At least 20; by default 50 for checkpoints,
        and no limit for collections.
    progress : callable, optional
        Called as ``progress(done, total, name)`` before each layer's singular values are computed, and at
        the end.
    max_size : int, optional
        Larger matrices, by their shorter side, are left out. Without it, one beyond 20,000 is an error.
    types : iterable of str, optional
        Only layers of these types: "attention", "linear", "convolution", "embedding", "experts", "recurrent". The type
        is taken from the format where it says so, and else from the name and the axes.
    heads : int or "auto", optional
        Take the heads of query, key, value and output matrices apart; "auto" takes their number from the
        ``config.json`` beside the checkpoint.
    convolutions : {"flattened", "positions"}
        One matrix (out, in·kh·kw) of a convolution, or one (out, in) of each position of its kernel.
    split_fused : bool
        Take query, key and value apart where one tensor holds all three, and gate and up, by the architecture that
        ``config.json`` names or, where that is certain, by the shape.
    n : int, optional
        Longer side of the matrix, for lists of eigenvalues that do not say it.
    adapters : bool
        Read low-rank adapters (LoRA) as the product of their two matrices, under the layer's name and ``.lora``,
        without the factor alpha / rank. Their halves are no layers, and are never read.
    strict : bool
        Refuse a file of which only a part can be read, and a folder with a file that holds no tensors, in place of
        saying so in the log at level WARNING (on standard error, unless the log is set up otherwise).

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
    choice = Choice(
        include, exclude, min_size, max_size, types, heads, convolutions, split_fused, n, adapters, strict
    )
    found = _found(path, choice)
    _say_what_cannot_be_read(found, choice)
    layers = told_apart([layer for layer in found if not layer.listed.left_out])
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
    adapters: bool = False,
    strict: bool = False,
) -> ListedMatrices:
    """Say what `read_spectra` would read with the same arguments, and why it leaves out the rest.

    Parameters
    ----------
    path, include, exclude, min_size, max_size, types, heads, convolutions, split_fused, n, adapters, strict
        As for `read_spectra`.

    Returns
    -------
    list of ListedMatrix
        Every tensor, in the order in which they would be read; what is left out comes with its file. ``fate`` says in
        words what becomes of one; a notebook shows the list as a table.

    Raises
    ------
    SpectrumError
        A ValueError, if a file is not there, not readable or not of its format.

    Notes
    -----
    The values of what would be read are looked at once, for dead rows and columns.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "model.npz"
    >>> np.savez(file, **{"conv1.weight": np.eye(64, 144).reshape(64, 16, 3, 3), "conv1.bias": np.zeros(64)})
    >>> for matrix in list_matrices(file):
    ...     print(matrix.name, matrix.type, matrix.n_eigenvalues, matrix.n, matrix.left_out or "is read", matrix.note)
    conv1 convolution 64 144 is read 80 of 144 columns are dead
    conv1.bias vector 0 0 not matrices
    """
    choice = Choice(
        include, exclude, min_size, max_size, types, heads, convolutions, split_fused, n, adapters, strict
    )
    found = _found(path, choice)
    read = iter(told_apart([layer for layer in found if not layer.listed.left_out]))
    return ListedMatrices(
        layer.listed if layer.listed.left_out else next(read).looked_at() for layer in found
    )


def _nothing_left(path: Paths, found: Sequence[Layer]) -> str:
    counts = Counter(layer.listed.left_out for layer in found)
    reasons = ", ".join(f"{count} {why}" for why, count in counts.items()) or "no tensors at all"
    return f"{_shown(path)}: no weight matrix to read ({reasons}); mend include, exclude, types or the sizes."


def _say_what_cannot_be_read(found: Sequence[Layer], choice: Choice) -> None:
    """Say of each file, or refuse it, if it holds weights that were left out and could not be read at all."""
    for file in dict.fromkeys(layer.file for layer in found if layer.lost):
        lost = [layer for layer in found if layer.lost and layer.file == file]
        others = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
        _say(f"{file} can be read in part only: {lost[0].name} {lost[0].listed.obstacle}{others}", choice)


def _say(what: str, choice: Choice) -> None:
    if choice.strict:
        raise SpectrumError(f"{what}; without strict the rest is read.")
    logger.warning("%s; the rest is read.", printable(what))


def _found(path: Paths | Any, choice: Choice) -> list[Layer]:
    if torch_module.is_module(path):
        return _in_checkpoint(Path(type(path).__name__), torch_module.tensors(path), {}, choice)
    if isinstance(path, Mapping) or arrays.is_array(path):
        return _in_checkpoint(Path(type(path).__name__), arrays.tensors(path), {}, choice)
    found = []
    for file in files_of(path):
        try:
            found += _in_file(file.path, choice)
            if file.note:
                logger.warning("%s", printable(file.note))
        except SpectrumError as error:
            if file.named or not (isinstance(error, NoTensors) or choice.excludes(file.path.name)):
                raise
            why = "holds no tensors" if isinstance(error, NoTensors) else "cannot be read"
            _say(f"{file.path} {why} and is passed over", choice)
    return found


def _in_file(file: Path, choice: Choice) -> list[Layer]:
    suffix = file.suffix.lower()
    try:
        if suffix == COLLECTION:
            return _in_collection(file, load_spectra(file), choice)
        if suffix in LISTS and not file.name.endswith(sharded.SUFFIX):
            return _in_collection(file, load_list(file, choice.n), choice)
        return _in_checkpoint(file, readers.tensors(file), readers.settings(file), choice)
    except OSError as error:
        raise SpectrumError(
            f"{file} cannot be read ({reason(error)}); check its permissions and the disk."
        ) from error


def _in_collection(file: Path, spectra: Iterable[Spectrum], choice: Choice) -> list[Layer]:
    layers = []
    for spectrum in spectra:
        size, longer = len(spectrum) + spectrum.zeros, spectrum.n + spectrum.dead
        note = f"zeros={spectrum.zeros}, dead={spectrum.dead}" if spectrum.zeros or spectrum.dead else ""
        listed = ListedMatrix(
            spectrum.name, file.name, "spectrum", (size, longer), size, longer, "", "", note
        )
        layer = Layer(file, spectrum.name, partial(_same, spectrum), listed)
        why = choice.against([spectrum.name], size)
        layers.append(layer.without(why) if why else layer)
    return layers


def _same(spectrum: Spectrum) -> Spectrum:
    return spectrum


def _in_checkpoint(
    file: Path, tensors: Iterable[StoredTensor], config: dict[str, Any], choice: Choice
) -> list[Layer]:
    positions = choice.convolutions == "positions"
    found: list[Matrix] = []
    for tensor in understood(tensors, choice.adapters):
        found += matrices(tensor, config, choice.heads, positions, choice.split_fused)
        if len(found) > MOST_MATRICES:
            raise SpectrumError(f"{file} holds more than {MOST_MATRICES} matrices; save it in smaller parts.")
    left_out = _reasons(found, choice)
    taken = Counter(matrix.name for matrix, why in zip(found, left_out, strict=True) if not why)
    layers = []
    for matrix, why in zip(found, left_out, strict=True):
        name = matrix.full_name if taken[matrix.name] > 1 else matrix.name
        make = partial(_spectrum_of, file, matrix, choice)
        layer = Layer(file, name, make, _listed(file, matrix, name, choice), matrix.opened)
        layers.append(layer.without(why, _is_lost(matrix, choice)) if why else layer)
    return sorted(layers, key=lambda layer: natural(layer.name))


def _reasons(found: Sequence[Matrix], choice: Choice) -> list[str]:
    """For each matrix, why it is left out, or nothing."""
    first = Originals()
    reasons = []
    for matrix in found:
        why = choice.against_type(matrix.type) or choice.against_names([matrix.name, matrix.full_name])
        why = why or _too_small(matrix, choice)
        if not why and (original := first.of(matrix)):
            why = f"tied to {original.name}"
        reasons.append(why)
    return reasons


def _too_small(matrix: Matrix, choice: Choice) -> str:
    """Reason of size to leave out a matrix, or nothing; what is packed or pickled has no size that is known."""
    return "" if matrix.tensor.opaque else choice.against_size(min(matrix.sides), DEFAULT_MIN_SIZE)


def _is_lost(matrix: Matrix, choice: Choice) -> bool:
    of_weights = matrix.type in (*TYPES, UNKNOWN) and not _too_small(matrix, choice)
    return bool(matrix.tensor.obstacle) and of_weights


def _listed(file: Path, matrix: Matrix, name: str, choice: Choice) -> ListedMatrix:
    tensor, shorter = matrix.tensor, min(matrix.sides)
    obstacle = tensor.obstacle or choice.beyond(shorter)
    return ListedMatrix(
        name, file.name, matrix.type, tensor.shape, shorter, max(matrix.sides), "", obstacle, matrix.note
    )


def _spectrum_of(file: Path, matrix: Matrix, choice: Choice) -> Spectrum:
    tensor = matrix.tensor
    where = f"{file}: tensor {tensor.name}"
    if obstacle := tensor.obstacle or choice.beyond(min(matrix.sides)):
        raise SpectrumError(f"{where} {obstacle}; leave it out with exclude.")
    meta = {"shape": list(tensor.shape), "file": file.name, "tensor": tensor.name, "type": matrix.type}
    if matrix.part:
        meta["part"] = matrix.part
    if matrix.note:
        meta["note"] = matrix.note
    try:
        return Spectrum.from_opened(matrix.opened, meta=meta)
    except SpectrumError as error:
        raise SpectrumError(f"{where} cannot be used, leave it out with exclude: {error}") from error
    except (OSError, ValueError) as error:
        raise SpectrumError(f"{where} cannot be read ({reason(error)}); check the disk.") from error


def _shown(path: Any) -> str:
    if torch_module.is_module(path) or isinstance(path, Mapping) or arrays.is_array(path):
        return type(path).__name__
    return str(path) if isinstance(path, str | Path) else ", ".join(map(str, path))
