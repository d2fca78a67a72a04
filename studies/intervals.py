"""How many intervals? What counts over more and fewer of them tell of kappa, beside the exact joint density.

Without correlation the density of all eigenvalues together is known (`htmp_bayes.joint_logpdf`). For N = 300 and an
aspect ratio of 1/4 the standard deviation of log kappa, temperature unknown, that Fisher's information lets expect:

    python -m studies.intervals     # a few minutes; prints the table of docs/likelihood.md
"""

import numpy as np

SIZE, GAMMA, KAPPAS, PER_INTERVAL = 300, 0.25, (5.0, 40.0, 300.0), (3, 5, 8, 12, 20)
MATRICES, STEP = 400, 0.002
# How log kappa and log temperature are moved: kappa at a fixed mean of the law, which is known very well; and the mean.
DIRECTIONS = np.array([[1.0, -1.0], [0.0, 1.0]])


def knots_of(logarithms: np.ndarray, per_interval: int) -> np.ndarray:
    """One interval for so many eigenvalues; beyond them the likelihood's own."""
    from htmp_bayes.models.layer.data import interval_knots

    count = SIZE // per_interval
    bulk = np.quantile(logarithms, np.arange(1, count + 1) / (count + 1))
    usual = interval_knots(logarithms, GAMMA)
    below = usual[(usual < bulk[0] - 0.05)]
    return np.concatenate([below, bulk, usual[usual > bulk[-1] + 0.05]])


def information_of_counts(kappa: float, logarithms: np.ndarray, per_interval: int) -> np.ndarray:
    """Fisher's information of normal counts about log kappa and the logarithm of the mean."""
    from htmp_bayes.models.layer import likelihood
    from htmp_bayes.models.layer.data import layer_data

    data = layer_data(np.exp(logarithms), GAMMA, "none", knots_of(logarithms, per_interval))

    def law(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = kappa * np.exp(shift[0])
        found = likelihood.moments(data, own, 0.0, shift[1])
        factor = likelihood.precision(data, found, own).factor
        return found.mean, factor @ factor.T

    _, precision = law(np.zeros(2))
    covariance = np.linalg.inv(precision)
    ends = [(law(STEP * d), law(-STEP * d)) for d in DIRECTIONS]
    means = [(up[0] - down[0]) / (2 * STEP) for up, down in ends]
    # P dC, by dP = -P dC P
    changes = [-(up[1] - down[1]) / (2 * STEP) @ covariance for up, down in ends]
    return np.array(
        [
            [means[i] @ precision @ means[j] + 0.5 * np.trace(changes[i] @ changes[j]) for j in (0, 1)]
            for i in (0, 1)
        ]
    )


def information_of_gaps(kappa: float) -> float:
    """Fisher's information of the mean gap ratio about log kappa."""
    from htmp_bayes.laws.gap_ratio import mean_gap_ratio, standard_error

    up, down = (mean_gap_ratio(kappa / SIZE * np.exp(step)) for step in (STEP, -STEP))
    return float(((up - down) / (2 * STEP) / standard_error(SIZE - 2, kappa / SIZE)) ** 2)


def exact_information(kappa: float, spectra: np.ndarray) -> np.ndarray:
    """Mean square of the exact density's scores."""
    from htmp_bayes import joint_logpdf

    def log_density(eigenvalues: np.ndarray, shift: np.ndarray) -> float:
        return float(joint_logpdf(eigenvalues, kappa * np.exp(shift[0]), GAMMA, np.exp(shift[1])))

    scores = np.array(
        [
            [(log_density(x, STEP * d) - log_density(x, -STEP * d)) / (2 * STEP) for d in DIRECTIONS]
            for x in spectra
        ]
    )
    return scores.T @ scores / len(scores)


def main() -> None:
    """Print the table."""
    from threadpoolctl import threadpool_limits

    from htmp_bayes.laws.ensemble import sample_ensembles

    print("| κ | exact | " + " | ".join(f"{n} an interval" for n in PER_INTERVAL) + " | 5, without gaps |")
    print("|---" * (3 + len(PER_INTERVAL)) + "|")
    with threadpool_limits(1, user_api="blas"):
        for kappa in KAPPAS:
            spectra = sample_ensembles(MATRICES, SIZE, kappa, GAMMA, random_state=1)
            typical = np.log(np.median(spectra, axis=0))
            gaps = np.diag([information_of_gaps(kappa), 0.0])
            by_counts = {n: information_of_counts(kappa, typical, n) for n in PER_INTERVAL}
            informations = [exact_information(kappa, spectra), *(by_counts[n] + gaps for n in PER_INTERVAL)]
            deviations = [np.sqrt(np.linalg.inv(own)[0, 0]) for own in [*informations, by_counts[5]]]
            print(f"| {kappa:g} | " + " | ".join(f"{sd:.3f}" for sd in deviations) + " |", flush=True)


if __name__ == "__main__":
    main()
