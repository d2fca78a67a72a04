"""Settings of Sphinx: the site is built from the Markdown in this folder and from docstrings."""

import contextlib
import inspect
import io
import logging
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.writers.html5 import HTML5Translator

import htmp_bayes
from htmp_bayes.cli import main
from htmp_bayes.cli.app import app

HERE = Path(__file__).parent

project = "htmp_bayes"
author = "htmp_bayes developers"
project_copyright = author
version = release = htmp_bayes.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # what the notebooks show is stored in them
exclude_patterns = [
    "build",
    "calibration_table.md",
    "contest_table.md",
    "covariance_table.md",
    "layers_table.md",
    "runs_table.md",
]

default_role = "py:obj"
autodoc_typehints = "none"  # they are in the docstrings, in words
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"htmp_bayes {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False

# Speaks of settings that it does not need, at a level that Sphinx shows.
logging.getLogger("pytensor.configparser").setLevel(logging.WARNING)


def _inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(convert(_lines_of(node.astext()), display="block"))
    raise nodes.SkipNode


def _lines_of(latex: str) -> str:
    """Several lines need an environment that has them."""
    return rf"\begin{{aligned}}{latex}\end{{aligned}}" if r"\\" in latex and r"\begin" not in latex else latex


def _with_what_there_is(app: Sphinx, name: str, source: list[str]) -> None:
    """Put into the pages what is made elsewhere: a measured table, a page, the help of commands, new names."""
    fills = {
        "table": lambda: _grouped(_table("calibration")),
        "layers table": lambda: _table("layers"),
        "runs table": lambda: _table("runs"),
        "covariance table": lambda: _table("covariance"),
        "contest tables": lambda: _table("contest"),
        "numerics": _numerics,
        "commands": _commands,
        "more": lambda: _more(source[0]),
    }
    for place, fill in fills.items():
        if f"<!-- {place} -->" in source[0]:
            source[0] = source[0].replace(f"<!-- {place} -->", fill())


def _table(of: str) -> str:
    """Table that a script of the same name in ``studies`` writes."""
    path = HERE / f"{of}_table.md"
    return path.read_text(encoding="utf-8") if path.exists() else "The table has not been computed yet."


def _grouped(table: str) -> str:
    """Put rows in order, and leave out what the row above says already."""
    lines = table.strip().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    rows.sort(key=lambda row: [(float(cell), "") if cell.isdecimal() else (0.0, cell) for cell in row[:3]])
    before: list[str] = []
    grouped = []
    for row in rows:
        same = sum(1 for count in range(1, 3) if row[:count] == before[:count])
        grouped.append([""] * same + row[same:])
        before = row
    return "\n".join([*lines[:2], *(f"| {' | '.join(row)} |" for row in grouped)])


def _numerics() -> str:
    return "numerics" if (HERE / "numerics.md").exists() else ""


def _commands() -> str:
    """Print the help of each command."""
    names = sorted(command.name or command.callback.__name__ for command in app.registered_commands)
    return "\n\n".join(f"## htmp-bayes {name}\n\n```text\n{_help(name)}\n```" for name in names)


def _help(command: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main([command, "--help"])
    return said.getvalue().strip()


def _more(page: str) -> str:
    """Public names that the page does not place itself, so that the reference is complete."""
    missing = [
        name for name in htmp_bayes.__all__ if f"htmp_bayes.{name}\n" not in page and name != "__version__"
    ]
    kinds = {name: "class" if inspect.isclass(getattr(htmp_bayes, name)) else "function" for name in missing}
    listed = "\n".join(f".. auto{kind}:: htmp_bayes.{name}" for name, kind in kinds.items())
    return f"## More\n\n```{{eval-rst}}\n{listed}\n```" if missing else ""


def _attribute_docstring(docstring: GoogleDocstring) -> list[str]:
    """Leave a property's docstring as it is: napoleon takes what stands before a colon for a type."""
    lines = list(docstring._lines)
    docstring._lines.clear()
    return lines


GoogleDocstring._parse_attribute_docstring = _attribute_docstring


def setup(app: Sphinx) -> dict[str, bool]:
    """Browsers draw MathML themselves, so that formulas need neither a network nor LaTeX."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_display_math, None))
    app.connect("source-read", _with_what_there_is)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
