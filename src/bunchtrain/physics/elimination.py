"""How to compute many Energy Flow Polynomials together, by eliminating their vertices.

Σ_{i…n} z_i … z_n Π θ is a product of sums if the vertices of the graph are summed over one by one
(arXiv:1712.07124, variable elimination). A vertex with one neighbour leaves a vector for that, a
vertex with two a matrix between both. What several graphs have in common becomes one step.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bunchtrain.physics.multigraphs import Graph

Kind = Literal["angles", "product", "series", "diamond", "weights", "apply", "total"]


class Matrix(NamedTuple):
    """A matrix between two vertices: the step that gives it, perhaps transposed."""

    step: int
    flipped: bool = False


class Step(NamedTuple):
    """One operation on the matrices M, N and vectors f, g that earlier steps gave.

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

    def reads(self) -> set[int]:
        """Return the steps whose results it reads."""
        return {matrix.step for matrix in self.matrices} | set(self.vectors)


class Plan:
    """Steps that lead to the polynomials of graphs; `results` has the last step of each."""

    def __init__(self, graphs: tuple[Graph, ...]) -> None:
        self.steps: list[Step] = []
        self._numbers: dict[Step, int] = {}
        self._symmetric: set[int] = set()
        self.edges: list[int] = []  # of the part of a graph that a step stands for
        self.results = [_Elimination(self, graph).total() for graph in graphs]

    def angles(self) -> Matrix:
        """Return the matrix of a single edge."""
        return Matrix(self._number(Step("angles"), 1, symmetric=True))

    def diamond(self) -> Matrix:
        """Return the matrix of four vertices of which all but a and b are joined, by one edge."""
        return Matrix(self._number(Step("diamond"), 5, symmetric=True))

    def product(self, *matrices: Matrix) -> Matrix:
        """Return the matrix of parallel connections between two vertices."""
        first, *rest = sorted(matrices)
        for second in rest:
            pair = sorted((first, second))
            first = self._either_way("product", pair, sorted(map(self.flip, pair)))
        return first

    def series(self, one: Matrix, other: Matrix, weights: int) -> Matrix:
        """Return the matrix of one connection followed by another, after summing over between."""
        turned = [self.flip(other), self.flip(one)]
        return self._either_way("series", [one, other], turned, weights)

    def weights(self, vectors: list[int]) -> int:
        """Return the energies of a vertex with all that hangs on it."""
        return self._number(Step("weights", vectors=tuple(sorted(vectors))))

    def apply(self, matrix: Matrix, weights: int) -> int:
        """Return the vector that is left for the only neighbour of a vertex."""
        return self._number(Step("apply", (matrix,), (weights,)))

    def total(self, weights: int) -> int:
        """Return the number that is left of the last vertex."""
        return self._number(Step("total", vectors=(weights,)))

    def flip(self, matrix: Matrix) -> Matrix:
        """Return the transpose."""
        return matrix if matrix.step in self._symmetric else Matrix(matrix[0], not matrix[1])

    def _either_way(
        self, kind: Kind, way: list[Matrix], turned: list[Matrix], *vectors: int
    ) -> Matrix:
        """Return the result of one way, or of the other transposed if that comes first."""
        step = Step(kind, tuple(min(way, turned)), vectors)
        matrix = Matrix(self._number(step, symmetric=way == turned))
        return self.flip(matrix) if turned < way else matrix

    def _number(self, step: Step, edges: int = 0, symmetric: bool = False) -> int:
        """Return the number of a step, which is new unless something else needed it."""
        if step not in self._numbers:
            number = self._numbers[step] = len(self.steps)
            self.steps.append(step)
            read = [matrix.step for matrix in step.matrices] + [*step.vectors]
            self.edges.append(edges + sum(self.edges[each] for each in read))
            if symmetric:
                self._symmetric.add(number)
        return self._numbers[step]


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
