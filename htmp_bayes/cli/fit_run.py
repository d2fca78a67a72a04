"""`htmp-bayes fit`: the layers of the files, each written as soon as it is finished."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from htmp_bayes._errors import HTMPError
from htmp_bayes._settings import check_gamma
from htmp_bayes.cli.layer_jobs import Job, fit_all
from htmp_bayes.cli.run_folder import RunFolder
from htmp_bayes.cli.terminal import progress, say
from htmp_bayes.spectra import Spectrum, read_spectra


def fit_files(
    files: Sequence[Path],
    choice: Mapping[str, Any],
    run: RunFolder,
    quiet: bool,
    jobs: int = 1,
    dask: str | None = None,
) -> None:
    """Fit every layer of the files that the run does not hold yet.

    Parameters
    ----------
    files : sequence of pathlib.Path
        Checkpoints, collections, folders.
    choice : mapping
        What of them to read: the further arguments of `htmp_bayes.read_spectra`.
    run : RunFolder
        Where the results go.
    quiet : bool
        Show no progress.
    jobs : int
        Layers that are fitted at a time, each in a process of its own.
    dask : str, optional
        Address of a Dask cluster that fits them instead.

    Raises
    ------
    HTMPError
        A ValueError, if a file, a layer or the folder for the results cannot be used.
    """
    with progress("reading", quiet) as advance:
        spectra = read_spectra(list(files), progress=advance, **choice)
    check_layers(spectra, run.settings["population"])
    with run.writing({spectrum.name: spectrum.digest for spectrum in spectra}):
        fit_missing(spectra, run, quiet, jobs, dask)


def fit_missing(
    spectra: Sequence[Spectrum], run: RunFolder, quiet: bool, jobs: int = 1, dask: str | None = None
) -> None:
    """Fit the spectra that the run, which is being written to, does not hold yet."""
    for name, trouble in run.lost.items():
        say(f"{name}: {trouble}; the layer is fitted again.")
    settings = {name: value for name, value in run.settings.items() if name != "seed"}
    missing = [Job(s, run.seed_of(s.name), settings) for s in spectra if s.name not in run.layers]
    with progress("fitting", quiet) as advance:
        advance(0, len(missing), "")
        with closing(fit_all(missing, jobs, dask)) as fits:
            for done, fitted in enumerate(fits, start=1):
                run.add(fitted.name, fitted.row, fitted.posterior, fitted.picture)
                advance(done, len(missing), fitted.name)


def check_layers(spectra: Sequence[Spectrum], population: str) -> None:
    """Find before the first fit what would stop the run at a later layer."""
    name, count = Counter(spectrum.name for spectrum in spectra).most_common(1)[0]
    if count > 1:
        raise HTMPError(
            f"{count} spectra have the name {name!r}; rename them, results are told apart by name."
        )
    for spectrum in spectra:
        check_gamma(spectrum, population)
