"""Columns that losses read: from the cache into the batch, on any number of workers."""

import json
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pandas as pd
import pytest
import torch

from bunchtrain.errors import DataError
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.targets import Target
from bunchtrain.training import fit_by_gradient as fitting
from bunchtrain.training.data import Data
from bunchtrain.training.train import train

FEATURES = {"representation": ("table", {"features": ["x", "y"]})}
DISCO = ("disco", {"against": "z", "classes": ["background"]}, "kind", 5.0)
ADVERSARY = ("adversary", {"against": "z", "alone": 3, "ramp": 5, "steps": 3}, "kind", 2.0)
FIT = ("cross_entropy", {}, "kind", 1.0)


def with_terms(make_task, *terms, folder="run", **settings):
    task = make_task(folder, settings, terms=[FIT, *terms], **FEATURES)
    return replace(task, model=("dense_network", {"widths": [16, 16]}))


@pytest.mark.parametrize("memory", [10**8, 4_000])
def test_spectators_stay_with_their_events(make_task, cache, memory) -> None:
    task = replace(with_terms(make_task, DISCO), memory=memory)
    shares = [Data(task, rank, 2) for rank in (0, 1)]
    for data in shares:
        data.load()
        assert data.task.columns == ["x", "y"]
    events = ak.concatenate(list(cache.of("train").blocks(None, 1000)))
    known = dict(zip(events.x.tolist(), events.z.tolist(), strict=True))
    batches = [batch for data in shares for batch in data.batches("train", 2)]
    assert sum(map(len, batches)) == len(events)
    for batch in batches:
        assert list(batch.spectators) == ["z"]
        expected = [known[x] for x in batch.inputs["table"][:, 0].tolist()]
        assert batch.spectators["z"].tolist() == expected


def test_no_spectators_without_an_objective_that_asks(make_task) -> None:
    data = Data(with_terms(make_task))
    data.load()
    assert next(iter(data.batches("train", 0))).spectators == {}


def test_nan_in_a_spectator_is_told(make_task, source, tmp_path) -> None:
    events = ak.with_field(source.events, np.where(source.events.x > 1, np.nan, 0.0), "z")
    broken = type(source)()
    broken.events, broken.fingerprint = events, lambda: "broken"
    recipe = Recipe(
        broken,
        targets=[
            Target("kind", ("background", "signal"), expressions=("label == 0", "label == 1"))
        ],
        columns=["x", "y"],
        spectators=["z"],
    )
    made = EventCache.build(recipe, tmp_path)
    task = replace(with_terms(make_task, DISCO), cache=str(made.folder))
    with pytest.raises(DataError, match="loss: column 'z' is nan at entry"):
        Data(task).load()


def test_two_processes_see_the_whole_batch(make_task) -> None:
    """The shares of the two workers differ in length in some batches."""
    curves = []
    for engine in ({"name": "local"}, {"name": "processes", "workers": 2}):
        options = {"engine": engine, "batch_size": 75, "epochs": 2}
        task = with_terms(make_task, DISCO, ADVERSARY, folder=engine["name"], **options)
        assert any(size % 2 for size in Data(task).sizes("train"))
        train(task)
        curves.append(pd.read_csv(Path(task.folder) / "history.csv").filter(like="loss"))
    pd.testing.assert_frame_equal(*curves, rtol=1e-4)


def test_disco_takes_the_column_out_of_the_score(make_task, source) -> None:
    label = ak.to_numpy(source.events.label)

    def correlation(*terms) -> float:
        task = with_terms(make_task, *terms, folder=str(len(terms)), epochs=8, batch_size=256)
        task = replace(task, representation=("table", {"features": ["x", "y", "z"]}))
        score = train(task).predict(source.events)["signal"][label == 0]
        return abs(np.corrcoef(score, ak.to_numpy(source.events.z)[label == 0])[0, 1])

    assert correlation((*DISCO[:3], 10.0)) < 0.5 * correlation()


@pytest.mark.parametrize(("ramp", "first"), [(0, 1), (10**6, 3)])
def test_epochs_in_which_the_adversary_is_not_at_full_strength_are_not_compared(
    make_task, ramp, first
) -> None:
    """Nothing learns, so that no epoch is better than the first."""
    schedule = {"against": "z", "ramp": ramp}
    task = with_terms(make_task, ("adversary", schedule, "kind", 1.0), learning_rate=0.0)
    train(task)
    found = json.loads((Path(task.folder) / "training.json").read_text())
    assert found["best_epoch"] == first


def test_the_adversary_is_trained_and_left_behind(make_task, monkeypatch) -> None:
    modules = []
    keep = fitting.Module

    def module(*arguments, **named):
        modules.append(keep(*arguments, **named))
        before.extend(p.detach().clone() for p in modules[-1].losses.parameters())
        return modules[-1]

    before: list[torch.Tensor] = []
    monkeypatch.setattr(fitting, "Module", module)
    task = with_terms(make_task, ADVERSARY, epochs=1)
    trained_model = train(task)
    after = list(modules[0].losses.parameters())
    assert len(before) == len(after) > 0
    assert all(not torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert not any("losses" in name for name in trained_model.network.state_dict())
    assert int(next(iter(modules[0].losses.values())).steps) == len(Data(task).sizes("train"))
