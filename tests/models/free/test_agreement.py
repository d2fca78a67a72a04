"""The open population's posterior beside others that know the same: PyMC's own sampler, and laws of one parameter."""

import arviz as az
import numpy as np
import pymc as pm
import pytest
from scipy.stats import norm

import htmp_bayes as hb
from htmp_bayes.laws.populations import population_quantiles
from htmp_bayes.models import layer_data, layer_model
from htmp_bayes.models.free.draws import sample_free
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.layer.sampling import Sampling
from tests.models.free.matrices import spectrum_of


def spread(posterior, theta):
    values = posterior.curve.log_values(theta)
    mean = values @ posterior.curve.shares
    return np.sqrt((values - mean[..., None]) ** 2 @ posterior.curve.shares)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore:.*effective sample size:UserWarning")
def test_a_sampler_of_pymc_finds_the_same_posterior():
    """Of the model itself, which knows nothing of what stands for it; without gradients it takes many draws."""
    h = np.exp(0.8 * norm.ppf((np.arange(32) + 0.5) / 32))
    posterior = FreePosterior(layer_data(spectrum_of(h, 128, 1), 0.25, "free"))
    ours = sample_free(posterior, Sampling(draws=1000, tune=500, chains=4, random_seed=1))
    with layer_model(posterior.data):
        tree = pm.sample(
            draws=60_000, tune=10_000, chains=2, cores=2, random_seed=1, step=pm.DEMetropolisZ(), progressbar=False,
            compute_convergence_checks=False,
        )  # fmt: skip
    theirs = tree["posterior"]
    pairs = {
        "log kappa/N": (ours.log_index, np.log(theirs["dyson_index"].to_numpy())),
        "median": (ours.theta[..., 0], theirs["theta"].to_numpy()[..., 0]),
        "spread": (spread(posterior, ours.theta), spread(posterior, theirs["theta"].to_numpy())),
    }
    for name, (one, other) in pairs.items():
        assert min(float(az.ess(draws)) for draws in (one, other)) > 100, name
        # chains without gradients are worth some hundred draws: a tenth of a standard deviation
        assert abs(one.mean() - other.mean()) < 0.3 * one.std(), name
        assert 0.8 < one.std() / other.std() < 1.25, name


@pytest.mark.slow
@pytest.mark.parametrize("population", ["log-normal", "inverse-gamma"])
def test_a_population_of_one_parameter_is_a_limit_that_it_comes_near_to(population):
    h = population_quantiles(population, 0.8, 128)
    spectrum = hb.Spectrum(spectrum_of(h, 256, 3), 256)
    settings = {"draws": 250, "tune": 300, "random_seed": 1, "predictive_draws": 0}
    free, short = (hb.fit(spectrum, population=p, **settings)["posterior"] for p in ("free", population))
    # the mean is that of a law in one case, and of a list in the other
    for name in ("correlation", "dyson_index"):
        one, other = free[name].to_numpy(), short[name].to_numpy()
        # the same data: posteriors lie within their own widths, and the open one knows less of the shape
        assert abs(one.mean() - other.mean()) < 1.5 * max(one.std(), other.std()), name
        assert 0.7 < one.std() / other.std() < 3, name
