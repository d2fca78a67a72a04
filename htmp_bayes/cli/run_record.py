"""The record of a run, ``run.json``, which is looked at closely when it is read: anybody may have changed it."""

import json
import re
from pathlib import Path
from typing import Any

from htmp_bayes._errors import HTMPError, reason
from htmp_bayes.cli.summary import check_row, is_number

RECORD = "run.json"
LARGEST = 2**27
"""Bytes of a record; that of 1,000 layers has 3 million."""

_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,149}")


class RunError(HTMPError):
    """A folder that cannot hold the results, or that holds those of other settings."""


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a run.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict
        ``htmp_bayes`` (version), ``settings``, ``command`` (list of str), ``inputs`` (digest of each spectrum by the
        name of its layer), ``layers`` (``folder`` and ``summary`` of each finished layer by its name) and ``files``
        (digest of each file that is part of the results).

    Raises
    ------
    RunError
        A ValueError, if anything in it is not as `RunFolder` writes it.
    OSError
        If it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no regular file")
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        _check(record)
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({reason(error)}); choose another --out, or remove the folder to fit anew."
        ) from error
    return record


def _check(record: Any) -> None:
    _check_type(record, dict, "it")
    _check_type(record.get("htmp_bayes"), str, "the version")
    _check_type(record.setdefault("command", []), list, "the command")
    for word in record["command"]:
        _check_type(word, str, "the command")
    _check_settings(record.get("settings"))
    for part in ("inputs", "files"):
        _check_type(record.get(part), dict, part)
        for name, digest in record[part].items():
            _check_type(digest, str, f"the digest of {name[:100]!r}")
    _check_layers(record.get("layers"))


def _check_settings(settings: Any) -> None:
    _check_type(settings, dict, "settings")
    for name, value in settings.items():
        if value is not None and not isinstance(value, str | bool) and not is_number(value):
            raise ValueError(f"the setting {name[:100]!r} is no text and no number")
    seed = settings.get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError("the seed is no whole number")


def _check_layers(layers: Any) -> None:
    _check_type(layers, dict, "layers")
    taken = set()
    for name, entry in layers.items():
        what = f"the layer {name[:100]!r}"
        _check_type(entry, dict, what)
        folder = entry.get("folder")
        if not isinstance(folder, str) or not _FOLDER.fullmatch(folder):
            raise ValueError(f"the folder of {what} is {str(folder)[:100]!r}")
        if folder.casefold() in taken:
            raise ValueError(f"two layers have the folder {folder!r}")
        taken.add(folder.casefold())
        _check_type(entry.get("summary"), dict, f"the summary of {what}")
        check_row(entry["summary"], name)


def _check_type(value: Any, wanted: type, what: str) -> None:
    if not isinstance(value, wanted):
        raise ValueError(f"{what} is missing" if value is None else f"{what} is of another type")


def _no_number(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no number")
