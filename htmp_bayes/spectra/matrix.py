"""A weight matrix in a checkpoint: a tensor, or a part that is cut out of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from htmp_bayes.spectra.readers import StoredTensor

Cut = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Matrix:
    """A weight matrix in a checkpoint: a tensor, or a part of it.

    Attributes
    ----------
    tensor : StoredTensor
        The tensor that holds it.
    type : str
        One of `htmp_bayes.spectra.matrices.TYPES`; of what is no matrix one of the roles there.
    part : str
        Which part of the tensor it is ("query", "head2", "at.0.1"), or empty.
    sides : tuple of int
        (out, in) of the matrix; (0, 0) of what is none.
    cut : callable
        Takes the matrix out of the tensor's values: of shape (out, in) but for further axes that are flattened.
    note : str
        What is worth knowing of it, such as why it was left whole.
    """

    tensor: StoredTensor
    type: str
    part: str
    sides: tuple[int, int]
    cut: Cut
    note: str = ""

    @property
    def name(self) -> str:
        """The tensor's name without a final ``.weight``, with the part."""
        layer = self.tensor.name.removesuffix(".weight")
        return f"{layer}.{self.part}" if self.part else layer

    @property
    def full_name(self) -> str:
        """The tensor's name, with the part."""
        return f"{self.tensor.name}.{self.part}" if self.part else self.tensor.name

    def opened(self) -> np.ndarray:
        """Open the matrix, of shape (out, in): mapped from the file where that is possible."""
        return self.cut(self.tensor.load()).reshape(self.sides)

    def take(self, part: str, sides: tuple[int, ...], cut: Cut) -> "Matrix":
        """Make the matrix of a part of this one."""
        name = f"{self.part}.{part}" if self.part else part
        return replace(self, part=name, sides=(sides[0], sides[1]), cut=partial(_after, self.cut, cut))

    def rows(self, part: str, start: int, count: int) -> "Matrix":
        """Make the matrix of some rows of this one."""
        return self.take(part, (count, self.sides[1]), partial(_rows, start, start + count))

    def columns(self, part: str, start: int, count: int) -> "Matrix":
        """Make the matrix of some columns of this one."""
        return self.take(part, (self.sides[0], count), partial(_columns, start, start + count))

    def turned(self) -> "Matrix":
        """Make the transpose of this matrix, with the same part."""
        return replace(self, sides=self.sides[::-1], cut=partial(_after, self.cut, _turned))


def whole_of(tensor: StoredTensor, kind: str) -> Matrix:
    """Make the matrix of a whole tensor, of a type."""
    return Matrix(tensor, kind, "", tensor.sides, _all)


def item(*index: int) -> Cut:
    """Cut that takes one matrix out of a stack of them."""
    return partial(_item, index)


def position(*index: int) -> Cut:
    """Cut that takes one position out of a kernel of shape (out, in, ...)."""
    return partial(_at, index)


def _all(values: np.ndarray) -> np.ndarray:
    return values


def _turned(values: np.ndarray) -> np.ndarray:
    return values.T


def _after(first: Cut, then: Cut, values: np.ndarray) -> np.ndarray:
    return then(first(values))


def _item(index: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    return values[index]


def _at(index: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    place: tuple[Any, ...] = (slice(None), slice(None), *index)
    return values[place]


def _rows(start: int, stop: int, values: np.ndarray) -> np.ndarray:
    return values[start:stop]


def _columns(start: int, stop: int, values: np.ndarray) -> np.ndarray:
    return values[:, start:stop]
