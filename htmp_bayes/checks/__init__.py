"""`check`, and where its sentences are made: on the sampler, on the law, and on what calls for care."""

from htmp_bayes.checks.judgement import check
from htmp_bayes.checks.sampler import ESS_MIN, R_HAT_MAX
from htmp_bayes.checks.verdict import Verdict

__all__ = ["ESS_MIN", "R_HAT_MAX", "Verdict", "check"]
