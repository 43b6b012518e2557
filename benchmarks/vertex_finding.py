"""False vertices and efficiency of ACTS' vertex finder with several settings, on the same tracks.

    python benchmarks/vertex_finding.py [--events 120] [--pile-up 20] [--seed 9201]

A vertex is false if it is further than 0.5 mm in z from all collisions; a collision with at least
two tracks of its own, primary particles, is found if a vertex is within 0.5 mm of it. Settings are
the largest distance of tracks along the beam in mm, the largest distance of a track to its vertex
and the distance below which one of two vertices is removed, both in standard deviations. Choose
settings with one seed and measure them with another.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import awkward as ak

from bunchtrain import parts

#: Window, significance, merge; the first is ACTS' own.
SETTINGS = [(1, 5, 3), (2, 5, 3), (3, 5, 3), (5, 5, 3), (1, 3, 5), (2, 3, 5), (3, 3, 5), (5, 3, 5)]
NEAR = 0.5
OPTIONS = ("vertex_window", "vertex_significance", "vertex_merge")


def reconstruct(recipe: dict[str, Any], folder: Path) -> tuple[Any, list[ak.Array]]:
    """Return the events, and z of the vertices for each of the settings."""
    from bunchtrain.simulation.acts import reconstruction
    from bunchtrain.simulation.acts.collisions import Collisions
    from bunchtrain.simulation.acts.tables import event_columns, read_csv, write_particles

    class Many(reconstruction.Chain):
        def _find_vertices(self, sequence: Any, folder: Path) -> None:
            super()._find_vertices(sequence, folder)
            for number, values in enumerate(SETTINGS):
                options = dict(zip(OPTIONS, map(float, values), strict=True))
                self.add_vertex_finder(sequence, folder, f"vertices{number}", options)

    particles, truth = Collisions(recipe).part(0)
    chain = Many(recipe, folder)
    write_particles(particles, recipe["part"], folder)
    taken = chain.run(folder, recipe["part"], recipe["seed"])
    columns = event_columns(taken.arrow, taken.tracks, folder, recipe["field"])
    names = (f"vertices{number}" for number in range(len(SETTINGS)))
    found = [read_csv(folder, name, recipe["part"], ["z"])["z"] for name in names]
    return ak.zip(columns | truth, depth_limit=1), found


def with_tracks(events: Any) -> ak.Array:
    """Return whether each collision has two tracks of its own primary particles."""
    known = events.track_particle >= 0
    particle = events.track_particle[known]
    collision = events.particle_collision[particle][events.particle_primary[particle] == 1]
    number = ak.local_index(events.collision_z)
    return ak.sum(collision[:, None] == number[:, :, None], axis=2) >= 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--events", type=int, default=120)
    parser.add_argument("--pile-up", type=float, default=20)
    parser.add_argument("--seed", type=int, default=9201)
    given = parser.parse_args()
    if find_spec("acts") is None:
        print("not measured: pip install 'bunchtrain[acts]'")
        return 0
    options = {"pile_up": given.pile_up, "part": given.events, "seed": given.seed}
    source: Any = parts.build("source", "acts_events", options)
    with TemporaryDirectory() as folder:
        events, vertices = reconstruct(source.recipe, Path(folder))
    wanted = with_tracks(events)
    total = int(ak.sum(wanted))
    print(
        f"{given.events} tt̄ events, pile-up {given.pile_up:g}, {total} collisions with two tracks"
    )
    for values, z in zip(SETTINGS, vertices, strict=True):
        far = abs(z[:, :, None] - events.collision_z[:, None, :]) > NEAR
        false = ak.to_numpy(ak.sum(ak.all(far, axis=2), axis=1))
        found = ak.any(abs(events.collision_z[:, :, None] - z[:, None, :]) <= NEAR, axis=2)
        share = int(ak.sum(found & wanted)) / total
        error = (share * (1 - share) / total) ** 0.5
        print(f"window {values[0]} mm, significance {values[1]}, merge {values[2]}: false "
              f"{false.mean():.3f} ± {false.std(ddof=1) / len(false) ** 0.5:.3f} an event, "
              f"efficiency {share:.4f} ± {error:.4f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
