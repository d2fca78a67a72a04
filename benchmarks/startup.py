"""Processor time of `htmp-bayes --help`, in seconds, the median of 11 starts: ``python benchmarks/startup.py``."""

import resource
import subprocess
import sys
from statistics import median

from measured import record

STARTS = 11


def cpu_seconds(arguments):
    """Processor time of one start."""
    program = "from htmp_bayes.cli import main; raise SystemExit(main())"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    for arguments in (["--help"], ["fit", "--help"], ["--version"]):
        took = median(cpu_seconds(arguments) for _ in range(STARTS))
        print(record("startup", f"htmp-bayes {' '.join(arguments)}", took))
