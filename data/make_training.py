"""Make training.nc and training.csv: spectra of a small network before and after training, by batch size.

    python3 -m uv run python data/make_training.py

trains a fully connected network (64-512-256-10, ReLU) on the handwritten digits that ship with scikit-learn, once for
each batch size and seed, all with the same learning rate and until the training loss is the same, and keeps the
eigenvalues of its two large weight matrices. It takes a minute or two.
"""

import csv
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import htmp_bayes as hb
from htmp_bayes import _files

SIZES = (64, 512, 256, 10)
BATCH_SIZES = (2, 4, 8, 16, 64)
SEEDS = (0, 1, 2, 3, 4)
LEARNING_RATE = 0.1
TARGET_LOSS = 0.01
"""Mean cross-entropy over the training set, in nats, at which training ends."""
MOST_EPOCHS = 2000
SAVED_LAYERS = (0, 1)
SOURCE = "scikit-learn digits (UCI Optical Recognition of Handwritten Digits), data/make_training.py"

type Parameters = list[tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Train all networks and write both files beside this script."""
    data = digits()
    spectra, rows = [], []
    for seed in SEEDS:
        start = initial(seed)
        spectra += spectra_of(start, None, seed)
        rows.append(row_of(start, data, None, seed, steps=0, epochs=0))
        for batch_size in BATCH_SIZES:
            clock = time.perf_counter()
            parameters, steps, epochs = train(start, data, batch_size, seed)
            spectra += spectra_of(parameters, batch_size, seed)
            rows.append(row_of(parameters, data, batch_size, seed, steps, epochs))
            print(rows[-1], f"{time.perf_counter() - clock:.1f} s", flush=True)
    save("training", spectra, rows)


def save(name: str, spectra: list[hb.Spectrum], rows: list[dict[str, object]]) -> None:
    """Write spectra and table beside this script."""
    here = Path(__file__).parent
    hb.save_spectra(spectra, here / f"{name}.nc")
    table = here / f"{name}.csv"
    with _files.replacing(table) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def digits() -> dict[str, np.ndarray]:
    """1,347 images to train on and 450 to test, pixels scaled to [0, 1]; the same split for all networks."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        (images / 16).astype(np.float32), labels, test_size=0.25, random_state=0, stratify=labels
    )
    return dict(zip(("train_x", "test_x", "train_y", "test_y"), parts, strict=True))


def initial(seed: int, sizes: tuple[int, ...] = SIZES, normal: bool = False) -> Parameters:
    """Draw weights uniformly within 1 / sqrt(inputs) on either side of 0, PyTorch's default; biases are 0.

    Or draw them from the normal law of the same variance.
    """
    rng = np.random.default_rng([seed, 0])
    found = []
    for inputs, outputs in itertools.pairwise(sizes):
        shape = (outputs, inputs)
        drawn = rng.standard_normal(shape) / np.sqrt(3) if normal else rng.uniform(-1, 1, shape)
        found.append(((drawn / np.sqrt(inputs)).astype(np.float32), np.zeros(outputs, np.float32)))
    return found


def train(
    start: Parameters,
    data: dict[str, np.ndarray],
    batch_size: int,
    seed: int,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = 0.0,
    epochs: int | None = None,
) -> tuple[Parameters, int, int]:
    """Stochastic gradient descent without momentum, until the training loss is reached or so many epochs are over."""
    rng = np.random.default_rng([seed, batch_size])
    parameters = [(weight.copy(), bias.copy()) for weight, bias in start]
    x, y = data["train_x"], data["train_y"]
    steps = 0
    for epoch in range(1, (epochs or MOST_EPOCHS) + 1):
        for batch in batches(rng.permutation(len(y)), batch_size):
            for (weight, bias), (by_weight, by_bias) in zip(
                parameters, gradients(parameters, x[batch], y[batch]), strict=True
            ):
                weight -= learning_rate * (by_weight + weight_decay * weight)
                bias -= learning_rate * by_bias
            steps += 1
        if epoch == epochs or (epochs is None and loss(parameters, x, y) <= TARGET_LOSS):
            return parameters, steps, epoch
    raise SystemExit(f"batch size {batch_size}, seed {seed}: the loss did not reach {TARGET_LOSS}.")


def batches(order: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Split an epoch's order into batches; what is left over is not used in this epoch."""
    for begin in range(0, len(order) - batch_size + 1, batch_size):
        yield order[begin : begin + batch_size]


def activations(parameters: Parameters, x: np.ndarray) -> list[np.ndarray]:
    """Input, hidden layers after the ReLU, and the logarithms of the class probabilities."""
    values = [x]
    for weight, bias in parameters[:-1]:
        values.append(np.maximum(values[-1] @ weight.T + bias, 0))
    weight, bias = parameters[-1]
    logits = values[-1] @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    return [*values, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))]


def gradients(parameters: Parameters, x: np.ndarray, y: np.ndarray) -> Parameters:
    """Gradients of the mean cross-entropy, by back-propagation."""
    *inputs, log_probability = activations(parameters, x)
    error = np.exp(log_probability)
    error[np.arange(len(y)), y] -= 1
    error /= len(y)
    found = []
    for (weight, _), value in zip(parameters[::-1], inputs[::-1], strict=True):
        found.append((error.T @ value, error.sum(axis=0)))
        error = (error @ weight) * (value > 0)
    return found[::-1]


def loss(parameters: Parameters, x: np.ndarray, y: np.ndarray) -> float:
    """Mean cross-entropy in nats."""
    return float(-activations(parameters, x)[-1][np.arange(len(y)), y].mean())


def accuracy(parameters: Parameters, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images that are classified correctly."""
    return float(np.mean(activations(parameters, x)[-1].argmax(axis=1) == y))


def spectra_of(parameters: Parameters, batch_size: int | None, seed: int) -> list[hb.Spectrum]:
    """Spectra of the weight matrices that are kept; batch size None is before training."""
    trained = "init" if batch_size is None else f"batch{batch_size:03d}"
    meta = {"batch_size": batch_size, "seed": seed, "source": SOURCE, "licence": "Apache-2.0"}
    return [
        hb.Spectrum.from_matrix(
            parameters[i][0], name=f"{trained}.seed{seed}.layer{i}", meta={**meta, "layer": i}
        )
        for i in SAVED_LAYERS
    ]


def row_of(
    parameters: Parameters,
    data: dict[str, np.ndarray],
    batch_size: int | None,
    seed: int,
    steps: int,
    epochs: int,
) -> dict[str, object]:
    """Make the line of training.csv for a network."""
    return {
        "batch_size": "" if batch_size is None else batch_size,
        "seed": seed,
        "steps": steps,
        "epochs": epochs,
        "train_loss": f"{loss(parameters, data['train_x'], data['train_y']):.5f}",
        "train_accuracy": f"{accuracy(parameters, data['train_x'], data['train_y']):.4f}",
        "test_accuracy": f"{accuracy(parameters, data['test_x'], data['test_y']):.4f}",
    }


if __name__ == "__main__":
    main()
