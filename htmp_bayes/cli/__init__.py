"""The command line. Everything heavy is imported inside the commands, so that `--help` answers at once."""

from htmp_bayes.cli.program import main

__all__ = ["main"]
