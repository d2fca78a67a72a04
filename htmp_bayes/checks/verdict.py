"""What `check` says of a posterior and its law."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a posterior can be used and its law fits, why not, and the numbers behind that.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    reasons : tuple of str
        One sentence for each check of the sampler that failed: what is wrong and what to do.
    misfits : tuple of str
        One sentence for each way in which the law does not fit the spectrum; empty also where `fits` is None.
    cautions : tuple of str
        One sentence for each place where the prior rather than the spectrum decides, or spikes are suspected.
    fits : bool or None
        Whether the law fits: a posterior predictive test of the counts and one of the gaps. None where there is no such
        test, as for a network.
    divergences : int
        Divergent transitions after tuning, over all chains.
    r_hat, ess_bulk, ess_tail : mapping of str to float
        Rank-normalised split R-hat and effective sample sizes of each parameter; NaN where the draws allow
        none (a single chain, or draws that are all the same), which is a reason of its own. Of a parameter that
        each layer of a network has, the worst.
    e_bfmi : float
        Smallest energy Bayesian fraction of missing information of any chain.

    Examples
    --------
    >>> ones = {"kappa": 1.0}
    >>> print(Verdict("layer.0", (), 0, ones, {"kappa": 1800.0}, {"kappa": 1900.0}, 0.9, fits=True))
    layer.0: usable, and the law fits
    """

    name: str
    reasons: tuple[str, ...]
    divergences: int
    r_hat: Mapping[str, float]
    ess_bulk: Mapping[str, float]
    ess_tail: Mapping[str, float]
    e_bfmi: float
    cautions: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    fits: bool | None = None

    @property
    def usable(self) -> bool:
        """True if no check of the sampler failed: the draws are those of the posterior."""
        return not self.reasons

    def __reduce__(self) -> tuple[Any, ...]:
        # The read-only views of the mappings cannot be pickled.
        values = [getattr(self, field.name) for field in fields(self)]
        return Verdict, tuple(dict(value) if isinstance(value, Mapping) else value for value in values)

    def __bool__(self) -> bool:
        return self.usable and self.fits is not False

    @property
    def headline(self) -> str:
        """What is said of draws and law in a few words."""
        draws = "usable" if self.usable else "not usable as it is"
        if self.fits is None:
            return draws + (" with care" if self.usable and self.cautions else "")
        joint = "and" if self.usable == self.fits else "but"
        return f"{draws}, {joint} the law {'fits' if self.fits else 'does not fit'}"

    def __str__(self) -> str:
        head = f"{self.name}: {self.headline}" if self.name else self.headline
        sentences = (*self.reasons, *self.misfits, *self.cautions)
        return "\n".join([head, *(f"  - {sentence}" for sentence in sentences)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from htmp_bayes._html import verdict_html

        return verdict_html(self)
