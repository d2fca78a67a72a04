"""`read_run`: the results that the command line wrote, layer by layer."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from htmp_bayes._errors import HTMPError, reason
from htmp_bayes._results import opened_result

if TYPE_CHECKING:
    import pandas as pd

_POOLED = "network"


class Run(Mapping[str, xr.DataTree]):
    """The layers of a run by name, each read from its file when it is asked for: see `read_run`.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the run.
    files : mapping of str to str
        The file of each layer, from there.
    record : mapping
        The record of the run.

    Attributes
    ----------
    folder : pathlib.Path
        As given.
    settings : dict
        Settings of the fit, with the seed.
    command : list of str
        The command that made it.
    pooled : bool
        Whether its layers were pooled.
    """

    def __init__(self, folder: Path, files: Mapping[str, str], record: Mapping[str, Any]) -> None:
        self.folder, self._files = folder, dict(files)
        self.settings, self.command = dict(record["settings"]), list(record["command"])
        self.pooled = f"{_POOLED}.nc" in record["files"]

    @property
    def network(self) -> xr.DataTree:
        """What `htmp_bayes.fit_network` made of a pooled run's layers.

        Raises
        ------
        HTMPError
            A ValueError, if they were not pooled.
        """
        from htmp_bayes.cli.pooled_run import open_network

        return open_network(self.folder)

    def file_of(self, layer: str) -> Path:
        """Path of the file with a layer's result."""
        return self.folder / self._files[layer]

    def __getitem__(self, layer: str) -> xr.DataTree:
        if layer not in self._files:
            raise KeyError(f"{self.folder} has no layer {layer!r}; list(run) names those that there are")
        path = self.file_of(layer)
        with opened_result(path) as result:
            try:
                return result.load()
            except (OSError, ValueError, RuntimeError) as error:
                raise HTMPError(
                    f"{path} cannot be read ({reason(error)}); fit anew with another --out."
                ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def summary(self) -> "pd.DataFrame":
        """The table of the layers, with medians, intervals, diagnostics and verdicts, as in ``summary.csv``."""
        import pandas as pd

        path = self.folder / "summary.csv"
        if not path.is_file():
            raise HTMPError(f"{self.folder} has no summary.csv; let the run finish a layer first.")
        return pd.read_csv(path, index_col="layer")

    def __repr__(self) -> str:
        number = f"{len(self)} layer{'' if len(self) == 1 else 's'}"
        return f"Run({str(self.folder)!r}, {number}, seed {self.settings.get('seed')})"

    def _repr_html_(self) -> str:
        from htmp_bayes._html import run_html

        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return run_html(str(self.folder), settings, [(name,) for name in self], ("layer",))


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read what ``htmp-bayes fit --out FOLDER`` wrote.

    Parameters
    ----------
    folder : str or path-like
        The folder of the run, finished or not.

    Returns
    -------
    Run
        A mapping of the layers' names to their results, in the order of the files; each is read when it is asked for.
        ``summary`` is the table of them all. Of a run of ``--pool``
        ``network`` is the result of all together.

    Raises
    ------
    HTMPError
        A ValueError, if the folder is not that of a run.

    Examples
    --------
    >>> run = read_run("run")  # doctest: +SKIP
    >>> {name: bool(check(result)) for name, result in run.items()}  # doctest: +SKIP
    >>> run.summary["dyson_index_median"]  # doctest: +SKIP
    """
    from htmp_bayes.cli.run_folder import POSTERIOR
    from htmp_bayes.cli.run_record import RECORD, read_record

    path = Path(folder)
    try:
        record = read_record(path / RECORD)
    except OSError as error:
        raise HTMPError(
            f"{path} is not the folder of a run ({RECORD}: {reason(error)}); pass what `htmp-bayes fit --out` made."
        ) from error
    layers = record["layers"]
    # In the order of the files, which is not that in which several jobs finished.
    order = [name for name in record["inputs"] if name in layers] or list(layers)
    files = {name: f"{layers[name]['folder']}/{POSTERIOR}" for name in order}
    return Run(path, files, record)
