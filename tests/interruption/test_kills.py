"""Commands that are killed and repeated or resumed give the results of undisturbed ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from killed_studies import TINY  # type: ignore[import-not-found]

DATA = (
    Path(os.environ.get("BUNCHTRAIN_DATA", "-")),
    Path(__file__).parents[2] / "shared" / "data",
)
SCRIPT = Path(__file__).with_name("kills.py")


def kill(count, only):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--count", str(count), "--only", only],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert f"{count} kills, 0 failures" in done.stdout, done.stdout + done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the commands are started by a fork")
def test_six_kills():
    kill(6, "run,predict")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("count", "only"), [(140, "run,tune,predict,export"), (60, "processes,generation")]
)
def test_two_hundred_kills(count, only):
    kill(count, only)


@pytest.mark.nightly
@pytest.mark.parametrize("study", TINY)
def test_fifty_kills_of_a_study(study):
    if not any((place / "higgs").is_dir() for place in DATA if place.is_dir()):
        pytest.skip("the public samples are not there: set BUNCHTRAIN_DATA")
    kill(50, study)
