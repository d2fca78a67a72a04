"""The models that `fit` can fit to one spectrum: each says how it is sampled, and what a result has of it."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._settings import as_followed
from htmp_bayes.spectra import Spectrum

if TYPE_CHECKING:
    from htmp_bayes.models.free.draws import FreeDraws
    from htmp_bayes.models.free.posterior import FreePosterior
    from htmp_bayes.models.layer.posterior import LayerPosterior
    from htmp_bayes.models.layer.sampling import LayerDraws, Sampling
    from htmp_bayes.models.spikes.model import SpikeNumbers


class FittedModel[Draws](Protocol):
    """A model of one spectrum."""

    def sample(self, sampling: "Sampling") -> Draws:
        """Draw from the posterior."""

    def result(self, drawn: Draws, predictive_draws: int) -> xr.DataTree:
        """Put together what :func:`htmp_bayes.fit` documents."""


class _OfSpectrum:
    """A spectrum and the settings of its fit, which become attributes of the result."""

    def __init__(self, spectrum: Spectrum, settings: dict[str, Any]) -> None:
        self.spectrum, self.settings = spectrum, settings
        self.inverse = settings["law"] == "inverse-htmp"

    @property
    def followed(self) -> NDArray[np.float64]:
        """Numbers that follow the HTMP law."""
        return as_followed(self.spectrum, self.settings["law"])


class OpenPopulation(_OfSpectrum):
    """Counts and gaps, with an open population."""

    @cached_property
    def _posterior(self) -> "FreePosterior":
        from htmp_bayes.models.free.posterior import FreePosterior
        from htmp_bayes.models.layer.data import layer_data

        return FreePosterior(layer_data(self.followed, self.spectrum.gamma, "free"))

    def sample(self, sampling: "Sampling") -> "FreeDraws":
        """Draw from the posterior."""
        from htmp_bayes.models.free.draws import sample_free

        return sample_free(self._posterior, sampling)

    def result(self, drawn: "FreeDraws", predictive_draws: int) -> xr.DataTree:
        """Put together what :func:`htmp_bayes.fit` documents."""
        from htmp_bayes.results.free_result import free_result

        return free_result(self.spectrum, self._posterior, drawn, self.settings, predictive_draws)


class OneParameter(_OfSpectrum):
    """Counts and gaps, with a population of one parameter or none."""

    @cached_property
    def _posterior(self) -> "LayerPosterior":
        from htmp_bayes.models.layer.data import layer_data
        from htmp_bayes.models.layer.posterior import LayerPosterior

        return LayerPosterior(layer_data(self.followed, self.spectrum.gamma, self.settings["population"]))

    def sample(self, sampling: "Sampling") -> "LayerDraws":
        """Draw from the posterior."""
        from htmp_bayes.models.layer.sampling import sample_layer

        return sample_layer(self._posterior, sampling)

    def result(self, drawn: "LayerDraws", predictive_draws: int) -> xr.DataTree:
        """Put together what :func:`htmp_bayes.fit` documents."""
        from htmp_bayes.results.fit_result import fit_result

        return fit_result(self.spectrum, self._posterior, drawn, self.settings, predictive_draws)


class SpikesApart(_OfSpectrum):
    """The same for all but the largest eigenvalues, how many of them is inferred."""

    @cached_property
    def _numbers(self) -> "SpikeNumbers":
        from htmp_bayes.models.spikes.model import SpikedSpectrum, weigh_numbers

        population = self.settings["population"]
        return weigh_numbers(SpikedSpectrum(self.followed, self.spectrum.gamma, population, self.inverse))

    def sample(self, sampling: "Sampling") -> "LayerDraws":
        """Draw from the posterior."""
        from htmp_bayes.models.spikes.draws import sample_spikes

        return sample_spikes(self._numbers, sampling)

    def result(self, drawn: "LayerDraws", predictive_draws: int) -> xr.DataTree:
        """Put together what :func:`htmp_bayes.fit` documents."""
        from htmp_bayes.results.fit_result import fit_result, spikes_data

        constant = spikes_data(self.spectrum, self._numbers.probability)
        likeliest = self._numbers.posteriors[self._numbers.most_probable]
        return fit_result(self.spectrum, likeliest, drawn, self.settings, predictive_draws, constant)


class JointDensity(OneParameter):
    """The exact joint density of all eigenvalues, without a population."""

    @cached_property
    def _data(self) -> dict[str, Any]:
        from htmp_bayes.models.layer.joint_density import joint_data

        return joint_data(self.followed, self.spectrum.gamma)

    def sample(self, sampling: "Sampling") -> "LayerDraws":
        """Draw from the posterior."""
        from htmp_bayes.models.layer.sampling import sample_joint

        return sample_joint(self._data, self._posterior, sampling)

    def result(self, drawn: "LayerDraws", predictive_draws: int) -> xr.DataTree:
        """Put together what :func:`htmp_bayes.fit` documents."""
        from htmp_bayes.results.fit_result import fit_result

        if self.inverse:  # the density of the eigenvalues themselves
            log_jacobian = -2 * float(np.log(self.spectrum.eigenvalues).sum())
            drawn = drawn._replace(log_likelihood=drawn.log_likelihood + log_jacobian)
        constant = xr.Dataset({"statistics_of_joint": ("statistic", self._data["statistics"])})
        constant = constant.assign_coords(statistic=["size", "sum_log", "sum", "sum_log_gaps"])
        return fit_result(self.spectrum, self._posterior, drawn, self.settings, predictive_draws, constant)


def model_of(spectrum: Spectrum, settings: dict[str, Any]) -> FittedModel[Any]:
    """Make the model that the settings ask for.

    Parameters
    ----------
    spectrum : Spectrum
        What is fitted.
    settings : dict
        ``law``, ``population``, ``likelihood`` and ``spikes``, and all else that the result keeps.
    """
    chosen: Callable[[Spectrum, dict[str, Any]], FittedModel[Any]]
    if settings["likelihood"] == "joint":
        chosen = JointDensity
    elif settings["spikes"] == "auto":
        chosen = SpikesApart
    else:
        chosen = OpenPopulation if settings["population"] == "free" else OneParameter
    return chosen(spectrum, settings)
