"""Reference metrics: there are some for every study, and one study is measured again."""

from pathlib import Path

import pytest
import reference_metrics as reference  # type: ignore[import-not-found]

from bunchtrain.study import load
from bunchtrain.study.loading import known
from bunchtrain.tables.reading.paths import resolve


@pytest.mark.parametrize("name", sorted(known()))
def test_a_study_has_reference_metrics_of_all_its_models(name):
    found = reference.load(name)
    study = load(name, size=found["size"])
    assert study.seed == found["seed"]
    single = {study.model.name} if study.model else set()
    models = {*(study.models or single), *study.ensembles}
    others = set(found["metrics"]) - models
    assert models or others
    assert models <= set(found["metrics"])
    assert not others or study.stages  # stages have metrics under their own names


def test_values_are_compared_exactly_or_with_their_uncertainty():
    entry = {"value": 0.9, "error": 0.01}
    assert reference.agree(entry, 0.9 + 1e-8, exact=True)
    assert not reference.agree(entry, 0.901, exact=True)
    assert reference.agree(entry, 0.905, exact=False)
    assert not reference.agree(entry, 0.92, exact=False)
    assert not reference.agree(entry, None, exact=False)
    assert reference.agree({"value": None, "error": None}, None, exact=True)
    assert reference.agree({"value": 1.3, "error": None}, 1.4, exact=False)
    assert not reference.agree({"value": 1.3, "error": None}, 2.0, exact=False)


def test_a_study_gives_its_reference_metrics(monkeypatch, tmp_path):
    source = load("higgs_tabular").source.options["files"]
    if not Path(resolve(source)[0][0]).is_file():
        pytest.skip("the public sample is not there: set BUNCHTRAIN_DATA")
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path))
    found = reference.load("higgs_tabular")
    assert not reference.differences(found, reference.measure("higgs_tabular"))
