"""At which step of training the spectra of a network were taken, and results at one of the steps."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import xarray as xr

from htmp_bayes._errors import HTMPError
from htmp_bayes._settings import FitError
from htmp_bayes.spectra import Spectrum


def steps_of(spectra: Sequence[Spectrum], given: Sequence[Any] | None) -> list[float] | list[None]:
    """Step of each spectrum: as given, or from its ``meta["step"]`` where all have one; or none.

    Raises
    ------
    FitError
        A ValueError, if there are not as many as spectra, or one is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> spectra = [Spectrum(np.arange(1.0, 31.0), 60, meta={"step": step}) for step in (0, 100)]
    >>> steps_of(spectra, None), steps_of(spectra, [1, 2]), steps_of(spectra[:1], None)
    ([0.0, 100.0], [1.0, 2.0], [None])
    """
    found = [spectrum.meta.get("step") for spectrum in spectra] if given is None else list(given)
    if len(found) != len(spectra):
        raise FitError(f"steps has {len(found)} entries for {len(spectra)} spectra; give one for each.")
    if given is None and any(step is None for step in found):
        return [None] * len(spectra)
    for step in found:
        if isinstance(step, bool | str) or step is None or not math.isfinite(step):
            raise FitError(f"A step of training is a finite number, not {step!r}.")
    numbers = [float(step) for step in found if step is not None]
    return numbers if len(set(numbers)) > 1 else [None] * len(spectra)


def order_by_step(labels: Sequence[str], steps: Sequence[float | None]) -> list[int]:
    """Order of the spectra: layer by layer as they first appear, each by ascending steps.

    Raises
    ------
    FitError
        A ValueError, if a layer is there twice at a step, or not at all steps.

    Examples
    --------
    >>> order_by_step(["b", "a", "b", "a"], [2.0, 2.0, 1.0, 1.0])
    [2, 0, 3, 1]
    """
    repeated = {label for (label, _), n in Counter(zip(labels, steps, strict=True)).items() if n > 1}
    if repeated:
        raise FitError(
            f"{len(repeated)} names stand for several layers, {min(repeated)!r} for one; rename them, or say by "
            "steps of which checkpoints they are."
        )
    all_steps = {step for step in steps if step is not None}
    if all_steps:
        counts = Counter(labels)
        short = min(labels, key=lambda label: counts[label])
        if counts[short] < len(all_steps):
            raise FitError(
                f"{short!r} is there at {counts[short]} of {len(all_steps)} steps; every layer must be there at all."
            )
    place = {label: k for k, label in enumerate(dict.fromkeys(labels))}
    return sorted(range(len(labels)), key=lambda i: (place[labels[i]], steps[i] or 0.0))


def at_step(data: xr.Dataset, step: float | None = None) -> xr.Dataset:
    """Variables at one step of training, by default the last; all as they are where there are no steps.

    Raises
    ------
    HTMPError
        A ValueError, if the step is not there.

    Examples
    --------
    >>> data = xr.Dataset({"kappa": ("step", [3.0, 4.0])}, coords={"step": [0, 100]})
    >>> float(at_step(data).kappa), float(at_step(data, 0).kappa)
    (4.0, 3.0)
    """
    if "step" not in data.dims:
        if step is not None:
            raise HTMPError("The result has no steps of training; leave out step.")
        return data
    known = data["step"].to_numpy().tolist()
    if step is None:
        step = known[-1]
    if step not in known:
        raise HTMPError(f"There is no step {step!r} in the result; there are {', '.join(map(str, known))}.")
    return data.isel(step=known.index(step), drop=True)
