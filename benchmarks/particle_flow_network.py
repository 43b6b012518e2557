"""PFN beside the one that weaver-core trains, in one run: jets per second of both, one thread.

Jets, threads and repeats are those of `particle_net.py`; widths are the paper's. weaver-core has no
PFN in its package: its authors' is networks/example_PFN.py of jet-universe/particle_transformer on
GitHub, a file to be put where Python looks for modules. It computes all 128 slots.

    python benchmarks/particle_flow_network.py [--jets 64] [--repeats 5]
"""

from __future__ import annotations

import torch
from particle_net import FEATURES, SLOTS, arguments, compare, jets, trainer
from torch import nn

from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork

PHI, F = (100, 100, 256), (100, 100, 100)


def peer() -> nn.Module:
    """Return the peer with the paper's widths and, as ours, without batch normalisation."""
    try:
        from example_PFN import ParticleFlowNetwork as Peer
    except ImportError:
        raise SystemExit(
            "example_PFN.py is not on PYTHONPATH; it is in networks/ of "
            "https://github.com/jet-universe/particle_transformer"
        ) from None
    return Peer(FEATURES, 2, PHI, F, use_bn=False)


def share_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Copy the parameters of the peer, which come in the same order, to ours."""
    with torch.no_grad():
        for here, there in zip(ours.parameters(), theirs.parameters(), strict=True):
            here.copy_(there.reshape(here.shape))


def main() -> None:
    args = arguments(__doc__).parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    theirs, ours = peer(), ParticleFlowNetwork(FEATURES, 2, phi=PHI, f=F)
    (features, _, lengths), (points, slots, mask) = jets(args.jets, 20, 80, SLOTS)
    packed, padded = (features, lengths), (points, slots, None, mask)
    target = torch.randint(2, (args.jets,))
    compare("training", trainer(ours, packed, target), trainer(theirs, padded, target), args)
    share_weights(ours, theirs)
    with torch.no_grad():
        compare("inference", lambda: ours(*packed), lambda: theirs(*padded), args)
        apart = (ours(*packed) - theirs(*padded)).abs().max()
    print(f"largest difference: {apart:.1e}")


if __name__ == "__main__":
    main()
