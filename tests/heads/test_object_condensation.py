"""Object condensation: the published loss event by event, its gradients, and what lowers it."""

import math

import pytest
import torch

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.weighted_sum import event_losses
from bunchtrain.targets import Quantity, Target

TARGET = Target("shower", values=("number", "energy", "kind"), axis="point")
LENGTHS = [7, 0, 4, 2]
#: Objects of the points: with noise, not in order; an event with noise alone.
NUMBERS = [5, -1, 2, 5, 2, 2, -1, 0, 0, 1, 0, -1, -1]
OPTIONS = {"dimensions": 2, "charge": 0.3, "noise": 0.7, "others": 1.3}


def head(**options):
    return parts.build("loss", "object_condensation", OPTIONS | options, TARGET)


def example(seed=1):
    random = torch.Generator().manual_seed(seed)
    properties = torch.randn(13, 2, generator=random)
    truth = torch.cat([torch.tensor(NUMBERS)[:, None].float(), properties], 1)
    return torch.randn(13, 5, generator=random), truth


def loss_of(output, truth, lengths=LENGTHS, **options):
    inputs = {"features": torch.zeros(len(truth), 1), "lengths": torch.tensor(lengths)}
    batch = Batch(inputs, {"shower": truth}, axes={"shower": "point"})
    return event_losses(head(**options), {"shower": output}, batch)


def published(output, truth):
    """Return L of one event by the equations of arXiv:2002.03605."""
    n = len(output)
    if not n:
        return 0.0
    beta, place = output[:, 0].sigmoid(), output[:, 1:3]
    charge = beta.atanh() ** 2 + OPTIONS["charge"]
    numbers = truth[:, 0].tolist()
    objects = sorted({one for one in numbers if one >= 0})
    centres = {k: max((i for i in range(n) if numbers[i] == k), key=lambda i: float(charge[i]))
               for k in objects}  # fmt: skip
    potential = 0.0
    for j in range(n):
        for k, alpha in centres.items():
            d = float((place[j] - place[alpha]).norm())
            acts = d**2 if numbers[j] == k else max(0.0, 1 - d)
            potential += float(charge[j] * charge[alpha]) * acts / n
    none = [i for i in range(n) if numbers[i] < 0]
    some = [i for i in range(n) if numbers[i] >= 0]
    found = sum(1 - float(beta[a]) for a in centres.values()) / max(1, len(centres))
    found += OPTIONS["noise"] * sum(float(beta[i]) for i in none) / max(1, len(none))
    weight = beta.atanh() ** 2
    square = ((output[:, 3:] - truth[:, 1:]) ** 2).mean(1)
    if some:
        found += float((weight[some] * square[some]).sum() / weight[some].sum())
    return potential + OPTIONS["others"] * found


def test_the_loss_of_an_event_is_the_published_one():
    output, truth = example()
    events = zip(output.split(LENGTHS), truth.split(LENGTHS), strict=True)
    wanted = torch.tensor([published(o, t) for o, t in events])
    torch.testing.assert_close(loss_of(output, truth), wanted, rtol=1e-4, atol=1e-5)


def test_numbers_of_objects_and_the_order_of_points_do_not_matter():
    output, truth = example(2)
    wanted = loss_of(output, truth)
    renamed = truth.clone()
    renamed[:, 0] = torch.where(truth[:, 0] >= 0, 10 - truth[:, 0], -3.0)
    torch.testing.assert_close(loss_of(output, renamed), wanted)
    order = torch.cat([torch.randperm(7), 7 + torch.randperm(4), torch.tensor([12, 11])])
    torch.testing.assert_close(loss_of(output[order], truth[order]), wanted)
    angle = torch.tensor(0.7)
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()]).view(2, 2)
    moved = output.clone()
    moved[:, 1:3] = output[:, 1:3] @ turn + 5
    torch.testing.assert_close(loss_of(moved, truth), wanted, rtol=1e-4, atol=1e-4)


def test_gradients_are_finite_also_at_coinciding_points_and_saturated_beta():
    output, truth = example(3)
    for scale in (0.0, 1.0, 300.0):
        given = (scale * output).requires_grad_()
        loss_of(given, truth).sum().backward()
        assert given.grad.isfinite().all()


def test_training_the_outputs_gathers_objects_and_separates_them():
    output, truth = example(4)
    output = output.requires_grad_()
    optimiser = torch.optim.Adam([output], lr=0.05)
    first = float(loss_of(output, truth).sum().detach())
    for _ in range(300):
        optimiser.zero_grad()
        loss = loss_of(output, truth).sum()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.3 * first
    place, numbers = output[:7, 1:3].detach(), truth[:7, 0]
    apart = torch.cdist(place, place)
    own, other = numbers == 5, numbers == 2
    assert apart[own][:, own].max() < 0.3 < 0.7 < apart[own][:, other].min()


def test_predictions_have_their_labels():
    output, _ = example()
    found = head().predictions(output)
    assert list(found) == [Quantity(n) for n in ("beta", "x0", "x1", "energy", "kind")]
    assert math.isclose(float(found[Quantity("beta")][0]), float(output[0, 0].sigmoid()))
    assert torch.equal(found[Quantity("kind")], output[:, 4])


def test_classes_and_options_out_of_range_are_refused():
    with pytest.raises(StudyError, match="needs a target with values"):
        parts.build("loss", "object_condensation", {}, Target("a", classes=("b", "c")))
    with pytest.raises(StudyError, match="charge: must be above 0"):
        head(charge=0.0)
