"""What users pass in place of a spectrum, of several spectra or of a result, and the sentence that helps them on."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from htmp_bayes._errors import HTMPError
from htmp_bayes.spectra import Spectrum
from htmp_bayes.spectra.readers.arrays import is_array, tensors
from htmp_bayes.spectra.readers.torch_module import is_module, is_tensor

if TYPE_CHECKING:
    import xarray as xr


class ArgumentError(HTMPError):
    """An argument of another type than the function takes."""


def as_spectrum(given: Any, n: int | None = None, function: str = "fit") -> Spectrum:
    """Make a spectrum of what a function for one layer is given: a spectrum, a matrix, or eigenvalues with `n`.

    Raises
    ------
    ArgumentError
        A ValueError, if it is something else; the sentence says how to come from it to a spectrum.

    Examples
    --------
    >>> as_spectrum(np.random.default_rng(1).normal(size=(30, 60)))
    Spectrum('', 30 eigenvalues from 0.107 to 2.84, n=60, gamma=0.5)
    >>> as_spectrum("model.safetensors")
    Traceback (most recent call last):
    htmp_bayes._arguments.ArgumentError: fit takes one spectrum, not a path: read_spectra(path) reads a list of them.
    """
    if isinstance(given, Spectrum):
        return given
    if remedy := _instead_of_a_spectrum(given, function):
        raise ArgumentError(f"{function} takes one spectrum, not {described(given)}: {remedy}.")
    dimensions = np.ndim(given)
    if dimensions > 1:
        if n is not None:
            raise ArgumentError("A matrix says itself how long its longer side is; leave n out.")
        return Spectrum.from_matrix(tensors(given)[0].load() if is_tensor(given) else given)
    if n is None:
        raise ArgumentError(
            f"An array of eigenvalues needs n, the longer side of the matrix: {function}(eigenvalues, n=...)."
        )
    return Spectrum(np.asarray(given), n)


def _instead_of_a_spectrum(given: Any, function: str) -> str:
    if isinstance(given, str | os.PathLike):
        return "read_spectra(path) reads a list of them"
    if is_result(given):
        return "pass what was fitted, and look at the result by check or plot_spectrum"
    if isinstance(given, Mapping) or is_module(given):
        return "read_spectra takes it and makes a list of them"
    if is_array(given):
        return ""
    if not isinstance(given, Iterable):
        return "make one by read_spectra or Spectrum.from_matrix"
    if isinstance(given, Sequence) and not all(isinstance(value, int | float | np.number) for value in given):
        several = "fit_network pools several" if function == "fit" else "take one of them"
        return f"{several}, and [{function}(s) for s in spectra] takes each by itself"
    return ""


def as_spectra(given: Any, function: str) -> list[Spectrum]:
    """Make a list of what a function for several spectra is given.

    Examples
    --------
    >>> as_spectra([np.eye(30)], "save_spectra")
    Traceback (most recent call last):
    htmp_bayes._arguments.ArgumentError: save_spectra takes a list of spectra, not a list with an array of shape
    (30, 30): make one of each matrix by Spectrum.from_matrix(W, name=...).
    """
    wanted = f"{function} takes a list of spectra, not"
    if isinstance(given, Spectrum):
        raise ArgumentError(f"{wanted} one alone: pass [spectrum].")
    if is_result(given):
        raise ArgumentError(f"{wanted} a result: pass what was fitted.")
    if isinstance(given, str | os.PathLike | Mapping) or is_array(given) or not isinstance(given, Iterable):
        raise ArgumentError(f"{wanted} {described(given)}: read_spectra makes one.")
    spectra = list(given)
    for each in spectra:
        if not isinstance(each, Spectrum):
            raise ArgumentError(
                f"{wanted} a list with {described(each)}: make one of each matrix by "
                "Spectrum.from_matrix(W, name=...)."
            )
    return spectra


def check_result(given: Any) -> None:
    """Raise ArgumentError, if what was given is no result.

    Examples
    --------
    >>> check_result("run/layer.0/posterior.nc")
    Traceback (most recent call last):
    htmp_bayes._arguments.ArgumentError: A result of fit is wanted, not a path: read_run reads those of a run, and
    xarray.open_datatree one file.
    """
    if is_result(given):
        return
    remedy = "pass what fit or fit_network returned"
    if isinstance(given, Spectrum) or is_array(given):
        remedy = "fit it first, and pass what fit returns"
    elif isinstance(given, str | os.PathLike):
        remedy = "read_run reads those of a run, and xarray.open_datatree one file"
    elif isinstance(given, Iterable):
        remedy = "pass one of them"
    raise ArgumentError(f"A result of fit is wanted, not {described(given)}: {remedy}.")


def as_results(given: Any) -> "list[tuple[str | None, xr.DataTree]]":
    """List results and the names that a mapping gives them, of one result, a sequence or a mapping.

    Examples
    --------
    >>> as_results([])
    []
    """
    if is_result(given):
        return [(None, given)]
    if isinstance(given, Spectrum | str | os.PathLike) or not isinstance(given, Iterable):
        check_result(given)
    pairs: list[tuple[str | None, Any]] = (
        list(given.items()) if isinstance(given, Mapping) else [(None, each) for each in given]
    )
    for _, each in pairs:
        check_result(each)
    return pairs


def is_result(given: Any) -> bool:
    """Whether something is a result, or has the form of one."""
    import xarray as xr

    return isinstance(given, xr.DataTree)


def described(given: Any) -> str:
    """Name what was given in a few words.

    Examples
    --------
    >>> described("a.npz"), described({}), described([1.0]), described(None), described(np.eye(2))
    ('a path', 'a dictionary', 'a list', 'None', 'an array of shape (2, 2)')
    """
    if given is None:
        return "None"
    if isinstance(given, str | os.PathLike):
        return "a path"
    if is_result(given):
        return "a result"
    if isinstance(given, Mapping):
        return "a dictionary"
    if is_array(given):
        return f"an array of shape {tuple(np.shape(given))}"
    name = type(given).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
