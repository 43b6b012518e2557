import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_jets import as_events, plane_jets

from bunchtrain.errors import StudyError
from bunchtrain.physics.energy_flow_polynomials import energy_flow_polynomials
from bunchtrain.physics.kinematics import from_cylindrical
from bunchtrain.physics.n_subjettiness import n_subjettiness
from bunchtrain.representations.energy_flow_polynomials import EnergyFlowPolynomials
from bunchtrain.representations.jet_features import JetFeatures
from bunchtrain.representations.n_subjettiness_basis import NSubjettinessBasis
from tests.property_settings import examples


def test_polynomials_are_those_of_the_physics():
    jets = plane_jets()
    found = EnergyFlowPolynomials(degree=3, beta=1.0, products=False)
    table = found(as_events(*jets))["table"]
    expected = energy_flow_polynomials(from_cylindrical(*jets[:3]), jets[3], 3)
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-7)
    assert found.sizes == {"table": 8}
    assert found.names["table"][:3] == ["01", "01_01", "02_12"]


def test_products_complete_the_linear_basis():
    polynomials = EnergyFlowPolynomials()
    assert polynomials.sizes == {"table": 999}
    assert len(set(polynomials.names["table"])) == 999
    small = EnergyFlowPolynomials(degree=2)
    assert small.names["table"] == ["01", "01_01", "02_12", "01*01"]
    table = small(as_events(*plane_jets()))["table"]
    np.testing.assert_allclose(table[:, 3], table[:, 0] ** 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("bodies", "size"), [(6, 14), (8, 20)])
def test_basis_has_the_published_size(bodies, size):
    basis = NSubjettinessBasis(bodies=bodies)
    assert basis.sizes == {"table": 2 + size}
    names = basis.names["table"]
    assert names[:5] == ["pt", "mass", "tau1_0.5", "tau1_1", "tau1_2"]
    assert names[-2:] == [f"tau{bodies - 1}_1", f"tau{bodies - 1}_2"]


@pytest.mark.parametrize("axes", ["kt", "one_pass_kt"])
def test_basis_is_n_subjettiness(axes):
    jets = plane_jets(most=20)
    momenta = from_cylindrical(*jets[:3])
    basis = NSubjettinessBasis(bodies=4, axes=axes)
    table = basis(as_events(*jets))["table"]
    for column, name in enumerate(basis.names["table"][2:], start=2):
        number, beta = name.removeprefix("tau").split("_")
        expected = n_subjettiness(momenta, jets[3], (int(number),), float(beta), axes)[:, 0]
        np.testing.assert_allclose(table[:, column], expected, rtol=2e-3, atol=1e-4)
    total = np.add.reduceat(momenta, np.cumsum([0, *jets[3][:2]]))[:2]
    np.testing.assert_allclose(table[:2, 0], np.hypot(total[:, 1], total[:, 2]), rtol=1e-5)


@pytest.mark.parametrize("part", [EnergyFlowPolynomials(degree=2), NSubjettinessBasis(bodies=3)])
def test_jets_without_points_are_zero_and_nan_stays_in_its_jet(part):
    pt, eta, phi, lengths = plane_jets()
    clean = part(as_events(pt, eta, phi, lengths))["table"]
    assert np.isfinite(clean).all()
    assert not clean[3].any()
    pt[0] = np.nan
    table = part(as_events(pt, eta, phi, lengths))["table"]
    assert np.isnan(table[0]).all()
    np.testing.assert_allclose(table[1:], clean[1:], rtol=1e-5, atol=1e-6)


def test_points_that_fail_a_condition_do_not_count():
    pt, eta, phi, lengths = plane_jets(empty=False)
    part = EnergyFlowPolynomials(degree=2, where="pt > 10")
    hard = pt.astype(np.float32) > 10
    kept = np.add.reduceat(hard.astype(int), np.cumsum(lengths) - lengths)
    alone = part(as_events(pt[hard], eta[hard], phi[hard], kept))["table"]
    np.testing.assert_allclose(
        part(as_events(pt, eta, phi, lengths))["table"], alone, rtol=1e-5, atol=1e-6
    )


def test_options_that_cannot_be_are_named():
    with pytest.raises(StudyError, match="phase space of 1 bodies has no basis"):
        NSubjettinessBasis(bodies=1)
    with pytest.raises(StudyError, match="must be 1 to 7, not 9"):
        EnergyFlowPolynomials(degree=9)


@settings(max_examples=examples(50), deadline=None)
@given(st.floats(-3, 3), st.integers(0, 1000))
def test_features_of_jets_of_one_or_two_particles_do_not_change_under_rotations(angle, seed):
    pt, eta, phi, lengths = plane_jets(seed, jets=20, most=3, empty=False)
    turned = (phi + angle + np.pi) % (2 * np.pi) - np.pi
    part = JetFeatures(normalise="none")
    one, other = (part(as_events(pt, eta, p, lengths))["table"] for p in (phi, turned))
    np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6)
    mass = part.observables.index("mass")
    assert (one[lengths == 1, mass] == 0).all()
    assert (other[lengths == 1, mass] == 0).all()


def test_polynomials_of_near_particles_keep_their_digits():
    """θ² = 2 (1 − cos θ) of massless particles 10⁻⁴ apart: not resolved in single precision."""
    pt, eta, phi = np.array([200.0, 300.0]), np.zeros(2), np.array([1.0, 1.0001])
    part = EnergyFlowPolynomials(degree=1, beta=1.0, measure="e+e-", normalise="none")
    found = part(as_events(pt, eta, phi, np.array([2])))["table"][0, 0].item()
    assert found == pytest.approx(2 * 0.4 * 0.6 * 2 * np.sin(0.00005), rel=1e-6)
