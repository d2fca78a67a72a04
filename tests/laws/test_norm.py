"""The density integrates to one over the whole range of the parameters."""

import numpy as np
import pytest

from htmp_bayes.laws import kernel

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
LOWEST, HIGHEST = -690.0, 690.0


def ends(law, tail=1e-10):
    """Log y beyond which a mass of `tail` lies on either side, as far as doubles reach."""
    found = []
    for column, side in ((5, -1.0), (6, 1.0)):
        inside, outside = np.log(law[0] / (2 * law[1])), LOWEST if side < 0 else HIGHEST
        for _ in range(24):
            middle = 0.5 * (inside + outside)
            if kernel.fast_rows(np.array([middle]), *law)[0, column] > tail:
                inside = middle
            else:
                outside = middle
        found.append(outside)
    return found


def mass(law):
    """Mass by Gauss panels that are halved until their sum stands still, beyond the ends by F."""
    low, high = ends(law)
    edges = np.linspace(low, high, 9)
    left, right = edges[:-1], edges[1:]
    total = 0.0
    coarse = panels(left, right, law)
    for _ in range(40):
        middle = 0.5 * (left + right)
        halves = panels(np.append(left, middle), np.append(middle, right), law)
        fine = halves[: left.size] + halves[left.size :]
        open_ = np.abs(fine - coarse) > 2e-12
        total += fine[~open_].sum()
        left, right = np.append(left[open_], middle[open_]), np.append(middle[open_], right[open_])
        coarse = np.append(halves[: open_.size][open_], halves[open_.size :][open_])
        if not left.size:
            break
    beyond = kernel.fast_rows(np.array([low, high]), *law)
    return total + beyond[0, 5] + beyond[1, 6]


def panels(left, right, law):
    half = 0.5 * (right - left)[:, None]
    log_y = (left[:, None] + half * (1 + NODES)).ravel()
    density = np.exp(kernel.fast_rows(log_y, *law)[:, 0] + log_y)
    return (density.reshape(-1, NODES.size) * half * WEIGHTS).sum(axis=1)


def random_law(rng):
    kappa = 10 ** rng.uniform(-3, 4)
    gamma = 1.0 if rng.random() < 0.1 else np.exp(rng.uniform(np.log(0.005), 0.0))
    rho = 0.0 if rng.random() < 0.2 else rng.uniform(0.0, 3.0)
    return kappa, gamma, rho, int(rng.integers(2))


def sweep(count, seed):
    rng = np.random.default_rng(seed)
    laws = [random_law(rng) for _ in range(count)]
    return [(law, error) for law in laws if not (error := abs(mass(law) - 1)) < 1e-9]


def test_integrates_to_one():
    assert sweep(15, seed=1) == []


@pytest.mark.slow
def test_integrates_to_one_for_two_thousand_laws():
    assert sweep(2000, seed=2) == []
