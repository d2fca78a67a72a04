"""Which spectrum of a network belongs where, in numbers."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]


class Structure(NamedTuple):
    """What a compiled model depends on, besides arrays of any length.

    Attributes
    ----------
    kinds : int
        Number of kinds with an effect. If no kind has two layers, the spread of the kinds cannot be told from that of
        the layers: there is no effect, and this is 1.
    models : int
        Number of models, or groups of runs.
    graded : bool
        Whether depths differ.
    paired : bool
        Whether layers of the same names are there in several models; of one layer, what it has in a model of its own
        cannot be told from the model's effect.
    runs : bool
        Whether a layer is there in several runs.
    steps : int
        Number of steps of training, or 1.
    trend : bool
        Whether layers have a walk in common: there are several, and several steps.
    """

    kinds: int
    models: int
    graded: bool
    paired: bool
    runs: bool
    steps: int
    trend: bool


@dataclass(frozen=True, eq=False)
class Design:
    """Which spectrum belongs where: L layers in G models, each in S runs or at S steps.

    Attributes
    ----------
    layers, models, kinds : tuple of str
        Names of the layers, models (or groups of runs) and kinds.
    place : ndarray of int
        Layer, model, and run or step of each spectrum, shape ``(N, 3)``.
    kind : ndarray of int
        Kind of each layer in each model, shape ``(L, G)``.
    depth : ndarray
        Relative depth, from 0 to 1, shape ``(L, G)``.
    runs : tuple of str
        Names of the runs of all groups, or none.
    steps : tuple of float
        Steps of training, ascending, or none.
    """

    layers: tuple[str, ...]
    models: tuple[str, ...]
    kinds: tuple[str, ...]
    place: NDArray[np.int64]
    kind: NDArray[np.int64]
    depth: Array
    runs: tuple[str, ...] = ()
    steps: tuple[float, ...] = ()

    @functools.cached_property
    def cells(self) -> NDArray[np.int64]:
        """Layer and model of every layer that is there, in the order of the spectra, shape ``(C, 2)``."""
        return np.array(list(dict.fromkeys(map(tuple, self.place[:, :2].tolist()))))

    @property
    def replicates(self) -> int:
        """How many runs or steps a layer has at most."""
        return int(self.place[:, 2].max()) + 1

    @functools.cached_property
    def structure(self) -> Structure:
        """What the compiled model depends on."""
        layer, model = self.cells.T
        of_kind, depths = self.kind[layer, model], self.depth[layer, model]
        kinds = len(self.kinds) if np.bincount(of_kind).max() > 1 else 1
        layers = len(set(layer.tolist()))
        paired = 1 < layers < len(self.cells)
        steps = max(len(self.steps), 1)
        return Structure(
            kinds, len(self.models), bool(np.ptp(depths) > 0), paired, bool(self.runs), steps,
            steps > 1 and len(self.cells) > 1,
        )  # fmt: skip

    def spread_out(self, rows: Array) -> Array:
        """Put rows of the spectra where they belong, with zeros elsewhere, shape ``(..., L, G, S)``."""
        found = np.zeros((*rows.shape[1:], len(self.layers), len(self.models), self.replicates))
        found[(..., *self.place.T)] = np.moveaxis(rows, 0, -1)
        return found
