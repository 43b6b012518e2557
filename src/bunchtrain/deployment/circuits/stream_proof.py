"""From a convolutional network to the figures of its circuit of one pixel a clock cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bunchtrain.deployment.circuits.exact import Sample
from bunchtrain.deployment.circuits.placement import PINS
from bunchtrain.deployment.circuits.proof import Proof, check_range, cost
from bunchtrain.deployment.circuits.simulation import clean
from bunchtrain.deployment.circuits.stream_simulation import simulate_stream
from bunchtrain.deployment.circuits.streaming import write_stream
from bunchtrain.deployment.circuits.traced import Pipeline
from bunchtrain.errors import ExportError
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN

#: Pins of a stream beside its words: the clock is not among those counted, the others are.
CONTROL = ("reset", "valid_in", "valid_out")


def prove_stream(
    model: QuantisedImageCNN,
    channels: Sequence[str],
    sample: Sample,
    outputs: Sequence[str],
    folder: Path,
    pipeline: Pipeline,
    synthesise: bool = True,
    clock: float | None = 60.0,
    seeds: Sequence[int] = (1,),
) -> Proof:
    """Write the circuit of a model into a folder and run the images through it pixel by pixel.

    model     whose circuit it is.
    channels  what each number of a pixel is.

    The other arguments are those of `prove`; there is no VHDL. Raises ExportError if the range is
    left, or the device has too few pins or tables.
    """
    hardware = write_stream(model, channels, outputs, pipeline, folder / "verilog")
    check_range(hardware, sample)
    pins = hardware.inputs.width + hardware.outputs.width + len(CONTROL)
    if clock and pins > PINS:
        raise ExportError(
            f"a pixel and the outputs take {pins} pins, and the device has {PINS}; use fewer "
            "channels or bits, or leave place and route out with place=false"
        )
    images = sample.inputs.reshape(len(sample.inputs), len(channels), -1).swapaxes(1, 2)
    simulation = simulate_stream(hardware, folder / "simulation", images, sample.outputs)
    clean(folder / "simulation")
    assert simulation.latency is not None
    measured = replace(hardware, latency=simulation.latency)
    costs = cost(measured, folder, synthesise, clock, seeds)
    return Proof(measured, simulation, None, *costs)
