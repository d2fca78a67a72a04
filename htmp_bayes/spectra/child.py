"""Libraries that a damaged file may crash or keep busy without end, used in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

_WAIT = 8  # the time on the wall is that many times the processor time: other work may be going on


def run_script(script: str, *arguments: str, library: str, seconds: int, memory: int) -> bytes:
    """Run a script beside this module, and take what it writes.

    Parameters
    ----------
    script : str
        Name of the file.
    *arguments : str
        What it is told.
    library : str
        What it is written for: the name in a refusal.
    seconds : int
        Processor time that it has.
    memory : int
        Bytes that it has.

    Returns
    -------
    bytes
        Its standard output.

    Raises
    ------
    ValueError
        If it fails, with what it says; or if it crashes, or its time or memory is not enough.
    """
    here = Path(__file__).parent
    limits = [str(here / "child_limits.py"), str(seconds), str(memory)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than they use
        "HDF5_PLUGIN_PRELOAD": "::",  # a filter that the library does not know is not looked for as code to load
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", *limits, str(here / script), *arguments],
            env=environment,
            capture_output=True,
            timeout=_WAIT * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it keeps the {library} library busy without end") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() if done.returncode == 1 else ""
        raise ValueError(said or f"it makes the {library} library crash or loop without end")
    return done.stdout
