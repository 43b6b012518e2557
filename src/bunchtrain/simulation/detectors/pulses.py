"""Shapes of the pulses of sensors, and noise of a given spectrum.

Times in ns. The shape of a sensor has its largest value 1 at its nominal width; a pulse of another
width belongs to the same charge, so that its largest value differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

Floats = NDArray[np.float64]
Curve = Callable[[Floats, Floats, float], Floats]


def liquid_argon(time: Floats, width: Floats, constant: float) -> Floats:
    """Return the response of CR-RC² shaping to the triangular current of a gap of liquid argon.

    I(t) = 1 − t/t_d for 0 < t < t_d; H(s) = sτ/(1 + sτ)³. With the response to a step,
    S(t) = t²/(2τ²) e^(−t/τ), and to a ramp, R(t) = ∫S = τ P(3, t/τ):
    g = S(t) − (R(t) − R(t − t_d))/t_d, which has a long negative part of area 0 in total.

    time      since the beginning, (n, samples).
    width     drift time t_d, (n, 1).
    constant  τ.
    """
    t = np.maximum(time, 0)
    later = np.maximum(time - width, 0)
    step = (t / constant) ** 2 / 2 * np.exp(-t / constant)
    ramp = constant * (gammainc(3, t / constant) - gammainc(3, later / constant))
    return np.asarray(step - ramp / width)


def germanium(time: Floats, width: Floats, constant: float) -> Floats:
    """Return the voltage of a charge that is collected evenly and leaves through a resistor.

    V(t) = τ/t_c (1 − e^(−t/τ)) during the collection, and falls as e^(−t/τ) after it.

    time      since the beginning, (n, samples).
    width     time of the collection t_c, (n, 1).
    constant  τ of the preamplifier.
    """
    rising = np.clip(time, 0, width)
    after = np.maximum(time - width, 0)
    charge = constant / width * -np.expm1(-rising / constant)
    return np.asarray(charge * np.exp(-after / constant))


def silicon(time: Floats, width: Floats, constant: float) -> Floats:
    """Return the response of CR-RC shaping to a short current: t/τ e^(1 − t/τ).

    time      since the beginning, (n, samples).
    width     τ, (n, 1).
    constant  not used.
    """
    t = np.maximum(time, 0) / width
    return np.asarray(t * np.exp(1 - t))


@dataclass(frozen=True)
class Sensor:
    """The pulse of a sensor.

    curve     its shape.
    width     ns, the constant that may change from pulse to pulse.
    constant  ns, of the electronics.
    """

    curve: Curve
    width: float
    constant: float

    @cached_property
    def memory(self) -> float:
        """Time in ns after which a pulse is below a thousandth of its largest value."""
        return self.width + 12 * (self.constant or self.width)

    @cached_property
    def largest(self) -> float:
        """Largest value of the curve at the nominal width."""
        time = np.linspace(0, self.memory, 200_001)[None]
        return float(self.curve(time, np.full((1, 1), self.width), self.constant).max())

    def shape(self, time: Floats, width: Floats) -> Floats:
        """Return pulses at times since their beginning, (n, samples), of widths (n,) in ns."""
        found = self.curve(time, width[:, None], self.constant) / self.largest
        return np.where(time > 0, found, 0.0)


#: Sensor → shape; drift time 450 ns and τ 50 ns; collection 300 ns and τ 50 µs; τ 25 ns.
SENSORS = {
    "liquid_argon": Sensor(liquid_argon, 450.0, 50.0),
    "germanium": Sensor(germanium, 300.0, 50_000.0),
    "silicon": Sensor(silicon, 25.0, 0.0),
}


def spectral_density(frequency: Floats, given: Floats, density: Floats, rms: float) -> Floats:
    """Return the one-sided spectral density at frequencies, (n,), whose integral is rms².

    Between the given values it is interpolated linearly, beyond them it is constant.

    frequency  equally spaced from 0 to half of the sampling frequency in MHz, (n,).
    given      frequencies in MHz, rising.
    density    in any unit, at these.
    rms        standard deviation of the noise.
    """
    found = np.interp(frequency, given, density)
    weight = np.full(len(frequency), frequency[1])
    weight[[0, -1]] /= 2
    return np.asarray(found * rms**2 / (found * weight).sum())


def draw_noise(density: Floats, step: float, count: int, random: np.random.Generator) -> Floats:
    """Return stationary noise with a spectral density, (count, 2 (n − 1)).

    Its spectrum S at the frequency f is E|x̃(f)|² 2Δt/N for 0 < f < 1/(2Δt).

    density  one-sided, at n frequencies from 0 to half of the sampling frequency, per MHz.
    step     Δt in µs.
    """
    samples = 2 * (len(density) - 1)
    power = density * samples / (2 * step)  # E|x̃|²
    real, imaginary = random.normal(size=(2, count, len(density))) * np.sqrt(power / 2)
    real[:, [0, -1]] *= np.sqrt(2)  # these have no imaginary part
    imaginary[:, [0, -1]] = 0
    return np.fft.irfft(real + 1j * imaginary, samples, axis=1)
