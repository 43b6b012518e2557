"""Energy Flow Polynomials by eliminating the vertices of their graphs, one by one.

Σ_{i…n} z_i … z_n Π θ is a product of sums if the vertices of the graph are summed over one after
the other (arXiv:1712.07124, variable elimination). A vertex with one neighbour leaves a vector for
that, a vertex with two a matrix between both.
"""

from __future__ import annotations

from bunchtrain.physics.contraction_plan import Matrix, Plan
from bunchtrain.physics.multigraphs import Graph


def plan_of(graphs: tuple[Graph, ...]) -> Plan:
    """Return the steps that lead to the polynomials of connected graphs of up to seven edges."""
    plan = Plan()
    plan.results = [_Elimination(plan, graph).total() for graph in graphs]
    return plan


class _Elimination:
    """What is left of a graph: the matrices between its vertices and the vectors on them."""

    def __init__(self, plan: Plan, graph: Graph) -> None:
        self.plan = plan
        self.vectors: list[list[int]] = [[] for _ in graph]
        self.matrices: list[dict[int, Matrix]] = [
            {v: plan.product(*[plan.angles()] * edges) for v, edges in enumerate(row) if edges}
            for row in graph
        ]

    def total(self) -> int:
        """Eliminate every vertex; first those of few neighbours, then those of few edges."""
        left = set(range(len(self.vectors)))
        while len(left) > 1:
            vertex = min(left, key=self._cost)
            if len(self.matrices[vertex]) > 2:
                left -= self._eliminate_two(left)
            else:
                self._eliminate(vertex)
                left.remove(vertex)
        return self.plan.total(self.plan.weights(self.vectors[left.pop()]))

    def _cost(self, vertex: int) -> tuple[int, int, int]:
        around = [matrix.step for matrix in self.matrices[vertex].values()]
        swallowed = sum(self.plan.edges[step] for step in around + self.vectors[vertex])
        return len(around), swallowed, vertex

    def _eliminate(self, vertex: int) -> None:
        weights = self.plan.weights(self.vectors[vertex])
        inward = {v: self._disconnect(v, vertex) for v in list(self.matrices[vertex])}
        if len(inward) == 1:
            ((other, matrix),) = inward.items()
            self.vectors[other].append(self.plan.apply(matrix, weights))
        else:
            (one, first), (other, second) = inward.items()
            self._connect(one, other, self.plan.series(first, self.plan.flip(second), weights))

    def _disconnect(self, one: int, other: int) -> Matrix:
        del self.matrices[other][one]
        return self.matrices[one].pop(other)

    def _connect(self, one: int, other: int, matrix: Matrix) -> None:
        if other in self.matrices[one]:
            matrix = self.plan.product(self.matrices[one][other], matrix)
        self.matrices[one][other] = matrix
        self.matrices[other][one] = self.plan.flip(matrix)

    def _eliminate_two(self, left: set[int]) -> set[int]:
        """Eliminate two of four vertices that are all joined.

        To seven edges nothing else is left where every vertex has three neighbours, and all but
        one of the edges and vertices are plain: what is not plain stays.
        """
        plain = {self.plan.angles()}
        special = {v for v in left if self.vectors[v] or {*self.matrices[v].values()} != plain}
        one, other = sorted(left, key=lambda v: (v not in special, v))[:2]
        gone = left - {one, other}
        for vertex in gone:
            for kept in (one, other):
                self._disconnect(kept, vertex)
        self._connect(one, other, self.plan.diamond())
        return gone
