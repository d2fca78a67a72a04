"""A result that fits and one that does not."""

import numpy as np
import pytest

from tests.plots.results import noise_spectrum, result_of


@pytest.fixture(scope="package")
def noise():
    return result_of(noise_spectrum(1))


@pytest.fixture(scope="package")
def misfit():
    """Half of the eigenvalues six times the others."""
    eigenvalues = noise_spectrum(1).copy()
    eigenvalues[::2] *= 6
    return result_of(np.sort(eigenvalues), fits=False)
