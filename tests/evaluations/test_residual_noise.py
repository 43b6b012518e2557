"""Residual noise with known answers, filters and raw samples beside it, and what is refused."""

import awkward as ak
import numpy as np
import pytest
from synthetic_runs import SyntheticRun

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Contents, PredictedColumn, Predictions
from bunchtrain.targets import Quantity, Target

SIGNAL = Target("signal", values=("value",), axis="point", expressions=("sample_signal",))
PULSE = Target("pulse", values=("amplitude",), expressions=("amplitude",))
SHAPE = np.array([0.0, 0.5, 1.0, 0.25])
NOISE, MISSED = 0.3, 0.1
OPTIONS = {"filters": ["fit"]}


def study(**changes):
    given = {
        "name": "synthetic",
        "source": {"name": "files", "files": "pulses.parquet"},
        "targets": {
            "pulse": {"values": {"amplitude": "amplitude"}},
            "signal": {"on": "sample", "values": {"value": "sample_signal"}},
        },
        "spectators": ["sample_value"],
        "models": {
            "fit": {
                "representation": {"name": "window", "features": ["sample_value"], "length": 4},
                "model": "window_cnn",
                "loss": {"name": "mean_squared_error", "target": "pulse"},
            },
            "net": {
                "representation": {"name": "sequence", "group": "sample", "features": ["value"],
                                   "coordinates": ["value"]},
                "model": "denoising_autoencoder",
                "loss": {"name": "mean_squared_error", "target": "signal"},
            },
        },
    }  # fmt: skip
    return Study.model_validate(given | changes)


def pulses(count=3000, seed=1):
    """Return amplitudes (events,), true samples and measured ones (events, samples)."""
    random = np.random.default_rng(seed)
    amplitude = random.uniform(1, 5, count)
    signal = np.outer(amplitude, SHAPE)
    return amplitude, signal, signal + random.normal(0, NOISE, signal.shape)


class Run(SyntheticRun):
    """A run with training events."""

    def events(self, rows, columns=None, split="test"):
        assert split == "train"
        amplitude, signal, _ = pulses(seed=2)
        both = {"target_pulse": amplitude[:, None], "target_signal": signal}
        yield ak.zip({name: ak.Array(one) for name, one in both.items()}, depth_limit=1)


def run_of(error):
    """Return a run whose network misses each sample by this error, of all the same sign."""
    amplitude, signal, measured = pulses()
    lists = {"signal_0": signal, "net_signal_value": signal + error, "sample_value": measured}
    columns = {name: ak.from_regular(ak.Array(one)) for name, one in lists.items()}
    columns |= {"pulse_0": amplitude, "fit_pulse_amplitude": amplitude + MISSED}
    columns |= {"weight": np.ones(len(amplitude)), "entry": np.arange(len(amplitude))}
    content = {
        "net_signal_value": PredictedColumn("net", "signal", Quantity("value")),
        "fit_pulse_amplitude": PredictedColumn("fit", "pulse", Quantity("amplitude")),
    }
    targets = {"pulse": PULSE, "signal": SIGNAL}
    contents = Contents(targets, {"fit": ["fit"], "net": ["net"]}, [], content)
    return Run(study(), Predictions(contents, columns))


def build(**options):
    return parts.build("evaluation", "residual_noise", options)


def test_the_residual_noise_is_the_root_mean_square():
    found = build().metrics(run_of(0.06))
    assert found["net"]["residual_noise"]["value"] == pytest.approx(0.06, rel=1e-5)
    assert found["net"]["noise_left"]["value"] == pytest.approx(0.06 / NOISE, rel=0.03)
    assert found["fit"] == {}


def test_the_rivals_are_the_raw_samples_and_amplitude_times_shape():
    run, evaluation = run_of(0.06), build(**OPTIONS)
    evaluation.check(run.study)
    results = evaluation.evaluate(run)
    rows = {row[0]: float(row[1].split(" ")[0]) for row in results.tables[0].rows}
    assert set(rows) == {"net", "raw samples", "fit × shape"}
    assert rows["raw samples"] == pytest.approx(NOISE, rel=0.03)
    assert rows["fit × shape"] == pytest.approx(MISSED * np.sqrt((SHAPE**2).mean()), rel=0.01)
    assert results.plots[0].caption == "Residual noise of each sample."


def test_the_error_is_the_spread_of_toys():
    """Of pulses that miss by e or 0: the mean square has the error of a fraction."""
    run = run_of(np.where(np.arange(3000) % 4 == 0, 0.2, 0.0)[:, None])
    found = build().metrics(run)["net"]["residual_noise"]
    assert found["value"] == pytest.approx(0.1, rel=1e-4)
    wanted = 0.04 * np.sqrt(0.25 * 0.75 / 3000) / (2 * 0.1)
    assert found["error"] == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "signals"}, "did you mean 'signal'"),
        ({"raw": "sample_values"}, "did you mean 'sample_value'"),
        ({"filters": ["fits"]}, "there is no model 'fits'.*did you mean 'fit'"),
        ({"filters": ["fit"], "amplitude": "height"}, "of events with the value 'height'"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(StudyError, match=message):
        build(**options).check(study())


def test_events_of_different_lengths_end_in_a_sentence():
    run = run_of(0.06)
    run.predictions.columns["signal_0"] = ak.Array([[1.0, 2.0]] + [[1.0] * 4] * 2999)
    with pytest.raises(DataError, match="must have the same number of samples"):
        build().metrics(run)
