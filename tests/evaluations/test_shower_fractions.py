"""Responses with a known answer, rivals that know the axes, and what is refused."""

import awkward as ak
import numpy as np
import pytest
import synthetic_runs
from synthetic_runs import SyntheticRun

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations.shower_fractions import mean_and_spread
from bunchtrain.physics.shower_axes import LateralProfile, nearest_axis
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Contents, PredictedColumn, Predictions
from bunchtrain.targets import Quantity, Target

TARGET = Target("shower", values=("first", "second"), axis="point", expressions=("hit_a", "hit_b"))
SPECTATORS = ["separation", "hit_x", "hit_y", "hit_layer", "particle_x", "particle_y"]
OPTIONS = {"by": "separation", "baselines": ["nearest_axis", "profile_weights"]}


def study(**changes):
    given = {
        "name": "synthetic",
        "source": {"name": "files", "files": "hits.parquet"},
        "targets": {"shower": {"on": "hit", "values": {"first": "hit_a", "second": "hit_b"}}},
        "spectators": SPECTATORS,
        "representation": {"name": "point_cloud", "group": "hit", "features": ["x"],
                           "coordinates": ["x", "y"]},
        "model": "gar_net",
        "loss": "energy_fractions",
    }  # fmt: skip
    return Study.model_validate(given | changes)


def events(count=600, seed=1):
    """Return hits of two showers with an exponential profile, 2 or 20 apart, and their energies."""
    random = np.random.default_rng(seed)
    separation = np.where(np.arange(count) % 2, 20.0, 2.0)
    counts = np.full(count, 40)
    event = np.repeat(np.arange(count), counts)
    own = np.arange(len(event)) % 2
    axis_x = np.stack([-separation / 2, separation / 2], 1)
    radius, turn = random.exponential(1.0, len(event)), random.uniform(0, 2 * np.pi, len(event))
    x = axis_x[event, own] + radius * np.cos(turn)
    lists = {
        "hit_x": x, "hit_y": radius * np.sin(turn), "hit_layer": np.arange(len(event)) % 4,
        "shower_0": np.where(own == 0, 1.0, 0.0), "shower_1": np.where(own == 0, 0.0, 1.0),
    }  # fmt: skip
    found = {n: ak.unflatten(v, counts) for n, v in lists.items()} | {"separation": separation}
    return found | {"particle_x": ak.Array(axis_x), "particle_y": ak.Array(0 * axis_x)}


class Run(SyntheticRun):
    """A run with training events."""

    def events(self, rows, columns=None, split="test"):
        assert split == "train"
        made = events(seed=2)
        both = ak.concatenate([made[f"shower_{k}"][:, :, None] for k in range(2)], axis=2)
        yield ak.zip({**made, "target_shower": both}, depth_limit=1)


def run_of(fraction, **changes):
    """Return a run whose model predicts this fraction of the first shower from (hits' truth)."""
    made = events()
    count = len(made["separation"])
    columns = {
        "gar_net_first": fraction(made), "gar_net_second": 1 - fraction(made),
        "weight": np.ones(count), "entry": np.arange(count), **made,
    }  # fmt: skip
    content = {
        f"gar_net_{one}": PredictedColumn("gar_net", "shower", Quantity(one))
        for one in TARGET.values
    }
    contents = Contents({"shower": TARGET}, {"gar_net": ["gar_net"]}, [], content)
    return Run(study(**changes), Predictions(contents, columns))


def test_perfect_fractions_have_a_response_of_one():
    evaluation = parts.build("evaluation", "shower_fractions", OPTIONS)
    run = run_of(lambda made: made["shower_0"])
    evaluation.check(run.study)
    found = evaluation.metrics(run)["gar_net"]
    assert found["response_mean/2"]["value"] == found["response_mean"]["value"] == 1
    assert found["response_spread/20"]["value"] == 0
    assert found["response_outside"]["value"] == 0


def test_half_of_everything_is_a_response_of_one_and_all_of_it_two():
    for value in (0.5, 1.0, 0.05):
        run = run_of(lambda made, value=value: 0 * made["shower_0"] + value)
        found = parts.build("evaluation", "shower_fractions", {}).metrics(run)["gar_net"]
        outside = found["response_outside"]["value"]
        assert outside == (1 if value < 0.1 else 0)
        if not outside:
            assert found["response_mean"]["value"] == pytest.approx(2 * value)


def test_rivals_are_in_the_table_and_divide_distant_showers_well():
    evaluation = parts.build("evaluation", "shower_fractions", OPTIONS)
    results = evaluation.evaluate(run_of(lambda made: made["shower_0"]))
    rows = {row[0]: row[1:] for row in results.tables[0].rows}
    assert set(rows) == {"gar_net", "nearest_axis", "profile_weights"}
    assert results.tables[0].columns[1:4] == ["mean", "spread", "outside"]
    for rival in ("nearest_axis", "profile_weights"):
        near, far = (float(rows[rival][k].split(" ")[0]) for k in (4, 7))
        assert far < 0.03 < near < 0.2
    assert {plot.caption for plot in results.plots} == {
        "Response of the first shower at separation 2.",
        "Response of the first shower at separation 20.",
    }


def test_the_profile_is_that_of_the_showers():
    """With ρ ∝ e^{−r}/r the fractions are those of the ratio of densities."""
    random = np.random.default_rng(1)
    radius = random.exponential(1.0, (200_000, 1))
    layer = random.integers(0, 2, len(radius))
    made = LateralProfile.fit(radius, layer, np.ones_like(radius), 1000)
    distance = np.array([[0.5, 1.5], [2.0, 2.0], [3.0, 1.0]])
    density = np.exp(-distance) / distance
    wanted = density / density.sum(1, keepdims=True)
    np.testing.assert_allclose(made.fractions(distance, np.array([0, 1, 0])), wanted, atol=0.03)
    np.testing.assert_allclose(nearest_axis(distance)[:, 0], [1, 0.5, 0])


def test_mean_and_spread_have_the_errors_of_toys():
    random = np.random.default_rng(2)
    toys = [mean_and_spread(random.gamma(4.0, 1.0, 400), np.ones(400)) for _ in range(400)]
    for k, truth in ((0, 4.0), (1, 2.0)):
        values = np.array([one[k].value for one in toys])
        errors = np.array([one[k].error for one in toys])
        assert abs(values.mean() - truth) < 0.02
        assert np.std(values) == pytest.approx(errors.mean(), rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "showers"}, "on points with the energies.*did you mean 'shower'"),
        ({"by": "separations"}, "did you mean 'separation'"),
        ({"window": [2.8, 0.2]}, "window must rise"),
        ({"baselines": ["nearest_axis"], "axes": "particles"}, "did you mean 'particle_x'"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(StudyError, match=message):
        parts.build("evaluation", "shower_fractions", options).check(study())


def test_classes_and_events_without_energy_end_in_a_sentence():
    with pytest.raises(StudyError, match="needs a target on points with the energies"):
        parts.build("evaluation", "shower_fractions", {}).check(
            synthetic_runs.study([synthetic_runs.TARGETS["classes"]])
        )
    run = run_of(lambda made: made["shower_0"])
    run.predictions = run.predictions.take(np.zeros(len(run.predictions), bool))
    with pytest.raises(DataError, match="no event has energy of the first shower"):
        parts.build("evaluation", "shower_fractions", {}).metrics(run)
