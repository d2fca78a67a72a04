"""Layers that are found in files, before their spectra are computed, and what is said of them."""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from htmp_bayes.spectra.dead_lines import note_of
from htmp_bayes.spectra.files import prefixes
from htmp_bayes.spectra.singular_values import Opened
from htmp_bayes.spectra.spectrum import Spectrum

logger = logging.getLogger(__name__)


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
        Type of layer: "attention", "linear", "convolution", "embedding", "experts", "recurrent"; of what is no layer
        "norm", "vector", "optimiser state", "quantisation" (what that keeps beside the weights), "mask", "part" (of a
        weight that is put together) or "adapter" (half of one); "unknown" of what is packed or pickled; "spectrum" of
        what is no matrix any more.
    shape : tuple of int
        Axes of the tensor.
    n_eigenvalues, n : int
        Shorter and longer side of the matrix; both 0 of what is none.
    left_out : str
        Why it is not read; empty if it is.
    obstacle : str
        Why it cannot be read although it was chosen: reading stops there. Empty if it can.
    note : str
        What is worth knowing of what is read: dead rows and columns, which are left out of the spectrum, and why a
        fused tensor is left whole.
    """

    name: str
    file: str
    type: str
    shape: tuple[int, ...]
    n_eigenvalues: int
    n: int
    left_out: str
    obstacle: str
    note: str = ""

    @property
    def fate(self) -> str:
        """What becomes of it, in words."""
        if self.left_out:
            return f"left out: {self.left_out}"
        if self.obstacle:
            return f"cannot be read: {self.obstacle}"
        return f"read ({self.note})" if self.note else "read"


class ListedMatrices(list[ListedMatrix]):
    """A list of matrices that a notebook shows as a table, and a terminal as a sentence."""

    @property
    def headline(self) -> str:
        """How many there are, and what becomes of them."""
        left_out = sum(bool(matrix.left_out) for matrix in self)
        broken = sum(bool(matrix.obstacle and not matrix.left_out) for matrix in self)
        told = [f"{len(self) - left_out - broken} of {len(self)} would be read"]
        told += [f"{left_out} are left out"] * bool(left_out) + [f"{broken} cannot be read"] * bool(broken)
        return ", ".join(told)

    def __repr__(self) -> str:
        return f"ListedMatrices({self.headline}; each says in .fate what becomes of it)"

    def _repr_html_(self) -> str:
        from htmp_bayes._html import matrices_html

        return matrices_html(self, self.headline)


@dataclass(frozen=True)
class Layer:
    """A spectrum that is still to be computed, or (of a collection) only to be renamed, and what is said of it."""

    file: Path
    name: str
    make: Callable[[], Spectrum]
    listed: ListedMatrix
    opened: Opened | None = None
    """The matrix, if it is one still."""
    lost: bool = False
    """Whether it is left out and could not be read either: then the file can be read in part only."""

    def read(self) -> Spectrum:
        """Compute the spectrum."""
        return replace(self.make(), name=self.name)

    def looked_at(self) -> ListedMatrix:
        """Say what there is to say of it after a look at its values, where they can be read."""
        notes = [self.listed.note]
        if self.opened and not self.listed.obstacle:
            with suppress(OSError, ValueError):  # it will be said when it is read
                notes.append(note_of(self.opened))
        return replace(self.listed, name=self.name, note="; ".join(filter(None, notes)))

    def without(self, why: str, lost: bool = False) -> "Layer":
        """Leave the layer out, for a reason."""
        logger.info("%s left out: %s", self.name, why)
        return replace(self, listed=replace(self.listed, left_out=why), lost=lost)


def told_apart(layers: list[Layer]) -> list[Layer]:
    """Put the file's name in front of every layer's if two files have a layer of the same name."""
    counts = Counter(name for _, name in {(layer.file, layer.name) for layer in layers})
    if max(counts.values(), default=1) == 1:
        return layers
    prefix = prefixes({layer.file for layer in layers})
    return [replace(layer, name=f"{prefix[layer.file]}.{layer.name}") for layer in layers]
