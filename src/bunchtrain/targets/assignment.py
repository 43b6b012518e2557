"""An assignment of the items of a group to the decay products of particles, with its symmetries.

Of a tt̄ event with the particles t1 and t2, each of products b, q1 and q2, every product is one jet
or missing. Exchanging q1 and q2, or t1 and t2, changes nothing (arXiv:2106.03898).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from bunchtrain.errors import nearest, one_of

#: Orders of exchangeable particles beyond which an assignment is rejected.
MAX_ORDERS = 720
#: Products of one particle beyond which its combinations are too many.
MAX_PRODUCTS = 4


@dataclass(frozen=True)
class Assignment:
    """Particles with their products, each of them one item of a group.

    group       prefix of the columns of the items.
    particles   (name, names of its products) of each particle; () for a particle that is itself one
                item.
    symmetries  lists of particles, or of roles of one particle, that may be exchanged.

    Raises ValueError for a symmetry of unknown names, or of what cannot be exchanged.
    """

    group: str
    particles: tuple[tuple[str, tuple[str, ...]], ...]
    symmetries: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if repeated := _first_repeated(self.roles):
            raise ValueError(f"assign: two products would have the name '{repeated}'; rename one")
        for name, products in self.particles:
            if len(products) > MAX_PRODUCTS:
                raise ValueError(
                    f"assign: '{name}' has {len(products)} products, and a particle has at most "
                    f"{MAX_PRODUCTS}; split it, as into a W boson and a b quark"
                )
        for symmetry in self.symmetries:
            self._check(symmetry)
        if (orders := prod(factorial(len(one)) for one in self._exchanged_particles)) > MAX_ORDERS:
            raise ValueError(
                f"symmetries: the particles have {orders:,} orders, and {MAX_ORDERS} are possible; "
                "exchange fewer particles"
            )

    def _check(self, symmetry: Sequence[str]) -> None:
        names = {name for name, _ in self.particles}
        known = {*names, *self.roles}
        for name in symmetry:
            if name not in known:
                hint = nearest(name, sorted(known)) or f"; there are {one_of(sorted(known))}"
                raise ValueError(f"symmetries: there is no particle or product '{name}'{hint}")
        if len(symmetry) < 2 or _first_repeated(symmetry):
            raise ValueError(
                f"symmetries: [{', '.join(symmetry)}] must list two or more different names"
            )
        first, second = (
            symmetry[0],
            next((one for one in symmetry if (one in names) != (symmetry[0] in names)), None),
        )
        if second is not None:
            raise ValueError(f"symmetries: a particle and a product, '{first}' and '{second}'")
        if first in names:
            of = {name: self.products(name) for name in symmetry}
            other = next((name for name in symmetry if of[name] != of[first]), None)
            if other is not None:
                raise ValueError(
                    f"symmetries: '{first}' and '{other}' cannot be exchanged, as their products "
                    f"differ ({', '.join(of[first])} and {', '.join(of[other])})"
                )
            return
        owners = {self.roles[i]: name for name, span in self.spans.items() for i in span}
        other = next((role for role in symmetry if owners[role] != owners[first]), None)
        if other is not None:
            raise ValueError(
                f"symmetries: '{first}' and '{other}' belong to different particles; exchange "
                f"'{owners[first]}' and '{owners[other]}'"
            )

    def products(self, particle: str) -> tuple[str, ...]:
        """Return the names of the products of a particle, () for one that is itself an item."""
        return dict(self.particles)[particle]

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Names of all products, particle by particle: `t1_b`, `t1_q1`, …."""
        return tuple(
            role
            for name, products in self.particles
            for role in ([f"{name}_{one}" for one in products] if products else [name])
        )

    @cached_property
    def spans(self) -> dict[str, range]:
        """Particle → indices of its roles."""
        found, start = {}, 0
        for name, products in self.particles:
            found[name] = range(start, start := start + max(1, len(products)))
        return found

    @property
    def _exchanged_particles(self) -> list[tuple[str, ...]]:
        names = [name for name, _ in self.particles]
        return _merge(one for one in self.symmetries if one[0] in names)

    @cached_property
    def particle_sets(self) -> tuple[tuple[int, ...], ...]:
        """Sets of indices of particles that may be exchanged; alone where none may."""
        index = {name: k for k, (name, _) in enumerate(self.particles)}
        sets = [tuple(sorted(index[name] for name in one)) for one in self._exchanged_particles]
        return _completed(sets, len(self.particles))

    @cached_property
    def particle_orders(self) -> tuple[tuple[int, ...], ...]:
        """The allowed orders of the particles: order[k] is the true particle of particle k."""
        orders = []
        for changed in product(*(permutations(one) for one in self.particle_sets)):
            order = dict(zip(_flat(self.particle_sets), _flat(changed), strict=True))
            orders.append(tuple(order[k] for k in range(len(self.particles))))
        return tuple(sorted(orders))

    @cached_property
    def product_sets(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Of each particle, the sets of indices of its products that may be exchanged.

        Particles that may be exchanged have the same ones, since that follows.
        """
        found = []
        for together in self.particle_sets:
            spans = [self.spans[self.particles[k][0]] for k in together]
            sets = [
                tuple(sorted(self.roles.index(role) - span[0] for role in one))
                for one in self.symmetries
                for span in spans
                if all(role in [self.roles[i] for i in span] for role in one)
            ]
            found += [(k, _completed(_merge(sets), len(spans[0]))) for k in together]
        return tuple(sets for _, sets in sorted(found))

    def as_dict(self) -> dict[str, Any]:
        """Return the assignment for JSON."""
        return {
            "group": self.group,
            "particles": {name: list(products) for name, products in self.particles},
            "symmetries": [list(one) for one in self.symmetries],
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Assignment:
        """Return the assignment that `as_dict` wrote."""
        particles = tuple((name, tuple(one)) for name, one in entry["particles"].items())
        return cls(entry["group"], particles, tuple(map(tuple, entry["symmetries"])))


def _merge(sets: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the sets with those that have an element in common joined."""
    merged: list[tuple[Any, ...]] = []
    for one in sets:
        joined = dict.fromkeys(one)
        for other in [found for found in merged if set(found) & set(one)]:
            merged.remove(other)
            joined |= dict.fromkeys(other)
        merged.append(tuple(sorted(joined)))
    return merged


def _completed(sets: Sequence[tuple[int, ...]], count: int) -> tuple[tuple[int, ...], ...]:
    """Return the sets, and each index below `count` that is in none as a set of its own."""
    alone = [(k,) for k in range(count) if not any(k in one for one in sets)]
    return tuple(sorted([*sets, *alone]))


def _flat(sets: Iterable[Sequence[int]]) -> list[int]:
    return [index for one in sets for index in one]


def _first_repeated(names: Sequence[str]) -> str | None:
    return next((name for k, name in enumerate(names) if name in names[:k]), None)
