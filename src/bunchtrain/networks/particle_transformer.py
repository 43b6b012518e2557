"""Particle Transformer: attention among particles, biased by what each pair looks like."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.attention import ClassBlock, Field, ParticleBlock, Spread
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import Bucket, buckets, segment_ids
from bunchtrain.networks.layers.pairs import Pairs, pair_features, pairs_of, polar


class ParticleTransformer(nn.Module):
    """Transformer over a jet's particles with pairwise attention bias (arXiv:2202.03772).

    Particles are embedded to x_i, and the four numbers of each pair, with pT, rapidity and azimuth,

        ΔR² = Δy² + Δφ²,  kT = min(pT_i, pT_j) ΔR,  z = min(pT_i, pT_j) / (pT_i + pT_j),  m²_ij,

    as logarithms, to one bias U_ij a head. A particle block is, LN being layer normalisation and d
    the width of a head,

        x ← x + LN(Attention(LN(x))),    Attention = softmax(Q Kᵀ / √d + U) V,
        x ← x + W₂ LN(gelu(W₁ LN(x))),

    the same U in all of them; heads are scaled by trained factors and mixed before LN. In the class
    blocks, without U, one class token asks, and it and the particles answer; the token goes to the
    outputs. Jets are worked on among jets of similar length, and only particles that are there
    count: a jet's outputs depend on no other jet.

    Args:
        features: numbers of a particle.
        momenta: 4, for (E, px, py, pz) in GeV.
        outputs: numbers that the network gives.
        embed: widths of the particle embedding, the last being that of the blocks.
        pair_embed: widths of the pair embedding.
        heads: attention heads.
        blocks: particle blocks.
        class_blocks: class-attention blocks.
        dropout: share dropped in the particle blocks in training.
        spread: longest over shortest jet among those worked on together.

    Raises:
        StudyError: heads do not divide the width of the blocks.
    """

    def __init__(
        self,
        features: int,
        momenta: int,
        outputs: int,
        *,
        embed: tuple[int, ...] = (128, 512, 128),
        pair_embed: tuple[int, ...] = (64, 64, 64),
        heads: int = 8,
        blocks: int = 8,
        class_blocks: int = 2,
        dropout: float = 0.1,
        spread: float = 1.2,
    ) -> None:
        super().__init__()
        width = embed[-1]
        if width % heads:
            raise StudyError(
                f"particle_transformer: embed ends with {width}, which {heads} heads do not "
                f"divide; choose a multiple of the heads"
            )
        self.heads, self.spread = heads, spread
        self.input_norm = nn.BatchNorm1d(features)
        self.embed = nn.Sequential(*_embedding((features, *embed)))
        self.pair_norm = nn.BatchNorm1d(momenta)
        self.pair_embed = PairEmbedding((momenta, *pair_embed, heads))
        self.blocks = nn.ModuleList(ParticleBlock(width, heads, dropout) for _ in range(blocks))
        self.token = nn.Parameter(torch.empty(width))
        self.class_blocks = nn.ModuleList(ClassBlock(width, heads) for _ in range(class_blocks))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, features: Tensor, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        Args:
            features: (points, feature), packed.
            momenta: (points, 4) as (E, px, py, pz) in GeV, packed.
            lengths: (batch,), points of each jet.
        """
        points = self.embed(normalise(features, self.input_norm))
        if torch.compiler.is_exporting():
            fields = [self._one_field(momenta, lengths)]
        else:
            found = list(buckets(lengths, self.spread, shortest=8))
            members = [bucket.points[bucket.real] for bucket in found]
            order = torch.cat([*members, lengths.new_zeros(0)])
            points, fields = points[order], self._fields(momenta, found)
        for block in self.blocks if points.shape[0] else ():
            points = block(points, fields)
        if not torch.compiler.is_exporting():
            points = torch.zeros_like(points).index_copy(0, order, points)
        token = self.token.expand(lengths.shape[0], -1)
        for block in self.class_blocks:
            token = block(token, points, lengths)
        jets: Tensor = self.head(token)
        return jets

    def _fields(self, momenta: Tensor, found: list[Bucket]) -> list[Field]:
        if not found:
            return []
        pairs, particles = [pairs_of(bucket) for bucket in found], polar(momenta)
        first = torch.cat([part.first for part in pairs])
        second = torch.cat([part.second for part in pairs])
        bias = self._embed_pairs(pair_features(particles[first], particles[second]))
        parts = torch.split(bias, [len(part.first) for part in pairs])
        return [_field(*item) for item in zip(found, pairs, parts, strict=True)]

    def _embed_pairs(self, seen: Tensor) -> Tensor:
        embedded: Tensor = self.pair_embed(normalise(seen, self.pair_norm))
        return embedded

    def _one_field(self, momenta: Tensor, lengths: Tensor) -> Field:
        """Return all points of the batch as one field, in which jets do not see one another.

        No shape depends on the lengths, as exporting to ONNX wants it.
        """
        count, particles = momenta.shape[0], polar(momenta)
        seen = pair_features(particles[:, None, :], particles[None, :, :])
        bias = self._embed_pairs(seen.reshape(count * count, -1)).view(count, count, -1)
        jet = segment_ids(lengths, count)
        bias = bias.masked_fill((jet[:, None] != jet)[..., None], -torch.inf)
        return Field(torch.arange(count, device=jet.device), bias.permute(2, 0, 1)[None])


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


def _embedding(widths: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width, wider in pairwise(widths):
        layers += [nn.LayerNorm(width), nn.Linear(width, wider), nn.GELU()]
    return layers


def _field(bucket: Bucket, pairs: Pairs, bias: Tensor) -> Field:
    """Return a bucket as a field, the biases (pairs, heads) put where their pairs are."""
    jets, slots = bucket.real.shape
    mirrored = (pairs.mirror != pairs.place).nonzero()[:, 0]
    place = torch.cat([pairs.place, pairs.mirror[mirrored]])
    both = torch.cat([bias, bias[mirrored]])
    table: Tensor = Spread.apply(both, place, jets * slots * slots)  # type: ignore[no-untyped-call]
    table = table.view(jets, slots, slots, -1).permute(0, 3, 1, 2)
    table = table.masked_fill(~bucket.real[:, None, None, :], -torch.inf)
    return Field(bucket.real.view(-1).nonzero()[:, 0], table)
