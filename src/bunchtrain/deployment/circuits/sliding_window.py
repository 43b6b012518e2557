"""Windows that slide over a stream of pixels, one an edge of the clock, row by row.

The pixels of a window come from the line buffer, with zero padding. All positions of the window
share one kernel, so that the number of cells does not depend on the size of the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bunchtrain.deployment.circuits.hardware import Hardware
from bunchtrain.deployment.circuits.kernel import connections, counter_msb
from bunchtrain.deployment.circuits.ports import Port
from bunchtrain.networks.layers.quantised.convolution import Windows

_LAYER = """`timescale 1 ns / 1 ps

// {title}
module {name} (
    input clk, input reset,
    input valid_in, input [{pixel}:0] pixel_in,
    output valid_out, output [{output}:0] pixel_out
);
    reg [{lag}:0] had_pixel = 0;  // whether each of the last shifts had a pixel
{shift}
    wire [{shown}:0] shown;
    window #(.BITS({bits}), .COLUMNS({columns}), .HEIGHT({height}), .WIDTH({width})) pixels (
        .clk(clk), .shift(shift), .pixel(pixel_in), .shown(shown));

    // The window is centred on the pixel of {lag} shifts before the newest one, if `here`.
    reg moved = 1'b0;
    reg [{row_bits}:0] row = 0;
    reg [{column_bits}:0] column = 0;
    wire here = moved && had_pixel[{lag}];
    always @(posedge clk) begin
        moved <= shift;
        if (shift) had_pixel <= {{had_pixel, valid_in}};
        if (here) begin
            column <= (column == {last_column}) ? 0 : column + 1'b1;
            if (column == {last_column}) row <= (row == {last_row}) ? 0 : row + 1'b1;
        end
        if (reset) begin
            moved <= 1'b0;
            had_pixel <= 0;
            row <= 0;
            column <= 0;
        end
    end

    // Rows and columns of the windows, the first in the lowest bit.
    wire [{last_row}:0] rows = {rows};
    wire [{last_column}:0] columns = {columns_used};
    wire fires = here && rows[row] && columns[column];
{inside}
    wire [{input}:0] seen;
{seen}
    {name}_kernel kernel (.clk(clk), .model_inp(seen), .model_out(pixel_out));

    reg [{latency}:0] due = 0;
    always @(posedge clk) due <= reset ? 0 : {{due, fires}};
    assign valid_out = due[{latency}];
endmodule
"""

_SHIFT_BY_PIXEL = "    wire shift = valid_in;"

_SHIFT_BEYOND = """\
    // After an image the window is shifted without pixels until its last position.
    reg [{bits}:0] count = 0;  // pixels of this image so far
    wire shift = valid_in || (count == 0 && |had_pixel[{last}:0]);
    always @(posedge clk)
        if (reset) count <= 0;
        else if (valid_in) count <= (count == {most}) ? 0 : count + 1'b1;"""


def lag(windows: Windows) -> int:
    """Return the number of pixels after the central one that a window needs."""
    return windows.after[0] * windows.shape[1] + windows.after[1]


def sliding_window(name: str, windows: Windows, pixel: Port, kernel: Hardware) -> str:
    """Return the Verilog of a layer with one output pixel for each of its windows.

    name     of the module, whose ports are `clk`, `reset`, `valid_in`, `pixel_in`, `valid_out`
             and `pixel_out`.
    windows  of two axes.
    pixel    port of an input pixel.
    kernel   computes a pixel from those of a window, as the module `<name>_kernel`.
    """
    (rows, columns), (height, width) = windows.shape, windows.size
    inside = [_inside(windows, axis) for axis in (0, 1)]
    conditions = [_and(y, x) for y in _names("row", inside[0]) for x in _names("column", inside[1])]
    return _LAYER.format(
        name=name,
        title=_title(windows),
        bits=pixel.width,
        pixel=pixel.width - 1,
        output=kernel.outputs.width - 1,
        input=kernel.inputs.width - 1,
        shown=height * width * pixel.width - 1,
        columns=columns,
        height=height,
        width=width,
        shift=_shift(windows),
        lag=lag(windows),
        latency=kernel.latency,
        row_bits=counter_msb(rows),
        column_bits=counter_msb(columns),
        last_row=rows - 1,
        last_column=columns - 1,
        rows=_bit_constant(p in _anchors(windows, 0) for p in range(rows)),
        columns_used=_bit_constant(p in _anchors(windows, 1) for p in range(columns)),
        inside="\n".join(_conditions(inside)),
        seen="\n".join(connections(pixel, kernel.inputs, conditions)),
    )


def _title(windows: Windows) -> str:
    height, width = windows.size
    rows, columns = windows.shape
    found = f"{height} x {width} of {rows} x {columns} pixels"
    return f"{found}, zeros around them." if any(windows.after) else f"{found}."


def _shift(windows: Windows) -> str:
    if not lag(windows):
        return _SHIFT_BY_PIXEL
    pixels = windows.shape[0] * windows.shape[1]
    return _SHIFT_BEYOND.format(bits=counter_msb(pixels), last=lag(windows) - 1, most=pixels - 1)


def _bit_constant(values: Iterable[bool]) -> str:
    """Return a constant of one bit for each value, the first in the lowest bit."""
    text = "".join("01"[value] for value in values)[::-1]
    return f"{len(text)}'b{text}"


def _anchors(windows: Windows, axis: int) -> list[int]:
    """Return the pixels along an axis at which a window is centred."""
    back = windows.size[axis] - 1 - windows.after[axis]
    return [begin + back for begin in windows.begins(axis)]


def _inside(windows: Windows, axis: int) -> list[list[bool]]:
    """Return for each pixel of a window whether it is inside the image, by the centre p."""
    back = windows.size[axis] - 1 - windows.after[axis]
    size, anchors = windows.shape[axis], _anchors(windows, axis)
    return [
        [p not in anchors or 0 <= p + tap - back < size for p in range(size)]
        for tap in range(windows.size[axis])
    ]


def _conditions(inside: Sequence[Sequence[Sequence[bool]]]) -> Iterator[str]:
    """Yield a wire for each row and column of the window that may be outside the image."""
    for axis, taps in zip(("row", "column"), inside, strict=True):
        for name, where in zip(_names(axis, taps), taps, strict=True):
            if name:
                yield f"    wire [{len(where) - 1}:0] {name}_at = {_bit_constant(where)};"
                yield f"    wire {name} = {name}_at[{axis}];"


def _names(axis: str, taps: Sequence[Sequence[bool]]) -> list[str]:
    """Return the wire of each row or column that is 1 inside the image, '' where it always is."""
    return ["" if all(where) else f"{axis}_{tap}_inside" for tap, where in enumerate(taps)]


def _and(one: str, other: str) -> str:
    return f"{one} && {other}" if one and other else one or other
