"""What a circuit cannot hold is counted, or rejected in one sentence."""

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("alkaid")

from bunchtrain import parts
from bunchtrain.deployment.circuits.exact import QuantisedNetwork, Sample
from bunchtrain.deployment.circuits.implementation import implement
from bunchtrain.deployment.circuits.placement import TABLES, place_and_route
from bunchtrain.deployment.circuits.ports import Port
from bunchtrain.deployment.circuits.synthesis import Synthesis
from bunchtrain.deployment.circuits.tracing import Pipeline
from bunchtrain.errors import ExportError


@pytest.fixture
def network():
    torch.manual_seed(1)
    options = {"widths": (3,), "weights": "fixed", "input_bits": 6}
    model = parts.build("model", "quantised_dense_network", options, 2, 2)
    x = torch.randn(200, 2).clamp(-1.9, 1.9)
    model.calibrate_ranges([{"table": x}])
    return QuantisedNetwork(model, {"table": ["mass", "width"]})


def test_inputs_outside_of_their_range_are_clipped_and_counted(network):
    inside, outside = torch.tensor([[1.0, -1.0]]), torch.tensor([[900.0, -1.0]])
    assert network.sample({"table": inside}).saturated["input"] == 0
    found = network.sample({"table": outside})
    assert found.saturated["input"] == 1
    assert found.inputs[0, 0] < 8
    port = network.circuit(["a", "b"]).inputs
    assert not port.count_overflows(found.inputs).any()


def test_outputs_beyond_the_port_are_rejected(network, tmp_path):
    sample = network.sample({"table": torch.randn(5, 2)})
    beyond = Sample(sample.inputs, sample.outputs + 1e6, sample.unrounded, sample.saturated)
    with pytest.raises(ExportError, match=r"5 values of output 'a' are out of the range"):
        implement(network, beyond, ["a", "b"], tmp_path, Pipeline(1), vhdl_events=0)


def test_a_circuit_larger_than_the_device_is_rejected(monkeypatch, tmp_path):
    counts = {"LUT": TABLES, "FF": 0, "DSP": 0, "BRAM": 0, "carry": 10}
    monkeypatch.setattr(
        "bunchtrain.deployment.circuits.placement.synthesise_ecp5",
        lambda *_: Synthesis("Lattice ECP5", counts, "Yosys"),
    )
    port = Port(("a",), ((0, 1, 0),))
    hardware = SimpleNamespace(inputs=port, outputs=port, latency=1)
    with pytest.raises(ExportError, match=f"takes {TABLES + 20} look-up tables, and LFE5U-85F"):
        place_and_route(hardware, tmp_path)
