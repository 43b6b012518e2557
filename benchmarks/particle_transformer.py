"""Particle Transformer beside weaver-core's, in one run: jets per second, one thread.

Jets, threads, trimming and repeats are those of `particle_net.py`; widths are the paper's.
Weights are not shared: outputs are not compared.

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
        ours.eval(), theirs.eval(), untrimmed.eval()
        with torch.no_grad():
            run = partial(ours, *packed)
            compare("inference", run, partial(theirs, *padded), args)
            compare("inference, untrimmed peer", run, partial(untrimmed, *padded), args)


if __name__ == "__main__":
    main()
