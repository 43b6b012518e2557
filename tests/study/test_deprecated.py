"""Studies of release 0.1 load as before, with one note that names the new keys."""

import warnings
from pathlib import Path

import pytest
import yaml

from bunchtrain.errors import DeprecatedKey, StudyError
from bunchtrain.study import load, model_configs, validate
from bunchtrain.study.loading import known

OLD = Path(__file__).parents[1] / "data" / "studies_0.1"
STUDY = {
    "source": {"name": "files", "files": "x.root"},
    "targets": {
        "jet": {"classes": {"qcd": "label == 0", "w": "label == 1"}},
        "mass": {"values": {"m": "true_mass"}},
    },
    "spectators": ["pt"],
    "representation": {"name": "table", "features": ["x"]},
    "model": "dense_network",
}


def loaded(*arguments, **options):
    """The study, and the notes of its loading."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = load(*arguments, **options)
    return study, [str(one.message) for one in caught if one.category is DeprecatedKey]


def without_texts(study):
    """The keys that determine what is computed; `sizes` have been applied."""
    if not isinstance(study, dict):
        return study
    texts = ("title", "description", "references", "note", "sizes")
    return {key: without_texts(value) for key, value in study.items() if key not in texts}


@pytest.mark.parametrize("name", sorted(path.stem for path in OLD.glob("*.yaml")))
def test_an_old_study_equals_the_new_one_at_every_size(name):
    sizes = yaml.safe_load((OLD / f"{name}.yaml").read_text()).get("sizes", {})
    for size in (None, *sizes):
        old, notes = loaded(OLD / f"{name}.yaml", size=size)
        assert len(notes) == 1
        assert "'evaluation' is now 'evaluation: [" in notes[0]
        new, notes = loaded(known()[name], size=size)
        assert notes == []
        assert without_texts(old.model_dump()) == without_texts(new.model_dump())
        assert list(model_configs(old)) == list(model_configs(new))


def written(folder, **changes):
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(STUDY | changes, sort_keys=False))
    return path


def test_each_old_key_of_evaluation_has_its_new_place(tmp_path):
    old = {
        "signal": "qcd",
        "efficiencies": [0.2, 0.4],
        "mistags": [0.1],
        "working_points": [0.7],
        "fractions": {"w": 1.0},
        "against": ["pt"],
        "parameter": "pt",
        "decorrelation": {"against": "pt", "edges": [0, 1, 2]},
        "luminosity_scale": 3,
        "note": "A note.",
    }
    with pytest.warns(DeprecatedKey, match="'evaluation.signal' is now 'targets.jet.signal'"):
        study = validate(STUDY | {"evaluation": old})
    assert [(part.name, part.options) for part in study.evaluation] == [
        ("classification", {"efficiencies": [0.2, 0.4], "mistags": [0.1]}),
        ("working_points", {"efficiencies": [0.7], "fractions": {"w": 1.0}}),
        ("efficiency_profile", {"against": ["pt"], "efficiency": 0.4, "fractions": {"w": 1.0}}),
        ("decorrelation", {"against": "pt", "edges": [0, 1, 2]}),
        ("parameter_scan", {"parameter": "pt"}),
        ("regression", {"against": ["pt"]}),
    ]
    assert (study.note, study.weights.luminosity_scale) == ("A note.", 3)
    assert study.targets["jet"].signal == "qcd"


@pytest.mark.parametrize(
    ("override", "new"),
    [
        ("evaluation.efficiencies=[0.3]", "evaluation.classification.efficiencies=[0.3]"),
        ("evaluation.signal=qcd", "targets.jet.signal=qcd"),
        ("evaluation.note=shorter", "note=shorter"),
        ("evaluation.luminosity_scale=2", "weights.luminosity_scale=2"),
        ("evaluation.working_points=[0.7]", "evaluation.working_points.efficiencies=[0.7]"),
        ("evaluation.parameter=pt", "evaluation.parameter_scan.parameter=pt"),
        ("evaluation.target=jet", "evaluation.classification.target=jet"),
        ("members.a.represent.features=[y]", "models.a.representation.features=[y]"),
        ("objective.1.weight=2", "loss.disco.weight=2"),
        ("invalid=refuse", "invalid=raise"),
        ("weights.negative=refuse", "weights.negative=raise"),
    ],
)
def test_old_overrides_equal_new_ones(tmp_path, override, new):
    loss = [
        {"name": "cross_entropy", "target": "jet"},
        {"name": "disco", "target": "jet", "against": "pt"},
        {"name": "mean_squared_error", "target": "mass"},
    ]
    path = written(tmp_path, models={"a": {"representation": STUDY["representation"]}}, loss=loss)
    old, notes = loaded(path, override)
    assert len(notes) == 1
    assert loaded(path, new) == (old, [])


def test_old_and_new_names_of_a_key_exclude_each_other(tmp_path):
    with pytest.raises(StudyError, match="'objective' is the old name of 'loss'"):
        load(written(tmp_path, loss="cross_entropy", objective="cross_entropy"))


def test_an_unknown_key_of_the_old_mapping_names_the_nearest(tmp_path):
    with pytest.raises(StudyError, match="unknown key 'efficency'; did you mean 'efficiencies'"):
        load(written(tmp_path, evaluation={"efficency": [0.3]}))


def test_published_rejections_get_the_names_of_their_metrics(tmp_path):
    given = {"source": "x", "auc": 0.9, "rejection": {"0.3": [891, 18], 0.5: 200}}
    study, _ = loaded(written(tmp_path, models={"a": {"published": given}}))
    published = model_configs(study)["a"].published
    assert published.metrics["rejection_30"] == (891, 18)
    assert published.metrics["rejection_50"].value == 200
    assert published.metrics["auc"].value == 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"efficiencies": 0.4, "against": ["pt"]}}, r"efficiencies: give a list"),
        ({"evaluation": {"signal": ["w"]}}, r"evaluation.signal: give a text, got \['w'\]"),
        ({"evaluation": {"decorrelation": "pt"}}, "evaluation.decorrelation: give a mapping"),
        ({"evaluation": {"target": "jett"}}, "there is no target 'jett'; did you mean 'jet'"),
        ({"evaluation": {"classification": {}}}, "give a list, as .{name: classification}"),
        ({"evaluation": {"note": "a"}, "note": "b"}, "'evaluation.note' is the old name of 'note'"),
        (
            {"evaluation": {"luminosity_scale": 2.0}, "weights": {"luminosity_scale": 3.0}},
            "old name of 'weights.luminosity_scale', which is given, too",
        ),
        (
            {"evaluation": {"signal": "qcd"}, "targets": {"jet": {"signal": "w"}}},
            "old name of 'targets.jet.signal', which is given, too",
        ),
        ({"sizes": {"demo": {"evaluation.efficiencies": 0.4}}}, "efficiencies: give a list"),
        ({"published": {"source": "x", "rejection": {30: 9.0}}}, "30 is not a signal efficiency"),
        (
            {"published": {"source": "x", "rejection": {0.3: 9.0}, "rejection_30": 8.0}},
            "0.3 and 'rejection_30' are both given",
        ),
    ],
)
def test_wrong_values_of_old_keys_are_named(changes, message):
    classes = STUDY["targets"]["jet"]
    if "targets" in changes:
        changes = changes | {"targets": {"jet": classes | changes["targets"]["jet"]}}
    if "published" in changes:
        changes = {"models": {"a": {"published": changes["published"]}}}
    with pytest.raises(StudyError, match=message):
        validate(STUDY | changes)


def test_an_override_by_an_old_key_replaces_the_new_one(tmp_path):
    targets = {"jet": STUDY["targets"]["jet"] | {"signal": "w"}}
    with pytest.warns(DeprecatedKey):
        study = load(written(tmp_path, targets=targets), "evaluation={signal: qcd}")
    assert study.targets["jet"].signal == "qcd"
