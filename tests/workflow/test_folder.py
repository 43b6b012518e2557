"""The study in a run folder is the study that was run."""

import pytest
import yaml

from bunchtrain.study import load, validate
from bunchtrain.study.loading import known, read
from bunchtrain.workflow.folder import dump


@pytest.mark.parametrize("name", sorted(known()))
def test_a_dumped_study_is_read_back_with_all_its_options(name):
    for size in (None, *read(known()[name]).get("sizes", {})):
        study = load(name, size=size)
        assert validate(yaml.safe_load(dump(study))) == study


def test_an_option_that_is_null_is_not_replaced_by_its_default():
    model = {"name": "boosted_trees", "patience": None}
    study = load("higgs_tabular", models={"trees": {"model": model}})
    assert yaml.safe_load(dump(study))["models"]["trees"]["model"] == model
