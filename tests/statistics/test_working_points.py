import numpy as np
import pytest

from bunchtrain.errors import StudyError
from bunchtrain.statistics.working_points import working_points
from bunchtrain.study import validate

NAMES = ["light", "c", "b"]


def flavours(events=6000):
    truth = np.arange(events) % 3
    scores = np.random.default_rng(1).dirichlet([1, 1, 1], events) + 0.15 * np.eye(3)[truth]
    return scores / scores.sum(axis=1, keepdims=True), truth


def test_rejections_are_those_of_one_cut_on_the_published_score():
    scores, truth = flavours()
    fractions = {"c": 0.08, "light": 0.92}
    found = working_points(scores, truth, None, NAMES, 2, [0.5, 0.77], fractions)
    score = np.log(scores[:, 2] / (0.08 * scores[:, 1] + 0.92 * scores[:, 0]))
    for percent in (50, 77):
        passed = score >= found[f"working_point_{percent}_cut"]["value"]
        assert passed[truth == 2].mean() == pytest.approx(percent / 100, abs=1e-3)
        for k, name in enumerate(NAMES[:2]):
            rejection = found[f"working_point_{percent}/{name}"]
            assert rejection["value"] == pytest.approx(1 / passed[truth == k].mean(), rel=1e-3)
            assert rejection["error"] > 0


def test_a_class_of_small_fraction_passes_more_often():
    scores, truth = flavours()
    little, much = (
        working_points(scores, truth, None, NAMES, 2, [0.7], {"c": f, "light": 1 - f})
        for f in (0.02, 0.5)
    )
    assert little["working_point_70/c"]["value"] < much["working_point_70/c"]["value"]
    assert little["working_point_70/light"]["value"] > much["working_point_70/light"]["value"]
    equal = working_points(scores, truth, None, NAMES, 2, [0.7])
    assert equal["working_point_70/c"] == much["working_point_70/c"]


@pytest.mark.parametrize("fractions", [{"c": 0.1}, {"c": 0.1, "light": 0.8}, {"b": 0.5, "c": 0.5}])
def test_fractions_that_cannot_be_are_refused_before_training(fractions):
    study = {
        "source": {"name": "files", "files": "jets.root"},
        "targets": {"jet": {"classes": {name: f"label == {k}" for k, name in enumerate(NAMES)}}},
        "representation": {"name": "table", "features": ["pt"]},
        "model": "dense_network",
        "evaluation": {"signal": "b", "fractions": fractions},
    }
    with pytest.raises(StudyError, match=r"evaluation\.fractions: give one for each of light, c"):
        validate(study)
