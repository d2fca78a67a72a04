"""PyTensor Ops: values from the kernel, gradients against finite differences, in Numba and in Python."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose
from pytensor.tensor.blockwise import Blockwise

from htmp_bayes.laws.compiled.htmp_density import INVERSE_GAMMA, LOG_NORMAL, fast_rows
from htmp_bayes.models.distributions.ops import log_cdf, log_density, log_sf

LOG_Y = np.array([-2.5, -0.7, 0.9, 2.4])
LAWS = [
    (4.0, 0.5, 0.6, INVERSE_GAMMA),
    (0.8, 0.3, 1.4, LOG_NORMAL),
    (3.0, 1.0, 0.4, INVERSE_GAMMA),
    (20.0, 0.25, 0.7, INVERSE_GAMMA),
]
OPS = [log_density, log_cdf, log_sf]


def weighted_sum(op, mode=None):
    """Compiled value and gradient of a weighted sum, so that no two elements' gradients are alike."""
    log_y = pt.dvector("log_y")
    scalars = pt.dscalars("kappa", "gamma", "correlation")
    population = pt.lscalar("population")
    total = pt.sum(op(log_y, *scalars, population)[0] * np.arange(1.0, LOG_Y.size + 1))
    gradients = pt.grad(total, [log_y, *scalars])
    return pytensor.function([log_y, *scalars, population], [total, *gradients], mode=mode)


@pytest.fixture(scope="module", params=OPS, ids=lambda op: type(op).__name__)
def op(request):
    return request.param


@pytest.fixture(scope="module")
def compiled(op):
    return weighted_sum(op)


@pytest.mark.parametrize("law", LAWS)
def test_values_are_the_kernels(op, compiled, law):
    rows = fast_rows(LOG_Y, *law)
    column = {log_density: rows[:, 0], log_cdf: np.log(rows[:, 5]), log_sf: np.log(rows[:, 6])}[op]
    assert_allclose(compiled(LOG_Y, *law)[0], np.arange(1.0, LOG_Y.size + 1) @ column, rtol=1e-13)


@pytest.mark.parametrize("law", LAWS)
def test_gradients_agree_with_differences(compiled, law):
    *parameters, population = law
    gradients = compiled(LOG_Y, *law)[1:]
    for number, value in enumerate(parameters):
        step = 1e-4 * value if value != 1.0 else 0.0
        if step == 0.0:
            continue  # gamma = 1 is the end of its range
        unit = step * np.eye(3)[number]
        ends = [compiled(LOG_Y, *(parameters + k * unit), population)[0] for k in (-2, -1, 1, 2)]
        difference = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
        assert_allclose(gradients[1 + number], difference, rtol=2e-6, atol=1e-6)
    for number in range(LOG_Y.size):
        unit = 1e-4 * np.eye(LOG_Y.size)[number]
        ends = [compiled(LOG_Y + k * unit, *law)[0] for k in (-2, -1, 1, 2)]
        difference = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / 12e-4
        assert_allclose(gradients[0][number], difference, rtol=1e-6, atol=1e-7)


def test_python_backend_gives_the_same(op, compiled):
    python = weighted_sum(op, mode="FAST_COMPILE")
    for ours, theirs in zip(compiled(LOG_Y, *LAWS[0]), python(LOG_Y, *LAWS[0]), strict=True):
        assert_allclose(ours, theirs, rtol=1e-13)


def test_batches_of_parameters():
    kappa = pt.dvector("kappa")
    batched = Blockwise(log_density)(LOG_Y[None, :], kappa, 0.5, 0.6, np.int64(INVERSE_GAMMA))[0]
    values = pytensor.function([kappa], [batched, pt.grad(batched.sum(), kappa)])
    together, gradient = values(np.array([2.0, 5.0]))
    for row, one in zip(together, (2.0, 5.0), strict=True):
        single = weighted_sum(log_density)(LOG_Y, one, 0.5, 0.6, INVERSE_GAMMA)
        assert_allclose(row @ np.arange(1.0, LOG_Y.size + 1), single[0], rtol=1e-13)
    assert np.all(np.isfinite(gradient))


def test_second_derivatives_are_refused():
    kappa = pt.dscalar("kappa")
    value = log_density(LOG_Y, kappa, 0.5, 0.6, np.int64(INVERSE_GAMMA))[0].sum()
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pt.grad(pt.grad(value, kappa), kappa)


def test_vector_parameters_are_refused():
    with pytest.raises(TypeError, match="scalar parameters"):
        log_density(LOG_Y, LOG_Y, 0.5, 0.6, np.int64(INVERSE_GAMMA))
