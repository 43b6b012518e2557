"""Names, unused keys and overrides of a study that are refused, and how messages are shortened."""

import re

import pytest
import yaml

import bunchtrain
from bunchtrain.errors import LONGEST, StudyError, UserError, nearest, shorten
from bunchtrain.study import load
from bunchtrain.study.loading import read

STUDY = {
    "source": {"name": "files", "files": "events.csv"},
    "targets": {"t": {"classes": {"qcd": "label == 0", "top": "label == 1"}}},
    "representation": {"name": "table", "features": ["x"]},
    "model": "dense_network",
}


def message(tmp_path, *words, **changes):
    """Return the message about a study with these keys and overrides."""
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(STUDY | changes))
    with pytest.raises(StudyError) as caught:
        load(tmp_path / "s.yaml", *words)
    text = str(caught.value)
    assert len(text) <= LONGEST
    return text.removeprefix(f"{tmp_path / 's.yaml'}: ")


def test_a_key_that_each_model_replaces_is_refused(tmp_path):
    own = {"a": {"model": "boosted_trees"}, "b": {"model": "random_forest"}}
    assert "no model uses 'dense_network'" in message(tmp_path, models=own)


def test_a_misspelt_part_is_refused_also_where_no_model_uses_it(tmp_path):
    found = message(tmp_path, "model.name=particel_net", models={"a": {"seeds": 2}})
    assert "no model named 'particel_net'; did you mean 'particle_net'" in found


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seeds": 2, "models": {"a": {}, "a_seed_2": {}}}, "would have the name 'a_seed_2'"),
        ({"models": {"a": {}, "A": {}}}, "would have the name 'a'"),
        ({"spectators": ["t"]}, "two columns of the predictions would have the name 't'"),
        ({"spectators": ["dense_network_top"]}, "would have the name 'dense_network_top'"),
        ({"models": {"../up": {}}}, "the name '../up' must consist of"),
        ({"name": "/absolute"}, "name: the name '/absolute' must consist of"),
        ({"models": {"x" * 65: {}}}, "a name must have 1 to 64 characters, and one has 65"),
        ({"targets": {"t": {"classes": {"$a$": "x", "b": "y"}}}}, "must not contain '$'"),
        (
            {"targets": {"t": {"classes": {f"c{i}": f"x == {i}" for i in range(1001)}}}},
            "targets.t.classes: must be a mapping of 1,000 or fewer items, got {'c0': 'x == 0'",
        ),
        ({"title": "a\0b"}, "title: the text 'a\\x00b' contains the character '\\x00'"),
        ({"sizes": {"demo": {"training.epohs": 1}}}, "size 'demo': training: unknown key 'epohs'"),
        ({"define": {"a": ""}}, "define.a: must be a text of at least 1 characters, got ''"),
        ({"seed": 2**32}, "seed: must be at most 4,294,967,295, got 4294967296"),
        ({"training": {"events": 1}}, "training.events: must be at least 2, got 1"),
        ({"loss": {"name": "mode", "against": "x", "bins": "a"}}, "must be a whole number or a"),
    ],
)
def test_wrong_values(tmp_path, changes, text):
    assert text in message(tmp_path, **changes)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["seed=1", "seed=2"], "override 'seed' is given twice; give it once"),
        (["training..epochs=1"], "is not of the form key=value"),
        (["loss.disco.weight=3"], "the study lists no 'loss' to change"),
        (["training.epochs=" + "9" * 5000], "override 'training.epochs': the value"),
    ],
)
def test_wrong_overrides(tmp_path, words, text):
    assert text in message(tmp_path, *words)


def test_aliases_do_not_stand_for_millions_of_values(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in zip("abcdefg", "bcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    (tmp_path / "s.yaml").write_text("\n".join(lines))
    with pytest.raises(StudyError, match="more than 200,000 values, aliases included"):
        load(tmp_path / "s.yaml")


def test_the_default_name_of_a_study_is_a_name_of_a_folder(tmp_path):
    (tmp_path / "my study (2).yaml").write_text(yaml.safe_dump(STUDY))
    assert load(tmp_path / "my study (2).yaml").name == "my_study_2_"


def test_messages_are_one_line_of_limited_length():
    assert str(StudyError("a\n  b\x1b")) == "a b\\x1b"
    text = str(StudyError(f"file {'x' * 500}: {'word ' * 200}end"))
    assert len(text) <= LONGEST
    assert text.startswith("file xxx")
    assert text.endswith("end")
    assert len(shorten([{"a": list(range(1000))}] * 1000)) <= 120
    assert [shorten(one) for one in (None, True, 1)] == ["null", "true", "1"]


def test_far_words_are_not_suggested():
    assert nearest("nothing", ["b_tagging", "top_tagging"]) == ""
    assert nearest("tagging", ["b_tagging"]) == "; did you mean 'b_tagging'?"
    assert nearest("particel_net", ["particle_net", "lola"]) == "; did you mean 'particle_net'?"


def test_merge_keys_of_yaml_are_supported_and_bounded(tmp_path):
    path = tmp_path / "s.yaml"
    again = "{x: 1, <<: [*a, *a, *a]}"
    for _ in range(8):
        again = f"{{<<: [{again}, {again}], y: 1}}" if len(again) < 20_000 else again
    path.write_text(f"a: &a {{epochs: 3, on: 1}}\nb: {{<<: *a, epochs: 4}}\nc: {again}\n")
    found = read(path)
    assert found["b"] == {"epochs": 4, "on": 1}
    assert found["c"] == {"epochs": 3, "on": 1, "x": 1, "y": 1}
    path.write_text("a: {<<: b}")
    with pytest.raises(StudyError, match="line 1, column 9: this is not YAML: expected a mapping"):
        read(path)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: load(3), "a study must be a path, got 3"),
        (lambda: bunchtrain.open_run(None), "the folder of a run must be a path, got null"),
        (lambda: bunchtrain.inspect(["a.csv"]), "a file must be a path, got ['a.csv']"),
        (lambda: bunchtrain.compare([]), "give the runs to compare as a list, [run, run], got []"),
        (lambda: bunchtrain.compare(["runs/s"]), "bunchtrain.open_run(...) returns a run"),
        (lambda: bunchtrain.evaluate([], "classification"), "give at least one run in a list"),
    ],
)
def test_things_that_are_no_paths_and_no_runs(call, text):
    with pytest.raises(UserError, match=re.escape(text)):
        call()


def test_a_study_file_that_is_too_large(tmp_path):
    (tmp_path / "s.yaml").write_text("# a comment\n" * 200_000)
    with pytest.raises(StudyError, match="has 2,400,000 bytes, and a study at most 2,000,000"):
        load(tmp_path / "s.yaml")
    assert "must be a mapping of 500 or fewer items" in message(
        tmp_path, models={f"m{i}": {} for i in range(501)}
    )
