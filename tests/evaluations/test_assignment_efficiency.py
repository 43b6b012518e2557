"""Efficiencies of assignments: known values, symmetries, correlated particles, items, masses."""

import awkward as ak
import numpy as np
import pytest
import synthetic_runs
from synthetic_runs import LACKING, RIGHT, TOPS

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.statistics.assignment import in_count, match, particle_efficiency
from bunchtrain.statistics.metrics import measurements

TRUTH = np.array([[0, 1, 2, 3, 4, 5]])


@pytest.mark.parametrize(
    ("predicted", "right"),
    [
        ([0, 1, 2, 3, 4, 5], [True, True]),
        ([0, 2, 1, 3, 5, 4], [True, True]),  # q1 and q2 exchanged
        ([3, 5, 4, 0, 1, 2], [True, True]),  # the tops exchanged
        ([3, 5, 4, 0, 1, 6], [False, True]),
        ([1, 0, 2, 3, 4, 5], [False, True]),  # b and q1 are not alike
        ([0, 1, 2, -1, -1, -1], [True, False]),
        ([0, 4, 5, 3, 1, 2], [False, False]),
    ],
)
def test_particles_are_right_under_the_symmetries(predicted, right):
    found = match(np.array([predicted]), TRUTH, TOPS)
    assert found.is_right[0].tolist() == right
    assert found.is_complete.all()
    assert found.of_predicted()[0].sum() == sum(right)


def test_incomplete_particles_count_as_neither():
    truth = np.array([[0, 1, -1, 3, 4, 5], [-1, 1, 2, 3, 4, -1]])
    found = match(np.array([[3, 4, 5, 0, 1, 2], [0, 1, 2, 3, 4, 5]]), truth, TOPS)
    assert found.is_complete.tolist() == [[False, True], [False, False]]
    assert found.is_right.tolist() == [[False, True], [False, False]]
    right, complete = found.of_predicted()
    assert right[0].tolist() == complete[0].tolist() == [True, False]


def evaluation(**options):
    return parts.build("evaluation", "assignment_efficiency", options)


def test_known_efficiencies_are_found():
    run = synthetic_runs.run("assignment", events=20_000)
    metrics = evaluation().metrics(run)
    for model, chances in RIGHT.items():
        found = measurements(metrics[model])
        particle, event = np.mean(chances), np.mean(np.square(chances))
        p, q = 1 - LACKING, LACKING
        any_event = (p**2 * event + 2 * p * q * particle) / (p**2 + 2 * p * q)
        for name, value in {
            "event_efficiency": event,
            "particle_efficiency": particle,
            "particle_efficiency/complete": particle,
            "event_efficiency/partial": any_event,
        }.items():
            assert abs(found[name].value - value) < 4 * found[name].error, name


def test_the_error_of_particles_is_that_of_a_bootstrap_of_events():
    run = synthetic_runs.run("assignment", events=1000)
    table, random = run.predictions, np.random.default_rng(3)
    predicted = np.stack([table.columns[f"first_{role}"] for role in TOPS.roles], 1)
    truth = np.stack([table.truth("tops", role) for role in TOPS.roles], 1)
    matched, every = match(predicted, truth, TOPS), np.ones(len(table), bool)
    found = particle_efficiency(matched, every, table.weights)
    replicas = [
        particle_efficiency(matched, every, table.weights * random.poisson(1, len(table))).value
        for _ in range(1000)
    ]
    assert found.error == pytest.approx(np.std(replicas), rel=0.08)
    independent = np.sqrt(found.value * (1 - found.value) / matched.is_complete.sum())
    assert found.error > 1.1 * independent  # tops of an easy or a hard event are alike


class WithEvents(synthetic_runs.SyntheticRun):
    """A run whose events have 6 to 8 jets."""

    def events(self, rows, columns=None):
        counts = self.counts()
        flat = np.random.default_rng(2).uniform(20, 100, (4, counts.sum()))
        units = {"pt": 1, "eta": 100, "phi": 50, "mass": 10}
        table = {
            f"jet_{name}": ak.unflatten(values / unit, counts)
            for (name, unit), values in zip(units.items(), flat, strict=True)
        }
        yield ak.Array(table | {"entry": self.predictions.columns["entry"]})

    def counts(self):
        return 8 + np.arange(len(self.predictions)) % 3


def test_bins_of_items_and_masses_of_right_and_wrong_particles():
    plain = synthetic_runs.run("assignment", events=1500)
    run = WithEvents(plain.study, plain.predictions)
    results = evaluation(items=[8, 9]).evaluate(run)
    assert {"event_efficiency_8", "particle_efficiency_9+/complete"} <= set(
        results.metrics["first"]
    )
    assert [row[1] for row in results.tables[0].rows] == 2 * ["8", "9+", "all"]
    captions = [plot.caption for plot in results.plots]
    assert captions.count("Masses of the assigned t1, t2.") == 2
    assert "Efficiency of complete events by number of items." in captions
    masses = next(plot for plot in results.plots if plot.model == "first").figure
    labels = [axes.get_xlabel() for axes in masses.axes]
    assert labels == ["m(b q1 q2) of t1 [GeV]", "m(q1 q2) of t1 [GeV]"]
    first = measurements(results.metrics["first"])
    assert first["event_efficiency_8"].error > first["event_efficiency"].error


def test_counts_of_items_are_in_one_bin_each():
    found = in_count(np.array([5, 6, 7, 8, 12]), (6, 7, 8))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "6": [False, True, False, False, False],
        "7": [False, False, True, False, False],
        "8+": [False, False, False, True, True],
    }


def test_what_cannot_be_evaluated_ends_in_a_sentence():
    run = synthetic_runs.run("assignment", events=50)
    with pytest.raises(StudyError, match=r"items must rise, got \[7, 6\]"):
        evaluation(items=[7, 6]).check(run.study)
    with pytest.raises(StudyError, match="'assignment_efficiency' needs a target with 'assign'"):
        evaluation().check(synthetic_runs.run("classes", events=50).study)
    for role in TOPS.roles:
        run.predictions.columns[f"tops_{role}"][:] = -1
    with pytest.raises(DataError, match="no event in which a particle of 'tops' has all of its"):
        evaluation().evaluate(run)
