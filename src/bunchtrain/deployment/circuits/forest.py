"""Decision trees as a circuit: all cuts in parallel, then a multiplexer per tree, then a sum.

Features and leaf values are fixed-point numbers, so that x ≤ cut is a comparison of integers. Cuts
of boosted trees are data values: with t⁺ the next number above a cut t, x = t⁺ goes right. Features
are rounded to the nearest step s, half up, Q(x), and the cut to Q(t⁺) − s, so that x goes right if
Q(x) ≥ Q(t⁺): every x > t as in the trees, and every x ≤ t − s as there. Decisions on a feature
whose values are at least s apart are those of the trees.

A cut that several trees share is compared once. Each tree selects its value by the bits of its
cuts; the values are added in a balanced adder tree, so that the depth is that of one tree plus the
logarithm of their number (arXiv:2002.02534).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.exact import ExactFunction, Inputs, Sample
from bunchtrain.deployment.circuits.tracing import Formats, TracedCircuit, trace
from bunchtrain.errors import ExportError
from bunchtrain.networks.layers.trees import DecisionTrees

#: Inputs of a look-up table of an FPGA.
TABLE_INPUTS = 6


class Forest(ExactFunction):
    """Decision trees on features in fixed point.

    trees          the trees.
    formats        (k, i, f) of the features, each (features,).
    leaf_fraction  fractional bits of the values of the leaves.
    names          of the features.
    """

    def __init__(
        self, trees: DecisionTrees, formats: Formats, leaf_fraction: int, names: Sequence[str]
    ) -> None:
        self.formats, self.names, self.leaf_fraction = formats, list(names), leaf_fraction
        self.unrounded = trees
        self.rounded = _rounded_trees(trees, formats[2], leaf_fraction)

    def circuit(self, outputs: list[str]) -> TracedCircuit:
        """Return the circuit of the rounded trees."""
        return trace(self._evaluate, {"table": self.formats}, self.names, outputs)

    def sample(self, inputs: Inputs) -> Sample:
        """Return outputs of rounded trees for rounded features, and of unrounded trees.

        Raises ExportError, naming a feature, for a missing value (NaN).
        """
        k, i, f = (torch.from_numpy(bits).double() for bits in self.formats)
        step, table = torch.exp2(-f), inputs["table"].double()
        if (missing := table.isnan().sum(0)).any():
            name, events = self.names[int(missing.argmax())], int(missing.max())
            raise ExportError(
                f"feature '{name}' is missing (NaN) in {events} events, and fixed-point numbers "
                "have no missing value; train with 'invalid: drop' or 'invalid: impute'"
            )
        rounded = torch.floor(table / step + 0.5) * step
        low, high = -k * torch.exp2(i), torch.exp2(i) - step
        outside = (rounded < low) | (rounded > high)
        clipped = torch.minimum(torch.maximum(rounded, low), high)
        return Sample(
            clipped.numpy(),
            self.rounded(clipped.numpy()).astype(np.float64),
            self.unrounded(inputs["table"].numpy()).astype(np.float64),
            {"input": int(outside.sum())},
        )

    def _evaluate(self, inputs: dict[str, Any], _: Any) -> Any:
        table = np.asarray(inputs["table"])
        comparisons: dict[tuple[int, float], Any] = {}

        def compare(feature: int, cut: float) -> Any:
            if (feature, cut) not in comparisons:
                comparisons[feature, cut] = compare_at_most(table[feature], cut)
            return comparisons[feature, cut]

        arrays = self.rounded.arrays()
        columns = [
            add_balanced(
                [select_leaf(arrays, int(root), output, compare) for root in arrays["roots"]]
            )
            + float(arrays["base"][output])
            for output in range(len(arrays["base"]))
        ]
        return np.array(columns, dtype=object)


def select_leaf(arrays: dict[str, NDArray[Any]], node: int, output: int, compare: Any) -> Any:
    """Return the value of the tree below a node as multiplexers of the bits of its cuts."""
    right_child, left_child = arrays["branches"][2 * node : 2 * node + 2]
    if left_child == node:
        return float(arrays["value"][node, output])
    bit = compare(int(arrays["feature"][node]), float(arrays["threshold"][node]))
    if isinstance(bit, bool):
        return select_leaf(arrays, int(left_child if bit else right_child), output, compare)
    children = (left_child, right_child)
    left, right = (select_leaf(arrays, int(c), output, compare) for c in children)
    equal = isinstance(left, float) and isinstance(right, float) and left == right
    return left if left is right or equal else bit.msb_mux(left, right)


def compare_at_most(x: Any, cut: float) -> Any:
    """Return the bit of x ≤ cut, or True or False where it is constant.

    The bits of x are split into groups of the size of a look-up table: with the high group h and
    the low bits l, x ≤ c is h < c_h or (h = c_h and l ≤ c_l).
    """
    if x.high <= cut:
        return True
    if x.low > cut:
        return False
    size = round((x.high - x.low) / x.step) + 1
    steps = x.low + x.step * np.arange(size)
    if size <= 2**TABLE_INPUTS:
        return x.lookup((steps <= cut).astype(float))
    low_bits = sum(map(int, x.kif)) - TABLE_INPUTS
    high = x.bits[:TABLE_INPUTS]  # the first bits are the highest
    values = high.low + high.step * np.arange(round((high.high - high.low) / high.step) + 1)
    cut_high = np.floor(cut / high.step) * high.step
    less = high.lookup((values < cut_high).astype(float)) if cut_high > high.low else 0.0
    same = high.lookup((values == cut_high).astype(float))
    rest = compare_at_most(x.bits[-low_bits:], cut - cut_high)
    if rest is True:
        return same if isinstance(less, float) else less | same
    both = same & rest
    return both if isinstance(less, float) else less | both


def add_balanced(values: Sequence[Any]) -> Any:
    """Return the sum as a balanced adder tree."""
    if not values:
        return 0.0
    while len(values) > 1:
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + ([values[-1]] if len(values) % 2 else [])
    return values[0]


def feature_formats(trees: DecisionTrees, features: int, bits: int) -> Formats:
    """Return formats of `bits` bits, each with values on both sides of all cuts of the feature.

    A value beyond the cuts is clipped, which changes no comparison. A feature without cuts has no
    bits.
    """
    arrays = trees.arrays()
    nodes = np.flatnonzero(arrays["branches"][1::2] != np.arange(len(arrays["feature"])))
    k, i, f = (np.zeros(features, np.int64) for _ in range(3))
    for feature in np.unique(arrays["feature"][nodes]):
        above = _next_above(arrays["threshold"][nodes][arrays["feature"][nodes] == feature])
        k[feature], i[feature] = _signs_and_integer_bits(above, bits)
        f[feature] = bits - k[feature] - i[feature]
    return k, i, f


def _signs_and_integer_bits(above: NDArray[np.float64], bits: int) -> tuple[int, int]:
    """Return the format with the smallest step in which Q(t⁺) and Q(t⁺) − s are in the range.

    above  t⁺ of each cut.
    """
    for i in count(int(np.floor(np.log2(max(np.abs(above).max(), 2.0**-bits)))) + 1):
        for k in (0, 1):
            steps = np.floor(above * 2.0 ** (bits - k - i) + 0.5)
            if steps.max() < 2 ** (bits - k) and steps.min() > -k * 2 ** (bits - k):
                return k, i
    raise AssertionError  # with a sign and large steps all are 0


def _next_above(cuts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return t⁺, the next float32 above each cut: the smallest feature that goes right."""
    return np.nextafter(cuts, np.float32(np.inf), dtype=np.float32).astype(np.float64)


def _rounded_trees(
    trees: DecisionTrees, fraction: NDArray[np.int64], leaf_fraction: int
) -> DecisionTrees:
    """Return the trees with cuts and values of leaves in fixed point, in double precision.

    fraction  (features,) fractional bits of the features.
    """
    arrays, step = trees.arrays(), 2.0**-leaf_fraction
    steps = np.exp2(-fraction[arrays["feature"]].astype(np.float64))
    cuts = (np.floor(_next_above(arrays["threshold"]) / steps + 0.5) - 1) * steps
    rounded = {
        name: np.round(arrays[name].astype(np.float64) / step) * step for name in ("value", "base")
    }
    found = DecisionTrees(len(trees.base))
    found.set_arrays({**arrays, **rounded, "threshold": cuts})
    return found
