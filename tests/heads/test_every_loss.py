"""Contract of all losses: values, gradients, weights, predictions, messages."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.heads._loss import Loss
from bunchtrain.methods.weighted_sum import weighted_sums
from bunchtrain.penalties._penalty import Penalty
from bunchtrain.targets import Target

CLASSES = Target("jet", classes=("qcd", "top"))
VALUES = Target("jet", values=("mass", "pt"))
#: Required options.
OPTIONS = {"against": "mass"}
#: With outputs for combinations of points, and the same tests in its own file.
ELSEWHERE = {"assignment_cross_entropy"}
LOSSES = [name for name in parts.locate("loss") if name not in ELSEWHERE]


def build(name, target=None):
    """Return a loss in evaluation mode, of the one kind of target that it accepts if unset."""
    options = {
        option.name: [OPTIONS["against"]] if "list" in option.type else OPTIONS["against"]
        for option in parts.options(parts.find("loss", name)).values()
        if option.required
    }
    if target is not None:
        return parts.build("loss", name, options, target).eval()
    for target in (CLASSES, VALUES):
        try:
            return build(name, target)
        except StudyError:
            continue
    raise AssertionError(f"{name} accepts neither target")


def example(loss, events=40, seed=0):
    """Return outputs and a batch; penalties get the outputs of a classification."""
    random = torch.Generator().manual_seed(seed)
    outputs = loss.outputs if isinstance(loss, Head) else len(loss.target.labels)
    output = torch.randn(events, outputs, generator=random)
    if loss.target.is_classification:
        labels = torch.arange(events) % len(loss.target.classes)
    else:
        labels = torch.randn(events, len(loss.target.values), generator=random)
    mass = torch.rand(events, generator=random)
    weight = torch.rand(events, generator=random) + 0.5
    return output, Batch({"table": output}, {"jet": labels}, weight, {"mass": mass})


def take(output, batch, rows):
    return {"jet": output[rows]}, batch.take(rows)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_a_head_or_a_penalty(name):
    loss = build(name)
    assert isinstance(loss, Loss)
    assert isinstance(loss, Head) != isinstance(loss, Penalty)
    assert loss.name == name


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_values_and_gradients_are_finite(name, scale):
    loss = build(name)
    output, batch = example(loss)
    output = (scale * output).requires_grad_()
    terms = loss({"jet": output}, batch)
    assert terms.shape in ((40,), ())
    assert terms.dtype == torch.float32
    assert terms.isfinite().all()
    terms.sum().backward()
    assert output.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_reaches_every_output(name):
    loss = build(name)
    output, batch = example(loss)
    output.requires_grad_()
    weighted_sums([(loss, 1.0)], {"jet": output}, batch).mean()[0].backward()
    assert (output.grad != 0).any(0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_events_of_weight_zero_do_not_contribute(name):
    loss = build(name)
    output, batch = example(loss)
    batch.weight[30:] = 0
    complete = weighted_sums([(loss, 1.0)], {"jet": output}, batch).mean()[0]
    part = weighted_sums([(loss, 1.0)], *take(output, batch, torch.arange(30))).mean()[0]
    torch.testing.assert_close(complete, part)


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=5, deadline=None)
@given(cut=st.integers(0, 40), seed=st.integers(0, 100))
def test_events_are_independent_unless_declared(name, cut, seed):
    loss = build(name)
    output, batch = example(loss, seed=seed)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(seed))
    terms = loss({"jet": output}, batch)
    if loss.is_batch_statistic:
        permuted = loss(*take(output, batch, order))
        torch.testing.assert_close(permuted, terms[order] if terms.ndim else terms)
        return
    chunks = [loss(*take(output, batch, rows)) for rows in (order[:cut], order[cut:])]
    torch.testing.assert_close(torch.cat(chunks), terms[order])


@pytest.mark.parametrize("name", LOSSES)
def test_predictions_are_those_of_the_labels(name):
    loss = build(name)
    if isinstance(loss, Penalty):
        return
    output, _ = example(loss)
    predictions = loss.predictions(output)
    labels = [q.label for q in predictions if q.kind == "prediction"]
    assert tuple(labels) == loss.target.labels
    assert {q.label for q in predictions} == set(loss.target.labels)
    assert len({q.name for q in predictions}) == len(predictions)
    assert all(v.shape == (40,) and v.isfinite().all() for v in predictions.values())
    mixture = loss.aggregate(torch.stack([output, output]))
    for quantity, values in loss.predictions(mixture).items():
        torch.testing.assert_close(values, predictions[quantity], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_output_scaling_moves_the_predictions(name):
    """Means and widths are multiplied by the standard deviation, probabilities unchanged."""
    loss = build(name)
    if isinstance(loss, Penalty):
        return
    output, _ = example(loss)
    mean, std = torch.tensor([100.0, -7.0]), torch.tensor([20.0, 0.5])
    shift, scale = loss.output_scaling(mean, std)
    assert shift.shape == scale.shape == (loss.outputs,)
    before, after = loss.predictions(output), loss.predictions(output * scale + shift)
    for quantity, values in before.items():
        expected = values
        if not loss.target.is_classification:
            k = loss.target.values.index(quantity.label)
            offset = mean[k] if quantity.kind in ("prediction", "quantile") else 0.0
            expected = values * std[k] + offset
        torch.testing.assert_close(after[quantity], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_the_other_kind_of_target_is_an_error_that_names_the_loss(name):
    other = VALUES if build(name).target is CLASSES else CLASSES
    with pytest.raises(StudyError, match=f"loss '{name}' needs a target with") as caught:
        build(name, other)
    assert "target 'jet' has" in str(caught.value)
