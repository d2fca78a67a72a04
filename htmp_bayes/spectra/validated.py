"""What is accepted as eigenvalues, a matrix, a count or meta data of a spectrum; the rest gets a sentence."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes._errors import reason
from htmp_bayes.spectra.dead_lines import squared_norms
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.singular_values import Opened, blocks

_MOST = 2**53  # whole numbers up to there are the same as float64
_LARGEST = 1e140  # entries up to there, and down to its inverse, have squares that can be added up


def encodable(name: str) -> bool:
    """Whether a file can keep the name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def prefix_of(name: str) -> str:
    """Begin a sentence about a spectrum by its name."""
    return f"{name}: " if name else ""


def as_real(values: ArrayLike, what: str, where: str) -> np.ndarray:
    """Make an array of real numbers of any precision."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise SpectrumError(
            f"{where}{np.ma.count_masked(values)} entries of {what} are masked, and what they are is not known; fill "
            "them (with .filled(0), if the mask prunes)."
        )
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SpectrumError(f"{where}{what} cannot be read as an array ({reason(error)}).") from error
    # A safe cast exists from every real number type, bfloat16 and float8 included, and from nothing else.
    if not (array.dtype.kind == "f" or np.can_cast(array.dtype, np.float64)):
        raise SpectrumError(f"{where}{what} must be real numbers, not of type {array.dtype}.")
    return array


def as_eigenvalues(values: ArrayLike, where: str) -> np.ndarray:
    """Make a vector of finite numbers that are not negative."""
    array = as_real(values, "eigenvalues", where).astype(np.float64)
    if array.ndim != 1:
        raise SpectrumError(
            f"{where}eigenvalues must be a list, not an array of shape {array.shape}; use "
            "Spectrum.from_matrix for a matrix."
        )
    if not np.isfinite(array).all():
        raise SpectrumError(
            f"{where}eigenvalues hold {_count_bad([array])}; remove them or mend the computation."
        )
    if (array < 0).any():
        raise SpectrumError(
            f"{where}{np.sum(array < 0)} eigenvalues are negative (least: {array.min():.3g}), which those "
            "of a Gram matrix cannot be; set rounding errors to 0, or use Spectrum.from_matrix."
        )
    return array


def checked_norms(opened: Opened, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Squared norms of the rows and of the columns; NaN, infinite and huge entries are found on the way."""
    rows, columns, largest = squared_norms(opened)
    if not np.isfinite(largest):
        found = _count_bad(blocks(opened))
        raise SpectrumError(f"{where}the matrix holds {found}, so it has no spectrum; check the checkpoint.")
    if 0 < largest < 1 / _LARGEST or largest > _LARGEST:
        raise SpectrumError(
            f"{where}the squares of the entries leave the range of float64; rescale the matrix."
        )
    return rows, columns


def _count_bad(arrays: Iterable[np.ndarray]) -> str:
    counts = [(np.isnan(array).sum(), np.isinf(array).sum()) for array in arrays]
    nan, infinite = (int(sum(column)) for column in zip(*counts, strict=True))
    found = [f"{nan} NaN"] * bool(nan) + [f"{infinite} infinite values"] * bool(infinite)
    return " and ".join(found)


def as_count(value: object, what: str, where: str) -> int:
    """Make a whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise SpectrumError(f"{where}{what} must be a whole number of at least 0, not {value!r}.")
    if value > _MOST:
        raise SpectrumError(f"{where}{what} is above 2**53, and no matrix has so many rows or columns.")
    return int(value)


def as_meta(meta: Mapping[str, Any] | None, where: str) -> Mapping[str, Any]:
    """Copy what JSON keeps of ``meta``, so that what is saved and read back is equal to what was there."""
    try:
        return MappingProxyType(json.loads(json.dumps(dict(meta or {}), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise SpectrumError(f"{where}meta must hold what JSON can hold ({reason(error)}).") from error
