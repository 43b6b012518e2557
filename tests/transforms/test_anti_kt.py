"""Anti-kT beside its definition, pair by pair."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError

pytest.importorskip("fastjet")


def particles(counts, seed=1):
    """Return massless particles of events, with the vertex of each."""
    random, n = np.random.default_rng(seed), sum(counts)
    pt, eta, phi = random.exponential(20, n) + 1, random.uniform(-2, 2, n), random.uniform(-3, 3, n)
    columns = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    columns |= {"energy": pt * np.cosh(eta), "vertex": random.integers(-1, 2, n)}
    return ak.zip(
        {f"particle_{k}": ak.unflatten(v, counts) for k, v in columns.items()}, depth_limit=1
    )


def anti_kt(p, radius, pt_min):
    """Return the jet of each particle of one event (n, 4) by the definition, −1 for none."""
    members, momenta, jets = [[i] for i in range(len(p))], list(p), []
    while momenta:
        px, py, pz, energy = np.array(momenta).T
        pt2 = px**2 + py**2
        y, phi = np.arctanh(pz / energy), np.arctan2(py, px)
        turn = (phi[:, None] - phi + np.pi) % (2 * np.pi) - np.pi
        apart = ((y[:, None] - y) ** 2 + turn**2) / radius**2
        d = np.minimum(1 / pt2[:, None], 1 / pt2) * apart
        np.fill_diagonal(d, 1 / pt2)
        i, j = np.unravel_index(np.argmin(d), d.shape)
        if i == j:
            if pt2[i] >= pt_min**2:
                jets.append(members[i])
        else:
            members[i], momenta[i] = members[i] + members[j], momenta[i] + momenta[j]
        last = max(i, j)
        del members[last], momenta[last]
    found = np.full(len(p), -1)
    for index, jet in enumerate(jets):
        found[jet] = index
    return found


def same_objects(labels):
    """Return whether each pair of points is in one object."""
    labels = np.asarray(labels)
    return np.equal.outer(labels, labels) & (labels >= 0)


def test_jets_are_those_of_the_definition_in_each_event():
    counts = [12, 0, 1, 30, 0]
    events = particles(counts)
    made = parts.build("transform", "anti_kt", {"radius": 0.6, "pt_min": 15.0})
    found = made(events, np.array(counts))
    assert ak.to_list(ak.num(found)) == counts
    names = ("px", "py", "pz", "energy")
    for event, labels in zip(events, found, strict=True):
        p = np.stack([ak.to_numpy(event[f"particle_{n}"]) for n in names], 1)
        wanted = anti_kt(p, 0.6, 15.0)
        assert np.array_equal(same_objects(labels), same_objects(wanted))
        assert np.array_equal(ak.to_numpy(labels) < 0, wanted < 0)


def test_particles_that_are_left_out_are_of_no_jet():
    counts = [40, 3]
    events = particles(counts)
    some = {"where": "particle_vertex >= 0", "pt_min": 10.0}
    found = parts.build("transform", "anti_kt", some)(events, np.array(counts))
    left_out = events.particle_vertex < 0
    assert ak.all(found[left_out] == -1)
    assert ak.any(found >= 0)
    kept = ak.zip({n: events[n][~left_out] for n in events.fields}, depth_limit=1)
    alone = parts.build("transform", "anti_kt", {"pt_min": 10.0})
    again = alone(kept, ak.to_numpy(ak.num(kept.particle_px)))
    assert ak.to_list(again) == ak.to_list(found[~left_out])


def test_no_particles_at_all():
    none = particles([0, 0])
    assert parts.build("transform", "anti_kt", {})(none, np.array([0, 0])).to_list() == [[], []]


@pytest.mark.parametrize("where", ["event > 1", "particle_px + 1"])
def test_a_condition_on_something_else_is_refused(where):
    events = ak.with_field(particles([3]), [2], "event")
    made = parts.build("transform", "anti_kt", {"where": where})
    if where == "event > 1":  # one value for all particles of the event
        assert len(made(events, np.array([3]))[0]) == 3
        return
    with pytest.raises(DataError, match="true or false for each particle"):
        made(events, np.array([3]))


def test_a_momentum_that_is_not_finite_is_named():
    events = particles([3, 4])
    px = ak.to_list(events.particle_px)
    px[1][2] = float("nan")
    made = parts.build("transform", "anti_kt", {})
    with pytest.raises(DataError, match="'particle_px' of particle 2 of event 1"):
        made(ak.with_field(events, px, "particle_px"), np.array([3, 4]))


def test_a_missing_column_is_named():
    made = parts.build("transform", "anti_kt", {"group": "cand"})
    with pytest.raises(DataError, match="needs the column 'cand_px'"):
        made.columns(["cands_px"])
