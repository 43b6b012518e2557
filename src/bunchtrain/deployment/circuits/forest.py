"""Decision trees as a circuit: all cuts at once, then each tree as a choice, then a sum.

Features become fixed-point numbers, so that x ≤ cut is a comparison of whole numbers, and so do
the values of the leaves. A cut that several trees make is compared once. Each tree chooses its
value by the bits of its cuts alone; the values are added up as a balanced tree, so that the depth
is that of one tree and the logarithm of their number (arXiv:2002.02534).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.exact import ExactFunction, Inputs, Sample
from bunchtrain.deployment.circuits.traced import Formats, TracedCircuit, trace
from bunchtrain.networks.layers.decision_trees import DecisionTrees

#: Bits of a number that one look-up table of an FPGA takes.
TABLE_INPUTS = 6


class Forest(ExactFunction):
    """Decision trees on features in fixed point, with leaves of so many fractional bits.

    trees          the trees.
    formats        (k, i, f) of the features, each (features,).
    leaf_fraction  fractional bits of the values of the leaves.
    names          what each feature is.
    """

    def __init__(
        self, trees: DecisionTrees, formats: Formats, leaf_fraction: int, names: Sequence[str]
    ) -> None:
        self.formats, self.names, self.leaf_fraction = formats, list(names), leaf_fraction
        self.real = trees
        step = 2.0**-leaf_fraction
        self.rounded = _with_values(trees, lambda values: torch.round(values / step) * step)

    def circuit(self, outputs: list[str]) -> TracedCircuit:
        """Return the circuit of the rounded trees."""
        return trace(self._forest, {"table": self.formats}, self.names, outputs)

    def sample(self, inputs: Inputs) -> Sample:
        """Return what rounded trees make of rounded features, and real trees of real ones."""
        k, i, f = (torch.from_numpy(bits).double() for bits in self.formats)
        step, table = torch.exp2(-f), inputs["table"].double()
        rounded = torch.floor(table / step + 0.5) * step
        low, high = -k * torch.exp2(i), torch.exp2(i) - step
        outside = (rounded < low) | (rounded > high)
        taken = torch.minimum(torch.maximum(rounded, low), high)
        return Sample(
            taken.numpy(),
            self.rounded(taken).double().numpy(),
            self.real(inputs["table"]).double().numpy(),
            {"input": int(outside.sum())},
        )

    def _forest(self, inputs: dict[str, Any], _: Any) -> Any:
        table = np.asarray(inputs["table"])
        below: dict[tuple[int, float], Any] = {}

        def left(feature: int, cut: float) -> Any:
            step = 2.0 ** -int(self.formats[2][feature])
            key = feature, float(np.floor(cut / step) * step)
            if key not in below:
                below[key] = at_most(table[feature], key[1])
            return below[key]

        arrays = {name: array.numpy() for name, array in self.rounded.arrays().items()}
        columns = [
            total([choice(arrays, int(root), output, left) for root in arrays["roots"]])
            + float(arrays["base"][output])
            for output in range(len(arrays["base"]))
        ]
        return np.array(columns, dtype=object)


def choice(arrays: dict[str, NDArray[Any]], node: int, output: int, left: Any) -> Any:
    """Return the value that the tree from this node on gives."""
    right_child, left_child = arrays["branches"][2 * node : 2 * node + 2]
    if left_child == node:
        return float(arrays["value"][node, output])
    bit = left(int(arrays["feature"][node]), float(arrays["threshold"][node]))
    if isinstance(bit, bool):
        return choice(arrays, int(left_child if bit else right_child), output, left)
    one, other = (choice(arrays, int(c), output, left) for c in (left_child, right_child))
    return one if one is other or _same(one, other) else bit.msb_mux(one, other)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, float) and isinstance(other, float) and one == other


def at_most(number: Any, cut: float) -> Any:
    """Return the bit of number ≤ cut, or True or False where it is always so or never.

    The number is cut into pieces that a look-up table takes: with the high piece h and the low
    one l, x ≤ c is h < c_h or (h = c_h and l ≤ c_l).
    """
    if number.high <= cut:
        return True
    if number.low > cut:
        return False
    count = round((number.high - number.low) / number.step) + 1
    steps = number.low + number.step * np.arange(count)
    if count <= 2**TABLE_INPUTS:
        return number.lookup((steps <= cut).astype(float))
    low_bits = sum(map(int, number.kif)) - TABLE_INPUTS
    high = number.bits[:TABLE_INPUTS]  # the first bits are the highest
    pieces = high.low + high.step * np.arange(round((high.high - high.low) / high.step) + 1)
    cut_high = np.floor(cut / high.step) * high.step
    less = high.lookup((pieces < cut_high).astype(float)) if cut_high > high.low else 0.0
    same = high.lookup((pieces == cut_high).astype(float))
    rest = at_most(number.bits[-low_bits:], cut - cut_high)
    if rest is True:
        return same if isinstance(less, float) else less | same
    both = same & rest
    return both if isinstance(less, float) else less | both


def total(values: Sequence[Any]) -> Any:
    """Return the sum as a balanced tree of additions."""
    if not values:
        return 0.0
    while len(values) > 1:
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + ([values[-1]] if len(values) % 2 else [])
    return values[0]


def formats_of(trees: DecisionTrees, features: int, bits: int) -> Formats:
    """Return formats of so many bits whose range holds all cuts of each feature.

    A value beyond the cuts is clipped, which no cut can see. A feature without cuts has no bit.
    """
    arrays = {name: array.numpy() for name, array in trees.arrays().items()}
    nodes = np.flatnonzero(arrays["branches"][1::2] != np.arange(len(arrays["feature"])))
    k, i, f = (np.zeros(features, np.int64) for _ in range(3))
    for feature in np.unique(arrays["feature"][nodes]):
        cuts = arrays["threshold"][nodes][arrays["feature"][nodes] == feature].astype(float)
        k[feature] = cuts.min() < 0
        i[feature] = np.floor(np.log2(max(np.abs(cuts).max(), 2.0**-bits))) + 1
        f[feature] = bits - k[feature] - i[feature]
    return k, i, f


def _with_values(trees: DecisionTrees, change: Any) -> DecisionTrees:
    """Return the same trees with other numbers in their leaves, in double precision."""
    made = DecisionTrees(len(trees.base))
    arrays = trees.arrays()
    made.hold({**arrays, **{name: change(arrays[name].double()) for name in ("value", "base")}})
    return made
