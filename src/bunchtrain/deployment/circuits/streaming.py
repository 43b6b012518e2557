"""A convolutional network as a circuit that takes one pixel a clock cycle, row by row.

Each convolution and max-pooling has its window on the pixels that come (the line buffer) and its
arithmetic once, pipelined. The last feature map is small: it is gathered in registers, and the
dense layers see it whole. Images follow one another without a gap, so that the initiation interval
is the number of pixels of an image, whatever the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bunchtrain.deployment.circuits.gathering import gathering
from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.deployment.circuits.kernel import write_kernel
from bunchtrain.deployment.circuits.line_buffer import MODULES
from bunchtrain.deployment.circuits.sliding import lag, sliding
from bunchtrain.deployment.circuits.traced import Pipeline
from bunchtrain.deployment.circuits.words import Port
from bunchtrain.files import write_text
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.convolution import (
    MaxPooling,
    QuantisedConvolution,
    Sliding,
)
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN

_TOP = """`timescale 1 ns / 1 ps

// Takes a pixel of an image, all channels at once, at each edge of the clock with valid_in, row by
// row, one image after the other. The outputs of an image stand where valid_out is 1.
module {top} (
    input clk, input reset,
    input valid_in, input [{input}:0] model_inp,
    output valid_out, output [{output}:0] model_out
);
    wire valid_0 = valid_in;
    wire [{input}:0] pixel_0 = model_inp;
{layers}
    assign valid_out = valid_{last};
    assign model_out = pixel_{last};
endmodule
"""


@dataclass(frozen=True)
class Part:
    """A layer of the stream: its module, what comes out, and what it adds to the latency at most.

    name     of the module.
    sources  Verilog files.
    outputs  port of the pixels that come out.
    delay    cycles between the last pixel that it takes and the last that it gives, at most.
    bits     bits of the registers of the arithmetic.
    """

    name: str
    sources: tuple[str, ...]
    outputs: Port
    delay: int
    bits: int


def write_stream(
    model: QuantisedImageCNN,
    channels: Sequence[str],
    outputs: Sequence[str],
    pipeline: Pipeline,
    folder: Path,
) -> Hardware:
    """Write the circuit that takes a pixel a clock cycle as Verilog into a folder.

    model     in which nothing is trained any more.
    channels  what each number of a pixel is.
    outputs   what each output is.
    pipeline  how the arithmetic of each layer is cut into stages.

    The latency of the result is a bound, from the edge that takes the first pixel on; how many
    cycles it is, simulation tells. Raises ExportError for a layer of which no bit is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pixel, parts = pixel_port(model, channels), list[Part]()
    for number, one in enumerate(model.layers):
        taken = parts[-1].outputs if parts else pixel
        parts.append(_sliding(one, number, taken, pipeline, folder))
    parts.append(_gathering(model, outputs, parts[-1].outputs, pipeline, folder))
    for name, text in {**MODULES, f"{TOP}.v": _top(pixel, parts)}.items():
        write_text(folder / name, text)
    sources = dict.fromkeys(source for part in parts for source in part.sources)
    return Hardware(
        folder,
        (*MODULES, *sources, f"{TOP}.v"),
        pixel,
        parts[-1].outputs,
        math.prod(model.image[1:]) + sum(part.delay for part in parts),
        sum(part.bits for part in parts),
    )


def pixel_port(model: QuantisedImageCNN, channels: Sequence[str]) -> Port:
    """Return the port of a pixel, whose channels have the same format everywhere."""
    k, i, f = (bits[:, 0, 0] for bits in model.input_formats()["image"])
    formats = tuple((int(s), int(n), int(m)) for s, n, m in zip(k, i, f, strict=True))
    return Port(tuple(channels), formats)


def _sliding(layer: Sliding, number: int, pixel: Port, pipeline: Pipeline, folder: Path) -> Part:
    """Write a convolution or a max-pooling."""
    windows, filters = layer.windows, len(pixel.names)
    if isinstance(layer, QuantisedConvolution):
        filters = len(layer.layer.bias.value)
    name = f"{'max_pooling' if isinstance(layer, MaxPooling) else 'convolution'}_{number}"
    outputs, pixels = [f"{name}[{filter}]" for filter in range(filters)], math.prod(windows.size)
    kernel = write_kernel(name, layer.exact_window, pixel, pixels, outputs, pipeline, folder)
    return _part(name, sliding(name, windows, pixel, kernel), kernel, folder, lag(windows))


def _gathering(
    model: QuantisedImageCNN, outputs: Sequence[str], pixel: Port, pipeline: Pipeline, folder: Path
) -> Part:
    """Write the dense layers."""

    def exact(shown: Any, arithmetic: Arithmetic) -> Any:
        return model.dense.exact(shown.reshape(-1), arithmetic)

    kernel = write_kernel("dense", exact, pixel, model.places, outputs, pipeline, folder)
    return _part("dense", gathering("dense", model.places, pixel, kernel), kernel, folder, 0)


def _part(name: str, text: str, kernel: Hardware, folder: Path, waits: int) -> Part:
    """Write the module of a layer; `waits` is how many pixels must follow the last one."""
    write_text(folder / f"{name}.v", text)
    delay = waits + kernel.latency + 2
    return Part(name, (*kernel.sources, f"{name}.v"), kernel.outputs, delay, kernel.register_bits)


def _top(pixel: Port, parts: Sequence[Part]) -> str:
    layers = [
        f"    wire valid_{n + 1};\n    wire [{part.outputs.width - 1}:0] pixel_{n + 1};\n"
        f"    {part.name} layer_{n} (.clk(clk), .reset(reset), .valid_in(valid_{n}),\n"
        f"        .pixel_in(pixel_{n}), .valid_out(valid_{n + 1}), .pixel_out(pixel_{n + 1}));"
        for n, part in enumerate(parts)
    ]
    return _TOP.format(
        top=TOP,
        input=pixel.width - 1,
        output=parts[-1].outputs.width - 1,
        layers="\n".join(layers),
        last=len(parts),
    )
