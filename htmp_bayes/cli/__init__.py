"""The command line. Everything heavy is imported inside the commands, so that `--help` answers at once."""

from htmp_bayes.cli.app import main

__all__ = ["main"]
