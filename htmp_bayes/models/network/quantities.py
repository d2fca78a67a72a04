"""The quantities of a layer that are pooled, each on a scale of its own, and their priors."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.layer.prior import kappa_prior

type Array = NDArray[np.float64]

_LEAST = 1e-9


class Quantity(NamedTuple):
    """A quantity that is pooled.

    Attributes
    ----------
    name : str
        Its name in results.
    pooled, natural : callable
        To the scale on which it is pooled, and back.
    typical, typical_sd : float or None
        Mean and standard deviation of the typical layer's prior on that scale; None: about the layers' own mean.
    spread : float
        Median of the prior of the layers' spread, which those of other levels go by.
    """

    name: str
    pooled: Callable[[Array], Array]
    natural: Callable[[Array], Array]
    typical: float | None
    typical_sd: float
    spread: float


def _log(values: Array) -> Array:
    return np.log(np.maximum(values, _LEAST))


def _located(name: str) -> Quantity:
    """Make one in the unit of the eigenvalues: its prior moves along with them."""
    return Quantity(name, np.log, np.exp, None, 2.0, 0.7)


DYSON_INDEX = "dyson_index"
QUANTITIES = (
    Quantity(DYSON_INDEX, np.log, np.exp, None, 0.0, 0.5),  # the prior is that of a single layer
    Quantity("correlation", _log, np.exp, float(np.log(0.6)), 1.0, 0.4),
    Quantity("participation_ratio", lambda x: _log(1 / x - 1), lambda y: 1 / (1 + np.exp(y)), -1.0, 2.0, 0.7),
    Quantity("tail_index", lambda x: _log(x - 1), lambda y: 1 + np.exp(y), float(np.log(3.0)), 1.0, 0.4),
    Quantity("lower_tail_index", lambda x: _log(x + 1), lambda y: np.exp(y) - 1, float(np.log(3.0)), 1.0, 0.4),
    *map(_located, ("scale", "mean", "quantile_10", "quantile_50", "quantile_90")),
)  # fmt: skip
"""All that are pooled where every layer's fit has them: see :func:`htmp_bayes.fit_network`."""


def named(names: Sequence[str]) -> list[Quantity]:
    """Quantities of these names, in the table's order."""
    return [quantity for quantity in QUANTITIES if quantity.name in names]


def typical_prior(
    quantities: Sequence[Quantity], own_means: Array, sizes: Sequence[int]
) -> tuple[Array, Array]:
    """Mean and standard deviation of the typical layer's prior, shape ``(P,)`` each.

    Parameters
    ----------
    quantities : sequence of Quantity
        P of them.
    own_means : ndarray
        Mean over the layers of what their own posteriors expect, shape ``(P,)``.
    sizes : sequence of int
        Numbers of eigenvalues. Of kappa/N, with their geometric mean for N, 95 % are between kappa = 0.5 and 4 N.
    """
    size = float(np.exp(np.mean(np.log(sizes))))
    law = kappa_prior(size)
    mean, sd = [], []
    for quantity, own in zip(quantities, own_means, strict=True):
        if quantity.name == DYSON_INDEX:
            mean.append(law["mu"] - np.log(size))
            sd.append(law["sigma"])
        else:
            mean.append(own if quantity.typical is None else quantity.typical)
            sd.append(quantity.typical_sd)
    return np.array(mean), np.array(sd)


def values_of(result: xr.DataTree, group: str) -> dict[str, Array]:
    """Draws of the quantities that a layer's fit has and that are finite when pooled, by name, shape ``(D,)`` each.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returned.
    group : {"posterior", "prior"}
        Whose draws. What is infinite in any draw of the posterior is left out, and such draws of the prior are.
    """
    draws = result[group].to_dataset()
    gamma = float(result["constant_data/gamma"])
    found = {str(name): values.to_numpy().ravel() for name, values in draws.data_vars.items()}
    found["scale"] = found["kappa"] * found["temperature"] / (2 * gamma)
    if "mean" not in found and group == "prior":
        found["mean"] = _means(found, gamma, str(result.attrs["population"]))
    kept = {}
    for quantity in QUANTITIES:
        if (values := found.get(quantity.name)) is None:
            continue
        with np.errstate(divide="ignore"):  # draws of the prior may be 0, as they may be infinite
            usable = np.isfinite(quantity.pooled(values))
        if group == "prior" or usable.all():
            kept[quantity.name] = values[usable]
    return kept


def _means(draws: dict[str, Array], gamma: float, population: str) -> Array:
    """Mean eigenvalues of a population of one parameter, infinite ones among them."""
    from htmp_bayes.laws import HTMP

    # the mean depends on kappa T only
    temperature, correlation = 2 * gamma * draws["scale"], draws.get("correlation", np.zeros(1))
    law = HTMP(1.0, gamma, temperature, correlation, "point" if population == "none" else population)
    return np.asarray(law.mean())
