"""The image, the hits and the fit of a straight track in a telescope."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.statistics.metrics.covariance import PredictedGaussian


def read(**options):
    source = parts.build("source", "strip_telescope", options)
    return source, ak.concatenate(list(source.blocks(source.fields(), 1000)))


def test_the_image_has_the_hits():
    source, events = read(events=700)
    assert len(events) == 700
    planes, strips = source.telescope.planes, source.telescope.strips
    image = ak.to_numpy(events.image).reshape(700, planes, strips)
    assert set(np.unique(image)) == {0, 1}
    np.testing.assert_array_equal(image.sum((1, 2)), ak.num(events.hit_x))
    row = np.repeat(np.arange(700), ak.num(events.hit_x))
    strip = ak.to_numpy(ak.flatten(events.hit_x)) / source.telescope.pitch + strips / 2 - 0.5
    np.testing.assert_allclose(strip, np.round(strip), atol=1e-3)
    plane = ak.to_numpy(ak.flatten(events.hit_plane))
    assert (image[row, plane, np.round(strip).astype(int)] == 1).all()
    np.testing.assert_array_equal(events.noise_hits, ak.sum(events.hit_particle < 0, axis=1))
    # 2 % of the 576 strips, less those with the particle
    assert ak.mean(events.noise_hits) == pytest.approx(0.02 * (planes * strips - planes), rel=0.03)


def test_hits_of_the_particle_lie_on_its_line_without_scattering():
    source, events = read(events=500, thickness=0.0, noise=0.0, efficiency=1.0)
    line = events.intercept + events.slope * events.hit_z
    off = ak.to_numpy(ak.flatten(events.hit_x - line))
    assert np.abs(off).max() <= source.telescope.pitch / 2 + 1e-3
    assert ak.all(ak.num(events.hit_x) == source.telescope.planes)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"efficiency": 0.7}, {"planes": 4}])
def test_the_fit_has_the_covariance_that_it_gives(options):
    _, events = read(events=4000, **options)
    names = ("intercept", "slope")
    columns = {n: ak.to_numpy(events[n]).astype(float) for n in events.fields if n[:4] != "hit_"}
    residual = np.stack([columns[n] - columns[f"fit_{n}"] for n in names], 1)
    sigma = np.stack([columns[f"fit_{n}_sigma"] for n in names], 1)
    rho = columns["fit_intercept_slope_correlation"][:, None]
    found = PredictedGaussian.of(residual, sigma, rho)
    assert found.pulls.std(0) == pytest.approx([1, 1], abs=0.08)  # strips are no Gaussians
    assert np.abs(found.pulls.mean(0)).max() < 0.06
    assert found.distances.mean() == pytest.approx(2, abs=0.15)


def test_three_hits_at_least_and_options_within_their_ranges():
    _, events = read(events=500, efficiency=0.0)
    assert ak.all(ak.sum(events.hit_particle == 0, axis=1) == 3)
    with pytest.raises(StudyError, match="planes"):
        parts.build("source", "strip_telescope", {"planes": 2})
