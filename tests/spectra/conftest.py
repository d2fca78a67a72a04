"""Checkpoints to read, small and with everything in them that a real one has."""

import numpy as np
import pytest


@pytest.fixture
def weights():
    """A model of three matrices that are read by default, and of what is left out."""
    rng = np.random.default_rng(1)
    return {
        "layer.10.dense.weight": rng.normal(size=(60, 80)).astype(np.float32),
        "layer.2.dense.weight": rng.normal(size=(80, 60)).astype(np.float32),
        "layer.2.dense.bias": rng.normal(size=80).astype(np.float32),
        "conv.weight": rng.normal(size=(52, 8, 3, 3)).astype(np.float32),
        "small.weight": rng.normal(size=(30, 80)).astype(np.float32),
        "steps": np.array(7),
    }
