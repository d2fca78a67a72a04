"""Settings that every test shares: no display, and the same hypothesis examples at every run."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
# The workers of pytest-xdist share the cores: threads of BLAS on top of them mostly wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Compilation and a busy machine make single examples slow, which says nothing about the code.
settings.register_profile("htmp_bayes", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("htmp_bayes")


def pytest_collection_modifyitems(items):
    """Begin with the notebooks, which take longest: at the end one worker would run them alone."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/test_notebooks.py"))
