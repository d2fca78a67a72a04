r"""Eigenvalues far above the bulk: how many of the largest ones are spikes, and the bulk's law without them.

Under the model :math:`M_k` the k largest of the N eigenvalues are spikes and the other N - k are all that the law has
brought forth. The distance of a spike :math:`\lambda` from the bulk's largest eigenvalue m,
:math:`x = \log(\lambda/m)`, has the density :math:`g(x) = \tfrac{27}{16} x^2 e^{-3x/2}`, a Gamma law of shape 3 and
mean 2: a spike is far above the bulk, so the density vanishes at the bulk's top (a non-local prior: Johnson & Rossell
2010, J. R. Stat. Soc. B 72, 143), and it holds no parameter of the law. For eigenvalues in ascending order,

.. math:: p(\lambda \mid \theta, M_k) = \frac{k!\,(N-k)!}{N!}\; \prod_{i \le N-k} f_\theta(\lambda_i)
    \prod_{i > N-k} \frac{g(\log(\lambda_i/m))}{\lambda_i},

up to the same factor N! for each k (densities of order statistics: David & Nagaraja 2003, *Order Statistics*,
section 2.2). So the posterior of the law under :math:`M_k` is that of a spectrum without its k largest eigenvalues,
which is whole and needs no truncation, and what decides on k is the evidence of the bulk beside the spikes' density:
a law with a heavy tail pays for large eigenvalues in :math:`f_\theta`, one with spikes in the spikes' density and the
prior of their number.
"""

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.surrogate import SurrogateError, log_integral, whole_surrogate

logger = logging.getLogger(__name__)

type Array = NDArray[np.float64]

MOST = 10
"""Largest number of spikes that is considered."""

LEAST_PROBABILITY = 0.005
"""Less probable numbers get no draws."""

# Gamma law of a spike's distance from the bulk: its density vanishes at zero, and is highest at a factor of 3.8.
_SHAPE, _RATE = 3.0, 1.5
# Of fewer eigenvalues no more than this share, so that the bulk is a bulk.
_LARGEST_SHARE = 0.1
# Numbers whose evidence by Laplace's method is so many nats below the best are given up; its error is below 1.5 nats
# and the least probability is 5.3 nats below.
_HOPELESS = 7.0


def largest_number(n_eigenvalues: int) -> int:
    """Most spikes that are looked for among so many eigenvalues.

    Examples
    --------
    >>> largest_number(384), largest_number(32)
    (10, 3)
    """
    return min(MOST, int(_LARGEST_SHARE * n_eigenvalues))


def log_prior_of_number(number: int) -> float:
    """Logarithm of the prior probability of a number of spikes: 1/2, 1/4, 1/8, ...

    Examples
    --------
    >>> float(np.exp(log_prior_of_number(2)))
    0.125
    """
    return -(number + 1) * float(np.log(2.0))


def log_density_of_spikes(eigenvalues: Array, number: int) -> float:
    r"""Log-density of the largest eigenvalues as spikes, with the logarithm of :math:`k!\,(N-k)!/N!`.

    With the log-density of the bulk it is that of the spectrum under :math:`M_k`, comparable over k. An eigenvalue
    equal to the bulk's largest is no spike: ``-inf``.

    Parameters
    ----------
    eigenvalues : ndarray
        Eigenvalues, shape ``(N,)``, ascending.
    number : int
        How many of them are spikes, less than N.

    Examples
    --------
    >>> round(log_density_of_spikes(np.array([1.0, 2.0, 4.0]), 1), 4)  # log(1/3) + log(g(log 2)/4)
    -3.7344
    """
    size = len(eigenvalues)
    ways = gammaln(size + 1) - gammaln(number + 1) - gammaln(size - number + 1)
    logarithms = np.log(eigenvalues[size - number - 1 :])
    distances = logarithms[1:] - logarithms[0]
    with np.errstate(divide="ignore"):
        log_g = (
            _SHAPE * np.log(_RATE) - gammaln(_SHAPE) + (_SHAPE - 1) * np.log(distances) - _RATE * distances
        )
    return float(np.sum(log_g - logarithms[1:]) - ways)


class SpikedSpectrum(NamedTuple):
    """A spectrum of which the largest eigenvalues may be spikes.

    Attributes
    ----------
    eigenvalues : ndarray
        Shape ``(N,)``, ascending.
    followed, log_jacobian : ndarray
        The numbers that follow the law, and what the map to them adds to each log-density; both of shape ``(N,)`` in
        the order of the eigenvalues.
    gamma : float
        Aspect ratio.
    population : str
        Name of the population.
    """

    eigenvalues: Array
    followed: Array
    log_jacobian: Array
    gamma: float
    population: str

    def bulk(self, number: int) -> Array:
        """Take what follows the law below so many spikes, shape ``(N - number,)``."""
        return self.followed[: len(self.followed) - number]

    def posterior(self, number: int) -> LayerPosterior:
        """Posterior of the bulk below so many spikes, without adjustment."""
        return LayerPosterior(layer_data(self.bulk(number), self.gamma, self.population))

    def log_weight(self, number: int) -> float:
        """Compute what is added to the log-evidence of the bulk: of the spikes and of their number."""
        jacobian = self.log_jacobian[: len(self.eigenvalues) - number].sum()
        spikes = log_density_of_spikes(self.eigenvalues, number)
        return log_prior_of_number(number) + float(jacobian) + spikes


class SpikeNumbers(NamedTuple):
    """How many spikes there are.

    Attributes
    ----------
    probability : ndarray
        Posterior probability of 0, 1, ... spikes, shape ``(largest + 1,)``; 0 below `LEAST_PROBABILITY`.
    posteriors : dict of int to LayerPosterior
        The bulk's posterior for each number that is left.
    """

    probability: Array
    posteriors: dict[int, LayerPosterior]

    @property
    def most_probable(self) -> int:
        """The number of the highest probability."""
        return int(np.argmax(self.probability))


def weigh_numbers(spectrum: SpikedSpectrum, adjust_seed: int | None) -> SpikeNumbers:
    """Posterior of the number of spikes, by the evidence of each.

    Laplace's method shows which numbers can be meant; if that leaves several, the integral of the polynomial that
    stands for each one's posterior (:func:`~htmp_bayes.models.surrogate.whole_surrogate`) decides between them.

    Parameters
    ----------
    spectrum : SpikedSpectrum
        The spectrum.
    adjust_seed : int, optional
        Seed of the likelihood's adjustment (:func:`~htmp_bayes.models.posterior.adjusted_posterior`); without it
        there is none.

    Examples
    --------
    >>> eigenvalues = np.append(np.linspace(0.5, 2.0, 50), 9.0)
    >>> spectrum = SpikedSpectrum(eigenvalues, eigenvalues, np.zeros(51), 0.25, "inverse-gamma")
    >>> weigh_numbers(spectrum, adjust_seed=None).most_probable
    1
    """
    numbers = range(largest_number(len(spectrum.eigenvalues)) + 1)
    plain = [spectrum.posterior(number) for number in numbers]
    added = np.array([spectrum.log_weight(number) for number in numbers])
    rough = added + [laplace(posterior) for posterior in plain]
    left = np.flatnonzero(rough > rough.max() - _HOPELESS)
    posteriors = {int(k): plain[k] if adjust_seed is None else plain[k].adjusted(adjust_seed) for k in left}
    log_weights = np.full(len(numbers), -np.inf)
    log_weights[left] = added[left] + _evidences(list(posteriors.values()))
    probability = np.exp(log_weights - logsumexp(log_weights))
    probability[probability < LEAST_PROBABILITY] = 0.0
    kept = {k: posterior for k, posterior in posteriors.items() if probability[k] > 0}
    return SpikeNumbers(probability / probability.sum(), kept)


def laplace(posterior: LayerPosterior) -> float:
    """Logarithm of a posterior's integral by Laplace's method (Tierney & Kadane 1986, J. Am. Stat. Assoc. 81, 82).

    Examples
    --------
    >>> flat = LayerPosterior(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> bool(np.isfinite(laplace(flat)))
    True
    """
    top = posterior.log_density(posterior.mode)[0]
    return float(top + 1.5 * np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(posterior.covariance)[1])


def _evidences(posteriors: list[LayerPosterior]) -> Array:
    """Log-evidence of each, all by the same method; a single one needs none."""
    if len(posteriors) == 1:
        return np.zeros(1)
    try:
        return np.array([log_integral(p, whole_surrogate(p)) for p in posteriors])
    except SurrogateError as error:
        logger.info("evidence of the numbers of spikes by Laplace's method: %s", error)
        return np.array([laplace(posterior) for posterior in posteriors])
