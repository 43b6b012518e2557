"""Samples of the pulses of a sensor with noise, pile-up and a drifting baseline, with truth.

Pulses of liquid argon (triangular current, CR-RC² shaping), of germanium (collection and slow
decay) or of silicon (CR-RC shaping), see `simulation.detectors.pulses`, with their amplitude and
beginning; further ones at random times, or at the crossings of filled bunches; Gaussian noise of a
given spectral density. Left out: digitisation, cross-talk, correlated noise of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, Literal

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import NUMBER, Sampled, Seed
from bunchtrain.simulation._seeded_parts import SeededParts
from bunchtrain.simulation.detectors.pulses import (
    SENSORS,
    Floats,
    draw_noise,
    spectral_density,
)
from bunchtrain.tables.arrays import Condition
from bunchtrain.tables.table import Table

#: Events that are generated with one seed.
PART = 250
#: Pulses that are evaluated at once.
_BLOCK = 4096
FIELDS = {
    "event_id": "int64",
    **{f"sample_{name}": "var * float32" for name in ("value", "signal")},
    **{f"pulse_{name}": "var * float32" for name in ("amplitude", "time", "width")},
    **{"pulses": "int64", "pile_up": "int64", "baseline": "float32", "saturated": "int64"},
    **{"amplitude": "float32", "time": "float32"},
}
Count = Annotated[int, Field(ge=0, le=100), NUMBER]
Time = Annotated[float, Field(ge=-1e6, le=1e6), NUMBER]
Duration = Annotated[float, Field(gt=0, le=1e6), NUMBER]
Amplitude = Annotated[float, Field(ge=1e-6, le=1e9), NUMBER]
AmplitudeOrZero = Annotated[float, Field(ge=0, le=1e9), NUMBER]
Frequency = Annotated[float, Field(ge=0, le=1e6), NUMBER]
_Window = Field(min_length=1, max_length=2)


@dataclass(frozen=True)
class PulseOptions(Options):
    """Pulses. Two numbers are the ends of a range.

    pulses        number of pulses in an event.
    amplitude     largest value of a pulse of nominal width; uniform.
    time          beginning in ns since the first sample; uniform.
    drift_time    ns, width of the pulse: drift or collection time, or τ of silicon; that of the
                  sensor if unset.
    width_spread  standard deviation of the logarithm of the width, from pulse to pulse.
    """

    pulses: Annotated[tuple[Count, ...], _Window] = (1,)
    amplitude: Annotated[tuple[Amplitude, ...], _Window] = (1.0, 10.0)
    time: Annotated[tuple[Time, ...], _Window] = (150.0, 175.0)
    drift_time: Duration | None = None
    width_spread: Annotated[float, Field(ge=0, le=1), NUMBER] = 0.0


@dataclass(frozen=True)
class BackgroundOptions(Options):
    """Noise, baseline and other pulses.

    noise            standard deviation of the noise.
    noise_frequency  frequencies in MHz at which its spectrum is given, rising.
    noise_density    spectral density at these, in any unit; white noise if both are empty.
    pile_up          mean number of further pulses in a µs, also before the first sample.
    pile_up_energy   mean of their amplitude, whose density is exponential.
    bunch_spacing    ns between crossings, at which the further pulses begin; any time if unset.
    bunches          numbers of filled and empty crossings, in turn.
    baseline         standard deviation of the baseline.
    drift            standard deviation of its linear change from the first to the last sample.
    saturation       largest value of a sample; unlimited if unset.
    """

    noise: AmplitudeOrZero = 0.1
    noise_frequency: Annotated[tuple[Frequency, ...], Field(max_length=10_000)] = ()
    noise_density: Annotated[tuple[AmplitudeOrZero, ...], Field(max_length=10_000)] = ()
    pile_up: Annotated[float, Field(ge=0, le=1000), NUMBER] = 0.0
    pile_up_energy: Amplitude = 0.1
    bunch_spacing: Duration | None = None
    bunches: Annotated[
        tuple[Annotated[int, Field(ge=0, le=3564), NUMBER], ...], Field(max_length=100)
    ] = ()
    baseline: AmplitudeOrZero = 0.0
    drift: AmplitudeOrZero = 0.0
    saturation: Amplitude | None = None


class SensorPulses(SeededParts):
    """Sampled pulses of a sensor, with their amplitudes and times.

    Columns: `sample_value`, as measured, and `sample_signal`, the pulses of the event alone,
    `samples` values each; `pulse_amplitude`, `pulse_time` and `pulse_width` of its pulses in ns, in
    the order of time; `pulses` and `pile_up`, the numbers of pulses and of further ones;
    `amplitude` and `time` of the largest pulse, 0 without one; `baseline` at the first sample;
    `saturated`, the number of samples at the limit.

    Conditions that travel with the events: `shape`, by `sample`: time in ns and value of a pulse of
    nominal width that begins at the first sample; `noise`, by `bin`: frequency in MHz and one-sided
    density per MHz, the mean of |x̃|² 2Δt/N.

    events      Number of events.
    sensor      liquid_argon, germanium or silicon.
    samples     Number of samples, even.
    step        Time between samples in ns.
    signal      The pulses.
    background  Noise, baseline and other pulses.
    seed        Of the random numbers.

    Raises StudyError for an odd number of samples, spectra of different lengths or without power,
    frequencies or ranges that do not rise, and bunches without spacing.
    """

    name = "sensor_pulses"
    part = PART
    layout = FIELDS

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        sensor: Literal["liquid_argon", "germanium", "silicon"] = "liquid_argon",
        samples: Annotated[int, Field(ge=4, le=100_000), NUMBER] = 64,
        step: Duration = 25.0,
        signal: PulseOptions = PulseOptions(),
        background: BackgroundOptions = BackgroundOptions(),
        seed: Seed = 1,
    ) -> None:
        self.events, self.samples, self.step, self.seed = events, samples, step, seed
        self.signal, self.background = signal, background
        known = SENSORS[sensor]
        self.sensor = replace(known, width=signal.drift_time or known.width)
        self.recipe: dict[str, Any] = {"sensor": sensor, "samples": samples, "step": step}
        self.recipe |= {"seed": seed, **asdict(signal), **asdict(background)}
        self._check()
        self.frequency = np.arange(samples // 2 + 1) * 1000 / (samples * step)
        given = background.noise_frequency or (0.0,)
        density = np.array(background.noise_density or (1.0,))
        place = np.array(given)
        self.density = spectral_density(self.frequency, place, density, background.noise)

    def _check(self) -> None:
        frequency, density = self.background.noise_frequency, self.background.noise_density
        if self.samples % 2:
            raise StudyError(f"samples: must be even, got {self.samples}")
        if len(frequency) != len(density):
            text = f"{len(density)} values for {len(frequency)} frequencies"
            raise StudyError(f"noise_density: there are {text}")
        if any(b <= a for a, b in pairwise(frequency)):
            raise StudyError("noise_frequency: must rise")
        if density and not sum(density) > 0:
            raise StudyError("noise_density: must not be 0 at all frequencies")
        for name in ("pulses", "amplitude", "time"):
            first, *_, last = (*getattr(self.signal, name),) * 2
            if first > last:
                raise StudyError(f"{name}: {last:g} follows {first:g}; give the smaller one first")
        bunches = self.background.bunches
        if bunches and (self.background.bunch_spacing is None or not sum(bunches[::2])):
            raise StudyError("bunches: needs bunch_spacing, and a filled crossing")

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The nominal pulse and the spectrum of the noise."""
        time = np.arange(self.samples, dtype=np.float64) * self.step
        value = self.sensor.shape(time[None], np.array([self.sensor.width]))[0]
        shape = {"sample": np.arange(self.samples), "time": time, "value": value}
        noise = {"bin": np.arange(len(self.frequency)), "frequency": self.frequency}
        return {
            "shape": Condition(shape, ("sample",), units={"time": "ns"}),
            "noise": Condition(noise | {"density": self.density}, ("bin",)),
        }

    def fingerprint(self) -> str:
        """Return a text that changes with the options."""
        return f"sensor_pulses 1 {self.events} {sorted(self.recipe.items())}"

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return {"pulse_time": "ns", "pulse_width": "ns", "time": "ns"}

    def generate(self, part: int) -> ak.Array:
        """Return the events of a part."""
        random = np.random.default_rng([self.seed, part])
        number, amplitude, time, width = self._signals(random)
        event = np.repeat(np.arange(PART), number)
        signal = self._sum(event, amplitude, time, width)
        others, count = self._others(random)
        noise = draw_noise(self._long_density(), self.step / 1000, PART, random)[:, : self.samples]
        back = self.background
        base, slope = random.normal(size=(2, PART)) * [[back.baseline], [back.drift]]
        along = np.linspace(0, 1, self.samples)
        value = signal + others + noise + base[:, None] + slope[:, None] * along
        limit = np.inf if back.saturation is None else back.saturation
        lists = {"amplitude": amplitude, "time": time, "width": width}
        jagged = {name: ak.unflatten(values, number) for name, values in lists.items()}
        largest = ak.argmax(jagged["amplitude"], axis=1, keepdims=True)
        table = {
            "event_id": part * PART + np.arange(PART),
            "sample_value": ak.from_regular(np.minimum(value, limit)),
            "sample_signal": ak.from_regular(signal),
            **{f"pulse_{name}": values for name, values in jagged.items()},
            **{"pulses": number, "pile_up": count, "baseline": base},
            "saturated": (value >= limit).sum(1),
        }
        for name in ("amplitude", "time"):
            table[name] = ak.fill_none(ak.flatten(jagged[name][largest]), 0.0)
        cast = {n: ak.values_astype(table[n], FIELDS[n].rpartition(" ")[2]) for n in FIELDS}
        return ak.zip(cast, depth_limit=1)

    def _long_density(self) -> Floats:
        """Return the spectrum at twice the frequencies, so that the ends are not correlated."""
        fine = np.linspace(0, self.frequency[-1], self.samples + 1)
        back = self.background
        given, density = back.noise_frequency or (0.0,), back.noise_density or (1.0,)
        return spectral_density(fine, np.array(given), np.array(density), back.noise)

    def _signals(self, random: np.random.Generator) -> tuple[Any, Floats, Floats, Floats]:
        """Return the number of pulses (events,), and their amplitudes, times and widths."""
        signal = self.signal
        number = random.integers(signal.pulses[0], signal.pulses[-1] + 1, PART)
        count = number.sum()
        amplitude = random.uniform(signal.amplitude[0], signal.amplitude[-1], count)
        time = random.uniform(signal.time[0], signal.time[-1], count)
        order = np.lexsort((time, np.repeat(np.arange(PART), number)))
        return number, amplitude, time[order], self._widths(count, random)

    def _widths(self, count: int, random: np.random.Generator) -> Floats:
        return self.sensor.width * np.exp(self.signal.width_spread * random.normal(size=count))

    def _others(self, random: np.random.Generator) -> tuple[Floats, Any]:
        """Return the sum of the further pulses, (events, samples), and their number (events,)."""
        back, first, end = self.background, -self.sensor.memory, self.samples * self.step
        turn = sum(back.bunches) * (back.bunch_spacing or 0.0)  # pulses are moved by less
        span = end + turn - first
        number = random.poisson(back.pile_up * span / 1000, PART)
        event = np.repeat(np.arange(PART), number)
        time = first + random.uniform(0, span, len(event))
        if back.bunch_spacing is not None:
            time = self._crossings(event, time, first, random)
        kept = (time >= first) & (time < end)
        event, time = event[kept], time[kept]
        amplitude = random.exponential(back.pile_up_energy, len(time))
        number = np.bincount(event, minlength=PART)
        return self._sum(event, amplitude, time, self._widths(len(time), random)), number

    def _crossings(
        self, event: Any, time: Floats, first: float, random: np.random.Generator
    ) -> Floats:
        """Return the times of filled crossings: each pulse is moved to the one before its time."""
        back, spacing = self.background, self.background.bunch_spacing or 1.0
        turn = np.concatenate([np.full(n, k % 2 == 0) for k, n in enumerate(back.bunches or (1,))])
        filled = np.flatnonzero(turn)
        phase = random.integers(0, len(turn), PART)[event]
        crossing = np.floor((time - first) / spacing).astype(np.int64) + phase
        start = crossing % len(turn)
        before = filled[np.searchsorted(filled, start, side="right") - 1]
        moved = np.where(before > start, before - len(turn), before)
        return np.asarray(first + (crossing - phase + moved - start) * spacing)

    def _sum(self, event: Any, amplitude: Floats, time: Floats, width: Floats) -> Floats:
        """Return the sum of pulses (n,) in each event, (events, samples)."""
        found = np.zeros((PART, self.samples))
        place = np.arange(self.samples) * self.step
        for start in range(0, len(event), _BLOCK):
            own = slice(start, start + _BLOCK)
            values = self.sensor.shape(place - time[own, None], width[own]) * amplitude[own, None]
            np.add.at(found, event[own], values)
        return found
