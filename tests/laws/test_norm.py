"""A few sets of the norm's sweep (studies/law_norm.py has thousands)."""

import pytest

from studies import law_norm


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_integrates_to_one(seed):
    found = law_norm.errors(*law_norm.random_parameters(seed))
    assert abs(found.norm) < 1e-9
    assert abs(found.distribution) < 1e-9
