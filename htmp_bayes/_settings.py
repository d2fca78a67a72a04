"""Settings of the functions that fit: what is available, and what is said of what is not."""

import numpy as np
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes.spectra import Spectrum

LAWS = ("htmp", "inverse-htmp")
LIKELIHOODS = ("counts", "joint")
POPULATIONS = ("free", "inverse-gamma", "log-normal", "none")
MAXIMISED = ("likelihood", "posterior")
SAMPLERS = ("nutpie", "pymc")
SPIKES = ("off", "auto")


class FitError(HTMPError):
    """A setting of `fit` that is not available."""


def as_followed(spectrum: Spectrum, law: str) -> NDArray[np.float64]:
    """Ascending numbers that follow the HTMP law: under the inverse law, the reciprocals of the eigenvalues."""
    return np.sort(1 / spectrum.eigenvalues) if law == "inverse-htmp" else spectrum.eigenvalues


def check_gamma(spectrum: Spectrum, population: str) -> None:
    """Raise FitError for an aspect ratio at which the law of this population is not available."""
    from htmp_bayes.laws.htmp import GAMMA_RANGE
    from htmp_bayes.models.free.curve import GAMMA_LOWEST

    lowest = GAMMA_LOWEST if population == "free" else GAMMA_RANGE[0]
    if spectrum.gamma < lowest:
        raise FitError(
            f"{spectrum.name or 'the spectrum'}: the aspect ratio {spectrum.gamma:.2g} is below {lowest}, "
            "where the law is not available; leave this matrix out."
        )


def check_choices(**chosen: str) -> None:
    """Raise FitError for a setting that is not one of those available."""
    available = {
        "law": LAWS,
        "population": POPULATIONS,
        "likelihood": LIKELIHOODS,
        "maximise": MAXIMISED,
        "nuts_sampler": SAMPLERS,
        "spikes": SPIKES,
    }
    for setting, value in chosen.items():
        if setting == "likelihood" and value == "density":
            raise FitError(
                "likelihood='density' took eigenvalues for independent draws; likelihood='counts' took its place, with "
                "intervals that need no adjustment."
            )
        if value not in available[setting]:
            raise FitError(f"{setting} is one of {', '.join(available[setting])}, not {value!r}.")


def refuse_removed(function: str, settings: dict[str, object]) -> None:
    """Raise FitError for a setting that there is no more, and TypeError for one that there never was."""
    for name in settings:
        if name == "adjust":
            raise FitError(
                "adjust= corrected the width of the likelihood that took eigenvalues for independent draws; that of "
                "counts needs no adjustment: leave it out."
            )
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")


def check_counts(least: int, **counts: int) -> None:
    """Raise FitError for a setting that is not a whole number of at least `least`."""
    for setting, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise FitError(f"{setting} must be a whole number of at least {least}, not {value!r}.")
