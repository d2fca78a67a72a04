"""What notebooks show of a spectrum, a verdict, an estimate, a comparison of laws and a list of matrices.

Colours of text and background are the notebook's own, light or dark; names come from files that nobody vouches for, and
are escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from htmp_bayes._errors import printable

if TYPE_CHECKING:
    from htmp_bayes.checks import Verdict
    from htmp_bayes.comparison.contest import LawComparison
    from htmp_bayes.estimation import Estimate
    from htmp_bayes.spectra import ListedMatrix, Spectrum

_GOOD, _BAD = "#0072B2", "#D55E00"
_MOST_ROWS = 200
_SPARK = (160, 36, 28)  # width, height and bins of the small histogram


def spectrum_html(spectrum: "Spectrum") -> str:
    """Show the sizes of a spectrum and a small histogram of its log-eigenvalues.

    Examples
    --------
    >>> from htmp_bayes.spectra import Spectrum
    >>> "<b>layer.0</b>" in spectrum_html(Spectrum(range(1, 31), n=60, name="layer.0"))
    True
    """
    low, high = spectrum.eigenvalues[[0, -1]]
    extra = [f"{getattr(spectrum, name)} {name}" for name in ("zeros", "dead") if getattr(spectrum, name)]
    kind = [] if spectrum.kind == "weight" else [spectrum.kind]
    facts = [f"{len(spectrum)} × {spectrum.n}", f"λ from {low:.3g} to {high:.3g}", *extra, *kind]
    return _page(spectrum.name or "spectrum", " · ".join(facts), _histogram(np.log(spectrum.eigenvalues)))


def verdict_html(verdict: "Verdict") -> str:
    """Show what `htmp_bayes.check` says: the verdict, the sentences and the numbers."""
    sentences = [
        Markup('<li><span style="color:{}">{}</span>: {}</li>').format(colour, kind, sentence)
        for kind, colour, found in (
            ("draws", _BAD, verdict.reasons),
            ("law", _BAD, verdict.misfits),
            ("care", "inherit", verdict.cautions),
        )
        for sentence in found
    ]
    rows = [
        (name, f"{verdict.r_hat[name]:.3f}", f"{verdict.ess_bulk[name]:.0f}", f"{verdict.ess_tail[name]:.0f}")
        for name in verdict.r_hat
    ]
    numbers = _table(("parameter", "R-hat", "bulk ESS", "tail ESS"), rows)
    told = f"{verdict.divergences} divergences, E-BFMI {verdict.e_bfmi:.2f}"
    details = Markup("<details><summary>{}</summary>{}</details>").format(told, numbers)
    head = Markup('<span style="color:{}">{}</span>').format(_GOOD if verdict else _BAD, verdict.headline)
    return _page(verdict.name or "posterior", head, Markup("<ul>{}</ul>").format(_joined(sentences)), details)


def estimate_html(estimate: "Estimate") -> str:
    """Show the values of an estimate with their standard errors."""
    rows = [
        (
            name,
            f"{value:.3g}",
            f"± {estimate.standard_errors[name]:.2g}"
            if name == "correlation"
            else f"± {100 * estimate.standard_errors[name]:.2g} %",
        )
        for name, value in estimate.values.items()
    ]
    return _page(
        estimate.name or "estimate", "point estimate", _table(("parameter", "value", "standard error"), rows)
    )


def comparison_html(comparison: "LawComparison") -> str:
    """Show the laws from best to worst, and what makes the comparison less certain."""
    rows = [
        (
            row["title"],
            f"{row['elpd']:.1f}",
            "" if row["rank"] == 0 else f"{row['elpd_diff']:.1f} ± {row['dse']:.1f}",
            f"{row['weight']:.2f}",
            f"{row['p']:.1f}",
        )
        for _, row in comparison.table.iterrows()
    ]
    table = _table(("law", "elpd", "difference ± se", "weight", "parameters"), rows)
    notes = Markup("<ul>{}</ul>").format(
        _joined(Markup("<li>{}</li>").format(note) for note in comparison.notes)
    )
    return _page(comparison.name or "comparison of laws", comparison.headline, table, notes)


def matrices_html(matrices: Sequence["ListedMatrix"], headline: str) -> str:
    """Show the matrices of a checkpoint, and what would become of each."""
    rows = [
        (
            printable(matrix.name),
            matrix.type,
            "×".join(map(str, matrix.shape)),
            f"{matrix.n_eigenvalues} × {matrix.n}" if matrix.n else "",
            matrix.fate,
        )
        for matrix in matrices[:_MOST_ROWS]
    ]
    more = f"and {len(matrices) - _MOST_ROWS} more" if len(matrices) > _MOST_ROWS else ""
    return _page(
        "matrices", headline, _table(("name", "type", "shape", "N × n", "what becomes of it"), rows), more
    )


def run_html(name: str, headline: str, rows: Iterable[Sequence[str]], headings: Sequence[str]) -> str:
    """Show the layers of a run."""
    return _page(name, headline, _table(headings, rows))


def facts_html(facts: Mapping[str, Any]) -> Markup:
    """Show names and values in two columns."""
    return _table(("", ""), [(name, str(value)) for name, value in facts.items()])


def _page(name: str, *parts: Any) -> str:
    head, *rest = parts
    return str(
        Markup("<div><p><b>{}</b>: {}</p>{}</div>").format(printable(name), head, _joined(map(escape, rest)))
    )


def _joined(parts: Iterable[Any]) -> Markup:
    return Markup("").join(parts)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = _joined(Markup('<th style="text-align:left">{}</th>').format(heading) for heading in headings)
    body = _joined(
        Markup("<tr>{}</tr>").format(
            _joined(Markup('<td style="text-align:left">{}</td>').format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def _histogram(values: np.ndarray) -> Markup:
    """Draw a histogram as SVG in the colour of the text."""
    width, height, bins = _SPARK
    counts = np.histogram(values, bins)[0]
    bars = _joined(
        Markup('<rect x="{}" y="{}" width="{}" height="{}"/>').format(
            f"{i * width / bins:.1f}",
            f"{height * (1 - share):.1f}",
            f"{width / bins - 0.5:.1f}",
            f"{height * share:.1f}",
        )
        for i, share in enumerate(counts / counts.max())
    )
    return Markup(
        '<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}" fill="currentColor" role="img" '
        'aria-label="histogram of the log-eigenvalues">{2}</svg>'
    ).format(width, height, bars)
