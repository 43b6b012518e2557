"""Pulses: shapes against numerical convolution, the spectrum of the noise, sums and truth."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import DataError, StudyError
from bunchtrain.simulation.detectors.pulses import SENSORS, draw_noise, spectral_density
from samples import sample  # type: ignore[import-not-found]


def read(**options):
    source = sample("sensor_pulses", **options)
    return source, ak.concatenate(list(source.blocks(list(source.fields()), 1000)))


def convolve(current, response, step):
    return np.convolve(current, response)[: len(current)] * step


def test_liquid_argon_is_the_convolution_of_the_current_with_the_shaping():
    step, constant, drift = 0.05, 50.0, 450.0
    t = (np.arange(20_000) + 0.5) * step
    response = (t / constant - t**2 / (2 * constant**2)) * np.exp(-t / constant) / constant
    found = convolve(np.clip(1 - t / drift, 0, None), response, step)
    sensor = SENSORS["liquid_argon"]
    expected = sensor.curve((t + step / 2)[None], np.array([[drift]]), constant)[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)
    time = np.linspace(0, 3000, 30_001)[None]
    pulse = sensor.shape(time, np.array([drift]))[0]
    assert pulse.max() == pytest.approx(1, abs=1e-5)
    assert np.trapezoid(pulse, time[0]) == pytest.approx(0, abs=0.5)  # of 130 above 0


def test_germanium_is_the_convolution_of_an_even_collection_with_the_decay():
    step, width, constant = 1.0, 300.0, 50_000.0
    t = (np.arange(5000) + 0.5) * step
    found = convolve((t < width) / width, np.exp(-t / constant), step)
    sensor = SENSORS["germanium"]
    expected = sensor.curve((t + step / 2)[None], np.array([[width]]), constant)[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_noise_has_its_spectrum_and_standard_deviation():
    frequency = np.linspace(0, 20, 33)
    density = spectral_density(frequency, np.array([0.0, 5, 20]), np.array([4.0, 1, 0.5]), 0.3)
    noise = draw_noise(density, 0.025, 4000, np.random.default_rng(1))
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(0) * 2 * 0.025 / 64
    np.testing.assert_allclose(power[1:-1], density[1:-1], rtol=0.08)


def test_values_are_signal_noise_and_the_rest():
    options = {"events": 600, "pulses": [0, 3], "time": [0, 800], "width_spread": 0.1}
    source, events = read(**options, noise=0, pile_up=0)
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert ak.all(events.sample_value == events.sample_signal)
    assert ak.all(events.pulses == ak.num(events.pulse_time))
    assert set(ak.to_numpy(events.pulses)) == {0, 1, 2, 3}
    one = events[events.pulses == 1][0]
    shape = source.sensor.shape(np.arange(64)[None] * 25.0 - one.pulse_time[0], one.pulse_width)
    np.testing.assert_allclose(one.sample_signal, one.pulse_amplitude[0] * shape[0], atol=1e-5)
    assert one.amplitude == one.pulse_amplitude[0]
    none = events[events.pulses == 0]
    assert not ak.any(none.amplitude)
    assert not ak.any(none.sample_value)
    assert ak.array_equal(read(**options, noise=0, pile_up=0)[1], events)


def test_baseline_noise_and_saturation():
    options = {"events": 750, "pulses": 0, "noise": 0.2, "baseline": 1.0, "drift": 0.5}
    source, events = read(**options, noise_frequency=[0, 20], noise_density=[1, 0])
    value = ak.to_numpy(events.sample_value)
    first = value[:, 0] - ak.to_numpy(events.baseline)
    assert first.std() == pytest.approx(0.2, rel=0.1)
    assert ak.to_numpy(events.baseline).std() == pytest.approx(1, rel=0.1)
    assert (value[:, -1] - value[:, 0]).std() == pytest.approx((0.25 + 0.08) ** 0.5, rel=0.15)
    power = next(source.conditions["noise"].blocks(["frequency", "density"], 100))
    assert power.density[0] > power.density[-2] > 0
    _, cut = read(events=250, noise=0, amplitude=5, saturation=3.0)
    assert ak.max(cut.sample_value) == 3
    assert ak.all(cut.saturated == ak.sum(cut.sample_value >= 3, axis=1))
    assert ak.min(cut.saturated) >= 1


@pytest.mark.parametrize("bunches", [None, [2, 6]])
def test_pile_up_has_its_rate_at_the_crossings_of_filled_bunches(bunches):
    options = {"sensor": "silicon", "samples": 400, "step": 5.0, "pulses": 0, "noise": 0}
    options |= {"pile_up": 0.5, "pile_up_energy": 1.0, "events": 500}
    options |= {"bunch_spacing": 250.0, "bunches": bunches} if bunches else {}
    source, events = read(**options)
    span = (400 * 5.0 + source.sensor.memory) / 1000
    assert ak.mean(events.pile_up) == pytest.approx(0.5 * span, rel=0.12)
    value = ak.to_numpy(events.sample_value)
    # τ = 25 ns: the integral of a pulse of amplitude A is e τ A
    expected = 0.5 / 1000 * 400 * 5.0 * np.e * 25
    assert value.sum(1).mean() * 5.0 == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 33}, "samples: must be even, got 33"),
        ({"noise_density": [1]}, "noise_density: there are 1 values for 0 frequencies"),
        ({"noise_density": [1, 1], "noise_frequency": [5, 5]}, "noise_frequency: must rise"),
        ({"noise_density": [0], "noise_frequency": [1]}, "must not be 0 at all frequencies"),
        ({"amplitude": [5, 1]}, "amplitude: 1 follows 5; give the smaller one first"),
        ({"bunches": [3, 1]}, "bunches: needs bunch_spacing, and a filled crossing"),
    ],
)
def test_errors(options, message):
    with pytest.raises(StudyError, match=message):
        sample("sensor_pulses", **options)


def test_an_unknown_column_is_named():
    source = sample("sensor_pulses")
    with pytest.raises(DataError, match="no column 'sample_valu'; did you mean 'sample_value'"):
        list(source.blocks(["sample_valu"], 10))
