"""The finite ensemble: draws of all eigenvalues of one matrix, and their exact joint density."""

from htmp_bayes.laws.ensemble.draws import sample_ensemble, sample_ensembles
from htmp_bayes.laws.ensemble.joint_density import joint_logpdf

__all__ = ["joint_logpdf", "sample_ensemble", "sample_ensembles"]
