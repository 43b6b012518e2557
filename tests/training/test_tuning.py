import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from bunchtrain.errors import RunError, StudyError
from bunchtrain.training.tuning import Search, tune
from bunchtrain.training.tuning_report import show

SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.k": {"low": 4, "high": 16},
    "training.schedule": {"choices": ["constant", "cosine"]},
}


def parabola(overrides, report) -> float:
    """A metric that is best at a learning rate of 1e-2 and grows with the epochs."""
    value = 100 - 20 * (math.log10(overrides["training.learning_rate"]) + 2) ** 2
    value += overrides["model.k"]
    for epoch in range(1, 9):
        if report(epoch, value * epoch / 8):
            break
    return value


def search(folder: Path, trials: int = 12, **changes) -> Search:
    return Search(str(folder), SPACE, "rejection_50", trials=trials, **changes)


def test_a_search_finds_the_maximum_and_draws_in_bounds(tmp_path) -> None:
    rows = tune(parabola, search(tmp_path))
    assert len(rows) == 12
    assert rows[0]["rejection_50"] == max(row["rejection_50"] for row in rows)
    assert 1e-3 < rows[0]["training.learning_rate"] < 1e-1
    assert all(isinstance(row["model.k"], int) and 4 <= row["model.k"] <= 16 for row in rows)
    assert {row["state"] for row in rows} == {"complete", "pruned"}


def test_the_same_seed_draws_the_same_trials(tmp_path) -> None:
    first, again = (tune(parabola, search(tmp_path / name, 4)) for name in "ab")
    assert first == again


def test_a_stopped_search_goes_on(tmp_path) -> None:
    calls = []

    def stopped(overrides, report) -> float:
        calls.append(overrides)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return parabola(overrides, report)

    with pytest.raises(KeyboardInterrupt):
        tune(stopped, search(tmp_path, 5))
    rows = tune(parabola, search(tmp_path, 5))
    assert len(rows) == 5
    assert [{k: row[k] for k in SPACE} for row in rows if row["trial"] == 0] == calls[:1]


def test_a_search_killed_while_it_wrote_goes_on(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # the lock that Optuna leaves is a link to a relative path
    first = tune(parabola, search(Path("killed"), 3))
    journal = Path("killed") / "trials.log"
    journal.with_name("trials.log.lock").symlink_to(journal)
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"tri')
    assert len(tune(parabola, search(Path("killed"), 5))) == 5
    assert tune(parabola, search(Path("whole"), 3)) == first


@pytest.mark.parametrize("line", ["{", "[]", "3", "{}", "\0", "no journal"])
def test_a_damaged_journal_is_one_sentence(line, tmp_path) -> None:
    (tmp_path / "trials.log").write_text(f"{line}\n")
    with pytest.raises(RunError, match=r"trials\.log is damaged or not a file of this run .line 1"):
        tune(parabola, search(tmp_path, 1))


def test_a_trial_that_cannot_be_is_left_out(tmp_path) -> None:
    def picky(overrides, report) -> float:
        if overrides["training.schedule"] == "cosine":
            raise StudyError("no")
        return parabola(overrides, report)

    rows = tune(picky, search(tmp_path, 6))
    assert {row["training.schedule"] for row in rows} == {"constant"}


def test_the_report_shows_every_trial(tmp_path) -> None:
    looked = search(tmp_path, 6)
    rows = tune(parabola, looked)
    console = Console(record=True, width=120, file=io.StringIO())
    plot = show(rows, looked, console)
    assert plot.read_bytes().startswith(b"\x89PNG")
    text = console.export_text()
    assert all(key in text for key in [*SPACE, "rejection_50"])
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1 + len(rows)


def test_a_search_without_result_is_told(tmp_path) -> None:
    with pytest.raises(RunError, match="no trial"):
        show([], search(tmp_path))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "is empty"),
        ({"a": {"low": 1}}, "give low and high"),
        ({"a": {"low": 2, "high": 1}}, "low must be below high"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "above 0"),
        ({"a": {"choices": []}}, "give low and high"),
    ],
)
def test_wrong_spaces_are_refused(space, message, tmp_path) -> None:
    with pytest.raises(StudyError, match=message):
        Search(str(tmp_path), space, "auc")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray leaves sockets open when it stops
def test_trials_run_on_ray(tmp_path) -> None:
    def line(overrides, report) -> float:  # a local function travels to the workers by value
        return float(overrides["model.k"])

    rows = tune(line, search(tmp_path, 3), engine="ray", parallel=2)
    assert len(rows) == 3
