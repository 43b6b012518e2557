"""A convolutional network as a circuit that reads one pixel a clock cycle, row by row.

Each convolution and max-pooling has a window of the stream of pixels (the line buffer) and one
pipelined kernel. The last feature map is small: it is buffered in registers, and the dense layers
read all of it in parallel. Images follow one another without a gap, so that the initiation interval
is the number of pixels of an image, for any network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.deployment.circuits.kernel import write_kernel
from bunchtrain.deployment.circuits.ports import Port
from bunchtrain.deployment.circuits.sliding_window import lag, sliding_window
from bunchtrain.deployment.circuits.tracing import Pipeline
from bunchtrain.deployment.circuits.window_buffer import MODULES, pixel_buffer
from bunchtrain.files import write_text
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic
from bunchtrain.networks.layers.quantised.convolution import (
    MaxPooling,
    QuantisedConvolution,
    Sliding,
)
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN

_TOP = """`timescale 1 ns / 1 ps

// Reads a pixel of an image with all its channels at each edge of the clock with valid_in, row by
// row, one image after the other. The outputs of an image are valid while valid_out is 1.
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
class StreamLayer:
    """A layer of the stream: its module, its output, and the bound on its latency.

    name     of the module.
    sources  Verilog files.
    outputs  port of the output pixels.
    delay    largest number of cycles from the last input pixel to the last output pixel.
    bits     bits of the registers of the kernel.
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
    """Write the circuit that reads a pixel a clock cycle as Verilog into a folder.

    model     whose training is finished.
    channels  names of the channels of a pixel.
    outputs   names of the outputs.
    pipeline  division of the kernel of each layer into stages.

    The latency of the result is an upper bound, from the edge that reads the first pixel; the
    simulation measures it. Raises ExportError for a layer without any bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pixel, layers = pixel_port(model, channels), list[StreamLayer]()
    for index, layer in enumerate(model.layers):
        inputs = layers[-1].outputs if layers else pixel
        layers.append(_write_sliding(layer, index, inputs, pipeline, folder))
    layers.append(_write_dense(model, outputs, layers[-1].outputs, pipeline, folder))
    for name, text in {**MODULES, f"{TOP}.v": _top(pixel, layers)}.items():
        write_text(folder / name, text)
    sources = dict.fromkeys(source for layer in layers for source in layer.sources)
    return Hardware(
        folder,
        (*MODULES, *sources, f"{TOP}.v"),
        pixel,
        layers[-1].outputs,
        math.prod(model.image[1:]) + sum(layer.delay for layer in layers),
        sum(layer.bits for layer in layers),
    )


def pixel_port(model: QuantisedImageCNN, channels: Sequence[str]) -> Port:
    """Return the port of a pixel; the format of a channel is the same for all pixels."""
    k, i, f = (bits[:, 0, 0] for bits in model.input_formats()["image"])
    formats = tuple((int(s), int(n), int(m)) for s, n, m in zip(k, i, f, strict=True))
    return Port(tuple(channels), formats)


def _write_sliding(
    layer: Sliding, index: int, pixel: Port, pipeline: Pipeline, folder: Path
) -> StreamLayer:
    windows, filters = layer.windows, len(pixel.names)
    if isinstance(layer, QuantisedConvolution):
        filters = len(layer.layer.bias.value)
    name = f"{'max_pooling' if isinstance(layer, MaxPooling) else 'convolution'}_{index}"
    outputs, pixels = [f"{name}[{filter}]" for filter in range(filters)], math.prod(windows.size)
    kernel = write_kernel(name, layer.exact_window, pixel, pixels, outputs, pipeline, folder)
    verilog = sliding_window(name, windows, pixel, kernel)
    return _write_layer(name, verilog, kernel, folder, lag(windows))


def _write_dense(
    model: QuantisedImageCNN, outputs: Sequence[str], pixel: Port, pipeline: Pipeline, folder: Path
) -> StreamLayer:
    def exact(pixels: Any, arithmetic: Arithmetic) -> Any:
        return model.dense.exact(pixels.reshape(-1), arithmetic)

    kernel = write_kernel("dense", exact, pixel, model.places, outputs, pipeline, folder)
    verilog = pixel_buffer("dense", model.places, pixel, kernel)
    return _write_layer("dense", verilog, kernel, folder, 0)


def _write_layer(name: str, verilog: str, kernel: Hardware, folder: Path, lag: int) -> StreamLayer:
    """Write the module of a layer; `lag` is the number of pixels that must follow the last one."""
    write_text(folder / f"{name}.v", verilog)
    delay = lag + kernel.latency + 2
    return StreamLayer(
        name, (*kernel.sources, f"{name}.v"), kernel.outputs, delay, kernel.register_bits
    )


def _top(pixel: Port, layers: Sequence[StreamLayer]) -> str:
    instances = [
        f"    wire valid_{n + 1};\n    wire [{layer.outputs.width - 1}:0] pixel_{n + 1};\n"
        f"    {layer.name} layer_{n} (.clk(clk), .reset(reset), .valid_in(valid_{n}),\n"
        f"        .pixel_in(pixel_{n}), .valid_out(valid_{n + 1}), .pixel_out(pixel_{n + 1}));"
        for n, layer in enumerate(layers)
    ]
    return _TOP.format(
        top=TOP,
        input=pixel.width - 1,
        output=layers[-1].outputs.width - 1,
        layers="\n".join(instances),
        last=len(layers),
    )
