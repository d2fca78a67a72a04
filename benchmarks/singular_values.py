"""Accuracy and cost of the Gram matrix and of the singular value decomposition, by the spread of the eigenvalues.

    python -m uv run python benchmarks/singular_values.py

Accuracy: matrices of 60 rows against the eigenvalues of their exact Gram matrix in 90-digit arithmetic (python-flint);
larger ones against the singular values, whose own error is the square root as large. "constant" is the relative error
of the smallest eigenvalue, divided by the rounding of float64 times largest over smallest eigenvalue: the theory
says that it does not grow much. Cost: processor time of both routes in the same run, on one thread.
"""

import time

import flint
import numpy as np
from measured import record
from threadpoolctl import threadpool_limits

from htmp_bayes.spectra.singular_values import _eigenvalues, _gram_matrix, singular_values

EPS = np.finfo(float).eps


def exact(matrix: np.ndarray) -> np.ndarray:
    """Eigenvalues of W Wᵀ in 300 bits, ascending."""
    flint.ctx.prec = 300
    W = flint.arb_mat(*matrix.shape, matrix.ravel().tolist())
    values = flint.acb_mat(W * W.transpose()).eig(algorithm="approx", nonstop=True)
    return np.sort([float(value.real) for value in values])


def by_gram(matrix: np.ndarray) -> np.ndarray:
    """Eigenvalues of the Gram matrix, ascending."""
    return _eigenvalues(_gram_matrix(lambda: matrix))


def by_svd(matrix: np.ndarray) -> np.ndarray:
    """Squared singular values, ascending."""
    return np.sort(singular_values(lambda: matrix) ** 2)


def graded(rng: np.random.Generator, rows: int, columns: int, decades: float) -> np.ndarray:
    """Matrix whose eigenvalues are spread evenly over that many decades."""
    U = np.linalg.qr(rng.normal(size=(rows, rows)))[0]
    V = np.linalg.qr(rng.normal(size=(columns, rows)))[0]
    return (U * np.logspace(0, -decades / 2, rows)) @ V.T


def main() -> None:
    """Print both tables."""
    rng = np.random.default_rng(1)
    print(f"{'matrix':32}{'least/largest':>14}{'Gram error':>12}{'SVD error':>12}{'constant':>10}")
    cases = {
        f"{rows}x{columns}, {decades} decades": graded(rng, rows, columns, decades)
        for rows, columns in ((60, 60), (60, 600), (1000, 1000), (1000, 2000))
        for decades in (6, 8, 9, 10, 12)
    }
    cases["60x60 noise"] = rng.normal(size=(60, 60))
    cases["60x240 noise on a mean of 1000"] = rng.normal(size=(60, 240)) + 1000
    cases["60x240 Student, 1.5 degrees"] = rng.standard_t(1.5, size=(60, 240))
    with threadpool_limits(1):
        for name, matrix in cases.items():
            gram, svd = by_gram(matrix), by_svd(matrix)
            truth = exact(matrix) if len(matrix) == 60 else svd
            ratio = truth[0] / truth[-1]
            errors = [float(np.max(np.abs(values - truth) / truth)) for values in (gram, svd)]
            print(f"{name:32}{ratio:14.1e}{errors[0]:12.1e}{errors[1]:12.1e}{errors[0] * ratio / EPS:10.2f}")
        for shape in ((384, 384), (1000, 1000), (1000, 4000), (2000, 2000)):
            matrix = rng.normal(size=shape)
            seconds = []
            for route in (by_gram, by_svd):
                start = time.process_time()
                route(matrix)
                seconds.append(time.process_time() - start)
            what = f"singular values of {shape[0]} x {shape[1]} by the Gram matrix"
            print(record("singular_values", what, seconds[0], "SVD", seconds[1]))


if __name__ == "__main__":
    main()
