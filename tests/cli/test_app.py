"""The command line: help, errors in one sentence, and exit codes."""

import io
import json
import os
import subprocess
import sys
from importlib.metadata import distribution

import h5py
import numpy as np
import pytest

import htmp_bayes as hb
from htmp_bayes.cli.terminal import progress

HEAVY = {
    "arviz",
    "h5py",
    "matplotlib",
    "numba",
    "numpy",
    "nutpie",
    "pymc",
    "pytensor",
    "rich",
    "scipy",
    "xarray",
}
HELP = """
import sys
from htmp_bayes.cli import main
code = main(sys.argv[1:])
print(code, *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], [], ["fit", "-h"], ["spectra", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    """How long that takes is measured by benchmarks/startup.py."""
    done = subprocess.run(
        [sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True
    )
    code, *modules = done.stderr.split()
    assert code == "0"
    assert not HEAVY & set(modules)
    assert "htmp-bayes" in done.stdout


@pytest.mark.parametrize("command", ["spectra", "fit", "compare", "report"])
def test_help_names_no_types_of_python(run, command):
    code, said, _ = run(command, "-h")
    assert code == 0
    assert "list[" not in said
    assert "<int" not in said
    assert "<path>" not in said


def test_a_shell_completes_commands_and_options(tmp_path):
    program = "from htmp_bayes.cli import main; raise SystemExit(main())"

    def completions(words, number):
        asked = {"_HTMP_BAYES_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env={**os.environ, **asked}, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert completions("htmp-bayes re", 1) == ["report"]
    assert completions("htmp-bayes fit --po", 2) == ["--positions", "--population", "--pool"]


def test_the_program_is_installed_under_its_name():
    (script,) = distribution("htmp-bayes").entry_points
    assert (script.name, script.value) == ("htmp-bayes", "htmp_bayes.cli:main")


def assert_refused(ended, *words):
    """One sentence on standard error, with these words in it, and exit code 2."""
    code, out, err = ended
    assert code == 2
    assert out == ""
    assert err.endswith(".\n")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fits"], ["No such command 'fits'"]),
        (["fit"], ["Missing argument 'FILE'", "htmp-bayes fit --help"]),
        (["fit", "model.npz"], ["Missing option '--out'"]),
        (["fit", "model.npz", "--out", "run", "--draws", "many"], ["--draws"]),
        (["fit", "model.npz", "--out", "run", "--draws", "0"], ["--draws"]),
        (["fit", "model.npz", "--out", "run", "--seed", "-1"], ["--seed"]),
        (["fit", "model.npz", "--out", "run", "--population", "gamma"], ["--population", "log-normal"]),
        (["fit", "model.npz", "--out", "run", "--sed", "1"], ["--sed"]),
    ],
)
def test_wrong_usage_is_one_sentence(run, arguments, words):
    assert_refused(run(*arguments), *words)


MATRIX = np.random.default_rng(1).normal(size=(60, 80))


def checkpoint(path, weight):
    np.savez(path, weight=weight)
    return path


def spoilt_collection(path, value):
    """A collection of which someone changed an eigenvalue."""
    hb.save_spectra([hb.Spectrum.from_matrix(MATRIX, name="layer.0")], path)
    with h5py.File(path, "r+") as file:
        file["eigenvalue"][0] = value
    return path


def holding(path, content):
    path.write_bytes(content)
    return path


BAD_INPUT = {
    "NaN": (lambda f: checkpoint(f / "a.npz", np.where(MATRIX > 2, np.nan, MATRIX)), ["weight", "NaN"]),
    "NaN in a collection": (lambda f: spoilt_collection(f / "a.nc", np.nan), ["a.nc", "1 NaN"]),
    "negative": (lambda f: spoilt_collection(f / "a.nc", -1.0), ["a.nc", "1 eigenvalues are negative"]),
    "complex": (lambda f: checkpoint(f / "a.npz", MATRIX + 1j), ["weight", "complex"]),
    "few": (lambda f: checkpoint(f / "a.npz", MATRIX * (np.arange(80) < 12)), ["weight", "only 12", "20"]),
    "objects": (lambda f: checkpoint(f / "a.npz", np.full((60, 80), None)), ["a.npz", "weight"]),
    "empty": (lambda f: holding(f / "a.npz", b""), ["a.npz"]),
    "truncated": (
        lambda f: holding(f / "a.safetensors", (400).to_bytes(8, "little") + b'{"weight": '),
        ["a.safetensors"],
    ),
    "pickle": (lambda f: holding(f / "a.pkl", b"\x80\x04N."), ["a.pkl", "pickles never"]),
    "absent": (lambda f: f / "a.npz", ["a.npz does not exist"]),
}


@pytest.mark.parametrize("command", ["spectra", "fit"])
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(run, tmp_path, command, case):
    make, words = BAD_INPUT[case]
    out = tmp_path / "out.nc"
    assert_refused(run(command, make(tmp_path), "--out", out), *words)
    assert not out.exists()


@pytest.mark.parametrize("command", ["spectra", "fit"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--include", "("], ["include='('", "not a regular expression"]),
        (["--exclude", "*"], ["exclude='*'", "not a regular expression"]),
        (["--include", "bias"], ["no weight matrix", "include='bias'"]),
    ],
)
def test_patterns_that_choose_nothing_are_refused(run, collection, tmp_path, command, options, words):
    assert_refused(run(command, collection, *options, "--out", tmp_path / "out.nc"), *words)


def test_a_collection_that_cannot_be_written_is_refused(run, collection, tmp_path):
    (tmp_path / "file").touch()
    assert_refused(run("spectra", collection, "--out", tmp_path / "file" / "out.nc"), "cannot be written")
    assert_refused(run("spectra", collection, "--out", tmp_path / "out.csv"), "suffix .nc")


@pytest.mark.parametrize("out", ["file", "file/run", "/proc/run"])
def test_a_run_that_cannot_be_written_is_refused_before_anything_is_fitted(
    run, collection, tmp_path, fits, out
):
    (tmp_path / "file").touch()
    assert_refused(run("fit", collection, "--out", tmp_path / out), "choose another --out")
    assert not fits


def test_spectra_writes_a_collection_and_a_table(run, tmp_path):
    source = checkpoint(tmp_path / "model.npz", MATRIX)
    code, out, err = run("spectra", source, "--out", tmp_path / "out.nc")
    (spectrum,) = hb.read_spectra(tmp_path / "out.nc")
    assert (code, err) == (0, "")
    assert spectrum == hb.read_spectra(source)[0]
    assert out.splitlines()[-1].split()[:6] == ["weight", "60", "80", "0.75", "0", "0"]


def test_spectra_lists_what_would_be_read_and_writes_nothing(run, tmp_path):
    source = tmp_path / "model.npz"
    np.savez(source, **{"fc.weight": MATRIX, "fc.bias": np.ones(60), "steps": np.ones((60, 60), int)})
    code, said, err = run("spectra", source, "--list")
    assert (code, err) == (0, "")
    fates = {line.split()[0]: line for line in said.splitlines()[2:]}
    assert fates["fc"].split() == ["fc", "linear", "other", "60×80", "60", "80", "read"]
    assert fates["fc.bias"].rstrip().endswith("left out: not matrices")
    assert "cannot be read: is of type int64" in fates["steps"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
    listed = json.loads(run("spectra", source, "--list", "--json")[1])
    assert [matrix["name"] for matrix in listed["matrices"]] == list(fates)


def test_the_list_says_kinds_and_dead_columns(run, tmp_path):
    source = tmp_path / "model.npz"
    dead = MATRIX * (np.arange(80) < 70)
    np.savez(
        source,
        **{"blocks.0.mlp.fc1.weight": dead, "blocks.0.attn.qkv.weight": np.tile(MATRIX, (3, 1))[:, :60]},
    )
    _, said, _ = run("spectra", source, "--list")
    fates = {line.split()[0]: line.split() for line in said.splitlines()[2:]}
    assert fates["blocks.0.attn.qkv.key"][1:3] == ["attention", "key"]
    assert fates["blocks.0.mlp.fc1"][2] == "up"
    assert " ".join(fates["blocks.0.mlp.fc1"][-7:]) == "read (10 of 80 columns are dead)"
    listed = json.loads(run("spectra", source, "--list", "--json")[1])["matrices"]
    assert {matrix["name"]: matrix["kind"] for matrix in listed}["blocks.0.mlp.fc1"] == "up"
    run("spectra", source, "--out", tmp_path / "out.nc")
    collection = run("spectra", tmp_path / "out.nc", "--list", "--include", "fc1")[1]
    assert "read (zeros=0, dead=10)" in collection
    table = run("spectra", source, "--out", tmp_path / "out.nc", "--include", "fc1", "--json")[1]
    assert json.loads(table)["layers"][0]["dead"] == 10


def test_what_can_be_read_in_part_only_is_said_and_refused_if_strict(tmp_path):
    source, out = tmp_path / "model.npz", tmp_path / "out.nc"
    np.savez(source, **{"fc.weight": MATRIX, "up.weight": np.ones((60, 10), np.int8)})
    program = "from htmp_bayes.cli import main; raise SystemExit(main())"
    command = [
        sys.executable,
        "-c",
        program,
        "spectra",
        str(source),
        "--include",
        "fc",
        "--quiet",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{source} can be read in part only: up is of type int8")
    assert done.stderr.endswith("(it is quantised); the rest is read.\n")
    out.unlink()
    done = subprocess.run([*command, "--strict"], capture_output=True, text=True, check=False)
    assert (done.returncode, out.exists(), done.stderr.count("\n")) == (2, False, 1)
    assert done.stderr.endswith("without strict the rest is read.\n")


def test_adapters_are_read_on_request(run, tmp_path):
    rng = np.random.default_rng(1)
    halves = {
        "q_proj.lora_A.weight": rng.normal(size=(24, 70)),
        "q_proj.lora_B.weight": rng.normal(size=(60, 24)),
    }
    np.savez(tmp_path / "a.npz", **halves)
    assert_refused(
        run("spectra", tmp_path / "a.npz", "--out", tmp_path / "out.nc"), "2 halves of low-rank adapters"
    )
    assert run("spectra", tmp_path / "a.npz", "--out", tmp_path / "out.nc", "--adapters")[0] == 0
    assert [s.name for s in hb.read_spectra(tmp_path / "out.nc")] == ["q_proj.lora"]


def test_spectra_without_a_place_to_write_is_refused(run, tmp_path):
    assert_refused(
        run("spectra", checkpoint(tmp_path / "model.npz", MATRIX)), "Missing option '--out'", "--list"
    )


def test_json_is_for_machines(run, tmp_path):
    source = checkpoint(tmp_path / "model.npz", MATRIX)
    code, said, err = run("spectra", source, "--out", tmp_path / "out.nc", "--json")
    (layer,) = json.loads(said)["layers"]
    assert (code, err, layer["layer"], layer["n_eigenvalues"]) == (0, "", "weight", 60)
    assert json.loads(said)["htmp_bayes"] == hb.__version__


def test_an_example_is_read_by_its_name(run, tmp_path):
    code, said, _ = run("spectra", "example:minilm", "--include", "pooler", "--out", tmp_path / "out.nc")
    assert (code, "pooler.dense" in said) == (0, True)
    assert_refused(run("spectra", "example:bert", "--list"), "no example 'bert'", "minilm")


def test_options_that_choose_matrices_reach_the_reader(run, tmp_path):
    source = tmp_path / "model.npz"
    np.savez(source, **{"attn.in_proj_weight": np.random.default_rng(1).normal(size=(180, 60))})

    def names(*options):
        return [
            matrix["name"]
            for matrix in json.loads(run("spectra", source, "--list", "--json", *options)[1])["matrices"]
        ]

    assert len(names()) == 3
    assert names("--fused") == ["attn.in_proj_weight"]
    assert len(names("--heads", "2")) == 6
    assert_refused(run("spectra", source, "--list", "--heads", "many"), "'many'")
    assert_refused(run("spectra", source, "--list", "--type", "dense"), "'dense'")


def test_the_log_goes_to_standard_error_if_it_is_asked_for(tmp_path):
    source = tmp_path / "model.npz"
    np.savez(source, weight=MATRIX, bias=np.ones(60))
    program = "from htmp_bayes.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", program, "--log", "info", "spectra", str(source), "--list", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "INFO htmp_bayes.spectra.layers: bias left out: not matrices\n"


def test_progress_is_shown_on_a_terminal_and_not_in_a_pipe(run, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    source, terminal = checkpoint(tmp_path / "model.npz", MATRIX), Terminal()
    assert run("spectra", source, "--out", tmp_path / "out.nc", "--quiet") == (0, "", "")
    monkeypatch.setattr("sys.stderr", terminal)
    run("spectra", source, "--out", tmp_path / "out.nc")
    assert "reading" in terminal.getvalue()
    assert "1/1" in terminal.getvalue()


def test_an_activity_of_unknown_length_takes_the_place_of_the_one_before(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress("preparing", quiet=False) as advance:
        advance(10, 10, "layer.9")
        advance(0, 0, "sampling")
    _, last = terminal.getvalue().rsplit("preparing", 1)
    assert "sampling" in last
    assert "10/10" not in last.partition("sampling")[2]


def test_a_reader_who_has_seen_enough_gets_no_traceback(tmp_path):
    command = (
        f"from htmp_bayes.cli import main; raise SystemExit(main(['spectra', {str(tmp_path / 'a.npz')!r}, "
    )
    command += f"'--out', {str(tmp_path / 'out.nc')!r}]))"
    checkpoint(tmp_path / "a.npz", MATRIX)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-c", command], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert done.stderr == b""
    assert hb.read_spectra(tmp_path / "out.nc")
