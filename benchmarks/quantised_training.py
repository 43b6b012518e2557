"""Time of an epoch of quantised training and of one in real numbers: the 16-64-32-32-5 network.

    python benchmarks/quantised_training.py [--events 8192] [--batch 1024] [--epochs 60]

All train in turns on the same synthetic events with one thread; the median of the processor time of
the epochs is reported. Epochs are short, so that other load of the machine affects all networks
equally.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bunchtrain.networks.dense_network import DenseNetwork
from bunchtrain.networks.quantised.quantised_dense_network import (
    DenseQuantisationOptions,
    QuantisedDenseNetwork,
)


def quantised(**options: Any) -> QuantisedDenseNetwork:
    return QuantisedDenseNetwork(16, 5, quantisation=DenseQuantisationOptions(**options))


NETWORKS: dict[str, Any] = {
    "real numbers": lambda: DenseNetwork(16, 5, widths=(64, 32, 32)),
    "fixed 6 bits": lambda: quantised(weights="fixed", granularity="layer"),
    "learned widths": lambda: quantised(weights="learned"),
    "binary": lambda: quantised(weights="binary", granularity="layer"),
    "ternary": lambda: quantised(weights="ternary", granularity="layer"),
}


def epoch(network: Any, optimiser: torch.optim.Optimizer, batches: list[tuple[Tensor, Tensor]]):
    """Return the processor time of an epoch, in seconds."""
    begin = time.process_time()
    for number, (table, target) in enumerate(batches):
        network.anneal((number + 1) / len(batches))
        loss = cross_entropy(network(table), target)
        if hasattr(network, "weight_penalty"):
            loss = loss + network.weight_penalty(len(target))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=8192)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    table, target = torch.randn(options.events, 16), torch.randint(0, 5, (options.events,))
    batches = list(zip(table.split(options.batch), target.split(options.batch), strict=True))
    made = {name: make() for name, make in NETWORKS.items()}
    steps = {name: torch.optim.Adam(one.parameters(), 1e-3) for name, one in made.items()}
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(options.epochs):
        for name, network in made.items():
            times[name].append(epoch(network, steps[name], batches))
    base = median(times["real numbers"])
    for name, found in times.items():
        step = 1e3 * median(found) / len(batches)
        print(f"{name:15s} {step:6.2f} ms a step, ratio {median(found) / base:.2f}")


if __name__ == "__main__":
    main()
