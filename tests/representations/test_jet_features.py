import numpy as np
import pytest
from made_up_jets import as_events, plane_jets

from bunchtrain.errors import StudyError
from bunchtrain.physics.kinematics import from_cylindrical
from bunchtrain.physics.n_subjettiness import n_subjettiness
from bunchtrain.representations.jet_features import FEATURES, JetFeatures


def test_features_are_those_of_the_physics():
    jets = plane_jets(most=30)
    momenta, lengths = from_cylindrical(*jets[:3]), jets[3]
    wanted = ["tau32", "multiplicity", "pt", "mass"]
    table = JetFeatures(features=wanted)(as_events(*jets))["table"]
    tau = n_subjettiness(momenta, lengths)
    ratio = np.divide(tau[:, 2], tau[:, 1], out=np.zeros(7), where=tau[:, 1] > 0)
    np.testing.assert_allclose(table[:, 0], ratio, atol=1e-3)
    np.testing.assert_array_equal(table[:, 1], lengths)
    total = np.stack([part.sum(0) for part in np.split(momenta, np.cumsum(lengths)[:-1])])
    np.testing.assert_allclose(table[:, 2], np.hypot(total[:, 1], total[:, 2]), rtol=1e-5)
    squared = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(1)
    np.testing.assert_allclose(table[:, 3] ** 2, squared, rtol=1e-3, atol=0.1)


def test_points_that_fail_a_condition_do_not_count():
    pt, eta, phi, lengths = plane_jets(most=30)
    features = JetFeatures(features=["multiplicity"], where="pt > 20")
    table = features(as_events(pt, eta, phi, lengths))["table"]
    expected = [(part > 20).sum() for part in np.split(pt, np.cumsum(lengths)[:-1])]
    assert table[:, 0].tolist() == expected


def test_all_are_finite_and_zero_without_points():
    jets = plane_jets()
    table = JetFeatures(features=list(FEATURES))(as_events(*jets))["table"]
    assert table.shape == (7, len(FEATURES))
    assert np.isfinite(table).all()
    assert not table[3].any()


def test_nan_and_particles_without_pt_touch_their_own_jet_only():
    pt, eta, phi, lengths = plane_jets()
    clean = JetFeatures()(as_events(pt, eta, phi, lengths))["table"]
    pt[0], pt[lengths[0]] = np.nan, 0
    table = JetFeatures()(as_events(pt, eta, phi, lengths))["table"]
    assert np.isnan(table[0]).all()
    assert np.isfinite(table[1:]).all()
    np.testing.assert_allclose(table[2:], clean[2:], rtol=1e-5, atol=1e-6)


def test_an_unknown_feature_is_named_with_the_nearest():
    with pytest.raises(StudyError, match="no jet feature named 'tau_21'; did you mean 'tau21'"):
        JetFeatures(features=["tau_21"])
