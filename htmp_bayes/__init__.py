"""Bayesian inference of heavy-tailed spectral laws from the weights of neural networks.

The public names below are imported when they are first used (PEP 562): PyMC and ArviZ take seconds to import,
and reading spectra or asking for help needs neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htmp_bayes.checks import check
    from htmp_bayes.comparison import compare_layers, compare_models
    from htmp_bayes.contest import LawComparison, compare_laws, save_comparison
    from htmp_bayes.estimation import Estimate, estimate
    from htmp_bayes.fitting import fit
    from htmp_bayes.laws import HTMP, InverseHTMP, MarchenkoPastur, joint_logpdf, sample_ensemble
    from htmp_bayes.network import fit_network
    from htmp_bayes.phases import PhaseConventions, phase_probabilities
    from htmp_bayes.plots import (
        plot_depth,
        plot_ecdf,
        plot_kappa_correlation,
        plot_layers,
        plot_parameters,
        plot_quantiles,
        plot_ridge,
        plot_spectrum,
        plot_tail,
        plot_trajectories,
    )
    from htmp_bayes.reporting import report
    from htmp_bayes.spectra import Spectrum, SpectrumError, list_matrices, read_spectra, save_spectra
    from htmp_bayes.spectra.kernels import conjugate_kernel, neural_tangent_kernel

__version__ = "0.1.0"

_HOMES = {
    "HTMP": "htmp_bayes.laws",
    "InverseHTMP": "htmp_bayes.laws",
    "MarchenkoPastur": "htmp_bayes.laws",
    "Spectrum": "htmp_bayes.spectra",
    "SpectrumError": "htmp_bayes.spectra",
    "LawComparison": "htmp_bayes.contest",
    "check": "htmp_bayes.checks",
    "compare_laws": "htmp_bayes.contest",
    "compare_layers": "htmp_bayes.comparison",
    "compare_models": "htmp_bayes.comparison",
    "save_comparison": "htmp_bayes.contest",
    "Estimate": "htmp_bayes.estimation",
    "estimate": "htmp_bayes.estimation",
    "fit": "htmp_bayes.fitting",
    "conjugate_kernel": "htmp_bayes.spectra.kernels",
    "fit_network": "htmp_bayes.network",
    "joint_logpdf": "htmp_bayes.laws",
    "list_matrices": "htmp_bayes.spectra",
    "neural_tangent_kernel": "htmp_bayes.spectra.kernels",
    "PhaseConventions": "htmp_bayes.phases",
    "phase_probabilities": "htmp_bayes.phases",
    "plot_depth": "htmp_bayes.plots",
    "plot_ecdf": "htmp_bayes.plots",
    "plot_kappa_correlation": "htmp_bayes.plots",
    "plot_layers": "htmp_bayes.plots",
    "plot_parameters": "htmp_bayes.plots",
    "plot_quantiles": "htmp_bayes.plots",
    "plot_ridge": "htmp_bayes.plots",
    "plot_spectrum": "htmp_bayes.plots",
    "plot_tail": "htmp_bayes.plots",
    "plot_trajectories": "htmp_bayes.plots",
    "read_spectra": "htmp_bayes.spectra",
    "report": "htmp_bayes.reporting",
    "sample_ensemble": "htmp_bayes.laws",
    "save_spectra": "htmp_bayes.spectra",
}

__all__ = [
    "HTMP",
    "Estimate",
    "InverseHTMP",
    "LawComparison",
    "MarchenkoPastur",
    "PhaseConventions",
    "Spectrum",
    "SpectrumError",
    "__version__",
    "check",
    "compare_laws",
    "compare_layers",
    "compare_models",
    "conjugate_kernel",
    "estimate",
    "fit",
    "fit_network",
    "joint_logpdf",
    "list_matrices",
    "neural_tangent_kernel",
    "phase_probabilities",
    "plot_depth",
    "plot_ecdf",
    "plot_kappa_correlation",
    "plot_layers",
    "plot_parameters",
    "plot_quantiles",
    "plot_ridge",
    "plot_spectrum",
    "plot_tail",
    "plot_trajectories",
    "read_spectra",
    "report",
    "sample_ensemble",
    "save_comparison",
    "save_spectra",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
