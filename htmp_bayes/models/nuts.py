"""The one call of nutpie's compiler and of its sampler: results that repeat, and no trace that Ctrl-C cut short."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

Start = Callable[[int], NDArray[np.float64]]


def compile_model(model: "pm.Model", var_names: Sequence[str] | None = None) -> Any:
    """Compile a model for nutpie, so that its draws are the same to the bit in every process.

    PyTensor lets the compiler reorder sums, and that depends on whether a function was compiled in this process or
    comes from the disk, where an earlier one left it: the first fit after an installation would not repeat (seen with
    pytensor 3.3 and numba 0.68). Sums in their own order cost nothing that a fit notices.

    Parameters
    ----------
    model : pymc.Model
        The model.
    var_names : sequence of str, optional
        Variables of the trace; by default all.

    Returns
    -------
    nutpie.CompiledModel
        The model with its data; others can follow by ``with_data``.
    """
    import nutpie
    import pytensor

    with pytensor.config.change_flags(numba__fastmath=False):
        return nutpie.compile_pymc_model(model, var_names=var_names)


def sample_compiled(
    compiled: Any,
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
    progressbar: bool = False,
    start: Start | None = None,
    **options: Any,
) -> "xr.DataTree":
    """Draw from a compiled model by NUTS: all draws that were asked for, or none.

    Parameters
    ----------
    compiled : nutpie.CompiledModel
        The model, with its data.
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int
        The same seed gives the same bits, on any number of cores.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    progressbar : bool
        Show the sampler's progress.
    start : callable, optional
        Makes the unconstrained starting point of a chain from a seed; by default nutpie's own.
    **options
        Further arguments of ``nutpie.sample``, such as ``target_accept``.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C came while it sampled. nutpie itself returns the draws so far, and a posterior must not be
        shorter than was asked for.
    """
    import nutpie

    if start is not None:
        compiled = dataclasses.replace(compiled, initial_point_func=start)
    tree = nutpie.sample(
        compiled, draws=draws, tune=tune, chains=chains, cores=cores, seed=random_seed,
        save_warmup=False, progress_bar=progressbar, **options,
    )  # fmt: skip
    posterior = tree["posterior"]
    if posterior.sizes["draw"] < draws or posterior.sizes["chain"] < chains:
        raise KeyboardInterrupt
    return tree
