"""The 16 features of the trigger benchmark, by value and against FastJet contrib."""

import awkward as ak
import numpy as np
import pytest
from made_up_jets import as_events, plane_jets

from bunchtrain.errors import StudyError
from bunchtrain.physics.kinematics import from_cylindrical
from bunchtrain.physics.packed import jet_index
from bunchtrain.representations.trigger_features import NAMES, TriggerFeatures


def features(jets, **options):
    table = TriggerFeatures(**options)(as_events(*jets))["table"]
    return dict(zip(NAMES, table.T, strict=True))


def test_a_jet_of_three_prongs_by_value():
    pt, eta, phi = np.array([400.0, 350.0, 250.0]), np.array([0.0, 0.3, 0.0]), np.array([0, 0, 0.4])
    found = features((pt, eta, phi, np.array([3])))
    z = pt / 1000
    near = np.array([0.3, 0.4, 0.5])  # of 01, 02, 12
    pairs = z[[0, 0, 1]] * z[[1, 2, 2]]
    for beta in (1, 2):
        e2, e3 = (pairs * near**beta).sum(), z.prod() * near.prod() ** beta
        one, two = z.prod() * near[0] ** beta, z.prod() * (near[0] * near[1]) ** beta
        assert found[f"c1_b{beta}_mmdt"] == pytest.approx(e2, rel=1e-5)
        assert found[f"c2_b{beta}_mmdt"] == pytest.approx(e3 / e2**2, rel=1e-5)
        assert found[f"d2_b{beta}_mmdt"] == pytest.approx(e3 / e2**3, rel=1e-5)
        assert found[f"m2_b{beta}_mmdt"] == pytest.approx(one / e2, rel=1e-5)
        assert found[f"n2_b{beta}_mmdt"] == pytest.approx(two / e2**2, rel=1e-5)
        mixed = z.prod() * near.prod() / e2 ** (3 / beta)
        assert found[f"d2_a1_b{beta}_mmdt"] == pytest.approx(mixed, rel=1e-5)
    assert found["c1_b0_mmdt"] == pytest.approx(pairs.sum(), rel=1e-5)
    assert found["zlogz"] == pytest.approx((z * np.log(z)).sum(), rel=1e-5)
    assert found["multiplicity"] == 3


def test_soft_wide_radiation_moves_only_what_is_not_groomed():
    jets = plane_jets(most=20, empty=False)
    pt, eta, phi, lengths = jets
    hard = features(jets)
    ends = np.cumsum(lengths)
    axis = np.bincount(jet_index(lengths), eta) / lengths
    soft = (
        np.insert(pt, ends, 1e-3),
        np.insert(eta, ends, axis + 3),
        np.insert(phi, ends, phi[ends - 1]),
        lengths + 1,
    )
    softened = features(soft)
    for name in NAMES[1:-1]:
        np.testing.assert_allclose(softened[name], hard[name], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(softened["multiplicity"], hard["multiplicity"] + 1)


def test_all_are_finite_and_zero_without_points():
    jets = plane_jets()
    table = TriggerFeatures()(as_events(*jets))["table"]
    assert table.shape == (7, 16)
    assert np.isfinite(table).all()
    assert not table[3].any()


def test_groomed_correlators_are_those_of_fastjet_contrib():
    fastjet = pytest.importorskip("fastjet")
    jets = plane_jets(seed=4, most=25, empty=False)
    found = features(jets)
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 100.0)

    def clustered(momenta, lengths):
        names = ("E", "px", "py", "pz")
        fields = {n: ak.unflatten(momenta[:, i].copy(), lengths) for i, n in enumerate(names)}
        return fastjet.ClusterSequence(ak.zip(fields, with_name="Momentum4D"), definition)

    groomed = clustered(from_cylindrical(*jets[:3]), jets[3]).exclusive_jets_softdrop_grooming(
        beta=0.0
    )
    np.testing.assert_allclose(
        found["mass_mmdt"], ak.to_numpy(groomed.msoftdrop).ravel(), rtol=1e-5, atol=1e-2
    )
    inside = groomed.constituents
    inside = inside[:, 0] if inside.ndim == 3 else inside
    momenta = np.stack([ak.to_numpy(ak.flatten(inside[n])) for n in ("E", "px", "py", "pz")], 1)
    rest = clustered(momenta, ak.to_numpy(ak.num(inside)))
    for beta in (1, 2):
        for name in ("c2", "d2", "m2", "n2"):
            theirs = rest.exclusive_jets_energy_correlator(beta=beta, func=name)
            np.testing.assert_allclose(
                found[f"{name}_b{beta}_mmdt"], ak.to_numpy(theirs).ravel(), rtol=1e-4, atol=1e-6
            )


def test_a_cut_that_grooms_nothing_or_all_is_refused():
    with pytest.raises(StudyError, match=r"z_cut must lie between 0 and 0\.5"):
        TriggerFeatures(z_cut=0.7)
