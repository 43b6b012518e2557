import pytest
import torch

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.dense_network import DenseNetwork
from bunchtrain.networks.layers.dense import dense, linear


def test_the_equation():
    """W₂ relu(W₁ x + b₁) + b₂."""
    model = DenseNetwork(3, 2, widths=(5,))
    first, _, last = model.layers
    x = torch.randn(7, 3)
    expected = (x @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(model(x), expected)


def test_defaults_are_the_paper_s():
    model = DenseNetwork(28, 2)
    assert input_names(DenseNetwork) == ("table",)
    assert parts.positional(DenseNetwork) == ("table", "outputs")
    widths = [m.out_features for m in model.layers if isinstance(m, torch.nn.Linear)]
    assert widths == [300] * 5 + [2]


@pytest.mark.parametrize(
    "options", [{"dropout": 0.5}, {"batch_norm": True}, {"activation": "tanh"}]
)
def test_an_event_does_not_depend_on_the_others_in_evaluation(options):
    model = DenseNetwork(4, 3, widths=(8, 8), **options).eval()
    x = torch.randn(9, 4)
    torch.testing.assert_close(model(x)[2:4], model(x[2:4]))


def test_no_widths_make_a_linear_model():
    model = DenseNetwork(4, 1, widths=())
    x, y = torch.randn(2, 6, 4)
    torch.testing.assert_close(model(x + y) + model(0 * x), model(x) + model(y))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_initialisation_keeps_the_scale_through_many_layers(activation):
    torch.manual_seed(1)
    layers = dense(200, [200] * 8, activation)
    deep = layers(torch.randn(100, 200))
    assert 0.3 < deep.std() < 3
    assert not linear(3, 4, activation).bias.any()


def test_an_unknown_activation_raises_with_its_key():
    with pytest.raises(StudyError, match=r"^net\.model\.activation: must be 'relu', .*got 'rleu'$"):
        parts.validate("model", "dense_network", {"activation": "rleu"}, "net.model")
