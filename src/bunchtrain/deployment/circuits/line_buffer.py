"""The line buffer in Verilog: the last rows of an image in a memory, a window of them in registers.

Of an image of W columns, a window of h × w pixels needs the last (h − 1) W + w pixels: h − 1 rows
in a memory that is read and written at each pixel, and w registers a row.
"""

from __future__ import annotations

#: File → Verilog of the module in it.
MODULES = {
    "line_buffer.v": """`timescale 1 ns / 1 ps

// Gives what was given COLUMNS shifts ago.
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

// Shows HEIGHT x WIDTH pixels of an image of COLUMNS, row by row, the upper left one lowest and the
// pixel of the last shift highest.
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
                reg [(WIDTH-1)*BITS-1:0] held;
                always @(posedge clk) if (shift) held <= line[WIDTH*BITS-1:BITS];
                assign line[(WIDTH-1)*BITS-1:0] = held;
            end
        end
    endgenerate
endmodule
""",
}
