"""Interface of an event source: columns read in chunks, and a fingerprint of the content."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator

import awkward as ak


class Source(ABC):
    """Events as columns.

    A column is flat (one number per event), jagged (`constituent_pt`: a list of numbers per event)
    or a string. The columns of one jagged group share a prefix, as in NanoAOD.
    """

    @property
    def is_prepared(self) -> bool:
        """Whether its events can be read at once, without a simulation."""
        return True

    def prepare(self) -> None:  # noqa: B027
        """Create missing files: a simulation runs here, and resumes if it was interrupted."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that changes whenever the content of the events could change."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text, `float32` or `var * float32`."""

    @abstractmethod
    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""

    @property
    def note(self) -> str:
        """What was decided in opening the events, to be shown, or ''."""
        return ""

    @property
    def entries(self) -> int | None:
        """The number of events, None if it is not known without reading them."""
        return None

    def sample(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield about `rows` events; a subclass may take them from all parts of the source."""
        left = rows
        for chunk in self.chunks(columns, min(rows, 10_000)):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return
