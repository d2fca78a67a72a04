"""Spectra that ship with the package: `load_example`."""

from pathlib import Path
from typing import TYPE_CHECKING

from htmp_bayes._errors import HTMPError

if TYPE_CHECKING:
    from htmp_bayes.spectra import Spectrum

_HERE = Path(__file__).parent

EXAMPLES = {
    "minilm": "the 37 dense layers of the sentence-embedding transformer all-MiniLM-L6-v2",
    "training": "a small network at initialisation and after training with several batch sizes and seeds",
}


def path_of_example(name: str) -> Path:
    """Path of the collection with an example's spectra.

    Raises
    ------
    HTMPError
        A ValueError, if there is no example of that name.

    Examples
    --------
    >>> path_of_example("minilm").name
    'minilm.nc'
    """
    if name not in EXAMPLES:
        raise HTMPError(f"There is no example {name!r}; there are {' and '.join(EXAMPLES)}.")
    return _HERE / f"{name}.nc"


def load_example(name: str = "minilm", include: str | None = None) -> "list[Spectrum]":
    """Load spectra that ship with the package.

    Parameters
    ----------
    name : {"minilm", "training"}
        ``"minilm"``: the 37 dense layers of the sentence-embedding transformer all-MiniLM-L6-v2. ``"training"``: a
        small network at initialisation and after training with several batch sizes and seeds. Where they come from is
        said in ``data/README.md`` of the repository.
    include : str, optional
        Regular expression: only layers in whose name it is found.

    Returns
    -------
    list of Spectrum
        As from `htmp_bayes.read_spectra`.

    Raises
    ------
    HTMPError
        A ValueError, if there is no example of that name.

    Examples
    --------
    >>> load_example("minilm", include="layer.0.output")
    [Spectrum('layer.0.output.dense', 384 eigenvalues from 3.72e-05 to 0.0417, n=1536, gamma=0.25)]
    """
    from htmp_bayes.spectra import read_spectra

    return read_spectra(path_of_example(name), include=include)
