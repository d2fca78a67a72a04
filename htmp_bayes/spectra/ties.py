"""Weights that are tied: matrices that hold the same values as an earlier one."""

import hashlib
from collections.abc import Hashable

import numpy as np

from htmp_bayes.spectra.matrix import Matrix
from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.singular_values import blocks

_SAMPLE = 4096


class Originals:
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
