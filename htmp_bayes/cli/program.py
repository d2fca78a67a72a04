"""The program: commands from its start to its exit code, whatever happens on the way."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from htmp_bayes._errors import HTMPError, reason
from htmp_bayes.cli.app import INTERRUPTED, UNFORESEEN, WRONG_INPUT, app
from htmp_bayes.cli.terminal import say

logger = logging.getLogger(__name__)

# Usage errors are click's, of which typer carries a copy under a private name.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


def main(args: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments; by default those that the program was called with. Without any it shows its help.

    Returns
    -------
    int
        Exit code.
    """
    _prepare_streams()
    args = (sys.argv[1:] if args is None else args) or ["--help"]
    try:
        return app(args, prog_name="htmp-bayes", standalone_mode=False) or 0
    except HTMPError as error:
        say(str(error))
    except _USAGE_ERROR as error:
        say(f"{_in_words(error)}; see {_command(error)} --help.")
    except typer.Abort:
        say("Interrupted.")
        return INTERRUPTED
    except MemoryError as error:
        say(f"There is not enough memory ({reason(error)}); free some, or give less at a time.")
    except SystemExit as ended:
        if isinstance(
            ended.__context__, BrokenPipeError
        ):  # click's end for a reader who has seen enough of --help
            return 0
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            say(f"No place is left to write to ({reason(error)}); free some.")
            return WRONG_INPUT
        say(_to_report(error))
        logger.debug("the error that nobody foresaw", exc_info=error)
        return UNFORESEEN
    return WRONG_INPUT


def _in_words(error: Exception) -> str:
    words = getattr(error, "format_message", error.__str__)()
    return " ".join(words.split()).rstrip(".")


def _command(error: Exception) -> str:
    """Name the command whose help helps."""
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context else "htmp-bayes"


def _to_report(error: Exception) -> str:
    """Say what happened and where, and what to do so that it can be mended."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {reason(error)[:200]}, in {os.path.basename(last.filename)}, line {last.lineno}"
    return (
        f"An error that nobody foresaw ({what}): please report it as CONTRIBUTING.md says, with what the same command "
        "prints after htmp-bayes --log debug."
    )


def _prepare_streams() -> None:
    """Let no file take the place of a closed stream, and print what a stream cannot encode as an escape."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
