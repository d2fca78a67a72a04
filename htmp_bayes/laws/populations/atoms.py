"""A population law of finitely many values, given by the user."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from htmp_bayes.laws.populations.population import Population, Shape


@dataclass(frozen=True)
class Atoms(Population):
    """A discrete population given by the user: h = exp(rho z), z one of finitely many standardised positions.

    The log-positions are shifted and scaled to mean 0 and standard deviation 1 under the weights, so that
    `rho` means the same as for the other populations: only the *shape* of the given positions matters. To
    use positions as they are, take ``rho`` equal to their own standard deviation, which `spread` holds.

    Parameters
    ----------
    log_positions : sequence of float
        Logarithms of the population values, at least two different ones.
    weights : sequence of float, optional
        Positive weights, normalised to sum 1; equal by default.

    Raises
    ------
    ValueError
        If positions or weights are not finite, weights not positive, or all positions coincide.

    Examples
    --------
    >>> two = Atoms([0.0, 1.0])
    >>> two.positions, two.spread
    ((-1.0, 1.0), 0.5)
    >>> two.quantile([0.2, 0.8], 0.5).round(4)
    array([0.6065, 1.6487])
    """

    name: ClassVar[str] = "atoms"
    log_positions: tuple[float, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        z = np.asarray(self.log_positions, dtype=float)
        w = np.ones(z.shape) if self.weights is None else np.asarray(self.weights, dtype=float)
        if z.ndim != 1 or z.shape != w.shape or not np.all(np.isfinite(z + w) & (w > 0)):
            raise ValueError(
                "atoms need a finite log-position and a positive weight each, in lists of one length."
            )
        w = w / w.sum()
        centred = z - w @ z
        spread = float(np.sqrt(w @ centred**2))
        if not spread > 1e-12 * max(1.0, float(np.max(np.abs(z), initial=0.0))):
            raise ValueError("atoms need two different positions at least; for a single one use 'point'.")
        order = np.argsort(z, kind="stable")
        object.__setattr__(self, "log_positions", tuple(z[order].tolist()))
        object.__setattr__(self, "weights", tuple(w[order].tolist()))
        object.__setattr__(self, "_scaled", (tuple((centred[order] / spread).tolist()), spread))

    @property
    def positions(self) -> tuple[float, ...]:
        """Standardised log-positions, ascending: mean 0 and standard deviation 1 under the weights."""
        return self._scaled[0]  # type: ignore[attr-defined]

    @property
    def spread(self) -> float:
        """Standard deviation of the log-positions as they were given."""
        return self._scaled[1]  # type: ignore[attr-defined]

    def values(self, rho: ArrayLike) -> np.ndarray:
        """Return the population values ``exp(rho z)``, shape ``rho.shape + (number of atoms,)``."""
        return np.exp(np.asarray(rho, dtype=float)[..., None] * np.asarray(self.positions))

    def _sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray:
        return self.values(rho)[rng.choice(len(self.positions), size=size, p=self.weights)]

    def _log_moment(self, order: int, rho: np.ndarray) -> np.ndarray:
        return special.logsumexp(order * rho[..., None] * np.asarray(self.positions), b=self.weights, axis=-1)

    def _cdf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.minimum((self.values(rho) <= np.asarray(h)[..., None]) @ np.asarray(self.weights), 1.0)

    def _sf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.minimum((self.values(rho) > np.asarray(h)[..., None]) @ np.asarray(self.weights), 1.0)

    def _quantile(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        steps = np.cumsum(np.asarray(self.weights))[:-1]
        return np.exp(rho * np.asarray(self.positions)[np.searchsorted(steps, q, side="left")])

    def _isf(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        steps = np.cumsum(np.asarray(self.weights)[::-1])[:-1]
        return np.exp(rho * np.asarray(self.positions)[::-1][np.searchsorted(steps, q, side="right")])
