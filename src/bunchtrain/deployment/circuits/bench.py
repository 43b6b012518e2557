"""Test bench in Verilog: reads an event at every edge of the clock and writes the outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.files import write_text

#: Name of the module, and of its file.
BENCH = f"{TOP}_tb"

_VERILOG = """`timescale 1 ns / 1 ps

// Drives the words of inputs.hex, one at every edge of the clock, and writes the output after each
// edge to outputs.hex. Counts the words that differ from expected.hex, the n-th of which is
// due {latency} edges after the edge that reads the n-th event.
module {bench};
    reg clk = 1'b0;
    reg [{inputs}:0] model_inp = 0;
    wire [{outputs}:0] model_out;
    reg [{outputs}:0] expected;
    integer input_file, expected_file, output_file, more, due, cycle, events, mismatches;

    {top} dut (.clk(clk), .model_inp(model_inp), .model_out(model_out));

    always #2.5 clk = ~clk;

    initial begin
        input_file = $fopen("inputs.hex", "r");
        expected_file = $fopen("expected.hex", "r");
        output_file = $fopen("outputs.hex", "w");
        events = 0;
        mismatches = 0;
        cycle = 0;
        more = 1;
        while (more == 1) begin
            @(negedge clk);
            more = $fscanf(input_file, "%h\\n", model_inp);
            if (more == 1) events = events + 1;
            if (cycle > 0) check;
            cycle = cycle + 1;
        end
        repeat ({latency}) begin
            @(negedge clk);
            check;
            cycle = cycle + 1;
        end
        $display("%0d events, %0d mismatches at a latency of {latency} cycles", events, mismatches);
        $fclose(output_file);
        $finish;
    end

    // After `cycle` edges of the clock, the first of which read the first event.
    task check;
        begin
            $fdisplay(output_file, "%h", model_out);
            if (cycle > {latency}) begin
                due = $fscanf(expected_file, "%h\\n", expected);
                if (due != 1 || model_out !== expected) mismatches = mismatches + 1;
            end
        end
    endtask
endmodule
"""


def write_bench(hardware: Hardware, folder: Path) -> Path:
    """Write the test bench into a folder and return its path."""
    path = folder / f"{BENCH}.v"
    write_text(
        path,
        _VERILOG.format(
            bench=BENCH,
            top=TOP,
            inputs=hardware.inputs.width - 1,
            outputs=hardware.outputs.width - 1,
            latency=hardware.latency,
        ),
    )
    return path


def write_vectors(
    hardware: Hardware, folder: Path, inputs: NDArray[np.float64], expected: NDArray[np.float64]
) -> None:
    """Write `inputs.hex` and `expected.hex`, a word a line.

    inputs    (events, inputs) in the formats of the port.
    expected  (events, outputs) of the network.
    """
    write_text(folder / "inputs.hex", "\n".join(hardware.inputs.words(inputs)) + "\n")
    write_text(folder / "expected.hex", "\n".join(hardware.outputs.words(expected)) + "\n")
