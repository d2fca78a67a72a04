"""`estimate`: the maximum of the posterior or of the likelihood, with standard errors, without sampling."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes._settings import FitError, as_followed, as_spectrum, check_gamma
from htmp_bayes.spectra import Spectrum

_NAMES = ("kappa", "correlation", "temperature")
# Directions in which the log-likelihood bends less than this have no standard error.
_FLAT = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A point estimate.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    values : mapping of str to float
        ``kappa``, ``correlation`` and ``temperature``.
    standard_errors : mapping of str to float
        Of log kappa, of the correlation and of log temperature, under the names ``kappa``, ``correlation`` and
        ``temperature``: a standard error of 0.2 for kappa is one of about 20 %. Infinite where the likelihood is
        flat, or the estimate lies at the end of the range.
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


def estimate(
    spectrum: Spectrum | ArrayLike,
    population: Literal["inverse-gamma", "log-normal"] = "inverse-gamma",
    maximise: Literal["posterior", "likelihood"] = "posterior",
    *,
    n: int | None = None,
    adjust: bool = True,
) -> Estimate:
    """Maximum of the posterior or of the composite likelihood of one spectrum, in some tens of milliseconds.

    For scanning many layers: `htmp_bayes.fit` says the same with its uncertainty. A standard error does not
    tell that kappa is bounded from below only, as it often is.

    Parameters
    ----------
    spectrum : Spectrum or array_like
        A spectrum, or its eigenvalues of shape ``(N,)`` together with `n`. One of kind ``"kernel"`` follows the
        inverse law.
    population : {"inverse-gamma", "log-normal"}
        Law of the population spectrum.
    maximise : {"posterior", "likelihood"}
        With the prior of `htmp_bayes.fit` or without.
    n : int, optional
        Longer side of the matrix, where `spectrum` is an array.
    adjust : bool
        Standard errors from the sandwich of curvature and score variance
        (:mod:`htmp_bayes.models.adjustment`), which knows of the eigenvalues' repulsion, by a table of it
        (:mod:`htmp_bayes.models.stretch_table`); without it from the curvature alone, and too large.

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

    References
    ----------
    Varin, Reid & Firth (2011), *An overview of composite likelihood methods*, Statistica Sinica 21, 5 (the
    sandwich).

    Examples
    --------
    >>> from htmp_bayes import sample_ensemble
    >>> eigenvalues = sample_ensemble(200, kappa=4.0, gamma=0.25, correlation=0.6, random_state=3)
    >>> found = estimate(eigenvalues, n=800)
    >>> bool(abs(np.log(found.values["kappa"] / 4.0)) < 3 * found.standard_errors["kappa"])
    True
    """
    from htmp_bayes.laws.beforehand import compile_beforehand
    from htmp_bayes.models.layer import POPULATIONS, layer_data
    from htmp_bayes.models.posterior import LayerPosterior

    spectrum = as_spectrum(spectrum, n)
    check_gamma(spectrum)
    for setting, value, available in (
        ("population", population, sorted(POPULATIONS)),
        ("maximise", maximise, ["likelihood", "posterior"]),
    ):
        if value not in available:
            raise FitError(f"{setting} is one of {', '.join(available)}, not {value!r}.")
    compile_beforehand()
    followed, log_jacobian = as_followed(spectrum, "inverse-htmp" if spectrum.kind == "kernel" else "htmp")
    posterior = LayerPosterior(
        layer_data(followed, spectrum.gamma, population), with_prior=maximise == "posterior"
    )
    parameters = posterior.parameters(posterior.mode)
    errors = np.sqrt(np.diag(_covariance(posterior, adjust)))
    return Estimate(
        spectrum.name,
        MappingProxyType({name: float(parameters[name]) for name in _NAMES}),
        MappingProxyType(dict(zip(_NAMES, map(float, errors), strict=True))),
        posterior.at_mode[0] + float(log_jacobian.sum()),
    )


def _covariance(posterior: Any, adjust: bool) -> NDArray[np.float64]:
    """Covariance of log kappa, correlation and log temperature; infinite variances where there is no bound."""
    from htmp_bayes.models.layer import slope_of_expected_log
    from htmp_bayes.models.stretch_table import tabulated_stretch

    values, vectors = np.linalg.eigh(posterior.curvature)
    covariance = (vectors / np.maximum(values, _FLAT)) @ vectors.T
    units = np.diag([1.0, 1.0, posterior.data["log_sd"]])
    covariance = units @ covariance @ units
    kappa = float(np.exp(posterior.mode[0]))
    if adjust:
        inverse = np.linalg.inv(tabulated_stretch(kappa, float(posterior.mode[1]), posterior.data))
        covariance = inverse @ covariance @ inverse.T
    to_temperature = np.eye(3)
    to_temperature[2, 0] = -kappa * slope_of_expected_log(kappa, posterior.data["gamma"])
    covariance = to_temperature @ covariance @ to_temperature.T
    at_end = np.isclose(posterior.mode[:, None], posterior.bounds).any(axis=1)
    unknown = np.append(at_end[:2], at_end[0]) | (np.diag(covariance) > 1 / (100 * _FLAT))
    covariance[unknown, unknown] = np.inf
    return covariance
