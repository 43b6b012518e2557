"""Interaction network, CNN and GarNet in fixed point: exact, as circuits, as their equations."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from bunchtrain import parts
from bunchtrain.deployment.circuits.exact import disable_rounding
from bunchtrain.errors import StudyError
from bunchtrain.networks.gar_net import GarNet
from bunchtrain.networks.interaction_network import InteractionNetwork
from bunchtrain.networks.layers.quantised import arithmetic
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN

FEW = {"bits": 5, "input_bits": 6}
LENGTHS = torch.tensor([3, 0, 5, 2, 1] * 20)


def build(name, options, size):
    return parts.build("model", name, options, size, 2)


def interaction(**options):
    sizes = {"particles": 3, "relation": (4, 3), "objects": (4,), "classifier": (4,)}
    return build("quantised_interaction_network", sizes | FEW | options, 3)


def gar_net(**options):
    sizes = {"particles": 3, "aggregators": 2, "propagate": 2, "filters": 2, "widths": (4,)}
    return build("quantised_gar_net", sizes | FEW | options, 3)


def cnn(**options):
    sizes = {"filters": ((2,),), "widths": (4,)}
    return build("quantised_image_cnn", sizes | FEW | options, (2, 6, 4))


def row_cnn(**options):
    sizes = {"filters": ((2,), (2,)), "kernel": (1, 3), "pool": (1, 2), "widths": (4,)}
    return build("quantised_image_cnn", sizes | FEW | options, (2, 1, 12))


def padded_cnn(**options):
    return cnn(padding="same", kernel=(3, 2), **options)


MODELS = [interaction, gar_net, cnn, row_cnn, padded_cnn]


def given(make, seed=1):
    random = torch.Generator().manual_seed(seed)
    if make in (cnn, padded_cnn):
        return {"image": torch.randn(100, 2, 6, 4, generator=random)}
    if make is row_cnn:
        return {"image": torch.randn(100, 2, 1, 12, generator=random)}
    return {"features": torch.randn(int(LENGTHS.sum()), 3, generator=random), "lengths": LENGTHS}


def ready(make, **options):
    torch.manual_seed(1)
    model = make(**options)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("bias.value"):
                value.uniform_(-0.5, 0.5)
    model.calibrate_ranges([given(make)])
    return model.eval()


def test_a_relation_of_one_layer_costs_nothing_for_each_pair():
    few, many = (interaction(relation=(4,), particles=n).bit_operations() for n in (2, 4))
    assert 0 < few < many < 2.5 * few


@pytest.mark.parametrize("weights", ["learned", "fixed", "ternary"])
@pytest.mark.parametrize("make", MODELS)
def test_exact_arithmetic_gives_the_numbers_of_forward(make, weights):
    model, inputs = ready(make, weights=weights), given(make, seed=2)
    with torch.no_grad():
        taken = {k: v.double().numpy() for k, v in model.quantise_inputs(inputs).items()}
        wanted = model(**inputs).double().numpy()
    assert len(np.unique(wanted)) > 5
    np.testing.assert_array_equal(model.exact(taken, arithmetic), wanted)


@pytest.mark.parametrize("make", MODELS)
def test_its_circuit_gives_its_numbers(make):
    pytest.importorskip("alkaid")
    from bunchtrain.deployment.circuits.exact import QuantisedNetwork

    function = QuantisedNetwork(ready(make), {})
    sample = function.sample(given(make, seed=2))
    circuit = function.circuit(["a", "b"])
    np.testing.assert_array_equal(circuit.evaluate(sample.inputs), sample.outputs)


@pytest.mark.parametrize("make", MODELS)
def test_wider_weights_cost_more_and_all_widths_are_trained(make):
    narrow, wide = (make(weights="fixed", bits=bits).eval().bit_operations() for bits in (3, 6))
    assert 0 < float(narrow) < float(wide)
    model = make().train()
    (model(**given(make)).square().sum() + model.bit_operations()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_unrounded_it_is_the_interaction_network():
    model, inputs = ready(interaction, weights="fixed"), given(interaction)
    inputs = {"features": inputs["features"][: int(LENGTHS[:2].sum())], "lengths": LENGTHS[:2]}
    real = InteractionNetwork(3, 2, relation=(4, 3), objects=(4,), classifier=(4,))
    values = [v for n, v in model.named_parameters() if n.endswith("value")]
    with torch.no_grad(), disable_rounding(model):
        for parameter, value in zip(real.parameters(), values, strict=True):
            parameter.copy_(value)
        torch.testing.assert_close(model(**inputs), real(**inputs))


def test_unrounded_it_is_a_convolution():
    model, image = ready(cnn, weights="fixed"), given(cnn)["image"]
    layer = model.layers[0].layer
    with torch.no_grad(), disable_rounding(model):
        kernel = layer.weight().reshape(2, 3, 3, 2).permute(0, 3, 1, 2)
        seen = max_pool2d(conv2d(image, kernel, layer.bias()).relu(), 2)
        wanted = model.dense(seen.flatten(2).mT.flatten(1))
        torch.testing.assert_close(model(image), wanted)


def test_unrounded_and_padded_it_is_a_convolution_of_the_same_size():
    model, image = ready(padded_cnn, weights="fixed"), given(padded_cnn)["image"]
    layer = model.layers[0].layer
    with torch.no_grad(), disable_rounding(model):
        kernel = layer.weight().reshape(2, 3, 2, 2).permute(0, 3, 1, 2)
        around = torch.nn.functional.pad(image, (0, 1, 1, 1))  # left, right, above, below
        wanted = conv2d(around, kernel, layer.bias()).relu()
        found = model.layers[0](model.input(image).flatten(2).mT).mT.unflatten(2, (6, 4))
        torch.testing.assert_close(found, wanted)


def test_unrounded_it_is_gar_net():
    model, inputs = ready(gar_net, weights="fixed"), given(gar_net)
    inputs = {"features": inputs["features"][:3], "lengths": LENGTHS[:2]}
    with torch.no_grad(), disable_rounding(model):
        back = model.back
        back.weight.value[:, -1], back.bias.value[:] = torch.tensor([0.3, -0.2]), 0
        torch.testing.assert_close(model(**inputs), float_gar_net(model)(**inputs))


def float_gar_net(model):
    sizes = {"points": 4, "aggregators": (2,), "propagate": (2,), "filters": (2,), "widths": (4,)}
    made = GarNet(3, 2, **sizes)
    layer = made.layers[0]
    for mine, theirs in zip(
        (layer.features, layer.distances, made.dense[0], made.dense[2]),
        (model.given, model.distances, *model.dense),
        strict=True,
    ):
        mine.weight.data, mine.bias.data = theirs.weight.value.data, theirs.bias.value.data
    layer.back.weight.data = model.back.weight.value[:, :-1]
    layer.back.bias.data = model.back.weight.value[:, -1]
    return made


def test_an_image_too_small_for_the_kernel_raises():
    with pytest.raises(StudyError, match=r"applies a 'kernel' of 3 × 3 to only 2 × 1 pixels"):
        QuantisedImageCNN((1, 6, 4), 2, filters=((2,), (2,)))
