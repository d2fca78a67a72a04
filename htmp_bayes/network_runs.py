"""Which spectra are the same layer in different training runs, and which group a run belongs to."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from htmp_bayes._settings import FitError
from htmp_bayes.spectra import Spectrum


class Place(NamedTuple):
    """Group (or model), layer, and training run of a spectrum; no run where there are none."""

    model: str
    layer: str
    run: str | None


def places_of(named: Sequence[tuple[str, Spectrum]], runs: Any, groups: Any = None) -> list[Place]:
    r"""Group, layer and run of each spectrum.

    Parameters
    ----------
    named : sequence of (str, Spectrum)
        Spectra with the name of the model that each belongs to, all the same if there is one model.
    runs : None, str or mapping
        A regular expression with a group named ``run``, and perhaps one named ``group``, that is found in the name of
        the model or of the spectrum, and taken out of it; a key of the spectra's ``meta``; or the run of each spectrum
        or model by its name.
    groups : None, str or mapping
        A key of ``meta``, or the group of each spectrum or model by its name.

    Raises
    ------
    FitError
        A ValueError, if a spectrum has no run, or a run has a layer twice.

    Examples
    --------
    >>> import numpy as np
    >>> spectra = [Spectrum(np.arange(1.0, 31.0), 60, name=f"batch{b}.seed{s}.fc1") for b in (4, 8) for s in (0, 1)]
    >>> for place in places_of([("", s) for s in spectra], r"batch(?P<group>\d+)\.seed(?P<run>\d+)"):
    ...     print(*place)
    4 fc1 0
    4 fc1 1
    8 fc1 0
    8 fc1 1
    """
    if runs is None:
        if groups is not None:
            raise FitError("groups are groups of training runs; say by runs which spectra are of which run.")
        return [Place(model, spectrum.name, None) for model, spectrum in named]
    if isinstance(runs, str) and "(?P<" in runs:
        pattern = _compiled(runs)
        found = [_by_pattern(pattern, model, spectrum) for model, spectrum in named]
    else:
        found = [
            Place(model, spectrum.name, _looked_up("runs", runs, model, spectrum))
            for model, spectrum in named
        ]
    if groups is not None:
        found = [
            place._replace(model=_looked_up("groups", groups, model, spectrum))
            for place, (model, spectrum) in zip(found, named, strict=True)
        ]
    _check(found)
    return found


def _compiled(runs: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(runs)
    except re.error as error:
        raise FitError(f"runs = {runs!r} is no regular expression ({error}).") from error
    if "run" not in pattern.groupindex:
        raise FitError(
            f"runs = {runs!r} has no group named run; write (?P<run>...) around what tells runs apart."
        )
    return pattern


def _by_pattern(pattern: re.Pattern[str], model: str, spectrum: Spectrum) -> Place:
    in_model = pattern.search(model)
    match = in_model or pattern.search(spectrum.name)
    if match is None or match["run"] is None:
        where = f"{spectrum.name!r} of {model!r}" if model else repr(spectrum.name)
        raise FitError(f"There is no training run in the name {where} by runs = {pattern.pattern!r}.")
    of_model, of_layer = (
        (_without(model, match), spectrum.name) if in_model else (model, _without(spectrum.name, match))
    )
    group = match.groupdict().get("group")
    return Place(of_model if group is None else group, of_layer, match["run"])


def _without(name: str, match: re.Match[str]) -> str:
    """Name without what matched, and without the separators that are left over."""
    rest = [name[: match.start()].rstrip("._-/"), name[match.end() :].lstrip("._-/")]
    return ".".join(filter(None, rest))


def _looked_up(setting: str, given: Any, model: str, spectrum: Spectrum) -> str:
    if isinstance(given, Mapping):
        found = given.get(spectrum.name, given.get(model))
        if found is None:
            raise FitError(
                f"{setting} names neither {spectrum.name!r} nor {model!r}; give each spectrum one."
            )
    elif isinstance(given, str):
        found = spectrum.meta.get(given)
        if found is None:
            raise FitError(f"{spectrum.name!r} has no {given!r} in its meta, which {setting} asks for.")
    else:
        raise FitError(
            f"{setting} is a mapping, the name of a column of meta, or a regular expression, not {given!r}."
        )
    return str(found)


def _check(places: list[Place]) -> None:
    seen: set[Place] = set()
    for place in places:
        if place in seen:
            raise FitError(
                f"{place.layer!r} is there twice in run {place.run!r} of {place.model or 'the network'!r}; "
                "rename one, or say by groups which group its run belongs to."
            )
        seen.add(place)
    if len({place[:2] for place in places}) == len(places):
        raise FitError(
            f"No layer is there in two training runs (names are {places[0].layer!r} and so on); give runs as a regular "
            "expression that takes the run out of the names, or leave runs out."
        )
