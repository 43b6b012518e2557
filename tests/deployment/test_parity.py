import numpy as np
import pytest

from bunchtrain.deployment.parity import Parity, agreement
from bunchtrain.errors import ParityError

TARGETS = {"jet": {"classes": ["qcd", "top"]}}


def scores(*top):
    top = np.array(top, np.float32)
    return {"qcd": 1 - top, "top": top}


def test_largest_difference_and_flipped_decisions_are_counted():
    found = agreement("a with b", scores(0.2, 0.49, 0.9), scores(0.2, 0.52, 0.8), TARGETS)
    assert (found.events, found.flipped) == (3, 1)
    assert found.difference == pytest.approx(0.1)


def test_an_event_dropped_on_both_sides_is_left_out_and_on_one_side_fails():
    nan = float("nan")
    both = agreement("a with b", scores(0.2, nan), scores(0.2, nan), TARGETS, tolerance=1e-6)
    assert both.events == 1
    assert both.holds
    assert not agreement("a with b", scores(0.2, nan), scores(0.2, 0.3), TARGETS, 1e-6).holds


def test_equal_infinities_are_no_difference():
    infinite = {"mass": np.array([np.inf, 1.0])}
    assert agreement("a with b", infinite, infinite, {"mass": {"values": ["mass"]}}).difference == 0


def test_decisions_of_each_target_are_counted_once_an_event():
    targets = {"a": {"classes": ["x", "y"]}, "b": {"classes": ["x", "y"]}}
    one = {f"{t}_{c}": np.array([float(c == "x")]) for t in "ab" for c in "xy"}
    other = {f"{t}_{c}": np.array([float(c == "y")]) for t in "ab" for c in "xy"}
    assert agreement("a with b", one, other, targets).flipped == 1


def test_a_failed_parity_says_what_differs_and_by_how_much():
    bad = agreement("ONNX Runtime with PyTorch", scores(0.2), scores(0.3), TARGETS, 1e-4)
    with pytest.raises(ParityError, match=r"ONNX Runtime with PyTorch.*0\.1.*0\.0001 at most"):
        Parity([bad], [], {}).check("onnx")
    flip = agreement("gates with network", scores(0.4), scores(0.6), TARGETS, allowed_flips=0)
    with pytest.raises(ParityError, match="0 flipped decisions at most"):
        Parity([flip], [], {}).check("circuit")
