"""What is raised where no spectrum can be made of something."""

from htmp_bayes._errors import HTMPError


class SpectrumError(HTMPError):
    """Eigenvalues, a matrix or a file that no spectrum can be made of."""


class NoTensors(SpectrumError):
    """A file that is whole and holds no tensors, such as the settings of a trainer."""
