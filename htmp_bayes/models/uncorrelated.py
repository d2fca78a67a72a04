"""The model of one layer with the correlation fixed at 0: HTMP as it was before populations."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models import layer
from htmp_bayes.models.nuts import compile_model, sample_compiled
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.sampling import LayerDraws
from htmp_bayes.models.shape_table import likely_points
from htmp_bayes.models.surrogate import SurrogateError, sample_surrogate

if TYPE_CHECKING:
    import pymc as pm

type Array = NDArray[np.float64]

_DIMS = ("chain", "draw")
_PARAMETERS = ("kappa", "location", "temperature")


class UncorrelatedPosterior(LayerPosterior):
    """Log-posterior of :class:`LayerPosterior` with a likelihood that takes the correlation for 0.

    The correlation stays as a coordinate, so that the same sampler serves both; it has its prior, independently
    of the others, and is to be dropped from the draws. What is left is the posterior of
    :func:`uncorrelated_model`.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> posterior = UncorrelatedPosterior(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> print(posterior.log_density(np.array([1.0, 0.5, 0.0]))[1][1])  # the prior's
    -0.5
    """

    def node_log_density(self, points: Array) -> Array:
        """Log-density of an eigenvalue at each node, shape ``(..., K)``."""
        return super().node_log_density(_at_zero(points))

    def with_information(self, point: Array) -> tuple[float, Array, Array]:
        """See :meth:`LayerPosterior.with_information`."""
        value, gradient, information = super().with_information(_at_zero(point))
        gradient[1] = layer.log_prior_slope(point)[1]
        information[1], information[:, 1] = 0.0, 0.0
        return value + _log_prior_of_correlation(point), gradient, information

    def rough_log_densities(self, points: Array) -> Array:
        """See :meth:`LayerPosterior.rough_log_densities`."""
        return super().rough_log_densities(_at_zero(points)) + _log_prior_of_correlation(points)

    def starts(self) -> list[Array]:
        """See :meth:`LayerPosterior.starts`."""
        return likely_points(self.data, self.with_prior, correlated=False)

    def log_densities(self, points: Array) -> Array:
        """Log-posterior at points of shape ``(D, 3)``."""
        return super().log_densities(_at_zero(points)) + _log_prior_of_correlation(points)


def _at_zero(points: Array) -> Array:
    return np.asarray(points) * [1.0, 0.0, 1.0]


def _log_prior_of_correlation(points: Array) -> Any:
    """Log-density of the prior at points minus that at a correlation of 0."""
    return layer.log_prior_at(points) - layer.log_prior_at(_at_zero(points))


def sample_uncorrelated(
    data: dict[str, Any],
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
) -> LayerDraws:
    """Draw from the posterior at correlation 0.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    draws, tune, chains, random_seed, cores
        As for `htmp_bayes.fit`.

    Returns
    -------
    LayerDraws
        With ``kappa``, ``location`` and ``temperature``.
    """
    posterior = UncorrelatedPosterior(data)
    settings = (draws, tune, chains, random_seed, cores)
    try:
        found = sample_surrogate(posterior, *settings)
    except SurrogateError:
        return _sample_model(posterior, *settings)
    parameters = posterior.parameters(found.points)
    return LayerDraws(
        xr.Dataset(
            {name: (_DIMS, parameters[name]) for name in _PARAMETERS},
            {name: found.tree["posterior"].coords[name] for name in _DIMS},
        ),
        found.tree["sample_stats"].to_dataset(),
        found.attributes,
    )


def _sample_model(
    posterior: UncorrelatedPosterior, draws: int, tune: int, chains: int, random_seed: int, cores: int | None
) -> LayerDraws:
    """Sample the model itself, where no polynomial comes close to its posterior."""
    compiled = _compiled_model(len(posterior.data["log_nodes"])).with_data(**posterior.data)
    tree = sample_compiled(
        compiled, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores
    )
    sampled = tree["posterior"].to_dataset().drop_attrs()
    return LayerDraws(sampled[list(_PARAMETERS)], tree["sample_stats"].to_dataset(), {})


@functools.cache
def _compiled_model(size: int) -> Any:

    model = uncorrelated_model(layer.layer_data(np.geomspace(0.1, 10.0, 2 * size), gamma=0.25, size=size))
    return compile_model(model, var_names=list(_PARAMETERS))


def uncorrelated_model(data: dict[str, Any]) -> "pm.Model":
    """PyMC model of one layer's spectrum at correlation 0.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> [rv.name for rv in uncorrelated_model(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)).free_RVs]
    ['kappa', 'location']
    """
    import pymc as pm

    return pm.do(layer.layer_model(data), {"correlation": 0.0})
