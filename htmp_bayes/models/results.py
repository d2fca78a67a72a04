"""What a fit reports beside the draws: derived parameters, predictive spectra, the prior."""

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._results import law_of
from htmp_bayes._threads import one_blas_thread
from htmp_bayes.models.layer_data import LayerData
from htmp_bayes.models.prior import log_prior, prior_draws

if TYPE_CHECKING:
    from htmp_bayes.laws.carried_noise import CarriedNoise
    from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur
    from htmp_bayes.models.free.curve import Curve

WHOLE = 512
"""Eigenvalues up to which predictive spectra are those of whole matrices, whose cost grows as their cube."""

MOST_VALUES, FEWEST_SPECTRA = 1_200_000, 60
"""Predictive eigenvalues that are kept of larger layers, and how many spectra they are at least."""

# Beyond WHOLE eigenvalues are kept to so many binary digits: relative errors of 8e-6, where neighbours are 1e-4 apart
_DIGITS = 16
_COMPRESSED = {"zlib": True, "shuffle": True, "complevel": 4}


def with_derived(
    parameters: xr.Dataset, size: int, gamma: float, population: str, inverse: bool = False
) -> xr.Dataset:
    r"""Add ``dyson_index``, ``tail_index`` and ``mean`` to draws of ``kappa``, ``temperature`` and ``correlation``.

    The Dyson index is kappa/N: 1 for a real matrix of independent columns.

    The upper tail of the density falls as :math:`\lambda^{-\alpha}` with :math:`\alpha = \nu + 1` for the
    inverse-gamma population of shape :math:`\nu`, :math:`\psi'(\nu) = \rho^2`. A log-normal population has no
    power law, nor has the law without correlation, so there ``tail_index`` is left out. The mean is
    :math:`T\kappa\,\mathrm E[h]/(2\gamma)`, infinite for :math:`\nu \le 1` (correlation of 1.2825 and more): it
    is left out if any draw is infinite. For the inverse law see :class:`htmp_bayes.InverseHTMP`.

    Parameters
    ----------
    parameters : xarray.Dataset
        Draws of ``kappa``, ``temperature`` and, unless it is zero by assumption, ``correlation``.
    size : int
        Number N of eigenvalues that the law is of.
    gamma : float
        Aspect ratio.
    population : str
        Name of the population.
    inverse : bool
        Whether the reciprocals of the eigenvalues follow the law.

    Returns
    -------
    xarray.Dataset
        The parameters and what is finite of ``tail_index`` and ``mean``; the attribute
        ``probability_infinite_mean`` is the share of draws with an infinite mean, and
        ``infinite`` names the variables that were left out.

    Examples
    --------
    >>> draws = xr.Dataset({name: ("draw", [1.0]) for name in ("kappa", "temperature", "correlation")})
    >>> derived = with_derived(draws, 2, gamma=0.5, population="inverse-gamma")
    >>> print(f"{derived.tail_index.item():.4f} {derived['mean'].item():.4f}")
    2.4263 2.2658
    """
    names = [name for name in ("kappa", "temperature", "correlation") if name in parameters]
    kappa, temperature, correlation = _law_parameters(parameters)
    law = law_of(kappa, gamma, temperature, correlation, population, inverse)
    reported = {"tail_index": law.tail_index(), "mean": law.mean()}
    dims = parameters["kappa"].dims
    derived = {name: (dims, values) for name, values in reported.items() if np.all(np.isfinite(values))}
    infinite = float(np.mean(np.isinf(reported["mean"])))
    left_out = [name for name in ("tail_index", "mean") if name not in derived]
    result = parameters[names].assign({"dyson_index": parameters["kappa"] / size, **derived})
    return result.assign_attrs(probability_infinite_mean=infinite, infinite=" ".join(left_out))


def _law_parameters(parameters: xr.Dataset) -> tuple[NDArray, NDArray, NDArray]:
    """Arrays of kappa, temperature and correlation, the last of them zeros where the model has none."""
    kappa, temperature = (parameters[name].to_numpy() for name in ("kappa", "temperature"))
    known = "correlation" in parameters
    return kappa, temperature, parameters["correlation"].to_numpy() if known else np.zeros_like(kappa)


def predictive_spectra(
    posterior: xr.Dataset,
    eigenvalues: NDArray[np.float64],
    gamma: float,
    population: str,
    draws: int,
    random_seed: int,
    inverse: bool = False,
) -> xr.Dataset:
    """Spectra of finite random matrices at evenly thinned draws: the draw's population fixed, and its repulsion.

    Beyond `WHOLE` eigenvalues they are those of :class:`htmp_bayes.laws.carried_noise.CarriedNoise`, to five
    digits, and no more than `MOST_VALUES` in all or `FEWEST_SPECTRA` spectra: what `to_netcdf`
    saves stays below 3 MB up to N = 20,000.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws of ``kappa``, ``temperature`` and ``correlation`` with dimensions ``(chain, draw)``. Where there is
        ``n_spikes``, so many of the largest eigenvalues are taken over as they are.
    eigenvalues : ndarray
        Eigenvalues of the layer, ascending, shape ``(N,)``; each spectrum has as many.
    gamma : float
        Aspect ratio.
    population : str
        Name of the population.
    draws : int
        Number of spectra, rounded up to a multiple of the number of chains.
    random_seed : int
        Seed.
    inverse : bool
        Whether the spectra are the reciprocals of a draw's.

    Returns
    -------
    xarray.Dataset
        ``eigenvalues`` with dimensions ``(chain, draw, eigenvalue)``, ascending in the last.
    """
    thinned = kept_draws(posterior["kappa"].shape, draws, len(eigenvalues))
    columns = _law_parameters(posterior)
    spikes = posterior["n_spikes"].to_numpy() if "n_spikes" in posterior else np.zeros_like(columns[0])
    about = (float(np.median(column[:, thinned])) for column in columns)
    matrices = _Matrices(gamma, population if population != "none" else "point", *about)

    def at_draw(chain: int, draw: int, rng: np.random.Generator) -> NDArray[np.float64]:
        size = len(eigenvalues) - int(spikes[chain, draw])
        kappa, temperature, correlation = (column[chain, draw] for column in columns)
        bulk = matrices.eigenvalues(size, kappa, temperature, correlation, rng)
        return np.sort(np.append(1 / bulk if inverse else bulk, eigenvalues[size:]))

    return spectra_at_draws(at_draw, thinned, len(posterior["kappa"]), random_seed)


def kept_draws(shape: tuple[int, ...], draws: int, size: int) -> NDArray[np.int64]:
    """Draws of each chain that have a predictive spectrum of so many eigenvalues, where `draws` are asked for."""
    chains, length = shape
    in_all = draws if size <= WHOLE else min(draws, max(FEWEST_SPECTRA, MOST_VALUES // size))
    return np.linspace(0, length - 1, min(length, -(-in_all // chains))).round().astype(np.int64)


def spectra_at_draws(
    at_draw: Callable[[int, int, np.random.Generator], NDArray[np.float64]],
    kept: NDArray[np.int64],
    chains: int,
    random_seed: int,
) -> xr.Dataset:
    """Draw a spectrum for each chain and kept draw, on all cores: what `predictive_spectra` returns."""
    places = list(itertools.product(range(chains), kept.tolist()))
    seeds = np.random.SeedSequence(random_seed).spawn(len(places))

    def at_place(place: tuple[int, int], seed: np.random.SeedSequence) -> NDArray[np.float64]:
        return at_draw(*place, np.random.default_rng(seed))

    # BLAS on one thread: on several it rounds otherwise, and they would wait for one another
    with one_blas_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(at_place, places, seeds))
    return spectra_dataset(np.reshape(rows, (chains, len(kept), -1)), np.arange(chains), kept)


def open_matrices(
    curve: "Curve", gamma: float, about: NDArray[np.float64]
) -> Callable[[NDArray[np.float64], float, np.random.Generator], NDArray[np.float64]]:
    """Make the function that draws a spectrum of log population values, shape ``(Q,)``, and a Dyson index.

    Parameters
    ----------
    curve : Curve
        What the values stand for.
    gamma : float
        Aspect ratio.
    about : ndarray
        Log population values from which others are not far, shape ``(Q,)``.
    """
    from htmp_bayes.laws.carried_noise import CarriedNoise
    from htmp_bayes.laws.ensemble import sample_ensemble

    if curve.size > WHOLE:
        noise = CarriedNoise(curve.size, gamma, _limit_of(curve, gamma, about))
        return lambda values, index, rng: noise.spectrum(_limit_of(curve, gamma, values), index, rng)

    def whole(values: NDArray[np.float64], index: float, rng: np.random.Generator) -> NDArray[np.float64]:
        kappa, listed = index * curve.size, np.exp(curve.directions(values))
        scale = 2 * gamma / kappa
        return sample_ensemble(curve.size, kappa, gamma, scale, random_state=rng, population_values=listed)

    return whole


def _limit_of(curve: "Curve", gamma: float, log_values: NDArray[np.float64]) -> "MarchenkoPastur":
    from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur
    from htmp_bayes.laws.populations import Atoms

    atoms = Atoms(tuple(log_values.tolist()), tuple(curve.shares.tolist()))
    return MarchenkoPastur(gamma, float(np.exp(curve.shares @ log_values)), atoms.spread, population=atoms)


class _Matrices:
    """Random matrices of the law: whole ones up to `WHOLE`, and beyond it spectra that noise is carried over to.

    Parameters
    ----------
    gamma : float
        Aspect ratio.
    population : str
        Name of the population's law.
    kappa, temperature, correlation : float
        Some parameters, from which others are not far.
    """

    def __init__(
        self, gamma: float, population: str, kappa: float, temperature: float, correlation: float
    ) -> None:
        self.gamma, self.population = gamma, population
        self.about = (float(kappa), gamma, float(temperature), float(correlation), population)
        self.of_size = functools.cache(self._of_size)

    def _of_size(self, size: int) -> "CarriedNoise":
        from htmp_bayes.laws.carried_noise import CarriedNoise, law_of_matrix

        return CarriedNoise(size, self.gamma, law_of_matrix(*self.about))

    def eigenvalues(
        self, size: int, kappa: float, temperature: float, correlation: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Eigenvalues of one matrix, ascending."""
        from htmp_bayes.laws.carried_noise import law_of_matrix
        from htmp_bayes.laws.ensemble import sample_ensemble

        law = (kappa, self.gamma, temperature, correlation, self.population)
        if size <= WHOLE:
            return sample_ensemble(size, *law, random_state=rng)
        return self.of_size(size).spectrum(law_of_matrix(*law), kappa / size, rng)


def prior_groups(
    draws: xr.Dataset,
    data: LayerData,
    random_seed: int,
    inverse: bool = False,
    size: int = 1000,
) -> dict[str, xr.Dataset]:
    """Build the groups ``prior`` (draws) and ``log_prior`` (at the posterior's draws).

    Parameters
    ----------
    draws : xarray.Dataset
        Posterior draws of ``kappa``, ``location`` and, unless it is zero by assumption, ``correlation``.
    data : LayerData
        The spectrum.
    random_seed : int
        Seed.
    inverse : bool
        Whether the reciprocals of the eigenvalues follow the law.
    size : int
        Number of prior draws.

    Returns
    -------
    dict of xarray.Dataset
        The two groups.
    """
    sampled = prior_draws(data, size, np.random.default_rng(random_seed))
    prior = xr.Dataset({name: (("chain", "draw"), values[None]) for name, values in sampled.items()})
    prior = prior.assign_coords(chain=[0], draw=np.arange(size))
    if "correlation" not in draws:
        prior = prior.drop_vars("correlation")
    names = [name for name in ("kappa", "correlation", "location") if name in draws]
    return {
        "prior": with_derived(prior, data.size, data.gamma, data.population, inverse),
        "log_prior": xr.Dataset({name: log_prior(name, draws[name], data) for name in names}),
    }


def spectra_dataset(values: NDArray, chain: Any, draw: Any) -> xr.Dataset:
    """Group ``posterior_predictive`` of spectra of shape ``(chain, draw, eigenvalue)``."""
    coords = {"chain": chain, "draw": draw, "eigenvalue": np.arange(values.shape[-1])}
    spectra = xr.Dataset({"eigenvalues": (("chain", "draw", "eigenvalue"), values)}, coords=coords)
    if values.shape[-1] > WHOLE:
        spectra["eigenvalues"] = spectra["eigenvalues"].copy(data=_shortened(values))
        spectra["eigenvalues"].encoding = dict(_COMPRESSED)
    return spectra


def _shortened(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round positive numbers to `_DIGITS` binary digits, which compress well; single precision has no tiny ones."""
    dropped = np.uint64(52 - _DIGITS)
    half = np.uint64(1) << (dropped - np.uint64(1))
    bits = np.ascontiguousarray(values).view(np.uint64)
    return (((bits + half) >> dropped) << dropped).view(np.float64)
