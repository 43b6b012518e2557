"""LorentzNet, PELICAN and L-GATr beside peers of the same sizes, in one run on one thread.

The peers are the packages `pelican-lite` 1.1.4 and `lgatr` 2.0.0, and for LorentzNet, of which
there is no package, the equations of its paper in padded tensors, written in `_lorentz_peers.py`.
Jets have 20–80 particles; peers that need padding get it to the longest jet of the batch. Rates
and ratios are as in `particle_net.py`.

    python benchmarks/lorentz_networks.py [--network pelican] [--jets 32] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from _lorentz_peers import PEERS, Pair
from particle_net import arguments, compare, trainer
from torch import Tensor

SHORTEST, LONGEST = 20, 80


def jets(number: int, low: int, high: int) -> tuple[Tensor, Tensor]:
    """Return momenta (points, 4) in GeV of random jets, and lengths (jets,)."""
    lengths = torch.randint(low, high + 1, (number,))
    points = int(lengths.sum())
    pt, mass = torch.empty(points).exponential_(0.1) + 0.5, 0.14
    eta, phi = torch.randn(2, points) * 0.3
    three = torch.stack([pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()], 1)
    energy = (three.square().sum(1) + mass**2).sqrt()
    return torch.cat([energy[:, None], three], 1), lengths


def outputs_differ(pair: Pair, kind: torch.dtype) -> None:
    """Print the largest difference of outputs with the peer's weights, on jets of all lengths."""
    momenta, lengths = jets(32, *pair.compared)
    ours, theirs = pair.ours.eval().to(kind), pair.same_function().eval().to(kind)
    momenta = momenta.to(kind)
    with torch.no_grad():
        pair.share_weights(theirs)
        here, there = ours(momenta, lengths), theirs(*pair.inputs(momenta, lengths))
    apart, size = (here - there).abs().max(), there.abs().max()
    name = str(kind).removeprefix("torch.")
    print(f"largest difference, {name}: {apart:.1e}, outputs up to {size:.1e}")


def gradients_differ(pair: Pair) -> None:
    """Print the largest difference of a step's gradients and of the running moments after it."""
    momenta, lengths = jets(16, 1, LONGEST)
    ours, theirs = pair.ours.double(), pair.same_function().double()
    pair.share_weights(theirs)
    momenta, found = momenta.double(), []
    for network, given in ((ours, (momenta, lengths)), (theirs, pair.inputs(momenta, lengths))):
        torch.manual_seed(2)  # the same dropout
        network.train().zero_grad()
        network(*given).square().sum().backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        found.append({**gradients, **dict(network.named_buffers())})
    here, there = found
    apart = max(float((here[k] - there[k]).abs().max()) for k in there)
    size = max(float(one.abs().max()) for one in there.values())
    print(f"largest difference of gradients and moments, float64: {apart:.1e}, up to {size:.1e}")


def measure(pair: Pair, args: argparse.Namespace) -> None:
    """Print rates in training and inference, their ratios and the difference of outputs."""
    momenta, lengths = jets(args.jets, SHORTEST, LONGEST)
    given, padded = (momenta, lengths), pair.inputs(momenta, lengths)
    target = torch.randint(2, (args.jets,))
    ours, theirs = pair.ours.train(), pair.theirs.train()
    sizes = [sum(p.numel() for p in network.parameters()) for network in (ours, theirs)]
    print(f"parameters: bunchtrain {sizes[0]:,}, peer {sizes[1]:,}")
    compare(
        "training", trainer(ours, given, target), trainer(theirs, padded, target), args, pair.name
    )
    ours.eval(), theirs.eval()
    with torch.no_grad():
        compare("inference", lambda: ours(*given), lambda: theirs(*padded), args, pair.name)
    for kind in (torch.float64, torch.float32):
        outputs_differ(pair, kind)
    if pair.same_parameters:
        gradients_differ(pair)


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(jets=32)
    parser.add_argument("--network", choices=PEERS, help="only this one")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in [args.network] if args.network else PEERS:
        print(name)
        torch.manual_seed(1)
        measure(PEERS[name](), args)


if __name__ == "__main__":
    main()
