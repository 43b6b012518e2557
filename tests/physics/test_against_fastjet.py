"""Our vectorised clustering and minimisation against FastJet and its contrib."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain.physics.energy_correlators import energy_correlators, ratios
from bunchtrain.physics.kinematics import from_cylindrical, invariant_mass
from bunchtrain.physics.n_subjettiness import n_subjettiness
from bunchtrain.physics.soft_drop import soft_drop

fastjet = pytest.importorskip("fastjet")


@pytest.fixture(scope="module")
def jets():
    """Return showers: every particle splits in two again and again."""
    random = np.random.default_rng(7)
    points, lengths = [], []
    for _ in range(40):
        shower = np.array([[600.0, random.normal(), random.uniform(-np.pi, np.pi)]])
        for angle in (0.5, 0.3, 0.2, 0.1, 0.05):
            z = random.beta(0.7, 0.7, len(shower))
            turn = random.normal(0, angle, (2, len(shower)))
            one, other = shower.copy(), shower.copy()
            one[:, 0] *= z
            other[:, 0] *= 1 - z
            one[:, 1:] += turn.T * (1 - z)[:, None]
            other[:, 1:] -= turn.T * z[:, None]
            shower = np.concatenate([one, other])
        shower = shower[shower[:, 0] > 0.5]
        points.append(from_cylindrical(*shower.T, random.exponential(0.2, len(shower))))
        lengths.append(len(shower))
    return np.concatenate(points), np.array(lengths)


@pytest.fixture(scope="module")
def clustered(jets):
    momenta, lengths = jets
    names = ("E", "px", "py", "pz")
    fields = {name: ak.unflatten(momenta[:, i].copy(), lengths) for i, name in enumerate(names)}
    events = ak.zip(fields, with_name="Momentum4D")
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 100.0)
    return fastjet.ClusterSequence(events, definition)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("kt", "KT_Axes"), ("one_pass_kt", "OnePass_KT_Axes")]
)
def test_n_subjettiness(jets, clustered, ours, theirs):
    expected = clustered.njettiness(njets=[1, 2, 3, 4], axes_definition=theirs, R0=0.8)
    found = n_subjettiness(*jets, axes=ours)
    np.testing.assert_allclose(found, np.reshape(ak.to_numpy(expected), (-1, 4)), rtol=1e-8)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_soft_drop_mass(jets, clustered, beta):
    expected = clustered.exclusive_jets_softdrop_grooming(beta=beta).msoftdrop
    mass = invariant_mass(soft_drop(*jets, beta=beta))
    np.testing.assert_allclose(mass, ak.to_numpy(expected).ravel(), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("name", ["c2", "d2"])
def test_correlator_ratios(jets, clustered, name):
    expected = clustered.exclusive_jets_energy_correlator(njets=1, func=name)
    found = ratios(energy_correlators(*jets))[("c2", "d2").index(name)]
    np.testing.assert_allclose(found, ak.to_numpy(expected).ravel(), rtol=1e-8)
