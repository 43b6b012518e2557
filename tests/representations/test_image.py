import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_jets import as_events, plane_jets

from bunchtrain.errors import StudyError
from bunchtrain.representations.image import Image


def flat(seed):
    pt, eta, phi, lengths = plane_jets(seed, empty=False)
    return pt, eta - np.repeat(eta[np.cumsum(lengths) - lengths], lengths), phi * 0.02, lengths


def images(pt, x, y, lengths, **options):
    made = Image(pixels=20, **options).images(x, y, pt, pt[:, None], lengths)
    return made[:, 0].astype(float)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-3, 3), st.booleans(), st.booleans())
def test_turned_mirrored_and_shifted_jets_have_the_same_image(seed, angle, left, down):
    pt, x, y, lengths = flat(seed)
    moved_x = (np.cos(angle) * x - np.sin(angle) * y) * (-1 if left else 1) + 0.3
    moved_y = (np.sin(angle) * x + np.cos(angle) * y) * (-1 if down else 1) - 0.2
    one, other = images(pt, x, y, lengths), images(pt, moved_x, moved_y, lengths)
    np.testing.assert_allclose(other, one, atol=1e-6)
    np.testing.assert_allclose(one.sum((1, 2)), 1, rtol=1e-6)


def test_each_step_does_what_it_says():
    # a long axis along (1, 1), the harder end in the lower left
    pt = np.array([3.0, 1.0, 0.2])
    x, y, lengths = np.array([-0.3, 0.3, 0.1]), np.array([-0.3, 0.3, -0.1]), np.array([3])
    off = {"centre": False, "rotate": False, "flip": False, "unit": False}
    plain = images(pt, x, y, lengths, **off)[0]  # pixels of 0.08
    assert plain[6, 6] == 3
    assert plain[13, 13] == 1
    mirrored = images(pt, x, y, lengths, **off | {"flip": True})[0]
    np.testing.assert_array_equal(mirrored, plain[::-1, ::-1])
    upright = images(pt, x, y, lengths, **off | {"rotate": True})[0]
    assert set(np.argwhere(upright >= 1)[:, 1]) <= {9, 10}
    middle = images(pt, x, y, lengths, **off | {"centre": True})[0]
    rows, columns = np.indices(middle.shape)
    assert abs((rows * middle).sum() / middle.sum() - 9.5) < 0.5
    assert abs((columns * middle).sum() / middle.sum() - 9.5) < 0.5
    assert images(pt, x, y, lengths, **off | {"unit": True}).sum() == pytest.approx(1)


def test_the_quadrant_of_most_intensity_is_the_upper_right():
    made = images(*flat(11))
    quadrants = [
        made[:, rows, columns].sum((1, 2))
        for rows in (slice(10, 20), slice(0, 10))
        for columns in (slice(10, 20), slice(0, 10))
    ]
    # points on the middle lines may count to either side
    assert (quadrants[0] + 1e-6 >= np.max(quadrants[1:], axis=0)).all()


def test_what_lies_outside_is_cropped_or_kept_at_the_edge():
    pt, x, y = np.array([1.0, 1.0]), np.array([0.0, 5.0]), np.array([0.0, 0.0])
    off = {"centre": False, "rotate": False, "flip": False, "unit": False}
    assert images(pt, x, y, np.array([2]), **off).sum() == 1
    kept = images(pt, x, y, np.array([2]), crop=False, **off)[0]
    assert kept[10, 19] == 1
    assert images(pt, x, y, np.array([2]), **off | {"unit": True}).sum() == 1


def test_channels_and_events_without_points():
    jets = plane_jets()
    image = Image(channels=["pt", "1"], pixels=8, unit=False, width=4)
    made = image(as_events(*jets))["image"]
    assert made.shape == (7, *image.sizes["image"][:1], 8, 8)
    np.testing.assert_allclose(made[:, 1].sum((1, 2)), jets[3])
    sums = [part.sum() for part in np.split(jets[0], np.cumsum(jets[3])[:-1])]
    np.testing.assert_allclose(made[:, 0].sum((1, 2)), sums, rtol=1e-5)
    assert not made[3].any()


def test_a_channel_of_both_signs_is_divided_by_its_absolute_sum():
    pt, lengths = np.array([3.0, 2.0, 1.0]), np.array([3])
    charge = np.array([[1.0], [-1.0], [1e-7]])  # their sum is near 0
    x, y = np.array([-0.3, 0.3, 0.1]), np.array([-0.3, 0.3, -0.1])
    image = Image(pixels=20).images(x, y, pt, charge, lengths)[0, 0]
    assert abs(image).sum().item() == pytest.approx(1)
    assert abs(image).max().item() == pytest.approx(0.5)


def test_nan_is_seen_in_its_own_image_only():
    pt, eta, phi, lengths = plane_jets()
    eta[0] = np.nan
    made = Image(pixels=8)(as_events(pt, eta, phi, lengths))["image"]
    assert np.isnan(made[0]).all()
    assert np.isfinite(made[1:]).all()


def test_an_image_without_pixels_is_refused():
    with pytest.raises(StudyError, match="pixels: 0"):
        Image(pixels=0)
