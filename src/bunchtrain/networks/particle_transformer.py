"""Particle Transformer: attention among particles, biased by pair features."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.attention import (
    ALIGNED,
    ClassBlock,
    PaddedBlock,
    ParticleBlock,
    Scatter,
    run_blocks,
)
from bunchtrain.networks.layers.cpu_kernels import runs_in_chunks
from bunchtrain.networks.layers.exported_attention import WholeBatch
from bunchtrain.networks.layers.four_momenta import pair_features, polar
from bunchtrain.networks.layers.normalisation import (
    fold,
    norm_of,
    normalise,
    update_running_moments,
)
from bunchtrain.networks.layers.packing import Bucket, buckets, whole_batch
from bunchtrain.networks.layers.pair_layers import PairLayers, infer, moments
from bunchtrain.networks.layers.pairs import UnorderedPairs, unordered_pairs
from bunchtrain.parts.ranges import Depth, Dropout, Widths


class ParticleTransformer(nn.Module):
    """Transformer over a jet's particles with pairwise attention bias (arXiv:2202.03772).

    Particles are embedded to x_i, and four features of each pair, with pT, rapidity and azimuth,

        ΔR² = Δy² + Δφ²,  kT = min(pT_i, pT_j) ΔR,  z = min(pT_i, pT_j) / (pT_i + pT_j),  m²_ij,

    as logarithms, to one bias U_ij per head. A particle block is, with LN layer normalisation and
    d the width of a head,

        x ← x + LN(Attention(LN(x))),    Attention = softmax(Q Kᵀ / √d + U) V,
        x ← x + W₂ LN(gelu(W₁ LN(x))),

    with the same U in all of them; heads are scaled by trained factors and mixed before LN. In the
    class blocks, without U, a class token is the query, and the token and the particles are keys
    and values; a linear layer maps the token to the outputs. Jets are computed in padded blocks of
    similar length, with masks: a jet's outputs depend on no other jet.

    features      features of a particle.
    momenta       4, for (E, px, py, pz) in GeV.
    outputs       number of outputs.
    embed         widths of the particle embedding; the last is that of the blocks.
    pair_embed    widths of the pair embedding.
    heads         attention heads.
    blocks        particle blocks.
    class_blocks  class-attention blocks.
    dropout       fraction dropped in the particle blocks in training.
    spread        maximum ratio of the longest to the shortest jet in a padded block.
    as_weaver     blocks as in weaver-core, the authors' code: the factors of the heads multiply the
                  channels after mixing, x ← w x + W₂ LN(gelu(W₁ LN(x))) with trained factors w,
                  and the query is the class token before its normalisation.

    Raises StudyError if the width of the blocks is not a multiple of the heads.
    """

    def __init__(
        self,
        features: int,
        momenta: int,
        outputs: int,
        *,
        embed: Widths = (128, 512, 128),
        pair_embed: Widths = (64, 64, 64),
        heads: Annotated[int, Field(ge=1, le=1024)] = 8,
        blocks: Depth = 8,
        class_blocks: Depth = 2,
        dropout: Dropout = 0.1,
        spread: Annotated[float, Field(ge=1, le=1000)] = 1.2,
        as_weaver: bool = False,
    ) -> None:
        super().__init__()
        width = embed[-1]
        if width % heads:
            raise StudyError(
                f"particle_transformer: the last width of embed, {width}, is not a multiple of "
                f"{heads} heads; choose one that is"
            )
        self.heads, self.spread, self.point_width = heads, spread, width
        self.input_norm = nn.BatchNorm1d(features)
        self.embed = nn.Sequential(*_embedding((features, *embed)))
        self.pair_norm = nn.BatchNorm1d(momenta)
        self.pair_embed = PairEmbedding((momenta, *pair_embed, heads))
        self.blocks = nn.ModuleList(
            ParticleBlock(width, heads, dropout, as_weaver) for _ in range(blocks)
        )
        self.token = nn.Parameter(torch.empty(width))
        self.class_blocks = nn.ModuleList(
            ClassBlock(width, heads, as_weaver) for _ in range(class_blocks)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))
        nn.init.trunc_normal_(self.token, std=0.02)

    #: Modules and parameters of the outputs of events alone.
    event_modules = ("token", "class_blocks", "head")

    def embed_points(self, features: Tensor, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return the particles after the last particle block, (points, width)."""
        points: Tensor = self.embed(normalise(features, self.input_norm))
        if torch.compiler.is_exporting():
            return run_blocks(self.blocks, points, self._whole_batch(momenta, lengths))
        found = list(buckets(lengths, self.spread, shortest=8, multiple=ALIGNED))
        members = [bucket.points[bucket.mask] for bucket in found]
        order = torch.cat([*members, lengths.new_zeros(0)])
        points = run_blocks(self.blocks, points[order], self._padded_blocks(momenta, found))
        return torch.zeros_like(points).index_copy(0, order, points)

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded particles."""
        token = self.token.expand(lengths.shape[0], -1)
        for block in self.class_blocks:
            token = block(token, points, lengths)
        outputs: Tensor = self.head(token)
        return outputs

    def forward(self, features: Tensor, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        features  (points, feature), packed.
        momenta   (points, 4) as (E, px, py, pz) in GeV, packed.
        lengths   (batch,), points of each jet.
        """
        return self.read_out(self.embed_points(features, momenta, lengths), lengths)

    def _padded_blocks(self, momenta: Tensor, found: list[Bucket]) -> list[PaddedBlock]:
        if not found:
            return []
        pairs = [unordered_pairs(bucket) for bucket in found]
        bias = self._bias_of_pairs(momenta, pairs)
        parts = torch.split(bias, [len(part.first) for part in pairs])
        return [_padded_block(*item) for item in zip(found, pairs, parts, strict=True)]

    def _bias_of_pairs(self, momenta: Tensor, pairs: list[UnorderedPairs]) -> Tensor:
        """Return the bias of all pairs in turn: (pairs, heads)."""
        particles = polar(momenta)
        first = torch.cat([part.first for part in pairs])
        second = torch.cat([part.second for part in pairs])
        ends = particles.index_select(0, first), particles.index_select(0, second)
        return self._embed_pairs(pair_features(*ends))

    def _whole_batch(self, momenta: Tensor, lengths: Tensor) -> WholeBatch:
        """Return all jets as one table in an exported graph, padding with the smallest bias."""
        bucket = whole_batch(lengths)
        (jets, slots), pairs = bucket.mask.shape, unordered_pairs(bucket)
        bias = self._bias_of_pairs(momenta, [pairs])
        table = bias.new_zeros(jets * slots * slots, self.heads) + bias.min()
        for slot in (pairs.slot, pairs.mirror):
            table = table.index_copy(0, slot, bias)
        table = table.view(jets, slots, slots, -1).permute(0, 3, 1, 2)
        return WholeBatch(bucket, momenta.shape[0], table.contiguous())

    def _embed_pairs(self, features: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return self.pair_embed.folded(features, self.pair_norm)
        if runs_in_chunks(self, features) and not features.requires_grad and len(features) > 1:
            return self.pair_embed.in_chunks(features, self.pair_norm)
        embedded: Tensor = self.pair_embed(normalise(features, self.pair_norm))
        return embedded


class PairEmbedding(nn.Module):
    """Linear maps of every pair, each normalised over all pairs, with GELU between them."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        steps = pairwise(widths)
        self.weights = nn.ParameterList(nn.Linear(a, b, bias=False).weight for a, b in steps)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[1:])

    def forward(self, pairs: Tensor) -> Tensor:
        """Return (pairs, heads) from (pairs, feature)."""
        for depth, (weight, norm) in enumerate(zip(self.weights, self.norms, strict=True)):
            pairs = functional.gelu(pairs) if depth else pairs
            pairs = normalise(functional.linear(pairs, weight), norm)
        return pairs

    def folded(self, features: Tensor, feature_norm: nn.BatchNorm1d) -> Tensor:
        """Return (pairs, heads) with all normalisations, by running moments, in the linear maps."""
        (weight, shift), *later = self.folded_layers(feature_norm)
        pairs = functional.linear(features, weight, shift)
        for weight, shift in later:
            pairs = functional.linear(functional.gelu(pairs), weight, shift)
        return pairs

    def folded_layers(self, feature_norm: nn.BatchNorm1d) -> list[tuple[Tensor, Tensor]]:
        """Return weight (out, in) and bias (out,) of each layer, all normalisations in them."""
        scale, shift = fold(feature_norm)
        folded = [
            (fold(norm), weight) for weight, norm in zip(self.weights, self.norms, strict=True)
        ]
        layers = [(outer[:, None] * weight, bias) for (outer, bias), weight in folded]
        weight, bias = layers[0]
        return [(weight * scale, weight @ shift + bias), *layers[1:]]

    def in_chunks(self, features: Tensor, feature_norm: nn.BatchNorm1d) -> Tensor:
        """Return (pairs, heads) from features before their normalisation, as `pair_layers` does."""
        if not self.training:
            return infer(features, self.folded_layers(feature_norm))
        first, shift = self._first_layer(features, feature_norm)
        layers = list(zip(self.weights, self.norms, strict=True))[1:]
        if not layers:
            return functional.linear(features, first, shift)
        parameters = [tensor for w, n in layers for tensor in (w, n.weight, n.bias)]
        embedded: Tensor
        embedded, *found = PairLayers.apply(  # type: ignore[no-untyped-call]
            features, first, shift, self.norms[0].eps, *parameters
        )
        for (_, norm), mean, variance in zip(layers, found[::2], found[1::2], strict=True):
            update_running_moments(norm, mean, variance, len(features))
        return embedded

    def _first_layer(self, features: Tensor, feature_norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
        """Return A and t of A f + t: normalised features, the first layer, its normalisation.

        The moments are those of the features, and the running ones are updated.
        """
        weight, norm = self.weights[0], self.norms[0]
        assert isinstance(norm, nn.BatchNorm1d)
        mean, covariance = moments(features)
        variance = covariance.diagonal()
        update_running_moments(feature_norm, mean, variance, len(features))
        normed = norm_of(mean, variance, feature_norm.weight, feature_norm.bias, feature_norm.eps)
        rows = weight * normed.s
        centre, spread = feature_norm.bias @ weight.t(), ((rows @ covariance) * rows).sum(1)
        update_running_moments(norm, centre.detach(), spread.detach(), len(features))
        outer, shift, *_ = norm_of(centre, spread, norm.weight, norm.bias, norm.eps)
        return outer[:, None] * rows, outer * (weight @ normed.t) + shift


def _embedding(widths: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width, wider in pairwise(widths):
        layers += [nn.LayerNorm(width), nn.Linear(width, wider), nn.GELU()]
    return layers


def _padded_block(bucket: Bucket, pairs: UnorderedPairs, bias: Tensor) -> PaddedBlock:
    """Return a bucket as a padded block, with the biases (pairs, heads) scattered to the pairs."""
    jets, slots = bucket.mask.shape
    mirrored = (pairs.mirror != pairs.slot).nonzero()[:, 0]
    slot = torch.cat([pairs.slot, pairs.mirror[mirrored]])
    both = torch.cat([bias, bias.index_select(0, mirrored)])
    table: Tensor = Scatter.apply(both, slot, jets * slots * slots)  # type: ignore[no-untyped-call]
    table = table.view(jets, slots, slots, -1).permute(0, 3, 1, 2)
    table = table.masked_fill(~bucket.mask[:, None, None, :], -torch.inf).contiguous()
    return PaddedBlock(bucket.mask.view(-1).nonzero()[:, 0], table)
