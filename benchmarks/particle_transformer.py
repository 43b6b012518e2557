"""Particle Transformer beside weaver-core's, in one run: jets per second, one thread.

Jets, threads, trimming and repeats are those of `particle_net.py`; widths are the paper's. Ours has
the blocks of weaver-core (`as_weaver`), and outputs with its weights are compared.

    python benchmarks/particle_transformer.py [--jets 64] [--repeats 5] [--bfloat16]
"""

from __future__ import annotations

import logging
from functools import partial

import torch
from particle_net import FEATURES, SLOTS, arguments, compare, jets, trainer
from torch import Tensor, nn

from bunchtrain.networks.particle_transformer import ParticleTransformer


def peer(
    trim: bool = True, features: int = FEATURES, outputs: int = 2, **options: object
) -> nn.Module:
    """Return weaver-core's network, by default of the published sizes and with its trimming."""
    try:
        from weaver.nn.model.ParticleTransformer import ParticleTransformer as Peer
    except ImportError:
        raise SystemExit(
            "weaver-core is not installed; run: pip install --no-deps weaver-core==0.5.3"
        ) from None
    logging.getLogger("weaver").setLevel(logging.WARNING)
    return Peer(features, outputs, trim=trim, **options)


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


def share_weights(ours: ParticleTransformer, theirs: nn.Module) -> None:
    """Copy parameters and running moments from weaver-core's network to ours."""
    alike = [(ours.input_norm, theirs.embed.input_bn), (ours.embed, theirs.embed.embed)]
    first, *pairs = theirs.pair_embed.embed
    alike.append((ours.pair_norm, first))
    maps = [module for module in pairs if isinstance(module, nn.Conv1d)]
    norms = [module for module in pairs if isinstance(module, nn.BatchNorm1d)]
    alike += zip(ours.pair_embed.norms, norms, strict=True)
    for here, there in zip(ours.blocks, theirs.blocks, strict=True):
        alike += [*of_block(here, there), (here.project, there.attn.in_proj)]
    for here, there in zip(ours.class_blocks, theirs.cls_blocks, strict=True):
        alike += of_block(here, there)
    alike += [(ours.head[0], theirs.norm), (ours.head[1], theirs.fc[0])]
    for here, there in alike:
        here.load_state_dict(there.state_dict())
    with torch.no_grad():
        ours.token.copy_(theirs.cls_token[0, 0])
        for weight, layer, norm in zip(
            ours.pair_embed.weights, maps, ours.pair_embed.norms, strict=True
        ):
            weight.copy_(layer.weight[:, :, 0])
            norm.running_mean -= layer.bias  # ours has none before a normalisation
        for here, there in zip(ours.class_blocks, theirs.cls_blocks, strict=True):
            projection, width = there.attn.in_proj, len(here.query.bias)
            for part, rows in ((here.query, slice(width)), (here.key_value, slice(width, None))):
                part.weight.copy_(projection.weight[rows])
                part.bias.copy_(projection.bias[rows])


@torch.no_grad()
def of_block(here: nn.Module, there: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """Copy the factors of a block, and return its modules beside those of weaver-core."""
    here.head_scale.copy_(there.c_attn[:, None])
    here.residual.copy_(there.w_resid)
    before, widen, _, _, middle, narrow, _ = here.forward_part
    return [
        (here.before, there.pre_attn_norm),
        (here.out, there.attn.out_proj),
        (here.after, there.post_attn_norm),
        (before, there.pre_fc_norm),
        (widen, there.fc1),
        (middle, there.post_fc_norm),
        (narrow, there.fc2),
    ]


def agree(
    ours: nn.Module, theirs: nn.Module, packed: tuple[Tensor, ...], padded: tuple[Tensor, ...]
) -> None:
    """Print the largest difference of outputs of jets of all lengths, in both precisions."""
    for kind in (torch.float32, torch.float64):
        here, there = (
            network.to(kind)(*(t.to(kind) if t.is_floating_point() else t for t in inputs))
            for network, inputs in ((ours, packed), (theirs, padded))
        )
        name = str(kind).removeprefix("torch.")
        apart, scale = (here - there).abs().max(), there.abs().max()
        print(f"largest difference, {name}: {apart:.1e}, outputs up to {scale:.1e}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bfloat16", action="store_true", help="ours and theirs with autocast")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    ours = ParticleTransformer(FEATURES, 4, 2, as_weaver=True)
    theirs, untrimmed = peer(), peer(trim=False)
    packed, padded = with_momenta(*jets(args.jets, 20, 80, SLOTS))
    target = torch.randint(2, (args.jets,))
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
        step = trainer(ours, packed, target)
        compare("training", step, trainer(theirs, padded, target), args)
        compare("training, untrimmed peer", step, trainer(untrimmed, padded, target), args)
        ours.eval(), theirs.eval(), untrimmed.eval()
        with torch.no_grad():
            run = partial(ours, *packed)
            compare("inference", run, partial(theirs, *padded), args)
            compare("inference, untrimmed peer", run, partial(untrimmed, *padded), args)
    share_weights(ours, theirs)
    with torch.no_grad():
        agree(ours, theirs, packed, padded)


if __name__ == "__main__":
    main()
