import json

import numpy as np
import pytest

from bunchtrain.deployment.verification import Verification, compare_scores, read_properties
from bunchtrain.errors import VerificationError
from bunchtrain.targets import Target

TARGETS = {"jet": Target("jet", ("qcd", "top"))}


def scores(*top):
    top = np.array(top, np.float32)
    return {"qcd": 1 - top, "top": top}


def test_largest_difference_and_flipped_decisions_are_counted():
    found = compare_scores("a with b", scores(0.2, 0.49, 0.9), scores(0.2, 0.52, 0.8), TARGETS)
    assert (found.events, found.flipped) == (3, 1)
    assert found.difference == pytest.approx(0.1)


def test_an_event_dropped_on_both_sides_is_left_out_and_on_one_side_fails():
    nan = float("nan")
    both = compare_scores("a with b", scores(0.2, nan), scores(0.2, nan), TARGETS, tolerance=1e-6)
    assert both.events == 1
    assert both.holds
    assert not compare_scores("a with b", scores(0.2, nan), scores(0.2, 0.3), TARGETS, 1e-6).holds


def test_equal_infinities_are_no_difference():
    infinite = {"mass": np.array([np.inf, 1.0])}
    targets = {"mass": Target("mass", values=("mass",))}
    assert compare_scores("a with b", infinite, infinite, targets).difference == 0


def test_decisions_of_each_target_are_counted_once_an_event():
    targets = {name: Target(name, ("x", "y")) for name in "ab"}
    one = {f"{t}_{c}": np.array([float(c == "x")]) for t in "ab" for c in "xy"}
    other = {f"{t}_{c}": np.array([float(c == "y")]) for t in "ab" for c in "xy"}
    assert compare_scores("a with b", one, other, targets).flipped == 1


def test_a_failed_verification_reports_what_differs_and_by_how_much(tmp_path):
    bad = compare_scores(
        "ONNX Runtime with the trained model", scores(0.2), scores(0.3), TARGETS, 1e-4
    )
    with pytest.raises(VerificationError, match=r"ONNX Runtime.*0\.1.*0\.0001 at most"):
        Verification([bad], [], {}).check("onnx", tmp_path)
    flip = compare_scores("gates with network", scores(0.4), scores(0.6), TARGETS, allowed_flips=0)
    with pytest.raises(VerificationError, match="0 flipped decisions at most"):
        Verification([flip], [], {}).check("circuit", tmp_path)


def test_small_scores_are_compared_relative_to_themselves_and_by_their_order():
    small = scores(1e-9, 2e-9, 3e-9)
    lost = {**small, "top": np.array([0.0, 2e-9, 1e-9], np.float32)}
    found = compare_scores("a with b", small, lost, TARGETS, 1e-4, None, 1e-3)
    assert found.difference < 1e-8
    assert found.relative == pytest.approx(1.0)
    assert found.misordered == 1
    assert not found.holds
    assert compare_scores("a with b", small, small, TARGETS, 1e-4, None, 1e-3).holds
    below = scores(1e-13)
    assert compare_scores("a with b", below, scores(0.0), TARGETS, 1e-4, None, 1e-3).holds


def test_a_quantity_that_is_nan_in_both_is_equal():
    one = {"mass": np.array([1.0, 2.0]), "mass_sigma": np.array([np.nan, 1.0])}
    targets = {"mass": Target("mass", values=("mass",))}
    assert compare_scores("a with b", one, one, targets, 1e-6).holds


def test_properties_are_read_from_the_file_of_earlier_versions_too(tmp_path):
    assert read_properties(tmp_path) == {}
    (tmp_path / "parity.json").write_text(json.dumps({"figures": {"LUT": "3"}}))
    assert read_properties(tmp_path) == {"LUT": "3"}
    new = Verification([], [], {}, {"LUT": "2"}).as_dict()
    (tmp_path / "verification.json").write_text(json.dumps(new))
    assert read_properties(tmp_path) == {"LUT": "2"}
