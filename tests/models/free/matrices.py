"""Matrices that NumPy makes, whose population is known."""

import numpy as np


def spectrum_of(h, n=400, seed=1):
    """Eigenvalues of a matrix by NumPy alone, whose population is the list h."""
    noise = np.random.default_rng(seed).standard_normal((len(h), n))
    return np.linalg.eigvalsh(np.sqrt(h)[:, None] * (noise @ noise.T / n) * np.sqrt(h))
