"""Energy Flow Polynomials of each jet, which a linear model can combine to any safe observable."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bunchtrain.parts.ranges import Events, Positive
from bunchtrain.physics.energy_flow_polynomials import (
    MeasureName,
    composites,
    energy_flow_polynomials,
    graph_name,
    prime_graphs,
    with_composites,
)
from bunchtrain.physics.packed import MEMORY, Floats, Ints
from bunchtrain.representations._jet_table import JetTable
from bunchtrain.representations._packed import Normalise


class EnergyFlowPolynomials(JetTable):
    """Energy Flow Polynomials of each jet: a linear basis of IRC-safe observables.

    Of a multigraph G of N vertices, every vertex being summed over all points, one number a jet:

        EFP_G = Σ_{i₁ … i_N} z_{i₁} … z_{i_N} Π_{(k, l) ∈ G} θ_{i_k i_l}^β,   z_i = pT_i / Σ_j pT_j.

    degree      the largest number of edges, 1 to 7.
    beta        the power of the angles.
    measure     hadronic (fractions of pT, ΔR) or e+e- (fractions of E, four-products).
    products    whether those of unconnected graphs are given too: 999 of degree 7 instead of 489.
    fractions   whether energies are fractions of that of the jet, or in GeV.
    where       condition that a point must fulfil, e.g. `pt > 0.1`.
    memory      bound in bytes on the memory of the computation.

    A column is named by the edges of its graph, e.g. `01_12`, with `*` between unconnected parts.

    arXiv:1712.07124
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        degree: Annotated[int, Field(ge=1, le=7)] = 7,
        beta: Positive = 0.5,
        measure: MeasureName = "hadronic",
        products: bool = True,
        fractions: bool = True,
        where: str | None = None,
        memory: Events = MEMORY,
        normalise: Normalise = "standard",
    ) -> None:
        super().__init__(group, where, memory, normalise)
        self.degree, self.beta, self.measure = degree, beta, measure
        self.products, self.fractions = products, fractions
        primes = [graph_name(graph) for graph in prime_graphs(degree)]
        unions = composites(degree) if products else ()
        self._names = primes + ["*".join(primes[part] for part in parts) for parts in unions]

    @property
    def observables(self) -> list[str]:
        """Return the graphs."""
        return self._names

    def compute(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return the polynomials of each jet."""
        values = energy_flow_polynomials(
            momenta, lengths, self.degree, self.beta, self.measure, self.fractions, self.memory
        )
        return with_composites(values, self.degree) if self.products else values
