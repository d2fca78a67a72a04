"""BLAS on one thread, however many ask for it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_info

from htmp_bayes._threads import one_blas_thread


def blas_threads():
    with one_blas_thread():  # loads what it limits
        pass
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_the_first_sets_and_the_last_restores():
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_many_threads_compute_while_others_ask():
    matrix = np.eye(60) + 0.01

    def solve(_):
        with one_blas_thread():
            return float(np.linalg.eigvalsh(matrix)[-1])

    before = blas_threads()
    with one_blas_thread(), ThreadPoolExecutor(4) as pool:
        found = set(pool.map(solve, range(400)))
    assert len(found) == 1
    assert blas_threads() == before
