"""Spectra of weight matrices: what they are, and how to get them out of checkpoints and collections."""

from htmp_bayes.spectra.collection import save_spectra
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.reading import ListedMatrix, list_matrices, read_spectra
from htmp_bayes.spectra.spectrum import MIN_EIGENVALUES, Spectrum

__all__ = [
    "MIN_EIGENVALUES",
    "ListedMatrix",
    "Spectrum",
    "SpectrumError",
    "list_matrices",
    "read_spectra",
    "save_spectra",
]
