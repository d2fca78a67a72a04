"""Run a script within limits on time and memory, and say in one line why it fails: a script itself, run by `child`."""

import contextlib
import runpy
import sys


def limit(seconds: int, memory: int) -> None:
    """Bound this process's processor time and memory, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def main() -> None:
    """Do what the command line says: seconds, bytes, script and its arguments."""
    _, seconds, memory, script, *arguments = sys.argv
    limit(int(seconds), int(memory))
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told in one line
        sys.stderr.write(" ".join(str(error).split()) or type(error).__name__)
        sys.exit(1)
