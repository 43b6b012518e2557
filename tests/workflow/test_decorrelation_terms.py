"""A study decorrelates by one more term; the column need not be named anywhere else."""

from conftest import STUDY  # type: ignore[import-not-found]

from bunchtrain.study.loading import validate
from bunchtrain.workflow.preparation import loss_columns, make_source, recipe

TERMS = ["cross_entropy", {"name": "disco", "against": "multiplicity", "weight": 10}]


def test_columns_of_objectives_are_kept():
    member = {**STUDY["models"]["flow"], "loss": TERMS}
    study = validate({**STUDY, "models": {"flow": member}})
    assert loss_columns(study) == ["multiplicity"]
    made = recipe(study, make_source(study))
    assert {"multiplicity", "jet_pt", "jet_mass"} <= set(made.stored_columns)
