"""Contract of all losses: values, gradients, weights, predictions, messages."""

import math

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
from bunchtrain.targets import Quantity, Target
from bunchtrain.training.network_warnings import constant_loss

CLASSES = Target("jet", classes=("qcd", "top"))
VALUES = Target("jet", values=("mass", "pt"))
#: Required options.
OPTIONS = {"against": "mass"}
#: Of combinations or of points, with the tests of their own files.
ELSEWHERE = {"assignment_cross_entropy", "energy_fractions", "object_condensation"}
LOSSES = [name for name in parts.locate("loss") if name not in ELSEWHERE]


def build(name, target=None):
    """Return a loss in evaluation mode, of the one kind of target that it accepts if unset."""
    options = {
        option.name: [OPTIONS["against"]] if "list" in option.type else OPTIONS["against"]
        for option in parts.options(parts.find("loss", name)).values()
        if option.required
    }
    if target is not None:
        loss = parts.build("loss", name, options, target)
        return loss.eval() if isinstance(loss, torch.nn.Module) else loss
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
    of_one = {q.label for q in predictions if q.kind != "correlation"}
    assert of_one == set(loss.target.labels)
    assert len({q.name for q in predictions}) == len(predictions)
    assert all(v.shape == (40,) and v.isfinite().all() for v in predictions.values())
    mixture = loss.aggregate(torch.stack([output, output]))
    for quantity, values in loss.predictions(mixture).items():
        torch.testing.assert_close(values, predictions[quantity], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_treated_as_a_probability_is_one(name):
    """Of each event, at outputs of any size, and of the mean over the members of an ensemble."""
    loss = build(name)
    if isinstance(loss, Penalty) or not loss.target.is_classification:
        return
    output, _ = example(loss)
    for given_ in (output, 300 * output, loss.aggregate(torch.stack([output, 3 * output]))):
        scores = torch.stack(list(loss.predictions(given_).values()), 1)
        is_probability = bool((scores >= 0).all() and (abs(scores.sum(1) - 1) < 1e-5).all())
        assert is_probability or not loss.gives_probabilities


@pytest.mark.parametrize("name", LOSSES)
def test_a_factor_on_all_weights_and_the_order_of_events_change_nothing(name):
    loss = build(name)
    output, batch = example(loss)
    expected = weighted_sums([(loss, 1.0)], {"jet": output}, batch).mean()[0]
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    shuffled = weighted_sums([(loss, 1.0)], *take(output, batch, order)).mean()[0]
    torch.testing.assert_close(shuffled, expected)
    batch.weight *= 1e-4
    scaled = weighted_sums([(loss, 1.0)], {"jet": output}, batch).mean()[0]
    torch.testing.assert_close(scaled, expected)


@pytest.mark.parametrize("name", LOSSES)
def test_a_result_worse_than_a_constant_is_found(name):
    """The loss of the best constant, with which a training is compared, is that of no others."""
    loss = build(name)
    if isinstance(loss, Penalty) or loss.is_batch_statistic:
        return
    output, batch = example(loss)
    best = constant_loss(loss, batch)
    assert math.isfinite(best)
    constants = [torch.zeros(loss.outputs), *torch.randn(5, loss.outputs)]
    for one in constants:
        found = loss({"jet": one.expand(40, -1)}, batch)
        mean = float((batch.weight * found).sum() / batch.weight.sum())
        assert best <= mean + 1e-4 * abs(mean)
    wrong = loss({"jet": 5 * output}, batch)
    assert best < float((batch.weight * wrong).sum() / batch.weight.sum())


@pytest.mark.parametrize("name", LOSSES)
def test_output_scaling_moves_the_predictions(name):
    """Means and widths are multiplied by the standard deviation, probabilities unchanged."""
    loss = build(name)
    if isinstance(loss, Penalty):
        return
    output, _ = example(loss)
    mean, std = torch.tensor([100.0, -7.0]), torch.tensor([20.0, 0.5])
    scaling = loss.output_scaling(mean.numpy(), std.numpy())
    shift, scale = (torch.from_numpy(array).float() for array in scaling)
    assert shift.shape == scale.shape == (loss.outputs,)
    before, after = loss.predictions(output), loss.predictions(output * scale + shift)
    for quantity, values in before.items():
        expected = values
        if not loss.target.is_classification and quantity.kind != "correlation":
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


#: Losses that are −log p, with the options for which they are.
LIKELIHOODS = {
    "cross_entropy": {},
    "binary_cross_entropy": {},
    "gaussian_nll": {},
    "multivariate_gaussian_nll": {},
    "evidential": {"strength": 0.0},
    "normalizing_flow": {},
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_likelihood_is_minus_the_log_probability_of_its_distribution(name):
    target = build(name).target
    loss = parts.build("loss", name, LIKELIHOODS[name], target) if name in LIKELIHOODS else None
    if loss is None:
        head = build(name)
        if isinstance(head, Head) and not target.is_classification:
            with pytest.raises(StudyError, match=f"loss '{name}' predicts no distribution of"):
                head.distribution(torch.zeros(1, head.outputs))
        return
    output, batch = example(loss)
    truth = batch.targets["jet"]
    density = loss.distribution(output)
    if name == "binary_cross_entropy":
        truth = truth.float()
    torch.testing.assert_close(-density.log_prob(truth), loss({"jet": output}, batch))
    assert density.sample((5,)).shape == (5, *truth.shape)


@pytest.mark.parametrize("values", [("mass",), ("mass", "pt")])
def test_the_density_of_a_flow_integrates_to_one_and_has_the_predicted_moments(values):
    loss = build("normalizing_flow", Target("jet", values=values))
    output = 0.7 * torch.randn(1, loss.outputs, generator=torch.Generator().manual_seed(4))
    density, line = loss.distribution(output), torch.linspace(-15, 15, 1501)
    grid = torch.cartesian_prod(*[line] * len(values)).view(-1, len(values))
    one = loss.distribution(output.expand(len(grid), -1))
    p = one.log_prob(grid).exp() * 0.02 ** len(values)
    assert float(p.sum()) == pytest.approx(1, abs=0.01)
    found = loss.predictions(output)
    for k, value in enumerate(values):
        mean = float((p * grid[:, k]).sum())
        sigma = float((p * (grid[:, k] - mean).square()).sum().sqrt())
        assert float(found[Quantity(value)]) == pytest.approx(mean, abs=0.05 * sigma)
        assert float(found[Quantity(value, "sigma")]) == pytest.approx(sigma, rel=0.05)
        for level in (0.16, 0.5, 0.84):
            below = grid[:, k] < found[Quantity(value, "quantile", level)]
            assert float(p[below].sum()) == pytest.approx(level, abs=0.02)
    assert density.sample((3,)).shape == (3, 1, len(values))


def test_a_flow_learns_two_peaks_and_a_gaussian_does_not():
    random = torch.Generator().manual_seed(1)
    x = torch.rand(2000, 1, generator=random)
    sign = (torch.rand(2000, 1, generator=random) < 0.5).float() * 2 - 1
    y = sign * (0.5 + x) + 0.1 * torch.randn(2000, 1, generator=random)
    found = {}
    for name in ("gaussian_nll", "normalizing_flow"):
        torch.manual_seed(1)
        loss = build(name, Target("jet", values=("y",)))
        net = torch.nn.Sequential(
            torch.nn.Linear(1, 32), torch.nn.SiLU(), torch.nn.Linear(32, loss.outputs)
        )
        optimiser = torch.optim.Adam(net.parameters(), 1e-2)
        for step in range(400):
            rows = slice(500 * (step % 3), 500 * (step % 3) + 500)
            batch = Batch({"table": x[rows]}, {"jet": y[rows]})
            value = loss({"jet": net(x[rows])}, batch).mean()
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        rest = Batch({"table": x[1500:]}, {"jet": y[1500:]})
        found[name] = float(loss({"jet": net(x[1500:])}, rest).mean().detach())
    truth = 0.5 * torch.tensor(2 * torch.pi * 0.01).log() + 0.5 + torch.tensor(2.0).log()
    assert found["gaussian_nll"] > 1.3
    assert float(truth) - 0.1 < found["normalizing_flow"] < found["gaussian_nll"] - 1
