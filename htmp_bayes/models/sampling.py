"""Sampling of one layer's posterior, with one compiled model for all layers of a process."""

import ctypes
import dataclasses
import functools
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize

from htmp_bayes.models.layer import CORRELATION_MAX, KAPPA_RANGE, layer_data, layer_model, log_temperature
from htmp_bayes.models.surrogate import SurrogateError, sample_surrogate

# Starting values of the search for the mode: weak to strong repulsion, weak to strong correlation.
_START_KAPPA = (0.5, 3.0, 20.0)
_START_CORRELATION = (0.2, 0.8)
_GRADIENT_STEP = 1e-4


class LayerPosterior:
    """The posterior of one layer on the sampler's unconstrained scale, from the process-wide compiled model.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.

    Examples
    --------
    >>> import numpy as np
    >>> from htmp_bayes.models.layer import layer_data
    >>> posterior = LayerPosterior(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> value, gradient = posterior.log_density(np.array([-6.0, -1.0, 0.0]))
    >>> bool(np.isfinite(value)), gradient.shape
    (True, (3,))
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.compiled = _compiled_model(len(data["log_nodes"])).with_data(**data)

    def log_density(self, point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Log-posterior and its gradient at an unconstrained point of shape ``(3,)``.

        Points at which the density cannot be evaluated have the value ``-inf`` and gradient 0.
        """
        point = np.array(point, dtype=np.float64)
        value, gradient = np.zeros(1), np.zeros(point.size)
        code = self.compiled.compiled_logp_func.ctypes(
            point.size,
            _pointer(point),
            _pointer(gradient),
            _pointer(value),
            self.compiled.user_data.ctypes.data,
        )
        return (float(value[0]), gradient) if code == 0 else (-np.inf, np.zeros(point.size))

    @functools.cached_property
    def mode(self) -> NDArray[np.float64]:
        """Unconstrained point of highest posterior density, shape ``(3,)``."""
        starts = sorted(_starting_points(), key=lambda point: -self.log_density(point)[0])
        found = [self._climb(start) for start in starts[:2]]
        return max(found, key=lambda point: self.log_density(point)[0])

    @functools.cached_property
    def spread(self) -> NDArray[np.float64]:
        """Standard deviations of the normal approximation at the mode, kept between 0.001 and 1."""
        steps = _GRADIENT_STEP * np.eye(self.mode.size)
        slopes = [self.log_density(self.mode + s)[1] - self.log_density(self.mode - s)[1] for s in steps]
        curvature = -np.diag(np.array(slopes)) / (2 * _GRADIENT_STEP)
        return 1 / np.sqrt(np.clip(curvature, 1.0, 1e6))

    def initial_point(self, seed: int) -> NDArray[np.float64]:
        """Start a chain: scattered about the mode by up to two standard deviations."""
        rng = np.random.default_rng(seed)
        for _ in range(20):
            point = self.mode + 2 * self.spread * rng.uniform(-1, 1, self.mode.size)
            if np.isfinite(self.log_density(point)[0]):
                return point
        return self.mode

    def _climb(self, start: NDArray[np.float64]) -> NDArray[np.float64]:
        def descent(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, gradient = self.log_density(point)
            return (-value, -gradient) if np.isfinite(value) else (1e300, gradient)

        return minimize(descent, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x


def sample_layer(
    data: dict[str, Any],
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    nuts_sampler: str = "nutpie",
    cores: int | None = None,
    progressbar: bool = False,
) -> xr.DataTree:
    """Draws of ``kappa``, ``correlation``, ``location`` and ``temperature``.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int
        The same seed gives the same bits, on any number of cores.
    nuts_sampler : {"nutpie", "pymc"}
        Implementation of NUTS.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    progressbar : bool
        Show the sampler's progress.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``.
    """
    posterior = LayerPosterior(data)
    sampler = _sample_nutpie if nuts_sampler == "nutpie" else _sample_pymc
    return sampler(posterior, draws, tune, chains, random_seed, cores, progressbar)


def _sample_nutpie(
    posterior: LayerPosterior,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
) -> xr.DataTree:
    """NUTS on a polynomial that stands for the log-posterior, or on itself where none does."""
    try:
        points, tree, error = sample_surrogate(
            posterior, draws, tune, chains, random_seed, cores, progressbar
        )
    except SurrogateError:
        return _sample_exactly(posterior, draws, tune, chains, random_seed, cores, progressbar)
    parameters = _parameters(points, posterior.data)
    dims = tree["posterior"]["z"].dims[:2]
    tree["posterior"] = xr.DataTree(
        xr.Dataset({name: (dims, values) for name, values in parameters.items()}, tree["posterior"].coords)
    )
    tree.attrs["surrogate_error"] = error
    return tree


def _parameters(points: NDArray[np.float64], data: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Compute the model's parameters at unconstrained points of shape ``(..., 3)``."""
    kappa = _expit(points[..., 0], *KAPPA_RANGE)
    location = points[..., 2]
    return {
        "kappa": kappa,
        "correlation": _expit(points[..., 1], 0.0, CORRELATION_MAX),
        "location": location,
        "temperature": np.exp(log_temperature(kappa, location, data)),
    }


def _sample_exactly(
    posterior: LayerPosterior,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
) -> xr.DataTree:
    import nutpie

    compiled = dataclasses.replace(posterior.compiled, initial_point_func=posterior.initial_point)
    return nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=random_seed,
        save_warmup=False,
        progress_bar=progressbar,
    )


def _sample_pymc(
    posterior: LayerPosterior,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
) -> xr.DataTree:
    import pymc as pm

    seeds = np.random.SeedSequence(random_seed).generate_state(chains)
    starts = [_constrained(posterior.initial_point(int(seed))) for seed in seeds]
    return pm.sample(
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        model=layer_model(posterior.data),
        initvals=starts,
        nuts_sampler="pymc",
        progressbar=progressbar,
        compute_convergence_checks=False,
    )


@functools.cache
def _compiled_model(size: int) -> Any:
    """Compile the model for nutpie, for spectra compressed to `size` nodes; any layer's data can follow."""
    import nutpie

    example = layer_data(np.geomspace(0.1, 10.0, 2 * size), gamma=0.25, size=size)
    return nutpie.compile_pymc_model(
        layer_model(example), var_names=["kappa", "correlation", "location", "temperature"]
    )


def _starting_points() -> list[NDArray[np.float64]]:
    return [
        np.array([_logit(kappa, *KAPPA_RANGE), _logit(correlation, 0.0, CORRELATION_MAX), 0.0])
        for kappa in _START_KAPPA
        for correlation in _START_CORRELATION
    ]


def _constrained(point: NDArray[np.float64]) -> dict[str, float]:
    return {
        "kappa": float(_expit(point[0], *KAPPA_RANGE)),
        "correlation": float(_expit(point[1], 0.0, CORRELATION_MAX)),
        "location": float(point[2]),
    }


def _logit(value: float, lower: float, upper: float) -> float:
    """PyMC's interval transform of the bounded parameters."""
    return float(np.log(value - lower) - np.log(upper - value))


def _expit(point: Any, lower: float, upper: float) -> Any:
    return lower + (upper - lower) / (1 + np.exp(-point))


def _pointer(array: NDArray[np.float64]) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
