"""The speed of `estimate` and `fit` against PyMC's search and sampler on the same model: ``python benchmarks/fits.py``.

(a) `estimate` of each dense layer of all-MiniLM-L6-v2, with the open population and with one of one parameter, against
`pymc.find_MAP` of the latter for some of them, which compiles its model anew for each (and whose mode is that of the
density by kappa, not by log kappa); (b) `fit` of one layer with both populations on all cores, and with the latter on
one core against PyMC's NUTS on the model itself. The law is compiled beforehand.
"""

import logging
import time
import warnings
from pathlib import Path
from statistics import median

import pymc as pm
from measured import record

import htmp_bayes as hb
from htmp_bayes.models import layer_model
from htmp_bayes.models.layer.data import layer_data

SPECTRA = Path(__file__).parents[1] / "data" / "minilm.nc"
LAYER = "layer.1.intermediate.dense"
POPULATIONS = ("free", "inverse-gamma")


def seconds(action, *arguments, **options):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    action(*arguments, **options)
    return time.perf_counter() - start


def searches(spectra):
    """Part (a)."""
    times = {}
    for population in POPULATIONS:
        hb.estimate(spectra[0], population=population)
        times[population] = [seconds(hb.estimate, spectrum, population=population) for spectrum in spectra]
        print(
            record(
                "fits", f"estimate, {population}, median of {len(spectra)} layers", median(times[population])
            )
        )
    peers = []
    for spectrum in spectra[::9]:
        with layer_model(layer_data(spectrum.eigenvalues, spectrum.gamma)):
            peers.append(seconds(pm.find_MAP, progressbar=False))
    what = f"estimate, inverse-gamma, median of {len(peers)} layers"
    print(record("fits", what, median(times["inverse-gamma"][::9]), "pymc.find_MAP", median(peers)))


def fits(spectrum):
    """Part (b)."""
    options = {"random_seed": 1, "progressbar": False}
    for population in POPULATIONS:
        hb.fit(spectrum, population=population, **options)
        print(
            record("fits", f"fit, {population}", seconds(hb.fit, spectrum, population=population, **options))
        )
    options |= {"population": "inverse-gamma", "predictive_draws": 0, "cores": 1}
    ours = seconds(hb.fit, spectrum, **options)
    peer = seconds(hb.fit, spectrum, nuts_sampler="pymc", **options)
    print(record("fits", "fit, inverse-gamma, one core", ours, "PyMC's NUTS", peer))


def main():
    """Run both parts."""
    warnings.simplefilter("ignore")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    spectra = list(hb.read_spectra(SPECTRA))
    searches(spectra)
    fits(next(spectrum for spectrum in spectra if spectrum.name == LAYER))


if __name__ == "__main__":
    main()
