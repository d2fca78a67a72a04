"""Make recipes.nc and recipes.csv: spectra of small networks that were trained in many ways, several times each.

    OMP_NUM_THREADS=1 python3 -m uv run python data/make_recipes.py [--jobs 2]

trains the network of `make_training.py` with other batch sizes, starting weights, learning rates, weight decays, widths
and shares of wrong labels, and one recipe for more and more epochs; and a small convolutional network on patches of the
two photographs that ship with scikit-learn. One knob is turned at a time. The eigenvalues of the large weight matrices
are kept; a filter bank counts as the matrix with a row for each filter. It takes ten minutes or so on two cores.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from make_convolutional import CONVOLUTIONS, patches, trained_filters
from make_training import Parameters, accuracy, digits, initial, loss, save, train

import htmp_bayes as hb

SOURCE = "scikit-learn digits (UCI Optical Recognition of Handwritten Digits), data/make_recipes.py"
PHOTOGRAPHS = "scikit-learn sample images (danielbuechele and vultilion, CC BY 2.0), data/make_recipes.py"
SEEDS, MANY_SEEDS = range(5), range(8)
EPOCHS, LONGER = 20, 30


@dataclass(frozen=True)
class Recipe:
    """A way of training: the knob that is turned and where it stands, and all others where they usually are."""

    knob: str
    value: float
    batch_size: int = 8
    normal: bool = False
    learning_rate: float = 0.1
    weight_decay: float = 0.0
    width: int = 512
    wrong_labels: float = 0.0
    epochs: int | None = None

    @property
    def name(self) -> str:
        """Name of the recipe in those of the spectra."""
        return f"{self.knob}={self.value:g}"


def recipes() -> Iterator[tuple[Recipe, range]]:
    """All of the fully connected network, and the seeds of each."""
    for size in (2, 8, 64):
        yield Recipe("batch_size", size, batch_size=size), MANY_SEEDS
        yield Recipe("batch_size_normal_start", size, batch_size=size, normal=True), MANY_SEEDS
        yield Recipe("batch_size_equal_epochs", size, batch_size=size, epochs=EPOCHS), MANY_SEEDS
    for rate in (0.02, 0.1, 0.3):
        yield Recipe("learning_rate", rate, learning_rate=rate), SEEDS
    for decay in (0.0, 0.0003, 0.003):
        yield Recipe("weight_decay", decay, weight_decay=decay, epochs=LONGER), SEEDS
    for width in (128, 256, 512):
        yield Recipe("width", width, width=width), SEEDS
    for share in (0.0, 0.1, 0.3):
        yield Recipe("wrong_labels", share, wrong_labels=share, epochs=LONGER), SEEDS
    for epochs in (0, 1, 3, 10, 30, 100):
        yield Recipe("epochs", epochs, epochs=epochs), SEEDS


def trained(recipe: Recipe, seed: int) -> tuple[list[hb.Spectrum], dict[str, object]]:
    """Train one network."""
    data = digits()
    sizes = (64, recipe.width, recipe.width // 2, 10)
    parameters, steps, epochs = initial(seed, sizes, recipe.normal), 0, 0
    if recipe.epochs != 0:
        noisy = {**data, "train_y": with_wrong_labels(data["train_y"], recipe.wrong_labels, seed)}
        parameters, steps, epochs = train(
            parameters,
            noisy,
            recipe.batch_size,
            seed,
            recipe.learning_rate,
            recipe.weight_decay,
            recipe.epochs,
        )
    spectra = [
        spectrum(parameters[k][0], recipe.knob, recipe.value, seed, f"layer{k}", SOURCE) for k in (0, 1)
    ]
    return spectra, row(recipe.knob, recipe.value, seed, steps, epochs, measured(parameters, data))


def with_wrong_labels(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Replace a share of the labels by others, at random."""
    rng = np.random.default_rng([seed, 1])
    wrong = rng.random(len(labels)) < share
    return np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)


def measured(parameters: Parameters, data: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """Loss on right labels of the training set, and accuracies on both sets."""
    train_x, train_y = data["train_x"], data["train_y"]
    return (
        loss(parameters, train_x, train_y),
        accuracy(parameters, train_x, train_y),
        accuracy(parameters, data["test_x"], data["test_y"]),
    )


def convolutional(batch_size: int, seed: int) -> tuple[list[hb.Spectrum], dict[str, object]]:
    """Train one convolutional network."""
    filters, steps, epochs, scores = trained_filters(patches(), batch_size, seed)
    knob = "batch_size_convolutional"
    spectra = [
        spectrum(filters[k], knob, batch_size, seed, f"conv{k}", PHOTOGRAPHS)
        for k in range(1, len(CONVOLUTIONS))
    ]
    return spectra, row(knob, batch_size, seed, steps, epochs, scores)


def spectrum(matrix: np.ndarray, knob: str, value: float, seed: int, layer: str, source: str) -> hb.Spectrum:
    """Make the spectrum of a layer, with what is known of it."""
    meta = {"knob": knob, "value": value, "seed": seed, "source": source, "licence": "Apache-2.0"}
    return hb.Spectrum.from_matrix(matrix, name=f"{knob}={value:g}.seed{seed}.{layer}", meta=meta)


def row(
    knob: str, value: float, seed: int, steps: int, epochs: int, scores: tuple[float, float, float]
) -> dict[str, object]:
    """Make the line of recipes.csv for a network."""
    names = ("train_loss", "train_accuracy", "test_accuracy")
    digits_of = {name: f"{score:.5f}" for name, score in zip(names, scores, strict=True)}
    return {"knob": knob, "value": f"{value:g}", "seed": seed, "steps": steps, "epochs": epochs, **digits_of}


def main() -> None:
    """Train all networks and write both files beside this script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2)
    spectra, rows = [], []
    with ProcessPoolExecutor(parser.parse_args().jobs) as pool:
        running = [pool.submit(trained, recipe, seed) for recipe, seeds in recipes() for seed in seeds]
        running += [pool.submit(convolutional, size, seed) for size in (4, 16, 64) for seed in SEEDS]
        for network in running:
            own, line = network.result()
            spectra += own
            rows.append(line)
            print(*line.values(), flush=True)
    save("recipes", spectra, rows)


if __name__ == "__main__":
    main()
