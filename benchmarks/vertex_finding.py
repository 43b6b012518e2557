"""False vertices and efficiency of ACTS' vertex finder with several settings, on the same tracks.

    python benchmarks/vertex_finding.py [--events 120] [--pile-up 20] [--seed 9201] [--time RUN]

A vertex is false if it is further than 0.5 mm in z from all collisions; a collision with at least
two tracks of its own, primary particles, is found if a vertex is within 0.5 mm of it. Settings are
the largest distance of tracks along the beam in mm, the largest distance of a track to its vertex
and the distance below which one of two vertices is removed, both in standard deviations. Choose
settings with one seed and measure them with another.

With the folder of a run of the study `primary_vertices`, only times are measured: processor time an
event of one thread, of the adaptive finder with its default settings (of the sequence with `REPEAT`
finders less that with none of these), and of the density of tracks, the network and its peaks with
the adaptive fit of all vertices.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain import parts

#: Window, significance, merge; the first is ACTS' own.
SETTINGS = [(1, 5, 3), (2, 5, 3), (3, 5, 3), (5, 5, 3), (1, 3, 5), (2, 3, 5), (3, 3, 5), (5, 3, 5)]
NEAR = 0.5
#: Finders and repetitions of the measurement of times.
REPEAT = 5
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


def seconds_of_finder(recipe: dict[str, Any], folder: Path) -> float:
    """Return the processor time in s that the adaptive finder takes for an event."""
    from bunchtrain.simulation.acts import reconstruction
    from bunchtrain.simulation.acts.collisions import Collisions
    from bunchtrain.simulation.acts.tables import write_particles

    class Many(reconstruction.Chain):
        number = 0

        def _find_vertices(self, sequence: Any, folder: Path) -> None:
            super()._find_vertices(sequence, folder)
            for number in range(self.number):
                self.add_vertex_finder(sequence, folder, f"again{number}", self.recipe)

    particles, _ = Collisions(recipe).part(0)
    chain, taken = Many(recipe, folder), []
    write_particles(particles, recipe["part"], folder)
    for number in (0, 0, REPEAT):  # the first one warms up
        chain.number = number
        begin = time.process_time()
        chain.run(folder, recipe["part"], recipe["seed"])
        taken.append(time.process_time() - begin)
    return (taken[2] - taken[1]) / REPEAT / recipe["part"]


def seconds_of_network(run: Path, options: dict[str, Any]) -> dict[str, float]:
    """Return the processor time in s an event of density, network, peaks and fit, the least of 5.

    options  of the source of the events.
    """
    import bunchtrain
    from bunchtrain.evaluations.vertex_finding import VertexFinding

    done = bunchtrain.open_run(run)
    study, model = done.study, next(iter(done.models.values()))
    bins = {k: v for k, v in study.source.options.items() if k != "tracks"}
    source: Any = parts.build(
        "source", "track_density", bins | {"tracks": {"name": "acts_events", **options}}
    )
    source.prepare()
    chosen = study.transforms["vertices"]
    transform: Any = parts.build("transform", chosen.name, chosen.options)
    names = list(dict.fromkeys([*model.columns, *study.spectators, "bin_z"]))
    kept = [name for name in names if not name.startswith("vertex_")]
    evaluation, taken = VertexFinding(), []
    for _ in range(REPEAT):
        marks = [time.process_time()]
        block = next(source.blocks(kept, options["events"]))
        marks.append(time.process_time())
        made = model.predict(block[model.columns])
        marks.append(time.process_time())
        values = {name: ak.to_numpy(ak.flatten(one)) for name, one in made.items()}
        objects = transform(block, ak.to_numpy(ak.num(block.bin_z)), values)
        marks.append(time.process_time())
        columns = {name: block[name] for name in block.fields}
        evaluation.fit(columns, objects)
        marks.append(time.process_time())
        taken.append(np.diff(marks) / len(block))
    return dict(zip(("density", "network", "peaks", "fit"), np.min(taken, axis=0), strict=True))


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
    parser.add_argument("--time", type=Path, metavar="RUN")
    given = parser.parse_args()
    if find_spec("acts") is None:
        print("not measured: pip install 'bunchtrain[acts]'")
        return 0
    options = {"pile_up": given.pile_up, "part": given.events, "seed": given.seed}
    source: Any = parts.build("source", "acts_events", options)
    if given.time:
        with TemporaryDirectory() as folder:
            finder = seconds_of_finder(source.recipe, Path(folder))
        found = seconds_of_network(given.time, options | {"events": given.events, "processes": 1})
        print(f"adaptive finder: {1000 * finder:.1f} ms an event at pile-up {given.pile_up:g}")
        total = sum(found.values())
        print(", ".join(f"{name} {1000 * one:.1f} ms" for name, one in found.items()))
        print(f"together {1000 * total:.1f} ms, {total / finder:.2f} of the adaptive finder's time")
        return 0
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
