"""Files that a file names: only beside it, whatever it says."""

from pathlib import Path

from htmp_bayes.spectra.errors import SpectrumError


def inside(folder: Path, name: str, source: Path) -> Path:
    """Find a file that another one names, and make sure that it is in its folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    name : str
        A path relative to it, as ``source`` has it.
    source : pathlib.Path
        The file with that name in it, for the message.

    Returns
    -------
    pathlib.Path
        The file, which is there.

    Raises
    ------
    SpectrumError
        If it is not there, or is elsewhere: by an absolute path, by ``..`` or by a symbolic link. The one
        exception is Hugging Face's cache, where ``snapshots/<revision>`` holds links to ``blobs`` beside it.

    Examples
    --------
    >>> inside(Path("model"), "../secret", Path("model/index.json"))
    Traceback (most recent call last):
    htmp_bayes.spectra.errors.SpectrumError: model/index.json names '../secret', which is outside its folder; ...
    """
    if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise SpectrumError(
            f"{source} names {name[:200]!r}, which is outside its folder; fetch the model again."
        )
    file = folder / name
    check_inside(folder, file, source)
    if not file.is_file():
        raise SpectrumError(f"{source} names {name[:200]!r}, which is not there; fetch the model again.")
    return file


def check_inside(folder: Path, file: Path, source: Path) -> None:
    """Refuse a file in a folder that is a link to elsewhere; see `inside`."""
    root = folder.resolve()
    if root.parent.name == "snapshots":
        root = root.parent.parent
    try:
        real = file.resolve()
    except (OSError, RuntimeError):  # links in a circle
        real = Path()
    if not real.is_relative_to(root):
        raise SpectrumError(
            f"{source} leads to {file.name[:200]!r}, a link to a file outside the folder; name that file itself."
        )
