"""Seconds for one draw of the finite ensemble, against the dense eigenvalue problem of the same size.

Run on one thread: ``OMP_NUM_THREADS=1 python benchmarks/ensemble.py``. Prints times and ratios of this run.
"""

import time

import numpy as np
from measured import record

from htmp_bayes.laws.ensemble import sample_ensemble


def seconds(action, repeats=3):
    """Return the best of a few runs, after one that compiles."""
    action()
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def dense(n, gamma):
    """Draw a real Wishart matrix of the same shape and take its singular values."""
    rng = np.random.default_rng(1)
    return np.linalg.svd(rng.standard_normal((n, int(n / gamma))), compute_uv=False)


def main():
    """Time both samplers at the sizes that are promised: 4,096 without correlation, 1,000 with it."""
    for n, kappa, gamma, correlation in (
        (4096, 5.0, 0.3, 0.0),
        (1000, 5.0, 0.3, 0.7),
        (1000, 1000.0, 0.3, 0.7),
    ):
        ours = seconds(
            lambda n=n, k=kappa, g=gamma, c=correlation: sample_ensemble(n, k, g, 1.0, c, random_state=1)
        )
        what = f"N = {n}, kappa = {kappa:g}, gamma = {gamma:g}, correlation = {correlation:g}"
        peer = seconds(lambda n=n, g=gamma: dense(n, g), 2) if n == kappa else None
        print(record("ensemble", what, ours, "dense singular values" if peer else "", peer))


if __name__ == "__main__":
    main()
