"""The commands, their options and their exit codes."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htmp_bayes._errors import HTMPError
from htmp_bayes.cli.options import (
    Adapters,
    AsJson,
    Command,
    Exclude,
    Files,
    Fused,
    Heads,
    Include,
    LogLevel,
    LongerSide,
    MaxSize,
    MinSize,
    Population,
    Positions,
    Quiet,
    Spikes,
    Strict,
    Types,
    Wide,
)
from htmp_bayes.cli.terminal import progress, say, show, tell

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from htmp_bayes.cli.run_folder import RunFolder

FAILED_CHECK, WRONG_INPUT, UNFORESEEN, INTERRUPTED = 1, 2, 70, 130
app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Bayesian inference of heavy-tailed spectral laws from the weights of neural networks.",
    epilog="Exit codes: 0 success; 1 a posterior fails the check; 2 wrong input; 70 an error "
    "that nobody foresaw, which is worth a report; 130 interrupted.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from htmp_bayes._versions import __version__

        typer.echo(f"htmp-bayes {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    log: Annotated[
        LogLevel | None,
        typer.Option(help="Show log messages from this level up, on standard error.", show_default=False),
    ] = None,
) -> None:
    if log:
        logging.basicConfig(level=log.upper(), format="%(levelname)s %(name)s: %(message)s")


@app.command(cls=Command)
def spectra(
    files: Files,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The collection to write, with suffix .nc.", show_default=False),
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Say what would be read, and why the rest is not; write nothing.")
    ] = False,
    include: Include = None,
    exclude: Exclude = None,
    min_size: MinSize = None,
    max_size: MaxSize = None,
    types: Types = None,
    heads: Heads = None,
    positions: Positions = False,
    fused: Fused = False,
    n: LongerSide = None,
    adapters: Adapters = False,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compute the spectra of weight matrices and save them in one file."""
    from htmp_bayes.cli import listing
    from htmp_bayes.spectra import list_matrices, read_spectra, save_spectra

    files = _paths(files)
    choice = _choice(
        include, exclude, min_size, max_size, types, heads, positions, fused, n, adapters, strict
    )
    if list_only:
        found = list_matrices(files, **choice)
        _report(quiet, as_json, lambda: listing.listed_json(found), lambda _: listing.listed_table(found))
        return
    if out is None:
        raise HTMPError("Missing option '--out'; give the collection to write, or --list to write none.")
    with progress("reading", quiet) as advance:
        read = read_spectra(files, progress=advance, **choice)
    save_spectra(read, out, {"files": list(map(str, files)), **choice})
    _report(quiet, as_json, lambda: listing.spectra_json(read), lambda _: listing.spectra_table(read))


@app.command(cls=Command)
def fit(
    files: Files,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder for the results.", show_default=False)
    ],
    include: Include = None,
    exclude: Exclude = None,
    min_size: MinSize = None,
    max_size: MaxSize = None,
    types: Types = None,
    heads: Heads = None,
    positions: Positions = False,
    fused: Fused = False,
    n: LongerSide = None,
    adapters: Adapters = False,
    strict: Strict = False,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Same seed, same results; else it is drawn.", show_default=False
        ),
    ] = None,
    population: Annotated[
        Population | None,
        typer.Option(
            help="Law of the population: inferred itself ('free') by default, and 'inverse-gamma' with "
            "--spikes auto.",
            show_default=False,
        ),
    ] = None,
    spikes: Annotated[
        Spikes, typer.Option(help="Set eigenvalues far above the bulk apart, and infer how many there are.")
    ] = Spikes.OFF,
    draws: Annotated[int, typer.Option(min=1, metavar="N", help="Draws of each chain.")] = 1000,
    tune: Annotated[int, typer.Option(min=1, metavar="N", help="Tuning steps of each chain.")] = 1000,
    chains: Annotated[int, typer.Option(min=1, metavar="N", help="Number of chains.")] = 4,
    jobs: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Layers that are fitted at a time, each in a process of its own."
        ),
    ] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Fit on the Dask cluster of this scheduler instead.", show_default=False
        ),
    ] = None,
    pool: Annotated[
        bool, typer.Option("--pool", help="Pool all layers; each file is a model of its own.")
    ] = False,
    runs: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="What tells training runs apart, as 'seed(?P<run>\\d+)'.",
            show_default=False,
        ),
    ] = None,
    wide: Wide = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fit the law to each layer: posterior, picture and a summary of all.

    Writes OUT/<layer>/posterior.nc (a DataTree that ArviZ works on), OUT/<layer>/spectrum.png,
    OUT/summary.csv and OUT/run.json. If a run is interrupted or killed, the same command
    goes on with the layers that are missing, to the same results.

    With --pool all layers are then pooled over kind, depth and model: OUT/network.nc, pictures, and the tables that
    htmp-bayes compare prints. With --runs, a regular expression, files
    or layers whose names differ in its group named run alone are training runs of one model.

    The table has the layers, what is said of draws and law, and three parameters with 90 % intervals; OUT/summary.csv
    and --wide have all. Why a layer is not usable, does not fit or wants care is said on standard error.

    Exit codes: 0 every posterior of the run is usable; 1 all is written, but one of them is not, for
    reasons given on standard error; 2 wrong input or usage, or a place that cannot be written, in one
    sentence on standard error; 130 interrupted.
    """
    from htmp_bayes.cli.fit_run import fit_files
    from htmp_bayes.cli.run_folder import RunFolder
    from htmp_bayes.cli.summary import as_table, why

    files = _paths(files)
    choice = _choice(
        include, exclude, min_size, max_size, types, heads, positions, fused, n, adapters, strict
    )
    population = population or _default_population(spikes)
    settings = {"population": str(population), "draws": draws, "tune": tune, "chains": chains, "seed": seed}
    if pool:
        from htmp_bayes.cli.pooled_run import pool_files

        if spikes != Spikes.OFF:
            raise HTMPError("--pool does not separate spikes: leave --spikes out, or --pool.")
        run = RunFolder(out, settings, sys.argv)
        with _resumable(run):
            pooled = pool_files(files, choice, run, quiet, jobs, dask, runs)
        _show_network(out, pooled, quiet, as_json)
        return
    if runs is not None:
        raise HTMPError("--runs says which layers are fitted together as runs of one model: add --pool.")
    if spikes != Spikes.OFF:
        settings |= {"spikes": str(spikes)}
    run = RunFolder(out, settings, sys.argv)
    with _resumable(run):
        fit_files(files, choice, run, quiet, jobs, dask)
    _report(quiet, as_json, run.as_json, lambda columns: as_table(run.rows, columns, wide))
    unusable = [row for row in run.rows if not row["usable"]]
    for line in why(unusable if quiet else run.rows):
        say(line)
    if unusable:
        raise typer.Exit(FAILED_CHECK)


@contextmanager
def _resumable(run: "RunFolder") -> Iterator[None]:
    """Say how a run that is interrupted goes on."""
    try:
        yield
    except KeyboardInterrupt:
        say(
            f"Interrupted; layers finished in {run.path}: {len(run.layers)}; the same command goes on from there."
        )
        raise typer.Exit(INTERRUPTED) from None


def _default_population(spikes: Spikes) -> Population:
    """Open, but where a law of one parameter is called for."""
    return Population.INVERSE_GAMMA if spikes != Spikes.OFF else Population.FREE


@app.command(cls=Command)
def compare(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run of fit --pool.", show_default=False)
    ],
    layer: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Compare this layer with all others.", show_default=False),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare the models, or the layers, of a pooled fit: ratios of the parameters and what speaks for them.

    Prints parameters of each layer with 90 % intervals, and the contrasts of all pairs of models, or of LAYER with all
    other layers: 90 % intervals, the probability that the first is smaller, and the probability that the two are within
    10 %. Writes RUN/compare_models.csv (several models), RUN/compare_layers.csv, and the pictures RUN/layers.png
    (intervals), RUN/ridge.png (posteriors of the correlation), RUN/depth.png (the correlation against depth),
    RUN/map.png (kappa and correlation) and, of runs, RUN/runs.png (what another run would give).

    Exit codes: 0 success; 1 the posterior fails a check, for reasons on standard error; 2 wrong input.
    """
    from htmp_bayes.cli.pooled_run import open_network

    _show_network(run, open_network(run), quiet, as_json, layer)


def _show_network(
    out: Path, result: "xr.DataTree", quiet: bool, as_json: bool, layer: str | None = None
) -> None:
    from htmp_bayes.checks import check
    from htmp_bayes.cli.pooled_run import contrast_table, contrasts_json, layer_table, write_comparison

    table, reasons = write_comparison(out, result, layer), check(result).reasons
    if not (quiet or as_json):
        show(lambda _: layer_table(result))
    _report(quiet, as_json, lambda: contrasts_json(table, result, reasons), lambda _: contrast_table(table))
    for reason in reasons:
        say(f"{out}: {reason}")
    if reasons:
        raise typer.Exit(FAILED_CHECK)


def _paths(files: list[Path]) -> list[Path]:
    """Put the paths of examples in place of their names."""
    from htmp_bayes.examples import path_of_example

    names = [str(file).partition("example:") for file in files]
    return [
        file if before or not colon else path_of_example(name)
        for file, (before, colon, name) in zip(files, names, strict=True)
    ]


def _choice(
    include: str | None,
    exclude: str | None,
    min_size: int | None,
    max_size: int | None,
    types: list[str] | None,
    heads: str | None,
    positions: bool,
    fused: bool,
    n: int | None,
    adapters: bool,
    strict: bool,
) -> dict[str, Any]:
    """Turn the options that say what to read into arguments of `htmp_bayes.read_spectra`."""
    return {
        "include": include,
        "exclude": exclude,
        "min_size": min_size,
        "max_size": max_size,
        "types": types or None,
        "heads": int(heads) if heads is not None and heads.isdecimal() else heads,
        "convolutions": "positions" if positions else "flattened",
        "split_fused": not fused,
        "n": n,
        "adapters": adapters,
        "strict": strict,
    }


def _report(
    quiet: bool,
    as_json: bool,
    make_json: Callable[[], object],
    make_table: Callable[[int], "Table"],
) -> None:
    if as_json:
        tell(json.dumps(make_json(), indent=1))
    elif not quiet:
        show(make_table)


@app.command(cls=Command)
def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run of fit.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file to write; RUN/report.html if not given.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write what a run found as one HTML file that needs nothing else.

    The verdict comes first, then a table of the layers that sorts by any column, then each layer's pictures and
    diagnostics, and last the command, the seed and the versions.

    Exit codes: 0 it is written, whatever it says; 2 wrong input or usage, or a place that cannot be written, in
    one sentence on standard error; 130 interrupted.
    """
    from htmp_bayes.cli.report_run import report_run

    with progress("drawing", quiet) as advance:
        written = report_run(run, out, advance)
    if not quiet:
        tell(str(written))
