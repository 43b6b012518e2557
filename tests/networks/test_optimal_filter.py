"""The optimal filter against its equations, and what it refuses."""

import awkward as ak
import numpy as np
import pytest
import torch
from exported import check_onnx

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.methods.fitted_module import FittedModule, FittedWindowModule
from bunchtrain.networks.fitted.optimal_filter import OptimalFilter
from bunchtrain.targets import Target

AMPLITUDE = MeanSquaredError(Target("pulse", values=("amplitude",)))
BOTH = MeanSquaredError(Target("pulse", values=("amplitude", "time")))
SAMPLES = 64


def pulses(events=4000, seed=1, times=(490.0, 510.0), amplitudes=(1.0, 10.0), **background):
    source = parts.build(
        "source",
        "sensor_pulses",
        {
            "events": events,
            "sensor": "silicon",
            "drift_time": 60,
            "samples": SAMPLES,
            "time": list(times),
            "amplitude": list(amplitudes),
            "noise": 0.1,
            "noise_frequency": [0.1, 2, 20],
            "noise_density": [10, 3, 1],
            "seed": seed,
        }
        | background,
    )
    return ak.concatenate([source.generate(k) for k in range(events // 250)])


def batch_of(events, times=True):
    window = ak.to_numpy(events.sample_value).astype(np.float32)[:, None]
    values = [ak.to_numpy(events.amplitude), ak.to_numpy(events.time)][: 1 + times]
    return Batch({"window": window}, {"pulse": np.stack(values, 1)}, np.ones(len(events), "f4"))


def fitted(batch, loss=AMPLITUDE, **options):
    made = OptimalFilter((1, SAMPLES), loss.outputs, **options)
    halves = [batch.take(rows) for rows in np.array_split(np.arange(len(batch)), 3)]
    history = made.fit(halves, halves[:1], loss, seed=1, threads=1)
    assert history[0]["training_loss"] > 0
    return made


def test_of_a_spectrum_is_the_ratio_of_sums_over_frequencies():
    batch = batch_of(pulses(times=(500, 500)), times=False)
    made = fitted(batch, noise="spectrum")
    window = batch.inputs["window"][:, 0].astype(np.float64)
    amplitude = batch.targets["pulse"][:, 0].astype(np.float64)
    centred = amplitude - amplitude.mean()
    shape = centred @ window / (centred @ centred)
    baseline = window.mean(0) - amplitude.mean() * shape
    noise = np.fft.fft(window - baseline - amplitude[:, None] * shape)
    template, power = np.fft.fft(shape), (np.abs(noise) ** 2).mean(0)
    found = (np.fft.fft(window - baseline) * template.conj() / power).sum(1).real
    expected = found / (np.abs(template) ** 2 / power).sum()
    np.testing.assert_allclose(made(batch.inputs["window"])[:, 0], expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("noise", ["covariance", "spectrum"])
def test_its_variance_is_the_smallest_possible(noise):
    made = fitted(batch_of(pulses(times=(500, 500)), times=False), noise=noise)
    other = batch_of(pulses(seed=2, times=(500, 500)), times=False)
    pulls = made(other.inputs["window"])[:, 0] - other.targets["pulse"][:, 0]
    # of a pulse of known shape in noise of known covariance, F⁻¹
    true = 1 / made.information[0, 0, 0] / (SAMPLES if noise == "spectrum" else 1)
    assert pulls.std() == pytest.approx(np.sqrt(true), rel=0.05)
    assert abs(pulls.mean()) < 4 * pulls.std() / np.sqrt(len(pulls))


@pytest.mark.parametrize("noise", ["covariance", "spectrum"])
def test_amplitude_and_time_of_delayed_pulses(noise):
    made = fitted(batch_of(pulses(times=(300, 700))), BOTH, delays=10, step=25.0, noise=noise)
    other = batch_of(pulses(seed=2, times=(300, 700)))
    amplitude, time = made(other.inputs["window"]).T
    true_amplitude, true_time = other.targets["pulse"].T
    large = true_amplitude > 5
    assert np.std((time - true_time)[large]) < 3
    assert abs(np.mean((time - true_time)[large])) < 1
    assert np.std((amplitude - true_amplitude)[large]) < 0.15
    # The centroid of the samples is linear, too, but follows the noise of all of them.
    without = fitted(batch_of(pulses(times=(300, 700))), BOTH, step=25.0, noise=noise)
    linear = without(other.inputs["window"])[:, 1] - true_time
    assert np.std(linear[large]) > 1.2 * np.std((time - true_time)[large])


def test_events_without_a_pulse_are_noise():
    events = pulses(pulses=[0, 1])
    made = fitted(batch_of(events), BOTH)
    empty = batch_of(events[events.pulses == 0]).inputs["window"]
    assert abs(made(empty)[:, 0].mean()) < 0.02
    assert ((made(empty)[:, 1] >= 489) & (made(empty)[:, 1] <= 511)).all()


def test_more_weight_is_more_events():
    events = pulses(1000)
    batch, twice = batch_of(events), batch_of(ak.concatenate([events, events[:300]]))
    weighted = Batch(batch.inputs, batch.targets, np.where(np.arange(1000) < 300, 2, 1))
    one, other = (fitted(b, BOTH)(batch.inputs["window"]) for b in (weighted, twice))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"delays": 3, "step": 25.0, "noise": "spectrum"}])
def test_as_a_module_and_from_its_state(options):
    batch = batch_of(pulses(1000, times=(450, 550)))
    made = fitted(batch, BOTH, **options)
    window = batch.inputs["window"]
    module = FittedModule(made)(torch.from_numpy(window)).numpy()
    np.testing.assert_allclose(module, made(window), rtol=1e-4, atol=1e-3)
    other = OptimalFilter((1, SAMPLES), 2, **options)
    assert not other.is_fitted
    other.load_state(made.state())
    np.testing.assert_array_equal(other(window), made(window))


@pytest.mark.parametrize(
    ("window", "outputs", "options", "message"),
    [
        ((2, 8), 1, {}, "1 values and 2 features"),
        ((1, 8), 3, {}, "3 values and 1 features"),
        ((1, 8), 1, {"delays": 2}, "needs the true time"),
        ((1, 5000), 1, {}, "set 'noise' to 'spectrum'"),
    ],
)
def test_what_is_refused(window, outputs, options, message):
    with pytest.raises(StudyError, match=message):
        OptimalFilter(window, outputs, **options)


def test_data_that_do_not_suffice():
    batch = batch_of(pulses(250), times=False)
    with pytest.raises(DataError, match="no events"):
        fitted(batch.take(np.arange(0)))
    with pytest.raises(DataError, match="twice as many training events, and there are 100"):
        fitted(batch.take(np.arange(100)))
    nothing = Batch(batch.inputs, {"pulse": np.zeros((250, 1))}, batch.weight)
    with pytest.raises(DataError, match="no training event has a pulse"):
        fitted(nothing)
    with pytest.raises(DataError, match="the time of all training pulses is 500"):
        fitted(batch_of(pulses(250, times=(500, 500))), BOTH)
    negative = Batch(batch.inputs, batch.targets, -batch.weight)
    with pytest.raises(StudyError, match="no negative weights"):
        fitted(negative)


@pytest.mark.parametrize("options", [{}, {"delays": 2, "step": 25.0}])
@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_onnx_gives_the_same_numbers(options, tmp_path):
    batch = batch_of(pulses(1000, times=(450, 550)))
    window = torch.from_numpy(batch.inputs["window"])

    def inputs(_, lengths):
        return {"window": window[: len(lengths)]}

    module = FittedWindowModule(fitted(batch, BOTH, **options)).eval()
    check_onnx(module, inputs, tmp_path / "model.onnx", tolerance=1e-3)
