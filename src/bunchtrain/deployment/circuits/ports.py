"""Ports of a circuit: fixed-point values packed into words of bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Port:
    """A port of a circuit: fixed-point values packed into one word, the first in the lowest bits.

    A value of k sign, i integer and f fractional bits is a multiple of 2⁻ᶠ in
    [−k·2ⁱ, 2ⁱ − 2⁻ᶠ], in two's complement; one with k + i + f ≤ 0 has no bits.

    names    of the values.
    formats  (k, i, f) of each value.
    """

    names: tuple[str, ...]
    formats: tuple[tuple[int, int, int], ...]

    @property
    def widths(self) -> list[int]:
        """Bits of each value."""
        return [max(sum(one), 0) for one in self.formats]

    @property
    def width(self) -> int:
        """Bits of the word."""
        return sum(self.widths)

    @property
    def slices(self) -> list[str]:
        """Bits of each value in the word, e.g. "[13:6]"; "none" if it has no bits."""
        ends = np.cumsum(self.widths)
        pairs = zip(ends, self.widths, strict=True)
        return [f"[{end - 1}:{end - width}]" if width else "none" for end, width in pairs]

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return values (events, columns) as integer multiples of 2⁻ᶠ, rounded down."""
        fraction = np.array([f for _, _, f in self.formats], np.float64)
        return np.floor(np.asarray(values, np.float64) * np.exp2(fraction)).astype(np.int64)

    def count_overflows(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of values (events, columns) out of range, of each column."""
        k, i, f = np.array(self.formats, np.float64).T
        codes = self.codes(values)
        beyond = (codes < -k * np.exp2(i + f)) | (codes >= np.exp2(i + f))
        return np.asarray(beyond.sum(0), np.int64)

    def words(self, values: NDArray[np.float64]) -> list[str]:
        """Return values (events, columns) as hexadecimal words."""
        codes = self.codes(values)
        columns = [
            (codes[:, [index]] >> np.arange(width)) & 1 for index, width in enumerate(self.widths)
        ]
        bits = np.concatenate(columns, 1).astype(np.uint8)[:, ::-1]  # (events, width), MSB first
        padded = np.pad(bits, ((0, 0), (-self.width % 8, 0)))
        return [row.tobytes().hex() for row in np.packbits(padded, axis=1)]

    def values(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Return hexadecimal words as values (events, columns)."""
        digits = -(-self.width // 8) * 2
        raw = np.frombuffer(bytes.fromhex("".join(word.zfill(digits) for word in words)), np.uint8)
        bits = np.unpackbits(raw.reshape(len(words), -1), axis=1)[:, ::-1]  # LSB first
        found = np.zeros((len(words), len(self.formats)))
        start = 0
        for index, (k, _, f) in enumerate(self.formats):
            width = self.widths[index]
            powers = np.exp2(np.arange(width) - f)
            if k and width:
                powers[-1] *= -1
            found[:, index] = bits[:, start : start + width] @ powers
            start += width
        return found
