"""The package is light to import, and its public names are where they are said to be."""

import importlib.metadata
import subprocess
import sys

import pytest

import htmp_bayes as hb

HEAVY = {
    "arviz",
    "h5py",
    "jax",
    "matplotlib",
    "numba",
    "numpy",
    "nutpie",
    "pymc",
    "pytensor",
    "scipy",
    "torch",
}
"""Packages that take time to import; NumPy among them, for `--help` needs not even that."""


def modules_after(statements):
    """Top-level packages that a fresh interpreter holds after it ran ``statements``."""
    code = f"import sys\n{statements}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_importing_the_package_imports_nothing_heavy():
    assert not HEAVY & modules_after("import htmp_bayes")


def test_reading_spectra_needs_neither_pymc_nor_arviz():
    loaded = modules_after("import htmp_bayes; htmp_bayes.read_spectra")
    assert not loaded & {"arviz", "matplotlib", "numba", "nutpie", "pymc", "pytensor", "torch"}


@pytest.mark.parametrize("name", hb.__all__)
def test_every_public_name_is_found_and_listed(name):
    assert getattr(hb, name) is getattr(hb, name)
    assert name in dir(hb)


def test_only_public_names_are_listed():
    assert dir(hb) == sorted(hb.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No htmp_bayes attribute absent"):
        hb.absent  # noqa: B018


def test_the_version_is_that_of_the_installed_package():
    assert hb.__version__ == importlib.metadata.version("htmp-bayes")
