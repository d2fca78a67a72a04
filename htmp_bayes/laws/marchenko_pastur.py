"""The Marchenko-Pastur law: eigenvalues of pure noise, and the limit of `HTMP` for kappa to infinity."""

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes.laws.htmp import _in_range
from htmp_bayes.laws.spectral_law import Floats, SpectralLaw


class MarchenkoPastur(SpectralLaw):
    r"""Marchenko-Pastur law with aspect ratio `gamma` and mean `scale`.

    .. math:: f(x) = \frac{\sqrt{(x_+ - x)(x - x_-)}}{2 \pi \gamma \sigma^2 x}, \qquad
        x_\pm = \sigma^2 (1 \pm \sqrt{\gamma})^2

    (Marchenko & Pastur, Math. USSR-Sbornik 1, 457, 1967), with :math:`\sigma^2` = `scale`.

    Parameters
    ----------
    gamma : array_like
        Aspect ratio, shorter over longer side, in (0, 1].
    scale : array_like, default 1
        Mean of the law, positive.

    Raises
    ------
    ValueError
        If a parameter is outside its range; the message states the range.

    Examples
    --------
    >>> law = MarchenkoPastur(gamma=0.25)
    >>> print(law.support(), round(float(law.pdf(1.0)), 6), round(float(law.cdf(1.0)), 6))
    (np.float64(0.25), np.float64(2.25)) 0.616404 0.55339
    """

    def __init__(self, gamma: ArrayLike, scale: ArrayLike = 1.0) -> None:
        self.gamma = _in_range("gamma", gamma, 1e-300, 1.0)
        self.scale = _in_range("scale", scale, 5e-324, 1.7e308)
        self.shape = np.broadcast_shapes(self.gamma.shape, self.scale.shape)

    def __repr__(self) -> str:
        return f"MarchenkoPastur(gamma={self.gamma}, scale={self.scale})"

    def support(self) -> tuple[float, float]:
        """Lower and upper edge of the spectrum."""
        root = np.sqrt(self.gamma)
        return (self.scale * (1 - root) ** 2)[()], (self.scale * (1 + root) ** 2)[()]

    def mean(self) -> Floats:
        """Mean, which is `scale`."""
        return np.broadcast_to(self.scale, self.shape)[()]

    def var(self) -> Floats:
        """Variance, gamma scale^2."""
        return np.asarray(self.gamma * self.scale**2)[()]

    def tail_index(self) -> Floats:
        """Infinity: the support is bounded."""
        return np.full(self.shape, np.inf)[()]

    def _evaluate(self, log_x: Floats) -> tuple[Floats, Floats, Floats]:
        # With x = 1 + gamma + 2 sqrt(gamma) cos(phi), phi from pi at the lower edge to 0 at the upper one.
        x = np.exp(log_x) / self.scale
        root = np.sqrt(self.gamma)
        cosine = np.clip((x - 1 - self.gamma) / (2 * root), -1, 1)
        phi = np.arccos(cosine)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_f = np.log(np.sin(phi)) - np.log(np.pi * root * x * self.scale)
            inside = (np.abs(x - 1 - self.gamma) < 2 * root) & (x > 0)
        sf = np.clip(np.where(cosine > -1, _upper_mass(phi, root), 1.0), 0.0, 1.0)
        return np.where(inside, log_f, -np.inf), 1 - sf, sf

    def _log_bracket(self) -> tuple[Floats, Floats]:
        low, high = self.support()
        smallest = np.maximum(low, 1e-40 * self.scale)
        return np.log(np.broadcast_to(smallest, self.shape)), np.log(np.broadcast_to(high, self.shape))


def _upper_mass(phi: Floats, root: Floats) -> Floats:
    r"""P(x > x(phi)) = (2/pi) \int_0^phi sin^2 / (1 + gamma + 2 sqrt(gamma) cos) in closed form."""
    gamma = root**2
    arc = np.arctan2((1 - root) * np.sin(phi / 2), (1 + root) * np.cos(phi / 2))
    return ((1 + gamma) * phi / 2 - root * np.sin(phi) - (1 - gamma) * arc) / (np.pi * gamma)
