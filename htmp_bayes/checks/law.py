"""Sentences of `check` on the law: where it is off by how many eigenvalues, and whether the gaps contradict it."""

from collections.abc import Iterator

import xarray as xr

from htmp_bayes.results import misfit

# A distribution function that is off by more is worth a sentence whatever its probability is.
_NOTABLE_DISTANCE = 0.02
_SMALLEST_SHOWN = 1e-4


def misfits(result: xr.DataTree) -> Iterator[str]:
    """Say where the law is off, and whether the gaps contradict it."""
    found = misfit.law_fit(result)
    if found is None or found.fits:
        return
    if not found.counts_fit or found.kolmogorov_distance > _NOTABLE_DISTANCE:
        yield (
            f"The distribution function is off by up to {found.kolmogorov_distance:.2g} (chi-squared "
            f"{found.chi_squared:.0f} of {found.statistics} counts, p {_probability(found.probability_of_counts)})"
            f"{_where(result)}; try another population or compare_laws, and do not read the parameters."
        )
    if not found.gaps_fit:
        (low, middle, high), counts = found.by_gaps, found.by_counts
        yield (
            f"Neighbouring gaps say kappa/N = {middle:.2g} [{low:.2g}, {high:.2g}], the counts {counts[1]:.2g} "
            f"[{counts[0]:.2g}, {counts[2]:.2g}]: the law makes up for what it misses by a repulsion that the "
            "spectrum does not have."
        )


def _where(result: xr.DataTree) -> str:
    told = [
        f"{abs(stretch.excess):.0f} too {'many' if stretch.excess > 0 else 'few'} between {stretch.low:.3g} and "
        f"{stretch.high:.3g} ({stretch.place})"
        for stretch in misfit.stretches(result)
        if abs(stretch.excess) >= 0.5
    ]
    return f", eigenvalues: {', '.join(told)}" if told else ""


def _probability(value: float) -> str:
    return f"= {value:.2g}" if value >= _SMALLEST_SHOWN else f"< {_SMALLEST_SHOWN:g}"
