import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import StudyError
from bunchtrain.representations.event_image import EventImage

CHANNELS = {
    "jets": {"group": "jet"},
    "tags": {"group": "jet", "where": "tag > 0"},
    "lepton": {"group": "lepton", "value": "pt / 100"},
}


def made(turn=0.0, mirror=1, seed=1):
    """Return events of jets and a lepton, turned in φ and mirrored in η."""
    random = np.random.default_rng(seed)
    lengths = np.array([5, 0, 3, 1])
    jets = random.uniform(30, 200, lengths.sum()), random.uniform(-2.4, 2.4, lengths.sum())
    phi, lepton_phi = random.uniform(-3.1, 3.1, lengths.sum()), random.uniform(-3.1, 3.1, 4)
    columns = {"pt": jets[0], "eta": mirror * jets[1], "phi": around(phi + turn)}
    columns["tag"] = np.arange(len(phi)) % 2 == 0
    events = {f"jet_{k}": ak.unflatten(v, lengths) for k, v in columns.items()}
    lepton = {"pt": np.full(4, 50.0), "eta": np.zeros(4), "phi": around(lepton_phi + turn)}
    return ak.zip(events | {f"lepton_{k}": v for k, v in lepton.items()}, depth_limit=1)


def around(phi):
    return (phi + np.pi) % (2 * np.pi) - np.pi


def test_channels_hold_the_sums_of_their_objects():
    events = made()
    images = EventImage(channels=CHANNELS, pixels=8, flip=False)(events)["image"]
    assert images.shape == (4, 3, 8, 8)
    sums = images.sum((2, 3))
    np.testing.assert_allclose(sums[:, 0], ak.sum(events.jet_pt, 1), rtol=1e-5)
    np.testing.assert_allclose(sums[:, 1], ak.sum(events.jet_pt[events.jet_tag], 1), rtol=1e-5)
    np.testing.assert_allclose(sums[:, 2], 0.5, rtol=1e-6)


def test_images_about_the_lepton_do_not_depend_on_azimuth_or_on_the_beam():
    represent = EventImage(channels=CHANNELS, pixels=8, centre="lepton")
    image = represent(made())["image"]
    assert image[:, 2, 4, 4].tolist() == [0.5] * 4
    np.testing.assert_allclose(represent(made(turn=1.7))["image"], image, atol=1e-6)
    np.testing.assert_allclose(represent(made(mirror=-1))["image"], image, atol=1e-6)


def test_what_lies_outside_in_eta_is_left_out():
    events = made()
    images = EventImage(channels=CHANNELS, pixels=8, width=2.0, flip=False)(events)["image"]
    inside = abs(events.jet_eta) < 1
    np.testing.assert_allclose(
        images[:, 0].sum((1, 2)), ak.sum(events.jet_pt[inside], 1), rtol=1e-5
    )


def test_an_event_with_nan_is_nan():
    events = made()
    pt = ak.to_list(events.jet_pt)
    pt[2][1] = np.nan
    image = EventImage(channels=CHANNELS, pixels=8)(ak.with_field(events, pt, "jet_pt"))["image"]
    assert np.isnan(image).any((1, 2, 3)).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({}, "at least one channel"),
        ({"jets": {"value": "pt"}}, "channel 'jets' needs its 'group'"),
        ({"jets": {"group": "jet", "weight": "pt"}}, "channel 'jets' has no key 'weight'"),
    ],
)
def test_channels_that_cannot_be_are_refused(channels, message):
    with pytest.raises(StudyError, match=message):
        EventImage(channels=channels)
