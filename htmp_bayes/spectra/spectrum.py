"""The eigenvalues of one layer, with what a law of them needs to know about the matrix."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes.spectra.dead_lines import live_lines, live_part
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.singular_values import Opened, count_zeros, squared_singular_values
from htmp_bayes.spectra.validated import (
    as_count,
    as_eigenvalues,
    as_meta,
    as_real,
    checked_norms,
    encodable,
    prefix_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["weight", "jacobian", "kernel"]
MIN_EIGENVALUES = 20
"""Fewest positive eigenvalues of a `Spectrum`: below that a shape of spectrum cannot be told from noise."""

SAME = 1e-6
"""Relative spread below which eigenvalues are the same: an orthogonal matrix stored in float32 has 1e-7."""


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    r"""Positive eigenvalues of a layer's Gram matrix, validated and immutable.

    Parameters
    ----------
    eigenvalues : array_like, shape (N,) or (N + zeros,)
        Eigenvalues in any order and any unit of scale, at least 20 of them positive. Exact zeros are taken
        out and counted in ``zeros``.
    n : int
        The longer side of the matrix without what is dead of it, ``n >= N`` and ``n + dead >= N + zeros``.
    name : str, optional
        The layer's name.
    kind : {"weight", "jacobian", "kernel"}, optional
        What the matrix is. Kernel matrices (NTK, conjugate kernel) follow the law of the *inverse* ensemble.
    zeros : int, optional
        Zero eigenvalues that ``eigenvalues`` does not hold: directions of the shorter side that carry nothing.
    dead : int, optional
        Directions of the longer side that carry nothing and that ``n`` leaves out.
    meta : mapping, optional
        Anything worth keeping that JSON can hold, such as the shape of the matrix and the file it came from.

    Attributes
    ----------
    eigenvalues : ndarray, shape (N,)
        Float64, positive, ascending, read-only.
    n, name, kind, zeros, dead, meta
        As given; ``zeros`` with the exact zeros added, ``meta`` as a read-only copy.

    Raises
    ------
    SpectrumError
        A ValueError, if the eigenvalues hold NaN, an infinite, negative or complex number, are fewer than
        20, all the same, or more than ``n``.

    Notes
    -----
    The law describes N positive eigenvalues, so `gamma` is their number over ``n``. For a full-rank matrix
    that is the ratio of its sides. If the matrix has dead rows or columns, it is the ratio of what
    is left without them, and just as exact: ``N + zeros`` and ``n + dead`` are the sides of the whole matrix. If it
    is rank-deficient in another way (a product of thin
    factors, say), it is the ratio of the smallest matrix with the same non-zero spectrum, and ``zeros``
    tells that the layer is a special one.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvalues = np.random.default_rng(1).gamma(2.0, size=64)
    >>> spectrum = Spectrum(eigenvalues, n=256, name="layer.0")
    >>> spectrum
    Spectrum('layer.0', 64 eigenvalues from 0.122 to 5.94, n=256, gamma=0.25)
    >>> spectrum.gamma
    0.25
    """

    eigenvalues: np.ndarray
    n: int
    name: str = field(default="", kw_only=True)
    kind: Kind = field(default="weight", kw_only=True)
    zeros: int = field(default=0, kw_only=True)
    dead: int = field(default=0, kw_only=True)
    meta: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        def freeze(attribute: str, value: object) -> None:
            object.__setattr__(self, attribute, value)  # the door that a frozen dataclass leaves to itself

        if not isinstance(self.name, str):
            raise SpectrumError(f"The name of a spectrum is a string, not {self.name!r}.")
        if "\0" in self.name or not encodable(self.name):
            raise SpectrumError(
                f"The name {self.name!r} holds a NUL or half a surrogate pair, which no file keeps; rename it."
            )
        values = as_eigenvalues(self.eigenvalues, prefix_of(self.name))
        positive = np.sort(values[values > 0])
        positive.setflags(write=False)
        freeze("eigenvalues", positive)
        freeze("n", as_count(self.n, "n (the longer side of the matrix)", prefix_of(self.name)))
        freeze("zeros", as_count(self.zeros, "zeros", prefix_of(self.name)) + values.size - positive.size)
        freeze("dead", as_count(self.dead, "dead", prefix_of(self.name)))
        freeze("meta", as_meta(self.meta, prefix_of(self.name)))
        self._check()

    def _check(self) -> None:
        where, found = prefix_of(self.name), self.eigenvalues.size
        if self.kind not in get_args(Kind):
            raise SpectrumError(f"{where}kind is one of {', '.join(get_args(Kind))}, not {self.kind!r}.")
        if found < MIN_EIGENVALUES:
            raise SpectrumError(
                f"{where}only {found} eigenvalues are positive ({self.zeros} are zero), and fewer than "
                f"{MIN_EIGENVALUES} say too little about a law; choose a larger matrix."
            )
        if np.ptp(self.eigenvalues) <= SAME * self.eigenvalues[-1]:
            raise SpectrumError(
                f"{where}all {found} eigenvalues are the same (as of an orthogonal or identity matrix), "
                "so there is no law to infer; leave this matrix out."
            )
        if self.n < found or self.n + self.dead < found + self.zeros:
            raise SpectrumError(
                f"{where}n={self.n} is less than the {found + self.zeros} eigenvalues (zeros included); "
                "n is the longer side of the matrix."
            )

    @classmethod
    def from_matrix(
        cls, W: ArrayLike, name: str = "", kind: Kind = "weight", meta: Mapping[str, Any] | None = None
    ) -> "Spectrum":
        r"""Spectrum of a weight or Jacobian matrix: squared singular values over the longer side.

        Parameters
        ----------
        W : array_like, shape (out, in) or (out, in, ...)
            Real matrix, of any precision down to float8. A tensor with more axes, such as a convolution, is
            flattened to (out, everything else).
        name, kind, meta
            As for `Spectrum`. The shape of ``W`` and its precision are added to ``meta``.

        Returns
        -------
        Spectrum
            The eigenvalues of :math:`W W^\top / n` or :math:`W^\top W / n`, whichever is the smaller
            matrix, with n the longer side, so that noise of unit variance has mean 1, in float64 and with a
            relative error below 1e-6 down to the smallest: see
            `htmp_bayes.spectra.singular_values.squared_singular_values`.

        Raises
        ------
        SpectrumError
            A ValueError, if ``W`` is not a real matrix, holds NaN or infinite entries, or has a numerical
            rank below 20.

        Notes
        -----
        Rows and columns that are zero, or whose norm is at most 1e-4 of a typical one's, are dead
        (`htmp_bayes.spectra.dead_lines`): the spectrum is that of the matrix without them, and ``meta`` has their
        numbers, ``dead_rows`` and ``dead_columns``. Further singular values that the rounding of the entries cannot
        tell from zero count as ``zeros`` too: see `htmp_bayes.spectra.singular_values.count_zeros`.

        Examples
        --------
        >>> import numpy as np
        >>> noise = np.random.default_rng(1).normal(size=(100, 400))
        >>> spectrum = Spectrum.from_matrix(noise, name="noise")
        >>> spectrum.gamma, float(spectrum.eigenvalues.mean().round(2))
        (0.25, 0.99)
        """
        array = as_real(W, "the matrix", prefix_of(name))
        if array.ndim < 2 or array.size == 0:
            raise SpectrumError(
                f"{prefix_of(name)}a matrix with two axes or more is needed, not shape {array.shape}."
            )
        details = {"shape": list(np.shape(W)), **(meta or {})}
        return cls.from_opened(lambda: array.reshape(array.shape[0], -1), name=name, kind=kind, meta=details)

    @classmethod
    def from_opened(
        cls, opened: Opened, name: str = "", kind: Kind = "weight", meta: Mapping[str, Any] | None = None
    ) -> "Spectrum":
        """Spectrum of a matrix that is opened when it is needed, and need not be in memory as a whole.

        Parameters
        ----------
        opened : callable
            ``opened() -> ndarray`` of shape (out, in), such as one that is mapped from a file.
        name, kind, meta
            As for `from_matrix`.

        Returns
        -------
        Spectrum
            As from `from_matrix`.

        Raises
        ------
        SpectrumError
            As from `from_matrix`.
        """
        where, matrix = prefix_of(name), opened()
        shape, dtype = matrix.shape, as_real(matrix[:0], "the matrix", where).dtype
        if not isinstance(
            matrix, np.memmap
        ):  # it is in memory now: to open it for each block would read it again
            opened = partial(_same, matrix)
        del matrix
        rows, columns = map(live_lines, checked_norms(opened, where))
        live = live_part(opened, rows, columns)
        sides = (int(rows.sum()), int(columns.sum()))
        squares = squared_singular_values(live) if all(sides) else np.zeros(0)
        count = squares.size - count_zeros(np.sqrt(squares), sides, dtype) if squares.size else 0
        n = max(*sides, 1)
        gone = {"dead_rows": shape[0] - sides[0], "dead_columns": shape[1] - sides[1]}
        details = {"shape": list(shape), "dtype": str(dtype), **(meta or {})}
        return cls(
            squares[:count] / n,
            n,
            name=name,
            kind=kind,
            zeros=min(shape) - count,
            dead=max(shape) - n,
            meta=details | {line: number for line, number in gone.items() if number},
        )

    @property
    def gamma(self) -> float:
        """Aspect ratio: positive eigenvalues over ``n``, in (0, 1]."""
        return self.eigenvalues.size / self.n

    @property
    def digest(self) -> str:
        """Digest of all that a law of the eigenvalues depends on: them, ``n``, ``zeros`` and ``kind``."""
        rest = f"{self.n} {self.zeros} {self.kind} ".encode()
        return hashlib.sha256(rest + self.eigenvalues.tobytes()).hexdigest()

    def __len__(self) -> int:
        return self.eigenvalues.size

    def __getitem__(self, index: Any) -> Any:
        """Eigenvalues by position, ascending: ``spectrum[-1]`` is the largest."""
        return self.eigenvalues[index]

    def __iter__(self) -> Iterator[float]:
        return iter(self.eigenvalues.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.eigenvalues, dtype, copy=copy)

    def to_dataframe(self) -> "pd.DataFrame":
        """Make a table with a row for each eigenvalue, ascending, and columns ``name``, ``n`` and ``eigenvalue``.

        Examples
        --------
        >>> Spectrum(range(1, 31), n=60, name="layer.0").to_dataframe().tail(2)
               name   n  eigenvalue
        28  layer.0  60        29.0
        29  layer.0  60        30.0
        """
        import pandas as pd

        return pd.DataFrame({"name": self.name, "n": self.n, "eigenvalue": self.eigenvalues})

    def plot(
        self, ax: "Axes | None" = None, *, figsize: tuple[float, float] | None = None
    ) -> "Figure | Axes":
        """Draw the density of the log-eigenvalues beside that of noise: see `htmp_bayes.drawing.eigenvalues`."""
        from htmp_bayes.drawing.eigenvalues import plot_eigenvalues

        return plot_eigenvalues(self, ax, figsize=figsize)

    def _repr_html_(self) -> str:
        """Show the spectrum in a notebook: its sizes, and a small histogram of the log-eigenvalues."""
        from htmp_bayes._html import spectrum_html

        return spectrum_html(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return self._attributes() == other._attributes() and np.array_equal(
            self.eigenvalues, other.eigenvalues
        )

    def __hash__(self) -> int:
        return hash((self.name, self.n, self.kind, self.zeros, self.eigenvalues.tobytes()))

    def __repr__(self) -> str:
        extra = "" if self.kind == "weight" else f", kind={self.kind!r}"
        extra += f", zeros={self.zeros}" if self.zeros else ""
        extra += f", dead={self.dead}" if self.dead else ""
        return (
            f"Spectrum({self.name!r}, {len(self)} eigenvalues from {self.eigenvalues[0]:.3g} to "
            f"{self.eigenvalues[-1]:.3g}, n={self.n}, gamma={self.gamma:.4g}{extra})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The read-only view of meta cannot be pickled; workers of a process pool get a spectrum built anew.
        return _rebuild, (self.eigenvalues, *self._attributes())

    def _attributes(self) -> tuple[Any, ...]:
        return self.n, self.name, self.kind, self.zeros, self.dead, dict(self.meta)


def _rebuild(
    eigenvalues: np.ndarray, n: int, name: str, kind: Kind, zeros: int, dead: int, meta: dict[str, Any]
) -> Spectrum:
    return Spectrum(eigenvalues, n, name=name, kind=kind, zeros=zeros, dead=dead, meta=meta)


def _same(matrix: np.ndarray) -> np.ndarray:
    return matrix
