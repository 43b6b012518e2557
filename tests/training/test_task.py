import json
import pickle

import pytest

from bunchtrain.errors import RunError, StudyError
from bunchtrain.methods.task import Task
from bunchtrain.targets import Target


def test_a_task_survives_pickle_and_json(make_task) -> None:
    task = make_task()
    assert pickle.loads(pickle.dumps(task)) == task
    assert Task.from_dict(json.loads(json.dumps(task.as_dict()))) == task


def test_the_folder_may_have_moved(make_task, tmp_path) -> None:
    make_task("old").save()
    (tmp_path / "old").rename(tmp_path / "new")
    assert Task.load(tmp_path / "new") == make_task("new")


def test_a_folder_without_task_is_told(tmp_path) -> None:
    with pytest.raises(RunError, match=r"has no task\.json"):
        Task.load(tmp_path)


def test_resuming_another_task_is_refused(make_task) -> None:
    make_task().save()
    make_task(settings={"threads": 2}).check_resume()
    with pytest.raises(RunError, match=r"'training\.learning_rate' was 0\.01 and is now 0\.5"):
        make_task(settings={"learning_rate": 0.5}).check_resume()


def test_heads_follow_from_the_losses(make_task) -> None:
    targets = {"kind": Target("kind", ("a", "b")), "sum": Target("sum", values=("x", "y", "z"))}
    terms = [("cross_entropy", {}, "kind", 1.0), ("mean_squared_error", {}, "sum", 0.1)]
    assert make_task(targets=targets, terms=terms).head_sizes() == {"kind": 2, "sum": 3}


def test_terms_that_need_different_outputs_are_refused(make_task) -> None:
    terms = [("mean_squared_error", {}, "sum", 1.0), ("gaussian_nll", {}, "sum", 1.0)]
    with pytest.raises(StudyError, match="need 1 and 2 outputs"):
        make_task(targets={"sum": Target("sum", values=("x",))}, terms=terms).heads()


def test_a_task_of_release_0_1_is_read(make_task) -> None:
    task = make_task(calibration=[("temperature", {})])
    plain = task.as_dict()
    old = {"represent": "representation", "calibrate": "calibration"}
    plain |= {name: plain.pop(new) for name, new in old.items()} | {"invalid": "refuse"}
    assert Task.from_dict(json.loads(json.dumps(plain))) == task
