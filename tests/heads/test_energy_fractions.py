"""The loss of energy fractions: the published formula event by event, its minimum, its errors."""

import numpy as np
import pytest
import torch

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.methods.weighted_sum import event_losses
from bunchtrain.targets import Quantity, Target

TARGET = Target("shower", values=("first", "second"), axis="point")
LENGTHS = [4, 0, 3]


def head(**options):
    return parts.build("loss", "energy_fractions", options, TARGET)


def batch(energy):
    inputs = {"features": torch.zeros(len(energy), 1), "lengths": torch.tensor(LENGTHS)}
    return Batch(inputs, {"shower": energy}, axes={"shower": "point"})


def test_the_loss_of_an_event_is_the_published_one():
    random = torch.Generator().manual_seed(1)
    energy = torch.rand(7, 2, generator=random) * torch.tensor([5.0, 0.1])
    energy[2, 0], energy[4] = 0.0, 0.0  # a hit of one shower alone, and one without energy
    output = torch.randn(7, 2, generator=random)
    found = event_losses(head(), {"shower": output}, batch(energy))
    wanted = []
    for e, p in zip(energy.split(LENGTHS), output.softmax(1).split(LENGTHS), strict=True):
        total = e.sum(1)
        t = torch.nan_to_num(e / total[:, None])
        loss = 0.0
        for k in range(2):
            weight = (total * t[:, k]).sqrt()
            loss += float((weight * (p[:, k] - t[:, k]) ** 2).sum() / weight.sum()) if len(e) else 0
        wanted.append(loss)
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_true_fractions_have_the_smallest_loss_and_finite_gradients():
    energy = torch.rand(7, 2, generator=torch.Generator().manual_seed(2)) + 0.1
    output = (energy / energy.sum(1, keepdim=True)).log().requires_grad_()
    found = event_losses(head(), {"shower": output}, batch(energy))
    torch.testing.assert_close(found, torch.zeros(3), atol=1e-10, rtol=0)
    moved = event_losses(head(), {"shower": output + torch.tensor([0.3, 0.0])}, batch(energy))
    assert (moved[[0, 2]] > 1e-4).all()
    (300 * output).sum().backward()
    assert output.grad.isfinite().all()


def test_a_unit_of_the_energy_and_a_permutation_of_the_showers_change_nothing():
    random = torch.Generator().manual_seed(3)
    energy, output = torch.rand(7, 2, generator=random), torch.randn(7, 2, generator=random)
    found = event_losses(head(), {"shower": output}, batch(energy))
    again = event_losses(head(), {"shower": output.flip(1)}, batch(1000 * energy.flip(1)))
    torch.testing.assert_close(found, again)


def test_the_response_of_each_shower_is_added_but_of_none_without_energy():
    random = torch.Generator().manual_seed(4)
    energy, output = torch.rand(7, 2, generator=random), torch.randn(7, 2, generator=random)
    energy[4:, 1], energy[:4, 0] = 0.0, energy[:4, 0] / 100  # a response far above 2
    fractions = output.softmax(1)
    given = {"shower": output.requires_grad_()}
    added = event_losses(head(response=0.5), given, batch(energy))
    added = added - event_losses(head(), given, batch(energy))
    wanted = []
    for e, p in zip(energy.split(LENGTHS), fractions.split(LENGTHS), strict=True):
        of_events = 0.0
        for k in range(2):
            if e[:, k].sum() > 0:
                x = abs(float((e.sum(1) * p[:, k]).sum() / e[:, k].sum()) - 1)
                of_events += x**2 / 2 if x < 1 else x - 0.5
        wanted.append(0.5 * of_events)
    assert wanted[0] > 1
    torch.testing.assert_close(added, torch.tensor(wanted), rtol=1e-4, atol=1e-6)
    added.sum().backward()
    assert output.grad.isfinite().all()


def test_predictions_are_fractions_and_a_mixture_their_mean():
    loss, output = head(), torch.tensor([[0.0, 0.0], [np.log(3.0), 0.0]])
    found = loss.predictions(output)
    torch.testing.assert_close(found[Quantity("first")], torch.tensor([0.5, 0.75]))
    mixture = loss.predictions(loss.aggregate(torch.stack([output, output.flip(1)])))
    torch.testing.assert_close(mixture[Quantity("first")], torch.tensor([0.5, 0.5]))


def test_one_shower_and_classes_are_refused():
    with pytest.raises(StudyError, match="needs a target with two or more values"):
        parts.build("loss", "energy_fractions", {}, Target("shower", values=("first",)))
    with pytest.raises(StudyError, match="needs a target with values"):
        parts.build("loss", "energy_fractions", {}, Target("shower", classes=("a", "b")))


def test_a_negative_energy_is_named():
    energy = torch.ones(7, 2)
    energy[5, 1] = -2.0
    with pytest.raises(DataError, match="'second' of point 1 of an event is -2; the values of"):
        event_losses(head(), {"shower": torch.zeros(7, 2)}, batch(energy))
