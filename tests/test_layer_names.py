"""Kinds and depths from the names that common checkpoints use."""

import numpy as np
import pytest

from htmp_bayes import Spectrum
from htmp_bayes.layer_names import kind_of, relative_depths


def named(name, **meta):
    return Spectrum(np.arange(1.0, 31.0), 60, name=name, meta=meta)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("encoder.layer.0.attention.self.query", "query"),
        ("encoder.layer.0.attention.self.key", "key"),
        ("encoder.layer.0.attention.self.value", "value"),
        ("encoder.layer.0.attention.output.dense", "output"),
        ("encoder.layer.0.intermediate.dense", "up"),
        ("encoder.layer.0.output.dense", "down"),
        ("model.layers.3.self_attn.q_proj.weight", "query"),
        ("model.layers.3.self_attn.k_proj.weight", "key"),
        ("model.layers.3.self_attn.v_proj.weight", "value"),
        ("model.layers.3.self_attn.o_proj.weight", "output"),
        ("model.layers.3.mlp.gate_proj.weight", "gate"),
        ("model.layers.3.mlp.up_proj.weight", "up"),
        ("model.layers.3.mlp.down_proj.weight", "down"),
        ("model.embed_tokens.weight", "embedding"),
        ("h.0.attn.c_attn.weight", "qkv"),
        ("h.0.attn.c_proj.weight", "output"),
        ("h.0.mlp.c_fc.weight", "up"),
        ("h.0.mlp.c_proj.weight", "down"),
        ("wte.weight", "embedding"),
        ("layer3.1.conv2", "conv"),
        ("visual.blocks.0.attn.qkv.weight", "qkv"),
        ("pooler.dense", "other"),
        ("lm_head.weight", "other"),
    ],
)
def test_kinds(name, kind):
    assert kind_of(named(name)) == kind


def test_a_tensor_with_more_than_two_axes_is_a_convolution():
    assert kind_of(named("features.3", shape=[32, 32, 3, 3])) == "conv"


def test_depths_follow_the_numbers_and_not_the_alphabet():
    names = ["layers.10.fc1", "layers.2.fc1", "layers.2.fc2", "embed", "head"]
    assert relative_depths([named(name) for name in names]) == [0.75, 0.25, 0.5, 0.0, 1.0]


def test_one_layer_is_at_the_beginning():
    assert relative_depths([named("only")]) == [0.0]
