"""The size under which `docs/catalogue.py` records a run."""

import importlib.util
from pathlib import Path

import pytest

from bunchtrain.study import load

FILE = Path(__file__).parents[2] / "docs" / "catalogue.py"


@pytest.fixture(scope="module")
def catalogue():
    spec = importlib.util.spec_from_file_location("catalogue_of_studies", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("threads", [None, 1, 2])
@pytest.mark.parametrize("size", ["demo", "small", None])
def test_threads_do_not_change_the_size(catalogue, size, threads):
    study = load("liquid_argon_pulses", size=size, **{"training.threads": threads})
    assert catalogue.size_of(study) == (size or "")


def test_a_run_with_other_events_has_no_size(catalogue):
    study = load("liquid_argon_pulses", size="small", **{"source.pile_up": 0})
    assert catalogue.size_of(study) == ""
