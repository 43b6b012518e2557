"""Fixed-point numbers and the words of bits that carry them over the ports of a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Port:
    """A port of a circuit: fixed-point numbers side by side in one word, the first lowest.

    A number of k sign, i integer and f fractional bits is a multiple of 2⁻ᶠ in
    [−k·2ⁱ, 2ⁱ − 2⁻ᶠ], in two's complement; one with k + i + f ≤ 0 has no bit.

    names    what each number is.
    formats  (k, i, f) of each number.
    """

    names: tuple[str, ...]
    formats: tuple[tuple[int, int, int], ...]

    @property
    def widths(self) -> list[int]:
        """Bits of each number."""
        return [max(sum(one), 0) for one in self.formats]

    @property
    def width(self) -> int:
        """Bits of the word."""
        return sum(self.widths)

    @property
    def slices(self) -> list[str]:
        """Where each number lies in the word, as "[13:6]"; "none" if it has no bit."""
        ends = np.cumsum(self.widths)
        pairs = zip(ends, self.widths, strict=True)
        return [f"[{end - 1}:{end - width}]" if width else "none" for end, width in pairs]

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return values (events, numbers) as whole multiples of 2⁻ᶠ, rounded down."""
        fraction = np.array([f for _, _, f in self.formats], np.float64)
        return np.floor(np.asarray(values, np.float64) * np.exp2(fraction)).astype(np.int64)

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return how many of the values (events, numbers) no word can carry, for each number."""
        k, i, f = np.array(self.formats, np.float64).T
        codes = self.codes(values)
        beyond = (codes < -k * np.exp2(i + f)) | (codes >= np.exp2(i + f))
        return np.asarray(beyond.sum(0), np.int64)

    def words(self, values: NDArray[np.float64]) -> list[str]:
        """Return the words, hexadecimal, that carry values (events, numbers)."""
        codes = self.codes(values)
        columns = [
            (codes[:, [number]] >> np.arange(width)) & 1 for number, width in enumerate(self.widths)
        ]
        bits = np.concatenate(columns, 1).astype(np.uint8)[
            :, ::-1
        ]  # (events, width), highest first
        padded = np.pad(bits, ((0, 0), (-self.width % 8, 0)))
        return [row.tobytes().hex() for row in np.packbits(padded, axis=1)]

    def values(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Return the values (events, numbers) that hexadecimal words carry."""
        digits = -(-self.width // 8) * 2
        raw = np.frombuffer(bytes.fromhex("".join(word.zfill(digits) for word in words)), np.uint8)
        bits = np.unpackbits(raw.reshape(len(words), -1), axis=1)[:, ::-1]  # lowest first
        found = np.zeros((len(words), len(self.formats)))
        start = 0
        for number, (k, _, f) in enumerate(self.formats):
            width = self.widths[number]
            powers = np.exp2(np.arange(width) - f)
            if k and width:
                powers[-1] *= -1
            found[:, number] = bits[:, start : start + width] @ powers
            start += width
        return found
