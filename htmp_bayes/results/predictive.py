"""Predictive spectra of a fit: spectra of finite random matrices at draws of the posterior."""

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.results.compact import compacted
from htmp_bayes.results.derived import law_parameters

if TYPE_CHECKING:
    from htmp_bayes.laws.carried_noise import CarriedNoise
    from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur
    from htmp_bayes.models.free.curve import Curve

WHOLE = 512
"""Eigenvalues up to which predictive spectra are those of whole matrices, whose cost grows as their cube."""

MOST_VALUES, FEWEST_SPECTRA = 800_000, 40
"""Predictive eigenvalues that are kept of larger layers, and how many spectra they are at least."""

# Beyond WHOLE eigenvalues are kept to so many binary digits: relative errors of 8e-6, where neighbours are 1e-4 apart
_DIGITS = 16


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
    columns = law_parameters(posterior)
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


def spectra_dataset(values: NDArray[np.float64], chain: Any, draw: Any) -> xr.Dataset:
    """Group ``posterior_predictive`` of spectra of shape ``(chain, draw, eigenvalue)``."""
    coords = {"chain": chain, "draw": draw, "eigenvalue": np.arange(values.shape[-1])}
    spectra = xr.Dataset({"eigenvalues": (("chain", "draw", "eigenvalue"), values)}, coords=coords)
    if values.shape[-1] > WHOLE:  # in double precision, for single has no tiny numbers
        return compacted(spectra, {"eigenvalues": _DIGITS})
    return spectra
