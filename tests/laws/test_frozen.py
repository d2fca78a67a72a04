"""What a law shares with `scipy.stats`' frozen distributions: values beside scipy's own, closed forms, immutability."""

import copy
import pickle  # of what was made here

import numpy as np
import pytest
from scipy import stats

from htmp_bayes.laws import HTMP, Atoms, GammaLimit, GridLaw, InverseHTMP, MarchenkoPastur

SCIPYS = [
    "cdf",
    "entropy",
    "expect",
    "interval",
    "isf",
    "logcdf",
    "logpdf",
    "logsf",
    "mean",
    "median",
    "moment",
]
SCIPYS += ["pdf", "ppf", "rvs", "sf", "stats", "std", "support", "var"]
LAWS = [
    HTMP(5.0, 0.25),
    HTMP(5.0, 0.25, 2.0, 0.5),
    InverseHTMP(5.0, 0.25, correlation=0.3),
    MarchenkoPastur(0.25, correlation=0.5),
    GammaLimit(2.5, 3.0),
    GridLaw([0.0, 1.0, 3.0], [0.0, 1.0, 0.0], gamma=0.5),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_every_method_of_scipys_is_there(law):
    assert {name for name in SCIPYS if not callable(getattr(law, name, None))} == set()
    assert set(SCIPYS) <= set(dir(stats.gamma(2.0)))


def test_values_are_scipys():
    ours, theirs = GammaLimit(2.5, 3.0), stats.gamma(2.5, scale=3.0)
    assert ours.median() == pytest.approx(theirs.median(), rel=1e-9)
    assert ours.std() == pytest.approx(theirs.std(), rel=1e-12)
    assert ours.interval(0.9) == pytest.approx(theirs.interval(0.9), rel=1e-9)
    assert ours.entropy() == pytest.approx(theirs.entropy(), rel=1e-12)
    assert ours.stats("mvsk") == pytest.approx(theirs.stats("mvsk"), rel=1e-12)
    assert ours.moment(5) == pytest.approx(theirs.moment(5), rel=1e-12)
    for settings in ({}, {"lb": 1.0, "ub": 4.0}, {"lb": 1.0, "ub": 4.0, "conditional": True}):
        assert ours.expect(np.log, **settings) == pytest.approx(theirs.expect(np.log, **settings), rel=1e-8)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_integrals_agree_with_closed_forms(law):
    assert law.expect(np.ones_like) == pytest.approx(1.0, abs=2e-11)
    assert law.expect() == pytest.approx(law.mean(), rel=2e-11)
    assert law.expect(lambda x: x**2) == pytest.approx(law.moment(2), rel=2e-10)
    assert law.var() == pytest.approx(law.expect(lambda x: (x - law.mean()) ** 2), rel=1e-9)
    low, high = law.interval(0.5)
    assert law.expect(np.ones_like, low, high) == pytest.approx(0.5, abs=1e-10)


def test_marchenko_pasturs_moments_are_those_of_narayana():
    """Moments of order k: the sum over r of N(k, r) gamma^(r-1), with Narayana's numbers."""
    law = MarchenkoPastur(gamma=0.25)
    assert law.moment(3) == pytest.approx(1 + 3 * 0.25 + 0.25**2, rel=1e-12)
    assert law.moment(4) == pytest.approx(1 + 6 * 0.25 + 6 * 0.25**2 + 0.25**3, rel=1e-12)


def test_moments_beyond_the_tail_are_infinite():
    law = HTMP(5.0, 0.25, correlation=0.7)
    order = int(np.ceil(law.tail_index()))
    assert np.isfinite(law.moment(order - 2))
    assert law.moment(order) == np.inf
    for bad in (-1, 1.5):
        with pytest.raises(ValueError, match="order must be a whole number"):
            law.moment(bad)


def test_arrays_of_laws():
    law = HTMP([5.0, 20.0], [[0.25], [0.5]])
    assert law.median().shape == law.entropy().shape == law.expect(np.log).shape == (2, 2)
    alone = HTMP(20.0, 0.5)
    assert law.entropy()[1, 1] == pytest.approx(alone.entropy(), rel=1e-9)
    assert law.moment(3)[1, 1] == pytest.approx(alone.moment(3), rel=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_a_law_does_not_change(law):
    for name in ("kappa", "gamma", "new"):
        with pytest.raises(AttributeError, match="a law does not change"):
            setattr(law, name, 3.0)
    public = [value for name, value in vars(law).items() if not name.startswith("_")]
    arrays = [value for value in public if isinstance(value, np.ndarray)]
    assert all(not array.flags.writeable for array in arrays)


def test_the_users_array_stays_writeable_and_apart():
    kappa = np.array([5.0, 6.0])
    law = HTMP(kappa, 0.25)
    kappa[0] = 1.0
    assert law.kappa[0] == 5.0


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_laws_are_equal_if_class_and_parameters_are(law):
    again = pickle.loads(pickle.dumps(law))  # noqa: S301 - made here
    assert again == copy.deepcopy(law) == law
    assert hash(copy.deepcopy(law)) == hash(law)
    law.entropy()  # what is kept for integrals makes no difference
    assert copy.deepcopy(law) == law
    assert all(law != other for other in LAWS if other is not law)
    assert law != 3


def test_populations_tell_laws_apart():
    same = HTMP(5.0, 0.25, correlation=0.5, population=Atoms([0.0, 1.0]))
    assert same == HTMP(5.0, 0.25, correlation=0.5, population=Atoms([0.0, 1.0]))
    assert same != HTMP(5.0, 0.25, correlation=0.5)


def test_draws_by_either_name_of_the_seed():
    law = MarchenkoPastur(0.25)
    first = law.rvs(5, random_state=3)
    assert np.array_equal(first, law.rvs(5, rng=3))
    assert np.array_equal(first, law.rvs(5, rng=np.random.default_rng(3)))
    with pytest.raises(ValueError, match="random_state and rng are two names of one thing"):
        law.rvs(5, random_state=3, rng=3)
    with pytest.raises(ValueError, match="whole number of at least 0"):
        law.rvs(5, rng=-1)
    with pytest.raises(ValueError, match="letters m, v, s and k"):
        law.stats("x")
