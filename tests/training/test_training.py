import csv
import json
import warnings
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from bunchtrain.errors import (
    DataError,
    InterruptedRun,
    MissingDependency,
    RunError,
    StudyError,
    UserError,
)
from bunchtrain.methods.tensor_files import read_tensors
from bunchtrain.progress_events import report_stage
from bunchtrain.targets import Target
from bunchtrain.trained_files import load
from bunchtrain.training import fit_by_gradient as fitting
from bunchtrain.training import trainer
from bunchtrain.training.train import train
from bunchtrain.training.trainer import precision
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.live_progress import live_progress


def curves(folder) -> list[dict[str, float]]:
    with open(f"{folder}/history.csv") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_a_log_has_one_line_an_epoch(make_task, tmp_path, capfd) -> None:
    with live_progress(RunFolder(tmp_path), 1), report_stage(tmp_path, "train.a"):
        train(make_task())
    output, lines = capfd.readouterr()
    assert output == ""
    first, *epochs = lines.splitlines()
    assert first == "· training a"
    assert [line.split("  ")[1] for line in epochs] == [f"epoch {n}/3" for n in (1, 2, 3)]
    assert all("validation loss 0." in line and "left" in line for line in epochs)


def test_training_learns_and_leaves_its_outcome(make_task, capfd) -> None:
    task = make_task()
    trained_model = train(task)
    rows = curves(task.folder)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["validation_loss"] < 0.9 * np.log(2)
    summary = json.loads(Path(task.folder, "training.json").read_text())
    assert summary["status"] == "finished"
    assert summary["best_epoch"] == 1 + int(np.argmin([row["validation_loss"] for row in rows]))
    assert summary["parameters"] == (3 * 16 + 16) + (16 * 16 + 16) + (16 * 2 + 2)
    assert trained_model.columns == ["x", "y", "z"]
    assert capfd.readouterr() == ("", "")


class Stop(Callback):
    """Ctrl-C in the middle of an epoch."""

    def on_train_batch_end(self, trainer, module, outputs, batch, number) -> None:
        if trainer.current_epoch == 1 and number == 2:
            raise KeyboardInterrupt


FIT = ("cross_entropy", {}, "kind", 1.0)
ADVERSARY = ("adversary", {"against": "z", "alone": 3, "ramp": 5, "steps": 3}, "kind", 2.0)


@pytest.mark.parametrize(
    ("schedule", "fields"),
    [
        ("one_cycle", {}),
        ("plateau", {}),
        ("one_cycle", {"posterior": ("deep_ensemble", {"size": 2})}),
        ("one_cycle", {"posterior": ("bayes_by_backprop", {})}),
        ("one_cycle", {"terms": [FIT, ADVERSARY]}),
    ],
)
def test_an_interrupted_training_resumes_to_the_same_weights(
    make_task, monkeypatch, schedule, fields
) -> None:
    settings = {"schedule": schedule, "gradient_clip": None if "posterior" in fields else 1.0}
    whole = train(make_task("whole", settings, **fields))
    task = make_task("halved", settings, **fields)
    make_trainer = fitting.make_trainer
    monkeypatch.setattr(
        fitting, "make_trainer", lambda t, p, callbacks: make_trainer(t, p, [*callbacks, Stop()])
    )
    with pytest.raises(InterruptedRun, match="can be resumed"):
        train(task)
    assert len(curves(task.folder)) == 1
    monkeypatch.undo()
    resumed = train(task, resume=True)
    for name, weight in whole.network.state_dict().items():
        same = resumed.network.state_dict()[name]
        torch.testing.assert_close(same, weight, rtol=0, atol=0, equal_nan=True)
    losses = [[r["train_loss"] for r in curves(t.task.folder)] for t in (whole, resumed)]
    assert losses[0] == losses[1]


def test_a_finished_training_is_loaded_by_resume(make_task) -> None:
    first = train(make_task(settings={"epochs": 1}))
    again = train(make_task(settings={"epochs": 1}), resume=True)
    assert torch.equal(*(next(a.network.parameters()) for a in (first, again)))


def test_early_stopping_restores_the_best_epoch(make_task, cache) -> None:
    settings = {"learning_rate": 0.3, "optimiser": "sgd", "epochs": 30, "patience": 2}
    task = make_task(settings=settings)
    trained_model = train(task)
    losses = [row["validation_loss"] for row in curves(task.folder)]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 2
    events = ak.concatenate(list(cache.of("validation").blocks(None, 1000)))
    scores = trained_model.predict(events)["signal"].astype(float)
    right = np.where(ak.to_numpy(events["target_kind"]) == 1, scores, 1 - scores)
    weight = ak.to_numpy(events["weight"])
    assert np.isclose(-(weight * np.log(right)).sum() / weight.sum(), losses[best], rtol=1e-5)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_the_rate_falls_on_a_plateau_only_where_the_schedule_says_so(make_task, schedule) -> None:
    settings = {"learning_rate": 0.3, "epochs": 12, "schedule": schedule}
    task = make_task(settings=settings)
    train(task)
    rates = [row["learning_rate"] for row in curves(task.folder)]
    assert rates[0] == pytest.approx(0.3)
    assert (rates[-1] < rates[0]) == (schedule == "plateau")


def test_saving_and_loading_gives_the_same_scores(make_task, source) -> None:
    trained_model = train(make_task(settings={"epochs": 1}))
    again = load(trained_model.task.folder)
    for name, values in trained_model.predict(source.events).items():
        assert np.array_equal(values, again.predict(source.events)[name])
    assert set(again.predict(source.events[:0])) == {"background", "signal"}


def test_a_checkpoint_of_release_0_1_is_resumed(make_task) -> None:
    whole = train(make_task("whole", terms=[FIT, ADVERSARY]))
    task = make_task("old", terms=[FIT, ADVERSARY])
    train(task, on_epoch=lambda epoch, _: epoch == 2)
    folder = Path(task.folder)
    (folder / "network.json").unlink()  # as if it had been interrupted
    state = read_tensors(folder / "checkpoint.safetensors")
    (folder / "checkpoint.safetensors").unlink()
    state["module"] = {k.replace("losses.", "objectives."): v for k, v in state["module"].items()}
    for row in state["rows"]:
        row["jets_per_second"] = row.pop("samples_per_second")
    torch.save(state, folder / "checkpoint.pt")
    resumed = train(task, resume=True).network.state_dict()
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, equal_nan=True)
    assert len(curves(task.folder)) == 3


def test_several_targets_are_trained_at_once_and_logged_by_term(make_task, source) -> None:
    task = make_task(
        terms=[("cross_entropy", {}, "kind", 1.0), ("mean_squared_error", {}, "sum", 0.1)],
        targets={
            "kind": Target("kind", ("background", "signal")),
            "sum": Target("sum", values=("x + y",)),
        },
    )
    scores = train(task).predict(source.events)
    assert {"kind_background", "kind_signal"} < set(scores)
    last = curves(task.folder)[-1]
    total = last["validation_kind/cross_entropy"] + 0.1 * last["validation_sum/mean_squared_error"]
    assert np.isclose(last["validation_loss"], total)


def test_trees_go_the_same_way(make_task, source) -> None:
    model = ("boosted_trees", {"trees": 20, "depth": 3})
    trained_model = train(make_task(model=model))
    rows = curves(trained_model.task.folder)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    scores = load(trained_model.task.folder).predict(source.events)["signal"]
    assert np.array_equal(scores, trained_model.predict(source.events)["signal"])
    label = ak.to_numpy(source.events["label"])
    assert scores[label == 1].mean() > scores[label == 0].mean() + 0.2


def test_a_watcher_sees_each_epoch_and_may_stop(make_task, source) -> None:
    seen = []

    def on_epoch(epoch, trained_model) -> bool:
        seen.append((epoch, float(trained_model.predict(source.events)["signal"].mean())))
        return epoch == 2

    train(make_task(), on_epoch=on_epoch)
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert seen[0][1] != seen[1][1]


def test_a_diverging_loss_stops_with_the_place(make_task) -> None:
    settings = {"learning_rate": 1e30, "optimiser": "sgd"}
    with pytest.raises(UserError, match=r"epoch 1, batch \d+: the loss is .*learning_rate"):
        train(make_task(settings=settings))


@pytest.mark.parametrize("policy", ["impute", "drop"])
def test_invalid_inputs_follow_the_policy(make_task, source, policy) -> None:
    features = {"features": ["log(x)", "y", "z"]}
    with pytest.raises(DataError, match=r"log\(x\)"):
        train(make_task(representation=("table", features), settings={"epochs": 1}))
    task = make_task(representation=("table", features), settings={"epochs": 1}, invalid=policy)
    scores = train(task).predict(source.events)["signal"]
    lost = ak.to_numpy(source.events["x"]) <= 0
    assert np.array_equal(np.isnan(scores), lost if policy == "drop" else np.zeros_like(lost))


def test_missing_columns_are_told(make_task, source) -> None:
    trained_model = train(make_task(settings={"epochs": 1}))
    with pytest.raises(DataError, match="no column 'z'"):
        trained_model.predict(source.events[["x", "y"]])


def test_a_folder_without_network_is_told(tmp_path) -> None:
    with pytest.raises(RunError, match=r"network\.json is missing: finish .* with --resume"):
        load(tmp_path)


def test_a_model_that_needs_other_tensors_is_refused(make_task) -> None:
    with pytest.raises(StudyError, match="choose another representation"):
        train(make_task(model=("image_cnn", {})))


def test_tensorboard_is_written_where_asked_for(make_task, tmp_path) -> None:
    train(make_task(settings={"epochs": 1, "logs": ["csv", "tensorboard"]}))
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_missing_loggers_are_told(make_task, monkeypatch) -> None:
    monkeypatch.setattr(trainer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"bunchtrain\[mlflow\]"):
        train(make_task(settings={"logs": ["mlflow"]}))


def test_half_precision_needs_an_accelerator(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudyError, match="needs an accelerator"):
        precision("16")
    assert precision("auto") == "32-true"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert precision("auto") == "bf16-mixed"


@pytest.mark.parametrize("supported", [True, False])
def test_bf16_on_a_processor_without_it_is_32_bits_with_one_warning(monkeypatch, supported) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(trainer, "multiplies_bfloat16", lambda: supported)
    trainer._warn_of_32_bits.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = {precision("bf16", "cpu") for _ in range(3)}
    assert found == {"bf16-mixed" if supported else "32-true"}
    assert len(caught) == (not supported)
    assert all("this processor has no instructions" in str(w.message) for w in caught)
