"""Which spectrum of a network belongs where: its model or group, layer, kind, depth, and run or step of training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from htmp_bayes._arguments import as_spectra, is_result
from htmp_bayes._settings import FitError, check_gamma
from htmp_bayes.layer_names import kind_of, relative_depths
from htmp_bayes.network_runs import places_of
from htmp_bayes.network_steps import order_by_step, steps_of
from htmp_bayes.spectra import Spectrum

if TYPE_CHECKING:
    from htmp_bayes.models.network.design import Design

Spectra = Sequence[Spectrum] | Mapping[str, Sequence[Spectrum]]
ONE_MODEL = "network"


@dataclass(frozen=True)
class Layer:
    """A spectrum and where it belongs; `given_name` is the name that it came with."""

    spectrum: Spectrum
    given_name: str
    model: str
    layer: str
    kind: str
    depth: float
    label: str
    run: str | None = None
    step: float | None = None


def gather(
    spectra: Spectra,
    kinds: Any = None,
    depth: Any = None,
    steps: Any = None,
    runs: Any = None,
    groups: Any = None,
    population: str = "free",
) -> list[Layer]:
    """Say of each spectrum where it belongs: see `htmp_bayes.fit_network`.

    Raises
    ------
    FitError
        A ValueError, as `htmp_bayes.fit_network` says.
    """
    models = _models(spectra)
    flat = [(model, spectrum) for model, members in models.items() for spectrum in members]
    if len(flat) < 2:
        raise FitError("fit_network takes at least two layers; for one use fit.")
    for _, spectrum in flat:
        check_gamma(spectrum, population)
        _check_kind(spectrum)
    of_spectra = [spectrum for _, spectrum in flat]
    names = [spectrum.name for spectrum in of_spectra]
    if runs is not None and steps is not None:
        raise FitError("runs and steps are not fitted together; leave one of them out.")
    at: Sequence[float | None] = [None] * len(flat) if runs is not None else steps_of(of_spectra, steps)
    places = places_of(flat, runs, groups)
    several = len({place.model for place in places}) > 1
    labels = [f"{place.model}/{place.layer}" if several else place.layer for place in places]
    by_layer = [renamed(spectrum, place.layer) for spectrum, place in zip(of_spectra, places, strict=True)]
    chosen_kinds = _chosen("kinds", kinds, names, [kind_of(spectrum) for spectrum in by_layer])
    depths = _chosen("depth", depth, names, _depths([place.model for place in places], by_layer))
    given_names = [
        f"{model}/{spectrum.name}" if len(models) > 1 else spectrum.name for model, spectrum in flat
    ]
    rows = zip(of_spectra, given_names, places, chosen_kinds, depths, labels, at, strict=True)
    layers = [
        Layer(
            spectrum,
            given,
            place.model or ONE_MODEL,
            place.layer,
            str(kind),
            float(d),
            label,
            place.run,
            step,
        )
        for spectrum, given, place, kind, d, label, step in rows
    ]
    if runs is None:
        layers = [layers[i] for i in order_by_step(labels, at)]
    _check_same(layers)
    return layers


def _models(spectra: Any) -> dict[str, list[Spectrum]]:
    if isinstance(spectra, Mapping) and not is_result(spectra):
        return {str(model): as_spectra(members, "fit_network") for model, members in spectra.items()}
    return {"": as_spectra(spectra, "fit_network")}


def renamed(spectrum: Spectrum, name: str) -> Spectrum:
    """Give the same spectrum another name."""
    if name == spectrum.name:
        return spectrum
    given = {key: getattr(spectrum, key) for key in ("kind", "zeros", "dead", "meta")}
    return Spectrum(spectrum.eigenvalues, spectrum.n, name=name, **given)


def _depths(models: list[str], spectra: list[Spectrum]) -> list[float]:
    """Relative depth of each spectrum within its model."""
    depths = np.empty(len(spectra))
    for model in dict.fromkeys(models):
        members = [i for i, name in enumerate(models) if name == model]
        depths[members] = relative_depths([spectra[i] for i in members])
    return depths.tolist()


def _check_kind(spectrum: Spectrum) -> None:
    if spectrum.kind == "kernel":
        raise FitError(
            f"{spectrum.name or 'a spectrum'}: kernel spectra follow the inverse law and are not pooled with weights; "
            "fit them one by one."
        )


def _check_same(layers: list[Layer]) -> None:
    first: dict[str, Layer] = {}
    for layer in layers:
        other = first.setdefault(layer.label, layer)
        if (other.kind, other.depth) != (layer.kind, layer.depth):
            where = f"in run {layer.run}" if layer.step is None else f"at step {layer.step:g}"
            raise FitError(f"{layer.label!r} has another kind or depth {where}; give it one.")


def _chosen(setting: str, given: Any, names: list[str], inferred: list[Any]) -> list[Any]:
    """Take what was given for each layer, by name or in order, and what was inferred for the others."""
    if given is None:
        return inferred
    if isinstance(given, Mapping):
        unknown = set(given) - set(names)
        if unknown:
            raise FitError(f"{setting} names a layer that is not there: {min(unknown)!r}.")
        return [given.get(name, default) for name, default in zip(names, inferred, strict=True)]
    if len(given) != len(names):
        raise FitError(f"{setting} has {len(given)} entries for {len(names)} layers; give one for each.")
    return list(given)


def design_of(layers: list[Layer]) -> "Design":
    """Put the same in numbers."""
    from htmp_bayes.models.network.design import Design

    names = _distinct(layer.layer for layer in layers)
    models = _distinct(layer.model for layer in layers)
    kinds = _distinct(layer.kind for layer in layers)
    runs = _distinct(layer.run for layer in layers if layer.run is not None)
    steps = tuple(sorted({layer.step for layer in layers if layer.step is not None}))
    place, kind, depth = [], np.zeros((len(names), len(models)), int), np.zeros((len(names), len(models)))
    for layer in layers:
        at = names.index(layer.layer), models.index(layer.model)
        kind[at], depth[at] = kinds.index(layer.kind), layer.depth
        replicate = 0
        if layer.run is not None:
            replicate = runs.index(layer.run)
        elif layer.step is not None:
            replicate = steps.index(layer.step)
        place.append((*at, replicate))
    return Design(names, models, kinds, np.array(place), kind, depth, runs, steps)


def _distinct(values: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
