"""Jets of particles by anti-kT, without a trained model (arXiv:0802.1189), with FastJet."""

from __future__ import annotations

from collections.abc import Collection

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, missing, shorten
from bunchtrain.parts.ranges import Momentum, PointCount, Radius
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.transforms._clustering import Clustering, Ints, Predicted

COMPONENTS = ("px", "py", "pz", "energy")


class AntiKt(Clustering):
    """Jets of the particles of each event by anti-kT (arXiv:0802.1189).

    radius      R of the jets.
    pt_min      Smallest pT of a jet in GeV.
    group       Prefix of the columns of the particles: px, py, pz and energy in GeV.
    where       Condition on columns of the particles that are clustered, such as
                `particle_vertex >= 0`, which leaves out tracks of other collisions; all if unset.
    min_points  Smallest number of particles of a jet.
    """

    def __init__(
        self,
        *,
        radius: Radius = 0.4,
        pt_min: Momentum = 20.0,
        group: str = "particle",
        where: str | None = None,
        min_points: PointCount = 1,
    ) -> None:
        self.radius, self.pt_min, self.least = radius, pt_min, min_points
        self.momentum = [f"{group}_{one}" for one in COMPONENTS]
        self.where = None if where is None else Expression(where)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns of events that it reads; DataError names the nearest to a missing."""
        return self.require(
            [*self.momentum, *sorted(self.where.columns if self.where else ())], available
        )

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the jet of each particle, (particles,), −1 for none.

        Raises DataError for a momentum that is not finite, with event and particle, and
        MissingDependency without FastJet.
        """
        try:
            import fastjet
        except ModuleNotFoundError:
            raise missing("fastjet", "generators", f"transform '{self.name}'") from None
        from bunchtrain.simulation.pythia.stdout import suppress_stdout

        self._require_finite(events, counts)
        names = dict(zip(("px", "py", "pz", "E"), self.momentum, strict=True))
        momenta = ak.zip({n: ak.values_astype(events[c], "float64") for n, c in names.items()})
        row = ak.unflatten(np.arange(int(counts.sum())), counts)
        if self.where is not None:
            kept = self._kept(events, row)
            momenta, row = momenta[kept], row[kept]
        found = np.full(int(counts.sum()), -1, np.int64)
        some = ak.num(row) > 0  # FastJet takes no event without particles
        if not ak.any(some):
            return found
        with suppress_stdout():
            definition = fastjet.JetDefinition(fastjet.antikt_algorithm, self.radius)
            made = fastjet.ClusterSequence(
                ak.with_name(momenta[some], "Momentum4D"), definition
            ).constituent_index(self.pt_min)
        members = row[some][ak.flatten(made, axis=2)]
        jets = np.arange(int(ak.sum(ak.num(made, axis=1))))
        sizes = ak.to_numpy(ak.flatten(ak.num(made, axis=2)))
        found[ak.to_numpy(ak.flatten(members))] = np.repeat(jets, sizes)
        return found

    def _kept(self, events: ak.Array, row: ak.Array) -> ak.Array:
        """Return whether each particle is clustered, as lists."""
        assert self.where is not None
        kept = self.where(events)
        try:
            _, kept = ak.broadcast_arrays(row, kept)
        except ValueError:
            kept = None
        if kept is None or kept.ndim != 2 or "bool" not in str(kept.type):
            raise DataError(
                f"transform '{self.name}': where '{shorten(self.where.text)}' must be true or "
                "false for each particle; compare one of their columns, as in 'particle_pt > 1'"
            )
        return kept

    def _require_finite(self, events: ak.Array, counts: Ints) -> None:
        start = np.cumsum(counts) - counts
        for name in self.momentum:
            values = ak.to_numpy(ak.flatten(events[name]))
            if (wrong := np.flatnonzero(~np.isfinite(values))).size:
                event = int(np.searchsorted(start, wrong[0], side="right")) - 1
                raise DataError(
                    f"transform '{self.name}': '{name}' of particle {wrong[0] - start[event]} of "
                    f"event {event} in this block is {values[wrong[0]]:g}; remove such particles"
                )
