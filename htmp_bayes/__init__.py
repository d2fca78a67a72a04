"""Bayesian inference of heavy-tailed spectral laws from the weights of neural networks.

The public names stand in `__init__.pyi` and are imported when they are first used (PEP 562): PyMC and ArviZ take
seconds to import, and reading spectra or asking for help needs neither.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

del attach_stub
