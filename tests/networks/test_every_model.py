"""The contract of every network: independent events, gradients, saved states, inputs, ONNX."""

import io

import pytest
import torch
from exported import check_onnx
from small_models import OPTIONS, PER_POINT, inputs, single, small

from bunchtrain import parts
from bunchtrain.methods.supervised import input_names

#: Models with these tests in other files: fit in one call, and the one on clustering trees.
ELSEWHERE = {
    *("boosted_trees", "histogram_trees", "random_forest", "binned_correction"),
    *("linear_classifier", "latent_dirichlet_allocation", "tree_nin", "mass_chi_squared"),
    *("optimal_filter", "linear_regression"),
}

#: Models whose ONNX graph is compared nightly: two that tests/deployment/test_onnx_edges.py
#: exports, and two whose parts are those of `interaction_network`, `gar_net` and the other
#: quantised models.
NIGHTLY = {
    *("lorentz_net", "particle_net_light"),
    *("quantised_interaction_network", "quantised_gar_net"),
}

#: Models that depend on the order of the particles.
ORDERED = {
    *("denoising_autoencoder", "u_net_1d", "recurrent_network", "boost_lstm", "p_cnn"),
    *("lola", "lbn"),
}


def of_points(name):
    return "lengths" in input_names(parts.find("model", name.split()[0]))


def test_no_model_is_left_out():
    assert {name.split()[0] for name in OPTIONS} | ELSEWHERE == set(parts.locate("model"))


@pytest.mark.parametrize("name", OPTIONS)
def test_outputs_do_not_depend_on_the_other_events_and_their_lengths(name):
    model, lengths = small(name), [3, 0, 5, 1, 2]
    given = inputs(model, lengths)
    with torch.no_grad():
        alone = torch.cat([model(**event) for event in single(given, lengths)])
        torch.testing.assert_close(model(**given), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in OPTIONS if of_points(name)])
def test_the_outputs_are_invariant_under_permutations_unless_the_network_is_ordered(name):
    model, lengths = small(name), [6, 3, 5]
    given = inputs(model, lengths)
    order = torch.cat([torch.arange(6).flip(0), torch.arange(6, 14)])
    shuffled = {n: t[order] if n in PER_POINT else t for n, t in given.items()}
    if "edges" in given:
        shuffled["edges"] = order.argsort()[given["edges"]]
    with torch.no_grad():
        same = torch.allclose(model(**shuffled), model(**given), rtol=1e-4, atol=1e-5)
    assert same == (name.split()[0] not in ORDERED)


#: Parameters of which the next normalisation takes the effect away.
CANCELLED = {"particle_transformer": {"pair_norm.bias"}}


@pytest.mark.parametrize("name", OPTIONS)
def test_gradients_reach_every_parameter(name):
    model = small(name).train()
    for parameter, value in model.named_parameters():
        if parameter.endswith("bias.value"):
            value.data.uniform_(-0.5, 0.5)  # a quantised bias of 0 has no bits
    outputs = model(**inputs(model, [4, 6, 3, 12, 9, 7, 8, 5]))
    loss = (outputs * torch.randn(outputs.shape)).sum()
    if hasattr(model, "weight_penalty"):
        loss = loss + model.weight_penalty(1)
    loss.backward()
    unreached = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert set(unreached) <= CANCELLED.get(name, set())


@pytest.mark.parametrize("name", OPTIONS)
def test_a_saved_state_gives_the_same_outputs(name):
    model, file = small(name), io.BytesIO()
    given = inputs(model, [4, 6, 3])
    model.train()(**given)  # running moments and ranges are part of the state
    torch.save(model.eval().state_dict(), file)
    file.seek(0)
    again = small(name)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.add_(1)
        again.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(again(**given), model(**given))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_input_changes_the_outputs(name):
    model, lengths = small(name), [4, 6, 3]
    given = inputs(model, lengths)
    with torch.no_grad():
        outputs = model(**given)
        for tensor in given.keys() - {"lengths", "edges"}:
            shift = torch.rand(given[tensor].shape, generator=torch.Generator().manual_seed(1))
            changed = given | {tensor: given[tensor] * (1 + shift)}
            assert not torch.equal(model(**changed), outputs), tensor


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.nightly) if n in NIGHTLY else n for n in OPTIONS],
)
def test_onnx_gives_the_same_numbers(name, tmp_path):
    check_onnx(small(name), inputs, tmp_path / "model.onnx", tolerance=1e-4)
