"""Connected multigraphs up to isomorphism: the prime Energy Flow Polynomials (arXiv:1712.07124).

A graph is its adjacency matrix: the number of edges between each pair of vertices.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

Graph = tuple[tuple[int, ...], ...]
#: The only graph without edges: one vertex.
POINT: Graph = ((0,),)


@cache
def connected_multigraphs(edges: int) -> tuple[Graph, ...]:
    """Return all connected multigraphs with this many edges, none isomorphic to another.

    Each is a graph with one edge less, extended by an edge between two of its vertices or to a
    new vertex: 1, 2, 5, 12, 33, 103, 333 graphs of 1 … 7 edges. Ordered by their vertices.
    """
    if edges == 0:
        return (POINT,)
    extended = {
        canonical(new) for old in connected_multigraphs(edges - 1) for new in _add_edge(old)
    }
    return tuple(sorted(extended, key=lambda graph: (len(graph), graph)))


def edge_list(graph: Graph) -> list[tuple[int, int]]:
    """Return the edges (lower vertex, upper vertex), with multiplicity."""
    return [
        (low, high)
        for low, row in enumerate(graph)
        for high in range(low + 1, len(graph))
        for _ in range(row[high])
    ]


def _add_edge(graph: Graph) -> Iterator[Graph]:
    size = len(graph)
    wider = (*((*row, 0) for row in graph), (0,) * (size + 1))
    for vertex in range(size):
        yield _with_edge(wider, vertex, size)
        for other in range(vertex):
            yield _with_edge(graph, vertex, other)


def _with_edge(graph: Graph, one: int, other: int) -> Graph:
    rows = [list(row) for row in graph]
    rows[one][other] += 1
    rows[other][one] += 1
    return tuple(map(tuple, rows))


def canonical(graph: Graph) -> Graph:
    """Return the canonical form of a graph, independent of the numbering of its vertices.

    Vertex colours are refined by the colours of their neighbours until they are stable. A colour
    shared by several vertices is split by individualising each of them in turn; the result is the
    largest adjacency matrix of these orders.
    """
    return max(_permute(graph, order) for order in _orders(graph, [0] * len(graph)))


def _permute(graph: Graph, order: list[int]) -> Graph:
    return tuple(tuple(graph[row][column] for column in order) for row in order)


def _orders(graph: Graph, colours: list[int]) -> Iterator[list[int]]:
    """Yield orders of the vertices that follow from the graph and the colours alone."""
    colours = _refine_colours(graph, colours)
    shared = next((c for c in range(len(graph)) if colours.count(c) > 1), None)
    if shared is None:
        yield sorted(range(len(graph)), key=colours.__getitem__)
        return
    tried: list[int] = []
    for vertex in (v for v in range(len(graph)) if colours[v] == shared):
        if any(_are_twins(graph, vertex, other) for other in tried):
            continue  # it gives the same graph
        tried.append(vertex)
        yield from _orders(graph, [2 * c + (v != vertex) for v, c in enumerate(colours)])


def _refine_colours(graph: Graph, colours: list[int]) -> list[int]:
    """Return colours, as ranks, refined by the colours of the neighbours until they are stable."""
    while True:
        signatures = [
            (colour, sorted(zip(row, colours, strict=True), reverse=True))
            for colour, row in zip(colours, graph, strict=True)
        ]
        ranks = sorted(signatures)
        fresh = [ranks.index(each) for each in signatures]
        if fresh == colours:
            return colours
        colours = fresh


def _are_twins(graph: Graph, one: int, other: int) -> bool:
    """Return whether exchanging two vertices changes nothing."""
    rest = set(range(len(graph))) - {one, other}
    return all(graph[one][v] == graph[other][v] for v in rest)
