"""Peak memory of a training process with one network, ours beside weaver-core's, in one run.

Each network takes three steps with jets of 20–80 particles (128 slots for the peer) in a process of
its own, whose peak resident memory is printed, libraries included. Sizes and batches are those of
`top_tagging`, the full ParticleNet at its demo size, and the Particle Transformer also at the
published widths. Neighbours on a busy machine do not enter.

    PYTHONPATH=.peers/weaver python benchmarks/training_memory.py [NETWORK...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from particle_flow_network import PHI, F
from particle_flow_network import peer as flow_peer
from particle_net import FEATURES, SLOTS, jets, trainer
from particle_net import peer as net_peer
from particle_transformer import peer as transformer_peer
from particle_transformer import with_momenta
from rich.console import Console
from rich.table import Table
from torch import nn

from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork
from bunchtrain.networks.particle_net import ParticleNet
from bunchtrain.networks.particle_net_light import ParticleNetLight
from bunchtrain.networks.particle_transformer import ParticleTransformer
from bunchtrain.training.process import peak_mb

SMALL = {"embed": (64, 128, 64), "pair_embed": (32, 32), "heads": 4, "blocks": 3, "class_blocks": 1}
PEER_OF_SMALL = {
    "embed_dims": (64, 128, 64),
    "pair_embed_dims": (32, 32),
    "num_heads": 4,
    "num_layers": 3,
    "num_cls_layers": 1,
}


def flow(theirs: bool) -> nn.Module:
    return flow_peer() if theirs else ParticleFlowNetwork(FEATURES, 2, phi=PHI, f=F)


def light(theirs: bool) -> nn.Module:
    ours = ParticleNetLight(FEATURES, 2, 2)
    return net_peer(ours) if theirs else ours


def full(theirs: bool) -> nn.Module:
    ours = ParticleNet(FEATURES, 2, 2)
    return net_peer(ours) if theirs else ours


def small_transformer(theirs: bool) -> nn.Module:
    if theirs:
        return transformer_peer(**PEER_OF_SMALL)
    return ParticleTransformer(FEATURES, 4, 2, as_weaver=True, **SMALL)


def transformer(theirs: bool) -> nn.Module:
    return transformer_peer() if theirs else ParticleTransformer(FEATURES, 4, 2, as_weaver=True)


#: Name → network, jets of a batch, largest number of particles.
NETWORKS: dict[str, tuple[Callable[[bool], nn.Module], int, int]] = {
    "particle_flow_network": (flow, 256, 80),
    "particle_net_light": (light, 256, 80),
    "particle_net": (full, 64, 50),
    "particle_transformer_small": (small_transformer, 128, 40),
    "particle_transformer": (transformer, 128, 80),
}


def train(name: str, theirs: bool) -> None:
    """Take three steps, and print the peak memory of this process in MB."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    make, batch, longest = NETWORKS[name]
    packed, padded = jets(batch, 20, longest, SLOTS)
    if "transformer" in name:
        packed, padded = with_momenta(packed, padded)
    elif name == "particle_flow_network":
        packed, padded = (packed[0], packed[2]), (padded[0], padded[1], None, padded[2])
    step = trainer(make(theirs), padded if theirs else packed, torch.randint(2, (batch,)))
    for _ in range(3):
        step()
    print(peak_mb())


def measure(name: str, *kind: str) -> float:
    command = [sys.executable, __file__, name, "--train", *kind]
    done: Any = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--train", action="store_true", help="train here, print the peak memory")
    parser.add_argument("--theirs", action="store_true", help="the network of weaver-core")
    given = parser.parse_args()
    if given.train:
        train(given.networks[0], given.theirs)
        return
    table = Table("network", "jets of a batch", "ours, MB", "weaver-core, MB", "ratio")
    for name in given.networks or NETWORKS:
        ours, theirs = measure(name), measure(name, "--theirs")
        batch = str(NETWORKS[name][1])
        table.add_row(name, batch, f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
