"""Networks in fixed-point numbers: by value, by gradient, and as alkaid computes them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from bunchtrain.networks.layers.quantised import arithmetic
from bunchtrain.networks.layers.quantised.fixed_point import (
    PACE,
    Fraction,
    fixed_point,
    fused_round,
    integer_bits,
)
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.quantised.quantised_dense_network import (
    DenseQuantisationOptions,
    QuantisedDenseNetwork,
)

KINDS = [
    {"weights": "learned"},
    {"weights": "learned", "granularity": "channel"},
    {"weights": "fixed", "granularity": "layer", "overflow": "saturate"},
    {"weights": "binary"},
    {"weights": "ternary", "activations": "ternary"},
    {"weights": "fixed", "activations": "binary"},
]


def bits(*values: float) -> list[Tensor]:
    return [torch.tensor(float(value)) for value in values]


def trained(*, steps: int = 20, **options) -> tuple[QuantisedDenseNetwork, Tensor]:
    """A network after a few steps, with its ranges taken from 2,000 events, and those events."""
    torch.manual_seed(0)
    quantisation = DenseQuantisationOptions(**options)
    network = QuantisedDenseNetwork(6, 3, widths=(8, 5), quantisation=quantisation)
    table = 2 * torch.randn(2000, 6)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    for step in range(steps):
        network.anneal((step + 1) / steps)
        target = (table[:, 0] > 0).long() + (table[:, 1] > 1).long()
        loss = torch.nn.functional.cross_entropy(network(table), target) + network.weight_penalty(
            2000
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.calibrate_ranges([{"table": table}])
    return network.eval(), table


@pytest.mark.parametrize(
    ("rounding", "overflow", "values"),
    [
        ("RND", "SAT", [-2.0, -0.5, 0.0, 0.5, 1.0, 1.75, 1.75]),
        ("TRN", "SAT", [-2.0, -0.5, -0.25, 0.25, 0.75, 1.75, 1.75]),
        ("RND", "SAT_SYM", [-1.75, -0.5, 0.0, 0.5, 1.0, 1.75, 1.75]),
        ("RND", "WRAP", [1.0, -0.5, 0.0, 0.5, 1.0, -2.0, -1.75]),
    ],
)
def test_rounding_and_overflow_by_value(rounding, overflow, values):
    x = torch.tensor([-3.0, -0.5, -0.125, 0.375, 0.9, 1.9, 2.25])
    assert fixed_point(x, *bits(1, 1, 2), rounding, overflow).tolist() == values


def test_no_bits_are_zero():
    assert fixed_point(torch.tensor([3.0]), *bits(0, 2, -2)).tolist() == [0.0]


def test_integer_bits_are_the_least_that_hold_a_range():
    low, high = torch.tensor([0.0, -1.0, -1.01, 0.0]), torch.tensor([0.9, 0.5, 0.5, 0.0])
    assert integer_bits(low, high, torch.tensor(2.0)).tolist() == [1, 0, 0, -2]
    assert integer_bits(low, high, torch.tensor(8.0)).tolist() == [0, 0, 1, -8]


def test_the_gradient_of_a_width_is_the_error_times_ln_2():
    x, f = torch.tensor([0.3, 0.6], requires_grad=True), torch.tensor(2.0, requires_grad=True)
    fixed_point(x, *bits(1, 0), f).sum().backward()
    error = (0.3 - 0.25) + (0.6 - 0.5)
    assert float(f.grad) == pytest.approx(np.log(2) * error, rel=1e-5)
    assert x.grad.tolist() == [1, 1]


def test_a_clipped_value_has_no_gradient():
    x = torch.tensor([0.3, 5.0], requires_grad=True)
    fixed_point(x, *bits(1, 0, 2), "RND", "SAT").sum().backward()
    assert x.grad.tolist() == [1, 0]


@pytest.mark.parametrize("overflow", ["WRAP", "SAT", "SAT_SYM"])
@pytest.mark.parametrize("rounding", ["RND", "TRN"])
def test_numbers_are_those_of_alkaid(rounding, overflow):
    ops = pytest.importorskip("alkaid.trace.ops")
    random = np.random.default_rng(1)
    k, i, f = random.integers(0, 2, 500), random.integers(-2, 4, 500), random.integers(-2, 6, 500)
    x = random.integers(-4000, 4000, (20, 500)) / 128
    theirs = ops.quantize(x, k, i, f, overflow, rounding)
    assert (arithmetic.quantize(x, k, i, f, overflow, rounding) == theirs).all()
    ours = fixed_point(*map(torch.tensor, (x, k, i, f)), rounding, overflow)
    assert (ours.numpy() == theirs).all()


@pytest.mark.parametrize("options", KINDS)
def test_forward_is_exact(options):
    network, table = trained(**options)
    with torch.no_grad():
        inputs = network.quantise_inputs({"table": table})
        arrays = {name: value.double().numpy() for name, value in inputs.items()}
        assert (network(table).double().numpy() == network.exact(arrays, arithmetic)).all()
        again = network.quantise_inputs(inputs)
    assert torch.equal(again["table"], inputs["table"])


@pytest.mark.parametrize("options", KINDS)
def test_a_traced_circuit_gives_the_numbers_of_the_network(options):
    trace = pytest.importorskip("alkaid.trace")
    network, table = trained(**options)
    k, i, f = network.input_formats()["table"]
    raw = trace.FVArrayInput((6,))
    outputs = network.exact({"table": trace.ops.quantize(raw, k, i, f)}, trace.ops)
    circuit = trace.trace(raw, outputs)
    with torch.no_grad():
        inputs = network.quantise_inputs({"table": table})["table"]
        given = circuit.predict(inputs.double().numpy())
        assert (given == network(table).double().numpy()).all()


def test_a_larger_beta_gives_fewer_bit_operations():
    rich, frugal = (
        trained(beta=(beta, beta), steps=60)[0].bit_operations().detach() for beta in (1e-9, 1e-3)
    )
    assert 0 < frugal < 0.8 * rich


def test_the_gradient_of_bit_operations_is_their_slope():
    network, _ = trained(weights="learned")
    network.zero_grad()
    network.bit_operations().backward()
    slope = network.input.fraction.share.grad / PACE
    before = float(network.bit_operations().detach())
    integer = network.input.integer.clone()
    with torch.no_grad():
        network.input.fraction.share[2] += 1 / PACE
    assert torch.equal(network.input.integer, integer)
    assert float(network.bit_operations().detach()) - before == pytest.approx(float(slope[2]))
    assert float(slope[2]) > 0


def test_bit_operations_by_value():
    quantisation = DenseQuantisationOptions(
        weights="fixed", bits=4, input_bits=4, input_integer=1, overflow="wrap"
    )
    network = QuantisedDenseNetwork(2, 1, widths=(1,), quantisation=quantisation)
    with torch.no_grad():
        network.layers[0].weight.value.copy_(torch.tensor([[0.5, 0.0]]))
        network.layers[1].weight.value.fill_(0.25)
    # 3 bits × 3 bits for the weight that is not 0, 3 × 4 bits in the second layer; biases are 0
    assert float(network.bit_operations()) == 3 * 3 + 3 * 4


def test_ranges_come_from_the_whole_training_set():
    quantiser = Quantiser((2,), True, 6)
    quantiser.observing = True
    for block in (torch.tensor([[0.2, -3.0]]), torch.tensor([[-0.7, 1.0]])):
        quantiser(block)
    quantiser.update_format()
    k, i, f = quantiser.kif
    assert (k.tolist(), i.tolist(), f.tolist()) == ([1, 1], [0, 2], [5, 3])
    assert quantiser.overflow_mask(torch.tensor([[0.99, -4.2], [-1.1, 3.9]])).tolist() == [
        [True, True],
        [True, False],
    ]


def test_quantised_after_training():
    network, table = trained(
        weights="fixed", bits=12, integer=None, quantised_from=1.0, input_bits=14
    )
    table = table[table.abs().amax(1) < 8]
    quantised = network(table)
    network._activate(False)
    real = network(table)
    assert not torch.equal(real, quantised)
    assert float((real - quantised).detach().abs().max()) < 0.1


def test_values_beyond_the_range_are_counted():
    network, table = trained(weights="fixed", granularity="layer")
    with network.count_overflows() as seen:
        network(table)
    assert seen["input"] == int((table >= 8 - 1 / 32).sum() + (table < -8 - 1 / 32).sum())
    assert seen["layers.0.output"] == seen["layers.1.output"] == 0
    with network.count_overflows() as beyond:
        network(7.9 * table.sign())
    assert beyond["input"] == 0
    assert beyond["layers.0.output"] > 0


def test_fused_rounding_equals_rounding_of_each_tensor():
    torch.manual_seed(0)
    fractions = [Fraction(4 * torch.randn(shape), learned=True) for shape in ((3, 4), (5,))]
    values = [torch.randn(3, 4, requires_grad=True), torch.randn(5, requires_grad=True)]
    f = [fraction().requires_grad_() for fraction in fractions]
    alone = [fixed_point(*one, "RND", "NONE") for one in zip(values, f, f, f, strict=True)]
    together = fused_round(values, [fraction.share for fraction in fractions])
    slopes = []
    for rounded, bits in ((alone, f), (together, [fraction.share for fraction in fractions])):
        (rounded[0].square().sum() + rounded[1].square().sum()).backward()
        slopes.append([one.grad.clone() for one in (*values, *bits)])
        for value in values:
            value.grad = None
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
    scales = (1, 1, PACE, PACE)
    for one, other, scale in zip(*slopes, scales, strict=True):
        torch.testing.assert_close(scale * one, other)


def test_bit_operations_of_all_layers_at_once_are_their_sum():
    network, _ = trained(weights="learned")
    widths, alone = network.input.widths, torch.zeros(())
    for layer in network.layers:
        alone = alone + layer.bit_operations(widths)
        widths = layer.widths
    assert float(network.bit_operations().detach()) == float(alone.detach()) > 0


def test_a_bias_finer_than_the_sums_it_is_added_to_is_rounded_half_up():
    trace = pytest.importorskip("alkaid.trace")
    network, table = trained(weights="fixed", granularity="layer")
    with torch.no_grad():
        network.layers[1].weight.value[2] = 0  # a unit that pruning has left its bias alone
        network.layers[1].bias.value[2] = 0.5 + 3 / 32
        network.layers[1].output.fraction.set(torch.tensor([3.0]))
    raw = trace.FVArrayInput((6,))
    inputs = {"table": trace.ops.quantize(raw, *network.input_formats()["table"])}
    circuit = trace.trace(raw, network.exact(inputs, trace.ops))
    with torch.no_grad():
        given = circuit.predict(network.quantise_inputs({"table": table})["table"].double().numpy())
        assert (given == network(table).double().numpy()).all()
