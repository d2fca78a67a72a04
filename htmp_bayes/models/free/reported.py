"""What a fit of the open population reports: repulsion, and functionals of the list of population values."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.free.curve import Curve

type Array = NDArray[np.float64]

# Exponents are those of this share of the directions at either end, and of so many at least.
_TAIL_SHARE, _TAIL_DIRECTIONS = 0.05, 5
# A gap between directions is that below spikes if it is so many times what the body's slope makes it.
_SPIKE_FACTOR = 5.0
_SPREAD_OF_GAP = 0.3
# Log distance of the spikes from the upper quartile, at least.
_LEAST_DISTANCE = float(np.log(2.0))
# Spikes are looked for among so many directions at either end, at most this share of all.
_MOST_SPIKES, _LARGEST_SHARE = 50, 0.2
_QUARTERS = (0.25, 0.75)
_LOG_3 = float(np.log(3.0))
_DENSITY_POINTS = 60
QUANTILES = {"quantile_10": 0.1, "quantile_50": 0.5, "quantile_90": 0.9}
"""Quantiles of the population that are reported, by name."""


class Tail(NamedTuple):
    """What one end of a list of population values is like, per draw."""

    exponent: Array
    spikes: NDArray[np.int64]


def functionals(
    curve: Curve, log_values: Array, dyson_index: Array, gamma: float, inverse: bool = False
) -> dict[str, Array]:
    r"""Functionals of draws of the population, by the names that a result has them under.

    Parameters
    ----------
    curve : Curve
        What the values stand for.
    log_values : ndarray
        Log population values, shape ``(..., Q)``.
    dyson_index : ndarray
        kappa/N, shape ``(...)``.
    gamma : float
        Aspect ratio.
    inverse : bool
        Whether the reciprocals of the eigenvalues follow the law: then upper and lower are those of the eigenvalues,
        and there is no ``mean``.

    Notes
    -----
    ``temperature`` is :math:`2\gamma e^{\mathrm E \log h}/\kappa`, ``correlation`` the standard deviation of log h,
    ``mean`` the mean eigenvalue E h, ``participation_ratio`` :math:`(\mathrm E h)^2/\mathrm E h^2`. ``tail_index`` is
    1 plus the exponent of the upper tail, 1 over the mean excess of log h in the upper 5 % of the directions (five at
    least; spikes apart): the density of eigenvalues falls with it. ``lower_tail_index`` is the exponent of the lower
    tail minus 1: that with which the density rises. ``quantile_10``, ``quantile_50`` and ``quantile_90`` are
    quantiles of the population values h, of their reciprocals under the inverse law.
    """
    weights = curve.shares
    values = np.exp(log_values - log_values.max(axis=-1, keepdims=True))
    log_mean = log_values @ weights
    mean = values @ weights
    kappa = dyson_index * curve.size
    upper = _tail(curve, log_values)
    lower = _tail(curve, -log_values[..., ::-1])
    if inverse:
        upper, lower = lower, upper
    found = {
        "kappa": kappa,
        "dyson_index": dyson_index,
        "temperature": 2 * gamma / kappa * _exponential(log_mean),
        "correlation": np.sqrt(np.maximum((log_values - log_mean[..., None]) ** 2 @ weights, 0.0)),
        "tail_index": 1 + upper.exponent,
        "lower_tail_index": lower.exponent - 1,
        "participation_ratio": mean**2 / (values**2 @ weights),
        "mean": _exponential(log_values.max(axis=-1)) * mean,
        "n_spikes": upper.spikes,
        "n_low_spikes": lower.spikes,
    }
    levels = np.array(list(QUANTILES.values()))
    quantiles = curve.quantiles(log_values, 1 - levels if inverse else levels)
    quantiles = _exponential(-quantiles if inverse else quantiles)
    if inverse:
        del found["mean"]
    return found | {name: quantiles[..., k] for k, name in enumerate(QUANTILES)}


def _exponential(values: Array) -> Array:
    """Infinite where it is too large for a number, which draws of the prior may be."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(values))


def _tail(curve: Curve, log_values: Array) -> Tail:
    """Exponent of the upper tail, without its spikes, and their number."""
    directions = np.asarray(curve.directions(log_values))
    flat = directions.reshape(-1, curve.size)
    spikes = _spikes(flat)
    return Tail(_exponent(flat, spikes).reshape(directions.shape[:-1]), spikes.reshape(directions.shape[:-1]))


def _exponent(directions: Array, spikes: NDArray[np.int64]) -> Array:
    """1 over the mean excess of the largest values below the spikes over the next one."""
    size = directions.shape[1]
    number = min(max(round(_TAIL_SHARE * size), _TAIL_DIRECTIONS), size // 2)
    # the gap below spikes is spread over some directions, for the curve bends at its knots only
    last = size - spikes - np.round(_SPREAD_OF_GAP * spikes).astype(np.int64)
    columns = last[:, None] - 1 - np.arange(number + 1)
    chosen = np.take_along_axis(directions, np.maximum(columns, 0), axis=1)
    excess = np.mean(chosen[:, :-1] - chosen[:, -1:], axis=1)
    # a power law's list has not quite a mean excess of 1: its quantiles end at 1 - 1/(2 N)
    ideal = -np.mean(np.log((np.arange(number) + 0.5) / (number + 0.5)))
    return np.asarray(ideal / np.maximum(excess, 1e-12))


def _spikes(directions: Array) -> NDArray[np.int64]:
    """Count the values above the most prominent gap near the top, if it is that below spikes.

    The k-th gap from the top is compared with e^b/k, what it is where the slope goes on as between the quartiles.
    """
    size = directions.shape[1]
    most = min(_MOST_SPIKES, int(_LARGEST_SHARE * size))
    if most < 1:
        return np.zeros(len(directions), np.int64)
    low, high = (directions[:, round(share * (size - 1))] for share in _QUARTERS)
    slope = np.maximum((high - low) / (2 * _LOG_3), 1e-12)
    top = directions[:, size - most - 1 :][:, ::-1]
    prominence = (top[:, :-1] - top[:, 1:]) * np.arange(1, most + 1) / slope[:, None]
    # far above the body, too: so far as a direction has to be to be seen (Baik, Ben Arous & Peche 2005)
    prominence[top[:, :-1] - high[:, None] < _LEAST_DISTANCE] = 0.0
    place = np.argmax(prominence, axis=1)
    return np.where(prominence[np.arange(len(place)), place] > _SPIKE_FACTOR, place + 1, 0)


def population_density(curve: Curve, log_values: Array) -> tuple[Array, Array]:
    """Density of log h of each draw on a common grid: ``log_h``, shape ``(P,)``, and the densities, ``(..., P)``.

    Between neighbours of the list the mass is spread evenly.
    """
    flat = log_values.reshape(-1, log_values.shape[-1])
    low, high = np.quantile(flat[:, 0], 0.05), np.quantile(flat[:, -1], 0.95)
    edges = np.linspace(low, high, _DENSITY_POINTS + 1)
    levels = np.concatenate([[0.0], np.cumsum(curve.shares)])
    levels[-1] = 1.0
    ends = np.column_stack([flat[:, :1], curve.quantiles(flat, levels[1:-1]), flat[:, -1:]])
    below = np.array([np.interp(edges, row, levels) for row in ends])
    density = np.diff(below, axis=1) / np.diff(edges)
    return (edges[1:] + edges[:-1]) / 2, density.reshape(*log_values.shape[:-1], -1)


def population_group(curve: Curve, log_values: Array, log_roughness: Array, inverse: bool) -> xr.Dataset:
    """Group ``population`` of a result: the list of values of each draw, and their density over ``log_h``."""
    log_h, density = population_density(curve, log_values)
    dims = ("chain", "draw")
    coords = {
        "chain": np.arange(log_values.shape[0]),
        "draw": np.arange(log_values.shape[1]),
        "log_h": log_h,
        "level": curve.levels,
    }
    data = {
        "density": ((*dims, "log_h"), density.astype(np.float32)),
        "log_values": ((*dims, "level"), log_values.astype(np.float32)),
        "share": ("level", curve.shares),
        "roughness": (dims, np.exp(log_roughness).astype(np.float32)),
    }
    return xr.Dataset(data, coords, {"of_reciprocals": int(inverse)})
