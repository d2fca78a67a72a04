"""`htmp-bayes fit`: one layer after the other, each written as soon as it is finished."""

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from htmp_bayes._errors import HTMPError
from htmp_bayes.cli.run_folder import SUMMARY, RunFolder
from htmp_bayes.cli.terminal import progress
from htmp_bayes.spectra import Spectrum, read_spectra

if TYPE_CHECKING:
    import xarray as xr


def fit_files(
    files: Sequence[Path], include: str | None, exclude: str | None, run: RunFolder, quiet: bool
) -> None:
    """Fit every layer of the files that the run does not hold yet.

    Parameters
    ----------
    files : sequence of pathlib.Path
        Checkpoints, collections, folders.
    include, exclude : str or None
        Patterns for the names of the layers.
    run : RunFolder
        Where the results go.
    quiet : bool
        Show no progress.

    Raises
    ------
    HTMPError
        A ValueError, if a file, a layer or the folder for the results cannot be used.
    """
    with progress("reading", quiet) as advance:
        spectra = read_spectra(list(files), include, exclude, progress=advance)
    _check_layers(spectra)
    missing = [s for s in spectra if not run.holds(s.name, s.eigenvalues.tobytes())]
    run.begin()
    with progress("fitting", quiet) as advance:
        for done, spectrum in enumerate(missing):
            advance(done, len(missing), spectrum.name)
            _fit_layer(spectrum, run)


def _check_layers(spectra: Sequence[Spectrum]) -> None:
    """Find before the first fit what would stop the run at a later layer."""
    from htmp_bayes.laws.htmp import GAMMA_RANGE

    name, count = Counter(spectrum.name for spectrum in spectra).most_common(1)[0]
    if count > 1:
        raise HTMPError(
            f"{count} spectra have the name {name!r}; rename them, results are told apart by name."
        )
    for spectrum in spectra:
        if spectrum.gamma < GAMMA_RANGE[0]:
            raise HTMPError(
                f"{spectrum.name}: the aspect ratio {spectrum.gamma:.2g} is below {GAMMA_RANGE[0]}, where "
                "the law is not available; leave it out with --exclude."
            )


def _fit_layer(spectrum: Spectrum, run: RunFolder) -> None:
    from htmp_bayes.checks import check
    from htmp_bayes.cli.summary import as_csv, summary_row
    from htmp_bayes.fitting import fit

    settings = {name: value for name, value in run.settings.items() if name != "seed"}
    with _heeding_interrupts():
        result = fit(spectrum, random_seed=run.seed_of(spectrum.name), **settings)
    row = summary_row(result, check(result))
    _save(result, run.folder_of(spectrum.name), run)
    run.add(spectrum.name, spectrum.eigenvalues.tobytes(), row)
    run.write(SUMMARY, lambda path: path.write_text(as_csv(run.rows), encoding="utf-8"))


def _save(result: "xr.DataTree", folder: Path, run: RunFolder) -> None:
    from htmp_bayes.plots import plot_spectrum

    run.write(f"{folder.name}/posterior.nc", result.to_netcdf)
    run.write(f"{folder.name}/spectrum.png", plot_spectrum(result).savefig)


@contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the block for certain: nutpie takes it as a wish for the draws that it has so far."""
    seen: list[int] = []

    def note(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            raise KeyboardInterrupt
