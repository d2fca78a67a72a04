"""The spectra in data/ are what its README says."""

from pathlib import Path

import numpy as np
import pytest

from htmp_bayes.spectra import read_spectra

DATA = Path(__file__).parents[2] / "data"


def test_minilm_holds_the_37_layers():
    layers = {spectrum.name: spectrum for spectrum in read_spectra(DATA / "minilm.nc")}
    assert len(layers) == 37
    assert {
        "layer.0.output.dense",
        "layer.5.intermediate.dense",
        "layer.5.attention.self.key",
    } <= layers.keys()
    assert {len(spectrum) for spectrum in layers.values()} == {384}
    assert {spectrum.zeros for spectrum in layers.values()} == {0}
    assert {spectrum.gamma for spectrum in layers.values()} == {0.25, 1.0}
    assert all(spectrum.meta["licence"] == "Apache-2.0" for spectrum in layers.values())


def test_minilm_embeddings():
    words, positions = sorted(read_spectra(DATA / "minilm_embeddings.nc"), key=lambda s: -s.n)
    assert (words.n, positions.n) == (30522, 512)
    assert words.gamma == 384 / 30522


@pytest.mark.parametrize("file", ["minilm.nc", "minilm_embeddings.nc"])
def test_eigenvalues_add_up_to_what_their_shape_allows(file):
    for spectrum in read_spectra(DATA / file):
        assert np.array(spectrum.meta["shape"]).max() == spectrum.n
        assert np.array(spectrum.meta["shape"]).min() == len(spectrum)
