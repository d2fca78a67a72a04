"""Compiling the law in a process of its own, so that the first fit after an installation repeats bit by bit.

A process that compiles with Numba does not run what it leaves on disk: functions that it has compiled on their own are
taken for the copies that were optimised within their callers, and sums are rounded in another order there (seen with
numba 0.68: the last bits of the log-density, and from there other draws). So a process that finds nothing on disk has
another one compile, and loads what that left, as every later process does.
"""

import functools
import inspect
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np

from htmp_bayes._errors import HTMPError
from htmp_bayes.laws.compiled import counting_covariance, counting_mean
from htmp_bayes.laws.compiled.htmp_density import INVERSE_GAMMA, fast_rows, log_density, log_density_and_slope
from htmp_bayes.laws.compiled.listed_population import average_slopes, listed_columns
from htmp_bayes.laws.compiled.population_rule import population_rule
from htmp_bayes.laws.ensemble.secular_equations import growing_eigenvalues

logger = logging.getLogger(__name__)

_LAW = (np.linspace(-1.0, 1.0, 3), 5.0, 0.5, 0.3, INVERSE_GAMMA)


@functools.cache
def compile_beforehand() -> None:
    """Have the law compiled by another process, unless an earlier one did so; takes a minute or two then.

    That is said in the log at level WARNING (on standard error, unless the log is set up otherwise), for nothing else
    is to be seen meanwhile. Where that process leaves nothing on disk, the law is compiled when it is called.

    Raises
    ------
    HTMPError
        A ValueError, if Numba is told to compile nothing.

    Examples
    --------
    >>> compile_beforehand()
    """
    if numba.config.DISABLE_JIT:
        raise HTMPError("NUMBA_DISABLE_JIT is set, and without compiled code a fit takes days; unset it.")
    if _all_on_disk():
        return
    logger.warning("The law is being compiled, once for this installation; that takes a minute or two.")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-m", __name__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not _all_on_disk():
        logger.warning(
            "The law could not be compiled beforehand: %s", done.stderr.strip() or "nothing is on disk"
        )


def _all_on_disk() -> bool:
    return all(_on_disk(function, arguments) for function, arguments in _entrances())


def _entrances() -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Compiled functions that Python calls in a fit, with arguments of the types that it calls them with."""
    yield log_density, _LAW
    yield fast_rows, _LAW
    yield log_density_and_slope, _LAW
    numbers = np.array([1.0, 2.0, 3.0])
    yield growing_eigenvalues, (numbers, numbers, numbers)
    # of the likelihood
    points, group = np.array([-0.2, 0.0, 0.2]), np.arange(3)
    transform, shares = np.array([1.0 + 1.0j, 1.0 + 0.9j, 1.0 + 0.8j]), np.array([0.3, 0.5, 0.7])
    yield counting_mean.limit_columns, (points, 0.5, population_rule(0.3, INVERSE_GAMMA))
    yield counting_mean.finite_transform, (points, points, points, 5.0)
    yield counting_mean.arguments_by_differences, (transform, points)
    yield (
        counting_covariance.repulsion_covariance,
        (transform, numbers, numbers, group, 3, counting_covariance.FAR_WIDTHS),
    )
    yield counting_covariance.independent_covariance, (shares, 1 - shares, numbers, group, 3)
    yield counting_covariance.structure_factors, (numbers, numbers)
    population = np.array([-0.1, 0.1]), np.array([0.5, 0.5])
    yield listed_columns, (points, 0.5, *population, np.zeros(3, np.complex128))
    yield average_slopes, (transform, *population, numbers, group, 3)
    for function in (counting_covariance.precision_factor, counting_covariance.joint_covariance):
        yield function, (np.eye(3), np.eye(3), 1.0)


def _on_disk(function: Any, arguments: tuple[Any, ...]) -> bool:
    return bool(function.overloads) or _saved(function, arguments)


def _saved(function: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a call would load what is on disk; that is Numba's own test, for which it has no public name."""
    parameters = list(inspect.signature(function.py_func).parameters.values())
    omitted = [numba.types.Omitted(parameter.default) for parameter in parameters[len(arguments) :]]
    loaded: Callable[..., Any] = function._cache.load_overload
    return loaded((*map(numba.typeof, arguments), *omitted), function.targetctx) is not None


if __name__ == "__main__":
    for entrance, example in _entrances():
        entrance(*example)
