"""What a frozen `scipy.stats` distribution can do beside its functions of x: moments, integrals and comparison.

`scipy.stats.make_distribution` does not serve: what it makes has ``icdf`` and ``sample`` in place of the ``ppf`` and
``rvs`` of a frozen distribution, and its parameters are numbers, which a population is not.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes._errors import HTMPError

type Floats = NDArray[np.float64]

# Logarithms of x beyond these have no part in an integral that float64 can hold.
_LOG_RANGE = (-650.0, 650.0)
# Probabilities on either side at whose quantiles an integral is cut, so that bulk, tails and edges are found.
_SHARES = np.array(
    [1e-290, 1e-160, 1e-80, 1e-40, 1e-25, 1e-16, *10.0 ** np.arange(-12, -1), 0.04, 0.1, 0.2, 0.35, 0.5]
)
_NODES = 20


def _no_distribution(name: str) -> str:
    return (
        f"htmp_bayes.{name} is a law with numbers for parameters and no distribution of PyMC: in a pm.Model use "
        "htmp_bayes.models.HTMP or InverseHTMP."
    )


def _along_second(values: Floats, dimensions: int) -> Floats:
    """Shape a vector so that it runs along the second of that many dimensions and one."""
    return values.reshape(1, -1, *[1] * (dimensions - 1))


class Frozen(ABC):
    """An immutable law on the positive axis: equal to another of the same class and parameters."""

    shape: tuple[int, ...]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuse what a distribution of PyMC would be made of: a name, and random variables."""
        named = any(isinstance(first, str) for first in args[:1])
        if named or any(hasattr(value, "owner") for value in (*args, *kwargs.values())):
            raise HTMPError(_no_distribution(cls.__name__))
        return super().__new__(cls)

    @abstractmethod
    def logpdf(self, x: ArrayLike) -> Floats:
        """Logarithm of the density at `x`."""

    @abstractmethod
    def ppf(self, q: ArrayLike) -> Floats:
        """Quantile."""

    @abstractmethod
    def isf(self, q: ArrayLike) -> Floats:
        """Upper quantile."""

    @abstractmethod
    def support(self) -> tuple[Any, Any]:
        """End points of the support."""

    def tail_index(self) -> Floats:
        """Exponent alpha of the density's upper tail x**-alpha; inf where it is lighter than any power law."""
        return np.full(self.shape, np.inf)[()]

    def mean(self) -> Floats:
        """Mean; inf where it is infinite."""
        return self.moment(1)

    def var(self) -> Floats:
        """Variance; inf where the second moment is infinite."""
        second = self.moment(2)
        with np.errstate(invalid="ignore"):
            return np.where(np.isinf(second), np.inf, second - self.moment(1) ** 2)[()]

    def std(self) -> Floats:
        """Return the standard deviation."""
        return np.sqrt(self.var())

    def median(self) -> Floats:
        """Median."""
        return self.ppf(0.5)

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        """Return the ends of the interval that holds the probability `confidence`, with as much on either side.

        Examples
        --------
        >>> from htmp_bayes.laws import MarchenkoPastur
        >>> print(*(end.round(3) for end in MarchenkoPastur(gamma=0.25).interval(0.9)))
        0.336 1.931
        """
        outside = (1 - confidence) / 2
        return self.ppf(outside), self.isf(outside)

    def moment(self, order: int) -> Floats:
        """Raw moment of a whole order; inf where the tail index is ``order + 1`` or less.

        Raises
        ------
        ValueError
            If `order` is no whole number of at least 0.
        """
        if isinstance(order, bool) or not isinstance(order, int | np.integer) or order < 0:
            raise ValueError(f"order must be a whole number of at least 0, not {order!r}")
        if order == 0:
            return np.ones(self.shape)[()]
        finite = self.tail_index() > order + 1
        value = self._integral(lambda x: np.where(finite, x**order, 0.0))
        return np.where(finite, value, np.inf)[()]

    def stats(self, moments: str = "mv") -> Any:
        """Mean ("m"), variance ("v"), skewness ("s") and excess kurtosis ("k"), those that are named, in this order.

        Examples
        --------
        >>> from htmp_bayes.laws import MarchenkoPastur
        >>> print(*(value.round(9) for value in MarchenkoPastur(gamma=0.25).stats("mvsk")))
        1.0 0.25 0.5 -0.75
        """
        if not moments or set(moments) - set("mvsk"):
            raise ValueError(f"moments are some of the letters m, v, s and k, not {moments!r}")
        found = {"m": self.mean, "v": self.var, "s": self._skewness, "k": self._kurtosis}
        values = tuple(found[letter]() for letter in "mvsk" if letter in moments)
        return values if len(values) > 1 else values[0]

    def _skewness(self) -> Floats:
        mean, variance = self.mean(), self.var()
        return self._standardised(3, lambda third: third - 3 * mean * variance - mean**3)

    def _kurtosis(self) -> Floats:
        mean, variance, third = self.mean(), self.var(), self.moment(3)
        return self._standardised(
            4, lambda fourth: fourth - 4 * mean * third + 6 * mean**2 * variance + 3 * mean**4
        ) - 3  # fmt: skip

    def _standardised(self, order: int, central: Callable[[Floats], Floats]) -> Floats:
        """Central moment over the standard deviation to its order; inf or nan where moments are infinite."""
        with np.errstate(invalid="ignore"):
            return np.asarray(central(self.moment(order)) / self.std() ** order)[()]

    def entropy(self) -> Floats:
        """Differential entropy, in nats.

        Examples
        --------
        >>> from scipy import stats
        >>> from htmp_bayes.laws import GammaLimit
        >>> bool(abs(GammaLimit(2.5, 3.0).entropy() - stats.gamma(2.5, scale=3.0).entropy()) < 1e-9)
        True
        """
        return self._integral(lambda x: -self.logpdf(x))

    def expect(
        self,
        func: Callable[[Any], Any] | None = None,
        lb: float | None = None,
        ub: float | None = None,
        conditional: bool = False,
    ) -> Floats:
        """Integrate a function over the law, by quadrature.

        Parameters
        ----------
        func : callable, optional
            Smooth function of x, of arrays; by default x itself.
        lb, ub : float, optional
            Ends of the integral; by default those of the support.
        conditional : bool
            Divide by the probability between the ends.

        Examples
        --------
        >>> from htmp_bayes.laws import HTMP
        >>> law = HTMP(kappa=5.0, gamma=0.25)
        >>> print(f"{law.expect(lambda x: x**2) / law.moment(2):.9f}")
        1.000000000
        """
        if lb is None and ub is None:
            return self._integral(func or (lambda x: x))
        low, high = self.support()
        low, high = low if lb is None else np.maximum(low, lb), high if ub is None else np.minimum(high, ub)
        value = self._integral(func or (lambda x: x), low, high)
        return value / self._integral(np.ones_like, low, high) if conditional else value

    def _integral(self, func: Callable[[Any], Any], low: Any = None, high: Any = None) -> Floats:
        """Integral of a function and the density, by Gauss's rule over log x between the ends of the panels."""
        x, mass = self._nodes if low is None and high is None else self._rule(low, high)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(mass > 0, func(x) * mass, 0.0).sum(axis=0)[()]

    @cached_property
    def _nodes(self) -> tuple[Floats, Floats]:
        """The rule for integrals over the whole support."""
        return self._rule(*self.support())

    def _rule(self, low: Any, high: Any) -> tuple[Floats, Floats]:
        """Nodes between two ends, and the probability that each stands for."""
        with np.errstate(divide="ignore"):
            start, stop = (np.clip(np.log(end), *_LOG_RANGE) for end in (low, high))
        ends = np.clip(self._panels, start, stop)
        places, weights = np.polynomial.legendre.leggauss(_NODES)
        halves, middles = np.diff(ends, axis=0) / 2, (ends[1:] + ends[:-1]) / 2
        log_x = middles[:, None] + halves[:, None] * _along_second(places, middles.ndim)
        x = np.exp(log_x.reshape(-1, *self.shape))
        width = (halves[:, None] * _along_second(weights, middles.ndim)).reshape(x.shape)
        return x, np.exp(self.logpdf(x)) * x * width

    @cached_property
    def _panels(self) -> Floats:
        """Ends of panels of log x, at quantiles ever closer to 0 and 1."""
        shares = _SHARES.reshape(-1, *[1] * len(self.shape))
        with np.errstate(divide="ignore"):
            ends = [np.clip(np.log(quantile(shares)), *_LOG_RANGE) for quantile in (self.ppf, self.isf)]
        return np.sort(np.concatenate(ends), axis=0)

    def _freeze(self) -> None:
        """Let nothing of the law change from now on; arrays become copies that cannot be written to."""
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                copy = value.copy()
                copy.setflags(write=False)
                vars(self)[name] = copy
        vars(self)["_frozen"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "_frozen" in vars(self):
            raise AttributeError(
                f"a law does not change, so {name} cannot be set; make another {type(self).__name__}"
            )
        super().__setattr__(name, value)

    def _identity(self) -> tuple[Any, ...]:
        """Name what makes the law: its parameters."""
        known = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return (
            type(self),
            *(
                (name, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else (name, value)
                for name, value in sorted(known.items())
            ),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())
