"""What the laws have in common that have a population and a correlation among their parameters."""

import numpy as np

from htmp_bayes.laws.parameters import check_population
from htmp_bayes.laws.populations import Population
from htmp_bayes.laws.spectral_law import Floats, SpectralLaw


class PopulationLaw(SpectralLaw):
    """A law with a population of a standard deviation of log h, its correlation."""

    population: Population
    correlation: Floats

    def _hold(self, *parameters: Floats) -> None:
        """Keep the parameters broadcast against each other, the correlation last; from now on nothing changes."""
        check_population(self.population, self.correlation)
        arrays = np.broadcast_arrays(*parameters, self.correlation)
        self.shape = arrays[0].shape
        self._parameters = np.stack(arrays, axis=-1).astype(np.float64)
        self._freeze()

    def tail_index(self) -> Floats:
        """Exponent alpha of the density's upper tail x**-alpha; inf where it is lighter than any power law."""
        return np.broadcast_to(self.population.tail_index(self.correlation), self.shape)[()]
