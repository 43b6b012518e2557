import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.physics import kinematics as kin

pts = st.floats(0.1, 1000)
etas = st.floats(-4, 4)
phis = st.floats(-3.1, 3.1)


@given(pts, etas, phis, st.floats(0, 10))
def test_cylindrical_momenta_come_back(pt, eta, phi, mass):
    momentum = kin.from_cylindrical(np.array([pt]), np.array([eta]), np.array([phi]), mass)
    _, px, py, pz = momentum.T
    np.testing.assert_allclose(kin.transverse(px, py), pt)
    np.testing.assert_allclose(kin.azimuth(px, py), phi, atol=1e-12)
    np.testing.assert_allclose(kin.pseudorapidity(px, py, pz), eta, atol=1e-12)
    # the mass squared is known to the rounding of E²
    np.testing.assert_allclose(
        kin.invariant_mass(momentum) ** 2, mass**2, atol=1e-14 * momentum[0, 0] ** 2 + 1e-12
    )


@given(pts, etas, phis, st.floats(0.1, 10), st.floats(-2, 2))
def test_rapidity_is_shifted_by_a_boost(pt, eta, phi, mass, boost):
    energy, px, py, pz = kin.from_cylindrical(*np.array([[pt], [eta], [phi]]), mass).T
    cosh, sinh = np.cosh(boost), np.sinh(boost)
    moved = kin.rapidity(cosh * energy + sinh * pz, px, py, cosh * pz + sinh * energy)
    np.testing.assert_allclose(moved, kin.rapidity(energy, px, py, pz) + boost, atol=1e-7)


def test_beam_and_nothing_have_finite_directions():
    pz = np.array([5.0, -5.0, 0.0])
    zero = np.zeros(3)
    for value in (kin.rapidity(np.abs(pz), zero, zero, pz), kin.pseudorapidity(zero, zero, pz)):
        np.testing.assert_array_equal(value, [kin.ALONG_BEAM, -kin.ALONG_BEAM, 0])


@given(st.floats(-20, 20))
def test_wrapped_angles_differ_by_whole_turns(angle):
    inside = kin.wrap_angle(np.array([angle]))[0]
    assert -np.pi <= inside <= np.pi
    np.testing.assert_allclose(np.exp(1j * inside), np.exp(1j * angle))
