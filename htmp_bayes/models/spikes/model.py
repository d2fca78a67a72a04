"""The evidence for each number of spikes, and the spectrum without them; `htmp_bayes.models.spikes` has the model."""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp
from scipy.stats import gamma as gamma_law

from htmp_bayes.models.layer.data import interval_knots, layer_data
from htmp_bayes.models.layer.posterior import LayerPosterior

type Array = NDArray[np.float64]

MOST = 10
"""Largest number of spikes that is considered."""

LEAST_PROBABILITY = 0.005
"""Less probable numbers get no draws."""

# Gamma law of a spike's distance from the bulk: its density vanishes at zero, and is highest at a factor of 3.8.
_DISTANCE = gamma_law(3.0, scale=1 / 1.5)
# Of fewer eigenvalues no more than this share, so that the bulk is a bulk.
_LARGEST_SHARE = 0.1


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


@dataclass(frozen=True, eq=False)
class SpikedSpectrum:
    """A spectrum of which the largest eigenvalues may be spikes.

    Attributes
    ----------
    followed : ndarray
        The numbers that follow the law, ascending, shape ``(N,)``.
    gamma : float
        Aspect ratio.
    population : str
        Name of the population.
    inverse : bool
        Whether these are the reciprocals of the eigenvalues: then spikes are the smallest of them.
    """

    followed: Array
    gamma: float
    population: str
    inverse: bool = False

    def bulk(self, number: int) -> Array:
        """Take what follows the law below so many spikes, shape ``(N - number,)``."""
        return self.followed[number:] if self.inverse else self.followed[: len(self.followed) - number]

    def spikes(self, number: int) -> Array:
        """Logarithms of so many spikes, of what follows the law, the nearest to the bulk first."""
        spikes = (
            self.followed[:number][::-1] if self.inverse else self.followed[len(self.followed) - number :]
        )
        return np.log(spikes)

    def posterior(self, number: int) -> LayerPosterior:
        """Posterior of the bulk below so many spikes, from counts over intervals that are those of all numbers."""
        knots = interval_knots(np.log(self.followed), self.gamma)
        data = layer_data(self.bulk(number), self.gamma, self.population, knots=knots)
        # gaps are data, too: the same ones whatever the number
        common = layer_data(self.bulk(largest_number(len(self.followed))), self.gamma, self.population)
        data = dataclasses.replace(data, gap_ratio=common.gap_ratio, gap_ratios=common.gap_ratios)
        return LayerPosterior(data)

    def log_weight(self, number: int, posterior: LayerPosterior) -> float:
        """Compute what is added to the log-evidence of the bulk: of the spikes and of their number."""
        if not number:
            return log_prior_of_number(0)
        data = posterior.data
        top = np.log(self.bulk(number)[0 if self.inverse else -1])
        places = self.spikes(number)
        precision = np.linalg.inv(posterior.moments_at_mode[1])
        total = log_prior_of_number(number) + float(gammaln(number + 1))
        taken: set[int] = set()
        for place in places:
            distance = abs(place - top)
            interval = int(np.searchsorted(data.knots, place)) - 1
            if not 0 <= interval < len(data.counts):
                # below all intervals the counts do not tell where it is
                end = data.knots[0] if interval < 0 else data.knots[-1]
                total += float(_DISTANCE.logsf(abs(end - top)))
                continue
            length = float(np.diff(data.knots)[interval])
            known = np.sqrt(2 * np.pi / precision[interval, interval]) if interval not in taken else 1.0
            taken.add(interval)
            total += float(_DISTANCE.logpdf(distance) + np.log(min(known, 1.0) * length))
        return total


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


def weigh_numbers(spectrum: SpikedSpectrum) -> SpikeNumbers:
    """Posterior of the number of spikes, by the evidence of each, from Laplace's method.

    Parameters
    ----------
    spectrum : SpikedSpectrum
        The spectrum.

    Examples
    --------
    >>> from htmp_bayes import sample_ensemble
    >>> bulk = sample_ensemble(80, kappa=80, gamma=0.25, correlation=0.3, random_state=1)
    >>> weigh_numbers(SpikedSpectrum(np.append(bulk, 9 * bulk[-1]), 0.25, "inverse-gamma")).most_probable
    1
    """
    posteriors = [spectrum.posterior(number) for number in range(largest_number(len(spectrum.followed)) + 1)]
    log_weights = np.array(
        [laplace(posterior) + spectrum.log_weight(k, posterior) for k, posterior in enumerate(posteriors)]
    )
    probability = np.exp(log_weights - logsumexp(log_weights))
    probability[probability < LEAST_PROBABILITY] = 0.0
    kept = {k: posterior for k, posterior in enumerate(posteriors) if probability[k] > 0}
    return SpikeNumbers(probability / probability.sum(), kept)


def laplace(posterior: LayerPosterior) -> float:
    """Logarithm of a posterior's integral by Laplace's method (Tierney & Kadane 1986, J. Am. Stat. Assoc. 81, 82).

    Examples
    --------
    >>> bool(np.isfinite(laplace(LayerPosterior(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)))))
    True
    """
    dimensions = len(posterior.mode)
    volume = 0.5 * dimensions * np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(posterior.covariance)[1]
    return float(posterior.highest + volume)
