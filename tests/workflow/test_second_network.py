"""The shipped study of a second network on another study's score, on the shipped sample of jets."""

import pytest
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import StudyError
from bunchtrain.study import load
from bunchtrain.workflow.check import check

JETS = {"name": "files", "files": str(SAMPLE)}
FIRST = "particle_flow_network"


def second_network(folder):
    return load(
        "second_network",
        f"storage.folder={folder / 'cache'}",
        "training.epochs=2",
        "training.batch_size=32",
        "models.second_trees.model.trees=10",
        "models.observables.model.trees=10",
        **{"stages.jets.source": JETS},
    )


def test_without_the_first_network_the_message_has_the_command(tmp_path):
    with pytest.raises(StudyError, match=r"has no finished run in .*: bunchtrain run top_tagging"):
        bunchtrain.run(second_network(tmp_path), runs=tmp_path, jobs=1)
    problems = check(second_network(tmp_path), tmp_path).problems
    assert len(problems) == 1
    assert "stages.first.trained: study 'top_tagging' has no finished run" in problems[0]


def test_the_score_of_the_first_network_is_an_input_of_the_second(tmp_path):
    first = load(
        "top_tagging",
        f"storage.folder={tmp_path / 'cache'}",
        "models.particle_flow_network.training.epochs=2",
        "select=event_id < 800",
        size="demo",
        source=JETS,
    )
    bunchtrain.run(first, runs=tmp_path, jobs=1, only=[FIRST])
    run = bunchtrain.run(second_network(tmp_path), runs=tmp_path, jobs=1)
    assert run.json("stages/first/trained.json")["stage"] == f"train.{FIRST}"
    assert set(run.metrics) == {*run.study.models}
    assert run.metrics["second_trees"]["auc"]["value"] > 0.6
