"""Predictive spectra of layers of any size, and what they take on disk."""

import numpy as np
import pytest
import xarray as xr
from threadpoolctl import threadpool_info, threadpool_limits

from htmp_bayes._results import as_netcdf
from htmp_bayes.results import predictive
from htmp_bayes.results.predictive import predictive_spectra

RNG = np.random.default_rng(1)


def draws(size, count=50, **more):
    near = {"kappa": size * 1.0, "temperature": 0.5 / size, "correlation": 0.6}
    columns = {
        name: (("chain", "draw"), value * np.exp(0.01 * RNG.normal(size=(2, count))))
        for name, value in near.items()
    }
    return xr.Dataset(columns | more, {"chain": [0, 1], "draw": np.arange(count)})


def predicted(size, count, posterior=None, **settings):
    observed = np.sort(RNG.gamma(5.0, size=size))
    posterior = draws(size) if posterior is None else posterior
    return observed, predictive_spectra(posterior, observed, 0.25, "inverse-gamma", count, 1, **settings)


@pytest.mark.parametrize("size", [100, 600])
def test_each_draw_has_a_spectrum(size):
    _, found = predicted(size, 10)
    values = found["eigenvalues"]
    assert values.shape == (2, 5, size)
    assert np.all(np.diff(values) >= 0)
    assert list(found["draw"]) == [0, 12, 24, 37, 49]
    assert len(np.unique(values[..., size // 2])) == 10


def test_whole_and_carried_spectra_are_of_the_same_law(monkeypatch):
    posterior = draws(200)
    _, whole = predicted(200, 100, posterior)
    monkeypatch.setattr(predictive, "WHOLE", 199)
    _, carried = predicted(200, 100, posterior)
    for quantile in (0.1, 0.5, 0.9):
        first, second = (np.quantile(each["eigenvalues"], quantile, axis=-1) for each in (whole, carried))
        error = np.hypot(first.std(), second.std()) / 10
        assert abs(first.mean() - second.mean()) < 4 * error + 1e-3 * first.mean()


def test_reciprocals_and_spikes_of_large_layers():
    _, found = predicted(600, 4, inverse=True)
    assert np.all(np.diff(found["eigenvalues"]) >= 0)
    spiked = draws(600, n_spikes=(("chain", "draw"), RNG.integers(0, 3, (2, 50))))
    observed = np.sort(RNG.gamma(5.0, size=600) * np.repeat([1.0, 1e3], [598, 2]))
    found = predictive_spectra(spiked, observed, 0.25, "inverse-gamma", 20, 1)
    number = spiked["n_spikes"].sel(draw=found["draw"])
    own = found["eigenvalues"].to_numpy()[number.to_numpy() == 2]
    np.testing.assert_allclose(own[:, -2:], np.broadcast_to(observed[-2:], own[:, -2:].shape), rtol=1e-5)


def test_fewer_spectra_of_larger_layers(monkeypatch):
    monkeypatch.setattr(predictive, "MOST_VALUES", 600 * 70)
    assert predicted(600, 100)[1]["eigenvalues"].shape == (2, 35, 600)
    monkeypatch.setattr(predictive, "MOST_VALUES", 600 * 30)
    assert predicted(600, 100)[1]["eigenvalues"].shape == (2, 20, 600)


def test_blas_has_one_thread_meanwhile(monkeypatch):
    """With several it may round otherwise, and small matrices wait for one another: minutes in place of seconds."""
    seen = []

    def eigenvalues(_, size, *parameters):
        seen.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")
        return np.arange(1.0, size + 1)

    monkeypatch.setattr(predictive._Matrices, "eigenvalues", eigenvalues)
    with threadpool_limits(2, user_api="blas"):
        predicted(600, 4)
    assert seen
    assert set(seen) == {1}


def test_tiny_eigenvalues_are_kept():
    """Of square matrices whose eigenvalues hardly repel: below 1e-45 in one draw of six."""
    tiny = {"kappa": 100.0, "temperature": 0.01, "correlation": 0.5}
    posterior = xr.Dataset(
        {name: (("chain", "draw"), np.full((1, 20), value)) for name, value in tiny.items()}
    )
    observed = np.sort(RNG.gamma(5.0, size=3000))
    found = predictive_spectra(posterior, observed, 1.0, "inverse-gamma", 20, 1)
    assert np.all(found["eigenvalues"] > 0)
    assert found["eigenvalues"].min() < 1e-30


def test_what_is_saved_stays_small():
    """Of the largest layer that is read unasked; all else that is saved of a fit takes 1.3 MB and 8 bytes for each."""
    size, count = 20_000, predictive.FEWEST_SPECTRA
    values = np.sort(RNG.gamma(5.0, size=(2, count // 2, size)), axis=-1)
    saved = predictive.spectra_dataset(values, [0, 1], np.arange(count // 2))
    content = as_netcdf(xr.DataTree.from_dict({"posterior_predictive": saved}))
    assert len(content) < 3e6 - 1.3e6 - 8 * size
    kept = saved["eigenvalues"].to_numpy()
    np.testing.assert_allclose(kept, values, rtol=2.0**-17 * 1.01)
