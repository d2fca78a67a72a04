"""The likelihood of counts at a point of the law's own parameters."""

from htmp_bayes.models.layer import likelihood


def counts_at(data, kappa, correlation, log_temperature):
    """Whitened residuals of the average counts."""
    return likelihood.whitened(data, likelihood.moments(data, kappa, correlation, log_temperature), kappa)
