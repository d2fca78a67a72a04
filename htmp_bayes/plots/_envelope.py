"""A band that holds whole curves, not each of their points."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def global_envelope(
    observed: NDArray[np.float64], simulated: NDArray[np.float64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Simultaneous band by extreme rank lengths: a curve like the simulated ones leaves it at most rarely.

    Each curve is ranked among all, from below and from above, at each of its points (ties take the mean of
    their ranks), and is as extreme as its lowest ranks: the lowest first, then the second lowest, and so on.
    The band is the hull of the `share` of all curves that are least extreme. If the observed curve and the
    simulated ones are exchangeable, the observed one leaves the band with a probability of at most
    ``1 - share``, whatever the dependence along the curves.

    Parameters
    ----------
    observed : ndarray, shape (points,)
        The observed curve.
    simulated : ndarray, shape (curves, points)
        Curves of the model.
    share : float
        Level of the band, in (0, 1).

    Returns
    -------
    lower, upper : ndarray, shape (points,)
        Ends of the band.

    References
    ----------
    Myllymäki, Mrkvička, Grabarnik, Seijo & Hahn (2017), *Global envelope tests for spatial processes*,
    J. R. Stat. Soc. B 79, 381: sections 3 and 4.

    Examples
    --------
    >>> curves = np.arange(1.0, 20.0)[:, None] * np.ones(3)  # 1, 2, ... 19
    >>> lower, upper = global_envelope(np.full(3, 10.5), curves, 0.9)
    >>> print(lower, upper)
    [2. 2. 2.] [18. 18. 18.]
    """
    curves = np.vstack(
        [simulated, observed]
    )  # last, so that the sort takes it as the least extreme of equals
    from_below = rankdata(curves, axis=0)
    ranks = np.sort(np.minimum(from_below, len(curves) + 1 - from_below), axis=1)
    most_extreme_first = np.lexsort(ranks.T[::-1])
    dropped = int((1 - share) * len(curves) + 1e-9)
    kept = curves[most_extreme_first[dropped:]]
    return kept.min(axis=0), kept.max(axis=0)
