"""`compare_models` and `compare_layers`: contrasts of the law's parameters with what speaks for them."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group
from htmp_bayes.network_steps import at_step

if TYPE_CHECKING:
    import pandas as pd

PARAMETERS = ("dyson_index", "correlation", "participation_ratio", "tail_index", "mean")
CONTRASTS = ("ratio", "difference")
ROPE = 0.1
"""Default half-width of the region of practical equivalence: of the log-ratio, or of the difference."""
# Left out by a fit whose population has none, or where it is infinite.
_SOMETIMES = ("correlation", "participation_ratio", "tail_index", "mean")
_SEED = 20261124
ANOTHER_RUN = (
    "Another training run: does what is compared differ beyond what training again would change, as the replicates "
    "show it?"
)
ANOTHER_MATRIX = (
    "Another matrix of the same population: do these trained matrices differ beyond a random matrix's noise? Whether "
    "training again would give the same difference cannot be told without replicates (runs=)."
)
"""The questions that contrasts can answer."""


class ComparisonError(HTMPError):
    """Layers, models or settings that cannot be compared."""


def compare_models(
    a: xr.DataTree,
    b: xr.DataTree | str | None = None,
    c: str | None = None,
    *,
    contrast: Literal["ratio", "difference"] = "ratio",
    parameters: Sequence[str] = PARAMETERS,
    rope: float = ROPE,
    step: float | None = None,
) -> "pd.DataFrame":
    """Compare two models, or two separate fits, by the contrasts of their parameters.

    Parameters
    ----------
    a : xarray.DataTree
        What `htmp_bayes.fit_network` returned for several models, or what `htmp_bayes.fit` returned for a layer.
    b, c : str, optional
        Names of two models in `a`: ``compare_models(result, "first", "second")``. Without them all pairs are
        compared. Or `b` is another fit: ``compare_models(fit_a, fit_b)``.
    contrast : {"ratio", "difference"}
        First over second, or first minus second.
    parameters : sequence of str
        Parameters of the law. By default kappa/N, correlation, participation ratio, tail index and mean, as far as the
        population has them and they are finite. Of the open population ``"lower_tail_index"``, ``"quantile_10"``,
        ``"quantile_50"`` and ``"quantile_90"``, too.
    rope : float
        Half-width of the region of practical equivalence: of the logarithm of a ratio (0.1: within about
        10 %), or of a difference in its own unit.
    step : float, optional
        Step of training at which they are compared, where `htmp_bayes.fit_network` had several; by default the
        last.

    Returns
    -------
    pandas.DataFrame
        A row for each parameter and pair: ``first``, ``second``, ``parameter``; the contrast's ``median``
        and the ends ``q5``, ``q25``, ``q75``, ``q95`` of its 90 and 50 % intervals; ``p_less``, the probability
        that the first is smaller; ``p_rope``, the probability that they are practically equivalent.
        ``table.attrs["question"]`` says in words which question is answered: whether another training run would show
        the difference, if the fit knew of runs; otherwise, whether another matrix of the same population would, and
        what that cannot tell.

    Raises
    ------
    ComparisonError
        A ValueError, if a model or parameter is not there or a setting not available.
    HTMPError
        A ValueError, if the step is not there.

    Notes
    -----
    Models of one `fit_network` are compared by the mean over their layers if these have the same names, and otherwise
    by their typical layers, at the same mix of kinds and depths, with all layers' parameters partially pooled: the
    contrast of two models is itself pulled towards none by its prior, so that looking at all of them needs no
    correction for multiple comparisons (Gelman, Hill & Yajima 2012, J. Res. Educ. Eff. 5, 189). Separate fits are not
    pooled, and have no such protection. Their draws are paired at random, as independent posteriors allow. The region
    of practical equivalence: Kruschke (2018), Adv. Methods Pract. Psychol. Sci. 1, 270.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draws = xr.Dataset({"model_kappa": (("chain", "draw", "model"), np.exp(rng.normal([0, 1], 0.1, (2, 500, 2))))},
    ...                    coords={"model": ["a", "b"]})
    >>> result = xr.DataTree.from_dict({"posterior": draws})
    >>> table = compare_models(result, "a", "b", parameters=["kappa"])
    >>> print(table[["first", "second", "median", "p_less"]].round(2).to_string(index=False))
    first second  median  p_less
        a      b    0.37     1.0
    """
    _check(contrast, rope)
    if isinstance(b, xr.DataTree):
        first, second = _name(a, "first"), _name(b, "second")
        pairs = [(first, second)] if first != second else [(f"{first} (1)", f"{second} (2)")]
        shuffle = np.random.default_rng(_SEED)
        rows = []
        both = [set(group(result, "posterior").data_vars) for result in (a, b)]
        left_out = set(_SOMETIMES) - set.intersection(*both)
        for parameter in (name for name in parameters if name not in left_out):
            values = [shuffle.permutation(_scalar(result, parameter)) for result in (a, b)]
            size = min(map(len, values))
            rows.append(_row(*pairs[0], parameter, values[0][:size], values[1][:size], contrast, rope))
        return _table(rows, ANOTHER_MATRIX)
    posterior = at_step(group(a, "posterior"), step)
    names = _coordinate(posterior, "model")
    rows = _contrasts(posterior, names, _pairs(names, b, c, "model"), "model", parameters, contrast, rope)
    return _table(rows, question(a))


def compare_layers(
    result: xr.DataTree,
    first: str | None = None,
    second: str | None = None,
    *,
    contrast: Literal["ratio", "difference"] = "ratio",
    parameters: Sequence[str] = PARAMETERS,
    rope: float = ROPE,
    step: float | None = None,
) -> "pd.DataFrame":
    """Compare layers of a network by the contrasts of their parameters.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned.
    first, second : str, optional
        Names of two layers. With `first` alone it is compared with all others, and without either all pairs
        are.
    contrast, parameters, rope, step
        As for :func:`compare_models`.

    Returns
    -------
    pandas.DataFrame
        As :func:`compare_models` returns.

    Raises
    ------
    ComparisonError
        A ValueError, if a layer or parameter is not there or a setting not available.
    HTMPError
        A ValueError, if the step is not there.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draws = xr.Dataset({"kappa": (("chain", "draw", "layer"), np.exp(rng.normal([0, 1, 1], 0.1, (2, 500, 3))))},
    ...                    coords={"layer": ["h.0", "h.1", "h.2"]})
    >>> result = xr.DataTree.from_dict({"posterior": draws})
    >>> table = compare_layers(result, "h.1", parameters=["kappa"])
    >>> print(table[["first", "second", "p_less"]].round(1).to_string(index=False))
    first second  p_less
      h.1    h.0     0.0
      h.1    h.2     0.5
    """
    _check(contrast, rope)
    posterior = at_step(group(result, "posterior"), step)
    names = _coordinate(posterior, "layer")
    pairs = _pairs(names, first, second, "layer")
    rows = _contrasts(posterior, names, pairs, "layer", parameters, contrast, rope)
    return _table(rows, question(result))


def _contrasts(
    posterior: xr.Dataset,
    names: list[str],
    pairs: Iterable[tuple[str, str]],
    dim: str,
    parameters: Sequence[str],
    contrast: str,
    rope: float,
) -> list[dict[str, Any]]:
    columns = {}
    for parameter in parameters:
        variable = f"model_{parameter}" if dim == "model" else parameter
        if variable in posterior:
            columns[parameter] = posterior[variable].transpose(dim, ...).values.reshape(len(names), -1)
        elif parameter not in _SOMETIMES:
            raise ComparisonError(
                f"The result has no parameter {parameter!r}; there are {_listed(posterior)}."
            )
    where = {name: index for index, name in enumerate(names)}
    return [
        _row(a, b, parameter, values[where[a]], values[where[b]], contrast, rope)
        for a, b in pairs
        for parameter, values in columns.items()
    ]


def _row(
    a: str, b: str, parameter: str, first: NDArray[Any], second: NDArray[Any], contrast: str, rope: float
) -> dict[str, Any]:
    values = first / second if contrast == "ratio" else first - second
    distance = np.abs(np.log(values)) if contrast == "ratio" else np.abs(values)
    quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    return {
        "first": a,
        "second": b,
        "parameter": parameter,
        **dict(zip(("q5", "q25", "median", "q75", "q95"), map(float, quantiles), strict=True)),
        "p_less": float(np.mean(first < second)),
        "p_rope": float(np.mean(distance < rope)),
    }


def _table(rows: list[dict[str, Any]], asked: str) -> "pd.DataFrame":
    import pandas as pd

    table = pd.DataFrame(rows)
    table.attrs["question"] = asked
    return table


def question(result: xr.DataTree) -> str:
    """Which question the contrasts of a network answer: one of `ANOTHER_RUN` and `ANOTHER_MATRIX`.

    Examples
    --------
    >>> print(question(xr.DataTree()).split(":")[0])
    Another matrix of the same population
    """
    return ANOTHER_RUN if result.attrs.get("runs", 0) else ANOTHER_MATRIX


def _pairs(names: list[str], first: Any, second: Any, what: str) -> list[tuple[str, str]]:
    for name in (first, second):
        if name is not None and name not in names:
            known = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            raise ComparisonError(f"There is no {what} {name!r} in the result; there are {known}.")
    if len(names) < 2:
        raise ComparisonError(f"The result has one {what}, and comparing takes two.")
    if first is None:
        return list(combinations(names, 2))
    return [(first, name) for name in names if name != first and second in (None, name)]


def _check(contrast: str, rope: float) -> None:
    if contrast not in CONTRASTS:
        raise ComparisonError(f"contrast is one of {', '.join(CONTRASTS)}, not {contrast!r}.")
    if not 0 < rope < np.inf:
        raise ComparisonError(f"rope must be a positive number, not {rope!r}.")


def _coordinate(posterior: xr.Dataset, dim: str) -> list[str]:
    if dim not in posterior.coords:
        raise ComparisonError(f"The result has no {dim}s; pass what htmp_bayes.fit_network returned.")
    return [str(name) for name in posterior.coords[dim].values]


def _scalar(result: xr.DataTree, parameter: str) -> NDArray[np.float64]:
    posterior = group(result, "posterior")
    if parameter not in posterior or set(posterior[parameter].dims) != {"chain", "draw"}:
        raise ComparisonError(
            f"A fit without {parameter!r} of one layer cannot be compared; pass two results of htmp_bayes.fit, "
            "or one of htmp_bayes.fit_network."
        )
    return posterior[parameter].values.ravel()


def _name(result: xr.DataTree, default: str) -> str:
    return str(result.attrs.get("name") or default)


def _listed(posterior: xr.Dataset) -> str:
    return ", ".join(name for name in (*PARAMETERS, "kappa", "temperature", "scale") if name in posterior)
