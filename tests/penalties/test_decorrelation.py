"""Terms against a column: equations, classes, weights, gradients, refusals."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._bins import bin_index, sum_per_bin
from bunchtrain.penalties._distance_correlation import distance_correlation
from bunchtrain.penalties._penalty import Decorrelation, Penalty
from bunchtrain.penalties.disco import Disco
from bunchtrain.penalties.jensen_shannon import JensenShannon
from bunchtrain.penalties.kullback_leibler import KullbackLeibler
from bunchtrain.penalties.mode import Mode
from bunchtrain.targets import Target

LABEL = Target("label", classes=("qcd", "top"))
EDGES = [0.0, 0.3, 0.6, 1.0]
TERMS = [
    Disco(LABEL, against="mass"),
    Mode(LABEL, against="mass", bins=4),
    JensenShannon(LABEL, against="mass", bins=4),
    KullbackLeibler(LABEL, against="mass", bins=EDGES),
]


def example(events=60, seed=0, slope=1.0):
    """Return outputs of two classes and a batch whose mass the score follows with a slope."""
    random = torch.Generator().manual_seed(seed)
    mass, weight = torch.rand(2, events, generator=random)
    output = torch.randn(events, 2, generator=random)
    output[:, 1] += slope * 4 * mass
    label = torch.randint(2, (events,), generator=random)
    return output, Batch({"table": output}, {"label": label}, weight, {"mass": mass})


def value(penalty, output, batch):
    return penalty({"label": output}, batch)


def name(penalty):
    return type(penalty).__name__


@pytest.mark.parametrize("penalty", TERMS, ids=name)
def test_a_score_that_follows_the_column_costs_more(penalty):
    steep, flat = (value(penalty, *example(2000, slope=s)) for s in (1.0, 0.0))
    assert steep.shape == ()
    assert steep > 4 * flat >= 0


@pytest.mark.parametrize("penalty", TERMS, ids=name)
def test_no_event_of_weight_zero_counts(penalty):
    output, batch = example()
    batch.weight[40:] = 0
    expected = value(penalty, output[:40], batch.take(torch.arange(40)))
    torch.testing.assert_close(value(penalty, output, batch), expected)


@pytest.mark.parametrize("penalty", TERMS, ids=name)
def test_gradients(penalty):
    output, batch = example()
    output = output.double().requires_grad_()
    value(penalty, output, batch).backward()
    step = torch.zeros_like(output)
    step[3, 0] = 1e-3
    with torch.no_grad():
        up, down = (value(penalty, output + s * step, batch) for s in (1, -1))
    slope = (up - down).item() / 2e-3
    assert output.grad[3, 0].item() == pytest.approx(slope, rel=0.05, abs=3e-5)


@pytest.mark.parametrize("kind", [Disco, Mode, JensenShannon, KullbackLeibler])
def test_classes_are_looked_at_on_their_own(kind):
    output, batch = example()
    chosen = [torch.nonzero(batch.targets["label"] == number).flatten() for number in (0, 1)]
    alone = [value(kind(LABEL, against="mass"), output[rows], batch.take(rows)) for rows in chosen]
    qcd = kind(LABEL, against="mass", classes=["qcd"])
    both = kind(LABEL, against="mass", classes=["qcd", "top"])
    torch.testing.assert_close(value(qcd, output, batch), alone[0])
    torch.testing.assert_close(value(both, output, batch), sum(alone) / 2)


@pytest.mark.parametrize("penalty", TERMS, ids=name)
def test_a_batch_without_events_of_the_class_costs_nothing(penalty):
    output, batch = example()
    batch.targets["label"] = torch.ones(60, dtype=torch.int64)
    output.requires_grad_()
    found = value(type(penalty)(LABEL, against="mass", classes=["qcd"]), output, batch)
    found.backward()
    assert found.item() == 0
    assert (output.grad == 0).all()


def test_one_logit_is_the_second_of_two():
    output, batch = example()
    logit = output[:, 1:] - output[:, :1]
    for score in ("qcd", "top"):
        penalty = Disco(LABEL, against="mass", score=score)
        both = value(penalty, output, batch)
        torch.testing.assert_close(value(penalty, logit, batch), both)


def test_disco_is_the_distance_correlation_of_the_probability():
    output, batch = example()
    parts = (output.double().softmax(1)[:, 1], batch.spectators["mass"], batch.weight)
    expected = distance_correlation(*(p.double() for p in parts)).float()
    torch.testing.assert_close(value(TERMS[0], output, batch), expected)


def spectra(output, batch):
    f, w = output.double().softmax(1)[:, 1].numpy(), batch.weight.double().numpy()
    mass = batch.spectators["mass"].double().numpy()
    return [np.histogram(mass, EDGES, weights=w * share)[0] for share in (f, 1 - f)]


def test_divergences_are_those_of_scipy():
    output, batch = example()
    p, q = spectra(output, batch)
    shannon = JensenShannon(LABEL, against="mass", bins=EDGES)
    assert value(shannon, output, batch).item() == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-5)
    assert value(TERMS[3], output, batch).item() == pytest.approx(entropy(p, q), rel=1e-5)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_moments_are_the_integral_over_the_score(order):
    """The textbook: a fine grid in s, Legendre polynomials by numpy's least squares."""
    output, batch = example(200)
    f, w = output.double().softmax(1)[:, 1].numpy(), batch.weight.double().numpy()
    edges = np.linspace(0, 1, 7)
    place = np.digitize(batch.spectators["mass"].numpy(), edges) - 1
    grid = (np.arange(20000) + 0.5) / 20000
    distribution = np.empty((6, len(grid)))
    for number in range(6):
        chosen = place == number
        ranks = np.argsort(f[chosen])
        steps = np.concatenate([[0], np.cumsum(w[chosen][ranks]) / w[chosen].sum()])
        distribution[number] = steps[np.searchsorted(f[chosen][ranks], grid, "right")]
    centres = (np.arange(6) + 0.5) / 3 - 1
    fitted = np.polynomial.legendre.legfit(centres, distribution, order)
    beyond = distribution - np.polynomial.legendre.legval(centres, fitted).T
    expected = (beyond**2).mean(0).sum() / 20000
    penalty = Mode(LABEL, against="mass", order=order, bins=edges.tolist())
    assert value(penalty, output, batch).item() == pytest.approx(expected, rel=1e-2)


def test_a_linear_dependence_is_free_at_order_one():
    mass = torch.linspace(0, 1, 4000)
    uniform = torch.rand(4000, generator=torch.Generator().manual_seed(1))
    passes = (uniform < 0.2 + 0.6 * mass).float()  # a share that rises linearly
    output = torch.stack([torch.zeros(4000), 4 * passes - 2], 1)
    batch = Batch({}, {"label": torch.zeros(4000).long()}, torch.ones(4000), {"mass": mass})
    flat, linear = (value(Mode(LABEL, against="mass", order=o), output, batch) for o in (0, 1))
    assert linear < 0.1 * flat


def test_equally_populated_bins_are_so():
    random = torch.Generator().manual_seed(0)
    column, weight = torch.rand(2, 1000, generator=random)
    held = sum_per_bin(bin_index(column**3, weight, 8), weight, 8)
    torch.testing.assert_close(held / held.sum(), torch.full((8,), 1 / 8), atol=3e-3, rtol=0)
    same = bin_index(torch.ones(10), torch.ones(10), 4)
    assert len(same.unique()) == 1


CASES = [
    ("disco", {"against": "mass", "classes": ["qdc"]}, "'classes' names 'qdc'.*did you mean 'qcd'"),
    ("disco", {"against": "mass", "score": "w"}, "'score' names 'w', and target 'label' has no"),
    ("mode", {"against": "mass", "order": 15}, "'order' must be at least 0 and below"),
    ("mode", {"against": "mass", "bins": 1}, "bins: must be at least 2 or a list"),
    ("jensen_shannon", {"against": "mass", "bins": [0, 2, 1]}, "increasing edges, got"),
    ("adversary", {"against": "mass", "ramp": -1}, "ramp: must be at least 0, got -1"),
    ("adversary", {"against": "mass", "components": 0}, "components: must be at least 1"),
]


@pytest.mark.parametrize(("part", "options", "text"), CASES)
def test_refusals(part, options, text):
    with pytest.raises(StudyError, match=text):
        parts.build("loss", part, options, LABEL)


def test_every_term_names_its_column_and_needs_classes_and_the_column():
    found = [parts.find("loss", part) for part in parts.locate("loss")]
    for kind in (kind for kind in found if issubclass(kind, Decorrelation)):
        penalty = kind(LABEL, against="mass")
        assert penalty.spectators == ("mass",)
        assert isinstance(penalty, Penalty)
        with pytest.raises(StudyError, match="needs a target with classes"):
            kind(Target("pt", values=("pt",)), against="mass")
        output, batch = example()
        batch.spectators = {}
        with pytest.raises(DataError, match="the batch has no spectator 'mass'"):
            value(penalty, output, batch)


def test_far_out_scores_stay_finite():
    output, batch = example()
    for penalty in TERMS:
        far = (300 * output).requires_grad_()
        found = value(penalty, far, batch)
        found.backward()
        assert math.isfinite(found.item())
        assert far.grad.isfinite().all()


@pytest.mark.parametrize("name", ["disco", "mode", "jensen_shannon", "kullback_leibler"])
def test_the_gradient_begins_after_the_plain_start_and_rises_in_the_ramp(name):
    from bunchtrain import parts

    target, random = Target("jet", classes=("a", "b")), torch.Generator().manual_seed(1)
    output = torch.randn(200, 2, generator=random)
    mass = output[:, 0] + torch.randn(200, generator=random)
    index = torch.arange(200) % 2
    batch = Batch({"table": output}, {"jet": index}, torch.ones(200), {"m": mass})
    options = {"against": "m", "alone": 2, "ramp": 3}
    full = parts.build("loss", name, {"against": "m"}, target)
    made = parts.build("loss", name, options, target)

    def slope(loss):
        leaf = output.clone().requires_grad_()
        value = loss({"jet": leaf}, batch)
        value.backward()
        return value.detach(), leaf.grad

    value, expected = slope(full)
    for strength in (0, 0, 1 / 4, 2 / 4, 3 / 4, 1, 1):
        is_complete = made.is_comparable_across_epochs
        found, gradient = slope(made)
        torch.testing.assert_close(found, value)
        torch.testing.assert_close(gradient, strength * expected, atol=1e-7, rtol=1e-4)
        assert is_complete == (strength == 1)
    with torch.no_grad():
        made({"jet": output}, batch)
    assert made.steps == 7
