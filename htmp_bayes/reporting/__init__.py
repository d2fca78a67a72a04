"""`report`: what a fit of one or many layers found, as one HTML file that needs nothing else."""

from htmp_bayes.reporting.page import report

__all__ = ["report"]
