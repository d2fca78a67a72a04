"""The eigenvalues of a result: those observed, those predicted, and laws that go with them."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._numbers import interval
from htmp_bayes._results import group, law_of, open_law
from htmp_bayes.drawing.canvas import SYMBOLS
from htmp_bayes.models.network.quantities import named

_CURVE_DRAWS = 20
_SEED = 20261128


def observed_and_predicted(result: xr.DataTree) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues of the layer, shape ``(N,)``, and of its predictive spectra, ``(spectra, N)``; ascending.

    Raises
    ------
    ResultError
        A ValueError, if the result has no posterior-predictive spectra.
    """
    observed = group(result, "observed_data")["eigenvalues"].to_numpy()
    predicted = group(result, "posterior_predictive")["eigenvalues"].to_numpy()
    return observed, predicted.reshape(-1, observed.size)


def spikes(result: xr.DataTree) -> NDArray[np.float64]:
    """Eigenvalues that the fit set apart from the law's, shape ``(spikes,)``."""
    constant = group(result, "constant_data")
    return np.atleast_1d(constant["spikes"].to_numpy()) if "spikes" in constant else np.empty(0)


def gamma(result: xr.DataTree) -> float:
    """Aspect ratio of the layer."""
    return float(group(result, "constant_data")["gamma"])


def posterior_mean(result: xr.DataTree, function: str, lambdas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average a function of the law ("pdf", "sf") over evenly thinned posterior draws."""
    if "population" in result.children:
        return np.asarray(getattr(open_law(result, _CURVE_DRAWS), function)(lambdas).mean(axis=0))
    posterior = group(result, "posterior")
    if "correlation" not in posterior:  # zero by assumption
        posterior = posterior.assign(correlation=0 * posterior["kappa"])
    columns = [posterior[name].values.ravel() for name in ("kappa", "temperature", "correlation")]
    thinned = np.linspace(0, columns[0].size - 1, min(columns[0].size, _CURVE_DRAWS)).round().astype(int)
    kappa, temperature, correlation = (column[thinned, None] for column in columns)
    law = law_of(
        kappa, gamma(result), temperature, correlation, result.attrs["population"], is_inverse(result)
    )
    return getattr(law, function)(lambdas).mean(axis=0)


def is_inverse(result: xr.DataTree) -> bool:
    """Say whether the law is that of the reciprocals of the eigenvalues, as of kernel matrices."""
    return bool(result.attrs.get("law") == "inverse-htmp")


def median_and_interval(result: xr.DataTree, name: str) -> str:
    """Say the median and the 90 % interval of a parameter in a few digits, or nothing if it was left out."""
    posterior = group(result, "posterior")
    if name not in posterior:
        return ""
    lower, median, upper = np.quantile(posterior[name].values, [0.05, 0.5, 0.95])
    return f"{SYMBOLS[name]} {interval(median, lower, upper)}"


def groups_of_layers(constant: xr.Dataset) -> NDArray[np.str_]:
    """Kind of each layer of a network; of several models, its kind and model, or its model if all are of one kind."""
    kinds = constant["layer_kind"].to_numpy().astype(str)
    models = constant["layer_model"].to_numpy().astype(str) if "layer_model" in constant else kinds[:0]
    if len(set(models)) < 2:
        return kinds
    if len(set(kinds)) == 1:
        return models
    return np.array([f"{kind}, {model}" for kind, model in zip(kinds, models, strict=True)])


def another_run(result: xr.DataTree, parameter: str) -> NDArray[np.float64]:
    """Draws of a pooled quantity of each layer in a training run that is not among those seen, shape ``(layer, D)``."""
    (quantity,) = named([parameter])
    posterior = group(result, "posterior")
    common = posterior[parameter].transpose("layer", "chain", "draw").to_numpy()
    common = common.reshape(len(common), -1)
    of_layer = group(result, "constant_data")["layer_model"].to_numpy()
    spreads = posterior["run_spread"].sel(parameter=parameter, model=of_layer)
    spread = spreads.transpose("model", "chain", "draw").to_numpy().reshape(common.shape)
    moved = spread * np.random.default_rng(_SEED).standard_normal(common.shape)
    return quantity.natural(quantity.pooled(common) + moved)
