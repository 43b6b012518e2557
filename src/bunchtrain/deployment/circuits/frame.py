"""A frame around a circuit with more bits than a device has pins: words go in and out bit by bit.

The circuit between its own registers is the same, and so is the clock of its paths; only a real
design would bring the words from neighbouring logic.
"""

from __future__ import annotations

from pathlib import Path

from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.files import write_text

#: Name of the module, and of its file.
FRAME = f"{TOP}_frame"

_VERILOG = """// Shifts a word in, bit after bit, and takes the circuit's word to shift it out.
module {frame} (input clk, input serial_inp, input load, output serial_out);
    reg [{inputs}:0] model_inp;
    wire [{outputs}:0] model_out;
    reg [{outputs}:0] shifted;

    {top} circuit (.clk(clk), .model_inp(model_inp), .model_out(model_out));

    always @(posedge clk) begin
        model_inp <= {{model_inp[{inputs} - 1:0], serial_inp}};
        shifted <= load ? model_out : {{1'b0, shifted[{outputs}:1]}};
    end
    assign serial_out = shifted[0];
endmodule
"""


def write_frame(hardware: Hardware, folder: Path) -> Path:
    """Write the frame into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{FRAME}.v"
    inputs, outputs = hardware.inputs.width - 1, hardware.outputs.width - 1
    write_text(path, _VERILOG.format(frame=FRAME, top=TOP, inputs=inputs, outputs=outputs))
    return path
