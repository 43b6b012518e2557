"""Tracker events by ACTS: tables by Arrow against a Python loop over containers; tracks found.

    python benchmarks/tracker_tables.py [--events 20] [--pile-up 0] [--seed 1]

In one run of ACTS, each event's particles, hits and tracks become tables by the Arrow converters,
and then lists of tuples by loops over the containers; times are of the processor. With `--states`
the Kalman states are read as well, by a loop, as ACTS' package has no arrays of them; their time is
given apart. The efficiency is that of
the combinatorial Kalman filter for primary charged particles with pT > 1 GeV, |η| < 2.5 and 7
hits; a track belongs to a particle that has more than half of its hits, if these are more than half
of the particle's.
Reference: 0.962 ± 0.004, 0.963 ± 0.004 and 0.958 ± 0.004 at pile-up 0, 20 and 50, fakes below
0.0005, 0.0006 and 0.0012, in an independent program with these settings.
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


def efficiency(events: ak.Array) -> tuple[int, int, int, int]:
    """Return the particles found and to be found, fake tracks and tracks."""
    pt = np.hypot(events.particle_px, events.particle_py)
    wanted = (events.particle_primary == 1) & (events.particle_charge != 0) & (pt > 1)
    wanted = wanted & (abs(np.arcsinh(events.particle_pz / pt)) < 2.5) & (events.particle_hits >= 7)
    counts = ak.to_numpy(ak.num(pt))
    first = np.cumsum(counts) - counts
    hits, matched = ak.num(events.track_hits, axis=2), events.track_matched
    row = ak.to_numpy(ak.flatten(events.track_particle + first))
    is_known = ak.to_numpy(ak.flatten(events.track_particle >= 0))
    own = ak.to_numpy(ak.flatten(events.particle_hits))[np.where(is_known, row, 0)]
    shared = ak.to_numpy(ak.flatten(matched))
    real = is_known & (2 * shared > ak.to_numpy(ak.flatten(hits))) & (2 * shared > own)
    found = np.bincount(row[real], minlength=counts.sum()) > 0
    chosen = ak.to_numpy(ak.flatten(wanted))
    return int(found[chosen].sum()), int(chosen.sum()), int((~real).sum()), len(real)


def loop(store: Any, handles: dict[str, Any]) -> float:
    """Return the seconds of loops over the containers of an event.

    They give the columns of the tables without the measured positions.
    """
    start = time.process_time()
    for one in handles["particles_simulated"](store):
        p, x, code = one.momentum, one.fourPosition, one.particleId
        _ = (one.pdg, one.mass, one.energy, one.charge, *(p[k] for k in range(3)), *x)
        _ = (code.vertexPrimary, code.vertexSecondary, code.particle, code.generation)
        _ = (code.subParticle, one.isSecondary)
    for one in handles["simhits"](store):
        code, place = one.particleId, one.geometryId
        _ = (*one.fourPosition, place.volume, place.layer, place.sensitive)
        _ = (code.vertexPrimary, code.vertexSecondary, code.particle, code.generation)
    for one in handles["tracks"](store):
        links = [s.uncalibratedSourceLink for s in one.trackStatesReversed if s.hasCalibrated]
        hits = [examples_link(link).index() for link in links]
        matrix = one.covariance
        _ = (*one.parameters, one.chi2, one.nDoF, one.nHoles, one.nOutliers, hits)
        _ = [matrix[i, j] for i in range(5) for j in range(i + 1)]
    return time.process_time() - start


def examples_link(link: Any) -> Any:
    """Return the index of a measurement of a link."""
    import acts.examples

    return acts.examples.IndexSourceLink.fromSourceLink(link)


def measure(recipe: dict[str, Any], folder: Path) -> tuple[Any, dict[str, list[float]]]:
    """Run ACTS once; return what it has made and the seconds of both ways, for each event."""
    import acts
    import acts.examples as examples

    from bunchtrain.simulation.acts import reconstruction
    from bunchtrain.simulation.acts.collisions import Collisions
    from bunchtrain.simulation.acts.tables import event_columns, write_particles

    seconds: dict[str, list[float]] = {
        "arrow": [],
        "loop": [],
        "whole": [],
        "states": [],
        "rows": [],
    }
    kinds = {
        "particles_simulated": examples.SimParticleContainer,
        "simhits": examples.SimHitContainer,
        "tracks": examples.ConstTrackContainer,
    }

    class Timer(examples.IAlgorithm):  # type: ignore[misc]
        def __init__(self) -> None:
            examples.IAlgorithm.__init__(self, "Timer", acts.logging.WARNING)
            self.handles = {n: examples.ReadDataHandle(self, k, n) for n, k in kinds.items()}
            for name, handle in self.handles.items():
                handle.initialize(name)

        def execute(self, context: Any) -> Any:
            seconds["loop"].append(loop(context.eventStore, self.handles))
            seconds["start"] = [time.process_time()]
            return examples.ProcessCode.SUCCESS

    class Stop(reconstruction._Tap):  # type: ignore[misc]
        def execute(self, context: Any) -> Any:
            done = super().execute(context)
            spent = time.process_time() - seconds["start"][0]
            seconds["arrow"].append(spent - sum(seconds["states"][len(seconds["arrow"]) :]))
            return done

    class Timed(reconstruction.Chain):
        def _write(self, sequence: Any, folder: Path, taken: Any) -> None:
            sequence.addAlgorithm(Timer())
            super()._write(sequence, folder, taken)

    read = reconstruction.read_states

    def timed(tracks: Any) -> Any:
        start = time.process_time()
        rows = read(tracks)
        seconds["states"].append(time.process_time() - start)
        seconds["rows"].append(len(rows))
        return rows

    reconstruction.read_states = timed
    reconstruction._Tap = Stop  # type: ignore[misc]
    particles, truth = Collisions(recipe).part(0)
    chain = Timed(recipe, folder)
    write_particles(particles, recipe["part"], folder)
    start = time.process_time()
    taken = chain.run(folder, recipe["part"], 1)
    columns = event_columns(taken.arrow, taken.tracks, folder, recipe["field"])
    loops = sum(seconds["loop"]) + sum(seconds["states"])
    seconds["whole"] = [time.process_time() - start - loops]
    return ak.zip(columns | truth, depth_limit=1), seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--pile-up", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--states", action="store_true", help="read the Kalman states as well")
    given = parser.parse_args()
    if find_spec("acts") is None:
        print("not measured: pip install 'bunchtrain[acts]'")
        return 0
    options = {"pile_up": given.pile_up, "part": given.events, "seed": given.seed}
    options["states"] = given.states
    source: Any = parts.build("source", "acts_events", options)
    with TemporaryDirectory() as folder:
        events, seconds = measure(source.recipe, Path(folder))
    found, wanted, fakes, tracks = efficiency(events)
    share = found / wanted
    error = (share * (1 - share) / wanted) ** 0.5
    z, near = events.collision_z, events.vertex_z
    false = ak.sum(ak.min(abs(near[:, :, None] - z[:, None, :]), axis=2) > 0.5)
    hits, particles = ak.mean(ak.num(events.hit_x)), ak.mean(ak.num(events.particle_px))
    whole = seconds["whole"][0] / given.events
    print(f"{given.events} tt̄ events, pile-up {given.pile_up:g}: {hits:.0f} hits,")
    print(f"{particles:.0f} particles, {whole:.3f} s an event without Pythia")
    print(f"efficiency {share:.4f} ± {error:.4f} of {wanted}, fakes {fakes} of {tracks}")
    print(f"vertices {ak.mean(ak.num(near)):.2f} of {ak.mean(ak.num(z)):.2f} collisions, "
          f"{false / given.events:.2f} false an event")  # fmt: skip
    ways = {name: 1000 * float(np.median(seconds[name])) for name in ("arrow", "loop")}
    print(f"tables: {ways['arrow']:.1f} ms an event by Arrow, {ways['loop']:.1f} ms by loops, "
          f"ratio {ways['loop'] / ways['arrow']:.1f}")  # fmt: skip
    if given.states:
        spent, rows = 1000 * sum(seconds["states"]) / given.events, np.mean(seconds["rows"])
        print(f"states: {spent:.1f} ms an event, {rows:.0f} of {1000 * spent / rows:.1f} µs each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
