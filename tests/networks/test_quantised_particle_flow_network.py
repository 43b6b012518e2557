import numpy as np
import pytest
import torch

from bunchtrain import parts
from bunchtrain.networks.layers.quantised import arithmetic

LENGTHS = torch.tensor([3, 0, 7, 4, 1])


def network(**options):
    torch.manual_seed(1)
    options = {"particles": 4, "phi": (5,), "f": (4,), "bits": 5, "input_bits": 6} | options
    made = parts.build("model", "quantised_particle_flow_network", options, 3, 2)
    points = jets(LENGTHS)
    made.calibrate_ranges([{"features": points, "lengths": LENGTHS}])
    return made.eval()


def jets(lengths, seed=2):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(int(lengths.sum()), 3, generator=random)


@pytest.mark.parametrize("weights", ["fixed", "learned", "ternary"])
def test_exact_arithmetic_gives_the_numbers_of_the_network(weights):
    made, points = network(weights=weights), jets(LENGTHS)
    with torch.no_grad():
        inputs = made.quantise_inputs({"features": points, "lengths": LENGTHS})
        wanted = made(points, LENGTHS).double().numpy()
    arrays = {name: tensor.double().numpy() for name, tensor in inputs.items()}
    np.testing.assert_array_equal(made.exact(arrays, arithmetic), wanted)


def test_the_order_of_the_particles_does_not_count():
    made, points = network(), jets(torch.tensor([4]))
    lengths = torch.tensor([4])
    torch.testing.assert_close(made(points, lengths), made(points.flip(0), lengths))


def test_particles_beyond_the_slots_are_ignored():
    made, points = network(), jets(torch.tensor([7]))
    seen, all_of_them = made(points[:4], torch.tensor([4])), made(points, torch.tensor([7]))
    torch.testing.assert_close(seen, all_of_them)


def test_more_slots_cost_more_bit_operations():
    few, many = (float(network(particles=n).bit_operations().detach()) for n in (2, 8))
    assert 0 < 2 * few < many


def test_its_circuit_gives_its_numbers():
    pytest.importorskip("alkaid")
    from bunchtrain.deployment.circuits.exact import QuantisedNetwork

    function = QuantisedNetwork(network(), {"features": ["pt", "eta", "phi"]})
    sample = function.sample({"features": jets(LENGTHS), "lengths": LENGTHS})
    circuit = function.circuit(["a", "b"])
    assert circuit.inputs.names[3:5] == ("pt[1]", "eta[1]")
    np.testing.assert_array_equal(circuit.evaluate(sample.inputs), sample.outputs)
