"""The commands, their options and their exit codes."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from htmp_bayes import __version__
from htmp_bayes._errors import HTMPError
from htmp_bayes.cli.terminal import printable, progress, show

FAILED_CHECK, WRONG_INPUT, INTERRUPTED = 1, 2, 130
# Usage errors are click's, of which typer carries a copy under a private name.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Bayesian inference of heavy-tailed spectral laws from the weights of neural networks.",
    epilog="Exit codes: 0 well; 1 a posterior fails the check; 2 wrong input; 130 interrupted.",
)

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        help="Checkpoints (.safetensors, .npz, .npy), saved collections (.nc), or folders of them.",
        show_default=False,
    ),
]
Include = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Only layers whose name has this in it.", show_default=False),
]
Exclude = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="No layers whose name has this in it.", show_default=False),
]
MinSize = Annotated[
    int | None,
    typer.Option(help="Least shorter side of a matrix; for checkpoints 50 if not given.", show_default=False),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no table.")]


class Population(StrEnum):
    """Laws of the population spectrum."""

    INVERSE_GAMMA = "inverse-gamma"
    LOG_NORMAL = "log-normal"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"htmp-bayes {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def spectra(
    files: Files,
    out: Annotated[Path, typer.Option(help="The collection to write, with suffix .nc.", show_default=False)],
    include: Include = None,
    exclude: Exclude = None,
    min_size: MinSize = None,
    quiet: Quiet = False,
) -> None:
    """Compute the spectra of weight matrices and save them in one file."""
    from htmp_bayes.cli.summary import spectra_table
    from htmp_bayes.spectra import read_spectra, save_spectra

    with progress("reading", quiet) as advance:
        read = read_spectra(files, include, exclude, min_size, progress=advance)
    save_spectra(read, out)
    if not quiet:
        show(lambda one_line: spectra_table(read))


@app.command()
def fit(
    files: Files,
    out: Annotated[Path, typer.Option(help="The folder for the results.", show_default=False)],
    include: Include = None,
    exclude: Exclude = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Same seed, same results; else it is drawn.", show_default=False),
    ] = None,
    population: Annotated[Population, typer.Option(help="Law of the population.")] = Population.INVERSE_GAMMA,
    draws: Annotated[int, typer.Option(min=1, help="Draws of each chain.")] = 1000,
    tune: Annotated[int, typer.Option(min=1, help="Tuning steps of each chain.")] = 1000,
    chains: Annotated[int, typer.Option(min=1, help="Chains.")] = 4,
    quiet: Quiet = False,
) -> None:
    """Fit the law to each layer: posterior, picture and a summary of all.

    Writes OUT/<layer>/posterior.nc (a DataTree that ArviZ works on), OUT/<layer>/spectrum.png,
    OUT/summary.csv and OUT/run.json. If a run is interrupted, the same command
    goes on with the layers that are missing.

    Exit codes: 0 every posterior of the run passes the check; 1 all is written, but one of them fails it, for
    reasons given on standard error; 2 wrong input or usage, or a place that cannot be written, in one
    sentence on standard error; 130 interrupted.
    """
    from htmp_bayes.cli.fit_run import fit_files
    from htmp_bayes.cli.run_folder import RunFolder
    from htmp_bayes.cli.summary import as_table

    settings = {"population": str(population), "draws": draws, "tune": tune, "chains": chains, "seed": seed}
    run = RunFolder(out, settings, sys.argv)
    try:
        fit_files(files, include, exclude, run, quiet)
    except KeyboardInterrupt:
        _say(
            f"Interrupted; layers finished in {out}: {len(run.layers)}; the same command goes on from there."
        )
        raise typer.Exit(INTERRUPTED) from None
    if not quiet:
        show(lambda one_line: as_table(run.rows, one_line))
    unusable = [row for row in run.rows if not row["usable"]]
    for row in unusable:
        _say(f"{row['layer']}: {row['reasons']}")
    if unusable:
        raise typer.Exit(FAILED_CHECK)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments; by default those that the program was called with.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return app(args, prog_name="htmp-bayes", standalone_mode=False) or 0
    except HTMPError as error:
        _say(str(error))
    except _USAGE_ERROR as error:
        _say(f"{_in_words(error)}; see htmp-bayes --help.")
    except typer.Abort:
        _say("Interrupted.")
        return INTERRUPTED
    return WRONG_INPUT


def _in_words(error: Exception) -> str:
    words = getattr(error, "format_message", error.__str__)()
    return " ".join(words.split()).rstrip(".")


def _say(sentence: str) -> None:
    typer.echo(printable(sentence), err=True)
