"""The likelihood of counts at a point of the law's own parameters."""

from htmp_bayes.models import counts


def counts_at(data, kappa, correlation, log_temperature):
    """Whitened residuals of the average counts."""
    return counts.whitened(data, counts.moments(data, kappa, correlation, log_temperature), kappa)
