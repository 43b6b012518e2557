"""ParticleNet and its light version beside weaver-core's, in one run: jets per second, one thread.

Jets have 20–80 particles, which weaver-core gets in 128 slots; widths are the papers'. Rates are
from the processor time of this process, so that neighbours on a busy machine do not enter, and
repeats alternate between the two; a ratio is the median of the ratios of neighbouring repeats.
Needs `pip install --no-deps weaver-core==0.5.3` (for this benchmark only).

    python benchmarks/particle_net.py [--network particle_net_light] [--jets 64] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from bunchtrain.networks.particle_net import ParticleNet
from bunchtrain.networks.particle_net_light import ParticleNetLight

SLOTS, FEATURES = 128, 7
WARM_UP = 6  # weaver-core cuts its slots to the longest jets only after five calls
NETWORKS = {"particle_net": ParticleNet, "particle_net_light": ParticleNetLight}


def peer(ours: ParticleNet, trim: bool = True) -> nn.Module:
    """Return weaver-core's network of the same sizes, by default with its trimming.

    After five calls it cuts the slots of a batch: in inference to the longest jet, in training to
    a random quantile of the lengths, so that some particles are dropped. `trim=False` keeps them
    all, in all slots, as it does with trimming in its first five calls.
    """
    try:
        from weaver.nn.model.ParticleNet import ParticleNet as Peer
    except ImportError:
        raise SystemExit(
            "weaver-core is not installed; run: pip install --no-deps weaver-core==0.5.3"
        ) from None
    layers = [(ours.k, [len(w) for w in block.weights]) for block in ours.convolutions]
    return Peer(FEATURES, 2, layers, [(len(ours.head[0].weight), 0.1)], use_fusion=False, trim=trim)


def share_weights(ours: ParticleNet, theirs: nn.Module) -> None:
    """Copy parameters and running moments from weaver-core's network to ours."""

    def norm(to: nn.Module, of: nn.Module) -> None:
        to.load_state_dict(of.state_dict())

    norm(ours.input_norm, theirs.bn_fts)
    with torch.no_grad():
        for block, other in zip(ours.convolutions, theirs.edge_convs, strict=True):
            for weight, convolution in zip(block.weights, other.convs, strict=True):
                weight.copy_(convolution.weight[:, :, 0, 0])
            for here, there in zip(block.norms, other.bns, strict=True):
                norm(here, there)
            block.shortcut.weight.copy_(other.sc.weight[:, :, 0])
            norm(block.shortcut_norm, other.sc_bn)
    ours.head[0].load_state_dict(theirs.fc[0][0].state_dict())
    ours.head[3].load_state_dict(theirs.fc[1].state_dict())


def jets(number: int, low: int, high: int, slots: int) -> tuple[tuple[Tensor, ...], ...]:
    """Return the same random jets packed, for ours, and padded, for weaver-core's."""
    lengths = torch.randint(low, high + 1, (number,))
    mask = torch.arange(slots) < lengths[:, None]
    features, points = torch.randn(number, slots, FEATURES), torch.randn(number, slots, 2)
    packed = (features[mask], points[mask], lengths)
    real = mask[:, None].float()
    return packed, (points.mT * real, features.mT * real, mask[:, None])


def seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    args: argparse.Namespace,
    peer: str = "weaver-core",
) -> None:
    """Print the rates of both, taken in turns, and their ratio."""
    for _ in range(WARM_UP):
        ours()
        theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(args.repeats)]
    here, there = (args.jets / median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"{name:24} bunchtrain {here:7.1f} jets/s   {peer} {there:6.1f} jets/s   "
        f"ratio {median(ratios):5.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    )


def trainer(network: nn.Module, inputs: tuple[Tensor, ...], target: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(*inputs), target).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--network", choices=NETWORKS, help="only this one")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in [args.network] if args.network else NETWORKS:
        print(name)
        measure(NETWORKS[name](FEATURES, 2, 2), args)


def arguments(documentation: str) -> argparse.ArgumentParser:
    """Return a parser of the arguments that benchmarks of networks have."""
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument("--jets", type=int, default=64, help="jets of a batch")
    parser.add_argument("--repeats", type=int, default=5)
    return parser


def measure(ours: ParticleNet, args: argparse.Namespace) -> None:
    """Print rates, their ratios and the largest difference of outputs."""
    torch.manual_seed(1)
    theirs, untrimmed = peer(ours), peer(ours, trim=False)
    packed, padded = jets(args.jets, 20, 80, SLOTS)
    target = torch.randint(2, (args.jets,))
    step = trainer(ours, packed, target)
    compare("training", step, trainer(theirs, padded, target), args)
    compare("training, untrimmed peer", step, trainer(untrimmed, padded, target), args)
    share_weights(ours, theirs)
    ours.eval(), theirs.eval()
    with torch.no_grad():
        compare("inference", lambda: ours(*packed), lambda: theirs(*padded), args)
        for kind in (torch.float64, torch.float32):
            agree(ours.to(kind), theirs.to(kind), kind)


def agree(ours: nn.Module, theirs: nn.Module, kind: torch.dtype) -> None:
    """Print the largest difference on jets without padding.

    In single precision two neighbours at nearly the same distance may swap between any two
    implementations, so that the comparison in double precision is the one of the networks.
    """
    packed, padded = jets(64, 50, 50, 50)
    here = ours(*(t.to(kind) if t.is_floating_point() else t for t in packed))
    there = theirs(*(t.to(kind) if t.is_floating_point() else t for t in padded))
    apart = (here - there).abs().amax(1)
    name = str(kind).removeprefix("torch.")
    scale = there.abs().max()
    print(f"largest difference, {name}: {apart.max():.1e}, outputs up to {scale:.1e}")


if __name__ == "__main__":
    main()
