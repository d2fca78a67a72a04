"""Fits of many layers: one after the other, in processes of their own, or on a Dask cluster."""

import io
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from htmp_bayes._errors import HTMPError, reason
from htmp_bayes._versions import __version__
from htmp_bayes.spectra import Spectrum

logger = logging.getLogger(__name__)

_DASK_SECONDS = 20


@dataclass(frozen=True)
class Job:
    """A layer to fit: its spectrum, its seed and the settings of `htmp_bayes.fit`."""

    spectrum: Spectrum
    seed: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class FittedLayer:
    """What a fit leaves: the row of the summary, and the contents of both files."""

    name: str
    row: Mapping[str, Any]
    posterior: bytes
    picture: bytes
    version: str


def fit_all(jobs: Sequence[Job], processes: int = 1, dask: str | None = None) -> Generator[FittedLayer]:
    """Fit layers, and yield each as soon as it is finished.

    Parameters
    ----------
    jobs : sequence of Job
        The layers.
    processes : int
        How many are fitted at a time on this machine. One at a time are fitted in this process.
    dask : str, optional
        Address of the scheduler of a Dask cluster that fits them instead, as many at a time as it likes.

    Yields
    ------
    FittedLayer
        In the order in which they are finished. What is in them depends on the job alone.

    Raises
    ------
    HTMPError
        A ValueError, if a layer cannot be fitted, a process is lost or the cluster is not there.
    """
    if dask is None and min(processes, len(jobs)) <= 1:
        yield from _here(jobs)
        return
    if dask is None:
        from htmp_bayes.laws.beforehand import compile_beforehand

        compile_beforehand()  # once, and not by each process
    with _cluster(dask) if dask is not None else _pool(min(processes, len(jobs))) as executor:
        cores = None if dask else max(1, (os.cpu_count() or 1) // processes)
        futures = [executor.submit(fit_layer, job, cores) for job in jobs]
        try:
            for future in as_completed(futures):
                yield _checked(future.result())
        except BrokenProcessPool as error:
            raise HTMPError(
                "A process was ended from outside while it fitted (out of memory?); what is finished is kept: "
                "repeat the command with fewer --jobs."
            ) from error
        finally:
            for future in futures:
                future.cancel()


def fit_layer(job: Job, cores: int | None = None) -> FittedLayer:
    """Fit one layer, wherever this runs."""
    from htmp_bayes._results import as_netcdf
    from htmp_bayes.checks import check
    from htmp_bayes.cli.summary import summary_row
    from htmp_bayes.drawing.picture import hidden
    from htmp_bayes.fitting import fit
    from htmp_bayes.plots import plot_spectrum

    logger.info("fitting %s (%d eigenvalues, seed %d)", job.spectrum.name, len(job.spectrum), job.seed)
    result = fit(job.spectrum, random_seed=job.seed, cores=cores, **job.settings)
    row = {**summary_row(result, check(result)), "seed": job.seed, "htmp_bayes": __version__}
    made_by = {"Software": f"htmp-bayes {__version__}", "Description": f"seed {job.seed}"}
    picture = io.BytesIO()
    with hidden():
        plot_spectrum(result).savefig(picture, format="png", metadata=made_by)
    return FittedLayer(job.spectrum.name, row, as_netcdf(result), picture.getvalue(), __version__)


def _here(jobs: Sequence[Job]) -> Iterator[FittedLayer]:
    for job in jobs:
        with _heeding_interrupts():
            fitted = fit_layer(job)
        yield fitted


def _checked(fitted: FittedLayer) -> FittedLayer:
    if fitted.version != __version__:
        raise HTMPError(
            f"A worker of the cluster has htmp-bayes {fitted.version} and this is {__version__}; install the same."
        )
    return fitted


@contextmanager
def _pool(processes: int) -> Iterator[Executor]:
    # Spawned and not forked: nutpie and BLAS have threads, which a fork would leave in the middle of things.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin_worker)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()  # a fit that nobody waits for may take minutes
        raise
    finally:
        executor.shutdown()


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end when that has ended, in whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise HTMPError(
            "--dask needs the package distributed, which is not installed; install htmp-bayes[dask]."
        ) from error
    try:
        client = Client(address, timeout=_DASK_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise HTMPError(
            f"No Dask scheduler answers at {address!r} ({reason(error)}); check the address."
        ) from error
    with client:
        yield client.get_executor()


@contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the block for certain: nutpie takes it as a wish for the draws that it has so far."""
    seen: list[int] = []

    def note(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            raise KeyboardInterrupt
