"""Pictures of fits, on figures of their own: nothing here touches pyplot or other global state."""

from htmp_bayes.plots.ecdf import plot_ecdf
from htmp_bayes.plots.layers import plot_layers
from htmp_bayes.plots.network import plot_depth, plot_kappa_correlation
from htmp_bayes.plots.parameters import plot_parameters
from htmp_bayes.plots.population import plot_population
from htmp_bayes.plots.quantiles import plot_quantiles
from htmp_bayes.plots.ridge import plot_ridge
from htmp_bayes.plots.runs import plot_runs
from htmp_bayes.plots.spectrum import plot_spectrum
from htmp_bayes.plots.tail import plot_tail
from htmp_bayes.plots.trajectories import plot_trajectories

__all__ = [
    "plot_depth",
    "plot_ecdf",
    "plot_kappa_correlation",
    "plot_layers",
    "plot_parameters",
    "plot_population",
    "plot_quantiles",
    "plot_ridge",
    "plot_runs",
    "plot_spectrum",
    "plot_tail",
    "plot_trajectories",
]
