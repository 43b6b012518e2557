"""The shipped two-sample test with toys, with a small table in place of its events."""

import numpy as np
import pytest

import bunchtrain
from bunchtrain.study import load

SIGNALS = (0, 30)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_samples")
    random = np.random.default_rng(1)
    shipped = load("two_sample_test")
    names = shipped.source.options["names"]
    table = random.normal(size=(600, len(names)))
    table[:, 0] = np.arange(600) % 3 == 0  # is_signal
    table[:, 1:] += 3 * table[:, :1]
    np.savetxt(folder / "events.csv", table, delimiter=",")
    study = load(
        "two_sample_test",
        f"source.files={folder / 'events.csv'}",
        f"storage.folder={folder / 'cache'}",
        "stages.drawn.transform.expected=100",
        "stages.reference.transform.expected=100",
        "stages.data.transform.number=30",
        "stages.both.prepare.weights.event=where(origin == 0, 100 / 300, 1)",
        "stages.toys.repeat.times=4",
        "stages.signals.repeat.times=1",
        f"stages.signals.repeat.scan={{data.transform.number: {[*SIGNALS]}}}",
        "training.epochs=1",
    )
    return bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_each_statistic_has_a_p_value_and_a_power(run):
    statistics = {
        "classifier": ("log_likelihood_ratio", "two_sample_auc"),
        "likelihood": ("log_likelihood_ratio", "two_sample_auc"),
        "classical": ("kolmogorov_smirnov", "chi_squared", "energy_distance"),
    }
    for model, names in statistics.items():
        found = run.metrics[model]
        for name in names:
            assert 1 / 5 <= found[f"{name}_p_value"]["value"] <= 1
            assert {f"{name}_power/{n}" for n in SIGNALS} <= set(found)


def test_a_signal_of_a_quarter_of_the_data_is_found_by_the_classical_tests(run):
    found = run.metrics["classical"]
    for name in ("kolmogorov_smirnov", "energy_distance"):
        assert found[f"{name}_p_value"]["value"] == pytest.approx(1 / 5)


def test_the_report_has_the_p_values_of_toys(run):
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "p-values of toys with a signal, Log likelihood ratio t of classifier" in text
