"""What pytest leaves out where an optional dependency is missing."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("jax") else ["htmp_bayes/models/jax_ops.py"]
