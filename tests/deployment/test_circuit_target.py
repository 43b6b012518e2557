import awkward as ak
import numpy as np
import pytest
from trained_models import events, trained_model

from bunchtrain.deployment.export import check_supported, export, make_target
from bunchtrain.deployment.tools import TOOLS
from bunchtrain.errors import ExportError

NETWORK = {"widths": (6,), "bits": 5, "weights": "fixed", "input_bits": 6}


def quantised():
    """A tiny network with the ranges of some events."""
    found = trained_model("quantised_dense_network", NETWORK)
    model, network = found.network.model, found.network
    batch, _ = found.represent(events(200, seed=2))
    model.calibrate_ranges([network.normalise(batch.tensors().inputs)])
    return found


def test_a_network_of_real_numbers_is_rejected_by_name():
    with pytest.raises(ExportError, match=r"'dense_network' cannot be exported to 'circuit'.*real"):
        check_supported(
            trained_model("dense_network", {"widths": (4,)}), make_target("circuit"), "circuit"
        )


@pytest.mark.circuits
def test_a_network_goes_through_gates_and_onto_a_device(tmp_path, monkeypatch):
    lacking = [tool.title for tool in TOOLS if tool.path() is None]
    if lacking or pytest.importorskip("alkaid") is None:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    given = events(10_000, seed=3)
    given = ak.with_field(given, np.arange(10_000) % 2, "target_jet")
    monkeypatch.chdir(tmp_path.parent)  # the folder may be relative
    folder = tmp_path.name
    verification = export(quantised(), make_target("circuit"), "circuit", given, folder)
    compared = verification.agreements[0]
    assert (compared.events, compared.difference, compared.flipped) == (10_000, 0.0, 0)
    assert verification.properties["latency, cycles"].startswith("2 (Verilator")
    assert verification.properties["DSP, Xilinx UltraScale+"].startswith("0 (Yosys")
    assert float(verification.properties["latency, ECP5, ns"].split()[0]) > 0
    assert {"ecp5/network.bit", "vhdl/network.vhd", "circuit.html"} <= set(verification.files)
    assert "simulation_vhdl/network_tb.vhd" in verification.files
    assert "AUC top, circuit" in verification.properties
    assert "0</b><span>mismatches of 10,000 events" in (tmp_path / "circuit.html").read_text()
