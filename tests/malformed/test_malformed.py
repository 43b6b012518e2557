"""Malformed inputs end in one sentence of at most 400 characters, and exit code 2.

Each test reports the inputs of a kind that are answered otherwise. Few of each are tried in CI, all
of them nightly: `pytest -m nightly tests/malformed -s` prints their counts.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pytest
from malformed import (
    call_inputs,
    other_inputs,
    section_inputs,
    stage_inputs,
    study_inputs,
    use_inputs,
)
from malformed.harness import Malformed, answer, judge
from malformed.study_inputs import STUDY, changed, of_study

GENERATORS: dict[str, Callable[[Path], Iterable[Malformed]]] = {
    "options of parts": lambda base: study_inputs.options_of_parts(),
    "keys of the study": lambda base: study_inputs.keys_of_the_study(),
    "YAML": lambda base: study_inputs.yaml_texts(),
    "names": lambda base: study_inputs.names(),
    "meaning": lambda base: study_inputs.meaning(),
    "overrides": lambda base: study_inputs.overrides(),
    "expressions": lambda base: other_inputs.expressions(),
    "command lines": lambda base: other_inputs.command_lines(),
    "data files": other_inputs.data_files,
    "run folders": other_inputs.run_folders,
    "keys of stages": lambda base: stage_inputs.keys_of_stages(),
    "parts of stages": lambda base: stage_inputs.parts_of_stages(),
    "meaning of stages": lambda base: stage_inputs.meaning_of_stages(),
    "commands of stages": lambda base: stage_inputs.commands_of_stages(),
    "run folders of stages": stage_inputs.staged_run_folders,
    "conditions": lambda base: section_inputs.conditions(),
    "detectors": lambda base: section_inputs.detectors(),
    "executors": lambda base: section_inputs.executors(),
    "own parts": lambda base: section_inputs.own_parts(),
    "large studies": lambda base: section_inputs.large_studies(),
    "paths": lambda base: use_inputs.paths(),
    "predictions": use_inputs.predictions,
    "variables": use_inputs.variables,
    "calls": call_inputs.calls,
    "events of types": use_inputs.events_of_types,
}
#: Inputs of each generator in CI, fewer of some, and generators that are tried nightly only.
SAMPLE = 15
FEW = dict.fromkeys(("conditions", "detectors", "executors", "own parts", "paths"), 3)
NIGHTLY = ("keys of stages", "parts of stages", "run folders of stages")
NIGHTLY += ("large studies", "predictions", "variables", "calls", "events of types")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))


def judge_all(inputs: list[Malformed], base: Path) -> None:
    """Fail with the list of inputs that are answered wrongly; print the counts by kind."""
    wrong = []
    for index, one in enumerate(inputs):
        place = base / "inputs" / str(index)
        if fault := judge(one, place):
            wrong.append(f"{one.kind} | {one.name[:80]} | {fault}")
        shutil.rmtree(place, ignore_errors=True)
    print(dict(Counter(one.kind for one in inputs)), f"{len(wrong)} answered wrongly")
    assert not wrong, f"{len(wrong)} of {len(inputs)} answered wrongly:\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", [name for name in GENERATORS if name not in NIGHTLY])
def test_a_sample_of_malformed_inputs(name, tmp_path):
    inputs = list(GENERATORS[name](tmp_path))
    assert len(inputs) > SAMPLE
    judge_all(list(islice(inputs, 0, None, len(inputs) // FEW.get(name, SAMPLE))), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", GENERATORS)
def test_all_malformed_inputs(name, tmp_path):
    judge_all(list(GENERATORS[name](tmp_path)), tmp_path)


def test_a_valid_study_reaches_the_training(tmp_path):
    given = of_study("valid", "study", STUDY)
    assert judge(given, tmp_path / "inputs" / "valid") == "accepted: the training would begin"


@pytest.mark.parametrize("title", ["[/bold] [red]", "$\\nosuch$", "<script>", "{0}", "a & b"])
def test_titles_may_have_any_letters(tmp_path, title):
    given = of_study("valid", "title", changed("title", title))
    assert answer(given.prepare(tmp_path), tmp_path).code is None
