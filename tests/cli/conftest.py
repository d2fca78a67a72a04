"""A fit that takes no time, for the tests of what the command line makes of fits."""

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes.cli import main

LAYERS = ("layer.0", "layer.1", "layer.2")


@pytest.fixture
def collection(tmp_path):
    rng = np.random.default_rng(1)
    spectra = [hb.Spectrum.from_matrix(rng.normal(size=(40, 120)), name=name) for name in LAYERS]
    hb.save_spectra(spectra, tmp_path / "spectra.nc")
    return tmp_path / "spectra.nc"


@pytest.fixture
def run(capsys):
    """Run a command and say how it ended: exit code, standard output, standard error."""

    def run_command(*arguments):
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_command


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    """Average the law over two draws instead of forty: these tests do not look at the picture."""
    monkeypatch.setattr("htmp_bayes.plots.result_values._CURVE_DRAWS", 2)


@pytest.fixture
def fits(monkeypatch):
    """Put independent draws in place of the sampler's; the list of what was asked of it."""
    asked = []

    def fit(spectrum, *, random_seed, draws, chains, **settings):
        asked.append({"name": spectrum.name, "random_seed": random_seed, **settings})
        return fitted(spectrum, random_seed, draws, chains)

    monkeypatch.setattr("htmp_bayes.fitting.fit", fit)
    return asked


def fitted(spectrum, seed, draws, chains, diverging=0):
    rng, dims = np.random.default_rng(seed), ("chain", "draw")
    shape, size = (chains, draws), len(spectrum)
    posterior = {
        "kappa": rng.uniform(4, 6, shape),
        "temperature": rng.uniform(0.1, 0.15, shape),
        "correlation": rng.uniform(0.2, 0.4, shape),
        "tail_index": rng.uniform(5, 7, shape),
    }
    flags = np.arange(draws * chains).reshape(shape) < diverging
    predicted = spectrum.eigenvalues * rng.uniform(0.8, 1.2, size=(1, 20, size))
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {name: (dims, values) for name, values in posterior.items()},
                attrs={"infinite": "mean", "probability_infinite_mean": 0.25},
            ),
            "sample_stats": xr.Dataset(
                {"diverging": (dims, flags), "energy": (dims, rng.normal(size=shape))}
            ),
            "observed_data": xr.Dataset({"eigenvalues": ("eigenvalue", spectrum.eigenvalues)}),
            "constant_data": xr.Dataset({"n": spectrum.n, "gamma": spectrum.gamma}),
            "posterior_predictive": xr.Dataset({"eigenvalues": ((*dims, "eigenvalue"), predicted)}),
        }
    )
    tree.attrs = {"name": spectrum.name, "population": "inverse-gamma", "tune": 1000, "draws": draws}
    return tree
