"""Low-rank adapters (LoRA): two thin matrices that mean their product."""

import re
from dataclasses import replace
from functools import partial

import numpy as np

from htmp_bayes.spectra.readers import StoredTensor

ADAPTER = "adapter"

# peft, kohya, diffusers (old and new) and MLX, which writes (in, rank) and (rank, out)
_FIRST = r"lora_A|lora_a|lora_embedding_A|lora_down|lora\.down|lora_linear_layer\.down"
_SECOND = r"lora_B|lora_b|lora_embedding_B|lora_up|lora\.up|lora_linear_layer\.up"
_HALF = re.compile(
    rf"^(?P<layer>.*?)[._](?:(?P<first>{_FIRST})|(?P<second>{_SECOND}))(?P<rest>([._]\w+(\.\w+)*)?)$"
)


def with_products(tensors: list[StoredTensor], wanted: bool) -> list[StoredTensor]:
    """Say which tensors are halves of adapters, and add their products if they are wanted.

    Parameters
    ----------
    tensors : list of StoredTensor
        Those of a checkpoint.
    wanted : bool
        Whether to add the product of each pair, without the factor alpha / rank, under the layer's name and ``.lora``.

    Returns
    -------
    list of StoredTensor
        The same, with halves of type "adapter", and the products behind the second of each pair.
    """
    result, pairs = [], dict[tuple[str, str], dict[str, StoredTensor]]()
    for tensor in tensors:
        match = None if tensor.type else _HALF.match(tensor.name)
        if match is None or len(tensor.shape) < 2:
            result.append(tensor)
            continue
        result.append(replace(tensor, type=ADAPTER))
        pair = pairs.setdefault((match["layer"], match["rest"]), {})
        pair["first" if match["first"] else "second"] = tensor
        if wanted and len(pair) == 2:
            result.append(_product(match["layer"], pair["first"], pair["second"]))
    return result


def _product(layer: str, first: StoredTensor, second: StoredTensor) -> StoredTensor:
    (rank, across), (out, other) = first.sides, second.sides
    turned = other != rank and across == out  # MLX
    shape = (other, rank) if turned else (out, across)
    obstacle = first.obstacle or second.obstacle
    if not obstacle and not turned and other != rank:
        obstacle = "is an adapter whose two halves have different ranks"
    load = partial(_load, first, second, turned)
    return StoredTensor(f"{layer}.lora.weight", shape, first.dtype, load, obstacle)


def _load(first: StoredTensor, second: StoredTensor, turned: bool) -> np.ndarray:
    a, b = (half.load().astype(np.float64).reshape(half.sides) for half in (first, second))
    product = (a @ b).T if turned else b @ a
    return product.astype(np.float64 if first.load().dtype.itemsize >= 8 else np.float32)
