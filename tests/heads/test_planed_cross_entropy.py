"""Planing: every class flat in the column, whatever the spectra were."""

import pytest
import torch
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.planed_cross_entropy import PlanedCrossEntropy
from bunchtrain.targets import Target

JET = Target("jet", classes=("qcd", "w"))
EDGES = [0.0, 1.0, 2.0, 4.0]


def batch(events=4000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 2, (events,), generator=generator)
    mass = torch.where(
        label == 1,
        1.5 + 0.5 * torch.randn(events, generator=generator),
        4 * torch.rand(events, generator=generator) ** 2,
    ).clamp(0.01, 3.99)
    weight = 0.5 + torch.rand(events, generator=generator)
    return Batch({"table": mass[:, None]}, {"jet": label}, weight, {"mass": mass})


@pytest.mark.parametrize("bins", [EDGES, 6])
def test_weighted_spectra_are_flat_and_classes_keep_their_share(bins):
    events = batch()
    head = PlanedCrossEntropy(JET, against="mass", bins=bins, limit=1e9)
    weight = events.weight * head.planing_weights(events)
    if isinstance(bins, int):
        edges = torch.quantile(events.spectators["mass"], torch.linspace(0, 1, bins + 1))
        edges[0], edges[-1] = 0, 4
    else:
        edges = torch.tensor(bins)
    for number in (0, 1):
        mine = events.targets["jet"] == number
        mass = events.spectators["mass"][mine]
        held = torch.histogram(mass, edges.float(), weight=weight[mine])[0]
        assert held[held > 0].std() < 0.06 * held.mean()
        assert weight[mine].sum() == pytest.approx(float(events.weight[mine].sum()), rel=1e-4)


@pytest.mark.parametrize("power", [0.0, 0.5, 0.8])
def test_a_power_below_one_makes_spectra_flatter_and_classes_keep_their_share(power):
    events = batch()
    head = PlanedCrossEntropy(JET, against="mass", bins=EDGES, power=power, limit=1e9)
    weight, edges = events.weight * head.planing_weights(events), torch.tensor(EDGES)
    for number in (0, 1):
        mine = events.targets["jet"] == number
        mass = events.spectators["mass"][mine]
        before, after = (
            torch.histogram(mass, edges, weight=w[mine])[0] for w in (events.weight, weight)
        )
        assert torch.allclose(
            after / after.sum(), functional.normalize(before ** (1 - power), 1, 0)
        )
        assert weight[mine].sum() == pytest.approx(float(events.weight[mine].sum()), rel=1e-4)


def test_losses_are_those_of_cross_entropy_times_the_weights():
    events = batch(50)
    outputs = {"jet": torch.randn(50, 2, generator=torch.Generator().manual_seed(1))}
    head = PlanedCrossEntropy(JET, against="mass", bins=EDGES)
    plain = CrossEntropy(JET)(outputs, events)
    assert torch.allclose(head(outputs, events), plain * head.planing_weights(events))
    options = {"against": "mass", "bins": EDGES, "class_weights": {"qcd": 20.0}}
    heavier = torch.where(events.targets["jet"] == 0, 20.0, 1.0)
    weighted = PlanedCrossEntropy(JET, **options)(outputs, events)
    assert torch.allclose(weighted, heavier * head(outputs, events))
    assert [quantity.name for quantity in head.predictions(outputs["jet"])] == ["qcd", "w"]


def test_a_flat_spectrum_stays_as_it_is():
    events = batch(300)
    events.spectators["mass"] = torch.arange(300) % 3 + 0.5
    events.targets["jet"] = torch.arange(300) // 150
    events.weight = torch.ones(300)
    planing = PlanedCrossEntropy(JET, against="mass", bins=EDGES).planing_weights(events)
    assert torch.allclose(planing, torch.ones(300))


def test_limit_bounds_the_weights():
    head = PlanedCrossEntropy(JET, against="mass", bins=30, limit=2.0)
    assert float(head.planing_weights(batch()).max()) == 2.0


def test_what_is_wrong_is_told():
    with pytest.raises(StudyError, match="'limit' must be at least 1"):
        PlanedCrossEntropy(JET, against="mass", limit=0.5)
    with pytest.raises(StudyError, match="'power' must be from 0 to 1, got 2"):
        PlanedCrossEntropy(JET, against="mass", power=2)
    with pytest.raises(DataError, match="no spectator 'pt'; it has"):
        PlanedCrossEntropy(JET, against="pt")({"jet": torch.zeros(50, 2)}, batch(50))
