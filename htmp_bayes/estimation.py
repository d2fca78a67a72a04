"""`estimate`: the maximum of the posterior or of the likelihood, with standard errors, without sampling."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes._arguments import as_spectrum
from htmp_bayes._settings import FitError, as_followed, check_choices, check_gamma, refuse_removed
from htmp_bayes.spectra import Spectrum

if TYPE_CHECKING:
    from htmp_bayes.models.layer.data import LayerData
    from htmp_bayes.models.layer.posterior import LayerPosterior

# Directions in which the log-likelihood bends less than this have no standard error.
_FLAT = 1e-6
_STEP = 1e-5


@dataclass(frozen=True, repr=False)
class Estimate:
    """A point estimate.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    values : mapping of str to float
        ``kappa``, ``dyson_index`` (kappa/N), ``correlation`` (unless the population is "none") and ``temperature``; of
        an open population also ``tail_index``, ``lower_tail_index`` and ``participation_ratio``.
    standard_errors : mapping of str to float
        Of log kappa, of the correlation and of log temperature, under the names of the values: a standard error of 0.2
        for kappa is one of about 20 %. Infinite where the likelihood is flat, or the estimate lies at the end of the
        range.
    log_density : float
        Value of what was maximised, in nats.

    Examples
    --------
    >>> print(Estimate("layer.0", {"kappa": 5.0}, {"kappa": 0.2}, -330.0))
    layer.0: kappa 5 (± 20 %)
    """

    name: str
    values: Mapping[str, float]
    standard_errors: Mapping[str, float]
    log_density: float

    def __str__(self) -> str:
        parts = [
            f"{name} {value:.3g} (± {self.standard_errors[name]:.2g})"
            if name == "correlation"
            else f"{name} {value:.3g} (± {100 * self.standard_errors[name]:.2g} %)"
            for name, value in self.values.items()
        ]
        return ": ".join(filter(None, (self.name, ", ".join(parts))))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from htmp_bayes._html import estimate_html

        return estimate_html(self)


def estimate(
    spectrum: Spectrum | ArrayLike,
    population: Literal["free", "inverse-gamma", "log-normal", "none"] = "free",
    maximise: Literal["posterior", "likelihood"] = "posterior",
    *,
    n: int | None = None,
    **removed: Any,
) -> Estimate:
    """Maximum of the posterior or of the likelihood of one spectrum, without sampling.

    For scanning many layers: `htmp_bayes.fit` says the same with its uncertainty. A standard error does not
    tell that kappa is bounded from below only, as it often is.

    Parameters
    ----------
    spectrum : Spectrum or array_like
        A spectrum, a matrix, or eigenvalues of shape ``(N,)`` together with `n`. One of kind ``"kernel"`` follows the
        inverse law.
    population : {"free", "inverse-gamma", "log-normal", "none"}
        As for `htmp_bayes.fit`.
    maximise : {"posterior", "likelihood"}
        With the prior of `htmp_bayes.fit` or without, which the open population cannot be.
    n : int, optional
        Longer side of the matrix, where `spectrum` is an array.
    **removed
        Settings of earlier versions: `adjust` is refused with a sentence that says what took its place.

    Returns
    -------
    Estimate
        Values and standard errors.

    Raises
    ------
    FitError
        A ValueError, if a setting is not one of those available.
    SpectrumError
        A ValueError, if the eigenvalues are not those of a spectrum.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(100, 400))
    >>> found = estimate(noise)
    >>> bool(abs(np.log(found.values["dyson_index"])) < 3 * found.standard_errors["dyson_index"])
    True
    """
    from htmp_bayes.laws.beforehand import compile_beforehand
    from htmp_bayes.models.layer.data import layer_data
    from htmp_bayes.models.layer.posterior import LayerPosterior

    refuse_removed("estimate", removed)
    spectrum = as_spectrum(spectrum, n, "estimate")
    check_choices(population=population, maximise=maximise)
    check_gamma(spectrum, population)
    compile_beforehand()
    inverse = spectrum.kind == "kernel"
    followed = as_followed(spectrum, "inverse-htmp" if inverse else "htmp")
    data = layer_data(followed, spectrum.gamma, population)
    if population == "free":
        return _open_estimate(spectrum.name, data, maximise, inverse)
    posterior = LayerPosterior(data, with_prior=maximise == "posterior")
    parameters = posterior.parameters(posterior.mode)
    values = {"kappa": float(parameters["kappa"]), "dyson_index": float(parameters["kappa"]) / data.size}
    values |= {name: float(parameters[name]) for name in ("correlation", "temperature")}
    errors = _standard_errors(posterior)
    if not data.correlated:
        values.pop("correlation")
    return Estimate(
        spectrum.name,
        MappingProxyType(values),
        MappingProxyType({name: errors[name] for name in values}),
        posterior.highest,
    )


def _open_estimate(name: str, data: "LayerData", maximise: str, inverse: bool) -> Estimate:
    from htmp_bayes.models.free.estimate import estimated
    from htmp_bayes.models.free.posterior import FreePosterior

    if maximise == "likelihood":
        raise FitError(
            "maximise='likelihood' has no meaning for the open population, which only its prior keeps smooth; leave it "
            "out, or choose another population."
        )
    posterior = FreePosterior(data)
    values, errors = estimated(posterior, inverse)
    mode = posterior.mode
    height = posterior.log_density(mode.theta, mode.log_roughness, mode.log_index)
    return Estimate(name, MappingProxyType(values), MappingProxyType(errors), height)


def _standard_errors(posterior: "LayerPosterior") -> dict[str, float]:
    """Of log kappa, of the correlation and of log temperature; infinite where there is no bound."""
    values, vectors = np.linalg.eigh(posterior.curvature)
    covariance = (vectors / np.maximum(values, _FLAT)) @ vectors.T
    slopes = np.empty((len(posterior.mode),))
    for i, step in enumerate(_STEP * np.eye(len(slopes))):
        above, below = (posterior.parameters(posterior.mode + sign * step) for sign in (1, -1))
        slopes[i] = np.log(above["temperature"] / below["temperature"]) / (2 * _STEP)
    variances = dict(zip(posterior.names, np.diag(covariance), strict=True))
    at_end = np.isclose(posterior.mode[:, None], posterior.bounds, atol=2e-3).any(axis=1)
    variances |= {name: np.inf for name, ended in zip(posterior.names, at_end, strict=True) if ended}
    variances["temperature"] = slopes @ covariance @ slopes if np.isfinite(variances["log_kappa"]) else np.inf
    errors = {
        name: float(np.sqrt(value)) if value < 1 / (100 * _FLAT) else np.inf
        for name, value in variances.items()
    }
    return {**errors, "kappa": errors["log_kappa"], "dyson_index": errors["log_kappa"]}
