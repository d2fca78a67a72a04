"""The law's speed against its peers, as ratios measured in one run on one thread: ``python benchmarks/law.py``.

(a) `HTMP(...).logpdf` of 4,096 points with new parameters at each call, against `scipy.stats.gamma.logpdf` of the
same points, and against mpmath's Tricomi function; (b) the log-density of a layer's posterior by counts at
N = 100,000 against N = 384.
"""

import time

import mpmath
import numpy as np
from measured import record
from scipy import stats
from threadpoolctl import threadpool_limits

from htmp_bayes.laws import HTMP
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer.posterior import LayerPosterior

POINTS = 4096
ROUNDS = 25
LAWS = [(1.0, 0.25, 0.0), (5.0, 0.25, 0.0), (5.0, 1.0, 0.0), (50.0, 0.5, 0.0)]
LAWS += [(1.0, 0.25, 0.7), (5.0, 0.25, 0.7), (5.0, 1.0, 0.7), (50.0, 0.5, 0.7), (5.0, 0.25, 1.5)]


def cpu_seconds(actions, rounds=ROUNDS):
    """Median processor time of each action; the actions take turns, so that a busy machine slows all alike."""
    times = [[] for _ in actions]
    for action in actions:
        action(0)
    for i in range(rounds):
        for spent, action in zip(times, actions, strict=True):
            start = time.process_time()
            for j in range(4):
                action(4 * i + j)
            spent.append((time.process_time() - start) / 4)
    return [float(np.median(spent)) for spent in times]


def mpmath_logpdf(y, kappa, gamma):
    """Log-density without correlation by mpmath's Tricomi function (Allez et al., arXiv 1209.6171)."""
    b = mpmath.mpf(kappa) / 2
    a = b * (1 / mpmath.mpf(gamma) - 1) - 1
    u = mpmath.hyperu(b, -a, mpmath.mpc(-y, 0))
    return (
        a * mpmath.log(y) - y - mpmath.loggamma(b + 1) - mpmath.loggamma(a + b + 1) - 2 * mpmath.log(abs(u))
    )


def pointwise():
    """Part (a)."""
    print(f"(a) logpdf of {POINTS} points, parameters new at each call; ratio to scipy.stats.gamma.logpdf")
    for kappa, gamma, rho in LAWS:
        x = HTMP(kappa, gamma, 1.0, rho).rvs(POINTS, random_state=1)

        def ours(i, x=x, law=(kappa, gamma, rho)):
            return HTMP(law[0] * (1 + 1e-4 * i), law[1], 1.0 + 1e-3 * i, law[2]).logpdf(x)

        def gamma_law(i, x=x):
            return stats.gamma.logpdf(x, 2.0 + 1e-3 * i, scale=1.0)

        spent, peer = cpu_seconds([ours, gamma_law])
        target = 5 if rho == 0 else 10
        what = f"logpdf of {POINTS} points, kappa {kappa:g}, gamma {gamma:g}, rho {rho:g}"
        line = record("law", what, spent, "scipy.stats.gamma.logpdf", peer)
        line += f"; {spent / peer:.1f} times as long as that (target {target})"
        if rho == 0:
            few = np.quantile(x, [0.1, 0.3, 0.5, 0.7, 0.9])
            start = time.process_time()
            exact = [float(mpmath_logpdf(float(y), kappa, gamma)) for y in few]
            slow = (time.process_time() - start) / len(few) * POINTS
            error = np.abs(HTMP(kappa, gamma).logpdf(few) - exact).max()
            line += f"; mpmath {slow / spent:.0f} times as long (its values: {error:.0e} off)"
        print(line, flush=True)


def counts():
    """Part (b)."""
    data = {}
    for size in (384, 100_000):
        # as many independent points as stand for a spectrum of that size: its reduction is what costs
        values = HTMP(384.0, 0.5, 1.0, 0.7).rvs(size, random_state=0)
        data[size] = layer_data(values, 0.5)

    def likelihood(size, kappa):
        posterior = LayerPosterior(data[size])
        point = np.array([np.log(kappa), 0.7, 0.0])
        return lambda i: posterior.log_density(point + 1e-4 * i)

    for kappa in (10.0, 384.0):
        small, large = cpu_seconds([likelihood(384, kappa), likelihood(100_000, kappa)], ROUNDS)
        what = f"log-density of the posterior by counts, kappa {kappa:g}, N = 384"
        print(record("law", what, small, "N = 100000", large), "(target 1.2)")


if __name__ == "__main__":
    with threadpool_limits(1):
        pointwise()
        counts()
