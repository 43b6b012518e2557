"""Conversion of a Particle Transformer to layers of the C++ runtime."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.deployment.cpp.modules import MODULES
from bunchtrain.deployment.cpp.program import Program, Value, as_numbers
from bunchtrain.networks.layers.attention import ClassBlock, ParticleBlock
from bunchtrain.networks.layers.normalisation import fold
from bunchtrain.networks.particle_transformer import ParticleTransformer


def particle_transformer(
    program: Program, model: ParticleTransformer, features: Value, momenta: Value
) -> Value:
    """Add the layers of a Particle Transformer and return its output."""
    points = _sequence(program, model.embed, program.affine(features, *fold(model.input_norm)))
    bias = _pair_embedding(program, model, momenta)
    for block in model.blocks:
        assert isinstance(block, ParticleBlock)
        points = _particle_block(program, block, points, bias)
    token = program.constant(model.token)
    for block in model.class_blocks:
        assert isinstance(block, ClassBlock)
        token = _class_block(program, block, token, points)
    return _sequence(program, model.head, token)


def _sequence(program: Program, layers: nn.Sequential, value: Value) -> Value:
    for layer in layers:
        value = MODULES[type(layer)](program, layer, value, True)
    return value


def _pair_embedding(program: Program, model: ParticleTransformer, momenta: Value) -> Value:
    layers = [
        {"inputs": weight.shape[1], "weights": as_numbers(weight), "bias": as_numbers(bias)}
        for weight, bias in model.pair_embed.folded_layers(model.pair_norm)
    ]
    return program.layer(
        "pair_embedding", momenta, columns=model.heads, per_pair=True, layers=layers
    )


def _particle_block(program: Program, block: ParticleBlock, points: Value, bias: Value) -> Value:
    """Add x + LN(Attention(LN(x))), and the feed-forward network after it."""
    rows = program.layer_norm(points, block.before)
    rows = program.dense(rows, block.project.weight, block.project.bias)
    width, heads = points.columns, block.heads
    seen = program.layer(
        "attention", rows, bias, columns=width, heads=heads, channels=width // heads
    )
    return _after_attention(program, block, points, seen)


def _class_block(program: Program, block: ClassBlock, token: Value, points: Value) -> Value:
    """Add the same for the class token, which attends to itself and to the points."""
    weight, bias = block.key_value.weight, block.key_value.bias
    normed = program.layer_norm(token, block.before)
    source = token if block.as_weaver else normed
    query = program.dense(source, block.query.weight, block.query.bias)
    own = program.join(query, program.dense(normed, weight, bias))
    rows = program.dense(program.layer_norm(points, block.before), weight, bias)
    width, heads = token.columns, block.heads
    seen = program.layer(
        "class_attention", own, rows, columns=width, heads=heads, channels=width // heads
    )
    return _after_attention(program, block, token, seen)


def _after_attention(
    program: Program, block: ParticleBlock | ClassBlock, before: Value, seen: Value
) -> Value:
    mixed = program.layer_norm(program.dense(seen, *_mixing(block)), block.after)
    between = program.layer("add", before, mixed)
    wide = _sequence(program, block.forward_part, between)
    if block.residual is not None:
        between = program.affine(between, block.residual, torch.zeros_like(block.residual))
    return program.layer("add", between, wide)


def _mixing(block: ParticleBlock | ClassBlock) -> tuple[Tensor, Tensor]:
    """Return weight and bias that mix the heads, with their factors."""
    weight, bias = block.out.weight, block.out.bias
    factors = block.head_scale.repeat(1, len(bias) // block.heads).flatten()  # one a channel
    if block.as_weaver:
        return weight * factors[:, None], bias * factors
    return weight * factors, bias
