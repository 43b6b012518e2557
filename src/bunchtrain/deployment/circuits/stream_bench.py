"""Test bench of a stream: reads pixels, with gaps or not, and writes outputs with their cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.bench import BENCH
from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.files import atomic_path, write_text

#: Pixels of the unfinished image before the reset.
UNFINISHED = 5

#: Images whose words are written together.
CHUNK = 256

_VERILOG = """`timescale 1 ns / 1 ps

// Drives a line of inputs.hex at every edge of the clock: "1" and a pixel, or "0" without one.
// Before, reset must discard an unfinished image. Writes the edge and the outputs of each image to
// outputs.hex, and counts how many differ from expected.hex.
module {bench};
    reg clk = 1'b0;
    reg reset = 1'b1;
    reg valid_in = 1'b0;
    reg [{inputs}:0] model_inp = 0;
    wire valid_out;
    wire [{outputs}:0] model_out;
    reg [{outputs}:0] expected;
    integer input_file, expected_file, output_file, more, due, cycle, images, mismatches;

    {top} dut (.clk(clk), .reset(reset), .valid_in(valid_in), .model_inp(model_inp),
        .valid_out(valid_out), .model_out(model_out));

    always #2.5 clk = ~clk;

    initial begin
        input_file = $fopen("inputs.hex", "r");
        expected_file = $fopen("expected.hex", "r");
        output_file = $fopen("outputs.hex", "w");
        images = 0;
        mismatches = 0;
        cycle = 0;
        more = 2;
        @(negedge clk) reset = 1'b0;
        valid_in = 1'b1;
        model_inp = ~model_inp;
        repeat ({unfinished}) @(negedge clk);
        valid_in = 1'b0;
        reset = 1'b1;
        @(negedge clk) reset = 1'b0;
        while (more == 2) begin
            more = $fscanf(input_file, "%b %h\\n", valid_in, model_inp);
            if (more == 2) step;
        end
        valid_in = 1'b0;
        repeat ({drain}) step;
        $display("%0d images, %0d mismatches", images, mismatches);
        $fclose(output_file);
        $finish;
    end

    task step;
        begin
            @(negedge clk);
            if (valid_out) begin
                images = images + 1;
                $fdisplay(output_file, "%0d %h", cycle, model_out);
                due = $fscanf(expected_file, "%h\\n", expected);
                if (due != 1 || model_out !== expected) mismatches = mismatches + 1;
            end
            cycle = cycle + 1;
        end
    endtask
endmodule
"""


def write_stream_bench(hardware: Hardware, folder: Path) -> Path:
    """Write the test bench into a folder and return its path."""
    path = folder / f"{BENCH}.v"
    text = _VERILOG.format(
        bench=BENCH,
        top=TOP,
        inputs=hardware.inputs.width - 1,
        outputs=hardware.outputs.width - 1,
        drain=hardware.latency + 1,
        unfinished=UNFINISHED,
    )
    write_text(path, text)
    return path


def write_stream_vectors(
    hardware: Hardware,
    folder: Path,
    images: NDArray[np.float64],
    expected: NDArray[np.float64],
    gaps: NDArray[np.int64] | None = None,
) -> None:
    """Write `inputs.hex`, a line a clock cycle, and `expected.hex`, a line an image.

    images    (images, pixel, channel) in the formats of the port.
    expected  (images, outputs) of the network.
    gaps      (images, pixel) cycles without a pixel before each pixel; none if unset.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "inputs.hex") as part, part.open("w", encoding="ascii") as file:
        for start in range(0, len(images), CHUNK):
            chunk = slice(start, start + CHUNK)
            words = hardware.inputs.words(images[chunk].reshape(-1, images.shape[-1]))
            waits = np.zeros(len(words), np.int64) if gaps is None else gaps[chunk].ravel()
            lines = zip(words, waits, strict=True)
            file.writelines("0 0\n" * int(wait) + f"1 {word}\n" for word, wait in lines)
    write_text(folder / "expected.hex", "\n".join(hardware.outputs.words(expected)) + "\n")
