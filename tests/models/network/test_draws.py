"""Two stages against the joint posterior by quadrature, and networks trained several times."""

import numpy as np
import pytest
from scipy.special import logsumexp

from htmp_bayes.models.network import model
from htmp_bayes.models.network.design import Design
from htmp_bayes.models.network.draws import draw_layers
from htmp_bayes.models.network.quantities import Quantity
from htmp_bayes.models.network.site import Normal

SAMPLING = {"draws": 1000, "tune": 500, "chains": 4, "random_seed": 1}


class NormalSite:
    """A layer whose likelihood is normal, as a stand-in for what stage one finds."""

    def __init__(self, mean, sd):
        self.mean, self.sd = mean, sd

    def normal_form(self, centre, spread):
        return Normal(self.sd**-2.0, self.mean / self.sd**2)

    def log_likelihood(self, value):
        return -0.5 * ((value - self.mean) / self.sd) ** 2


class SkewedSite(NormalSite):
    """The same, with a bend that the normal likelihood does not have."""

    def log_likelihood(self, value):
        z = (value - self.mean) / self.sd
        return -0.5 * z**2 - 0.08 * np.clip(z, -3, 3) ** 3


def quantity(spread, typical=0.0, typical_sd=1.0):
    return Quantity(f"q{spread}", np.log, np.exp, typical, typical_sd, spread)


def one_model(layers):
    place = np.array([(i, 0, 0) for i in range(layers)])
    names = tuple(f"h.{i}" for i in range(layers))
    return Design(names, ("m",), ("other",), place, np.zeros((layers, 1), int), np.zeros((layers, 1)))


def drawn(design, sites, quantities):
    data = model.network_data(design, quantities, sites, [100] * len(sites))
    tree = model.sample_network(data, design.structure, **SAMPLING)
    hyper = {name: values.to_numpy() for name, values in tree["posterior"].data_vars.items()}
    found = draw_layers(design, data, sites, hyper, 1)
    flat = {
        name: np.stack([x.reshape(-1, *x.shape[2:])[kept.ravel(), p] for p, kept in enumerate(found.kept)], 1)
        for name, x in hyper.items()
    }
    return flat, found


@pytest.mark.slow
def test_two_stages_give_the_joint_posterior():
    """Of skewed likelihoods, for two quantities at once: typical layer and spread on a grid, layers by quadrature."""
    design = one_model(4)
    means, sds = np.array([-0.4, 0.1, 0.6, 0.9]), np.array([0.3, 0.1, 0.4, 0.2])
    sites = [[SkewedSite(m, s), SkewedSite(2 * m, s)] for m, s in zip(means, sds, strict=True)]
    quantities = [quantity(0.5), quantity(0.7)]
    hyper, found = drawn(design, sites, quantities)
    for p, unit in enumerate((0.5, 0.7)):
        typical = np.linspace(-3, 3, 121)[:, None]
        log_spread = (np.log(unit) + np.linspace(-3.2, 3.2, 81))[None]
        log_posterior = -0.5 * typical**2 - 0.5 * ((log_spread - np.log(unit)) / model.SPREAD_LOG_SD) ** 2
        z = np.linspace(-8, 8, 401)
        own = []
        for row in sites:
            theta = row[p].mean + row[p].sd * z
            log_joint = row[p].log_likelihood(theta) - log_spread[..., None]
            log_joint = log_joint - 0.5 * ((theta - typical[..., None]) / np.exp(log_spread[..., None])) ** 2
            total = logsumexp(log_joint, axis=-1)
            log_posterior = log_posterior + total
            own.append(np.exp(log_joint - total[..., None]) @ theta)
        weights = np.exp(log_posterior - log_posterior.max())
        weights /= weights.sum()
        for name, brute in (("typical", typical), ("layer_spread", log_spread)):
            ours = hyper[name][:, p] if name == "typical" else np.log(hyper[name][:, p])
            middle = np.sum(weights * brute)
            width = np.sqrt(np.sum(weights * (brute - middle) ** 2))
            assert ours.mean() == pytest.approx(middle, abs=0.1 * width)
            assert ours.std() == pytest.approx(width, rel=0.08)
        cells = found.cells[..., 0, p].reshape(-1, 4)
        away = cells.mean(axis=0) - [np.sum(weights * x) for x in own]
        assert np.all(np.abs(away) < 0.1 * cells.std(axis=0))


def test_a_bend_of_the_likelihood_is_put_right():
    """One layer under a given normal prior: against quadrature."""
    design = one_model(2)
    sites = [[SkewedSite(0.5, 0.8)], [NormalSite(0.0, 0.8)]]
    data = model.network_data(design, [quantity(0.5)], sites, [100, 100])
    hyper = {"typical": np.zeros((4, 2000, 1)), "layer_spread": np.ones((4, 2000, 1))}
    found = draw_layers(design, data, sites, hyper, 1)
    x = np.linspace(-5, 5, 4001)
    density = np.exp(sites[0][0].log_likelihood(x) - 0.5 * x**2)
    density /= density.sum()
    mean = density @ x
    width = np.sqrt(density @ (x - mean) ** 2)
    values = found.cells[:, :, 0, 0, 0].ravel()
    assert values.mean() == pytest.approx(mean, abs=4 * width / np.sqrt(8000))
    assert values.std() == pytest.approx(width, rel=0.05)
    assert abs(mean - 0.5 / (1 + 0.8**2)) > 0.05  # of the normal likelihood
    assert 0.5 < found.attributes["correction_counting"] < 1


RUN_SD = np.array([0.05, 0.02, 0.04])
MATRIX_NOISE = np.array([0.1, 0.02, 0.01])
QUANTITIES = [quantity(0.5, -2.6, 2.0), quantity(0.4, -1.4, 1.0), quantity(0.7, 0.0, 2.0)]


def trained(seed, runs, difference, scatter=1.0):
    """Draws of the hyperparameters, and of the contrast of two groups of runs in units of the run-to-run spread.

    That of the second group is `scatter` times as large.
    """
    rng = np.random.default_rng(seed)
    sites, place = [], []
    for layer, base in enumerate(np.array([-1.0, -1.0, 0.0]) + rng.normal(size=(3, 3)) * [0.4, 0.3, 0.6]):
        for group in range(2):
            for run in range(runs):
                again = base + (group * difference + scatter**group * rng.normal(size=3)) * RUN_SD
                seen = again + rng.normal(size=3) * MATRIX_NOISE
                sites.append([NormalSite(m, s) for m, s in zip(seen, MATRIX_NOISE, strict=True)])
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
    hyper, found = drawn(design, sites, QUANTITIES)
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
    spreads = np.array([hyper["typical_run_spread"] for hyper, _ in planted])
    lower, upper = np.quantile(spreads, [0.05, 0.95], axis=1)
    assert np.sum((lower < RUN_SD) & (upper > RUN_SD)) >= 8
    of_groups = np.array([hyper["run_spread"][:, 2] for hyper, _ in planted])
    lower, upper = np.quantile(of_groups, [0.05, 0.95], axis=1)
    assert np.sum((lower < RUN_SD[2]) & (upper > RUN_SD[2])) >= 5
    # 15 runs of layers of a group, and matrix noise is a quarter of the spread
    assert np.all(upper / lower < 4)


@pytest.mark.slow
def test_a_group_may_scatter_more_from_run_to_run_than_another():
    """As networks trained on batches of 2 do beside those on 64: each has its own spread."""
    spreads = np.array([trained(seed, 5, 0.0, scatter=4.0)[0]["run_spread"][:, 1:] for seed in range(3)])
    lower, upper = np.quantile(spreads, [0.05, 0.95], axis=1)
    truth = RUN_SD[1:, None] * np.array([1.0, 4.0])
    # 12 intervals of 90 %: 8 or fewer hold the truth with probability 2.6 %
    assert np.sum((lower < truth) & (upper > truth)) >= 9
    assert np.mean(spreads[..., 1] > spreads[..., 0]) > 0.95


@pytest.mark.study
def test_groups_of_runs_that_are_alike_are_seldom_called_different():
    alike = [trained(100 + seed, 3, 0.0)[1] for seed in range(4)]
    lower, upper = np.quantile(alike, [0.05, 0.95], axis=1)
    assert np.sum((lower > 0) | (upper < 0)) <= 4
