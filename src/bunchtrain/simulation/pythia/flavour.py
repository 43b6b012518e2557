"""The flavour of jets, from the heavy hadrons within them, and the tracks of each jet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia.collisions import Record
from bunchtrain.simulation.pythia.particles import Integers, Particles, delta_r
from bunchtrain.simulation.pythia.tracks import Tracks

REACH = 0.3  # ΔR from a jet to its hadron
HADRON_PT = 5.0  # GeV
BEAUTY, CHARM = 5, 4


def heaviest_quark(pid: Integers) -> Integers:
    """Return the heaviest quark of hadrons from their PDG IDs (5 for a B meson), else 0."""
    size = np.abs(pid)
    digits = np.stack([size // place % 10 for place in (10, 100, 1000)])
    is_hadron = (size > 100) & (size < 10_000_000) & (digits[:2] > 0).all(0)
    return np.where(is_hadron, digits.max(0), 0)


def heavy_hadrons(record: Record, flavour: int) -> Particles:
    """Return the hadrons of a flavour above 5 GeV that decay to none of the same flavour."""
    heavy = heaviest_quark(record.particles.pid) == flavour
    has_heavy_daughter = np.zeros(len(heavy), dtype=bool)
    has_heavy_daughter[record.mother[heavy]] = True
    return record.particles[heavy & ~has_heavy_daughter & (record.particles.pt > HADRON_PT)]


def _by_event(items: Any, events: int, names: tuple[str, ...]) -> ak.Array:
    order = np.argsort(items.event, kind="stable")
    columns = {name: getattr(items, name)[order] for name in names}
    return ak.unflatten(ak.zip(columns), np.bincount(items.event, minlength=events))


def label(jets: ak.Array, record: Record) -> ak.Array:
    """Add `flavour` (5, 4 or 0) and `hadron_pt`, in GeV and 0 without one, to jets (event, jet)."""
    flavour, pt = ak.zeros_like(jets.pt), ak.zeros_like(jets.pt)
    for species in (CHARM, BEAUTY):  # beauty overrides charm
        hadrons = _by_event(heavy_hadrons(record, species), record.events, ("pt", "eta", "phi"))
        pairs = ak.cartesian({"jet": jets, "hadron": hadrons}, nested=True)
        apart = delta_r(pairs.jet.eta, pairs.jet.phi, pairs.hadron.eta, pairs.hadron.phi)
        hardest = ak.fill_none(ak.max(pairs.hadron.pt[apart < REACH], axis=2), 0.0)
        flavour = ak.where(hardest > 0, species, flavour)
        pt = ak.where(hardest > 0, hardest, pt)
    return ak.with_field(ak.with_field(jets, flavour, "flavour"), pt, "hadron_pt")


def attach_tracks(
    jets: ak.Array,
    tracks: Tracks,
    events: int,
    radius: float,
    truth: Mapping[str, Integers],
) -> ak.Array:
    """Return the jets (event, jet) as a flat table with the tracks within `radius` of each.

    `truth` holds `origin` and `vertex` of the particles. The vertices of a jet are numbered from 0.

    Impact parameters are positive where the track passes the beam line on the side of the jet:
    d₀ has the sign of d₀ sin(φ_jet − φ), z₀ sin θ that of (η_jet − η) z₀.
    """
    all_tracks = _by_event(tracks, events, tuple(vars(tracks)))
    pairs = ak.cartesian({"jet": jets, "track": all_tracks}, nested=True)
    near = delta_r(pairs.jet.eta, pairs.jet.phi, pairs.track.eta, pairs.track.phi) < radius
    pairs = ak.flatten(pairs[near])
    track, jet = pairs.track, pairs.jet
    d0 = np.abs(track.d0) * np.sign(track.d0 * np.sin(jet.phi - track.phi))
    z0 = np.abs(track.z0) * np.sign(track.z0 * (jet.eta - track.eta))
    flat = ak.flatten(jets)
    table = {f"jet_{name}": flat[name] for name in ("pt", "eta", "phi", "mass")}
    table |= {name: flat[name] for name in ("flavour", "hadron_pt")}
    table |= {f"track_{name}": track[name] for name in ("pt", "eta", "phi", "charge")}
    table |= {"track_d0": d0, "track_d0_significance": d0 / track.d0_error}
    table |= {"track_z0": z0 / np.cosh(track.eta), "track_z0_significance": z0 / track.z0_error}
    table["track_pt_fraction"] = track.pt / jet.pt
    table["track_dr"] = delta_r(jet.eta, jet.phi, track.eta, track.phi)
    counts = ak.to_numpy(ak.num(track))
    particle = ak.to_numpy(ak.flatten(track.particle))
    table["track_origin"] = ak.unflatten(truth["origin"][particle], counts)
    table["track_vertex"] = ak.unflatten(_within_jets(truth["vertex"][particle], counts), counts)
    return ak.zip(table, depth_limit=1)


def _within_jets(vertex: Integers, counts: Integers) -> Integers:
    """Return the index of each track's vertex among those of its jet, (tracks,)."""
    jet = np.repeat(np.arange(len(counts)), counts)
    both, place = np.unique(np.column_stack([jet, vertex]), axis=0, return_inverse=True)
    first = np.searchsorted(both[:, 0], np.arange(len(counts)))
    return np.asarray(place.ravel() - first[jet])
