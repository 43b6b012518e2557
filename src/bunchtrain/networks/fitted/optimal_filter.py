"""Optimal filter: amplitude and time of a pulse of known shape in stationary noise.

With g the shape, h its derivative, b the baseline, C the covariance of the noise, the samples of a
pulse of amplitude A, later than the mean by τ, are v = b + A g + A τ h + noise, whose generalised
least-squares estimate is

    (A, Aτ) = F⁻¹ Mᵀ C⁻¹ (v − b),   M = (g, h),   F = Mᵀ C⁻¹ M,

the coefficients of liquid-argon calorimeters (Cleland and Stern, NIM A 338 (1994) 467). With a
spectrum J of the noise instead of its covariance, C is diagonal in Fourier space, where for the
amplitude alone A = Σ g̃* ṽ/J / Σ |g̃|²/J. Of some delays in whole samples, that with the smallest
χ² is taken. Shape, derivative, baseline and noise are those of the training set: the shape is a
regression on the true amplitude and time, the noise, pile-up included, what is left. No
unbiased estimate that is linear in the samples has a smaller variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.batch import Array
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._arrays import stack, unbind
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import (
    Batches,
    FitModel,
    History,
    Sample,
    load_training_sample,
)
from bunchtrain.parts.ranges import NUMBER, Positive

Floats = NDArray[np.float64]
Delays = Annotated[int, Field(ge=0, le=1000), NUMBER]
#: Largest number of samples with a covariance, whose elements are the square of it.
LIMIT = 4096
#: Noise that is added, relative to the mean power.
SMALLEST = 1e-9


class OptimalFilter(FitModel):
    """Optimal filter of the pulse in a window (NIM A 338 (1994) 467, arXiv:2510.11469).

    window   (1, samples) of a window.
    outputs  1, the amplitude, or 2, the amplitude and the time: the values of the target.
    noise    of the covariance of the samples, or of its spectrum, as if windows were periodic.
    delays   samples by which a pulse may be earlier or later than the mean; needs the time.
    step     time between two samples, in the unit of the time.

    Raises StudyError for more features than one, other values, and delays without a time.
    """

    tensors: ClassVar[tuple[str, ...]] = ("window",)
    supported_losses: ClassVar[Mapping[str, str]] = {"mean_squared_error": "least_squares"}
    standardises: ClassVar[bool] = False

    def __init__(
        self,
        window: tuple[int, int],
        outputs: int,
        *,
        noise: Literal["covariance", "spectrum"] = "covariance",
        delays: Delays = 0,
        step: Positive = 1.0,
    ) -> None:
        features, samples = window
        super().__init__(features, outputs)
        if features != 1 or outputs > 2:
            raise StudyError(
                f"model 'optimal_filter' fits amplitude, or amplitude and time, of one feature of "
                f"'window', and there are {outputs} values and {features} features; give it those"
            )
        if delays and outputs == 1:
            raise StudyError(
                "model 'optimal_filter' needs the true time of pulses with delays; give the target "
                "the values amplitude and time, or set delays to 0"
            )
        if noise == "covariance" and samples > LIMIT:
            raise StudyError(
                f"model 'optimal_filter': the covariance of {samples:,} samples is too large, of "
                f"more than {LIMIT:,}; set 'noise' to 'spectrum'"
            )
        self.noise, self.delays, self.step, self.samples = noise, delays, step, samples
        shifts = 2 * delays + 1
        self.baseline = np.full(samples, np.nan, np.float32)
        self.filters = np.zeros((shifts, outputs, samples), np.float32)
        self.information = np.zeros((shifts, outputs, outputs), np.float32)  # F
        self.shifts = np.arange(-delays, delays + 1, dtype=np.float32)
        self.time = np.zeros(3, np.float32)  # mean, smallest, largest

    @property
    def is_fitted(self) -> bool:
        """True once the shape is known."""
        return not np.isnan(self.baseline).any()

    @property
    def parameter_count(self) -> int:
        """Count of the coefficients of one delay."""
        return self.outputs * self.samples

    def arrays(self) -> dict[str, Array]:
        """Return baseline, coefficients, their information and the times."""
        names = ("baseline", "filters", "information", "shifts", "time")
        return {name: getattr(self, name) for name in names}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set what `arrays` has returned."""
        for name, value in self.arrays().items():
            setattr(self, name, state[name].reshape(value.shape))

    def forward(self, window: Any) -> Any:  # a model names its arrays
        """Return amplitude and time (batch, outputs) from `window` (batch, 1, samples)."""
        return super().forward(window)

    def evaluate(self, arrays: Mapping[str, Any], table: Any) -> Any:
        """Return (batch, outputs) from samples (batch, 1, samples)."""
        shifts, values, samples = self.filters.shape
        filters, delays = arrays["filters"].reshape(-1, samples), arrays["shifts"]
        above = table.reshape(-1, samples) - arrays["baseline"]
        found = (above @ filters.T).reshape(-1, shifts, values)
        # θᵀ F θ is the decrease of χ² by the pulse.
        decrease = (found[:, :, :, None] * arrays["information"] * found[:, :, None, :]).sum(3)
        chosen = decrease.sum(2).argmax(1)[:, None] == delays + self.delays  # (batch, shifts)
        best = (found * chosen[:, :, None]).sum(1)
        if values == 1:
            return best
        mean, first, last = arrays["time"]
        amplitude, product = unbind(best)
        later = product / (amplitude + (amplitude == 0) * 1.0)
        moved = (chosen * delays).sum(1) * self.step
        return stack([amplitude, (mean + moved + later).clip(first, last)])

    def fit(
        self, training: Batches, validation: Batches, loss: Head, *, seed: int, threads: int
    ) -> History:
        """Fit shape and noise; return the losses.

        Raises DataError without pulses, or with fewer events than samples.
        """
        self.check_loss(loss)
        pulses = self._pulses(load_training_sample(training, loss, "window"))
        baseline, *shapes = _fit_shapes(pulses)
        noise = pulses.window - baseline - pulses.regressors[:, 1:] @ np.array(shapes)
        covariance = self._covariance(noise, pulses.weight)
        for index, shift in enumerate(self.shifts.astype(int)):
            moved = np.roll(shapes, shift, axis=1)  # M, (values, samples)
            weighted = _solve(covariance, moved)
            self.information[index] = information = weighted @ moved.T
            self.filters[index] = np.linalg.solve(information, weighted)
        self.baseline = baseline.astype(np.float32)
        return [self.mean_losses(loss, training, validation)]

    def _pulses(self, sample: Sample) -> _Pulses:
        """Return pulses that are moved by whole samples to the mean time, which is set."""
        window, weight = sample.table[:, 0].astype(np.float64), sample.weight.astype(np.float64)
        amplitude, *times = sample.target.astype(np.float64).reshape(len(sample), -1).T
        if not (weight * amplitude**2).sum() > 0:
            raise DataError(
                "model 'optimal_filter': no training event has a pulse of an amplitude other than "
                "0; check the values of the target"
            )
        regressors = [np.ones_like(amplitude), amplitude]
        if times:
            self._fit_times(amplitude, times[0], weight)
            later = np.where(amplitude != 0, times[0] - self.time[0], 0.0)
            shift = np.clip(np.rint(later / self.step), -self.delays, self.delays)
            index = np.arange(self.samples) + shift[:, None].astype(int)
            window = np.take_along_axis(window, index % self.samples, 1)
            regressors.append(amplitude * (later - shift * self.step))
        return _Pulses(window, np.stack(regressors, 1), weight)

    def _fit_times(self, amplitude: Floats, time: Floats, weight: Floats) -> None:
        """Set the mean time, weighted with A², and the smallest and largest."""
        inside = time[amplitude != 0]
        mean = np.average(time, weights=weight * amplitude**2)
        self.time[:] = mean, inside.min(), inside.max()
        if inside.min() == inside.max():
            raise DataError(
                f"model 'optimal_filter': the time of all training pulses is {mean:g}; give the "
                "target the amplitude alone"
            )

    def _covariance(self, noise: Floats, weight: Floats) -> Floats:
        """Return C (samples, samples), or the spectrum J (frequencies,) of the noise."""
        share = (weight / weight.sum())[:, None]
        if self.noise == "spectrum":
            return np.asarray((share * np.abs(np.fft.rfft(noise)) ** 2).sum(0))
        if len(noise) < 2 * self.samples:
            raise DataError(
                f"model 'optimal_filter': the covariance of {self.samples} samples needs twice as "
                f"many training events, and there are {len(noise)}; set 'noise' to 'spectrum'"
            )
        return np.asarray((noise * share).T @ noise)


@dataclass(frozen=True)
class _Pulses:
    """Windows (n, samples), regressors 1, A and Aτ (n, 2 or 3), and weights (n,)."""

    window: Floats
    regressors: Floats
    weight: Floats


def _fit_shapes(pulses: _Pulses) -> Floats:
    """Return baseline, shape and, with times, its derivative: (regressors, samples)."""
    root = np.sqrt(pulses.weight)[:, None]
    fit, *_ = np.linalg.lstsq(pulses.regressors * root, pulses.window * root)
    return np.asarray(fit)


def _solve(covariance: Floats, shapes: Floats) -> Floats:
    """Return C⁻¹ applied to each shape, (values, samples), from a covariance or a spectrum.

    A billionth of the mean power is added at each frequency: some have none without noise.
    """
    if covariance.ndim == 2:
        floor = SMALLEST * np.trace(covariance) / len(covariance) or 1.0
        return np.asarray(np.linalg.solve(covariance + floor * np.eye(len(covariance)), shapes.T).T)
    weighted = np.fft.rfft(shapes) / (covariance + (SMALLEST * covariance.mean() or 1.0))
    return np.asarray(np.fft.irfft(weighted, shapes.shape[1]))
