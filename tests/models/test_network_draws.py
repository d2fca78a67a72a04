"""Two stages against the joint posterior of a tiny network by brute force, and networks trained several times."""

import numpy as np
import pytest
from scipy.special import logsumexp

import htmp_bayes as hb
from htmp_bayes.models import network
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer_site import LayerSite, Normal
from htmp_bayes.models.network_design import Design
from htmp_bayes.models.network_draws import draw_layers

SAMPLING = {"draws": 1000, "tune": 500, "chains": 4, "random_seed": 1}


def drawn(design, sites, normals, prior):
    data = network.network_data(design, normals, prior)
    tree = network.sample_network(data, design.structure, **SAMPLING)
    hyper = {name: values.to_numpy() for name, values in tree["posterior"].data_vars.items()}
    found = draw_layers(design, data, sites, hyper, 1)
    flat = {name: x.reshape(-1, *x.shape[2:])[found.kept.ravel()] for name, x in hyper.items()}
    return flat, found


@pytest.mark.slow
def test_two_stages_give_the_joint_posterior():
    """Hyperparameters from their prior, weighted by each layer's likelihood integrated over Student's t points.

    A layer of noise is one of the three: its likelihood has no lower end in the logit of the correlation.
    """
    rng = np.random.default_rng(4)
    spectra = [hb.sample_ensemble(48, 24.0, 0.5, 1.0, rho, random_state=rng) for rho in (0.5, 0.9)]
    spectra.append(np.linalg.svd(rng.normal(size=(48, 96)), compute_uv=False) ** 2 / 48)
    sites = [LayerSite(layer_data(x, 0.5)) for x in spectra]
    design = Design(
        ("a", "b", "c"),
        ("m",),
        ("other",),
        np.array([(i, 0, 0) for i in range(3)]),
        np.zeros((3, 1), int),
        np.zeros((3, 1)),
    )
    assert design.structure == (1, 1, False, False, False, 1, False)
    mean, sd = network.typical_prior(
        np.full(3, 48), np.full(3, 0.5), np.array([site.data.log_mean for site in sites])
    )
    hyper, found = drawn(design, sites, network.normal_forms(sites), (mean, sd))

    draws = 30_000
    typical = mean + sd * rng.standard_normal((draws, 3))
    spread = network.LAYER_SPREAD * np.exp(network.SPREAD_LOG_SD * rng.standard_normal((draws, 3)))
    log_weights, layers = np.zeros(draws), []
    for site in sites:
        points, theta, log_likelihood = site._sample
        rho = np.abs(points[:, 1])
        log_integrand = log_likelihood - np.log(rho) - np.log1p(-rho / 3)
        away = (theta[None] - typical[:, None]) / spread[:, None]
        log_joint = log_integrand - 0.5 * np.sum(away**2, axis=-1) - np.log(spread).sum(axis=-1)[:, None]
        total = logsumexp(log_joint, axis=1)
        log_weights += total
        layers.append(np.exp(log_joint - total[:, None]) @ theta)
    weights = np.exp(log_weights - logsumexp(log_weights))
    effective = 1 / np.sum(weights**2)
    assert effective > 200
    for name, brute in (("typical", typical), ("layer_spread", np.log(spread))):
        ours = hyper[name] if name == "typical" else np.log(hyper[name])
        middle = weights @ brute
        width = np.sqrt(weights @ (brute - middle) ** 2)
        assert np.all(np.abs(ours.mean(axis=0) - middle) < (4 / np.sqrt(effective) + 0.05) * width)
        assert ours.std(axis=0) == pytest.approx(width, rel=0.2)
    ours = found.cells.reshape(-1, 3, 3).mean(axis=0)
    spreads = found.cells.reshape(-1, 3, 3).std(axis=0)
    brute = np.array([weights @ values for values in layers])
    assert np.all(np.abs(ours - brute) < (4 / np.sqrt(effective) + 0.05) * spreads)


class NormalSite:
    """A layer whose likelihood is normal, as a stand-in for what stage one finds."""

    def __init__(self, mean, sd):
        self.mean, self.sd = mean, sd

    @property
    def normal(self):
        return Normal(np.diag(self.sd**-2.0), self.mean / self.sd**2)

    def log_likelihood(self, theta):
        return -0.5 * np.sum(((theta - self.mean) / self.sd) ** 2, axis=-1)

    exact = log_likelihood


class SkewedSite(NormalSite):
    """The same, with a bend that the normal likelihood does not have."""

    def log_likelihood(self, theta):
        z = (theta - self.mean) / self.sd
        return -0.5 * np.sum(z**2, axis=-1) - 0.08 * np.clip(z[..., 0], -3, 3) ** 3

    exact = log_likelihood


RUN_SD = np.array([0.05, 0.02, 0.04])
MATRIX_NOISE = np.array([0.1, 0.02, 0.01])
PRIOR = (np.array([-2.6, -1.4, 0.0]), np.array([2.0, 1.0, 2.0]))


def trained(seed, runs, difference):
    """Draws of the hyperparameters, and of the contrast of two groups of runs in units of the run-to-run spread."""
    rng = np.random.default_rng(seed)
    sites, place = [], []
    for layer, base in enumerate(np.array([-1.0, -1.0, 0.0]) + rng.normal(size=(3, 3)) * [0.4, 0.3, 0.6]):
        for group in range(2):
            for run in range(runs):
                again = base + (group * difference + rng.normal(size=3)) * RUN_SD
                sites.append(NormalSite(again + rng.normal(size=3) * MATRIX_NOISE, MATRIX_NOISE))
                place.append((layer, group, run))
    depth = np.repeat([[0.0], [0.5], [1.0]], 2, axis=1)
    design = Design(
        ("a", "b", "c"),
        ("x", "y"),
        ("other",),
        np.array(place),
        np.zeros((3, 2), int),
        depth,
        ("0", "1", "2", "3", "4")[:runs],
    )
    hyper, found = drawn(design, sites, [site.normal for site in sites], PRIOR)
    cells = found.cells[..., 0, :].reshape(-1, 3, 2, 3)
    return hyper, (cells[:, :, 1] - cells[:, :, 0]).mean(axis=1) / RUN_SD


@pytest.fixture(scope="module")
def planted():
    """Four simulations of two groups of five runs that differ by twice the run-to-run spread."""
    return [trained(seed, 5, 2.0) for seed in range(4)]


@pytest.mark.slow
def test_groups_of_runs_are_told_apart_if_they_differ(planted):
    lower, upper = np.quantile([contrast for _, contrast in planted], [0.05, 0.95], axis=1)
    assert np.mean(lower[:, 1:] > 0) > 0.8  # of the first, matrix noise is larger than what is planted
    # Binomial: of 12 intervals of 90 %, 8 or fewer hold the truth with probability 2.6 %, 7 or fewer with 0.4 %.
    assert np.sum((lower < 2) & (upper > 2)) >= 8


@pytest.mark.slow
def test_the_spread_of_runs_is_not_taken_for_matrix_noise(planted):
    spreads = np.array([hyper["run_spread"] for hyper, _ in planted])
    lower, upper = np.quantile(spreads, [0.05, 0.95], axis=1)
    assert np.sum((lower < RUN_SD) & (upper > RUN_SD)) >= 8
    assert np.all(
        upper[:, 2] / lower[:, 2] < 3
    )  # 30 runs of layers, and matrix noise is a quarter of the spread


@pytest.mark.slow
def test_groups_of_runs_that_are_alike_are_seldom_called_different():
    alike = [trained(100 + seed, 3, 0.0)[1] for seed in range(4)]
    lower, upper = np.quantile(alike, [0.05, 0.95], axis=1)
    assert np.sum((lower > 0) | (upper < 0)) <= 4


def test_a_bend_of_the_likelihood_is_put_right():
    """One layer under a given normal prior: against quadrature."""
    design = Design(
        ("a", "b"),
        ("m",),
        ("other",),
        np.array([(0, 0, 0), (1, 0, 0)]),
        np.zeros((2, 1), int),
        np.zeros((2, 1)),
    )
    sd = np.array([0.8, 0.5, 0.5])
    sites = [SkewedSite(np.array([0.5, 0.0, 0.0]), sd), NormalSite(np.zeros(3), sd)]
    prior = (np.zeros(3), np.ones(3))
    data = network.network_data(design, [site.normal for site in sites], prior)
    hyper = {"typical": np.zeros((4, 2000, 3)), "layer_spread": np.ones((4, 2000, 3))}
    found = draw_layers(design, data, sites, hyper, 1)
    x = np.linspace(-5, 5, 4001)
    theta = np.stack([x, 0 * x, 0 * x], axis=-1)
    density = np.exp(sites[0].log_likelihood(theta) - 0.5 * x**2)
    density /= density.sum()
    mean = density @ x
    width = np.sqrt(density @ (x - mean) ** 2)
    drawn_values = found.cells[:, :, 0, 0, 0].ravel()
    assert drawn_values.mean() == pytest.approx(mean, abs=4 * width / np.sqrt(8000))
    assert drawn_values.std() == pytest.approx(width, rel=0.05)
    assert abs(mean - 0.5 / (1 + 0.8**2)) > 0.05  # of the normal likelihood
    assert 0.5 < found.attributes["correction_counting"] < 1
