"""The steps of a plan on arrays: many polynomials of jets that have equally many particles."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from bunchtrain.physics.contraction_plan import Kind, Matrix, Plan
from bunchtrain.physics.packed import Floats

MATRICES = {"angles", "product", "series", "diamond"}
#: Matrices that a step takes beside its result and what is kept.
SCRATCH = 4


class Contraction:
    """Evaluates a plan; what no later step reads is given back at once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        last = {read: number for number, step in enumerate(plan.steps) for read in step.reads()}
        self.done: dict[int, list[int]] = defaultdict(list)
        for read, number in last.items():
            self.done[number].append(read)

    def bytes_each(self, size: int) -> float:
        """Return the memory that it takes for a jet of so many points."""
        return 8 * ((self._most(matrices=True) + SCRATCH) * size**2 + self._most(False) * size)

    def _most(self, matrices: bool) -> int:
        """Return how many matrices, or vectors and numbers, are kept at once at most."""
        counted = [(step.kind in MATRICES) == matrices for step in self.plan.steps]
        kept = most = 0
        for number, counts in enumerate(counted):
            kept += counts
            most = max(most, kept)
            kept -= sum(counted[read] for read in self.done[number])
        return most

    def __call__(self, energy: Floats, angles: Floats) -> Floats:
        """Return (jets, polynomials) from z_a (jets, n) and θ_ab (jets, n, n)."""
        values: dict[int, Floats] = {}

        def matrix(of: Matrix) -> Floats:
            return values[of.step].swapaxes(1, 2) if of.flipped else values[of.step]

        for number, (kind, matrices, vectors) in enumerate(self.plan.steps):
            read = [matrix(each) for each in matrices], [values[each] for each in vectors]
            values[number] = _perform(kind, energy, angles, *read)
            for each in self.done[number]:
                del values[each]
        return np.stack([values[number] for number in self.plan.results], axis=1)


def _perform(
    kind: Kind, energy: Floats, angles: Floats, matrices: list[Floats], vectors: list[Floats]
) -> Floats:
    """Return the result of one step, as `Step` says."""
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
    """Return Σ_uv θ_au θ_bu z_u θ_uv z_v θ_av θ_bv, b ≥ a and its mirror image."""
    found = np.empty_like(angles)
    for a in range(angles.shape[1]):
        both = angles[:, a:] * (angles[:, a] * energy)[:, None]  # (jets, b, v)
        found[:, a, a:] = found[:, a:, a] = np.einsum("jbu,jbu->jb", both @ angles, both)
    return found
