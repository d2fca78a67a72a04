"""The spectra in data/ are what its README says."""

import csv
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


@pytest.mark.parametrize("file", ["minilm.nc", "minilm_embeddings.nc", "training.nc", "recipes.nc"])
def test_eigenvalues_add_up_to_what_their_shape_allows(file):
    for spectrum in read_spectra(DATA / file):
        assert np.array(spectrum.meta["shape"]).max() == spectrum.n
        assert np.array(spectrum.meta["shape"]).min() == len(spectrum)


def training_table():
    with open(DATA / "training.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_training_study_is_complete():
    spectra = {
        (s.meta["batch_size"], s.meta["seed"], s.meta["layer"]): s for s in read_spectra(DATA / "training.nc")
    }
    sizes = {batch_size for batch_size, _, _ in spectra}
    assert None in sizes
    assert len(sizes) >= 6  # and at least five of trained networks
    assert len(spectra) == len(sizes) * 5 * 2
    assert {(len(s), s.n) for s in spectra.values()} == {(64, 512), (256, 512)}
    networks = {(row["batch_size"], int(row["seed"])) for row in training_table()}
    assert networks == {("" if size is None else str(size), seed) for size, seed, _ in spectra}


def test_the_networks_were_trained_to_the_same_loss():
    for row in training_table():
        if row["batch_size"]:
            assert float(row["train_loss"]) <= 0.01
            assert float(row["test_accuracy"]) > 0.95
            assert int(row["steps"]) > 0
        else:
            assert float(row["test_accuracy"]) < 0.3


def test_starting_weights_can_be_made_again():
    """Uniform within 1 / sqrt(inputs): the mean eigenvalue is a third of the shorter side's share."""
    for spectrum in read_spectra(DATA / "training.nc", include="init"):
        outputs, inputs = spectrum.meta["shape"]
        rng = np.random.default_rng([spectrum.meta["seed"], 0])
        first = rng.uniform(-1, 1, (512, 64)) / 8
        matrix = first if spectrum.meta["layer"] == 0 else rng.uniform(-1, 1, (256, 512)) / np.sqrt(512)
        assert matrix.shape == (outputs, inputs)
        expected = np.linalg.svd(matrix.astype(np.float32).astype(float), compute_uv=False) ** 2 / 512
        np.testing.assert_allclose(spectrum.eigenvalues, np.sort(expected), rtol=1e-6)


def test_every_recipe_was_trained_several_times():
    spectra = read_spectra(DATA / "recipes.nc")
    with open(DATA / "recipes.csv", newline="", encoding="utf-8") as file:
        networks = list(csv.DictReader(file))
    assert len(spectra) == 2 * len(networks)
    runs = {}
    for spectrum in spectra:
        recipe = spectrum.name.split(".seed")[0], spectrum.name.rpartition(".")[2]
        runs.setdefault(recipe, set()).add(spectrum.meta["seed"])
        assert recipe[0] == f"{spectrum.meta['knob']}={spectrum.meta['value']:g}"
    assert {len(seeds) for seeds in runs.values()} == {5, 8}
    for row in networks:
        untrained = (row["knob"], row["value"]) == ("epochs", "0")
        assert (float(row["test_accuracy"]) > 0.75) != untrained
