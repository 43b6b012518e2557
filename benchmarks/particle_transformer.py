"""Particle Transformer beside weaver-core's, in one run: jets per second, one thread.

Jets, threads, trimming and repeats are those of `particle_net.py`; widths are the paper's.

    python benchmarks/particle_transformer.py [--jets 64] [--repeats 5] [--bfloat16]
"""

from __future__ import annotations

import logging
from functools import partial

import torch
from particle_net import FEATURES, SLOTS, arguments, compare, jets, trainer
from torch import Tensor, nn

from bunchtrain.networks.particle_transformer import ParticleTransformer


def peer(trim: bool = True) -> nn.Module:
    """Return weaver-core's network of the published sizes, by default with its trimming."""
    try:
        from weaver.nn.model.ParticleTransformer import ParticleTransformer as Peer
    except ImportError:
        raise SystemExit(
            "weaver-core is not installed; run: pip install --no-deps weaver-core==0.5.3"
        ) from None
    logging.getLogger("weaver").setLevel(logging.WARNING)
    return Peer(FEATURES, 2, trim=trim)


def four_momenta(points: int) -> Tensor:
    """Return random momenta (points, 4) as (E, px, py, pz): particles of jets along x."""
    momentum = torch.randn(points, 3) + torch.tensor([30.0, 0.0, 5.0])
    momentum = momentum * torch.rand(points, 1)
    return torch.cat([(momentum.square().sum(1, keepdim=True) + 0.02).sqrt(), momentum], 1)


def with_momenta(
    packed: tuple[Tensor, ...], padded: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the inputs of ours (E, px, py, pz) and of the peer (px, py, pz, E) with momenta."""
    (features, _, lengths), (_, slots, mask) = packed, padded
    momenta = four_momenta(len(features))
    table = torch.zeros(len(lengths), mask.shape[2], 4)
    table[mask[:, 0]] = momenta.roll(-1, 1)
    return (features, momenta, lengths), (slots, table.mT.contiguous(), mask)


@torch.no_grad()
def share_weights(ours: ParticleTransformer, theirs: nn.Module) -> None:
    """Copy parameters and running moments from weaver-core's network to ours."""

    def copy(here: nn.Module, there: nn.Module) -> None:
        here.load_state_dict(there.state_dict())

    copy(ours.input_norm, theirs.embed.input_bn)
    copy(ours.embed, theirs.embed.embed)
    first, *layers = theirs.pair_embed.embed
    copy(ours.pair_norm, first)
    for depth, (weight, norm) in enumerate(
        zip(ours.pair_embed.weights, ours.pair_embed.norms, strict=True)
    ):
        convolution, other = layers[3 * depth], layers[3 * depth + 1]
        weight.copy_(convolution.weight[:, :, 0])
        copy(norm, other)
        norm.running_mean -= convolution.bias  # ours has no bias before the normalisation
    pairs = [*zip(ours.blocks, theirs.blocks, strict=True)]
    for here, there in [*pairs, *zip(ours.class_blocks, theirs.cls_blocks, strict=True)]:
        copy(here.before, there.pre_attn_norm), copy(here.after, there.post_attn_norm)
        copy(here.out, there.attn.out_proj)
        here.head_scale.copy_(there.c_attn[:, None])
        there.w_resid.fill_(1.0)  # ours does not scale the residual
        feed = here.forward_part
        copy(feed[0], there.pre_fc_norm), copy(feed[1], there.fc1)
        copy(feed[4], there.post_fc_norm), copy(feed[5], there.fc2)
    for here, there in pairs:
        copy(here.project, there.attn.in_proj)
    for here, there in zip(ours.class_blocks, theirs.cls_blocks, strict=True):
        weight, bias = there.attn.in_proj.weight, there.attn.in_proj.bias
        width = weight.shape[1]
        for layer, rows in ((here.query, slice(width)), (here.key_value, slice(width, None))):
            layer.weight.copy_(weight[rows]), layer.bias.copy_(bias[rows])
    ours.token.copy_(theirs.cls_token[0, 0])
    copy(ours.head[0], theirs.norm), copy(ours.head[1], theirs.fc[0])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bfloat16", action="store_true", help="ours and theirs with autocast")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    ours, theirs, untrimmed = ParticleTransformer(FEATURES, 4, 2), peer(), peer(trim=False)
    packed, padded = with_momenta(*jets(args.jets, 20, 80, SLOTS))
    target = torch.randint(2, (args.jets,))
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
        step = trainer(ours, packed, target)
        compare("training", step, trainer(theirs, padded, target), args)
        compare("training, untrimmed peer", step, trainer(untrimmed, padded, target), args)
        share_weights(ours, theirs)
        ours.eval(), theirs.eval(), untrimmed.eval()
        with torch.no_grad():
            run = partial(ours, *packed)
            compare("inference", run, partial(theirs, *padded), args)
            compare("inference, untrimmed peer", run, partial(untrimmed, *padded), args)
    agree(ours.double(), theirs.double())


@torch.no_grad()
def agree(ours: nn.Module, theirs: nn.Module) -> None:
    """Print the largest difference in double precision.

    In single precision the mass of a pair, E² − p² in the peer, cancels.
    """
    packed, padded = with_momenta(*jets(64, 20, 80, SLOTS))
    here = ours(*(t.double() if t.is_floating_point() else t for t in packed))
    there = theirs(*(t.double() if t.is_floating_point() else t for t in padded))
    apart, scale = (here - there).abs().max(), there.abs().max()
    print(f"largest difference, double precision: {apart:.1e}, outputs up to {scale:.1e}")


if __name__ == "__main__":
    main()
