r"""Eigenvalues far above the bulk: how many of the largest ones are spikes, and the bulk's law without them.

Under the model :math:`M_k` the k largest of the N eigenvalues are spikes and the other N - k are all that the law has
brought forth. A spike's logarithm above that of the largest eigenvalue of the bulk is exponential with mean 1: a
Pareto density that holds no parameter of the law. For eigenvalues in ascending order, with m that of the bulk's top,

.. math:: p(\lambda \mid \theta, M_k) = \frac{k!\,(N-k)!}{N!}\; \prod_{i \le N-k} f_\theta(\lambda_i)
    \prod_{i > N-k} \frac{m}{\lambda_i^2},

up to the same factor N! for each k (densities of order statistics: David & Nagaraja 2003, *Order Statistics*,
section 2.2). So the posterior of the law under :math:`M_k` is that of a spectrum without its k largest eigenvalues,
which is whole and needs no truncation, and what decides on k is the evidence of the bulk beside the spikes' density:
a law with a heavy tail pays for large eigenvalues in :math:`f_\theta`, one with spikes in the spikes' density and the
prior of their number.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior, adjusted_posterior
from htmp_bayes.models.results import pointwise_log_likelihood
from htmp_bayes.models.sampling import LayerDraws, sample_layer
from htmp_bayes.models.surrogate import SurrogateError, build_surrogate, find_box

logger = logging.getLogger(__name__)

type Array = NDArray[np.float64]

MOST = 10
"""Largest number of spikes that is considered."""

# Of fewer eigenvalues no more than this share, so that the bulk is a bulk.
_LARGEST_SHARE = 0.1
# Numbers whose evidence by Laplace's method is this many nats below the best are given up.
_HOPELESS = 8.0
# Less probable numbers get no draws.
LEAST_PROBABILITY = 1e-3
# With fewer draws the share that the Metropolis-Hastings step accepts is not known well enough.
_FEWEST_DRAWS = 100


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


def log_density_of_spikes(eigenvalues: Array, number: int) -> Array:
    r"""Log-density of each of the largest eigenvalues as a spike.

    Each holds an equal share of :math:`\log(k!\,(N-k)!/N!)`, so that with the bulk's the sum is the log-density of the
    spectrum under :math:`M_k`, comparable over k.

    Parameters
    ----------
    eigenvalues : ndarray
        Eigenvalues, shape ``(N,)``, ascending.
    number : int
        How many of them are spikes, less than N.

    Returns
    -------
    ndarray
        Shape ``(number,)``, in the order of the eigenvalues.

    Examples
    --------
    >>> print(log_density_of_spikes(np.array([1.0, 2.0, 4.0]), 1).round(4))  # log(1/3) + log(2/16)
    [-3.178]
    """
    if number == 0:
        return np.empty(0)
    size = len(eigenvalues)
    ways = gammaln(size + 1) - gammaln(number + 1) - gammaln(size - number + 1)
    top = np.log(eigenvalues[size - number - 1])
    return top - 2 * np.log(eigenvalues[size - number :]) - ways / number


class Spectra(NamedTuple):
    """A spectrum as the law sees it.

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

    def data(self, number: int) -> dict[str, Any]:
        """:func:`layer_data` of the bulk below so many spikes; its prior is that of the whole spectrum."""
        whole = layer_data(self.followed, self.gamma, self.population)
        bulk = layer_data(self.followed[: len(self.followed) - number], self.gamma, self.population)
        return {**bulk, "log_mean": whole["log_mean"], "log_sd": whole["log_sd"]}

    def log_weight(self, number: int) -> float:
        """Compute what is added to the log-evidence of the bulk."""
        bulk = self.log_jacobian[: len(self.eigenvalues) - number]
        spikes = log_density_of_spikes(self.eigenvalues, number)
        return float(log_prior_of_number(number) + bulk.sum() + spikes.sum())


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


def weigh_numbers(spectra: Spectra, adjust_seed: int | None) -> SpikeNumbers:
    """Posterior of the number of spikes, by the evidence of each.

    Laplace's method shows which numbers can be meant; if that leaves several, the integral of the polynomial that
    stands for each one's posterior (:func:`~htmp_bayes.models.surrogate.build_surrogate`) decides between them.

    Parameters
    ----------
    spectra : Spectra
        The spectrum.
    adjust_seed : int, optional
        Seed of the likelihood's adjustment (:func:`~htmp_bayes.models.posterior.adjusted_posterior`); without it
        there is none.

    Examples
    --------
    >>> eigenvalues = np.append(np.linspace(0.5, 2.0, 50), 9.0)
    >>> spectra = Spectra(eigenvalues, eigenvalues, np.zeros(51), 0.25, "inverse-gamma")
    >>> weigh_numbers(spectra, adjust_seed=None).most_probable
    1
    """
    numbers = range(largest_number(len(spectra.eigenvalues)) + 1)
    datas = [spectra.data(number) for number in numbers]
    rough = [laplace(LayerPosterior(data)) + spectra.log_weight(k) for k, data in enumerate(datas)]
    left = [number for number in numbers if rough[number] > max(rough) - _HOPELESS]
    posteriors = {
        k: LayerPosterior(datas[k]) if adjust_seed is None else adjusted_posterior(datas[k], adjust_seed)
        for k in left
    }
    weights = np.full(len(numbers), -np.inf)
    weights[left] = _evidences(list(posteriors.values())) + [spectra.log_weight(k) for k in left]
    probability = np.exp(weights - logsumexp(weights))
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
        return np.array([build_surrogate(p, find_box(p)).log_integral() for p in posteriors])
    except SurrogateError as error:
        logger.info("evidence of the numbers of spikes by Laplace's method: %s", error)
        return np.array([laplace(posterior) for posterior in posteriors])


def sample_spikes(numbers: SpikeNumbers, spectra: Spectra, **sampling: Any) -> tuple[LayerDraws, xr.Dataset]:
    """Draw the number of spikes and the law together: each number has draws in proportion to its probability.

    Parameters
    ----------
    numbers : SpikeNumbers
        What :func:`weigh_numbers` returns.
    spectra : Spectra
        The spectrum.
    **sampling
        As for :func:`~htmp_bayes.models.sampling.sample_layer`.

    Returns
    -------
    draws : LayerDraws
        With ``n_spikes`` beside the parameters of the law.
    log_likelihood : xarray.Dataset
        ``eigenvalues`` with dimensions ``(chain, draw, eigenvalue)``.
    """
    chains, draws = sampling["chains"], sampling["draws"]
    rng = np.random.default_rng([sampling["random_seed"], 2])
    chosen = rng.choice(len(numbers.probability), size=(chains, draws), p=numbers.probability)
    drawn = [
        _draws_of_number(number, numbers.posteriors[number], spectra, chosen == number, sampling)
        for number in map(int, np.unique(chosen))
    ]
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    parameters = _placed([(each.where, each.parameters) for each in drawn]).assign_coords(coords)
    statistics = _placed([(each.where, each.statistics) for each in drawn]).assign_coords(coords)
    log_likelihood = _placed([(each.where, each.log_likelihood) for each in drawn]).assign_coords(coords)
    return (
        LayerDraws(
            parameters.assign(n_spikes=(("chain", "draw"), chosen)),
            statistics,
            _worst([each.attributes for each in drawn]),
        ),
        log_likelihood.assign_coords(eigenvalue=np.arange(len(spectra.eigenvalues))),
    )


class _Drawn(NamedTuple):
    """Draws of one number of spikes, and where among all draws they go."""

    where: NDArray[np.bool_]
    parameters: xr.Dataset
    statistics: xr.Dataset
    log_likelihood: xr.Dataset
    attributes: dict[str, float]


def _draws_of_number(
    number: int,
    posterior: LayerPosterior,
    spectra: Spectra,
    where: NDArray[np.bool_],
    sampling: dict[str, Any],
) -> _Drawn:
    """As many draws of a chain as any chain has of this number."""
    wanted = int(where.sum(axis=1).max())
    draws = min(sampling["draws"], max(wanted, _FEWEST_DRAWS))
    sampled = sample_layer(posterior, **{**sampling, "draws": draws})
    kept = sampled.parameters.isel(draw=slice(wanted))
    size = len(spectra.eigenvalues) - number
    bulk = pointwise_log_likelihood(posterior, kept, spectra.followed[:size])["eigenvalues"].to_numpy()
    bulk = bulk + spectra.log_jacobian[:size]
    spikes = np.broadcast_to(log_density_of_spikes(spectra.eigenvalues, number), (*bulk.shape[:2], number))
    values = np.concatenate([bulk, spikes], axis=-1)
    log_likelihood = xr.Dataset({"eigenvalues": (("chain", "draw", "eigenvalue"), values)})
    return _Drawn(where, kept, sampled.sample_stats, log_likelihood, sampled.attributes)


def _placed(parts: list[tuple[NDArray[np.bool_], xr.Dataset]]) -> xr.Dataset:
    """Put each part's draws, in their order, where they are wanted."""
    whole: dict[str, tuple[Any, NDArray[Any]]] = {}
    for where, part in parts:
        for name, variable in part.data_vars.items():
            if variable.dims[:2] != ("chain", "draw"):
                continue
            values = variable.to_numpy()
            shape = (*where.shape, *values.shape[2:])
            _, target = whole.setdefault(str(name), (variable.dims, np.zeros(shape, values.dtype)))
            for chain, row in enumerate(where):
                target[chain, row] = values[chain, : row.sum()]
    return xr.Dataset(whole)


def _worst(attributes: list[dict[str, float]]) -> dict[str, float]:
    """Take the largest error and the smallest acceptance, if a polynomial stood for each."""
    worst: dict[str, Callable[[list[float]], float]] = {"surrogate_error": max, "surrogate_acceptance": min}
    known = [name for name in worst if all(name in each for each in attributes)]
    return {name: worst[name]([each[name] for each in attributes]) for name in known}
