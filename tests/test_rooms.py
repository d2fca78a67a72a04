"""The house: which room may import which, no circle, no private name across rooms; imports in functions included.

What stands under ``TYPE_CHECKING`` is left out: it names types, and is not imported when the program runs.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import htmp_bayes

ROOT = Path(htmp_bayes.__file__).parent
LONGEST_FILE = 400

ROOMS = {
    "foundations": "_errors _versions _seeds _threads _files _numbers _cells _notebook _html",
    "laws.compiled": "laws.compiled",
    "laws.populations": "laws.populations",
    "laws.interpolation": "laws.interpolation",
    "laws.ensemble": "laws.ensemble",
    "laws": "laws",
    "drawing": "drawing",
    "spectra": "spectra layer_names examples",
    "models.nuts": "models.nuts",
    "models.importance": "models.importance",
    "models.layer": "models.layer",
    "models.distributions": "models.distributions",
    "models.free": "models.free",
    "models.spikes": "models.spikes",
    "models.rivals": "models.rivals",
    "models.network": "models.network",
    "models": "models",
    "results": "results _arguments _results _settings",
    "checks": "checks",
    "fitting": "fitting fitted_models estimation phases"
    " network network_layers network_result network_runs network_steps",
    "comparison": "comparison",
    "plots": "plots",
    "reporting": "reporting",
    "cli": "cli runs",  # what the command line wrote is read back by `read_run`
}
"""Rooms from the ground up, with the modules and folders in each: a room imports from those before it in this list."""

ORDER = list(ROOMS)
ROOM_OF = {f"htmp_bayes.{place}": room for room, places in ROOMS.items() for place in places.split()}

LAWS_KNOW = {"numpy", "scipy", "numba"}
OF_FILES = {"io", "json", "os", "pathlib", "shutil", "subprocess", "tempfile"}
WHERE_CODE_IS_KEPT = {"laws.beforehand", "laws.compiled.cache_place", "laws.compiled.sources"}
"""Modules of `laws` that know of files: those of compiled code, and of no spectrum or result."""


def name_of(path):
    parts = ("htmp_bayes", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def room_of(module):
    parts = module.split(".")
    return next(
        (room for k in range(len(parts), 1, -1) if (room := ROOM_OF.get(".".join(parts[:k])))), "package"
    )


def nodes_at_run_time(tree):
    """All nodes but those under ``if TYPE_CHECKING``."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        types_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        todo += node.orelse if types_only else ast.iter_child_nodes(node)


def imports_of(module):
    """Yield what a module imports anywhere in it: other module, name that is taken from it (or None), its name here."""
    for node in nodes_at_run_time(TREES[module]):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.name, None, each.asname or each.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by dots, which this test does not follow"
            for each in node.names:
                full = f"{node.module}.{each.name}"
                of = (full, None) if full in TREES else (node.module, each.name)
                yield *of, each.asname or each.name


IMPORTS = {module: list(imports_of(module)) for module in TREES}
OWN = {
    module: [each for each in found if each[0].split(".")[0] == "htmp_bayes"]
    for module, found in IMPORTS.items()
}


def circle_in(graph):
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as found:
        return found.args[1]
    return []


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def test_every_module_is_in_a_room():
    homeless = [module for module in TREES if room_of(module) == "package"]
    assert homeless == ["htmp_bayes"]
    assert [place for place in ROOM_OF if place not in TREES] == []


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_from_those_below_it(room):
    may = {*ORDER[: ORDER.index(room) + 1]}
    wrong = [
        f"{module} imports {other}"
        for module, found in OWN.items()
        if room_of(module) == room
        for other, *_ in found
        if room_of(other) not in may
    ]
    assert wrong == []


def test_no_module_imports_itself_by_way_of_others():
    assert (
        circle_in({module: {other for other, *_ in found} - {module} for module, found in OWN.items()}) == []
    )


def test_a_circle_would_be_found():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_no_private_name_is_imported_from_another_room():
    wrong = [
        f"{module} imports {other}, {name}"
        for module, found in OWN.items()
        for other, name, _ in found
        if room_of(other) != room_of(module)
        and (is_private(name or "") or any(map(is_private, other.split(".")[2:])))
    ]
    assert wrong == []


def test_no_private_name_of_another_rooms_module_is_used():
    wrong = []
    for module, found in OWN.items():
        modules = {here: other for other, name, here in found if name is None}
        for node in nodes_at_run_time(TREES[module]):
            if isinstance(node, ast.Attribute) and is_private(node.attr) and isinstance(node.value, ast.Name):
                other = modules.get(node.value.id)
                if other and room_of(other) != room_of(module):
                    wrong.append(f"{module} uses {other}.{node.attr}")
    assert wrong == []


@pytest.mark.parametrize("module", [module for module in TREES if module.startswith("htmp_bayes.laws")])
def test_laws_know_neither_pymc_nor_files(module):
    known = {other.split(".")[0] for other, *_ in IMPORTS[module]}
    assert known - LAWS_KNOW - {"htmp_bayes"} <= sys.stdlib_module_names
    assert not known & OF_FILES or module.removeprefix("htmp_bayes.") in WHERE_CODE_IS_KEPT
    assert "htmp_bayes._files" not in {other for other, *_ in IMPORTS[module]}


def test_no_file_is_long():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in PATHS.items()}
    assert [module for module, length in lengths.items() if length > LONGEST_FILE] == []
