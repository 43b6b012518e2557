"""The arithmetic of one layer of a stream: traced, pipelined, connected to the pixels it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.deployment.circuits.hardware import Hardware, write_verilog
from bunchtrain.deployment.circuits.traced import Pipeline, trace
from bunchtrain.deployment.circuits.words import Port
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
    """Write the module `<layer>_kernel`, which takes so many pixels at once, into a folder.

    exact  gives (outputs,) from (pixel, channel) and the arithmetic to do it with.
    pixel  format of each pixel.

    Raises ExportError if nothing that goes in or comes out has a bit.
    """

    def function(inputs: dict[str, Any], arithmetic: Any) -> Any:
        return exact(inputs["shown"], arithmetic)

    k, i, f = (np.tile(np.array(bits), (pixels, 1)) for bits in zip(*pixel.formats, strict=True))
    names = [f"{name}[{place}]" for place in range(pixels) for name in pixel.names]
    traced = trace(function, {"shown": (k, i, f)}, names, outputs)
    kernel = write_verilog(traced, pipeline, folder, f"{layer}_kernel")
    if not kernel.inputs.width or not kernel.outputs.width:
        raise ExportError(
            f"layer '{layer}' gives the same numbers for every image, as too few bits or weights "
            "are left; train with more bits, less pruning or a lower price of bits"
        )
    return kernel


def connections(pixel: Port, port: Port, inside: Sequence[str]) -> Iterator[str]:
    """Yield the Verilog that brings the pixels in the word `shown` to the port, the word `seen`.

    pixel   format of each pixel.
    port    of the kernel, which leaves out what it does not need.
    inside  for each pixel the condition under which it is not 0, '' where there is none.
    """
    wanted = zip(port.formats, port.widths, port.slices, strict=True)
    start, channels = 0, len(pixel.formats)
    for number, ((_, _, fraction), width, where) in enumerate(wanted):
        place, channel = divmod(number, channels)
        if width:
            low = start + pixel.formats[channel][2] - fraction
            taken = f"shown[{low + width - 1}:{low}]"
            if inside[place]:
                taken = f"({inside[place]}) ? {taken} : {width}'d0"
            yield f"    assign seen{where} = {taken};"
        start += pixel.widths[channel]
