"""The exceptions of the package: one sentence each, which says what is wrong, where, and what to do."""

import os


class HTMPError(ValueError):
    """Base of the errors that a user can mend: bad input, bad settings, a place that cannot be written.

    A notebook shows the sentence and the user's own line, without the frames within the package.
    """

    def _render_traceback_(self) -> list[str]:
        """Say to IPython what to show."""
        import traceback

        package = os.path.dirname(__file__)
        frames = traceback.extract_tb(self.__traceback__)
        own = [frame for frame in frames if frame.line and "IPython" not in frame.filename]
        last = [frame for frame in own if not frame.filename.startswith(package)][-1:]
        return [*(f"line {frame.lineno}: {frame.line}" for frame in last), f"{type(self).__name__}: {self}"]


def reason(error: BaseException) -> str:
    r"""Say on one line what another library's exception says, to stand in brackets in a sentence.

    Examples
    --------
    >>> reason(FileNotFoundError(2, "No such file or directory", "a/model.npz"))
    'No such file or directory'
    >>> reason(ValueError("header is too large.\nSet this and that."))
    'header is too large'
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().partition("\n")[0].rstrip(".")


def printable(text: str) -> str:
    r"""Show what a terminal would act on as an escape: names in a checkpoint are whatever its author wrote.

    Examples
    --------
    >>> print(printable("layer\x1b[2J"))
    layer\x1b[2J
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
