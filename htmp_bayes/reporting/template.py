"""What every report has: the template with its style and script, and the versions."""

import base64
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from htmp_bayes._versions import __version__

_HERE = Path(__file__).parent


def rendered(template: str, **content: Any) -> str:
    """Fill a template of this folder; names are escaped, and nothing may be missing."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,  # names of layers come from files that nobody vouches for
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sortable"] = _sortable
    style, script = ((_HERE / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return environment.get_template(template).render(
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **content,
    )  # fmt: skip


def _sortable(value: float | None) -> str:
    """Write a number as JavaScript's Number reads it; nothing for what is unknown."""
    if value is None:
        return ""
    return "Infinity" if value == math.inf else repr(float(value))


def versions_of(results: Sequence[xr.DataTree]) -> dict[str, str]:
    """Name the versions that the results were made with; several, where results differ."""
    found: dict[str, set[str]] = {}
    for result in results:
        for key, value in result.attrs.items():
            if str(key).endswith("_version"):
                found.setdefault(str(key).removesuffix("_version").replace("_", "-"), set()).add(str(value))
    return {name: " and ".join(sorted(values)) for name, values in sorted(found.items())}
