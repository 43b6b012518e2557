"""Generalised energy correlators and their C, D, M, N and U series.

arXiv:1609.07483, arXiv:1305.0007, arXiv:1409.6298
"""

from __future__ import annotations

from functools import reduce
from itertools import combinations

import numpy as np

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.physics.measures import Hadronic, fractions
from bunchtrain.physics.packed import MEMORY, Floats, Ints, equal_multiplicity

#: Memory in bytes of the jets of a block, so that they fit into the processor's cache.
CACHE = 4_000_000
#: Each observable is a product of correlators (points, angles) to these powers.
SERIES: dict[str, dict[tuple[int, int], int]] = {
    "C1": {(2, 1): 1},
    "C2": {(3, 3): 1, (2, 1): -2},
    "C3": {(4, 6): 1, (3, 3): -2, (2, 1): 1},
    "D2": {(3, 3): 1, (2, 1): -3},
    "M2": {(3, 1): 1, (2, 1): -1},
    "M3": {(4, 1): 1, (3, 1): -1},
    "N2": {(3, 2): 1, (2, 1): -2},
    "N3": {(4, 2): 1, (3, 1): -2},
    "U1": {(2, 1): 1},
    "U2": {(3, 1): 1},
    "U3": {(4, 1): 1},
}


def correlator_series(
    momenta: Floats,
    lengths: Ints,
    names: tuple[str, ...] = ("C1", "C2", "D2", "M2", "N2", "U1", "U2"),
    beta: float = 1.0,
    memory: float = MEMORY,
) -> Floats:
    """Return observables of SERIES of every jet, 0 if a denominator is 0: (jets, names).

    With the correlators ᵥeₙ of `generalised_correlator`, all angles without v:
    C_i = e_{i+1} e_{i−1} / e_i², D₂ = e₃ / e₂³, M_i = ₁e_{i+1} / ₁e_i, N_i = ₂e_{i+1} / (₁e_i)²,
    U_i = ₁e_{i+1}. `momenta` are (points, 4) as (E, px, py, pz) in GeV and `lengths` (jets,).
    The time of C3, M3, N3 and U3 grows as the fourth power of the multiplicity. Raises
    StudyError for an unknown name.
    """
    for name in names:
        if name not in SERIES:
            hint = nearest(name, SERIES) or f"; there are {one_of(SERIES)}"
            raise StudyError(f"there is no correlator named '{name}'{hint}")
    needed = dict.fromkeys(pair for name in names for pair in SERIES[name])
    found = {
        (points, angles): generalised_correlator(momenta, lengths, points, angles, beta, memory)
        for points, angles in needed
    }
    return np.stack([_product(found, SERIES[name]) for name in names], axis=1)


def _product(found: dict[tuple[int, int], Floats], powers: dict[tuple[int, int], int]) -> Floats:
    total = np.ones(1)
    for pair, power in powers.items():
        safe = np.where(found[pair] > 0, found[pair], 1)
        total = total * np.where(found[pair] > 0, safe**power, 0)
    return total


def generalised_correlator(
    momenta: Floats,
    lengths: Ints,
    points: int,
    angles: int,
    beta: float = 1.0,
    memory: float = MEMORY,
) -> Floats:
    """Return ᵥeₙ of every jet, with n points and v angles: (jets,).

    ᵥeₙ = Σ_{i₁ < … < iₙ} z_{i₁} … z_{iₙ} Π_{m ≤ v} min⁽ᵐ⁾ {ΔR_{st}^β}: the product of the v
    smallest of the angles between n points, β > 0, with z_i = pT_i / Σ pT. `momenta` are
    (points, 4) as (E, px, py, pz) in GeV and `lengths` (jets,). Raises StudyError unless
    2 ≤ n ≤ 4 and 1 ≤ v ≤ n (n − 1) / 2.
    """
    if not 2 <= points <= 4 or not 1 <= angles <= points * (points - 1) // 2:
        raise StudyError(
            f"there is no correlator of {points} points and {angles} angles; use 2 to 4 points "
            "and at most as many angles as they have pairs"
        )
    measured = Hadronic(momenta, lengths)
    share = fractions(measured.energy, lengths)
    values = np.zeros(len(lengths))
    groups = equal_multiplicity(
        lengths, lambda n: 8 * (angles + 6) * n * n, min(memory, CACHE), least=points
    )
    for rows, indices in groups:
        theta = measured.squared_angles(indices) ** (beta / 2)  # (jets, particle, particle)
        values[rows] = _sum(share[indices], theta, points, angles)
    return values


def _sum(z: Floats, theta: Floats, points: int, angles: int) -> Floats:
    """Return the sum over all sets of `points` points; the last two are summed as arrays."""
    total = np.zeros(len(z))
    for heads in combinations(range(z.shape[1] - 2), points - 2):
        rest = slice(heads[-1] + 1 if heads else 0, None)
        between = [theta[:, i, j, None, None] for i, j in combinations(heads, 2)]
        onward = [theta[:, head, rest] for head in heads]
        between += [each[:, :, None] for each in onward] + [each[:, None, :] for each in onward]
        product = _product_of_smallest([*between, theta[:, rest, rest]], angles)
        pairs = np.einsum("jc,jcd,jd->j", z[:, rest], product, z[:, rest], optimize=True)
        total += z[:, list(heads)].prod(1) * pairs / 2  # each pair is counted twice
    return total


def three_point_correlators(
    momenta: Floats, lengths: Ints, betas: tuple[float, ...], memory: float = MEMORY
) -> Floats:
    """Return ₁e₃ and ₂e₃ of every jet for each β, in one pass: (jets, betas, 2).

    Same definition and arguments as `generalised_correlator`. The loop runs over the first point;
    all pairs of later points are summed as arrays. `energy_correlators` computes ₃e₃, which
    factorises, faster.
    """
    measured = Hadronic(momenta, lengths)
    share = fractions(measured.energy, lengths)
    values = np.zeros((len(lengths), len(betas), 2))
    groups = equal_multiplicity(lengths, lambda n: 48 * n * n, min(memory, CACHE), least=3)
    for rows, indices in groups:
        squared = np.moveaxis(measured.squared_angles(indices), 0, -1)
        theta = np.sqrt(squared)  # (particle, particle, jets)
        values[rows] = _triples(share[indices].T, theta, betas)
    return values


def _triples(z: Floats, theta: Floats, betas: tuple[float, ...]) -> Floats:
    """Return the two sums (jets, betas, 2) of z (particle, jets) and the angles."""
    size, jets = z.shape
    second, third = np.triu_indices(size, 1)
    begin = np.searchsorted(second, np.arange(size), side="right")  # first pair after each point
    weight, base = z[second] * z[third], theta[second, third]
    total = np.zeros((jets, len(betas), 2))
    for head in range(size - 2):
        tail = slice(begin[head], None)
        one, other, across = theta[head, second[tail]], theta[head, third[tail]], base[tail]
        low, high = np.minimum(one, other), np.maximum(one, other)
        products = np.minimum(low, across), low * np.minimum(high, across)
        for column, beta in enumerate(betas):
            sums = [np.einsum("pj,pj->j", weight[tail], each**beta) for each in products]
            total[:, column] += z[head][:, None] * np.stack(sums, axis=-1)
    return total


def _product_of_smallest(values: list[Floats], count: int) -> Floats:
    """Return the elementwise product of the `count` smallest values."""
    if count == len(values):
        return reduce(np.multiply, values)
    smallest: list[Floats] = []  # in ascending order
    for value in values:
        for index, other in enumerate(smallest):
            smallest[index], value = np.minimum(other, value), np.maximum(other, value)
        if len(smallest) < count:
            smallest.append(value)
    return reduce(np.multiply, smallest)
