"""Compression of a spectrum to a short weighted one that has the same likelihood."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal

from htmp_bayes.laws.kernel import log_density

# At 40 nodes the error of a log-likelihood is below 1e-3 wherever the fit is not absurd (tests measure it).
DEFAULT_SIZE = 40
# Below this the next Lanczos vector is rounding noise: the nodes so far already integrate exactly.
_BREAKDOWN = 1e-13


class CompressedSpectrum(NamedTuple):
    """Weighted nodes that stand for a spectrum inside a sum over its eigenvalues.

    Attributes
    ----------
    log_nodes : ndarray
        Logarithms of the nodes, shape ``(size,)``, ascending, within the range of the eigenvalues.
    weights : ndarray
        Weights, shape ``(size,)``, non-negative, with sum ``N``.
    """

    log_nodes: NDArray[np.float64]
    weights: NDArray[np.float64]


def compress(eigenvalues: ArrayLike, size: int = DEFAULT_SIZE) -> CompressedSpectrum:
    r"""Gauss quadrature rule of the eigenvalues' empirical measure in :math:`\log\lambda`.

    A sum over all eigenvalues of a function that is smooth in :math:`\log\lambda` becomes a sum over ``size``
    nodes, and is exact where the function is a polynomial of degree ``2 * size - 1`` in :math:`\log\lambda`.
    The weights are positive, so whatever the parameters, the compressed log-likelihood is that of a weighted
    sample and cannot exceed ``N`` times the largest log-density. Isolated eigenvalues become nodes.

    Parameters
    ----------
    eigenvalues : array_like
        Positive eigenvalues, shape ``(N,)``, in any order.
    size : int
        Number of nodes. A spectrum with no more distinct eigenvalues than that is kept as it is; the result
        is filled up with nodes of weight zero, so that its length is always `size`.

    Returns
    -------
    CompressedSpectrum
        ``log_nodes`` and ``weights``.

    Raises
    ------
    ValueError
        If an eigenvalue is not positive and finite, there are none, or `size` is not positive.

    References
    ----------
    Golub & Welsch (1969), *Calculation of Gauss quadrature rules*; Golub & Meurant (2010), *Matrices, Moments
    and Quadrature*, section 3 (the rule from the Lanczos process).

    Examples
    --------
    >>> import numpy as np
    >>> rule = compress(np.linspace(0.5, 4.0, 500), size=20)
    >>> print(f"{rule.weights.sum():.6f} {rule.weights @ rule.log_nodes:.6f}")
    500.000000 341.340913
    >>> print(f"{np.log(np.linspace(0.5, 4.0, 500)).sum():.6f}")
    341.340913
    """
    points, counts = np.unique(_checked_logarithms(eigenvalues), return_counts=True)
    if size < 1:
        raise ValueError(f"the number of nodes must be at least 1, got {size}")
    return compress_again(CompressedSpectrum(points, counts.astype(np.float64)), size)


def compress_again(spectrum: CompressedSpectrum, size: int) -> CompressedSpectrum:
    """Compress a weighted spectrum to fewer nodes.

    Parameters
    ----------
    spectrum : CompressedSpectrum
        Different nodes, but for those of weight zero.
    size : int
        Number of nodes, as for :func:`compress`.

    Examples
    --------
    >>> import numpy as np
    >>> rule = compress_again(compress(np.linspace(0.5, 4.0, 500), size=20), size=4)
    >>> print(f"{rule.weights.sum():.6f} {rule.weights @ rule.log_nodes:.6f}")
    500.000000 341.340913
    """
    used = spectrum.weights > 0
    points, weights = spectrum.log_nodes[used], spectrum.weights[used]
    if len(points) <= size:
        return _padded(points, weights, size)
    nodes, vectors, _ = _gauss_rule(points, weights / weights.sum(), size)
    return _padded(nodes, weights.sum() * vectors[0] ** 2, size)


def interpolation(eigenvalues: ArrayLike, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Interpolate from the nodes of :func:`compress` to the eigenvalues themselves.

    Parameters
    ----------
    eigenvalues : array_like
        Positive eigenvalues, shape ``(N,)``.
    size : int
        Number of nodes.

    Returns
    -------
    log_nodes : ndarray
        Logarithms of the nodes, shape ``(K,)`` with ``K`` at most `size`.
    matrix : ndarray
        Shape ``(N, K)``: times a function's values at the nodes, it gives the polynomial of degree ``K - 1``
        in :math:`\log\lambda` through them, at the eigenvalues.

    References
    ----------
    Golub & Meurant (2010), *Matrices, Moments and Quadrature*, section 2: the discrete orthogonality of the
    polynomials of the empirical measure.

    Examples
    --------
    >>> eigenvalues = np.linspace(0.5, 4.0, 500)
    >>> log_nodes, matrix = interpolation(eigenvalues, size=20)
    >>> bool(np.allclose(matrix @ log_nodes**3, np.log(eigenvalues) ** 3))
    True
    """
    logarithms = _checked_logarithms(eigenvalues)
    points, where, counts = np.unique(logarithms, return_inverse=True, return_counts=True)
    if len(points) <= size:
        return points, np.eye(len(points))[where]
    masses = counts / counts.sum()
    nodes, vectors, basis = _gauss_rule(points, masses, size)
    polynomials = basis / np.sqrt(masses)[:, None]
    return nodes, (polynomials @ vectors * vectors[0])[where]


def compression_error(
    eigenvalues: ArrayLike,
    rule: CompressedSpectrum,
    kappa: float,
    gamma: float,
    temperature: float,
    correlation: float,
    population: int,
) -> float:
    """Compressed minus exact log-likelihood of a spectrum at one point of the parameter space.

    Parameters
    ----------
    eigenvalues : array_like
        The eigenvalues, shape ``(N,)``.
    rule : CompressedSpectrum
        What :func:`compress` made of them.
    kappa, gamma, temperature, correlation : float
        Parameters of the law.
    population : int
        Code of the population in :mod:`htmp_bayes.laws.kernel`.

    Returns
    -------
    float
        Error of the log-likelihood, in nats.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvalues = np.exp(np.random.default_rng(1).normal(size=300))
    >>> rule = compress(eigenvalues, size=48)
    >>> bool(abs(compression_error(eigenvalues, rule, 2.0, 0.5, 0.5, 0.7, 1)) < 1e-6)
    True
    """
    law = (kappa, gamma, correlation, population)
    log_temperature = np.log(temperature)
    exact = log_density(_checked_logarithms(eigenvalues) - log_temperature, *law)[:, 0]
    compressed = log_density(rule.log_nodes - log_temperature, *law)[:, 0]
    return float(np.sum(rule.weights * compressed) - np.sum(exact))


def _checked_logarithms(eigenvalues: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"eigenvalues must be a non-empty vector, got an array of shape {values.shape}")
    if not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError("eigenvalues must be positive and finite: leave zeros out and count them separately")
    return np.log(values)


def _padded(nodes: NDArray, weights: NDArray, size: int) -> CompressedSpectrum:
    missing = size - len(nodes)
    return CompressedSpectrum(
        np.pad(nodes, (0, missing), mode="edge"), np.pad(np.maximum(weights, 0.0), (0, missing))
    )


def _gauss_rule(points: NDArray, masses: NDArray, size: int) -> tuple[NDArray, NDArray, NDArray]:
    """Nodes, eigenvectors of the Jacobi matrix (by column), and its orthonormal basis on the points."""
    centre, half = (points[0] + points[-1]) / 2, (points[-1] - points[0]) / 2
    diagonal, off_diagonal, basis = _lanczos((points - centre) / half, masses, size)
    nodes, vectors = eigh_tridiagonal(diagonal, off_diagonal)
    return centre + half * nodes, vectors, basis


def _lanczos(points: NDArray, masses: NDArray, steps: int) -> tuple[NDArray, NDArray, NDArray]:
    """Jacobi matrix of a discrete measure and its basis, with full reorthogonalisation.

    Sums are NumPy's own, as those of `einsum` are, and not BLAS's, whose rounding depends on the number of threads.
    """
    basis = np.empty((steps, len(points)))
    basis[0] = np.sqrt(masses)
    diagonal, off_diagonal = np.zeros(steps), np.zeros(steps - 1)
    for step in range(steps):
        remainder = points * basis[step]
        diagonal[step] = np.sum(remainder * basis[step])
        if step == steps - 1:
            break
        so_far = basis[: step + 1]
        for _ in range(2):
            shares = np.einsum("kn,n->k", so_far, remainder)
            remainder = remainder - np.einsum("k,kn->n", shares, so_far)
        off_diagonal[step] = np.sqrt(np.sum(remainder**2))
        if off_diagonal[step] < _BREAKDOWN:
            return diagonal[: step + 1], off_diagonal[:step], so_far.T
        basis[step + 1] = remainder / off_diagonal[step]
    return diagonal, off_diagonal, basis.T
