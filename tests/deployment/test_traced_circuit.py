import numpy as np
import pytest

pytest.importorskip("alkaid")

from bunchtrain.deployment.circuits.bench import write_bench
from bunchtrain.deployment.circuits.hardware import write_verilog, write_vhdl
from bunchtrain.deployment.circuits.simulation import simulate_vhdl
from bunchtrain.deployment.circuits.tracing import Pipeline, trace
from bunchtrain.deployment.tools import GHDL
from bunchtrain.errors import ExportError

FORMAT = tuple(np.full(3, bits) for bits in (1, 2, 3))
WEIGHTS = np.array([[0.5, -1.25, 0.0], [0.75, 2.0, -0.375]]).T


def rectified(inputs, arithmetic):
    sums = arithmetic.relu(inputs["table"] @ WEIGHTS + np.array([0.5, -0.25]))
    one = np.ones(2, int)
    return arithmetic.quantize(sums, 0 * one, 4 * one, 2 * one, "WRAP", "TRN")


def traced():
    return trace(rectified, {"table": FORMAT}, ["a", "b", "c"], ["first", "second"])


def test_a_circuit_gives_the_numbers_of_its_function():
    x = np.random.default_rng(1).integers(-32, 32, (500, 3)) / 8
    wanted = np.floor(np.maximum(x @ WEIGHTS + [0.5, -0.25], 0) * 4) / 4
    np.testing.assert_array_equal(traced().evaluate(x), wanted)


def test_stages_are_cycles_of_latency(tmp_path):
    for stages in (1, 3):
        hardware = write_verilog(traced(), Pipeline(stages=stages), tmp_path / str(stages))
        assert hardware.latency == stages
        assert hardware.inputs.width == 3 * 6
        assert "network.v" in hardware.sources
        assert f"due {stages} edges" in write_bench(hardware, tmp_path).read_text()


def test_a_shorter_cutoff_makes_more_stages(tmp_path):
    short, long = (
        write_verilog(traced(), Pipeline(cutoff=cutoff), tmp_path / str(cutoff)).latency
        for cutoff in (1.2, 10.0)
    )
    assert short > long == 1


def test_a_circuit_is_written_as_vhdl_too(tmp_path):
    hardware = write_vhdl(traced(), Pipeline(stages=2), tmp_path)
    assert "entity network is" in (tmp_path / "network.vhd").read_text()
    assert hardware.latency == 2


@pytest.mark.skipif(GHDL.path() is None, reason="GHDL is not installed")
def test_vhdl_gives_the_numbers_of_its_function(tmp_path):
    hardware = write_vhdl(traced(), Pipeline(stages=2), tmp_path)
    x = np.random.default_rng(1).integers(-32, 32, (200, 3)) / 8
    wanted = traced().evaluate(x)
    simulated = simulate_vhdl(hardware, tmp_path / "right", x, wanted)
    assert (simulated.mismatches, simulated.latency) == (0, 2)
    np.testing.assert_array_equal(simulated.outputs, wanted)
    wanted[7, 1] += 0.25
    assert simulate_vhdl(hardware, tmp_path / "wrong", x, wanted).mismatches == 1


def test_an_operation_without_a_circuit_is_rejected():
    with pytest.raises(ExportError, match="an operation has no circuit"):
        trace(lambda inputs, _: np.arctan2(*inputs["table"][:2]), {"table": FORMAT}, "abc", ["y"])
