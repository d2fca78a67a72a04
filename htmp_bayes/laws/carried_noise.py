"""Spectra of large random matrices without their matrices: the noise of small ones, carried over to another law.

A matrix with a population takes O(N^3) to draw, for every eigenvalue feels every population value. What repulsion
makes of a spectrum is the same everywhere, however, once eigenvalues are counted: locally it depends on the Dyson index
alone, and over long stretches it has the covariance of :mod:`htmp_bayes.laws.compiled.counting_covariance`. So

1. matrices without a population, of `SIZE` eigenvalues or of all where there are fewer, are drawn, at O(N) in all: the
   ends of the first make the ends of the spectrum, the middles of others its middle. The deviation of the i-th
   eigenvalue, (i - 1/2) - E N(x_i), is what is kept of them;
2. means of these deviations over groups of neighbours, of single eigenvalues at the ends, are moved to the covariance
   that the law has for them: at the ends by the linear map that moves them least (of optimal transport: Olkin &
   Pukelsheim, Linear Algebra Appl. 48 (1982) 257), in the middle by a draw given the ends;
3. the law's mean counts are solved for the eigenvalues that have these deviations.

At a square-root edge (1 - F)^(2/3) is smooth in x, and goes on beyond: so do the eigenvalues that are carried over.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from htmp_bayes.laws.compiled import counting_covariance, counting_mean
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.laws.htmp import HTMP
from htmp_bayes.laws.law_cells import Law, law_columns, panels, points
from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur

type Floats = NDArray[np.float64]

SIZE = 512
"""Eigenvalues of the matrices whose noise is carried over."""

EXACT_BELOW = 500.0
"""The law at a finite kappa is taken below, and its limit of the same Dyson index from there on."""

# Cells of the law's grid; cells of a group of eigenvalues.
_GRID, _CELLS = 200, 4
# Sizes of the groups from an end on, before those of the middle, and about how many the latter are.
_AT_END, _NEXT, _IN_MIDDLE = (1,) * 8 + (2,) * 4 + (4,) * 4, 8, 112
# The part of a small matrix that is taken for the middle of a large one.
_MIDDLE = 0.75
# Beyond so few eigenvalues from an end no law is believed: the population is a list, and has a last value.
_LAST = 0.5
_FEWEST_POINTS = 50


def law_of_matrix(
    kappa: float, gamma: float, temperature: float, correlation: float, population: str
) -> HTMP | MarchenkoPastur:
    """Law of the eigenvalues for :class:`CarriedNoise`: HTMP at small kappa, from `EXACT_BELOW` on its limit."""
    if kappa < EXACT_BELOW:
        return HTMP(kappa, gamma, temperature, correlation, population=population)
    return MarchenkoPastur(gamma, kappa * temperature / (2 * gamma), correlation, population=population)


class CarriedNoise:
    """Draws spectra of a size under laws that are near to one another, as those of a posterior are.

    Parameters
    ----------
    size : int
        Number N of eigenvalues.
    gamma : float
        Aspect ratio.
    law : HTMP, MarchenkoPastur or GridLaw
        One of the laws: where the others will be looked at.
    noise_size : int
        Eigenvalues of the matrices whose noise is carried over, at least 64.

    Examples
    --------
    >>> law = MarchenkoPastur(gamma=0.5, correlation=0.8)
    >>> drawn = CarriedNoise(2000, 0.5, law).spectrum(law, 1.0, np.random.default_rng(1))
    >>> drawn.shape, bool(abs(law.cdf(drawn[999]) - 0.5) < 1e-3)
    ((2000,), True)
    """

    def __init__(self, size: int, gamma: float, law: Law, noise_size: int = SIZE) -> None:
        self.size, self.gamma, self.noise_size = size, gamma, min(size, noise_size)
        self._log_x = _grid(law)
        self._groups = _Groups.of(size, self.noise_size)

    def spectrum(self, law: Law, dyson_index: float, rng: np.random.Generator) -> Floats:
        """Draw the eigenvalues of one matrix, ascending, shape ``(N,)``.

        Parameters
        ----------
        law : HTMP, MarchenkoPastur or GridLaw
            Law of the eigenvalues: HTMP at the kappa of the matrix, others as the limit for N to infinity.
        dyson_index : float
            kappa/N, positive.
        rng : numpy.random.Generator
            What is random.
        """
        groups, target = self._groups, _Profile.of(law, self._log_x, self.size, dyson_index)
        if not target.whole:  # a law from far away
            target = _Profile.of(law, _grid(law), self.size, dyson_index)
        noise = _Noise(self.noise_size, self.gamma, dyson_index, rng)
        ends, middle = noise.of_ends(groups), noise.of_middle(groups)
        deviations = np.concatenate([ends[: groups.end], middle, ends[len(ends) - groups.end :]])
        means = groups.means(deviations)
        known = groups.at_ends
        wanted = target.covariance(groups.edges, dyson_index)
        own = noise.profile.covariance(groups.of_noise(), dyson_index)
        moved = means.copy()
        moved[known] = _transport(own, wanted[np.ix_(known, known)]) @ means[known]
        moved[~known] = _given(wanted, known, moved[known], rng)
        if not known.all():  # of the pieces in the middle only what is within groups is left
            means[~known] = 0.0
        deviations = deviations + groups.spread(moved - means)
        return np.exp(np.sort(target.log_x_of_counts(np.arange(self.size) + 0.5 - deviations)))


def _grid(law: Law) -> Floats:
    """Points of log x that crowd where the law changes."""
    return np.unique(np.concatenate([points(panel, 0) for panel in panels(law, _GRID)]))


@dataclass(frozen=True)
class _Profile:
    """A law by its counts: as functions of z = N F."""

    size: int
    place: Floats  # of the points, a smooth function of x at an edge
    log_x: Floats
    root: Floats  # of the points, in which the transform is smooth at an edge
    transform: NDArray[np.complex128]
    correction: Floats  # mean count beyond N F
    whole: bool  # whether the points reach from end to end, and are many

    @classmethod
    def of(cls, law: Law, log_x: Floats, size: int, dyson_index: float) -> "_Profile":
        cdf, sf, m = law_columns(law, log_x)
        reached = bool(size * cdf[0] < _LAST and size * sf[-1] < _LAST)
        root = _power(cdf, sf, 1 / 3)
        inside: Any = (m.imag > 0) & _rises(root) & _rises(_power(cdf, sf, 2 / 3))
        cdf, sf, m, log_x, root = (values[inside] for values in (cdf, sf, m, log_x, root))
        share = 0.5 if isinstance(law, HTMP) else 0.5 - 1 / dyson_index
        correction = share / np.pi * counting_mean.arguments_by_differences(m, log_x)
        believed = (size * cdf > _LAST) & (size * sf > _LAST)
        place = _power(cdf[believed], sf[believed], 2 / 3)
        end = 0.5 ** (1 / 3)  # where nothing lies beyond, the transform is real
        return cls(
            size, place, log_x[believed], np.concatenate([[-end], root, [end]]),
            np.concatenate([m[:1].real, m, m[-1:].real]), np.concatenate([correction[:1], correction, correction[-1:]]),
            reached and believed.sum() >= _FEWEST_POINTS,
        )  # fmt: skip

    def counts_of_log_x(self, log_x: Floats) -> Floats:
        """Mean counts; beyond the ends as the eigenvalues that lie there count."""
        place = _onwards(self.log_x, self.place)(log_x)
        return self._with_correction(self.size * _unpower(place, 2 / 3), 1.0)

    def log_x_of_counts(self, counts: Floats) -> Floats:
        """Where the mean counts have these values."""
        z = self._with_correction(counts, -1.0) / self.size
        return _onwards(self.place, self.log_x)(_power(z, 1 - z, 2 / 3))

    def _with_correction(self, z: Floats, sign: float) -> Floats:
        root = _power(z / self.size, 1 - z / self.size, 1 / 3)
        return z + sign * np.interp(root, self.root, self.correction)

    def covariance(self, edges: list[tuple[float, float]], dyson_index: float) -> Floats:
        """Covariance of the mean deviations of the eigenvalues between each two counts."""
        cells = [(np.linspace(low, high, _CELLS + 1), high - low) for low, high in edges]
        ends = np.concatenate([np.stack([z[:-1], z[1:]]) for z, _ in cells], axis=1)
        z, width = ends.mean(axis=0), np.diff(ends, axis=0)[0]
        group = np.repeat(np.arange(len(edges)), _CELLS)
        speed = np.abs(self._transform(ends[1]) - self._transform(ends[0])) / width
        repulsion = counting_covariance.repulsion_covariance(
            self._transform(z), speed, width, group, len(edges), counting_covariance.FAR_WIDTHS
        )
        below = z / self.size
        independent = counting_covariance.independent_covariance(below, 1 - below, width, group, len(edges))
        return counting_covariance.joint_covariance(repulsion, self.size * independent, dyson_index)

    def _transform(self, z: Floats) -> NDArray[np.complex128]:
        root = _power(z / self.size, 1 - z / self.size, 1 / 3)
        return np.interp(root, self.root, self.transform.real) + 1j * np.interp(
            root, self.root, self.transform.imag
        )


def _power(cdf: Floats, sf: Floats, power: float) -> Floats:
    """F to a power below the median and minus that of 1 - F above, made continuous; odd beyond 0 and 1."""
    half = 0.5**power
    low, high = np.sign(cdf) * np.abs(cdf) ** power - half, half - np.sign(sf) * np.abs(sf) ** power
    return np.where(cdf < 0.5, low, high)


def _unpower(place: Floats, power: float) -> Floats:
    """Inverse of `_power`."""
    half = 0.5**power
    below, above = place + half, half - place
    low = np.sign(below) * np.abs(below) ** (1 / power)
    high = np.sign(above) * np.abs(above) ** (1 / power)
    return np.where(place < 0, low, 1 - high)


def _rises(values: Floats) -> NDArray[np.bool_]:
    """Whether each value is larger than all before it: where hardly anything lies, rounding makes steps back."""
    before = np.maximum.accumulate(values)[:-1]
    return np.append(True, values[1:] > before)


def _onwards(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
    """Smooth monotone function through points, which goes on as a line beyond them."""
    curve = PchipInterpolator(x, y)
    first, last = curve.derivative()(x[[0, -1]])

    def at(places: Floats) -> Floats:
        inside = curve(places.clip(x[0], x[-1]))
        return inside + first * np.minimum(places - x[0], 0) + last * np.maximum(places - x[-1], 0)

    return at


@dataclass(frozen=True)
class _Groups:
    """Neighbouring eigenvalues whose mean deviation is looked at."""

    size: int
    noise_size: int
    bounds: NDArray[np.int64]  # ranks, from 0 to N
    end: int  # how many eigenvalues at an end come from the same matrix

    @classmethod
    def of(cls, size: int, noise_size: int) -> "_Groups":
        end = noise_size // 2 if noise_size < size else (size + 1) // 2
        at_end = list(itertools.takewhile(lambda rank: rank <= end, itertools.accumulate((0, *_AT_END))))
        at_end += list(range(at_end[-1] + _NEXT, end, _NEXT))
        low = np.array(at_end)
        if noise_size == size:
            bounds = np.concatenate([low[low < size / 2], size - low[::-1]])
            return cls(size, noise_size, np.unique(bounds), end)
        inner = size - 2 * end
        longest = int(_MIDDLE * noise_size) // 4
        number = max(-(-inner // longest), min(_IN_MIDDLE, -(-inner // _NEXT)))
        between = np.linspace(end, size - end, number + 1).round().astype(int)
        return cls(size, noise_size, np.unique(np.concatenate([low, between, size - low])), end)

    @property
    def at_ends(self) -> NDArray[np.bool_]:
        """Which groups come from the ends of a matrix."""
        if self.noise_size == self.size:
            return np.ones(len(self.bounds) - 1, bool)
        return (self.bounds[1:] <= self.end) | (self.bounds[:-1] >= self.size - self.end)

    @property
    def edges(self) -> list[tuple[float, float]]:
        """Counts between which each group lies."""
        return [(float(low), float(high)) for low, high in itertools.pairwise(self.bounds)]

    def of_noise(self) -> list[tuple[float, float]]:
        """Return the counts between which those at the ends lie in the matrix that they come from."""
        shift = self.size - self.noise_size
        known = [edge for edge, at_end in zip(self.edges, self.at_ends, strict=True) if at_end]
        return [(low, high) if high <= self.end else (low - shift, high - shift) for low, high in known]

    def means(self, deviations: Floats) -> Floats:
        return np.add.reduceat(deviations, self.bounds[:-1]) / np.diff(self.bounds)

    def spread(self, means: Floats) -> Floats:
        """Smooth function of the rank that has about these means."""
        return np.interp(np.arange(self.size) + 0.5, (self.bounds[:-1] + self.bounds[1:]) / 2, means)


class _Noise:
    """Deviations of eigenvalues of matrices without a population."""

    def __init__(self, size: int, gamma: float, dyson_index: float, rng: np.random.Generator) -> None:
        self.size, self.gamma, self.dyson_index, self.rng = size, gamma, dyson_index, rng
        self.kappa = dyson_index * size
        law = law_of_matrix(self.kappa, gamma, 1.0, 0.0, "log-normal")
        self.profile = _Profile.of(law, _grid(law), size, dyson_index)

    def _matrix(self) -> Floats:
        drawn = sample_ensemble(self.size, self.kappa, self.gamma, population="point", random_state=self.rng)
        counts = self.profile.counts_of_log_x(np.log(np.maximum(drawn, 1e-300)))
        return np.arange(self.size) + 0.5 - counts

    def of_ends(self, groups: _Groups) -> Floats:
        """Deviations in one matrix, of which the ends are taken."""
        drawn = self._matrix()
        return drawn if self.size < groups.size else drawn[: 2 * groups.end]

    def of_middle(self, groups: _Groups) -> Floats:
        """Deviations in the middles of as many matrices as it takes, less their means over groups."""
        parts: list[Floats] = []
        bounds = groups.bounds[(groups.bounds >= groups.end) & (groups.bounds <= groups.size - groups.end)]
        if len(bounds) < 2:
            return np.empty(0)
        longest = int(np.diff(bounds).max())
        margin = int((1 - _MIDDLE) / 2 * self.size)
        each = (
            self.size - 2 * margin
        ) // longest - 2  # groups; one more on each side has a part in the slope
        for start in range(0, len(bounds) - 1, each):
            part = bounds[start : start + each + 1] - bounds[start]
            parts.append(_within(self._matrix()[margin:], part, longest))
        return np.concatenate(parts)


def _within(deviations: Floats, bounds: NDArray[np.int64], beside: int) -> Floats:
    """Deviations between the bounds, behind one group before them, less a line through the groups' means."""
    all_bounds = np.concatenate([[0], bounds + beside, [bounds[-1] + 2 * beside]])
    used = deviations[: all_bounds[-1]]
    means = np.add.reduceat(used, all_bounds[:-1]) / np.diff(all_bounds)
    left = used - np.interp(np.arange(len(used)) + 0.5, (all_bounds[:-1] + all_bounds[1:]) / 2, means)
    return left[beside : beside + bounds[-1]]


def _transport(own: Floats, wanted: Floats) -> Floats:
    """Linear map of normal vectors of one covariance to another that moves them least."""
    root, inverse = _root(own, 0.5), _root(own, -0.5)
    return inverse @ _root(root @ wanted @ root, 0.5) @ inverse


def _root(matrix: Floats, power: float) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-12) ** power) @ vectors.T


def _given(covariance: Floats, known: NDArray[np.bool_], values: Floats, rng: np.random.Generator) -> Floats:
    """Draw the rest of a normal vector, given a part."""
    if known.all():
        return np.empty(0)
    own, between = covariance[np.ix_(known, known)], covariance[np.ix_(~known, known)]
    weights = np.linalg.solve(own, between.T).T
    left = covariance[np.ix_(~known, ~known)] - weights @ between.T
    return weights @ values + _root(left, 0.5) @ rng.standard_normal(len(left))
