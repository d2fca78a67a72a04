"""What the names of layers say: their kind, and how deep they are."""

import itertools
import re
from collections.abc import Sequence

from htmp_bayes.spectra import Spectrum

KINDS = ("query", "key", "value", "qkv", "output", "gate", "up", "down", "conv", "embedding")
"""Kinds that are recognised; whatever else a layer is called, its kind is ``"other"``."""

# What reading adds to a tensor's name, and what is left of the tensor's own: neither says of which kind a layer is.
_ADDED = re.compile(
    r"([.]head\d+|[.]at([.]\d+)+|[.]lora|[./](weight|kernel)|(?<=exps)[.]\d+|(?<=proj)[.]\d+|:0)+$"
)
_PART, _WORD = r"(?:^|[./_]){}$", r"(?:^|[./]){}$"
_FEED_FORWARD = r"(?:feed_forward|mlp|experts?[./]\d+|moe)[./]"
_IN_A_BLOCK = r"[./]\d+[./](?:\w+[./])*"

# The first pattern found decides; each is looked for at the end of the name, so that what a layer is in does not count.
_PATTERNS = (
    ("other", r"(?:^|[./_])(?:lm_head|gate_inp|router)$|(?:moe|mlp|feed_forward)[./]gate$"),  # a router chooses experts
    ("query", _PART.format(r"(?:query|q_proj|q_lin|wq|to_q|attn_q|q_attn|query_dense)")),
    ("key", _PART.format(r"(?:key|k_proj|k_lin|wk|to_k|attn_k|key_dense)")),
    ("value", _PART.format(r"(?:value|v_proj|v_lin|wv|to_v|attn_v|value_dense)")),
    *((kind, _WORD.format(kind[0])) for kind in ("query", "key", "value")),
    ("qkv", _PART.format(r"(?:c_attn|w?qkv|qkv_proj|attn_qkv|in_proj_weight|query_key_value)")),
    ("gate", _PART.format(r"(?:gate_proj|ffn_gate(?:_(?:sh)?exps?)?|wi_0)")),
    ("gate", rf"{_WORD.format('gate')}|{_FEED_FORWARD}w1$"),
    ("up", _PART.format(r"(?:(?<!gate_)up_proj|ffn_up(?:_(?:sh)?exps?)?|c_fc|dense_h_to_4h|wi|wi_1)")),
    ("up", rf"{_WORD.format('up')}|{_FEED_FORWARD}(?:w3|v1)$|intermediate(?:[._]dense)?$|{_IN_A_BLOCK}(?:fc1|lin1)$"),
    ("down", _PART.format(r"(?:down_proj|ffn_down(?:_(?:sh)?exps?)?|dense_4h_to_h)")),
    ("down", rf"{_FEED_FORWARD}w2$|mlp[./]c_proj$|(?:DenseReluDense|ffn|ff|mlp)[./]wo$|{_IN_A_BLOCK}(?:fc2|lin2)$"),
    ("up", r"blocks[./]\d+[./]mlp[./]0$"),  # OpenAI's whisper and CLIP's kin
    ("down", r"blocks[./]\d+[./]mlp[./]2$"),
    ("output", r"att\w*[./](?:\w+[./])*(?:output|output[./]dense|dense|c_proj|proj|out|o|wo|output_dense)$"),
    ("output", _PART.format(r"(?:o_proj|out_proj|out_lin|to_out[./]0|to_out|attn_output|attn_o|attention_output|wo)")),
    ("down", r"(?:^|[./])(?:output[./]dense|\w*output_dense)$"),
    ("conv", r"(?:^|[./_])(?:\w*conv\w*|downsample|shortcut)(?:[./]\d+)?$"),
)  # fmt: skip
_EMBEDDING = re.compile(
    r"embed(dings?|_tokens|_positions)?(_\d+)?$|(?:^|[./])(?:wte|wpe|tok_emb|token_embd|position_embd|shared"
    r"|relative_attention_bias)$"
)


def kind_of(spectrum: Spectrum) -> str:
    """Kind of a layer, one of `KINDS` or ``"other"``, from its name and from what reading found it to be.

    Examples
    --------
    >>> import numpy as np
    >>> layers = "layer.0.attention.self.query layer.0.intermediate.dense layer.0.output.dense pooler.dense".split()
    >>> print([kind_of(Spectrum(np.arange(1.0, 31.0), 60, name=name)) for name in layers])
    ['query', 'up', 'down', 'other']
    """
    found = spectrum.meta.get("type", "")
    return kind_of_name(spectrum.name, str(found), len(spectrum.meta.get("shape", ())))


def kind_of_name(name: str, found: str = "", axes: int = 2) -> str:
    """Kind of a layer of this name.

    Parameters
    ----------
    name : str
        The layer's name.
    found : str, optional
        Type that reading found: see `htmp_bayes.spectra.ListedMatrix`.
    axes : int
        Number of axes of the tensor.

    Examples
    --------
    >>> kind_of_name("blk.0.ffn_gate_exps.7", "experts"), kind_of_name("patch_embed.proj", "convolution")
    ('gate', 'conv')
    """
    if found == "embedding" or (not found and axes <= 2 and _EMBEDDING.search(_ADDED.sub("", name))):
        return "embedding"
    if found == "convolution" or (not found and axes > 2):
        return "conv"
    if found == "recurrent":
        return "other"
    bare = _ADDED.sub("", name)
    if found == "experts":  # the number of the expert comes behind the name of the stack
        bare = _ADDED.sub("", re.sub(r"[.]\d+$", "", name))
    for kind, pattern in _PATTERNS:
        if re.search(pattern, bare, re.IGNORECASE):
            return kind
    return "other"


_CONTAINER = re.compile(
    r"^(?P<of>h|\w*?(?:layers?|blocks?|blk|stages?|features|groups?))_?(?P<number>\d+)?(?P<letter>[a-z]?)$"
)
# Keras's residual networks (conv3_block2_1_conv), and its EfficientNet and VGG (block2a_expand_conv)
_WITHIN = re.compile(r"^(?:conv|stage)(\d+)_block(\d+)_")
_BLOCK_FIRST = re.compile(r"^block_?(\d+)([a-z]?)_")
_KERAS = re.compile(r"^(dense|lstm|gru|simple_rnn|multi_head_attention)(_\d+)?$")

_MIDDLE = re.compile(r"^(mid|middle)_blocks?$")
_DECODER = re.compile(r"^(decoder|dec|up_blocks?)(_\w+)?$")
_BEHIND = re.compile(
    r"(^|[./])(lm_head|heads?|classifier|pooler|cls|score|logits|proj_out|fc|output|predictions)\b"
)
_BEFORE = re.compile(r"(^|[./])(stem|conv\w*|patch_\w+)([./]|$)")


def relative_depths(spectra: Sequence[Spectrum]) -> list[float]:
    """Depth of each layer of one model, from 0 (first) to 1 (last), from the blocks that the names number.

    All layers of a block are equally deep: its attention heads, experts and sublayers do not count. A decoder comes
    after the encoder. Of the layers outside the blocks, embeddings come first, then convolutions before the blocks, and
    all others come last.

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


_Place = tuple[float, float, tuple[float, ...]]


def _place(spectrum: Spectrum) -> _Place:
    """Part of the model; before its blocks, in them or behind them; and where there."""
    name = _ADDED.sub("", spectrum.name)
    parts = re.split(r"[./]", name)
    kind, blocks = kind_of(spectrum), _blocks(parts)
    if kind == "embedding" and not blocks:
        return -1.0, 0.0, ()
    stage = _stage(parts)
    if blocks:
        return stage, 0.0, blocks
    numbers = tuple(float(digits) for digits in re.findall(r"\d+", name))
    if kind == "conv" or _BEFORE.search(name):
        return stage, -1.0, numbers
    behind = _BEHIND.search(re.sub(r"\d+", "", name)) or not (numbers or _KERAS.match(parts[0]))
    return (3.0 if behind else stage), 0.0, numbers


def _stage(parts: Sequence[str]) -> float:
    if any(map(_DECODER.match, parts)):
        return 2.0
    return 1.0 if any(map(_MIDDLE.match, parts)) else 0.0


def _blocks(parts: Sequence[str]) -> tuple[float, ...]:
    """Numbers of the block, and of the group of blocks that it is in; nothing if the layer is in none."""
    found: list[float] = []
    in_container = False
    for part in parts:
        if match := _WITHIN.match(part):
            return float(match[1]), float(match[2])
        if match := _BLOCK_FIRST.match(part):
            return (float(match[1]), *_letter(match[2]))
        container = _CONTAINER.match(part)
        if part.isdecimal() and in_container:
            found.append(float(part))
        elif container and not (found and container["of"] == "layer" and container["number"] is None):
            in_container = True
            if container["number"]:
                found += [float(container["number"]), *_letter(container["letter"])]
        elif found:
            break  # what follows is within the block
        else:
            in_container = False
    return tuple(found)


def _letter(letter: str) -> tuple[float, ...]:
    return (float(ord(letter)),) if letter else ()


def common_prefix(names: Sequence[str]) -> str:
    """Whole parts that all names begin with, so that something is left of each.

    Examples
    --------
    >>> common_prefix(["encoder.layer.0.key", "encoder.layer.10.key"])
    'encoder.layer.'
    >>> common_prefix(["encoder.layer.0.key"]), common_prefix(["a.b", "a.b.c"])
    ('', 'a.')
    """
    parts = [name.split(".")[:-1] for name in names]
    if len(set(names)) < 2:
        return ""
    shared = [
        row[0] for row in itertools.takewhile(lambda row: len(set(row)) == 1, zip(*parts, strict=False))
    ]
    return "".join(f"{part}." for part in shared)
