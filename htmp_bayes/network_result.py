"""What `fit_network` returns, put together: the groups of a DataTree."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from htmp_bayes.network_layers import Layer

if TYPE_CHECKING:
    from htmp_bayes.models.network.design import Design
    from htmp_bayes.models.network.draws import LayersDrawn
    from htmp_bayes.models.network.quantities import Quantity

# Of each spectrum's own fit.
_QUANTILES = (0.05, 0.5, 0.95)
_HYPERPARAMETERS = (
    "typical",
    "kind_effect",
    "model_effect",
    "depth_trend",
    "kind_spread",
    "model_spread",
    "layer_spread",
    "model_layer_spread",
    "run_spread",
    "typical_run_spread",
    "step_trend",
    "step_spread",
    "trend_spread",
)


def network_result(
    layers: list[Layer],
    own: list[xr.DataTree],
    design: "Design",
    quantities: list["Quantity"],
    tree: xr.DataTree,
    drawn: "LayersDrawn",
    settings: dict[str, Any],
) -> xr.DataTree:
    """Put together what :func:`htmp_bayes.fit_network` documents.

    Parameters
    ----------
    layers : list of Layer
        The spectra and where they belong.
    own : list of xarray.DataTree
        Each spectrum's own fit.
    design : Design
        The same in numbers.
    quantities : list of Quantity
        What was pooled.
    tree : xarray.DataTree
        Draws of the hyperparameters, and the sampler's statistics.
    drawn : LayersDrawn
        Draws of the layers.
    settings : dict
        Attributes.
    """
    from htmp_bayes.results.fit_result import package_versions, sample_stats

    pooled = [quantity.name for quantity in quantities]
    names = list(dict.fromkeys(layer.label for layer in layers))
    coords: dict[str, Any] = {
        "layer": names, "model": list(design.models), "kind": list(design.kinds), "parameter": pooled,
    }  # fmt: skip
    if design.steps:
        whole = all(step == int(step) for step in design.steps)
        coords["step"] = [int(s) if whole else s for s in design.steps]
    sampled = _resampled(tree["posterior"].to_dataset(), drawn.kept).assign_coords(
        {name: coords[name] for name in ("model", "kind", "step", "parameter") if name in coords}
    )
    by_layer = _in_coordinates(drawn.cells, coords, sampled)
    typical = _typical(by_layer, sampled, design)
    first = {layer.label: layer.spectrum for layer in reversed(layers)}
    gamma = xr.DataArray([first[name].gamma for name in names], coords={"layer": names})
    size = xr.DataArray([len(first[name]) for name in names], coords={"layer": names})
    of_models = _named(typical, quantities, _geometric_mean(size), _geometric_mean(gamma))
    of_models = of_models.rename({name: f"model_{name}" for name in of_models.data_vars})
    of_all = sampled[[name for name in _HYPERPARAMETERS if name in sampled]]
    posterior = xr.merge([_named(by_layer, quantities, size, gamma), of_models, of_all])
    observed, constant = _known(layers, own, design, quantities)
    result = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": sample_stats(tree["sample_stats"].to_dataset()),
            "observed_data": observed,
            "constant_data": constant,
        }
    )
    name = " and ".join(design.models) if len(design.models) > 1 else "network"
    result.attrs = {"name": name, "kind": "network", **settings, **drawn.attributes, **package_versions()}
    return result


def _known(
    layers: list[Layer], own: list[xr.DataTree], design: "Design", quantities: list["Quantity"]
) -> tuple[xr.Dataset, xr.Dataset]:
    """Build the groups ``observed_data`` and ``constant_data``."""
    from htmp_bayes.checks import check

    first = {layer.label: layer for layer in reversed(layers)}
    names = list(dict.fromkeys(layer.label for layer in layers))
    spectra, verdicts = [layer.spectrum for layer in layers], [check(result) for result in own]
    constant: dict[str, Any] = {
        "n": ("spectrum", [s.n for s in spectra]),
        "gamma": ("spectrum", [s.gamma for s in spectra]),
        "zeros": ("spectrum", [s.zeros for s in spectra]),
        "dead": ("spectrum", [s.dead for s in spectra]),
        "n_eigenvalues": ("spectrum", [len(s) for s in spectra]),
        "spectrum_layer": ("spectrum", [layer.label for layer in layers]),
        "spectrum_r_hat": ("spectrum", [max(verdict.r_hat.values()) for verdict in verdicts]),
        "spectrum_ess": ("spectrum", [min(verdict.ess_bulk.values()) for verdict in verdicts]),
        "spectrum_fits": ("spectrum", [int(verdict.fits is not False) for verdict in verdicts]),
        **{
            f"layer_{name}": ("layer", [getattr(first[label], name) for label in names])
            for name in ("kind", "model", "depth")
        },
    }
    if design.runs:
        constant["spectrum_run"] = "spectrum", [str(layer.run) for layer in layers]
    if design.steps:
        constant["spectrum_step"] = "spectrum", [layer.step for layer in layers]
    constant["spectrum_interval"] = ("spectrum", "parameter", "quantile"), _intervals(own, quantities)
    eigenvalues = np.full((len(spectra), max(map(len, spectra))), np.nan)
    for row, spectrum in zip(eigenvalues, spectra, strict=True):
        row[: len(spectrum)] = spectrum.eigenvalues
    observed = xr.Dataset({"eigenvalues": (("spectrum", "eigenvalue"), eigenvalues)})
    coords = {"layer": names, "parameter": [q.name for q in quantities], "quantile": list(_QUANTILES)}
    return observed, xr.Dataset(constant, coords)


def _intervals(own: list[xr.DataTree], quantities: list["Quantity"]) -> np.ndarray:
    """Quantiles of each spectrum's own fit, shape ``(spectrum, parameter, quantile)``."""
    from htmp_bayes.models.network.quantities import values_of

    drawn = [values_of(result, "posterior") for result in own]
    return np.array([[np.quantile(values[q.name], _QUANTILES) for q in quantities] for values in drawn])


def _resampled(posterior: xr.Dataset, kept: np.ndarray) -> xr.Dataset:
    """Draws that the correction kept of each quantity, in the place of those that were sampled."""
    posterior = posterior.drop_attrs().drop_vars(["kind", "model", "step", "parameter"], errors="ignore")
    taken = {}
    for name, values in posterior.data_vars.items():
        if "parameter" in values.dims:
            moved = values.transpose("parameter", "chain", "draw", ...)
            array = moved.to_numpy().reshape(len(kept), -1, *moved.shape[3:])
            chosen = np.stack([row[places] for row, places in zip(array, kept, strict=True)])
            taken[name] = xr.DataArray(chosen, dims=moved.dims).transpose(*values.dims)
    return xr.Dataset(taken, posterior.coords)


def _in_coordinates(cells: np.ndarray, coords: dict[str, Any], sampled: xr.Dataset) -> xr.Dataset:
    """Quantities of the layers on their pooled scales, named."""
    dims = ("chain", "draw", "layer", "step") if "step" in coords else ("chain", "draw", "layer")
    values = cells if "step" in coords else cells[..., 0, :]
    own = {name: sampled.coords[name] for name in ("chain", "draw")}
    own |= {name: coords[name] for name in ("layer", "step") if name in coords}
    return xr.Dataset({name: (dims, values[..., i]) for i, name in enumerate(coords["parameter"])}, own)


def _typical(by_layer: xr.Dataset, sampled: xr.Dataset, design: "Design") -> xr.Dataset:
    """Each model's mean over its layers, if all have the same; otherwise its typical layer, on the pooled scales."""
    if len(design.models) > 1 and len(design.cells) == len(design.layers) * len(design.models):
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
    return xr.Dataset({name: typical.sel(parameter=name, drop=True) for name in by_layer.data_vars})


def _geometric_mean(values: xr.DataArray) -> float:
    return float(np.exp(np.log(values).mean()))


def _named(pooled: xr.Dataset, quantities: list["Quantity"], size: Any, gamma: Any) -> xr.Dataset:
    """Quantities as they are reported, kappa and the temperature that goes with it and the scale among them."""
    found = {q.name: xr.apply_ufunc(q.natural, pooled[q.name]) for q in quantities}
    kappa = found["dyson_index"] * size
    named = {"kappa": kappa, "temperature": 2 * gamma * found["scale"] / kappa, **found}
    order = [dim for dim in ("chain", "draw", "layer", "model", "step") if dim in kappa.dims]
    return xr.Dataset({name: value.transpose(*order) for name, value in named.items()})
