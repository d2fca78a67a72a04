"""Recompute ``htmp_reference.json``: the HTMP law in arbitrary precision (python-flint ball arithmetic).

    python tests/reference/make_reference.py                # recompute every value of the table at its points
    python tests/reference/make_reference.py --check FILE   # the same for FILE; print the largest differences
    python tests/reference/make_reference.py --choose       # choose the points anew, too

The law, at temperature 1 (c = kappa/2, s = c/gamma, H the population law with E[log h] = 0 and sd(log h) =
correlation):

    Phi_k(y) = int v^(s+k-1) exp(-y v - c L(v)) dv  along arg v = -theta,     L(v) = int log(1 - v h) H(dh)
    f(y) = |Im(Phi_1/Phi_0)| / (pi c),      F(y) = 1 - |arg Phi_0| / (pi c)

which for a point mass is the Tricomi function on its cut (Allez et al., arXiv 1209.6171; Trinh & Trinh,
arXiv 1907.12267); ``test_reference.py`` beside this holds rows without correlation against that function,
evaluated rigorously. Everything is a trapezoid sum in t = log v on a horizontal line Im t = -theta; its
error falls exponentially with 1/step because the integrand is analytic in a strip (Trefethen & Weideman,
SIAM Review 56 (2014), section 5). Rounding is tracked by the balls; truncation is controlled by computing
each row twice, on different lines with different steps, until they agree. Gradients are integrals of the
same exponential weighted by the derivatives of its exponent; nothing is differenced.
"""

import argparse
import functools
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flint import acb, acb_poly, arb, ctx

TABLE = Path(__file__).with_name("htmp_reference.json")
IMAG = acb(0, 1)
GUARD = 40  # bits beyond truncation and cancellation
NATS = 75.0  # truncation below exp(-75) of the largest term, before the allowance for deep tails
AGREE = 1e-17  # relative agreement asked of two contours
COLUMNS = ("logpdf", "cdf", "sf", "d_kappa", "d_temperature", "d_correlation", "d_gamma", "d_x")
THETAS = np.append(np.arange(1, 31), 31.3) * math.pi / 64


class Disagreement(ArithmeticError):
    """Two contours gave different values."""


# ----------------------------------------------------------------------------------------------------------
# Population laws. Nodes u_j = j * spacing (+ an imaginary shift), h proportional to exp(-u): then v h depends
# on log|v| - u_j only and the three tables are discrete convolutions.
# ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Nodes:
    spacing: float
    first: int
    last: int
    shift: float  # h = scale * exp(-(j * spacing + i * shift))


def widest_step(nats, distance, growth):
    """Largest trapezoid step: 2 pi a / (nats + growth(a)) over the admissible half-widths a of the strip."""
    return max(2 * math.pi * a / (nats + growth(a)) for a in np.linspace(0.02, 0.98, 49) * distance)


@dataclass(frozen=True)
class LogNormal:
    rho: float
    left_power = 1.0
    name = "log-normal"

    def reach(self, nats):
        """log h that is exceeded with probability exp(-nats) at most."""
        return self.rho * math.sqrt(2 * nats)

    def nodes(self, theta, nats):
        # Moving z = -u/rho down by (pi - theta)/rho puts v h on the negative axis, farthest from log(0).
        omega = min((math.pi - theta) / self.rho, 3.0)
        distance = min(omega + theta / self.rho, (2 * math.pi - theta) / self.rho - omega)
        step = widest_step(nats, distance, lambda a: (omega + a) ** 2 / 2)
        reach = math.sqrt(2 * nats + omega**2) + step
        count = math.ceil(reach / step)
        return Nodes(step * self.rho, -count, count, omega * self.rho)

    def scale(self):
        return arb(1)

    def weights(self, nodes, spacing):
        """Weights of log(1 - vh) in L, of log(1 - vh) and of vh/(1 - vh) in dL/drho."""
        rho = arb(self.rho)
        norm = spacing / rho / (2 * arb.pi()).sqrt()
        zs = [-(spacing * j + IMAG * nodes.shift) / rho for j in range(nodes.first, nodes.last + 1)]
        plain = [(-z * z / 2).exp() * norm for z in zs]
        return plain, None, [-z * w for z, w in zip(zs, plain, strict=True)]

    def scout(self, theta):
        n = self.nodes(theta, 30.0)
        u = np.arange(n.first, n.last + 1) * n.spacing + 1j * n.shift
        return -u, np.exp(-((u / self.rho) ** 2) / 2) * n.spacing / self.rho / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class InverseGamma:
    rho: float
    name = "inverse-gamma"

    def reach(self, nats):
        return self.rho * math.sqrt(2 * nats) + nats / self.nu_float

    @functools.cached_property
    def nu_float(self):
        return float(self.nu_at(128).mid())

    @property
    def left_power(self):
        return min(1.0, self.nu_float)

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def nu_at(self, prec):
        """Solve trigamma(nu) = rho^2 by Newton, to a correction below the precision asked for."""
        old, ctx.prec = ctx.prec, prec + 60
        nu = acb(1 / self.rho**2 + 0.5 if self.rho < 1 else 1 / self.rho)
        for _ in range(200):
            step = (nu.polygamma(1) - arb(self.rho) ** 2) / nu.polygamma(2)
            nu = (nu - step).mid()
            if abs(step) < abs(nu) * arb(2) ** (-prec - 20):
                break
        else:
            raise ArithmeticError("Newton for nu did not converge")
        ctx.prec = old
        return nu.real

    def nodes(self, theta, nats):
        nu = self.nu_float
        phi = min(math.pi / 4, 2 / math.sqrt(nu))
        distance = min(math.pi / 2 - phi, theta + phi)
        step = widest_step(
            nats, distance, lambda a: -nu * math.log(math.cos(phi + min(a, math.pi / 2 - phi)))
        )
        lgamma, cos = math.lgamma(nu), math.cos(phi)
        first = math.floor(math.log(nu) / step)
        while nu * first * step - math.exp(first * step) * cos - lgamma > -nats - 8:
            first -= 1 + int(0.02 * abs(first))
        last = math.ceil(math.log(nu) / step)
        while nu * last * step - math.exp(last * step) * cos - lgamma > -nats - 8:
            last += 1
        return Nodes(step, first, last, phi)

    def scale(self):
        return acb(self.nu_at(ctx.prec)).digamma().real.exp()

    def weights(self, nodes, spacing):
        nu = acb(self.nu_at(ctx.prec))
        psi0, psi1, psi2, lgamma = nu.digamma(), nu.polygamma(1), nu.polygamma(2), nu.lgamma()
        dnu = 2 * arb(self.rho) / psi2
        us = [spacing * j + IMAG * nodes.shift for j in range(nodes.first, nodes.last + 1)]
        plain = [(nu * u - u.exp() - lgamma).exp() * spacing for u in us]
        return (
            plain,
            [dnu * (u - psi0) * w for u, w in zip(us, plain, strict=True)],
            [-dnu * psi1 * w for w in plain],
        )

    def scout(self, theta):
        n = self.nodes(theta, 30.0)
        nu = self.nu_float
        u = np.arange(n.first, n.last + 1) * n.spacing + 1j * n.shift
        return float(acb(nu).digamma().real) - u, np.exp(nu * u - np.exp(u) - math.lgamma(nu)) * n.spacing


@dataclass(frozen=True)
class PointMass:
    rho = 0.0
    left_power = 1.0
    name = "point"

    def reach(self, nats):
        return 1.0

    def scout(self, theta):
        return np.zeros(1), np.ones(1)


def make_population(name, rho):
    if rho == 0 or name == "point":
        return PointMass()
    return {"log-normal": LogNormal, "inverse-gamma": InverseGamma}[name](rho)


def point_table(indices, theta, step):
    v = [(arb(step) * i - IMAG * theta).exp() for i in indices]
    return [((1 - x).log(), -x / (1 - x), acb(0)) for x in v]


def population_table(population, indices, theta, step, nats):
    """(L, v L', dL/drho) at v = exp(i * step - i theta) for contiguous lattice indices."""
    if isinstance(population, PointMass):
        return point_table(indices, theta, step)
    nodes = population.nodes(theta, nats)
    stride, fine = max(1, int(nodes.spacing / step)), max(1, math.ceil(step / nodes.spacing))
    if stride > 1:
        fine = 1
    spacing = arb(step) * stride / fine
    ratio = nodes.spacing / float(spacing)
    nodes = Nodes(
        float(spacing), math.floor(nodes.first * ratio) - 1, math.ceil(nodes.last * ratio) + 1, nodes.shift
    )
    plain, log_rho, k_rho = population.weights(nodes, spacing)
    turn = -IMAG * (arb(theta) + arb(nodes.shift))
    scale = population.scale()
    out = {}
    for residue in range(stride):
        members = [i for i in indices if i % stride == residue]
        if not members:
            continue
        base = turn + arb(step) * residue
        wanted = [(i - residue) // stride * fine for i in members]
        low, high = wanted[0] - nodes.last, wanted[-1] - nodes.first
        e = [scale * (base + spacing * p).exp() for p in range(low, high + 1)]
        k = [x / (1 - x) for x in e]
        logs = [(1 - x).log() for x in e]
        conv = functools.partial(convolve, wanted=wanted, first=nodes.first, low=low)
        level, slope, by_rho = conv(plain, logs), conv(plain, k), conv(k_rho, k)
        if log_rho is not None:
            by_rho = [a + b for a, b in zip(by_rho, conv(log_rho, logs), strict=True)]
        for i, a, b, d in zip(members, level, slope, by_rho, strict=True):
            out[i] = (a, -b, d)
    return [out[i] for i in indices]


def convolve(weights, values, wanted, first, low):
    """sum_j weights[j - first] values[(n - j) - low] for n in wanted."""
    if len(wanted) <= 4:
        return [sum((w * values[n - first - a - low] for a, w in enumerate(weights)), acb(0)) for n in wanted]
    product = acb_poly(weights) * acb_poly(values)
    return [product[n - first - low] for n in wanted]


# ----------------------------------------------------------------------------------------------------------
# Scout: where the integrand lives, in double precision
# ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Law:
    kappa: float
    gamma: float
    population: object

    @property
    def c(self):
        return self.kappa / 2

    @property
    def s(self):
        return self.kappa / 2 / self.gamma


@functools.lru_cache(maxsize=65536)
def coarse_level(population, k_theta, block):
    """L on 100 points of spacing 0.05 in log|v|, double precision."""
    taus = (np.arange(100) + 100 * block) * 0.05
    return level_double(population, THETAS[k_theta], taus)


def level_double(population, theta, taus):
    log_h, w = population.scout(theta)
    z = taus[:, None] - 1j * theta + log_h[None, :]
    near = np.log(1 - np.exp(np.where(z.real < 100, z, -1)))
    return np.where(z.real < 100, near, z + 1j * math.pi) @ w  # log(1 - e^z) = log(-e^z) far out


def exponent(law, y, theta, taus, level):
    t = taus - 1j * theta
    return law.s * t - y * np.exp(t) - law.c * level


def window(law, y):
    pop, s = law.population, law.s
    centre = math.log(s / y)
    low = min(0.0, centre) - (NATS + 40) / (s + pop.left_power) - 3 - 4 * pop.rho
    high = max(3 + 6 * pop.rho, math.log((s + NATS + 40 + 40 * math.sqrt(s)) / y) + 3)
    return low, min(high, math.log((s + 20 * math.sqrt(s) + 400) / y) + 4.5)


def summit(law, y, theta, centre, half):
    """Largest value of Re(exponent) on the line, found by three zooms around ``centre``."""
    for _ in range(4):
        grid = centre + np.linspace(-half, half, 21)
        psi = exponent(law, y, theta, grid, level_double(law.population, theta, grid))
        top = int(np.argmax(psi.real))
        centre, half = grid[top], half / 8
    return psi.real[top], centre


def highest(law, y, theta, centre):
    """Summit of a line off the lattice, scanned finely enough to see the peak that v h = 1 makes near it."""
    spacing = min(0.1, max(theta, law.population.rho) / 2)
    taus = np.append(np.arange(*window(law, y), spacing), centre)
    start = taus[
        int(np.argmax(exponent(law, y, theta, taus, level_double(law.population, theta, taus)).real))
    ]
    return summit(law, y, theta, start, spacing)


def ridge(law, y):
    """Height and place of the largest integrand on each line of the fixed lattice."""
    low, high = window(law, y)
    blocks = range(math.floor(low / 5), math.floor(high / 5) + 1)
    taus = np.concatenate([(np.arange(100) + 100 * b) * 0.05 for b in blocks])
    found = []
    for k, theta in enumerate(THETAS):
        level = np.concatenate([coarse_level(law.population, k, b) for b in blocks])
        centre = taus[int(np.argmax(exponent(law, y, theta, taus, level).real))]
        found.append((theta, *summit(law, y, theta, centre, 0.05)))
    return found


def saddle(law, y, theta, tau):
    """Find the pass of the exponent by complex Newton; returns t, the exponent and its curvature there."""
    width = 1e-2 / math.sqrt(law.s + 1)
    t = complex(tau, -theta)
    for _ in range(60):
        first, second, value = derivatives(law, y, t, width)
        if second == 0 or not np.isfinite(second):  # far out of the pass: keep the line's own place
            break
        step = first / second
        step *= 0.3 / max(0.3, abs(step))
        t -= step
        t = complex(t.real, min(t.imag, 0.0))
        if abs(step) < 1e-9 * width:
            break
    first, second, value = derivatives(law, y, t, width)
    return t, value, second


def derivatives(law, y, t, width):
    grid = t.real + width * np.array([-1.0, 0.0, 1.0])
    p = exponent(law, y, -t.imag, grid, level_double(law.population, max(-t.imag, 1e-12), grid))
    return (p[2] - p[0]) / (2 * width), (p[2] - 2 * p[1] + p[0]) / width**2, p[1]


def survey(law, y):
    """List (theta, height, tau) on the lattice and a finer one about the saddle; and the saddle's phase."""
    found = ridge(law, y)
    theta, _, tau = min(found, key=lambda r: r[1])
    t, value, curvature = saddle(law, y, theta, tau)
    phase = value.imag - (0.5 * np.angle(-curvature) if t.imag < -1e-7 else 0.0)
    width = math.sqrt(NATS / (1 + abs(curvature)))
    for k in range(-14, 15):
        theta = float(f"{-t.imag + k * width / 4:.3g}")
        if 1e-5 < theta < THETAS[-1] and width < 0.5:
            found.append((theta, *highest(law, y, theta, t.real)))
    # With c <= 1 the whole phase lies in (-pi, 0]: the principal value is right whatever the saddle says.
    phase = float(np.clip(phase, -math.pi * law.c, 0.0)) if law.c > 1 else -math.pi * law.c / 2
    return sorted(found), phase, t


def lines(found, nats, floor, excess=250.0):
    """Lines with step and cancellation, the one with the fewest nodes first; ``floor``: log of the result."""
    chosen = []
    for theta, top, _ in found:
        if top - floor > excess:
            continue
        width = [
            (other - theta, 2 * math.pi * abs(other - theta) / (nats + t - floor)) for other, t, _ in found
        ]
        up = max((w for d, w in width if d > 0), default=0.0)
        down = max((w for d, w in width if d < 0), default=0.0)
        if min(up, down) > 0:
            chosen.append((min(up, down), theta, top - floor))
    return sorted(chosen, reverse=True)


# ----------------------------------------------------------------------------------------------------------
# The integrals
# ----------------------------------------------------------------------------------------------------------
def node_range(law, y, theta, step, nats, floor, centre):
    """Lattice indices outside which every weighted term is below exp(-nats) of the result."""
    low, high = window(law, y)
    low, high = min(low, centre - 1), max(high, centre + 1)
    for points in (2001, 2001):
        coarse = np.linspace(low, high, points)
        pad = (high - low) / (points - 1)
        kept = coarse[alive(law, y, theta, coarse, nats + 5, floor, pad)]
        low, high = kept[0] - pad, kept[-1] + pad
    return range(math.floor(low / step), math.ceil(high / step) + 1)


def alive(law, y, theta, taus, nats, floor, spacing):
    t = taus - 1j * theta
    level = level_double(law.population, theta, taus)
    psi = exponent(law, y, theta, taus, level)
    log_parts = np.logaddexp(
        math.log(y) + taus, math.log(law.c) + np.minimum(0.0, taus) * law.population.left_power
    )
    weight = np.logaddexp(log_parts - math.log(law.s), np.maximum(taus, 2 * taus)) + np.log1p(np.abs(t))
    slope = np.maximum(np.abs(law.s - np.exp(math.log(y) + t)) + law.c, 1.0) * spacing
    return psi.real + np.maximum(weight, -1e3) + slope > floor - nats


_TABLES = {}


def cached_table(population, indices, theta, step, nats):
    key = (population, theta, step, ctx.prec)
    known = _TABLES.setdefault(key, {})
    missing = [i for i in indices if i not in known]
    if missing:
        span = range(missing[0], missing[-1] + 1)
        known.update(zip(span, population_table(population, span, theta, step, nats), strict=True))
    return [known[i] for i in indices]


def integrals(law, y, theta, step, nats, floor, centre):
    """Phi_0, Phi_1, Phi_2 and their derivatives by s, c and rho.

    Phi_0 and its derivative by s are integrated by parts, which leaves an integrand that decays on the left
    even as s -> 0.
    """
    c, s, y = arb(law.kappa) / 2, arb(law.kappa) / 2 / arb(law.gamma), arb(y)
    indices = node_range(law, float(y), theta, step, nats, floor, centre)
    table = cached_table(law.population, indices, theta, step, nats + math.log(1 + law.c) + 15)
    sums = [acb(0)] * 10
    for i, (level, slope, by_rho) in zip(indices, table, strict=True):
        t = arb(step) * i - IMAG * theta
        v = t.exp()
        e0 = (s * t - y * v - c * level).exp()
        parts, e1 = (y * v + c * slope) * e0, v * e0
        terms = (parts, t * parts, level * e0, by_rho * e0, e1, t * e1, level * e1, by_rho * e1, v * e1)
        for n, term in enumerate(terms):
            sums[n] += term
    phi0 = sums[0] / s
    phi0_s = (sums[1] - phi0) / s
    return {
        "phi": (phi0, sums[4], sums[8]),
        "s": (phi0_s, sums[5]),
        "c": (-sums[2], -sums[6]),
        "rho": (-c * sums[3], -c * sums[7]),
    }


def evaluate(law, y, theta, step, nats, floor, centre, phase_guess):
    parts = integrals(law, y, theta, step, nats, floor, centre)
    phi0, phi1, phi2 = parts["phi"]
    c, gamma = arb(law.kappa) / 2, arb(law.gamma)
    ratio = phi1 / phi0
    density = -ratio.imag

    def grad(d0, d1):
        return ((d1 - ratio * d0) / phi0).imag / ratio.imag

    d_s, d_c = grad(*parts["s"]), grad(*parts["c"])
    d_x = grad(-phi1, -phi2)
    principal = phi0.arg()
    turns = round((phase_guess - float(principal)) / (2 * math.pi))
    phase = principal + 2 * arb.pi() * turns
    sf = -phase / (arb.pi() * c)
    return {
        "phase_gap": abs(float(phase) - phase_guess),
        "level": float(abs(phi0 * step).log().mid()),
        "logpdf": (density / (arb.pi() * c)).log(),
        "cdf": 1 - sf,
        "sf": sf,
        "d_kappa": (d_s / gamma + d_c - 1 / c) / 2,
        "d_temperature": -1 - arb(y) * d_x,
        "d_correlation": grad(*parts["rho"]),
        "d_gamma": -c / gamma**2 * d_s,
        "d_x": d_x,
    }


def agree(one, two, tolerance):
    for name in COLUMNS:
        a, b = one[name], two[name]
        scale = abs(float(a.mid())) + (1.0 if name == "logpdf" else 0.0)
        gap = float(abs(a - b).upper())
        if not gap <= tolerance * scale and not (name == "d_correlation" and gap <= 1e-25):
            return False
    return True


def law_at(law, y, depth=0.0, tolerance=AGREE, tries=6):
    """All columns at one point; ``depth``: nats of allowance for tails deeper than exp(-30)."""
    found, phase_guess, t = survey(law, y)
    nats = NATS + depth + math.log(1 + law.kappa)
    previous, floor = None, min(top for _, top, _ in found)
    for attempt in range(tries):
        current = on_line(law, y, found, floor, nats, t.real, phase_guess, attempt)
        floor = min(floor, current["level"])
        if previous is not None and agree(previous, current, tolerance):
            if current["phase_gap"] > (1.8 if law.c > 1 else math.pi):
                raise Disagreement(f"phase off its saddle value by {current['phase_gap']} at {law} y={y}")
            return current
        previous = current
        nats += 15 if attempt >= 1 else 0
    raise Disagreement(
        f"no agreement at {law} y={y}: {previous['logpdf']} {current['logpdf']} {previous['cdf']}"
    )


def on_line(law, y, found, floor, nats, centre, phase_guess, attempt):
    """Evaluate on the cheapest line (even attempts) or on one well away from it, with another step (odd)."""
    candidates = lines(found, nats, floor)
    step, theta, excess = candidates[0 if attempt % 2 == 0 else second_line(candidates)]
    ctx.prec = int((nats + excess + 60) / math.log(2)) + GUARD
    step = float(f"{step * (1.0 if attempt % 2 == 0 else 0.87) * 0.8 ** (attempt // 2):.2g}")
    return evaluate(law, y, theta, step, nats + excess, floor, centre, phase_guess)


def second_line(candidates):
    """The cheapest line that is at least a tenth away from the first."""
    first = candidates[0][1]
    away = [k for k, line in enumerate(candidates) if abs(line[1] / first - 1) > 0.1]
    return away[0] if away else len(candidates) - 1


# ----------------------------------------------------------------------------------------------------------
# The table: which rows, and where on the x axis
# ----------------------------------------------------------------------------------------------------------
KAPPAS = (1e-3, 0.05, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4)
GAMMAS = (0.005, 0.0126, 0.02, 0.1, 0.25, 0.5, 0.9, 0.98, 1.0)
RHOS = (0.05, 0.3, 0.7, 1.2, 2.0, 3.0)
CORNERS = (
    (1e4, 0.005, 0.05, "log-normal"),
    (1e4, 0.005, 3.0, "inverse-gamma"),
    (1e4, 1.0, 0.05, "inverse-gamma"),
    (1e4, 0.0126, 2.0, "log-normal"),
    (1e4, 0.98, 0.3, "log-normal"),
    (1e3, 1.0, 3.0, "log-normal"),
    (1e3, 0.005, 0.3, "inverse-gamma"),
    (1e-3, 1.0, 3.0, "log-normal"),
    (1e-3, 0.005, 0.05, "inverse-gamma"),
    (300.0, 1.0, 0.7, "inverse-gamma"),
    (100.0, 0.005, 0.05, "log-normal"),
)
# (probability, upper tail?): the tails in turn, so that each region is met by many parameters
QUANTILES = (
    ((1e-12, 0), (1e-4, 0), (0.1, 0), (0.5, 0), (0.1, 1), (1e-4, 1), (1e-12, 1)),
    ((1e-8, 0), (1e-2, 0), (0.3, 0), (0.3, 1), (1e-2, 1), (1e-8, 1)),
    ((1e-10, 0), (1e-6, 0), (0.03, 0), (0.4, 1), (0.03, 1), (1e-6, 1), (1e-10, 1), (1e-30, 1)),
)
FEW = ((1e-8, 0), (0.2, 0), (0.2, 1), (1e-8, 1))  # where a row takes minutes
SMALLEST_X = 1e-290


def parameter_sets():
    """Parameters that ``--choose`` visits (hours); the table at hand holds most of them, see its rows."""
    sets = [
        (kappa, gamma, 0.0, "point")
        for i, kappa in enumerate(KAPPAS)
        for j, gamma in enumerate(GAMMAS)
        if (i + j) % 3 == 0
    ]
    pairs = [(rho, name) for rho in RHOS for name in ("log-normal", "inverse-gamma")]
    for m, (rho, name) in enumerate(pairs):
        for t in range(5):
            sets.append((KAPPAS[(5 * m + 2 * t + t * m) % 11], GAMMAS[(2 * m + 4 * t) % 9], rho, name))
    return list(dict.fromkeys(sets + list(CORNERS)))


def points_of(index, parameters):
    kappa, _, rho, name = parameters
    costly = (name == "inverse-gamma" and rho >= 1.2) or (kappa < 0.01 and rho > 0)
    return FEW if costly else QUANTILES[index % 3]


def rough(law, x, depth):
    """(cdf, sf, density * x) from one contour; enough to place a quantile."""
    found, phase_guess, t = survey(law, x)
    nats, floor = 30.0 + depth + math.log(1 + law.kappa), min(top for _, top, _ in found)
    for _ in range(5):
        out = on_line(law, x, found, floor, nats, t.real, phase_guess, 0)
        if out["level"] > floor - 5:
            break
        floor = out["level"] - 2
    return float(out["cdf"].mid()), float(out["sf"].mid()), math.exp(float(out["logpdf"].mid())) * x


def quantile(law, probability, upper, start):
    """Find a round x where cdf (or sf) is near ``probability``: bracketed Newton on the logit."""
    target = math.log((1 - probability) / probability) * (1 if upper else -1)
    depth = -math.log(probability) + 5
    low, at = math.log(SMALLEST_X), start
    high = math.log(law.s + 2 * depth) + law.population.reach(depth)
    for _ in range(60):
        cdf, sf, slope = rough(law, math.exp(at), depth)
        if min(cdf, sf) < 1e-3 * probability or not slope > 0:  # beyond the depth of this contour
            value, step = (math.inf if cdf > 0.5 else -math.inf), math.nan
        else:
            value = math.log(cdf / sf)
            step = (target - value) * cdf * sf / slope
        low, high = (at, high) if value < target else (low, at)
        if abs(step) < 0.1 or high - low < 0.1:  # near enough: the table holds x and F(x), not the quantile
            at += step if abs(step) < 0.1 else 0.0
            break
        if high < math.log(SMALLEST_X) + 20:  # below what a double can hold
            return SMALLEST_X
        leap = at + step if low < at + step < high else (low + high) / 2
        at = min(max(leap, low + 1e-3), high - 1e-3)
    return float(f"{math.exp(at):.3g}")


def rows_of(kappa, gamma, rho, name, points):
    law = Law(kappa, gamma, make_population(name, rho))
    _TABLES.clear()
    start, xs = math.log(law.s) if law.s > 1 else -1.0 / law.s / 3, set()
    start = max(start, -600.0)
    for probability, upper in sorted(points, key=lambda q: abs(math.log(q[0]) - math.log(0.5))):
        x = quantile(law, probability, upper, start)
        if x > SMALLEST_X:
            start = math.log(x) if probability > 0.05 else start
        xs.add((x if x > 1.1 * SMALLEST_X else SMALLEST_X, probability))
    return [
        row_at(law, x, -math.log(probability))
        for x, probability in sorted(dict(sorted(xs, reverse=True)).items())
    ]


def row_at(law, x, depth):
    values = law_at(law, x, depth)
    row = {"kappa": law.kappa, "gamma": law.gamma, "correlation": law.population.rho}
    row |= {"population": law.population.name, "x": x}
    return row | {name: float(values[name].mid()) for name in COLUMNS}


def recomputed(rows):
    """The same rows, every value computed anew."""
    found = []
    for row in rows:
        _TABLES.clear()
        population = make_population(row["population"], row["correlation"])
        depth = -math.log(max(min(row["cdf"], row.get("sf", 1 - row["cdf"])), 1e-30))
        found.append(row_at(Law(row["kappa"], row["gamma"], population), row["x"], depth))
    return found


def write_table(rows, path):
    part = path.with_suffix(".part")
    part.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    os.replace(part, path)


def largest_differences(rows, others):
    return {
        name: max(
            abs(row[name] - other[name]) / (1 + abs(row[name]))
            for row, other in zip(rows, others, strict=True)
        )
        for name in COLUMNS
        if name in others[0]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="recompute FILE and print the largest differences"
    )
    parser.add_argument("--choose", action="store_true", help="choose the points x of the table anew (slow)")
    args = parser.parse_args()
    if args.check:
        rows = json.loads(args.check.read_text())
        print(largest_differences(recomputed(rows), rows))  # noqa: T201
    elif args.choose:
        chosen = [rows_of(*p, points_of(n, p)) for n, p in enumerate(parameter_sets())]
        write_table([row for rows in chosen for row in rows], TABLE)
    else:
        write_table(recomputed(json.loads(TABLE.read_text())), TABLE)


if __name__ == "__main__":
    main()
