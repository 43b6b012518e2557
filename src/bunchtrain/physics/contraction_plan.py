"""Contraction plan of Energy Flow Polynomials: common steps of many polynomials, computed once.

Σ_{i…n} z_i … z_n Π θ is a product of sums if the vertices of the graph are summed over one after
the other (arXiv:1712.07124, variable elimination). Eliminating a vertex with one neighbour gives a
vector on the neighbour, a vertex with two neighbours a matrix between them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bunchtrain.physics.multigraphs import Graph

Kind = Literal["angles", "product", "series", "diamond", "weights", "apply", "total"]


class Matrix(NamedTuple):
    """A matrix between two vertices: the step that computes it, and whether it is transposed."""

    step: int
    transposed: bool = False


class Step(NamedTuple):
    """One operation on the matrices M, N and vectors f, g of earlier steps.

    angles   θ_ab
    product  M_ab N_ab
    series   Σ_v M_av f_v N_vb
    diamond  Σ_uv θ_au θ_bu z_u θ_uv z_v θ_av θ_bv
    weights  z_a f_a g_a …
    apply    Σ_v M_av f_v
    total    Σ_v f_v
    """

    kind: Kind
    matrices: tuple[Matrix, ...] = ()
    vectors: tuple[int, ...] = ()

    def inputs(self) -> set[int]:
        """Return the indices of the steps whose results are used."""
        return {matrix.step for matrix in self.matrices} | set(self.vectors)


class Plan:
    """Steps to compute the polynomials of graphs; `results` has the last step of each."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._index: dict[Step, int] = {}
        self._symmetric: set[int] = set()
        self.edges: list[int] = []  # number of edges that are contracted by a step
        self.results: list[int] = []

    def angles(self) -> Matrix:
        """Return the matrix of a single edge."""
        return Matrix(self._index_of(Step("angles"), 1, symmetric=True))

    def diamond(self) -> Matrix:
        """Return the matrix of four vertices connected by single edges, except a and b."""
        return Matrix(self._index_of(Step("diamond"), 5, symmetric=True))

    def product(self, *matrices: Matrix) -> Matrix:
        """Return the matrix of parallel connections between two vertices."""
        first, *rest = sorted(matrices)
        for second in rest:
            pair = sorted((first, second))
            first = self._canonical("product", pair, sorted(map(self.transpose, pair)))
        return first

    def series(self, one: Matrix, other: Matrix, weights: int) -> Matrix:
        """Return the matrix of two consecutive connections, summed over the vertex between them."""
        transposed = [self.transpose(other), self.transpose(one)]
        return self._canonical("series", [one, other], transposed, weights)

    def weights(self, vectors: list[int]) -> int:
        """Return the energies of a vertex times the vectors on it."""
        return self._index_of(Step("weights", vectors=tuple(sorted(vectors))))

    def apply(self, matrix: Matrix, weights: int) -> int:
        """Return the vector on the only neighbour of an eliminated vertex."""
        return self._index_of(Step("apply", (matrix,), (weights,)))

    def total(self, weights: int) -> int:
        """Return the sum over the last vertex, the polynomial."""
        return self._index_of(Step("total", vectors=(weights,)))

    def transpose(self, matrix: Matrix) -> Matrix:
        """Return the transpose."""
        return matrix if matrix.step in self._symmetric else Matrix(matrix[0], not matrix[1])

    def _canonical(
        self, kind: Kind, matrices: list[Matrix], transposed: list[Matrix], *vectors: int
    ) -> Matrix:
        """Return the result of a step, computed from the smaller of two equivalent inputs."""
        step = Step(kind, tuple(min(matrices, transposed)), vectors)
        matrix = Matrix(self._index_of(step, symmetric=matrices == transposed))
        return self.transpose(matrix) if transposed < matrices else matrix

    def _index_of(self, step: Step, edges: int = 0, symmetric: bool = False) -> int:
        """Return the index of a step, which is appended if it is new."""
        if step not in self._index:
            index = self._index[step] = len(self.steps)
            self.steps.append(step)
            inputs = [matrix.step for matrix in step.matrices] + [*step.vectors]
            self.edges.append(edges + sum(self.edges[each] for each in inputs))
            if symmetric:
                self._symmetric.add(index)
        return self._index[step]


def make_plan(graphs: tuple[Graph, ...]) -> Plan:
    """Return the plan of the polynomials of connected graphs of up to seven edges."""
    plan = Plan()
    plan.results = [_Elimination(plan, graph).total() for graph in graphs]
    return plan


class _Elimination:
    """A partially contracted graph: matrices between its vertices and vectors on them."""

    def __init__(self, plan: Plan, graph: Graph) -> None:
        self.plan = plan
        self.vectors: list[list[int]] = [[] for _ in graph]
        self.matrices: list[dict[int, Matrix]] = [
            {v: plan.product(*[plan.angles()] * edges) for v, edges in enumerate(row) if edges}
            for row in graph
        ]

    def total(self) -> int:
        """Eliminate every vertex: fewest neighbours first, then fewest edges."""
        vertices = set(range(len(self.vectors)))
        while len(vertices) > 1:
            vertex = min(vertices, key=self._cost)
            if len(self.matrices[vertex]) > 2:
                vertices -= self._eliminate_two(vertices)
            else:
                self._eliminate(vertex)
                vertices.remove(vertex)
        return self.plan.total(self.plan.weights(self.vectors[vertices.pop()]))

    def _cost(self, vertex: int) -> tuple[int, int, int]:
        steps = [matrix.step for matrix in self.matrices[vertex].values()]
        edges = sum(self.plan.edges[step] for step in steps + self.vectors[vertex])
        return len(steps), edges, vertex

    def _eliminate(self, vertex: int) -> None:
        weights = self.plan.weights(self.vectors[vertex])
        neighbours = {v: self._disconnect(v, vertex) for v in list(self.matrices[vertex])}
        if len(neighbours) == 1:
            ((other, matrix),) = neighbours.items()
            self.vectors[other].append(self.plan.apply(matrix, weights))
        else:
            (one, first), (other, second) = neighbours.items()
            self._connect(one, other, self.plan.series(first, self.plan.transpose(second), weights))

    def _disconnect(self, one: int, other: int) -> Matrix:
        del self.matrices[other][one]
        return self.matrices[one].pop(other)

    def _connect(self, one: int, other: int, matrix: Matrix) -> None:
        if other in self.matrices[one]:
            matrix = self.plan.product(self.matrices[one][other], matrix)
        self.matrices[one][other] = matrix
        self.matrices[other][one] = self.plan.transpose(matrix)

    def _eliminate_two(self, vertices: set[int]) -> set[int]:
        """Eliminate two of four vertices that are all connected; return them.

        Up to seven edges this is the only graph in which every vertex has three neighbours, and at
        most one of its edges and vertices is not plain; that one is not eliminated.
        """
        plain = {self.plan.angles()}
        special = {v for v in vertices if self.vectors[v] or {*self.matrices[v].values()} != plain}
        one, other = sorted(vertices, key=lambda v: (v not in special, v))[:2]
        eliminated = vertices - {one, other}
        for vertex in eliminated:
            self._disconnect(one, vertex)
            self._disconnect(other, vertex)
        self._connect(one, other, self.plan.diamond())
        return eliminated
