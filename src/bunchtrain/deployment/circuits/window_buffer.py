"""Buffers of a stream of pixels: the line buffer with its window, and a buffer of all pixels.

Of an image of W columns, a window of h × w pixels needs the last (h − 1) W + w pixels: h − 1 rows
in a memory that is read and written at each pixel, and w registers a row.
"""

from __future__ import annotations

from bunchtrain.deployment.circuits.hardware import Hardware
from bunchtrain.deployment.circuits.kernel import connections, counter_msb
from bunchtrain.deployment.circuits.ports import Port

#: File → Verilog of the module in it.
MODULES = {
    "line_buffer.v": """`timescale 1 ns / 1 ps

// Delays its input by COLUMNS shifts.
module line_buffer #(parameter BITS = 1, COLUMNS = 1) (
    input clk, input shift, input [BITS-1:0] below, output reg [BITS-1:0] above
);
    generate
        if (COLUMNS == 1) begin : single
            always @(posedge clk) if (shift) above <= below;
        end else begin : lines
            reg [BITS-1:0] memory [0:COLUMNS-1];
            reg [$clog2(COLUMNS)-1:0] place = 0;
            wire [$clog2(COLUMNS)-1:0] oldest = (place == COLUMNS - 1) ? 0 : place + 1'b1;
            always @(posedge clk)
                if (shift) begin
                    memory[place] <= below;
                    above <= memory[oldest];
                    place <= oldest;
                end
        end
    endgenerate
endmodule
""",
    "window.v": """`timescale 1 ns / 1 ps

// Window of HEIGHT x WIDTH pixels of an image of COLUMNS, row by row, the upper left one in the
// lowest bits and the pixel of the last shift in the highest.
module window #(parameter BITS = 1, COLUMNS = 1, HEIGHT = 1, WIDTH = 1) (
    input clk, input shift, input [BITS-1:0] pixel, output [HEIGHT*WIDTH*BITS-1:0] shown
);
    reg [BITS-1:0] newest;
    wire [HEIGHT*BITS-1:0] heads;  // the newest pixel of each row
    always @(posedge clk) if (shift) newest <= pixel;
    assign heads[(HEIGHT-1)*BITS +: BITS] = newest;

    genvar row;
    generate
        if (HEIGHT > 1) begin : above
            line_buffer #(.BITS((HEIGHT-1)*BITS), .COLUMNS(COLUMNS)) rows (.clk(clk), .shift(shift),
                .below(heads[HEIGHT*BITS-1:BITS]), .above(heads[(HEIGHT-1)*BITS-1:0]));
        end
        for (row = 0; row < HEIGHT; row = row + 1) begin : rows
            wire [WIDTH*BITS-1:0] line;
            assign line[(WIDTH-1)*BITS +: BITS] = heads[row*BITS +: BITS];
            assign shown[row*WIDTH*BITS +: WIDTH*BITS] = line;
            if (WIDTH > 1) begin : older
                reg [(WIDTH-1)*BITS-1:0] previous;
                always @(posedge clk) if (shift) previous <= line[WIDTH*BITS-1:BITS];
                assign line[(WIDTH-1)*BITS-1:0] = previous;
            end
        end
    endgenerate
endmodule
""",
}

_PIXEL_BUFFER = """`timescale 1 ns / 1 ps

// Buffers {pixels} pixels, the first in the lowest bits, and computes with all of them.
module {name} (
    input clk, input reset,
    input valid_in, input [{pixel}:0] pixel_in,
    output valid_out, output [{output}:0] pixel_out
);
    reg [{all}:0] shown;
    wire [{all} + {bits}:0] joined = {{pixel_in, shown}};
    reg [{count_bits}:0] count = 0;
    reg complete = 1'b0;
    always @(posedge clk) begin
        if (valid_in) begin
            shown <= joined[{all} + {bits}:{bits}];
            count <= (count == {last}) ? 0 : count + 1'b1;
        end
        complete <= valid_in && count == {last};
        if (reset) begin
            count <= 0;
            complete <= 1'b0;
        end
    end

    wire [{input}:0] seen;
{seen}
    {name}_kernel kernel (.clk(clk), .model_inp(seen), .model_out(pixel_out));

    reg [{latency}:0] due = 0;
    always @(posedge clk) due <= reset ? 0 : {{due, complete}};
    assign valid_out = due[{latency}];
endmodule
"""


def pixel_buffer(name: str, pixels: int, pixel: Port, kernel: Hardware) -> str:
    """Return the Verilog of a layer that buffers an image, with the ports of `sliding_window`.

    name    of the module.
    pixels  number of pixels of an image.
    pixel   port of a pixel.
    kernel  computes the outputs from all pixels, as the module `<name>_kernel`.
    """
    return _PIXEL_BUFFER.format(
        name=name,
        pixels=pixels,
        bits=pixel.width,
        pixel=pixel.width - 1,
        all=pixels * pixel.width - 1,
        input=kernel.inputs.width - 1,
        output=kernel.outputs.width - 1,
        count_bits=counter_msb(pixels),
        last=pixels - 1,
        latency=kernel.latency,
        seen="\n".join(connections(pixel, kernel.inputs, [""] * pixels)),
    )
