"""What `fit_network` returns, put together: the groups of a DataTree."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from htmp_bayes.network_layers import Layer

if TYPE_CHECKING:
    from htmp_bayes.models.network_design import Design
    from htmp_bayes.models.network_draws import LayersDrawn

_POPULATION = (
    "typical",
    "kind_effect",
    "model_effect",
    "depth_trend",
    "kind_spread",
    "model_spread",
    "layer_spread",
    "model_layer_spread",
    "run_spread",
    "step_trend",
    "step_spread",
    "trend_spread",
)


def network_result(
    layers: list[Layer], design: "Design", tree: xr.DataTree, drawn: "LayersDrawn", settings: dict[str, Any]
) -> xr.DataTree:
    """Put together what :func:`htmp_bayes.fit_network` documents.

    Parameters
    ----------
    layers : list of Layer
        The spectra and where they belong.
    design : Design
        The same in numbers.
    tree : xarray.DataTree
        Draws of the hyperparameters, and the sampler's statistics.
    drawn : LayersDrawn
        Draws of the layers.
    settings : dict
        Attributes.
    """
    from htmp_bayes.results.fit_result import package_versions, sample_stats

    first = {layer.label: layer for layer in reversed(layers)}
    names = list(dict.fromkeys(layer.label for layer in layers))
    coords: dict[str, Any] = {"layer": names, "model": list(design.models), "kind": list(design.kinds)}
    if design.steps:
        whole = all(step == int(step) for step in design.steps)
        coords["step"] = [int(s) if whole else s for s in design.steps]
    sampled = _resampled(tree["posterior"].to_dataset(), drawn.kept).assign_coords(
        {name: coords[name] for name in ("model", "kind", "step") if name in coords}
    )
    by_layer = _in_coordinates(drawn.cells, coords, sampled)
    spectra = [layer.spectrum for layer in layers]
    gamma = xr.DataArray([first[name].spectrum.gamma for name in names], coords={"layer": names})
    size = xr.DataArray([len(first[name].spectrum) for name in names], coords={"layer": names})
    population = settings["population"]
    parameters = _named(by_layer, size, gamma, population)
    typical = _typical(by_layer, sampled, design)
    of_models = _named(typical, _geometric_mean(size), _geometric_mean(gamma), population)
    of_models = of_models.rename({name: f"model_{name}" for name in of_models.data_vars})
    of_all = sampled[[name for name in _POPULATION if name in sampled]]
    posterior, infinite = _without_infinite(xr.merge([parameters, of_models, of_all]))
    posterior.attrs = {"infinite": infinite}
    constant = {
        "n": ("spectrum", [s.n for s in spectra]),
        "gamma": ("spectrum", [s.gamma for s in spectra]),
        "zeros": ("spectrum", [s.zeros for s in spectra]),
        "dead": ("spectrum", [s.dead for s in spectra]),
        "n_eigenvalues": ("spectrum", [len(s) for s in spectra]),
        "spectrum_layer": ("spectrum", [layer.label for layer in layers]),
        **{
            f"layer_{name}": ("layer", [getattr(first[label], name) for label in names])
            for name in ("kind", "model", "depth")
        },
    }
    if design.runs:
        constant["spectrum_run"] = "spectrum", [str(layer.run) for layer in layers]
    if design.steps:
        constant["spectrum_step"] = "spectrum", [layer.step for layer in layers]
    eigenvalues = np.full((len(spectra), max(map(len, spectra))), np.nan)
    for row, spectrum in zip(eigenvalues, spectra, strict=True):
        row[: len(spectrum)] = spectrum.eigenvalues
    of_spectra = ("chain", "draw", "spectrum")
    result = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": sample_stats(tree["sample_stats"].to_dataset()),
            "log_likelihood": xr.Dataset(
                {"spectra": (of_spectra, drawn.log_likelihood)},
                {name: sampled.coords[name] for name in ("chain", "draw")},
            ),
            "observed_data": xr.Dataset({"eigenvalues": (("spectrum", "eigenvalue"), eigenvalues)}),
            "constant_data": xr.Dataset(constant, {"layer": names}),
        }
    )
    name = " and ".join(design.models) if len(design.models) > 1 else "network"
    result.attrs = {"name": name, "kind": "network", **settings, **drawn.attributes, **package_versions()}
    return result


def _resampled(posterior: xr.Dataset, kept: np.ndarray) -> xr.Dataset:
    """Draws that the correction kept, in the place of those that were sampled."""
    posterior = posterior.drop_attrs().drop_vars(["kind", "model", "step"], errors="ignore")
    taken = {}
    for name, values in posterior.data_vars.items():
        array = values.transpose("chain", "draw", ...).to_numpy()
        taken[name] = values.dims, array.reshape(-1, *array.shape[2:])[kept]
    return xr.Dataset(taken, posterior.coords)


def _in_coordinates(cells: np.ndarray, coords: dict[str, Any], sampled: xr.Dataset) -> xr.Dataset:
    """Pooled coordinates of the layers, named."""
    from htmp_bayes.models.network import PARAMETERS

    dims = ("chain", "draw", "layer", "step") if "step" in coords else ("chain", "draw", "layer")
    values = cells if "step" in coords else cells[..., 0, :]
    own = {name: sampled.coords[name] for name in ("chain", "draw")}
    own |= {name: coords[name] for name in ("layer", "step") if name in coords}
    return xr.Dataset({name: (dims, values[..., i]) for i, name in enumerate(PARAMETERS)}, own)


def _typical(by_layer: xr.Dataset, sampled: xr.Dataset, design: "Design") -> xr.Dataset:
    """Each model's mean over its layers, if all have the same; otherwise its typical layer's pooled coordinates."""
    from htmp_bayes.models.network import PARAMETERS

    if design.structure.paired and len(design.cells) == len(design.layers) * len(design.models):
        model = xr.DataArray([design.models[g] for _, g in design.cells], dims="layer", name="model")
        return (
            by_layer.assign_coords(model=model).groupby("model").mean("layer").sel(model=list(design.models))
        )
    typical = sampled["typical"]
    if "kind_effect" in sampled:
        layer, model = design.cells.T
        share = np.bincount(design.kind[layer, model], minlength=len(design.kinds)) / len(design.cells)
        typical = typical + (sampled["kind_effect"] * xr.DataArray(share, dims="kind")).sum("kind")
    if "model_effect" in sampled:
        typical = typical + sampled["model_effect"]
    else:
        typical = typical.expand_dims(model=list(design.models), axis=-1)
    if "step_trend" in sampled:
        typical = typical + sampled["step_trend"]
    elif design.steps:  # of one layer: its own walk is all there is
        typical = typical.expand_dims(step=by_layer["step"], axis=-1)
    return xr.Dataset({name: typical.sel(parameter=name, drop=True) for name in PARAMETERS})


def _geometric_mean(values: xr.DataArray) -> float:
    return float(np.exp(np.log(values).mean()))


def _named(pooled: xr.Dataset, size: Any, gamma: Any, population: str) -> xr.Dataset:
    """Compute the law's parameters at pooled coordinates."""
    from htmp_bayes.laws import HTMP
    from htmp_bayes.models.network import correlation_of

    scale, dyson_index = np.exp(pooled["log_scale"]), np.exp(pooled["log_dyson_index"])
    correlation = xr.apply_ufunc(correlation_of, pooled["logit_correlation"])
    # neither tail nor relative mean depends on kappa and the temperature
    law = HTMP(1.0, 0.5, 1.0, np.maximum(correlation.to_numpy(), 1e-6), population)
    named = {
        "kappa": dyson_index * size,
        "dyson_index": dyson_index,
        "temperature": scale * 2 * gamma / (dyson_index * size),
        "correlation": correlation,
        "scale": scale,
        "mean": scale * correlation.copy(data=law.mean()),
    }
    if population == "inverse-gamma":
        named["tail_index"] = correlation.copy(data=law.tail_index())
    order = [dim for dim in ("chain", "draw", "layer", "model", "step") if dim in correlation.dims]
    return xr.Dataset({name: value.transpose(*order) for name, value in named.items()})


def _without_infinite(posterior: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Leave out what is infinite in any draw, and name it."""
    infinite = [
        name
        for name in ("mean", "tail_index", "model_mean", "model_tail_index")
        if name in posterior and not np.isfinite(posterior[name]).all()
    ]
    return posterior.drop_vars(infinite), " ".join(infinite)
