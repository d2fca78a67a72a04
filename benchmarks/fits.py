"""The speed of `estimate` and `fit` against PyMC's search and sampler on the same model: ``python benchmarks/fits.py``.

(a) `estimate` of each dense layer of all-MiniLM-L6-v2, against `pymc.find_MAP` of some of them, which compiles its
model anew for each (and whose mode is that of the density by kappa, not by log kappa); (b) `fit` of one layer with
nutpie and polynomials, against the same with PyMC's NUTS on the model itself, both on one core. The law is compiled
beforehand.
"""

import logging
import time
import warnings
from pathlib import Path

import numpy as np
import pymc as pm

import htmp_bayes as hb
from htmp_bayes.models import layer_model
from htmp_bayes.models.layer.data import layer_data

SPECTRA = Path(__file__).parents[1] / "data" / "minilm.nc"
LAYER = "layer.1.intermediate.dense"


def seconds(action, *arguments, **options):
    """Wall-clock time of one call, and what it returned."""
    start = time.perf_counter()
    found = action(*arguments, **options)
    return time.perf_counter() - start, found


def searches(spectra):
    """Part (a)."""
    hb.estimate(spectra[0])
    times = [seconds(hb.estimate, spectrum)[0] for spectrum in spectra]
    low, middle, high = 1e3 * np.quantile(times, [0.1, 0.5, 0.9])
    print(f"(a) estimate: {middle:.0f} ms (10 to 90 %: {low:.0f} to {high:.0f})")
    for spectrum in spectra[::9]:
        with layer_model(layer_data(spectrum.eigenvalues, spectrum.gamma)):
            peer, _ = seconds(pm.find_MAP, progressbar=False)
        ours, _ = seconds(hb.estimate, spectrum)
        print(f"    {spectrum.name}: find_MAP {1e3 * peer:.0f} ms, ratio {peer / ours:.0f}")


def fits(spectrum):
    """Part (b)."""
    options = {"random_seed": 1, "predictive_draws": 0, "progressbar": False, "cores": 1}
    hb.fit(spectrum, **options)
    ours, _ = seconds(hb.fit, spectrum, **options)
    peer, _ = seconds(hb.fit, spectrum, nuts_sampler="pymc", **options)
    print(f"(b) fit of {spectrum.name}: {ours:.1f} s; PyMC's NUTS {peer:.0f} s, ratio {peer / ours:.0f}")


def main():
    """Run both parts."""
    warnings.simplefilter("ignore")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    spectra = list(hb.read_spectra(SPECTRA))
    searches(spectra)
    fits(next(spectrum for spectrum in spectra if spectrum.name == LAYER))


if __name__ == "__main__":
    main()
