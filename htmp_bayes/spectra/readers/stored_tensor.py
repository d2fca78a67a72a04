"""What a reader says about one tensor of a file before its values are read."""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file.

    Attributes
    ----------
    name : str
        Its name in the file.
    shape : tuple of int
        Its axes, the outputs first.
    dtype : str
        Its type, in the words of the format.
    load : callable
        Reads the values: ``load() -> ndarray`` of that shape, mapped from the file where the format allows it.
    obstacle : str
        Why the values are of no use ("is quantised, ..."), or empty: the end of a sentence that names the
        tensor.
    storage : hashable, optional
        Where the values are, where the format lets two tensors share them: tied weights have the same.
    type : str, optional
        What the format or the tensors beside it say that it is ("embedding", "dense" and so no
        embedding, "optimiser state"), where they do.
    opaque : bool
        Whether its shape says nothing of the weights that may be in it, for it is packed or pickled: then it is neither
        too small nor a vector, and is not passed over as such.
    gates : tuple of str
        Gates of a recurrent layer, as many as it stacks, in their order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]
    obstacle: str = ""
    storage: Hashable = None
    type: str = ""
    opaque: bool = False
    gates: tuple[str, ...] = ()

    @property
    def smaller_side(self) -> int:
        """Eigenvalues of the tensor flattened to (out, everything else); 0 of what is no matrix."""
        return min(self.sides)

    @property
    def sides(self) -> tuple[int, int]:
        """Sides of the tensor flattened to (out, everything else); (0, 0) of what is no matrix."""
        if len(self.shape) < 2 or 0 in self.shape:
            return 0, 0
        return self.shape[0], math.prod(self.shape[1:])
