"""What a reader says about one tensor of a file before its values are read."""

from collections.abc import Callable
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
        Its axes.
    dtype : str
        Its type, in the words of the format.
    load : callable
        Reads the values: ``load() -> ndarray`` of that shape.
    obstacle : str
        Why the values are of no use ("is quantised, ..."), or empty: the end of a sentence that names the
        tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]
    obstacle: str = ""

    @property
    def smaller_side(self) -> int:
        """Eigenvalues of the tensor flattened to (out, everything else); 0 of what is no matrix."""
        if len(self.shape) < 2 or 0 in self.shape:
            return 0
        out = self.shape[0]
        rest = 1
        for side in self.shape[1:]:
            rest *= side
        return min(out, rest)
