"""Evaluation of a contraction plan on arrays, for jets with the same number of particles."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from bunchtrain.physics.contraction_plan import Kind, Matrix, Plan
from bunchtrain.physics.packed import Floats

MATRICES = {"angles", "product", "series", "diamond"}
#: Temporary matrices of a step in addition to its result and the stored ones.
SCRATCH = 4


class Contraction:
    """Evaluates a plan and frees each result after the last step that uses it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        last_use = {used: index for index, step in enumerate(plan.steps) for used in step.inputs()}
        self.free_after: dict[int, list[int]] = defaultdict(list)
        for used, index in last_use.items():
            self.free_after[index].append(used)

    def bytes_each(self, size: int) -> float:
        """Return the memory in bytes for a jet of this many points."""
        return 8 * (
            (self._largest_count(matrices=True) + SCRATCH) * size**2
            + self._largest_count(False) * size
        )

    def _largest_count(self, matrices: bool) -> int:
        """Return the largest number of matrices, or of vectors and scalars, stored together."""
        counted = [(step.kind in MATRICES) == matrices for step in self.plan.steps]
        stored = largest = 0
        for index, counts in enumerate(counted):
            stored += counts
            largest = max(largest, stored)
            stored -= sum(counted[used] for used in self.free_after[index])
        return largest

    def __call__(self, energy: Floats, angles: Floats) -> Floats:
        """Return (jets, polynomials) from z_a (jets, n) and θ_ab (jets, n, n)."""
        values: dict[int, Floats] = {}

        def array(matrix: Matrix) -> Floats:
            value = values[matrix.step]
            return value.swapaxes(1, 2) if matrix.transposed else value

        for index, (kind, matrices, vectors) in enumerate(self.plan.steps):
            inputs = [array(each) for each in matrices], [values[each] for each in vectors]
            values[index] = _evaluate(kind, energy, angles, *inputs)
            for used in self.free_after[index]:
                del values[used]
        return np.stack([values[index] for index in self.plan.results], axis=1)


def _evaluate(
    kind: Kind, energy: Floats, angles: Floats, matrices: list[Floats], vectors: list[Floats]
) -> Floats:
    """Return the result of one step; `Step` has the formulas."""
    match kind:
        case "angles":
            return angles
        case "diamond":
            return _diamond(energy, angles)
        case "product":
            return matrices[0] * matrices[1]
        case "series":
            return np.asarray((matrices[0] * vectors[0][:, None]) @ matrices[1])
        case "apply":
            return np.asarray((matrices[0] @ vectors[0][:, :, None])[:, :, 0])
        case "weights":
            return np.asarray(np.prod([energy, *vectors], axis=0))
        case "total":
            return np.asarray(vectors[0].sum(1))


def _diamond(energy: Floats, angles: Floats) -> Floats:
    """Return Σ_uv θ_au θ_bu z_u θ_uv z_v θ_av θ_bv, computed for b ≥ a and mirrored."""
    found = np.empty_like(angles)
    for a in range(angles.shape[1]):
        both = angles[:, a:] * (angles[:, a] * energy)[:, None]  # (jets, b, v)
        found[:, a, a:] = found[:, a:, a] = np.einsum("jbu,jbu->jb", both @ angles, both)
    return found
