r"""What one layer's spectrum says of each quantity by itself: a likelihood of one number, and a normal one close to it.

The likelihood is the posterior's density over the prior's, both smooth ones of draws (Lunn, Barrett, Sweeting &
Thompson 2013, J. R. Stat. Soc. C 62, 551, take the draws themselves). Its normal form is what, multiplied by a wide
normal reference for all layers, has the mean and variance that the likelihood has with it: where a layer's spectrum
says little, what matters is how far it pulls at what the others say (a site of expectation propagation: Minka 2001;
Gelman, Vehtari, Jylänki et al. 2020, J. Mach. Learn. Res. 21, 17).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

type Array = NDArray[np.float64]

_BINS = 1024
# The grid ends so many bandwidths beyond the last draws.
_MARGIN = 4.0
# Between these shares of the draws the likelihood is that of the smooth densities; beyond, there are too few for one.
_SHARES = (0.025, 0.975)
_POINTS = 161
_REACH = 8.0
_QUADRATURE = 2001
# Share of the prior's density that is as of Student's t, so that no place has next to none, and its degrees of freedom.
_BROAD, _FREEDOM = 0.02, 3.0


class Normal(NamedTuple):
    """Normal likelihood in natural form: precision, and that times the mean."""

    precision: float
    linear: float


class Site:
    """Likelihood of a layer's quantity, given draws of its posterior and prior, on the scale on which it is pooled.

    Parameters
    ----------
    posterior, prior : ndarray
        Draws, shapes ``(D,)`` and ``(E,)``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> site = Site(rng.normal(0.8, np.sqrt(0.2), 4000), rng.normal(0.0, 1.0, 4000))
    >>> normal = site.normal_form(0.0, 1.0)  # in truth 4 and 4
    >>> round(normal.precision, 1), round(normal.linear / normal.precision, 1)
    (3.9, 1.0)
    """

    def __init__(self, posterior: Array, prior: Array) -> None:
        self.mean, self.sd = float(np.mean(posterior)), float(np.std(posterior))
        if not self.sd > 0:
            raise ValueError("the draws are all equal")
        low, high = np.quantile(posterior, _SHARES)
        at = np.linspace(low, high, _POINTS)
        values = _log_density(posterior, at) - _log_prior(prior, at)
        self._at, self._values = at, values - values.max()
        self._tails = tuple(_tail(posterior, prior, end, side) for end, side in ((at[0], -1), (at[-1], 1)))

    def log_likelihood(self, value: Array) -> Array:
        """Log-likelihood at values on the pooled scale, but for a constant, elementwise."""
        found = np.interp(value, self._at, self._values)
        for (slope, bend), beyond in zip(
            self._tails, (self._at[0] - value, value - self._at[-1]), strict=True
        ):
            away = np.maximum(beyond, 0.0)
            found = found - away * (slope + 0.5 * bend * away)
        return np.asarray(found)

    def normal_form(self, centre: float, spread: float) -> Normal:
        """Find the normal likelihood that does the same to a normal reference of this mean and standard deviation."""
        ends = [(self.mean - _REACH * self.sd, self.mean + _REACH * self.sd)]
        ends.append((centre - _REACH * spread, centre + _REACH * spread))
        x = np.unique(np.concatenate([np.linspace(*pair, _QUADRATURE) for pair in ends]))
        log_density = self.log_likelihood(x) - 0.5 * ((x - centre) / spread) ** 2
        weights = np.exp(log_density - log_density.max()) * np.gradient(x)
        weights /= weights.sum()
        mean = float(weights @ x)
        precision = 1 / float(weights @ (x - mean) ** 2)
        added = precision - spread**-2
        if added <= 0:  # it says nothing that a normal likelihood could
            return Normal(0.0, 0.0)
        return Normal(added, precision * mean - centre / spread**2)


def _tail(posterior: Array, prior: Array, end: float, side: int) -> tuple[float, float]:
    """How the log-likelihood falls beyond an end: slope and bend, both as of halves of normal laws, and never upwards.

    Where the prior alone decides that end, posterior and prior fall alike, and the likelihood does not.
    """
    (slope, bend), (of_prior, prior_bend) = (_half_normal(draws, end, side) for draws in (posterior, prior))
    return max(slope - of_prior, 0.0), max(bend - prior_bend, 0.0)


def _half_normal(draws: Array, end: float, side: int) -> tuple[float, float]:
    """Slope and bend at a place of minus the log-density of a normal law about the median, as wide as that half."""
    median = np.median(draws)
    away = side * (draws - median)
    variance = float(np.mean(away[away > 0] ** 2))
    return side * (end - median) / variance, 1 / variance


def _log_density(draws: Array, at: Array) -> Array:
    """Log of a kernel estimate that keeps mean and variance: draws are drawn together by what the kernel adds.

    West (1993), J. R. Stat. Soc. B 55, 409; the bandwidth is Silverman's (1986, equation 3.30).
    """
    sd, (low, high) = np.std(draws), np.quantile(draws, [0.25, 0.75])
    spread = min(sd, (high - low) / 1.34) if high > low else sd
    width = 1.06 * spread * len(draws) ** -0.2
    mean = draws.mean()
    drawn = mean + np.sqrt(1 - (width / sd) ** 2) * (draws - mean)
    ends = drawn.min() - _MARGIN * width, drawn.max() + _MARGIN * width
    number = int(np.clip(np.ceil(5 * (ends[1] - ends[0]) / width), _BINS, 16 * _BINS))
    counts, edges = np.histogram(drawn, number, ends)
    step = edges[1] - edges[0]
    density = gaussian_filter1d(counts.astype(float), width / step, truncate=6.0) / (len(draws) * step)
    middles = (edges[1:] + edges[:-1]) / 2
    return np.asarray(np.log(np.maximum(np.interp(at, middles, density), 1e-300)))


def _log_prior(draws: Array, at: Array) -> Array:
    from scipy.stats import t

    broad = t.logpdf(at, _FREEDOM, np.median(draws), np.std(draws))
    return np.logaddexp(np.log1p(-_BROAD) + _log_density(draws, at), np.log(_BROAD) + broad)
