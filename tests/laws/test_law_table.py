"""Tables of laws that many callers share, against the kernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws import kernel
from htmp_bayes.laws.law_table import LawTable, law_table


@pytest.mark.parametrize(
    "law", [(5.0, 0.25, 0.7, 0), (0.05, 1.0, 0.1, 1), (80.0, 1.0, 0.56, 0), (2000.0, 0.25, 0.1, 0)], ids=str
)
def test_the_table_has_the_kernels_values(law):
    centre = np.log(law[0] / (2 * law[1]))
    log_y = centre + np.random.default_rng(1).uniform(-8.0, 2.5, 300)
    exact = kernel.log_density_and_slope(log_y, *law)
    table = LawTable(*law)
    for part in (slice(0, 5), slice(0, 300), slice(100, 300)):  # filled little by little
        rows = table.log_density_and_slope(log_y[part])
        assert_allclose(rows[:, 0], exact[part, 0], rtol=1e-4, atol=1e-4)
        assert_allclose(rows[:, 1], exact[part, 1], rtol=1e-3, atol=1e-2)


def test_panels_are_filled_once(asked_of):
    asked = asked_of("log_density_and_slope")
    table, log_y = LawTable(5.0, 0.25, 0.7, 0), np.linspace(0.0, 3.6, 100)
    table.log_density_and_slope(log_y)
    table.log_density_and_slope(log_y + 0.3)
    assert len(asked) == 1


def test_the_bits_do_not_depend_on_what_was_asked_before():
    log_y = np.linspace(0.5, 1.5, 50)
    fresh, used = LawTable(80.0, 1.0, 0.56, 0), LawTable(80.0, 1.0, 0.56, 0)
    used.log_density_and_slope(np.linspace(-9.0, 3.5, 40))
    np.testing.assert_array_equal(fresh.log_density_and_slope(log_y), used.log_density_and_slope(log_y))


def test_all_who_ask_for_a_law_get_the_same_table():
    assert law_table(5.0, 0.25, 0.7, 0) is law_table(5.0, 0.25, 0.7, 0)
