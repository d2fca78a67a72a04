"""The laws of a contest, and how each is fitted to the counts of a spectrum: all in the same way."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError

if TYPE_CHECKING:
    from htmp_bayes.models.layer.data import LayerData
    from htmp_bayes.models.layer.posterior import CountsPosterior
    from htmp_bayes.models.layer.sampling import Sampling

type Array = NDArray[np.float64]

# Draws at which the counts are left out one after the other.
_KEPT_DRAWS = 1000
# Nats by which equal log-densities are told apart.
_UNEQUAL = 1e-9


class ContestError(HTMPError):
    """Laws that are not known, too few of them to compare, or one that cannot be sampled."""


@dataclass(frozen=True)
class Contender:
    """A law of a contest.

    Attributes
    ----------
    title : str
        Its name in a table.
    posterior : callable
        Makes its posterior of a spectrum's data.
    reciprocal : bool
        Whether it is a law of 1/λ, to be given the data of the reciprocals.
    parameters_of : {"λ", "1/λ"}
        What the parameters are those of.
    """

    title: str
    posterior: "Callable[[LayerData], CountsPosterior]"
    reciprocal: bool = False
    parameters_of: str = "λ"


def _htmp(population: str, free: bool = True) -> "Callable[[LayerData], CountsPosterior]":
    def posterior(data: "LayerData") -> "CountsPosterior":
        from htmp_bayes.models.rivals.posterior import HTMPContender

        return HTMPContender(replace(data, population=population), free)

    return posterior


def _rival(name: str) -> "Callable[[LayerData], CountsPosterior]":
    def posterior(data: "LayerData") -> "CountsPosterior":
        from htmp_bayes.models.rivals.posterior import RIVALS, RivalPosterior

        return RivalPosterior(data, RIVALS[name])

    return posterior


CONTENDERS: Mapping[str, Contender] = {
    "htmp": Contender("HTMP, inverse-gamma population", _htmp("inverse-gamma")),
    "htmp-log-normal": Contender("HTMP, log-normal population", _htmp("log-normal")),
    "htmp-uncorrelated": Contender("HTMP without correlation", _htmp("none")),
    "inverse-htmp": Contender("inverse HTMP", _htmp("inverse-gamma"), reciprocal=True, parameters_of="1/λ"),
    "marchenko-pastur": Contender("Marchenko-Pastur", _htmp("none", free=False)),
    "marchenko-pastur-log-normal": Contender(
        "Marchenko-Pastur, log-normal population", _htmp("log-normal", free=False)
    ),
    "marchenko-pastur-inverse-gamma": Contender(
        "Marchenko-Pastur, inverse-gamma population", _htmp("inverse-gamma", free=False)
    ),
    "gamma": Contender("Gamma", _rival("gamma")),
    "inverse-gamma": Contender("inverse-gamma", _rival("inverse-gamma"), parameters_of="1/λ"),
    "log-normal": Contender("log-normal", _rival("log-normal")),
    "power-law-tail": Contender("log-normal with power-law tail", _rival("power-law-tail")),
}


def fit_contender(name: str, data: "LayerData", sampling: "Sampling") -> xr.DataTree:
    """Sample a law's posterior, and leave out one count after the other at some of its draws.

    Parameters
    ----------
    name : str
        One of `CONTENDERS`.
    data : LayerData
        The spectrum; its population is not looked at.
    sampling : Sampling
        How; by nutpie.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sample_stats`` and ``log_likelihood`` of up to 1,000 evenly thinned draws, and
        ``observed_data``. The attributes ``r_hat`` and ``divergences`` are those of all draws.

    Raises
    ------
    ContestError
        A ValueError, if no polynomial comes close to the posterior.
    """
    from htmp_bayes.models.layer.data import of_reciprocals
    from htmp_bayes.models.layer.stand_in import StandInError, sample_stand_in

    law = CONTENDERS[name]
    posterior = law.posterior(of_reciprocals(data) if law.reciprocal else data)
    try:
        found = sample_stand_in(
            posterior, sampling.draws, sampling.tune, sampling.chains, sampling.random_seed, sampling.cores
        )
    except StandInError as error:
        raise ContestError(
            f"{law.title} was left out: it cannot be sampled on this spectrum ({error})."
        ) from error
    length = found.points.shape[1]
    per_chain = min(length, -(-_KEPT_DRAWS // sampling.chains))
    kept = np.linspace(0, length - 1, per_chain).round().astype(int)
    coords = {"chain": np.arange(sampling.chains), "draw": kept}
    left_out = _left_out(posterior, found.points[:, kept])
    left_out = left_out[..., ::-1] if law.reciprocal else left_out
    statistics = found.tree["sample_stats"].to_dataset().drop_attrs()
    groups = {
        "posterior": _parameters(posterior, found.points[:, kept], coords, law.reciprocal),
        "sample_stats": statistics.isel(draw=kept).assign_coords(coords),
        "log_likelihood": _by_interval(data, ("chain", "draw"), left_out).assign_coords(coords),
        "observed_data": _by_interval(data, (), data.counts),
    }
    result = xr.DataTree.from_dict(groups)
    result.attrs |= {
        "law": name,
        "parameters_of": law.parameters_of,
        "r_hat": _worst_r_hat(posterior.names, found.points),
        "divergences": int(statistics["diverging"].sum()),
        **found.attributes,
    }
    return result


def _worst_r_hat(names: tuple[str, ...], points: Array) -> float:
    """Largest R-hat of a coordinate over all draws; NaN for a single chain."""
    import arviz as az

    if points.shape[0] < 2:
        return float("nan")
    columns = {name: (("chain", "draw"), points[..., i]) for i, name in enumerate(names)}
    return max(float(value) for value in az.rhat(xr.Dataset(columns)).data_vars.values())


def _left_out(posterior: "CountsPosterior", points: Array) -> Array:
    """Log-density of each count given the others at points of shape ``(chain, draw, D)``."""
    from htmp_bayes._threads import one_blas_thread

    with one_blas_thread(), ThreadPoolExecutor() as pool:
        rows = list(pool.map(posterior.leave_one_out, points.reshape(-1, points.shape[-1])))
    # Beyond a law's support no parameter changes the density; of equal values ArviZ finds no tail, and stops.
    rows += _UNEQUAL * np.random.default_rng(0).standard_normal(np.shape(rows))
    return np.reshape(rows, (*points.shape[:2], -1))


def _parameters(
    posterior: "CountsPosterior", points: Array, coords: Mapping[str, Array], reciprocal: bool
) -> xr.Dataset:
    from htmp_bayes.results.derived import with_derived

    data = posterior.data
    values = posterior.parameters(points)
    draws = xr.Dataset({name: (("chain", "draw"), column) for name, column in values.items()}, coords)
    if "kappa" not in draws:
        return draws
    if not data.correlated:
        draws = draws.drop_vars("correlation")
    return with_derived(draws, data.size, data.gamma, data.population, reciprocal)


def _by_interval(data: "LayerData", dims: tuple[str, ...], values: Array) -> xr.Dataset:
    middles = np.exp((data.knots[:-1] + data.knots[1:]) / 2)
    return xr.Dataset({"counts": ((*dims, "interval"), values)}, {"interval": middles})
