"""`phase_probabilities`: each phase by the conventions, on posteriors made for it and on fits of synthetic spectra."""

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes._results import ResultError
from htmp_bayes.phases import PHASES, PhaseConventions, PhaseError, phase_probabilities

N, LONGER = 256, 1024
DIMS = ("chain", "draw")


def noise(rows=N, columns=LONGER, seed=0):
    matrix = np.random.default_rng(seed).normal(size=(rows, columns))
    return np.linalg.svd(matrix, compute_uv=False) ** 2 / columns


def with_largest(*largest):
    return np.append(noise()[len(largest) :], largest)


def posterior_of(eigenvalues, kappa, correlation, zeros=0, population="inverse-gamma", **more):
    """Result with draws about one point, whose law has mean 1, and predictive spectra of that law."""
    gamma, draws = N / LONGER, np.linspace(0.98, 1.02, 40).reshape(2, 20)
    temperature = 1 / hb.HTMP(kappa, gamma, 1.0, correlation, population).mean()
    law = hb.HTMP(kappa * draws, gamma, temperature / draws, correlation * draws, population)
    posterior = {"kappa": law.kappa, "temperature": law.temperature, "correlation": law.correlation}
    if population == "inverse-gamma":
        posterior["tail_index"] = law.tail_index()
    posterior |= {name: np.broadcast_to(values, draws.shape) for name, values in more.items()}
    rng = np.random.default_rng(1)
    predicted = [
        hb.sample_ensemble(N, kappa, gamma, temperature, correlation, population, rng) for _ in range(20)
    ]
    groups = {
        "posterior": xr.Dataset({name: (DIMS, values) for name, values in posterior.items()}),
        "observed_data": xr.Dataset({"eigenvalues": ("eigenvalue", eigenvalues)}),
        "constant_data": xr.Dataset({"n": LONGER, "gamma": gamma, "zeros": zeros}),
        "posterior_predictive": xr.Dataset(
            {"eigenvalues": ((*DIMS, "eigenvalue"), np.array(predicted)[None])}
        ),
    }
    result = xr.DataTree.from_dict(groups)
    result.attrs = {"law": "htmp", "population": population}
    return result


@pytest.mark.parametrize(
    ("phase", "result"),
    [
        ("random-like", posterior_of(noise(), 100.0, 0.02)),
        ("bleeding-out", posterior_of(with_largest(2.5, 2.7, 3.0), 40.0, 0.15)),
        ("bulk-plus-spikes", posterior_of(with_largest(2.5, 7.0), 40.0, 0.15)),
        ("bulk-plus-spikes", posterior_of(with_largest(4.0, 7.0, 9.0, 30.0), 50.0, 0.43)),
        ("bulk-decay", posterior_of(noise(), 30.0, 0.45)),
        ("bulk-decay", posterior_of(noise(), 3.0, 0.2)),
        ("bulk-decay", posterior_of(noise(), 30.0, 1.2, population="log-normal")),
        ("heavy-tailed", posterior_of(noise(), 5.0, 0.9)),
        ("rank-collapse", posterior_of(noise(), 5.0, 0.9, zeros=40)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_phase(phase, result):
    probabilities = phase_probabilities(result)
    assert tuple(probabilities) == PHASES
    assert sum(probabilities.values()) == pytest.approx(1)
    assert probabilities[phase] == 1.0, probabilities


def test_the_probability_is_the_share_of_draws():
    # tail index 4 is a correlation of 0.628; the draws spread evenly by 2 % on either side
    probabilities = phase_probabilities(posterior_of(noise(), 30.0, 0.628))
    assert 0.3 < probabilities["heavy-tailed"] < 0.7
    assert probabilities["heavy-tailed"] + probabilities["bulk-decay"] == pytest.approx(1)


def test_a_posterior_of_spikes_is_used():
    spikes = np.repeat([[0], [2]], 20, axis=1)
    result = posterior_of(with_largest(4.0, 5.0), 30.0, 0.45, n_spikes=spikes)
    probabilities = phase_probabilities(result)
    assert probabilities["bulk-plus-spikes"] == probabilities["bulk-decay"] == 0.5


def test_other_conventions():
    result = posterior_of(noise(), 5.0, 0.9)
    assert phase_probabilities(result, PhaseConventions(heavy_tail=2.0))["heavy-tailed"] == 0
    few_zeros = posterior_of(noise(), 5.0, 0.9, zeros=10)
    assert phase_probabilities(few_zeros, PhaseConventions(collapsed=0.03))["rank-collapse"] == 1


def test_what_has_no_phase():
    result = posterior_of(noise(), 5.0, 0.9)
    result.attrs["law"] = "inverse-htmp"
    with pytest.raises(PhaseError, match="those of weight matrices"):
        phase_probabilities(result)
    without = posterior_of(noise(), 40.0, 0.1)
    del without["posterior_predictive"]
    with pytest.raises(ResultError, match="predictive_draws"):
        phase_probabilities(without)


@pytest.mark.study
@pytest.mark.parametrize(
    ("phase", "spectrum"),
    [
        ("random-like", hb.Spectrum(noise(seed=1), LONGER)),
        ("bleeding-out", hb.Spectrum(with_largest(2.5, 2.7, 3.0), LONGER)),
        ("bulk-plus-spikes", hb.Spectrum(with_largest(5.0, 6.0, 8.0, 11.0, 25.0), LONGER)),
        ("bulk-decay", hb.Spectrum(hb.sample_ensemble(N, 8.0, 0.25, 0.1, 0.45, random_state=1), LONGER)),
        ("heavy-tailed", hb.Spectrum(hb.sample_ensemble(N, 5.0, 0.25, 0.1, 1.0, random_state=1), LONGER)),
        ("rank-collapse", hb.Spectrum(noise(150), LONGER, zeros=100)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fits_of_synthetic_spectra(phase, spectrum):
    probabilities = phase_probabilities(hb.fit(spectrum, draws=500, random_seed=1))
    assert probabilities[phase] > 0.8, probabilities
