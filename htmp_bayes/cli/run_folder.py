"""The folder of a run: which layers it holds, with which settings they were fitted, and how to go on."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from htmp_bayes._errors import reason
from htmp_bayes._files import is_fragment, replacing
from htmp_bayes._versions import __version__, versions
from htmp_bayes.cli.run_record import RECORD, RunError, read_record
from htmp_bayes.cli.summary import as_csv

logger = logging.getLogger(__name__)

SUMMARY = "summary.csv"
POSTERIOR, PICTURE = "posterior.nc", "spectrum.png"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}(?<!\.)")
_TAKEN = frozenset({RECORD, SUMMARY, "report.html"})


class RunFolder:
    """Results of a run on disk, with a record that says which of them are whole.

    Parameters
    ----------
    path : path-like
        The folder. It is made when the first file is written.
    settings : mapping
        What, beside a layer's eigenvalues, its results depend on, as JSON can hold it. A seed of None stands
        for that of the record, or for a new one.
    command : list of str
        The command that was given, for the record.

    Attributes
    ----------
    settings : dict
        The settings, with the seed that is used.
    layers : dict
        The record of each finished layer by its name: ``folder`` and ``summary``.
    inputs : dict
        Digest of the spectrum of each layer that was to be fitted, by name, in the order of the files.
    files : dict
        Digest of each file that was written, by its path in the folder.
    lost : dict
        Layers that had been finished and whose files are not what was written, with what is wrong.

    Raises
    ------
    RunError
        A ValueError, if the path is a file or a folder with other things in it, or of other settings.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run"
    >>> run = RunFolder(path, {"seed": 1, "draws": 1000}, ["htmp-bayes", "fit"])
    >>> with run.writing({}):
    ...     pass
    >>> sorted(file.name for file in path.iterdir())
    ['run.json']
    >>> RunFolder(path, {"seed": 1, "draws": 500}, [])
    Traceback (most recent call last):
    htmp_bayes.cli.run_record.RunError: ... was fitted with draws = 1000, not 500; choose another --out, ...
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any], command: list[str]) -> None:
        self.path, self.command = Path(path), command
        self._asked, self._new_seed = dict(settings), int.from_bytes(os.urandom(4))
        self.lost: dict[str, str] = {}
        self._go_on_from_record()

    @contextmanager
    def writing(self, inputs: Mapping[str, str]) -> Iterator[None]:
        """Make the folder and write the record, so that a place that cannot be written is found at once.

        Parameters
        ----------
        inputs : mapping
            Digests of the spectra that are going to be fitted, by the name of their layer.

        Raises
        ------
        RunError
            If a layer of that name had another spectrum before, or another process writes to the folder.
        """
        self._make()
        with _alone(self.path):
            self._go_on_from_record()  # another run may have begun or ended since
            changed = [name for name, digest in inputs.items() if self.inputs.get(name, digest) != digest]
            if changed:
                raise RunError(
                    f"{self.path} was begun with another spectrum of the layer {changed[0]!r}; choose another --out, "
                    "or remove the folder to fit anew."
                )
            self.inputs |= inputs
            self._remove_fragments()
            self._forget_lost(inputs)
            self.save_record()
            if self.layers:
                self.write_summary()
            yield

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The summaries of the finished layers, in the order of the files."""
        return [self.layers[name]["summary"] for name in self.inputs if name in self.layers]

    def as_json(self) -> dict[str, Any]:
        """All of the run that a program may want to know, as JSON can hold it."""
        return {
            "htmp_bayes": __version__,
            "versions": versions(),
            "settings": self.settings,
            "out": str(self.path),
            "layers": self.rows,
        }

    def seed_of(self, layer: str) -> int:
        """Seed of a layer: it depends on the run's seed and the layer's name, and not on the other layers."""
        return int.from_bytes(_digest(f"{self.settings['seed']} {layer}".encode())[:4])

    def folder_of(self, layer: str) -> Path:
        """Folder of a layer's results, one level below that of the run whatever its name holds."""
        if layer in self.layers:
            return self.path / self.layers[layer]["folder"]
        return self.path / folder_name(layer, {entry["folder"].casefold() for entry in self.layers.values()})

    def add(self, layer: str, summary: Mapping[str, Any], posterior: bytes, picture: bytes) -> None:
        """Write the files of a layer, and then record that they are written."""
        folder = self.folder_of(layer).name
        self.write(f"{folder}/{POSTERIOR}", posterior)
        self.write(f"{folder}/{PICTURE}", picture)
        self.layers[layer] = {"folder": folder, "summary": dict(summary)}
        self.save_record()
        self.write_summary()

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the results, whole or not at all."""
        self._write(name, content)
        self.files[name] = _digest(content).hex()

    def write_summary(self) -> None:
        """Write the summary of the finished layers."""
        self._write(SUMMARY, as_csv(self.rows).encode())

    def trouble_with(self, name: str) -> str:
        """Say what is wrong with a file of the results, or nothing if it is what was written."""
        path = self.path / name
        try:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == self.files.get(name)
        except FileNotFoundError:
            return f"{name} is gone"
        except OSError as error:
            raise RunError(f"{path} cannot be read ({reason(error)}); choose another --out.") from error
        return "" if same else f"{name} is not what was written"

    def _go_on_from_record(self) -> None:
        """Take over what the folder holds, if that is a run of the same settings."""
        known = self._known()
        self.layers: dict[str, dict[str, Any]] = known.get("layers", {})
        self.inputs: dict[str, str] = known.get("inputs", {})
        self.files: dict[str, str] = known.get("files", {})
        self.settings = dict(self._asked)
        if self.settings["seed"] is None:
            self.settings["seed"] = known.get("settings", {}).get("seed", self._new_seed)
        if known:
            self._check_same({**known["settings"], "version": known["htmp_bayes"]})

    def _known(self) -> dict[str, Any]:
        """Read the record of a run that is there already; nothing is there to read if the folder is empty."""
        record = self.path / RECORD
        try:
            if self.path.exists() and not self.path.is_dir():
                raise RunError(f"{self.path} is a file, not a folder; choose another --out.")
            if record.exists():
                return read_record(record)
            if self.path.exists() and not all(map(is_fragment, self.path.iterdir())):
                raise RunError(f"{self.path} holds other files and no run; choose another --out.")
        except OSError as error:
            raise self._unwritable(error) from error
        return {}

    def _check_same(self, before: Mapping[str, Any]) -> None:
        now = {**self.settings, "version": __version__}
        changed = [
            f"{key} = {before.get(key)}, not {now.get(key)}"
            for key in {**now, **before}
            if now.get(key) != before.get(key)
        ]
        if changed:
            raise RunError(
                f"{self.path} was fitted with {' and '.join(changed)}; choose another --out, or remove the "
                "folder to fit anew."
            )

    def _forget_lost(self, wanted: Mapping[str, str]) -> None:
        """Take layers out of the record whose files are not what was written, so that they are fitted again."""
        for layer in [name for name in wanted if name in self.layers]:
            folder = self.layers[layer]["folder"]
            troubles = [self.trouble_with(f"{folder}/{file}") for file in (POSTERIOR, PICTURE)]
            if any(troubles):
                self.lost[layer] = " and ".join(filter(None, troubles))
                del self.layers[layer]

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _remove_fragments(self) -> None:
        """Remove what a run that was killed was writing at that moment."""
        try:
            for file in [*self.path.glob(".*"), *self.path.glob("*/.*")]:
                if is_fragment(file):
                    file.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def save_record(self) -> None:
        """Write down what is finished."""
        record = {
            "htmp_bayes": __version__,
            "versions": versions(),
            "command": self.command,
            "settings": self.settings,
            "inputs": self.inputs,
            "layers": self.layers,
            "files": self.files,
        }
        self._write(RECORD, json.dumps(record, indent=1).encode())

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(f"{self.path} cannot be written ({reason(error)}); choose another --out.")


def folder_name(layer: str, taken: Set[str] = frozenset()) -> str:
    """Name of a folder for a layer: the layer's own, if it is plain and free, and else one with a digest of it.

    Parameters
    ----------
    layer : str
        Any string, such as one from a checkpoint that nobody vouches for.
    taken : set of str
        Names in use, case-folded (file systems may not tell ``A`` from ``a``).

    Returns
    -------
    str
        At most 109 letters, digits, dots, hyphens and underscores; neither the first nor the last is a dot.

    Examples
    --------
    >>> folder_name("layer.0.output.dense")
    'layer.0.output.dense'
    >>> folder_name("../../etc")
    '______etc-74ccf3c5'
    >>> folder_name("../../etc", {"______etc-74ccf3c5"})
    '______etc-9f5ae52a'
    """
    if _PLAIN.fullmatch(layer) and layer.casefold() not in _TAKEN | taken:
        return layer
    readable = re.sub("[^A-Za-z0-9_-]", "_", layer)[:100]
    attempts = (layer + "\0" * attempt for attempt in count())  # no name of a layer holds a NUL
    names = (f"{readable}-{_digest(text.encode(errors='surrogatepass')).hex()[:8]}" for text in attempts)
    return next(name for name in names if name.casefold() not in taken)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder, where the system has such locks (not on Windows)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(folder, partial(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path, lock: Callable[[], None]) -> None:
    try:
        lock()
    except BlockingIOError as error:
        raise RunError(
            f"Another run is writing to {folder}; wait for it, or choose another --out."
        ) from error
    except OSError as error:  # a network's file system may have no locks for folders
        logger.warning("%s cannot be locked (%s): let no other run write to it.", folder, reason(error))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
