"""Distance correlation with its gradient: bunchtrain against the textbook's n × n matrices.

    python benchmarks/distance_correlation.py [--events 8192] [--values-only | --growth]

The textbook builds both double-centred matrices in double precision and lets torch differentiate,
which takes about 10 n² numbers of memory. With --values-only it works in single precision, in
place and without a gradient, 2 n² numbers, while bunchtrain still does all in double: a ratio that
favours the textbook. Both run on one thread, on the same events, in turns; the best of each counts.
--growth shows how time and memory of bunchtrain grow with the events, without the textbook.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bunchtrain.penalties._distance_correlation import distance_correlation


def textbook(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared distance correlation by its definition."""

    def centred(v: Tensor) -> Tensor:
        d = (v[:, None] - v[None, :]).abs()
        return d - d.mean(0) - d.mean(1)[:, None] + d.mean()

    a, b = centred(x), centred(y)
    return (a * b).mean() / ((a * a).mean() * (b * b).mean()).sqrt()


def textbook_in_place(x: Tensor, y: Tensor) -> Tensor:
    """Return the same with no more than the two matrices in memory, not differentiable."""

    def centred(v: Tensor) -> Tensor:
        d = (v[:, None] - v[None, :]).abs_()
        rows = d.mean(0)
        return d.sub_(rows).sub_(rows[:, None]).add_(rows.mean())

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([u.dot(v) for u, v in zip(a, b, strict=True)]).double().sum()

    a, b = centred(x), centred(y)
    return dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def example(events: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, events, generator=random, dtype=torch.float64)
    return x.requires_grad_(), y + x.detach() ** 2


def ours(x: Tensor, y: Tensor) -> Tensor:
    value = distance_correlation(x, y, torch.ones_like(y))
    value.backward()
    return value


def growth(events: int) -> None:
    """Show time and memory beyond that of the process, for ever more events."""

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    ours(*example(1000))
    for factor in (10, 20, 40, 80, 160):
        x, y = example(factor * events)
        before = peak()
        time_taken = seconds(lambda x=x, y=y: ours(x, y))  # type: ignore[misc]
        print(f"n = {len(x):9,}: {time_taken:.2f} s, {peak() - before:.0f} MB more than before")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--values-only", action="store_true")
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.growth:
        growth(options.events)
        return
    x, y = example(options.events)

    def rival() -> Tensor:
        if options.values_only:
            return textbook_in_place(x.detach().float(), y.float())
        value = textbook(x, y)
        value.backward()
        return value

    found = ours(x, y).item(), rival().item()
    turns = [(seconds(lambda: ours(x, y)), seconds(rival)) for _ in range(options.repeats)]
    mine, theirs = (min(column) for column in zip(*turns, strict=True))
    print(
        f"n = {options.events}: bunchtrain {1e3 * mine:.1f} ms, textbook {1e3 * theirs:.1f} ms, "
        f"ratio {mine / theirs:.4f}; difference of the values {abs(found[0] - found[1]):.1e}"
    )


if __name__ == "__main__":
    main()
