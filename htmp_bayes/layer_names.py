"""What the names of layers say: their kind, and how deep they are."""

import re
from collections.abc import Sequence

from htmp_bayes.spectra import Spectrum

KINDS = ("query", "key", "value", "qkv", "output", "gate", "up", "down", "conv", "embedding")
"""Kinds that are recognised; whatever else a layer is called, its kind is ``"other"``."""

# The first pattern found decides; parts of a name end at dots, slashes, underscores and digits.
_PART = r"(?:^|[./_]){}(?:$|[./_])"
_PATTERNS = (
    ("embedding", r"embed|(?:^|[./])(?:wte|wpe|tok_emb)"),
    ("qkv", r"c_attn|qkv|in_proj|query_key_value"),
    ("query", _PART.format(r"(?:query|q_proj|q_lin|wq|to_q|q)")),
    ("key", _PART.format(r"(?:key|k_proj|k_lin|wk|to_k|k)")),
    ("value", _PART.format(r"(?:value|v_proj|v_lin|wv|to_v|v)")),
    ("gate", r"gate_proj|(?:feed_forward|mlp|experts\.\d+)\.w1"),
    ("up", r"intermediate|up_proj|c_fc|fc1|lin1|h_to_4h|(?:feed_forward|mlp|experts\.\d+)\.w3|(?:^|[./])wi(?:$|[._])"),
    ("down", r"down_proj|fc2|lin2|4h_to_h|mlp\.c_proj|(?:feed_forward|mlp|experts\.\d+)\.w2|(?:^|[./])wo_ff"),
    ("output", r"att\w*[./](?:\w+[./])*(?:output|dense|c_proj)|o_proj|out_proj|out_lin|to_out|(?:^|[./])wo(?:$|[./])"),
    ("down", r"output\.dense"),
    ("conv", r"conv|downsample|shortcut"),
)  # fmt: skip


def kind_of(spectrum: Spectrum) -> str:
    """Kind of a layer, one of `KINDS` or ``"other"``, from its name and the number of axes of its weights.

    Examples
    --------
    >>> import numpy as np
    >>> layers = "layer.0.attention.self.query layer.0.intermediate.dense layer.0.output.dense pooler.dense".split()
    >>> print([kind_of(Spectrum(np.arange(1.0, 31.0), 60, name=name)) for name in layers])
    ['query', 'up', 'down', 'other']
    """
    for kind, pattern in _PATTERNS:
        if re.search(pattern, spectrum.name, re.IGNORECASE):
            return kind
    return "conv" if len(spectrum.meta.get("shape", ())) > 2 else "other"


def relative_depths(spectra: Sequence[Spectrum]) -> list[float]:
    """Depth of each layer of one model, from 0 (first) to 1 (last), from the numbers in the names.

    Layers with the same numbers, such as the matrices of one transformer block, are equally deep. Of the names
    without a number, embeddings come first and all others last.

    Examples
    --------
    >>> import numpy as np
    >>> names = ["embed", "h.0.q", "h.0.k", "h.10.q", "h.2.q", "head"]
    >>> relative_depths([Spectrum(np.arange(1.0, 31.0), 60, name=name) for name in names])
    [0.0, 0.25, 0.25, 0.75, 0.5, 1.0]
    """
    places = [_place(spectrum) for spectrum in spectra]
    order = {place: rank for rank, place in enumerate(sorted(set(places)))}
    return [order[place] / max(len(order) - 1, 1) for place in places]


def _place(spectrum: Spectrum) -> tuple[float, ...]:
    numbers = tuple(float(digits) for digits in re.findall(r"\d+", spectrum.name))
    if numbers:
        return (0.0, *numbers)
    return (-1.0,) if kind_of(spectrum) == "embedding" else (1.0,)
