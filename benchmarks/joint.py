"""The joint density from its sufficient statistics: time at N = 384, at N = 100,000, and of the direct sum.

Run on one thread: ``python benchmarks/joint.py``. Prints times and ratios measured in this run.
"""

import time

import numpy as np
from measured import record
from scipy import special

from htmp_bayes.laws.ensemble.joint_density import JointStatistics

REPEATS = 2000


def seconds(action, repeats):
    """Return the best of five means."""
    action()
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeats):
            action()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best


def direct_log_z(n, kappa, gamma):
    """Return the normalising constant as its formula is written, one term for each eigenvalue."""
    delta = kappa / (2 * n)
    p = kappa / 2 * (1 / gamma - 1) + delta - 1
    j = np.arange(n)
    terms = special.gammaln(1 + p + j * delta) + special.gammaln(1 + (j + 1) * delta)
    return terms.sum() - n * special.gammaln(1 + delta)


def main():
    """Time both at both sizes."""
    JointStatistics.of([1.0, 2.0])  # compiles
    rng = np.random.default_rng(0)
    timing = {}
    for n in (384, 100_000):
        x = rng.gamma(2.0, size=n)
        start = time.perf_counter()
        statistics = JointStatistics.of(x)
        pass_seconds = time.perf_counter() - start
        timing[n] = seconds(lambda s=statistics: s.logpdf_and_gradient(3.0, 0.3, 1.1), REPEATS)
        direct = seconds(lambda n=n: direct_log_z(n, 3.0, 0.3), 20)
        print(f"N = {n}: statistics once {pass_seconds:.3f} s")
        what = f"joint density with gradient, N = {n}"
        print(record("joint", what, timing[n], "direct sum of the constant", direct))
    print(record("joint", "joint density with gradient, N = 384", timing[384], "N = 100000", timing[100_000]))


if __name__ == "__main__":
    main()
