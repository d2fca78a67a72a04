"""The public names and where they live; they are imported when they are first used."""

from ._arguments import ArgumentError as ArgumentError
from .comparison.contenders import ContestError as ContestError
from ._errors import HTMPError as HTMPError
from ._results import ResultError as ResultError
from ._seeds import SeedError as SeedError
from ._settings import FitError as FitError
from ._versions import __version__ as __version__
from .checks import check as check
from .comparison.contrasts import (
    ComparisonError as ComparisonError,
    compare_layers as compare_layers,
    compare_models as compare_models,
)
from .comparison.contest import (
    LawComparison as LawComparison,
    compare_laws as compare_laws,
    save_comparison as save_comparison,
)
from .estimation import (
    Estimate as Estimate,
    estimate as estimate,
)
from .examples import load_example as load_example
from .fitting import fit as fit
from .laws import (
    HTMP as HTMP,
    GammaLimit as GammaLimit,
    InverseHTMP as InverseHTMP,
    MarchenkoPastur as MarchenkoPastur,
    joint_logpdf as joint_logpdf,
    sample_ensemble as sample_ensemble,
)
from .network import fit_network as fit_network
from .phases import (
    PhaseError as PhaseError,
    PhaseConventions as PhaseConventions,
    phase_probabilities as phase_probabilities,
)
from .plots import (
    plot_depth as plot_depth,
    plot_ecdf as plot_ecdf,
    plot_kappa_correlation as plot_kappa_correlation,
    plot_layers as plot_layers,
    plot_parameters as plot_parameters,
    plot_population as plot_population,
    plot_quantiles as plot_quantiles,
    plot_ridge as plot_ridge,
    plot_runs as plot_runs,
    plot_spectrum as plot_spectrum,
    plot_tail as plot_tail,
    plot_trajectories as plot_trajectories,
)
from .reporting import report as report
from .reporting.page import ReportError as ReportError
from .runs import (
    Run as Run,
    read_run as read_run,
)
from .spectra import (
    Spectrum as Spectrum,
    SpectrumError as SpectrumError,
    list_matrices as list_matrices,
    read_spectra as read_spectra,
    save_spectra as save_spectra,
)
from .spectra.kernels import (
    conjugate_kernel as conjugate_kernel,
    neural_tangent_kernel as neural_tangent_kernel,
)
