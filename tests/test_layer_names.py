"""Kinds and depths from names that real models have."""

import numpy as np
import pytest

from htmp_bayes import Spectrum
from htmp_bayes.layer_names import KINDS, kind_of, kind_of_name, relative_depths


def named(name, **meta):
    return Spectrum(np.arange(1.0, 31.0), 60, name=name, meta=meta)


# Names of tensors as the models have them, without ".weight", and of parts as reading names them.
NAMES = {
    "BERT": {
        "bert.embeddings.word_embeddings": "embedding",
        "bert.embeddings.position_embeddings": "embedding",
        "bert.encoder.layer.0.attention.self.query": "query",
        "bert.encoder.layer.0.attention.self.key": "key",
        "bert.encoder.layer.0.attention.self.value": "value",
        "bert.encoder.layer.0.attention.output.dense": "output",
        "bert.encoder.layer.0.intermediate.dense": "up",
        "bert.encoder.layer.0.output.dense": "down",
        "bert.pooler.dense": "other",
        "cls.predictions.transform.dense": "other",
    },
    "DistilBERT": {
        "transformer.layer.0.attention.q_lin": "query",
        "transformer.layer.0.attention.out_lin": "output",
        "transformer.layer.0.ffn.lin1": "up",
        "transformer.layer.0.ffn.lin2": "down",
    },
    "GPT-2": {
        "wte": "embedding",
        "wpe": "embedding",
        "h.0.attn.c_attn": "qkv",
        "h.0.attn.c_attn.query": "query",
        "h.0.attn.c_attn.value.head3": "value",
        "h.0.attn.c_proj": "output",
        "h.0.mlp.c_fc": "up",
        "h.0.mlp.c_proj": "down",
    },
    "BLOOM": {
        "h.0.self_attention.query_key_value.value": "value",
        "h.0.self_attention.dense": "output",
        "h.0.mlp.dense_h_to_4h": "up",
        "h.0.mlp.dense_4h_to_h": "down",
    },
    "Llama": {
        "model.embed_tokens": "embedding",
        "model.layers.3.self_attn.q_proj": "query",
        "model.layers.3.self_attn.k_proj": "key",
        "model.layers.3.self_attn.v_proj": "value",
        "model.layers.3.self_attn.o_proj": "output",
        "model.layers.3.self_attn.o_proj.head2": "output",
        "model.layers.3.mlp.gate_proj": "gate",
        "model.layers.3.mlp.up_proj": "up",
        "model.layers.3.mlp.down_proj": "down",
        "model.layers.3.mlp.down_proj.lora": "down",
        "lm_head": "other",
        "layers.0.attention.wq": "query",
        "layers.0.attention.wo": "output",
        "layers.0.feed_forward.w1": "gate",
        "layers.0.feed_forward.w2": "down",
        "layers.0.feed_forward.w3": "up",
        "output": "other",
    },
    "Phi-3": {
        "model.layers.0.self_attn.qkv_proj": "qkv",
        "model.layers.0.mlp.gate_up_proj": "other",
        "model.layers.0.mlp.gate_up_proj.gate": "gate",
        "model.layers.0.mlp.gate_up_proj.up": "up",
    },
    "Mixtral and Qwen-MoE": {
        "model.layers.0.block_sparse_moe.gate": "other",
        "model.layers.0.block_sparse_moe.experts.7.w1": "gate",
        "model.layers.0.block_sparse_moe.experts.7.w2": "down",
        "model.layers.0.block_sparse_moe.experts.7.w3": "up",
        "model.layers.0.mlp.gate": "other",
        "model.layers.0.mlp.shared_expert_gate": "other",
        "model.layers.0.mlp.experts.11.gate_proj": "gate",
        "model.layers.0.mlp.shared_expert.down_proj": "down",
        "model.layers.0.mlp.experts.down_proj.11": "down",
    },
    "T5": {
        "shared": "embedding",
        "encoder.block.0.layer.0.SelfAttention.q": "query",
        "encoder.block.0.layer.0.SelfAttention.o": "output",
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias": "embedding",
        "decoder.block.0.layer.1.EncDecAttention.k": "key",
        "encoder.block.0.layer.1.DenseReluDense.wi": "up",
        "encoder.block.0.layer.1.DenseReluDense.wi_0": "gate",
        "encoder.block.0.layer.1.DenseReluDense.wi_1": "up",
        "encoder.block.0.layer.1.DenseReluDense.wo": "down",
    },
    "ViT": {
        "vit.encoder.layer.0.attention.attention.query": "query",
        "vit.encoder.layer.0.attention.output.dense": "output",
        "vit.encoder.layer.0.output.dense": "down",
        "classifier": "other",
        "blocks.0.attn.qkv": "qkv",
        "blocks.0.attn.qkv.key": "key",
        "blocks.0.attn.proj": "output",
        "blocks.0.mlp.fc1": "up",
        "blocks.0.mlp.fc2": "down",
        "pos_embed": "embedding",
        "head": "other",
    },
    "CLIP": {
        "visual.transformer.resblocks.0.attn.in_proj_weight": "qkv",
        "visual.transformer.resblocks.0.attn.out_proj": "output",
        "visual.transformer.resblocks.0.mlp.c_fc": "up",
        "text_projection": "other",
    },
    "ResNet": {"conv1": "conv", "layer1.0.conv1": "conv", "layer2.0.downsample.0": "conv", "fc": "other"},
    "whisper": {
        "model.encoder.embed_positions": "embedding",
        "model.decoder.embed_tokens": "embedding",
        "model.decoder.layers.0.encoder_attn.k_proj": "key",
        "model.decoder.layers.0.encoder_attn.out_proj": "output",
        "model.encoder.layers.0.fc1": "up",
        "model.encoder.layers.0.fc2": "down",
        "proj_out": "other",
        "decoder.token_embedding": "embedding",
        "encoder.blocks.0.attn.query": "query",
        "encoder.blocks.0.attn.out": "output",
        "encoder.blocks.0.mlp.0": "up",
        "encoder.blocks.0.mlp.2": "down",
    },
    "GGUF": {
        "token_embd": "embedding",
        "blk.0.attn_q": "query",
        "blk.0.attn_k": "key",
        "blk.0.attn_v": "value",
        "blk.0.attn_qkv": "qkv",
        "blk.0.attn_output": "output",
        "blk.0.ffn_gate": "gate",
        "blk.0.ffn_up": "up",
        "blk.0.ffn_down": "down",
        "blk.0.ffn_gate_inp": "other",
        "blk.0.ffn_gate_exps.7": "gate",
        "blk.0.ffn_down_shexp": "down",
        "dec.blk.0.cross_attn_q": "query",
        "enc.blk.0.attn_o": "output",
        "output": "other",
    },
    "Keras": {
        "embedding": "embedding",
        "embedding_1": "embedding",
        "multi_head_attention.query": "query",
        "multi_head_attention_1.attention_output": "output",
        "conv2d_3": "conv",
        "dense_1": "other",
        "transformer_layer_0.self_attention_layer.query_dense": "query",
        "transformer_layer_0.self_attention_layer.output_dense": "output",
        "transformer_layer_0.feedforward_intermediate_dense": "up",
        "transformer_layer_0.feedforward_output_dense": "down",
    },
    "others": {
        "time_embedding.linear_1": "other",  # diffusers' U-Net
        "backbone.layers.0.mixer.in_proj": "other",  # Mamba
        "features.3": "other",
        "fc1": "other",  # LeNet, which has no blocks
        "transformer_blocks.0.attn1.to_out.0": "output",
        "encoder/layers_0/attention/query/kernel": "query",  # Flax
    },
}


@pytest.mark.parametrize(("name", "kind"), [item for names in NAMES.values() for item in names.items()])
def test_kinds(name, kind):
    assert kind in (*KINDS, "other")
    assert kind_of(named(name)) == kind
    assert kind_of(named(f"{name}.weight")) == kind


def test_what_reading_found_decides():
    assert kind_of(named("features.3", shape=[32, 32, 3, 3])) == "conv"
    assert kind_of(named("patch_embed.proj", shape=[32, 3, 4, 4], type="convolution")) == "conv"
    assert kind_of(named("features.edge_embedding", shape=[32, 90], type="linear")) == "other"
    assert kind_of(named("speakers", shape=[90, 32], type="embedding")) == "embedding"
    assert kind_of(named("moe.w1.3", shape=[8, 32, 90], type="experts")) == "gate"
    assert kind_of(named("rnn.weight_hh_l0.input_gate", shape=[128, 32], type="recurrent")) == "other"
    assert kind_of_name("blk.0.ffn_up_exps.12", "experts", 3) == "up"


def order(*names):
    """Ranks of the depths of layers."""
    depths = relative_depths([named(name) for name in names])
    ranks = sorted(set(depths))
    np.testing.assert_allclose(ranks, np.linspace(0, 1, len(ranks)) if len(ranks) > 1 else [0])
    return [ranks.index(depth) for depth in depths]


@pytest.mark.parametrize(
    "blocks",
    [
        # each a model: groups of layers that are equally deep, the first ones first
        [["model.embed_tokens"], ["model.layers.0.self_attn.q_proj", "model.layers.0.fc1", "model.layers.0.fc2"],
         ["model.layers.2.fc1"], ["model.layers.10.fc1"], ["lm_head"]],
        [["layers.0.mlp.experts.0.w1", "layers.0.mlp.experts.7.w1", "layers.0.attention.wq.head11"],
         ["layers.1.mlp.experts.0.w1"]],
        [["blk.0.ffn_gate_exps.3", "blk.0.attn_q"], ["blk.1.ffn_gate_exps.0"], ["output"]],
        [["model.encoder.embed_positions", "model.decoder.embed_tokens"], ["model.encoder.conv1"],
         ["model.encoder.conv2"], ["model.encoder.layers.0.fc1"], ["model.encoder.layers.5.fc2"],
         ["model.decoder.layers.0.fc1", "model.decoder.layers.0.encoder_attn.k_proj"],
         ["model.decoder.layers.5.fc1"], ["proj_out"]],
        [["shared"], ["encoder.block.0.layer.0.SelfAttention.q", "encoder.block.0.layer.1.DenseReluDense.wo"],
         ["encoder.block.1.layer.0.SelfAttention.q"], ["decoder.block.0.layer.2.DenseReluDense.wi_1"]],
        [["conv1"], ["layer1.0.conv1", "layer1.0.conv2"], ["layer1.1.conv1"],
         ["layer2.0.conv3", "layer2.0.downsample.0"], ["layer3.22.conv1"], ["fc"]],
        [["embeddings.word_embeddings"], ["encoder.layer.0.attention.self.key", "encoder.layer.0.output.dense"],
         ["encoder.layer.11.intermediate.dense"], ["pooler.dense"]],
        [["patch_embed.proj"], ["layers.0.blocks.0.attn.qkv"], ["layers.0.blocks.1.mlp.fc1"],
         ["layers.1.blocks.0.attn.proj"], ["head"]],
        [["conv1"], ["conv2"], ["fc1"], ["fc2"]],
        [["features.0"], ["features.3"], ["features.10"], ["classifier.1"], ["classifier.6"]],
        [["net.0"], ["net.2"], ["net.10"]],
        [["init.seed0.layer1"], ["init.seed0.layer2"]],
        [["conv2d"], ["conv2d_1"], ["dense"], ["dense_1"], ["dense_2"]],
        [["conv2_block1_1_conv", "conv2_block1_3_conv"], ["conv2_block2_1_conv"], ["conv3_block1_1_conv"]],
        [["block1a_expand_conv", "block1a_project_conv"], ["block1b_expand_conv"], ["block2a_expand_conv"]],
        [["transformer_layer_0.feedforward_output_dense"], ["transformer_layer_1.feedforward_output_dense"]],
        [["conv_in"], ["down_blocks.0.resnets.0.conv1"], ["down_blocks.1.resnets.0.conv1"],
         ["mid_block.resnets.0.conv1"], ["up_blocks.0.resnets.1.conv2"]],
        [["encoder_layers.0.W1"], ["encoder_layers.2.W1"], ["decoder_layers.0.W1"]],
    ],
)  # fmt: skip
def test_a_block_is_one_depth_and_a_decoder_comes_after_the_encoder(blocks):
    expected = {name: rank for rank, names in enumerate(blocks) for name in names}
    assert order(*reversed(expected)) == list(reversed(expected.values()))


def test_one_layer_is_at_the_beginning():
    assert relative_depths([named("only")]) == [0.0]
