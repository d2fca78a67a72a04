"""The options and arguments that commands have in common."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose help shows its arguments without the names of Python's types."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = lambda ctx: None  # type: ignore[attr-defined]


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        help="Checkpoints (.safetensors, .pt, .bin, .onnx, .keras, .h5, .gguf, .npz, .npy, .index.json), saved "
        "collections (.nc), lists of eigenvalues (.csv, .json, .parquet), or folders of them; example:minilm and "
        "example:training ship with the program.",
        show_default=False,
    ),
]
Include = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Only layers whose name has this in it.", show_default=False),
]
Exclude = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="No layers whose name has this in it.", show_default=False),
]
MinSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Least shorter side of a matrix; for checkpoints 50 if not given.",
        show_default=False,
    ),
]
MaxSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Largest shorter side of a matrix; beyond 20,000 only if given here.",
        show_default=False,
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="Only attention, linear, convolution, embedding, experts or recurrent; may be repeated.",
        show_default=False,
    ),
]
Heads = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Take that many attention heads apart; auto: see config.json.",
        show_default=False,
    ),
]
Positions = Annotated[
    bool, typer.Option("--positions", help="A matrix of each position of a convolution's kernel.")
]
Fused = Annotated[
    bool, typer.Option("--fused", help="Leave fused query-key-value and gate-up matrices whole.")
]
LongerSide = Annotated[
    int | None,
    typer.Option(
        "--n",
        min=1,
        metavar="N",
        help="Longer side, for lists of eigenvalues that do not say it.",
        show_default=False,
    ),
]
Adapters = Annotated[
    bool, typer.Option("--adapters", help="Read low-rank adapters (LoRA) as the products of their halves.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file of which only a part can be read.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no table.")]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="All parameters, sizes and diagnostics: about 200 columns of the terminal."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, in place of the table.")]


class LogLevel(StrEnum):
    """Levels of the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Population(StrEnum):
    """Laws of the population spectrum."""

    FREE = "free"
    INVERSE_GAMMA = "inverse-gamma"
    LOG_NORMAL = "log-normal"


class Spikes(StrEnum):
    """What is done with eigenvalues far above the bulk."""

    OFF = "off"
    AUTO = "auto"
