"""Results for reports: usable or not, of the law or not, with names of any kind."""

import numpy as np
import xarray as xr

from tests.plots.results import noise_spectrum, result_of

NASTY = '<script>alert("x")</script>&\x1b[2J\ud800'


def layer_result(name, *, diverging=0, misfit=False, spikes=(), kappa=40.0, correlation=0.015):
    """A result as `fit` makes it, with independent draws in place of the sampler's."""
    eigenvalues = noise_spectrum(1).copy()
    if misfit:
        eigenvalues[::2] *= 6
    result = result_of(np.sort(eigenvalues), name, spikes, fits=not misfit)
    rng, shape, dims = np.random.default_rng(3), (4, 500), ("chain", "draw")
    posterior = {
        "kappa": kappa * rng.uniform(0.95, 1.05, shape),
        "dyson_index": kappa / 100 * rng.uniform(0.95, 1.05, shape),
        "temperature": rng.uniform(0.012, 0.013, shape),
        "correlation": correlation * rng.uniform(0.7, 1.3, shape),
        "tail_index": rng.uniform(4, 6, shape),
    }
    result["posterior"] = xr.DataTree(
        xr.Dataset(
            {key: (dims, values) for key, values in posterior.items()},
            attrs={"infinite": "mean", "probability_infinite_mean": 0.25},
        )
    )
    flags = np.arange(2000).reshape(shape) < diverging
    result["sample_stats"] = xr.DataTree(
        xr.Dataset({"diverging": (dims, flags), "energy": (dims, rng.normal(size=shape))})
    )
    result.attrs |= {"law": "htmp", "random_seed": 17, "tune": 1000, "pymc_version": "6.4.0"}
    return result
