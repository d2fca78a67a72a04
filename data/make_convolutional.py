"""A small convolutional network in NumPy: which of two photographs is a patch from? For `make_recipes.py`.

Three convolutions of 3 x 3 with 32, 64 and 128 filters and ReLU, means over 2 x 2 pixels after the first two and over
all after the third, and one linear layer. Patches are grey and have mean 0 and variance 1, so that texture decides.
"""

import itertools

import numpy as np
from make_training import batches

CONVOLUTIONS = (32, 64, 128)
PATCH, TRAINED, TESTED = 16, 800, 400
# Patches to train on are from columns left of this one, and those to test on from the others.
DIVIDE = 440
LEARNING_RATE, TARGET_LOSS, MOST_EPOCHS = 0.05, 0.25, 400

type Arrays = dict[str, np.ndarray]
type Filters = list[np.ndarray]


def patches() -> Arrays:
    """Patches of both photographs, half of each, and from which they are; the same for all networks."""
    rng = np.random.default_rng(20261128)
    train_x, train_y = _patches(TRAINED, 0, DIVIDE, rng)
    test_x, test_y = _patches(TESTED, DIVIDE, 640, rng)
    return {"train_x": train_x, "train_y": train_y, "test_x": test_x, "test_y": test_y}


def _patches(count: int, first: int, end: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Patches of the columns from the first to the last but one."""
    from sklearn.datasets import load_sample_images

    x = []
    for photograph in load_sample_images().images:
        grey = photograph[:, first:end].mean(axis=2, dtype=np.float64)
        for _ in range(count // 2):
            top, left = (int(rng.integers(0, side - PATCH)) for side in grey.shape)
            patch = grey[top : top + PATCH, left : left + PATCH]
            x.append((patch - patch.mean()) / (patch.std() + 1.0))
    return np.array(x, np.float32)[..., None], np.repeat([0, 1], count // 2)


def start(seed: int) -> Filters:
    """Draw filters, shape ``(filters, 9 * inputs)``, and the linear layer, normal with variance 2/inputs."""
    rng = np.random.default_rng([seed, 2])
    shapes = [(outputs, 9 * inputs) for inputs, outputs in itertools.pairwise((1, *CONVOLUTIONS))]
    shapes.append((2, CONVOLUTIONS[-1]))
    return [(rng.standard_normal(shape) * np.sqrt(2 / shape[1])).astype(np.float32) for shape in shapes]


def columns(x: np.ndarray) -> np.ndarray:
    """Gather the 3 x 3 neighbours of each pixel, zeros around: shape ``(B, H, W, 9 * channels)``."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    parts = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.concatenate(parts, axis=3)


def from_columns(by_columns: np.ndarray, channels: int) -> np.ndarray:
    """Add up what belongs to each pixel: the transpose of `columns`."""
    images, height, width, _ = by_columns.shape
    padded = np.zeros((images, height + 2, width + 2, channels), by_columns.dtype)
    for k, (i, j) in enumerate(itertools.product(range(3), range(3))):
        padded[:, i : i + height, j : j + width] += by_columns[..., k * channels : (k + 1) * channels]
    return padded[:, 1:-1, 1:-1]


def pooled(x: np.ndarray) -> np.ndarray:
    """Average over 2 x 2 pixels."""
    images, height, width, channels = x.shape
    return x.reshape(images, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def spread(x: np.ndarray) -> np.ndarray:
    """Give each of 2 x 2 pixels a quarter: the transpose of `pooled`."""
    return np.repeat(np.repeat(x, 2, axis=1), 2, axis=2) / 4


def forward(filters: Filters, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Columns and outputs of each convolution, and the logarithms of the class probabilities."""
    inputs, outputs = [], []
    for k, weights in enumerate(filters[:-1]):
        inputs.append(columns(x))
        outputs.append(np.maximum(inputs[-1] @ weights.T, 0))
        x = pooled(outputs[-1]) if k < len(filters) - 2 else outputs[-1]
    logits = x.mean(axis=(1, 2)) @ filters[-1].T
    logits -= logits.max(axis=1, keepdims=True)
    return inputs, outputs, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def gradients(filters: Filters, x: np.ndarray, y: np.ndarray) -> Filters:
    """Gradients of the mean cross-entropy, by back-propagation."""
    inputs, outputs, log_probability = forward(filters, x)
    error = np.exp(log_probability)
    error[np.arange(len(y)), y] -= 1
    error /= len(y)
    last = outputs[-1]
    found = [error.T @ last.mean(axis=(1, 2))]
    own = np.broadcast_to(
        ((error @ filters[-1]) / (last.shape[1] * last.shape[2]))[:, None, None], last.shape
    )
    for k in reversed(range(len(outputs))):
        own = own * (outputs[k] > 0)
        found.append(own.reshape(-1, own.shape[-1]).T @ inputs[k].reshape(-1, inputs[k].shape[-1]))
        if k:
            own = spread(from_columns(own @ filters[k], CONVOLUTIONS[k - 1]))
    return found[::-1]


def scores(filters: Filters, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean cross-entropy in nats, and share of patches that are classified correctly."""
    log_probability = forward(filters, x)[-1]
    return float(-log_probability[np.arange(len(y)), y].mean()), float(
        np.mean(log_probability.argmax(axis=1) == y)
    )


def trained_filters(
    data: Arrays, batch_size: int, seed: int
) -> tuple[Filters, int, int, tuple[float, float, float]]:
    """Train until the loss is reached: filters, steps, epochs, and loss and both accuracies."""
    rng = np.random.default_rng([seed, batch_size])
    filters, steps = start(seed), 0
    x, y = data["train_x"], data["train_y"]
    for epoch in range(1, MOST_EPOCHS + 1):
        for batch in batches(rng.permutation(len(y)), batch_size):
            for weights, by_weights in zip(filters, gradients(filters, x[batch], y[batch]), strict=True):
                weights -= LEARNING_RATE * by_weights
            steps += 1
        own_loss, own_accuracy = scores(filters, x, y)
        if own_loss <= TARGET_LOSS:
            tested = scores(filters, data["test_x"], data["test_y"])[1]
            return filters, steps, epoch, (own_loss, own_accuracy, tested)
    raise SystemExit(f"batch size {batch_size}, seed {seed}: the loss did not reach {TARGET_LOSS}.")
