"""The folder of a run: which layers it holds, with which settings they were fitted, and how to go on."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from htmp_bayes import __version__
from htmp_bayes._errors import HTMPError, reason
from htmp_bayes._files import replacing
from htmp_bayes._versions import versions

RECORD = "run.json"
SUMMARY = "summary.csv"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}(?<!\.)")
_FRAGMENT = re.compile(r"\.(posterior|spectrum|run|summary)\.[0-9a-f]{8}\.(nc|png|json|csv)")
_TAKEN = frozenset({RECORD, SUMMARY})


class RunError(HTMPError):
    """A folder that cannot hold the results, or that holds those of other settings."""


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
    htmp_bayes.cli.run_folder.RunError: ... was fitted with draws = 1000, not 500; choose another --out, ...
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any], command: list[str]) -> None:
        self.path, self.command = Path(path), command
        known = self._known()
        self.layers: dict[str, dict[str, Any]] = known.get("layers", {})
        self.inputs: dict[str, str] = known.get("inputs", {})
        self.settings = dict(settings)
        if self.settings["seed"] is None:
            self.settings["seed"] = known.get("settings", {}).get("seed", int.from_bytes(os.urandom(4)))
        if known:
            self._check_same({**known["settings"], "version": known["htmp_bayes"]})

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
        changed = [name for name, digest in inputs.items() if self.inputs.get(name, digest) != digest]
        if changed:
            raise RunError(
                f"{self.path} was begun with another spectrum of the layer {changed[0]!r}; choose another --out, or "
                "remove the folder to fit anew."
            )
        self.inputs |= inputs
        self._make()
        with _alone(self.path):
            self._remove_fragments()
            self._save_record()
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
        taken = {entry["folder"].casefold() for name, entry in self.layers.items() if name != layer}
        return self.path / folder_name(layer, taken)

    def add(self, layer: str, summary: Mapping[str, Any]) -> None:
        """Record that all files of a layer are written."""
        self.layers[layer] = {"folder": self.folder_of(layer).name, "summary": dict(summary)}
        self._save_record()

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _remove_fragments(self) -> None:
        """Remove what a run that was killed was writing at that moment (see `htmp_bayes._files.replacing`)."""
        for file in [*self.path.glob(".*"), *self.path.glob("*/.*")]:
            if file.is_file() and _FRAGMENT.fullmatch(file.name):
                file.unlink(missing_ok=True)

    def _known(self) -> dict[str, Any]:
        """Read the record of a run that is there already; nothing is there to read if the folder is empty."""
        record = self.path / RECORD
        try:
            if self.path.exists() and not self.path.is_dir():
                raise RunError(f"{self.path} is a file, not a folder; choose another --out.")
            if record.exists():
                return _as_record(record.read_text(encoding="utf-8"), record)
            if self.path.exists() and any(self.path.iterdir()):
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

    def _save_record(self) -> None:
        record = {
            "htmp_bayes": __version__,
            "versions": versions(),
            "command": self.command,
            "settings": self.settings,
            "inputs": self.inputs,
            "layers": self.layers,
        }
        self.write(RECORD, lambda path: path.write_text(json.dumps(record, indent=1), encoding="utf-8"))

    def write(self, name: str, write_to: Callable[[Path], object]) -> None:
        """Write a file of the run, whole or not at all, by a function of the path to write to."""
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                write_to(temporary)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(f"{self.path} cannot be written ({reason(error)}); choose another --out.")


def folder_name(layer: str, taken: frozenset[str] | set[str] = frozenset()) -> str:
    """Name of a folder for a layer: the layer's own, if it is plain, and else one with a digest of it.

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
    """
    if _PLAIN.fullmatch(layer) and layer.casefold() not in _TAKEN | taken:
        return layer
    digest = _digest(layer.encode(errors="surrogatepass")).hex()[:8]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', layer)[:100]}-{digest}"


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


def _as_record(text: str, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(text)
        if not {"htmp_bayes", "settings", "inputs", "layers"} <= record.keys():
            raise ValueError("settings, inputs or layers are missing")
    except (ValueError, AttributeError) as error:
        raise RunError(
            f"{path} is damaged ({reason(error)}); choose another --out, or remove the folder to fit anew."
        ) from error
    return record


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
