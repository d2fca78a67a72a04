"""Seeds: under the names that NumPy, SciPy and PyMC have for them, as numbers or as generators."""

from typing import Any

import numpy as np

from htmp_bayes._errors import HTMPError


class SeedError(HTMPError):
    """Something that no random numbers can be drawn from."""


def one_of(**named: Any) -> Any:
    """Return the one argument that was given of several names of one thing, or None.

    Examples
    --------
    >>> one_of(random_seed=None, random_state=3)
    3
    >>> one_of(random_seed=1, random_state=3)
    Traceback (most recent call last):
    htmp_bayes._seeds.SeedError: random_seed and random_state are two names of one thing; give one of them.
    """
    given = [value for value in named.values() if value is not None]
    if len(given) > 1:
        raise SeedError(f"{' and '.join(named)} are two names of one thing; give one of them.")
    return given[0] if given else None


def generator_of(seed: Any, name: str = "random_state") -> Any:
    """Make a generator of a seed, or return the one that was given: a Generator, or a RandomState of before.

    Examples
    --------
    >>> generator_of(np.random.default_rng(1)), generator_of(np.random.SeedSequence(1))
    (Generator(PCG64) at ..., Generator(PCG64) at ...)
    """
    if isinstance(seed, np.random.RandomState):
        return seed
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise SeedError(
            f"{name} is a whole number of at least 0 or a numpy.random.Generator, not {seed!r}."
        ) from error


def as_seed(seed: Any, name: str = "random_seed") -> int:
    """Whole number that repeats a result: the one that was given, one of the generator's, or a new one.

    Examples
    --------
    >>> as_seed(7), as_seed(np.random.default_rng(1))
    (7, 2032329983)
    >>> as_seed(-1)
    Traceback (most recent call last):
    htmp_bayes._seeds.SeedError: random_seed is a whole number of at least 0 or a numpy.random.Generator, not -1.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0:
        return int(seed)
    if isinstance(seed, np.random.RandomState):
        return int(seed.randint(2**32, dtype=np.uint32))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**32))
    raise SeedError(f"{name} is a whole number of at least 0 or a numpy.random.Generator, not {seed!r}.")
