"""What a reader opens and runs while it looks at a file, by its own word and by that of the system."""

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from htmp_bayes.cli import main as htmp_bayes

from .case import OUTSIDE, Case

_OPENED = 0x20  # IN_OPEN of <sys/inotify.h>
_RUNS = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.startfile",
    "pickle.find_class",
    "marshal.load",
    "pty.spawn",
}
_OWN_SCRIPTS = ("hdf5_child.py", "parquet_child.py")
_events: list[tuple[str, tuple]] | None = None


@dataclass
class Seen:
    """What was seen.

    Attributes
    ----------
    code : int
        Exit code of the command.
    said : str
        What it said on standard error.
    outside : list of str
        What was opened that a file must not reach.
    executed : list of str
        What was run that a file must not run.
    """

    code: int
    said: str
    outside: list[str] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)

    def faults(self, case: Case) -> list[str]:
        """List what must not be."""
        found = [f"opened {name}" for name in self.outside] + [f"ran {name}" for name in self.executed]
        if self.code not in (0, 2) or (case.refused is not None and self.code != 2 * case.refused):
            found.append(f"exit code {self.code} with {self.said!r}")
        sentence = self.said.endswith(".") and "\n" not in self.said
        if (self.said or self.code == 2) and not sentence:
            found.append(f"no sentence: {self.said[:300]!r}")
        if "SECRET" in self.said:
            found.append(f"gave away {self.said[:300]!r}")
        return found


def lay_outside(root: Path) -> Path:
    """Lay what no case may reach into a folder beside those of the cases."""
    outside = root / OUTSIDE
    outside.mkdir()
    (outside / "secret.txt").write_text("SECRET " * 1000)
    (outside / "secret.json").write_text('{"weight_map": {"SECRET": "SECRET"}, "num_attention_heads": 7}')
    with h5py.File(outside / "secret.h5", "w") as file:
        file["text"] = [b"SECRET" * 20] * 3
    os.mkfifo(outside / "pipe")
    return outside


def examine(case: Case, root: Path) -> Seen:
    """Make a case's files in a folder of ``root``, run `htmp-bayes spectra` on them, and say what was seen."""
    folder = root / "case"
    folder.mkdir()
    return read(case.make(folder), root)


def read(path: Path, root: Path) -> Seen:
    """Run `htmp-bayes spectra` on a file in a folder of ``root``, and say what was seen."""
    said, folder = io.StringIO(), root / "case"
    options = ["--out", str(folder / "out.nc"), "--min-size", "20", "--quiet"]
    with (
        _opened_in(root / OUTSIDE) as opened,
        _audited() as events,
        contextlib.chdir(folder),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        code = htmp_bayes(["spectra", str(path), *options])
    seen = Seen(code, said.getvalue().removesuffix("\n"))
    seen.outside += opened
    seen.outside += [str(args[0]) for event, args in events if event == "open" and _is_outside(args[0], root)]
    seen.executed += [f"{event}: {args!r:.200}" for event, args in events if _is_run(event, args)]
    seen.executed += [f"what left {name}" for name in os.listdir(folder) if name == "executed"]
    return seen


def _is_outside(path: object, root: Path) -> bool:
    if not isinstance(path, str | bytes):
        return False
    real = os.path.realpath(os.fsdecode(path))
    return real.startswith((str(root.resolve() / OUTSIDE), "/etc/", "/dev/zero"))


def _is_run(event: str, args: tuple) -> bool:
    if event in ("subprocess.Popen", "os.posix_spawn"):
        return not any(str(argument).endswith(_OWN_SCRIPTS) for argument in args[1])
    return event in _RUNS or (event == "import" and args[0] == "antigravity")


def _hook(event: str, args: tuple) -> None:
    if _events is not None and (event in _RUNS or event in ("open", "subprocess.Popen", "import")):
        _events.append((event, args))


@contextlib.contextmanager
def _audited() -> Iterator[list[tuple[str, tuple]]]:
    """Collect what Python reports to audit hooks (PEP 578); a hook stays for the life of the process."""
    global _events
    if not hasattr(sys, "_htmp_audited"):
        sys.addaudithook(_hook)
        sys._htmp_audited = True  # type: ignore[attr-defined]
    _events = collected = []
    try:
        yield collected
    finally:
        _events = None


@contextlib.contextmanager
def _opened_in(folder: Path) -> Iterator[list[str]]:
    """Collect the files of a folder that any process opens, C libraries included, where Linux tells."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened: list[str] = []
    if not hasattr(libc, "inotify_init1"):
        yield opened
        return
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    try:
        assert libc.inotify_add_watch(descriptor, os.fsencode(folder), _OPENED) >= 0
        yield opened
        with contextlib.suppress(BlockingIOError):
            while content := os.read(descriptor, 2**16):
                opened += _names(content)
    finally:
        os.close(descriptor)


def _names(content: bytes) -> Iterator[str]:
    """Names in the events of inotify(7): watch, mask, cookie, length, name."""
    while content:
        length = int.from_bytes(content[12:16], sys.byteorder)
        yield content[16 : 16 + length].rstrip(b"\0").decode() or "the folder"
        content = content[16 + length :]
