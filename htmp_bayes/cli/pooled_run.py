"""`htmp-bayes fit --pool` and `htmp-bayes compare`: layers fitted together, their parameters and contrasts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmp_bayes._cells import as_cell
from htmp_bayes._errors import HTMPError, reason
from htmp_bayes._files import replacing
from htmp_bayes._numbers import interval
from htmp_bayes._results import as_netcdf, group, opened_result
from htmp_bayes._versions import __version__
from htmp_bayes.cli.fit_run import check_layers, fit_missing
from htmp_bayes.cli.run_folder import POSTERIOR, RunFolder
from htmp_bayes.cli.summary import HEADINGS, SHOWN
from htmp_bayes.cli.terminal import printable, progress, say
from htmp_bayes.layer_names import common_prefix
from htmp_bayes.network_steps import at_step
from htmp_bayes.spectra import Spectrum, read_spectra

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.table import Table

NETWORK = "network.nc"
MODELS, LAYERS = "compare_models.csv", "compare_layers.csv"


def pool_files(
    files: Sequence[Path],
    choice: Mapping[str, Any],
    run: RunFolder,
    quiet: bool,
    jobs: int = 1,
    dask: str | None = None,
    runs: str | None = None,
) -> "xr.DataTree":
    """Fit each layer of the files by itself, unless the run holds it, and then all together, each file as a model.

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
    jobs, dask
        As for :func:`~htmp_bayes.cli.fit_run.fit_files`.
    runs : str, optional
        Regular expression that tells training runs apart, as for `htmp_bayes.fit_network`.

    Raises
    ------
    HTMPError
        A ValueError, if a file, a layer or the folder for the results cannot be used.
    """
    from htmp_bayes.network import fit_network
    from htmp_bayes.network_layers import gather, renamed

    models = _models(files, choice, quiet)
    pooled = models if len(models) > 1 else next(iter(models.values()))
    layers = gather(pooled, runs=runs, population=run.settings["population"])
    own = [renamed(layer.spectrum, layer.given_name) for layer in layers]
    check_layers(own, run.settings["population"])
    inputs = {spectrum.name: spectrum.digest for spectrum in own}
    made_of = hashlib.sha256(json.dumps([sorted(inputs.items()), runs]).encode()).hexdigest()
    with run.writing(inputs):
        fit_missing(own, run, quiet, jobs, dask)
        if NETWORK in run.files and not run.lost:
            if trouble := run.trouble_with(NETWORK):
                say(f"{run.path}: {trouble}; the layers are pooled again.")
            elif (result := open_network(run.path)).attrs.get("made_of") == made_of:
                return result
        settings = {name: value for name, value in run.settings.items() if name != "seed"}
        fits = {name: _own_fit(run, name) for name in inputs}
        with progress("pooling", quiet) as advance:
            result = fit_network(
                pooled, random_seed=run.settings["seed"], runs=runs, fits=fits, progress=advance, **settings
            )
        result.attrs["made_of"] = made_of
        run.write(NETWORK, as_netcdf(result))
        run.save_record()
    return result


def _own_fit(run: RunFolder, layer: str) -> "xr.DataTree":
    with opened_result(run.folder_of(layer) / POSTERIOR) as tree:
        return tree.drop_nodes("posterior_predictive", errors="ignore").load()


def _models(files: Sequence[Path], choice: Mapping[str, Any], quiet: bool) -> dict[str, list[Spectrum]]:
    names = [file.stem if file.suffix else file.name for file in files]
    if len(set(names)) < len(names):
        raise HTMPError("Two of the files have the same name; models are told apart by it, so rename one.")
    with progress("reading", quiet) as advance:
        return {
            name: read_spectra([file], progress=advance, **choice)
            for name, file in zip(names, files, strict=True)
        }


def open_network(folder: Path) -> "xr.DataTree":
    """Read the result of a pooled fit from the folder of its run."""
    path = folder / NETWORK
    if not path.is_file():
        raise HTMPError(f"{folder} holds no pooled fit ({NETWORK}); make one by htmp-bayes fit --pool.")
    with opened_result(path) as tree:
        try:
            return tree.load()
        except (OSError, ValueError, RuntimeError) as error:
            raise HTMPError(
                f"{path} cannot be read ({reason(error)}); fit anew with another --out."
            ) from error


def write_comparison(folder: Path, result: "xr.DataTree", layer: str | None = None) -> "pd.DataFrame":
    """Write the contrasts and the pictures of the layers; what is to be shown of them.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the run.
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned.
    layer : str, optional
        Show the contrasts of this layer with all others; by default those of the models, or of the first
        layer if there is one model.
    """
    from htmp_bayes.comparison.contrasts import compare_layers, compare_models
    from htmp_bayes.drawing.picture import hidden
    from htmp_bayes.plots import plot_depth, plot_kappa_correlation, plot_layers, plot_ridge, plot_runs

    layers = result["posterior"].coords["layer"].to_numpy()
    shown = compare_layers(result, layer or str(layers[0]))
    tables = {LAYERS: compare_layers(result)}
    if result["posterior"].sizes["model"] > 1:
        tables[MODELS] = compare_models(result)
        shown = tables[MODELS] if layer is None else shown
    made_by = {"seed": result.attrs.get("random_seed"), "htmp_bayes": result.attrs.get("htmp_bayes_version")}
    in_pictures = {
        "Software": f"htmp-bayes {made_by['htmp_bayes']}",
        "Description": f"seed {made_by['seed']}",
    }
    try:
        for name, table in tables.items():
            with replacing(folder / name) as temporary:
                names = {side: table[side].map(as_cell) for side in ("first", "second")}
                table.assign(**names, **made_by).to_csv(temporary, index=False)
        with hidden():
            pictures = {
                "layers": plot_layers(result, ("dyson_index", "correlation")),
                "ridge": plot_ridge(result, "correlation"),
                "depth": plot_depth(result, "correlation"),
                "map": plot_kappa_correlation(result),
            }
            if result.attrs.get("runs"):
                pictures["runs"] = plot_runs(result, "correlation")
        for name, picture in pictures.items():
            with replacing(folder / f"{name}.png") as temporary:
                picture.savefig(temporary, metadata=in_pictures)
    except OSError as error:
        raise HTMPError(f"{folder} cannot be written ({reason(error)}).") from error
    return shown


def contrasts_json(
    contrasts: "pd.DataFrame", result: "xr.DataTree", reasons: Sequence[str]
) -> dict[str, Any]:
    """Contrasts, versions, seed and what speaks against the posterior, as JSON can hold them."""
    made_by = {
        str(key): value
        for key, value in sorted(result.attrs.items())
        if key == "random_seed" or str(key).endswith("_version")
    }
    # by way of pandas, which knows NumPy's numbers and writes null for what is unknown
    rows = json.loads(contrasts.to_json(orient="records", double_precision=15))
    seed = made_by.pop("random_seed", None)
    return {
        "htmp_bayes": __version__,
        "versions": {key.removesuffix("_version").replace("_", "-"): value for key, value in made_by.items()},
        "seed": None if seed is None else int(seed),
        "question": contrasts.attrs.get("question"),
        "usable": not reasons,
        "reasons": list(reasons),
        "layers": layer_rows(result),
        "contrasts": rows,
    }


def layer_rows(result: "xr.DataTree") -> list[dict[str, Any]]:
    """Medians and ends of the 90 % intervals of each layer, at the last step of training."""
    posterior = at_step(group(result, "posterior"))
    names = [name for name in HEADINGS if name in posterior and "layer" in posterior[name].dims]
    quantiles = posterior[names].quantile([0.05, 0.5, 0.95], ("chain", "draw"))
    rows = []
    for layer in quantiles["layer"].to_numpy():
        row: dict[str, Any] = {"layer": str(layer)}
        for name in names:
            low, median, high = quantiles[name].sel(layer=layer).to_numpy().tolist()
            row |= {f"{name}_median": median, f"{name}_q5": low, f"{name}_q95": high}
        rows.append(row)
    return rows


def layer_table(result: "xr.DataTree") -> "Table":
    """Table of the layers: medians and 90 % intervals of the parameters that a terminal has room for."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = layer_rows(result)
    prefix = common_prefix([row["layer"] for row in rows])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("layer", overflow="fold", min_width=8)
    shown = [name for name in SHOWN if f"{name}_median" in rows[0]]
    for name in shown:
        table.add_column(HEADINGS[name], justify="right", no_wrap=True)
    for row in rows:
        cells = (interval(*(row[f"{name}_{end}"] for end in ("median", "q5", "q95"))) for name in shown)
        table.add_row(Text(printable(row["layer"].removeprefix(prefix))), *map(Text, cells))
    return table


def contrast_table(contrasts: "pd.DataFrame") -> "Table":
    """Table of contrasts: medians, 90 % intervals and probabilities; names without what all begin with."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    prefix = common_prefix([*contrasts["first"], *contrasts["second"]])
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True,
        caption=contrasts.attrs.get("question"), caption_justify="left",
    )  # fmt: skip
    for heading in ("first", "second"):
        table.add_column(heading, overflow="fold", min_width=8)
    table.add_column("parameter", no_wrap=True)
    for heading in ("ratio [90 %]", "P(first\n< second)", "P(within\n10 %)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in contrasts.itertuples():
        names = (Text(printable(name.removeprefix(prefix))) for name in (row.first, row.second))
        ratio = Text(interval(row.median, row.q5, row.q95))
        parameter = HEADINGS.get(row.parameter, row.parameter)
        table.add_row(*names, parameter, ratio, f"{row.p_less:.3f}", f"{row.p_rope:.3f}")
    return table
