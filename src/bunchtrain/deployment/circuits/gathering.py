"""A layer of a stream that gathers the pixels of an image in registers and sees them at once."""

from __future__ import annotations

from bunchtrain.deployment.circuits.hardware import Hardware
from bunchtrain.deployment.circuits.kernel import connections
from bunchtrain.deployment.circuits.sliding import counter
from bunchtrain.deployment.circuits.words import Port

_GATHER = """`timescale 1 ns / 1 ps

// Gathers {pixels} pixels, the first lowest, then computes with all of them.
module {name} (
    input clk, input reset,
    input valid_in, input [{pixel}:0] pixel_in,
    output valid_out, output [{output}:0] pixel_out
);
    reg [{all}:0] shown;
    wire [{all} + {bits}:0] joined = {{pixel_in, shown}};
    reg [{count_bits}:0] count = 0;
    reg whole = 1'b0;
    always @(posedge clk) begin
        if (valid_in) begin
            shown <= joined[{all} + {bits}:{bits}];
            count <= (count == {last}) ? 0 : count + 1'b1;
        end
        whole <= valid_in && count == {last};
        if (reset) begin
            count <= 0;
            whole <= 1'b0;
        end
    end

    wire [{input}:0] seen;
{seen}
    {name}_kernel kernel (.clk(clk), .model_inp(seen), .model_out(pixel_out));

    reg [{latency}:0] due = 0;
    always @(posedge clk) due <= reset ? 0 : {{due, whole}};
    assign valid_out = due[{latency}];
endmodule
"""


def gathering(name: str, pixels: int, pixel: Port, kernel: Hardware) -> str:
    """Return the Verilog of the layer, with the ports of those that slide.

    pixels  of an image.
    pixel   what comes in.
    kernel  gives the outputs from all pixels, as the module `<name>_kernel`.
    """
    return _GATHER.format(
        name=name,
        pixels=pixels,
        bits=pixel.width,
        pixel=pixel.width - 1,
        all=pixels * pixel.width - 1,
        input=kernel.inputs.width - 1,
        output=kernel.outputs.width - 1,
        count_bits=counter(pixels),
        last=pixels - 1,
        latency=kernel.latency,
        seen="\n".join(connections(pixel, kernel.inputs, [""] * pixels)),
    )
