"""Folders of models: indices and links that lead elsewhere, pipes, and the same file under many names."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import OUTSIDE, Case
from .headers import entry, safetensors


def folder_of(lay: Callable[[Path], Any], reads: str = "") -> Callable[[Path], Path]:
    """Make a folder with a model in it, and what else a function lays there."""

    def make(folder: Path) -> Path:
        model = folder / "model"
        model.mkdir()
        (model / "one.safetensors").write_bytes(safetensors({"w": entry()}))
        lay(model)
        return model / reads if reads else model

    return make


def index(weight_map: Any) -> Callable[[Path], Any]:
    """Lay an index of shards."""
    text = weight_map if isinstance(weight_map, str) else json.dumps({"weight_map": weight_map})
    return lambda model: (model / "model.safetensors.index.json").write_text(text)


def link(name: str, target: str) -> Callable[[Path], Any]:
    """Lay a link to something outside."""
    return lambda model: (model / name).symlink_to(model.parent.parent / OUTSIDE / target)


def pipe(name: str) -> Callable[[Path], Any]:
    """Lay a pipe."""
    return lambda model: os.mkfifo(model / name)


def config(text: str) -> Callable[[Path], Any]:
    """Lay the settings of a model."""
    return lambda model: (model / "config.json").write_text(text)


def under_many_names(model: Path) -> None:
    """Name the same file in 50,000 ways."""
    index({f"w{i}": "./" * (i % 100) + "one.safetensors" for i in range(50_000)})(model)


def both(*lay: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Lay several things."""
    return lambda model: [one(model) for one in lay]


REFUSED: dict[str, Callable[[Path], Any]] = {
    "shard by an absolute path": index({"w": "/etc/hostname"}),
    "shard above": index({"w": f"../../{OUTSIDE}/secret.h5"}),
    "shard by way of below": index({"w": f"a/../../../{OUTSIDE}/secret.h5"}),
    "shard with a NUL": index({"w": "a\0b.safetensors"}),
    "shard that is absent": index({"w": "absent.safetensors"}),
    "shard that is a folder": index({"w": "."}),
    "shard that is a pipe": both(pipe("pipe.safetensors"), index({"w": "pipe.safetensors"})),
    "shard that is a link out": both(link("link.h5", "secret.h5"), index({"w": "link.h5"})),
    "shard that is a number": index({"w": 3}),
    "shard that is a list": index({"w": ["one.safetensors"]}),
    "index that names itself": index({"w": "model.safetensors.index.json"}),
    "index of nothing": index({}),
    "index that is a list": index([1]),
    "index that is deep": index("[" * 100_000),
    "index of 25 MB": index(json.dumps({"weight_map": {"w" * 25_000_000: "one.safetensors"}})),
    "index that is a link out": link("model.safetensors.index.json", "secret.json"),
    "index that is a pipe": pipe("model.safetensors.index.json"),
    "same file under 50,000 names": under_many_names,
    "model that is a link out": link("model.safetensors", "secret.txt"),
    "model that is a pipe": pipe("model.safetensors"),
    "other file that is a link out": link("spectra.nc", "secret.h5"),
    "other file that is a link to a device": lambda model: (model / "two.npz").symlink_to("/dev/zero"),
    "other file that is a pipe": pipe("two.onnx"),
    "link in a circle": lambda model: (model / "two.npz").symlink_to("two.npz"),
}
READ: dict[str, Callable[[Path], Any]] = {
    "as it is": lambda model: None,
    "settings that are a link out": link("config.json", "secret.json"),
    "settings that are a pipe": pipe("config.json"),
    "settings that are deep": config("[" * 100_000),
    "settings of 10 MB": config('{"a": "' + "x" * 10**7 + '"}'),
    "settings with many digits": config('{"num_attention_heads": ' + "9" * 4000 + "}"),
}


def cases() -> Iterator[Case]:
    """Yield all of them."""
    for what, lay in REFUSED.items():
        yield Case(f"folder: {what}", folder_of(lay))
    for what, lay in READ.items():
        yield Case(f"folder: {what}", folder_of(lay), False)
    yield Case("folder: pipe by its name", folder_of(pipe("a.safetensors"), "a.safetensors"))
