"""A model with a scan becomes several models, named by the value."""

import pytest
import yaml

from bunchtrain.errors import StudyError
from bunchtrain.study import load, model_configs, select_models

STUDY = {
    "source": {"name": "files", "files": "x.root"},
    "targets": {"jet": {"classes": {"qcd": "label == 0", "w": "label == 1"}}},
    "spectators": ["mass"],
    "representation": {"name": "table", "features": ["x"]},
    "model": "dense_network",
    "models": {
        "plain": {},
        "disco": {
            "loss": ["cross_entropy", {"name": "disco", "against": "mass", "weight": 1}],
            "scan": {"loss.disco.weight": [1, 10.5]},
        },
    },
}


def loaded(tmp_path, *overrides, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | changes, sort_keys=False))
    return load(path, *overrides)


def test_a_scan_makes_a_model_of_each_value(tmp_path):
    study = loaded(tmp_path)
    found = model_configs(study)
    assert list(found) == ["plain", "disco_1", "disco_10.5"]
    assert [m.loss[-1].weight for m in found.values()] == [1.0, 1.0, 10.5]
    assert [(m.curve, m.strength) for m in found.values()] == [
        ("plain", None),
        ("disco", 1.0),
        ("disco", 10.5),
    ]
    again = type(study)(**study.model_dump(mode="json"))  # as a run folder keeps it
    assert model_configs(again) == found


def test_overrides_reach_the_scan_and_its_name_stands_for_all(tmp_path):
    study = loaded(tmp_path, "models.disco.scan={loss.1.weight: [2, 4]}")
    assert list(model_configs(select_models(study, ["disco"]))) == ["disco_2", "disco_4"]
    assert list(model_configs(select_models(study, ["disco_4", "plain"]))) == ["disco_4", "plain"]


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        ({"a": [1], "b": [2]}, "give one key and its values"),
        ({"loss.1.weight": "much"}, "give a list of numbers, got 'much'"),
        ({"loss.1.weight": [10**400]}, "give a list of numbers, got "),
        ({"loss.7.weight": [1]}, "the list has the items 0 to 1"),
        ({"loss.disko.weight": [1]}, "the list has no 'disko'; did you mean 'disco'"),
    ],
)
def test_a_wrong_scan_is_an_error(tmp_path, scan, message):
    disco = {**STUDY["models"]["disco"], "scan": scan}
    with pytest.raises(StudyError, match=message):
        loaded(tmp_path, models={"disco": disco})


def test_decorrelation_needs_a_spectator_and_rising_edges(tmp_path):
    part = {"name": "decorrelation", "against": "mas", "edges": [0, 1, 2]}
    with pytest.raises(StudyError, match="'mas' is not listed in 'spectators'; did you mean 'mas"):
        loaded(tmp_path, evaluation=[part])
    with pytest.raises(StudyError, match="edges must increase, and 1 follows 2"):
        loaded(tmp_path, evaluation=[part | {"against": "mass", "edges": [0, 2, 1]}])
