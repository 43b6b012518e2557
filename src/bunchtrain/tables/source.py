"""What every source of events promises: columns in chunks, and a fingerprint of its content."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator

import awkward as ak


class Source(ABC):
    """Events as columns.

    A column is flat (one number an event), jagged (`constituent_pt`: a list of numbers an event)
    or a string. The columns of one jagged group share a prefix, as NanoAOD names them.
    """

    def prepare(self) -> None:  # noqa: B027
        """Make what is not there yet: a generator runs here, and goes on where it stopped."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that changes whenever the content of the events could."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text, `float32` or `var * float32`."""

    @abstractmethod
    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in their order, as records of these columns, at most `rows` at once."""
