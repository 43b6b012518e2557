"""Small blocks of made-up jets."""

import awkward as ak
import numpy as np

from bunchtrain.physics.kinematics import from_cylindrical


def plane_jets(seed=0, jets=7, most=12, empty=True):
    """Return packed pT, η, φ of jets around different axes, and their numbers of points."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, most, jets)
    if empty:
        lengths[jets // 2] = 0
    points = lengths.sum()
    eta, phi = random.normal(0, 0.2, (2, points))
    eta += np.repeat(random.normal(0, 1, jets), lengths)
    phi += np.repeat(random.uniform(-np.pi, np.pi, jets), lengths)
    return random.exponential(20, points) + 1, eta, (phi + np.pi) % (2 * np.pi) - np.pi, lengths


def as_events(pt, eta, phi, lengths, cylindrical=True, **more):
    """Return events with the group `constituent` of massless particles."""
    if cylindrical:
        columns = {"pt": pt, "eta": eta, "phi": phi}
    else:
        names = ("energy", "px", "py", "pz")
        columns = dict(zip(names, from_cylindrical(pt, eta, phi).T, strict=True))
    lists = {f"constituent_{k}": ak.unflatten(np.array(v), lengths) for k, v in columns.items()}
    return ak.zip({**lists, **more}, depth_limit=1)
