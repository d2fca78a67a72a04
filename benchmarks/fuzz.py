"""Damage checkpoints of every format in thousands of ways, and see that each gets a spectrum or a sentence.

    python -m uv run python benchmarks/fuzz.py --inputs 20000 --seed 1

Starts from the files that the formats' own libraries wrote (tests/spectra/readers/files) and from files made here,
changes their bytes (in the header, anywhere, cut short, lengths blown up), and reads each: one in twenty by
`htmp-bayes spectra`, the others by the function beneath it. Whole files are read first: a refusal is for damage.
What counts as a failure: an exit code other than 0 and 2, no sentence of one line on standard error with 2 (a second
line may say that a file can be read in part only), a traceback, a crash of the process, 10 s of processor time, 1 GB of
memory, code that was executed, a file left behind.
One input in forty is of HDF5 or Parquet: each of those starts a process.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import pickle
import random
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from htmp_bayes._errors import HTMPError
from htmp_bayes.cli import main as htmp_bayes
from htmp_bayes.spectra import Spectrum, read_spectra, save_spectra

REAL = Path(__file__).parents[1] / "tests" / "spectra" / "readers" / "files"
IN_A_PROCESS = {".h5", ".keras", ".nc", ".parquet"}
CHUNK = 1000
COSTLY = 40
EXCLUDE = "int|complex|expanded|sparse|quantised"
BESIDE = ("model.safetensors", "external.data")  # what other files name
BY_COMMAND = 20
SECONDS, BYTES = 10, 2**30
NOTES = 1  # what can be read in part only is said of each file in a line of its own


class Explosive:
    """Leaves a file behind if its pickle is executed."""

    def __reduce__(self):
        """Say what unpickling would call."""
        return open, ("executed", "w")


def base_files(folder: Path) -> list[Path]:
    """Lay whole files of every format into a folder."""
    rng = np.random.default_rng(1)
    arrays = {f"layer.{i}.weight": rng.normal(size=(26, 30)).astype(np.float32) for i in range(3)}
    save_file(arrays, folder / "model.safetensors")
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    np.save(folder / "one.npy", arrays["layer.0.weight"])
    spectra = [Spectrum.from_matrix(array, name=name) for name, array in arrays.items()]
    save_spectra(spectra, folder / "spectra.nc")
    values = spectra[0].eigenvalues.tolist()
    (folder / "list.csv").write_text("n,eigenvalue\n" + "\n".join(f"30,{value!r}" for value in values))
    (folder / "list.json").write_text(json.dumps([{"n": 30, "name": "a", "eigenvalues": values}]))
    index = {"metadata": {}, "weight_map": dict.fromkeys(arrays, "model.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "explosive.pt").write_bytes(pickle.dumps({"weight": Explosive(), "more": list(arrays)}))
    with contextlib.suppress(ImportError):
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(
            pyarrow.table({"n": [30] * 26, "eigenvalue": values}), folder / "list.parquet"
        )
    for file in REAL.iterdir():
        if file.suffix not in (".py", "") and file.is_file():
            shutil.copy(file, folder)
    return sorted(file for file in folder.iterdir() if file.suffix != ".data")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Change some bytes of a file in one of several ways."""
    data = bytearray(content)
    way = rng.choice(["header", "header", "anywhere", "cut", "length", "copy", "insert"])
    start = rng.choice([64, 512, 4096, len(data)])
    if way in ("header", "anywhere"):
        for _ in range(rng.choice([1, 1, 2, 4, 16])):
            place = rng.randrange(min(start, len(data)) if way == "header" else len(data))
            data[place] = rng.choice([0, 255, rng.randrange(256), data[place] ^ (1 << rng.randrange(8))])
    elif way == "cut":
        del data[rng.randrange(len(data)) :]
    elif way == "length":
        size = rng.choice([2, 4, 8])
        place = rng.randrange(min(start, len(data)))
        huge = rng.choice([2**63, 2**63 - 1, 2**32, 2**31 - 1, 10**6, 2**64 - 1, len(data)])
        data[place : place + size] = (huge % 2 ** (8 * size)).to_bytes(size, "little")
    elif way == "copy":
        place, other = rng.randrange(len(data)), rng.randrange(len(data))
        length = rng.choice([4, 16, 100])
        data[place : place + length] = data[other : other + length]
    else:
        place = rng.randrange(len(data))
        data[place:place] = rng.randbytes(rng.choice([1, 8, 100]))
    return bytes(data)


def try_one(file: Path, content: bytes, by_command: bool) -> str:
    """Read a damaged file, by the command or by the function beneath it, and say how that ended."""
    file.write_bytes(content)
    out, before = file.with_name("out.nc"), set(os.listdir())
    started = time.process_time()
    code, said = (by_the_command if by_command else by_the_function)(file, out)
    seconds = time.process_time() - started
    *notes, sentence = [*said.splitlines(), ""] if code == 0 else said.splitlines() or [""]
    if code not in (0, 2) or (code == 2) != bool(sentence):
        return f"exit code {code} with {said!r}"
    if any(not line.endswith(".") for line in [*notes, sentence] if line) or len(notes) > NOTES:
        return f"no sentence: {said!r}"
    if left := set(os.listdir()) - before - ({out.name} if code == 0 else set()):
        return f"left behind {left}"
    out.unlink(missing_ok=True)
    return f"took {seconds:.1f} s" if seconds > SECONDS else f"code {code}"


def by_the_command(file: Path, out: Path) -> tuple[int, str]:
    """Run `htmp-bayes spectra`: its exit code, and what it says on standard error."""
    said = io.StringIO()
    options = ["--out", str(out), "--min-size", "20", "--quiet", "--exclude", EXCLUDE]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = htmp_bayes(["spectra", str(file), *options])
    return code, said.getvalue().removesuffix("\n")


def by_the_function(file: Path, _: Path) -> tuple[int, str]:
    """Call `read_spectra`, whose errors the command turns into sentences, with warnings as errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_spectra(file, exclude=EXCLUDE, min_size=20)
    except HTMPError as error:
        return 2, str(error)
    return 0, ""


def work(seed: int, numbers: list[int], bases: list[Path], reports: Connection) -> None:
    """Try the inputs with these numbers, and report each."""
    folder = Path(tempfile.mkdtemp(dir=bases[0].parent.parent))
    os.chdir(folder)
    kept = {file.name for file in bases[0].parent.iterdir() if file.name in BESIDE}
    for name in kept:
        shutil.copy(bases[0].parent / name, folder)
    cheap = [base for base in bases if base.suffix not in IN_A_PROCESS]
    costly = [base for base in bases if base.suffix in IN_A_PROCESS]
    for number in numbers:
        rng = random.Random(f"{seed} {number}")
        base = rng.choice(costly if number % COSTLY == 0 else cheap)
        reports.send((number, base.name, ""))
        try:
            outcome = try_one(folder / base.name, damaged(base.read_bytes(), rng), number % BY_COMMAND == 0)
        except BaseException as error:  # noqa: BLE001 - whatever comes through is a finding
            outcome = f"raised {type(error).__name__}: {str(error)[:200]}"
        (folder / base.name).unlink()
        if base.name in kept:
            shutil.copy(base, folder)
        reports.send((number, base.name, outcome))
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    reports.send(("memory", used * 1024, ""))


def run_chunk(seed: int, numbers: list[int], bases: list[Path]) -> tuple[dict[int, tuple[str, str]], int]:
    """Try a chunk in a process of its own; what it was at when it died is a finding too."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=work, args=(seed, numbers, bases, sender))
    process.start()
    sender.close()
    outcomes: dict[int, tuple[str, str]] = {}
    memory = 0
    with contextlib.suppress(EOFError):
        while receiver.poll(30 * SECONDS):
            number, name, outcome = receiver.recv()
            if number == "memory":
                memory = name
            else:
                outcomes[number] = (name, outcome or "crashed or hung")
    process.kill()
    process.join()
    return outcomes, memory


def main() -> None:
    """Run, and print a table of outcomes and every failure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the inputs to try, and no others")
    asked = parser.parse_args()
    outcomes: dict[int, tuple[str, str]] = {}
    memory = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "whole"
        folder.mkdir()
        bases = base_files(folder)
        for base in bases:
            if base.name != "explosive.pt":
                read_spectra(base, exclude=EXCLUDE, min_size=20)
        numbers = asked.only or range(asked.inputs)
        while len(outcomes) < len(numbers):
            rest = [number for number in numbers if number not in outcomes][:CHUNK]
            chunk, used = run_chunk(asked.seed, rest, bases)
            outcomes |= chunk
            memory = max(memory, used)
    report(outcomes, memory)


def report(outcomes: dict[int, tuple[str, str]], memory: int) -> None:
    """Print how many inputs of each file were read, refused or failed, and each failure."""
    counts = Counter(
        (name, outcome if outcome.startswith("code ") else "FAILED") for name, outcome in outcomes.values()
    )
    print(f"{'file':36}{'read':>8}{'refused':>9}{'failed':>8}")
    for name in sorted({name for name, _ in counts}):
        row = [counts[name, outcome] for outcome in ("code 0", "code 2", "FAILED")]
        print(f"{name:36}{row[0]:8}{row[1]:9}{row[2]:8}")
    print(
        f"{len(outcomes)} inputs; most memory of a process: {memory / 2**20:.0f} MiB (limit {BYTES / 2**20:.0f})"
    )
    for number, (name, outcome) in sorted(outcomes.items()):
        if not outcome.startswith("code "):
            print(f"input {number} ({name}): {outcome}")


if __name__ == "__main__":
    main()
