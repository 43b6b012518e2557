import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import StudyError
from bunchtrain.study import (
    all_evaluations,
    evaluation_options,
    json_schema,
    load,
    model_configs,
    validate,
)
from bunchtrain.study.loading import known
from bunchtrain.study.overrides import apply, parse
from bunchtrain.study.published import Published

MINIMAL = {
    "source": {"name": "files", "files": "a.root"},
    "targets": {"jet": {"classes": {"qcd": "y == 0", "top": "y == 1"}}},
    "representation": {"name": "table", "features": ["x"]},
    "model": "dense_network",
}


def changed(**changes):
    return {**MINIMAL, **changes}


def test_minimal_study_gets_its_defaults():
    study = validate(MINIMAL)
    member = model_configs(study)["dense_network"]
    assert member.loss[0].name == "cross_entropy"
    assert member.loss[0].target == "jet"
    assert study.training.engine.name == "local"


def test_regression_target_gets_squared_error():
    study = validate(changed(targets={"energy": {"values": {"e": "energy"}}}))
    assert model_configs(study)["dense_network"].loss[0].name == "mean_squared_error"


def test_member_keeps_the_options_of_the_part_that_it_does_not_rename():
    study = validate(
        changed(
            model={"name": "dense_network", "dropout": 0.5},
            models={"wide": {"model": {"name": "dense_network", "widths": [9]}}},
            training={"epochs": 3, "batch_size": 7},
        )
    )
    wide = model_configs(study)["wide"]
    assert wide.model.options == {"dropout": 0.5, "widths": [9]}
    assert (wide.training.epochs, wide.training.batch_size) == (3, 7)


def test_overrides_reach_into_bare_names_and_lists():
    study = apply(MINIMAL, parse(["model.widths=[3, 4]", "training.learning_rate=1e-4"]))
    assert study["model"] == {"name": "dense_network", "widths": [3, 4]}
    assert validate(study).training.learning_rate == pytest.approx(1e-4)
    listed = apply(changed(loss=[{"name": "cross_entropy"}]), {"loss.0.weight": 2.0})
    assert validate(listed).loss[0].weight == 2.0


def test_overrides_leave_the_original_alone():
    before = json.dumps(MINIMAL)
    apply(MINIMAL, {"targets.jet.classes.w": "y == 2"})
    assert json.dumps(MINIMAL) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": "x"}, "unknown key 'modle'; did you mean 'model'"),
        ({"training": {"epoch": 3}}, "training: unknown key 'epoch'; did you mean 'epochs'"),
        ({"training": {"epochs": 0}}, "training.epochs: must be at least 1, got 0"),
        ({"targets": {}}, "targets"),
        (
            {"targets": {"jet": {}}},
            "targets.jet: a target has one of 'classes', 'values', 'same', 'ids' and 'assign'",
        ),
        ({"targets": {"jet": {"classes": {"a": "x"}}}}, "at least two classes"),
        ({"model": "dense_netwrok"}, "no model named 'dense_netwrok'; did you mean 'dense_network"),
        (
            {"model": {"name": "dense_network", "width": [1]}},
            "no option 'width'; did you mean 'wid",
        ),
        ({"model": {"name": "dense_network", "dropout": "much"}}, "model.dropout: .*got 'much'"),
        ({"model": None}, "key 'model' is missing"),
        ({"loss": "cross_entopy"}, "did you mean 'cross_entropy'"),
        (
            {"loss": {"name": "cross_entropy", "target": "jt"}},
            "no target 'jt'; did you mean 'j",
        ),
        (
            {"targets": {"jet": {**MINIMAL["targets"]["jet"], "signal": "tops"}}},
            "targets.jet: signal: there is no class 'tops'; did you mean 'top'",
        ),
        ({"evaluation": ["clasification"]}, "named 'clasification'; did you mean 'classification"),
        (
            {"evaluation": [{"name": "classification", "target": "jets"}]},
            "'classification' needs target 'jets' with classes; did you mean 'jet'",
        ),
        ({"evaluation": ["classification"] * 2}, "'classification' is listed twice with the same"),
        (
            {"evaluation": ["decorrelation"]},
            "evaluation: 'decorrelation' needs the option 'against'",
        ),
        ({"ensembles": {"e": {"published": {"source": "x", "acuracy": 1}}}}, "mean 'accuracy'"),
        ({"ensembles": {"e": {"published": {"source": "x", "auc": "high"}}}}, "auc: give a value"),
        ({"weights": {"reweight": {"variables": {"x": [0, 1]}, "reference": "t"}}}, "reference"),
        ({"storage": {"memory": "much"}}, "storage.memory"),
        ({"models": {"a": {"training": {"epohs": 1}}}}, "models.a.training: unknown key 'epohs'"),
        ({"source": "fles"}, "no source named 'fles'; did you mean 'files'"),
        ({"targets": {"e": {"values": {"x": "x"}}}, "weights": {"balance": True}}, "balance needs"),
    ],
)
def test_each_mistake_is_one_sentence(changes, message):
    with pytest.raises(StudyError, match=message) as caught:
        validate(changed(**changes), "a.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("a.yaml: ")


def test_two_targets_need_to_be_told_apart():
    targets = {"jet": MINIMAL["targets"]["jet"], "energy": {"values": {"e": "energy"}}}
    assert len(model_configs(validate(changed(targets=targets)))["dense_network"].loss) == 2
    with pytest.raises(StudyError, match="set 'target' for term 'cross_entropy': jet, energy"):
        validate(changed(targets=targets, loss="cross_entropy"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2: duplicate key 'a'"),
        ("a: [", "line 2, column 1: this is not YAML"),
        ("- 1", "must be a mapping of keys to values"),
        ("? [1]\n: 2", "a key must be a word"),
    ],
)
def test_unreadable_files(tmp_path, text, message):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=message):
        load(path)


def test_unknown_study_names_the_nearest():
    with pytest.raises(StudyError, match="did you mean 'top_tagging'"):
        load("top_taging")


def test_unknown_size_is_refused(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(StudyError, match="has no size 'demo'"):
        load(path, size="demo")


@pytest.mark.parametrize("text", ["epochs", "=3", "a=[1"])
def test_bad_overrides(text):
    with pytest.raises(StudyError, match="override"):
        parse([text])


def test_override_into_a_number_is_refused():
    with pytest.raises(StudyError, match="1 has no keys below it"):
        apply({"seed": 1}, {"seed.x": 2})


@pytest.mark.parametrize("name", sorted(known()))
def test_shipped_studies_are_valid_at_every_size(name):
    for size in (None, *load(name).sizes):
        study = load(name, size=size)
        assert model_configs(study) or study.stages


def outcome(call):
    try:
        call()
    except StudyError as problem:
        return str(problem)
    return "accepted"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


OTHERS = ["training", "models", "ensembles", "weights", "sizes", "seed", "evaluation", "loss"]


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from([*MINIMAL, *OTHERS]), value=JUNK)
def test_any_value_at_any_key_is_accepted_or_refused_in_a_sentence(key, value):
    assert outcome(lambda: validate(changed(**{key: value})))


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60))
def test_any_file_is_accepted_or_refused_in_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "s.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    assert outcome(lambda: load(path))


def test_schema_knows_parts_and_their_options():
    schema = json_schema()
    models = schema["$defs"]["model"]["oneOf"]
    named = [c for choice in models for c in choice.get("anyOf", [choice])]
    names = {c["const"] for c in named if "const" in c}
    assert {"dense_network", "particle_flow_network"} <= names
    options = {k for c in named for k in c.get("properties", {})}
    assert "widths" in options
    json.dumps(schema, default=str)


def test_overrides_address_parts_of_a_list_by_name():
    terms = ["cross_entropy", {"name": "disco", "against": "x"}]
    study = apply(changed(loss=terms), parse(["loss.disco.weight=3", "loss.0.label_smoothing=0.1"]))
    assert study["loss"][1] == {"name": "disco", "against": "x", "weight": 3}
    assert study["loss"][0] == {"name": "cross_entropy", "label_smoothing": 0.1}
    study = apply(MINIMAL, {"evaluation.classification.efficiencies": [0.3]})
    assert study["evaluation"] == [{"name": "classification", "efficiencies": [0.3]}]
    study = apply(study, {"evaluation.working_points.efficiencies": [0.7]})
    assert [part["name"] for part in study["evaluation"]] == ["classification", "working_points"]
    study = apply(study, {"evaluation.working_points": None})
    assert [part["name"] for part in study["evaluation"]] == ["classification"]
    with pytest.raises(StudyError, match="the list has no 'disko'; did you mean 'disco'"):
        apply(changed(loss=terms), {"loss.disko.weight": 3})
    with pytest.raises(StudyError, match="there are several 'disco'; give an index"):
        apply(changed(loss=[*terms, terms[1]]), {"loss.disco.weight": 3})


def test_default_evaluations_are_those_of_the_targets():
    def names(**changes):
        return [part.name for part in all_evaluations(validate(changed(**changes)))]

    assert names()[0] == "classification"
    assert names(targets={"e": {"values": {"x": "x"}}})[0] == "regression"
    assert "training_curves" in names(evaluation=[])
    assert "classification" not in names(evaluation=[])
    options = {"name": "classification", "efficiencies": [0.2]}
    study = validate(changed(evaluation=options))
    assert evaluation_options(study, "classification")["efficiencies"] == (0.2,)
    assert evaluation_options(study, "working_points")["fractions"] is None


@pytest.mark.parametrize("sizes", ["demo", ["demo"], {"demo": "x"}, {"demo": ["x"]}])
def test_sizes_that_are_no_mappings_are_named(tmp_path, sizes):
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump({"name": "s", "sizes": sizes}))
    with pytest.raises(StudyError, match=r"^sizes"):
        load(path, size="demo")


@pytest.mark.parametrize("value", [float("nan"), [float("inf"), 0.1]])
def test_a_published_metric_must_be_finite(value):
    with pytest.raises(ValueError, match="auc: give a value"):
        Published(source="x", auc=value)


def test_an_own_part_is_overridden_by_its_short_name():
    listed = {"evaluation": ["classification", "./mine.py:MyCut"]}
    changed = apply(listed, {"evaluation.my_cut.cut": 0.4})
    assert changed["evaluation"] == ["classification", {"name": "./mine.py:MyCut", "cut": 0.4}]
    changed = apply(changed, {"evaluation.my_cut": {"cut": 0.5}})
    assert changed["evaluation"][1] == {"name": "./mine.py:MyCut", "cut": 0.5}
