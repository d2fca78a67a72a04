"""What in a checkpoint is no layer though it holds numbers: an optimiser's state, and what quantisation keeps."""

import re
from collections.abc import Iterator
from dataclasses import replace

from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.readers.raw_values import PERHAPS

OPTIMISER, QUANTISATION, MASK = "optimiser state", "quantisation", "mask"

# What optimisers of torch, TensorFlow and optax call their moments, and the places where frameworks put them.
_OPTIMISER = re.compile(
    r"(^|[./])(optimi[sz]ers?(_\w+)?|optim|optim_\w+|\w+_optim(i[sz]er)?|opt_state|lr_schedulers?|exp_avg\w*|max_exp_avg\w*"
    r"|momentum_buffer|square_avg|acc_delta|Adam(_\d+)?|Momentum|RMSProp(_\d+)?|adam_[mv])([./]|$)"
)
_SLOT = re.compile(r"(^|[./])state[./]\d+[./](?!weight|bias)\w+$")

_NARROW = re.compile(  # types that only a quantised weight has, in the words of the formats
    r"^(u?int[1-8]|[UI]8|F[46]\w*|F8_E8M0|float4\w*|ByteStorage|CharStorage|Q\w+|I?Q\d\w*|TQ\d\w*|MXFP4|qtensor)$"
)
_WORDS = re.compile(r"^(u?int(16|32)|[UI](16|32)|IntStorage|ShortStorage)$")
_PACKED = re.compile(r"(^|[._/])(qweight|packed|w_q|codes)$", re.I)
_WEIGHT_LIKE = re.compile(r"(^|[._/])(weight|kernel|qweight|packed)$")
_MASKS = re.compile(r"(^|[._/])(mask|bias|ids|indices|(?<=\w_)index)$")

_KEPT = re.compile(  # what bitsandbytes, GPTQ, AWQ, compressed-tensors, FP8 and NVFP4 models keep beside a weight
    r"weight_scales?(_inv|_2)?$|_scale_inv$|(^|[._/])(qzeros|g_idx|(in|out)put_(global_)?scale|weight_(global_)?scale"
    r"|weight_zero_point|weight_shape|weight_format|(nested_)?absmax|(nested_)?quant_map|quant_state([._]\w+(\.\w+)*)?|SCB)$"
)
_BESIDE = re.compile(  # and what is so only beside a quantised tensor with the same beginning
    r"[._](q?scales?|q?zeros|q?biases|zero_points?|zp|scale_and_zero|kernel_scale|bits|codebooks?|blocks_scales?)$"
)
_ENDS = re.compile(r"([._](qweight|weight|kernel|blocks|quantized|packed|D?Q?_?Q[48]|W_q|codes))+$", re.I)


def sorted_out(tensors: list[StoredTensor]) -> list[StoredTensor]:
    """Say of each tensor whether an optimiser or quantisation keeps it, or whether it is quantised.

    Parameters
    ----------
    tensors : list of StoredTensor
        Those of a checkpoint.

    Returns
    -------
    list of StoredTensor
        The same, with the types "optimiser state" and "quantisation" where that is so. What is quantised is opaque,
        whatever its shape.
    """
    quantised = {tensor.name for tensor in tensors if _is_quantised(tensor)}
    packed = set(_packed_words(tensors))
    stems = {_ENDS.sub("", name) for name in quantised | packed}
    return [_sorted_out(tensor, quantised | packed, stems) for tensor in tensors]


def _sorted_out(tensor: StoredTensor, quantised: set[str], stems: set[str]) -> StoredTensor:
    name = tensor.name
    if _OPTIMISER.search(name) or _SLOT.search(name):
        return replace(tensor, type=tensor.type or OPTIMISER)
    if _KEPT.search(name) or (_BESIDE.search(name) and _stem(name) in stems):
        return replace(tensor, type=QUANTISATION)
    if name in quantised:
        return replace(tensor, obstacle=tensor.obstacle.replace(PERHAPS, "it is quantised"), opaque=True)
    if tensor.obstacle and _MASKS.search(name):
        return replace(tensor, type=MASK)
    return tensor


def _stem(name: str) -> str:
    return _ENDS.sub("", _BESIDE.sub("", name))


def _is_quantised(tensor: StoredTensor) -> bool:
    if not tensor.obstacle or _MASKS.search(tensor.name):
        return False
    if "quantised in" in tensor.obstacle or tensor.dtype == "qtensor":
        return True
    shaped = len(tensor.shape) > 1 or bool(_WEIGHT_LIKE.search(tensor.name))
    return bool(_NARROW.match(tensor.dtype)) and shaped and 0 not in tensor.shape


def _packed_words(tensors: list[StoredTensor]) -> Iterator[str]:
    """Yield the names of whole numbers that hold packed weights: by their names, or as there are scales beside."""
    scaled = {_stem(tensor.name) for tensor in tensors if re.search(r"[._]scales?$", tensor.name)}
    for tensor in tensors:
        if tensor.obstacle and _WORDS.match(tensor.dtype):
            beside = _ENDS.search(tensor.name) and _ENDS.sub("", tensor.name) in scaled
            if _PACKED.search(tensor.name) or beside:
                yield tensor.name
