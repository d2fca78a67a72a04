"""What the caller wants to read, checked once."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from htmp_bayes._errors import reason
from htmp_bayes.spectra.adapters import ADAPTER
from htmp_bayes.spectra.bookkeeping import MASK, OPTIMISER, QUANTISATION
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.matrices import TYPES, UNKNOWN, Heads
from htmp_bayes.spectra.reparametrised import PART
from htmp_bayes.spectra.spectrum import MIN_EIGENVALUES

DEFAULT_MIN_SIZE = 50
LARGEST = 20_000
"""Shorter side up to which singular values are computed: at that size they take tens of minutes and 3 GB."""

_NO_LAYERS = {
    "norm": "norms",
    OPTIMISER: "of the optimiser",
    QUANTISATION: "bookkeeping of quantisation",
    MASK: "masks and indices",
    PART: "parts of a weight that is put together",
    ADAPTER: "halves of low-rank adapters, whose products adapters=True reads",
}

Convolutions = Literal["flattened", "positions"]


@dataclass(frozen=True)
class Choice:
    """The options of `read_spectra` and `list_matrices`, where they are documented."""

    include: str | None = None
    exclude: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    types: Iterable[str] | None = None
    heads: Heads = None
    convolutions: Convolutions = "flattened"
    split_fused: bool = True
    n: int | None = None
    adapters: bool = False
    strict: bool = False
    _include: re.Pattern[str] | None = field(init=False, repr=False)
    _exclude: re.Pattern[str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_include", _pattern(self.include, "include"))
        object.__setattr__(self, "_exclude", _pattern(self.exclude, "exclude"))
        if self.types is not None:
            object.__setattr__(self, "types", _known_types(self.types))
        _check_sizes(self.min_size, self.max_size)
        _check_heads(self.heads)
        if self.convolutions not in get_args(Convolutions):
            raise SpectrumError(
                f"convolutions is one of {', '.join(get_args(Convolutions))}, not {self.convolutions!r}."
            )

    def against(self, names: Iterable[str], size: int, default_min_size: int = 0) -> str:
        """Reason to leave out what has these names and this shorter side, or nothing."""
        return self.against_names(names) or self.against_size(size, default_min_size)

    def against_names(self, names: Iterable[str]) -> str:
        """Reason to leave out what has these names, or nothing."""
        names = list(names)
        if self._include and not any(map(self._include.search, names)):
            return f"not matching include={self.include!r}"
        if self._exclude and any(map(self._exclude.search, names)):
            return f"matching exclude={self.exclude!r}"
        return ""

    def excludes(self, name: str) -> bool:
        """Say whether a file of this name, which cannot be read, is left out."""
        return bool(self._exclude and self._exclude.search(name))

    def against_size(self, size: int, default_min_size: int = 0) -> str:
        """Reason to leave out what has this shorter side, or nothing."""
        least = default_min_size if self.min_size is None else self.min_size
        if size < least:
            return f"smaller than min_size={least}"
        if self.max_size is not None and size > self.max_size:
            return f"larger than max_size={self.max_size}"
        return ""

    def against_type(self, kind: str) -> str:
        """Reason to leave out what is of a type, or nothing."""
        if kind == UNKNOWN:
            return ""
        if kind not in TYPES:
            return _NO_LAYERS.get(kind, "not matrices")
        if self.types is not None and kind not in self.types:
            return f"not of type {' or '.join(self.types)}"
        return ""

    def beyond(self, size: int) -> str:
        """Say that a matrix is too large to read unless that was asked for; the end of a sentence."""
        if self.max_size is not None or size <= LARGEST:
            return ""
        return (
            f"has a shorter side of {size}, and beyond {LARGEST} its eigenvalues take hours and "
            f"{8e-9 * size**2:.0f} GB "
            f"(max_size={size} reads it all the same)"
        )


def _pattern(regex: str | None, what: str) -> re.Pattern[str] | None:
    if not isinstance(regex, str | None):
        raise SpectrumError(
            f"{what} is one regular expression, not a {type(regex).__name__}; join several by '|', as in 'query|key'."
        )
    try:
        return None if regex is None else re.compile(regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise SpectrumError(f"{what}={regex!r} is not a regular expression ({reason(error)}).") from error


def _known_types(types: Iterable[str]) -> tuple[str, ...]:
    wanted = (types,) if isinstance(types, str) else tuple(types)
    for kind in wanted:
        if kind not in TYPES:
            raise SpectrumError(f"types are of {', '.join(TYPES)}, not {kind!r}.")
    return wanted


def _check_sizes(min_size: int | None, max_size: int | None) -> None:
    if min_size is not None and min_size < MIN_EIGENVALUES:
        raise SpectrumError(
            f"min_size={min_size} is less than {MIN_EIGENVALUES}, the fewest eigenvalues that are fitted."
        )
    if max_size is not None and max_size < (min_size or MIN_EIGENVALUES):
        raise SpectrumError(
            f"max_size={max_size} is less than the least size, {min_size or MIN_EIGENVALUES}; raise it."
        )


def _check_heads(heads: Heads) -> None:
    if heads not in (None, "auto") and (isinstance(heads, bool) or not isinstance(heads, int) or heads < 1):
        raise SpectrumError(f"heads is a number of attention heads or 'auto', not {heads!r}.")
