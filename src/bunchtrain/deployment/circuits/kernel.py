"""Kernel: the pipelined arithmetic of one layer of a stream, and its connection to the pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.deployment.circuits.hardware import Hardware, write_verilog
from bunchtrain.deployment.circuits.ports import Port
from bunchtrain.deployment.circuits.tracing import Pipeline, trace
from bunchtrain.errors import ExportError


def write_kernel(
    layer: str,
    exact: Callable[[Any, Any], Any],
    pixel: Port,
    pixels: int,
    outputs: Sequence[str],
    pipeline: Pipeline,
    folder: Path,
) -> Hardware:
    """Write the module `<layer>_kernel`, which reads `pixels` pixels in parallel, into a folder.

    exact  function of pixels (pixel, channel) and an arithmetic that returns (outputs,).
    pixel  format of each pixel.

    Raises ExportError if no input or no output has a bit.
    """

    def function(inputs: dict[str, Any], arithmetic: Any) -> Any:
        return exact(inputs["shown"], arithmetic)

    k, i, f = (np.tile(np.array(bits), (pixels, 1)) for bits in zip(*pixel.formats, strict=True))
    names = [f"{name}[{index}]" for index in range(pixels) for name in pixel.names]
    traced = trace(function, {"shown": (k, i, f)}, names, outputs)
    kernel = write_verilog(traced, pipeline, folder, f"{layer}_kernel")
    if not kernel.inputs.width or not kernel.outputs.width:
        raise ExportError(
            f"layer '{layer}' gives the same outputs for every image, as too few bits or weights "
            "are left; train with more bits, less pruning or a smaller EBOPs coefficient"
        )
    return kernel


def connections(pixel: Port, port: Port, inside: Sequence[str]) -> Iterator[str]:
    """Yield the Verilog that assigns the pixels in the word `shown` to the port, the word `seen`.

    pixel   format of each pixel.
    port    of the kernel, without unused bits.
    inside  condition under which a pixel is inside the image and not 0, '' where it always is.
    """
    elements = zip(port.formats, port.widths, port.slices, strict=True)
    start, channels = 0, len(pixel.formats)
    for element, ((_, _, fraction), width, bits) in enumerate(elements):
        index, channel = divmod(element, channels)
        if width:
            low = start + pixel.formats[channel][2] - fraction
            source = f"shown[{low + width - 1}:{low}]"
            if inside[index]:
                source = f"({inside[index]}) ? {source} : {width}'d0"
            yield f"    assign seen{bits} = {source};"
        start += pixel.widths[channel]


def counter_msb(values: int) -> int:
    """Return the index of the most significant bit of a counter of `values` values."""
    return max((values - 1).bit_length(), 1) - 1
