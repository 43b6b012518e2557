"""What is to be computed for many Energy Flow Polynomials together, each step only once."""

from __future__ import annotations

from typing import Literal, NamedTuple

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

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._numbers: dict[Step, int] = {}
        self._symmetric: set[int] = set()
        self.edges: list[int] = []  # of the part of a graph that a step stands for
        self.results: list[int] = []

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
