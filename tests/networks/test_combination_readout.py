"""Assignments by every network with outputs for points: invariances, independence, gradients."""

import pytest
import torch
from small_models import OPTIONS, PER_POINT, inputs, single

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._combinations import combination_masks, unpack
from bunchtrain.heads.assignment_cross_entropy import AssignmentCrossEntropy
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.methods.protocols import EmbedsPoints
from bunchtrain.methods.supervised import Network, input_names
from bunchtrain.networks.layers.combination_readout import invariant_masses, mass_sets
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.targets import Assignment, Target

TOPS = Assignment(
    "jet",
    (("t1", ("b", "q1", "q2")), ("t2", ("b", "q1", "q2")), ("extra", ())),
    (("t1", "t2"), ("t1_q1", "t1_q2")),
)
SIZES = {"features": 4, "coordinates": 2, "momenta": 4}
LENGTHS = [6, 0, 8, 2, 7]


def with_points(name):
    kind = parts.find("model", name)
    needed = set(input_names(kind)) - {"lengths"}
    return hasattr(kind, "embed_points") and needed <= SIZES.keys()


MODELS = [name for name in OPTIONS if with_points(name.split()[0])]
#: Networks for which points have an order.
OF_SEQUENCES = ("recurrent_network", "denoising_autoencoder", "u_net_1d")


def make(name, *, has_momenta=True, heads=None):
    torch.manual_seed(1)
    part = name.split()[0]
    sizes = [SIZES[size] for size in parts.positional(parts.find("model", part)) if size in SIZES]
    model = parts.build("model", part, OPTIONS[name], *sizes, 2)
    assert isinstance(model, EmbedsPoints)
    return Network(
        NormalisationLayer(Normalisation(SIZES)),
        model,
        heads or {"tops": 1},
        assignments={"tops": TOPS},
        has_momenta=has_momenta,
    )


def tensors(network, lengths=LENGTHS):
    given = inputs(network.model, lengths)
    if "momenta" in network.input_names and "momenta" not in given:

        class Needs:
            input_names = ("momenta",)

        given |= inputs(Needs(), lengths)
    return given


def test_the_networks_with_points_are_tested():
    assert {
        *("particle_net", "particle_transformer", "particle_flow_network"),
        *("interaction_network", "gar_net"),
    } <= {name.split()[0] for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_scores_of_an_event_do_not_depend_on_the_others(name):
    network = make(name).eval()
    given = tensors(network)
    with torch.no_grad():
        together = network(given)["tops"]
        alone = torch.cat([network(event)["tops"] for event in single(given, LENGTHS)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    masks = combination_masks(torch.tensor(LENGTHS), TOPS)
    assert together.shape == (sum(int(mask.sum()) for mask in masks), 1)


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith(OF_SEQUENCES)])
def test_the_order_of_jets_changes_neither_loss_nor_assignment(name):
    network, head = make(name).eval(), AssignmentCrossEntropy(Target("tops", assignment=TOPS))
    lengths = [7, 8]
    given = tensors(network, lengths)
    moved = torch.cat([torch.arange(7).flip(0), 7 + torch.randperm(8)])
    shuffled = {n: t[moved] if n in PER_POINT else t for n, t in given.items()}
    truth = torch.tensor([[0, 1, 2, 3, 4, 5, 6], [7, 1, 2, 0, 4, 5, -1]])
    place = torch.zeros(15, dtype=torch.int64)
    place[moved] = torch.arange(15)
    start = torch.tensor([[0], [7]])
    new_truth = torch.where(truth >= 0, place[truth.clamp(min=0) + start] - start, -1)

    def run(tensors, truth):
        with torch.no_grad():
            scores = network(tensors)["tops"]
        batch = Batch(tensors, {"tops": truth})
        predicted = head.event_predictions(scores, tensors["lengths"])
        items = {q.name: v for q, v in predicted.items()}
        return head({"tops": scores}, batch), items

    loss, before = run(given, truth)
    new_loss, after = run(shuffled, new_truth)
    torch.testing.assert_close(new_loss, loss, rtol=1e-3, atol=1e-3)
    for key in ("t1_probability", "extra_probability", "assignment_probability"):
        torch.testing.assert_close(after[key], before[key], rtol=1e-3, atol=1e-4)
    for event in range(2):
        first = int(start[event, 0])
        for pair in (["t1_b"], ["t1_q1", "t1_q2"], ["t2_q1", "t2_q2"], ["extra"]):
            old = {int(before[role][event]) for role in pair}
            new = {int(moved[int(after[role][event]) + first]) - first for role in pair}
            assert old == new


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("has_momenta", [True, False])
def test_gradients_reach_every_parameter(name, has_momenta):
    network = make(name, has_momenta=has_momenta).train()
    scores = network(tensors(network))["tops"]
    (scores * torch.randn(scores.shape)).sum().backward()
    lacking = [key for key, value in network.named_parameters() if value.grad is None]
    assert not lacking


@pytest.mark.parametrize("name", MODELS)
def test_a_target_of_events_can_be_trained_beside(name):
    network = make(name, heads={"jet": 2, "tops": 1}).eval()
    outputs = network(tensors(network))
    assert outputs["jet"].shape == (5, 2)
    assert list(outputs) == ["jet", "tops"]


def test_masses_are_those_of_the_sums():
    sets = ((0,), (1, 2))
    assert mass_sets(sets) == [(0, 1, 2), (1, 2)]
    assert mass_sets(((0, 1),)) == [(0, 1)]
    assert mass_sets(((0,),)) == []
    momenta = torch.tensor([[5.0, 0, 0, 4], [5, 0, 0, -4], [10, 6, 0, 0]])
    found = invariant_masses(momenta, torch.tensor([[2, 0, 1], [0, 1, 2]]), sets)
    # E = 20, p = 6; E = 10, p = 0; and E = 15, p = (6, 0, −4).
    expected = [[364**0.5, 10.0], [364**0.5, (225 - 52) ** 0.5]]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_scores_use_the_masses_and_all_particles():
    network = make("particle_flow_network").eval()
    given = tensors(network, [8])
    with torch.no_grad():
        before = network(given)["tops"]
        after = network(given | {"momenta": 2 * given["momenta"]})["tops"]
    masks = combination_masks(torch.tensor([8]), TOPS)
    old, new = unpack(before, masks), unpack(after, masks)
    assert not torch.allclose(old[0], new[0])
    assert not torch.allclose(old[1], new[1])
    assert torch.equal(old[2], new[2])  # one jet alone has no such mass


def test_a_model_without_points_is_rejected():
    model = parts.build("model", "dense_network", {}, 4, 2)
    with pytest.raises(StudyError, match=r"targets.tops: model 'DenseNetwork' has no output for"):
        Network(Normalisation({"table": 4}), model, {"tops": 1}, assignments={"tops": TOPS})
