"""What a process does that reads inputs for another one: look at them, and give their rows."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...catalog.records import Scan
from ...io import sources
from ...io.environment import Environment
from ...io.scan_options import ScanOptions
from ...io.watch import Read, place_of, unknown, watched
from ..environment import environment_of

_BATCH_BYTES = 1 << 16
"""Rows are sent once they take so much."""


class Look:
    """Inputs that are looked at."""

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        """Look at nothing yet.

        Args:
            say: Tells a word, and what goes with it, to who asks.
        """
        self._say = say
        self._scans: list[Scan] = []

    def environment(self, given: Mapping[str, Any], refused: Mapping[Read, str]) -> Environment:
        """Return the environment that is asked for."""
        with self._watched("the environment", refused):
            return environment_of(given)

    def scans(
        self, sought: Sequence[tuple[Path | str, ScanOptions]], refused: Mapping[Read, str]
    ) -> list[Scan]:
        """Return what is in inputs, without their rows."""
        self._scans = []
        for path, options in sought:
            with self._watched(place_of(path), refused):
                self._scans += sources.scan(path, options=options)
        return [replace(scan, features=(), items=(), elsewhere=()) for scan in self._scans]

    def rows(
        self, number: int, part: str, known: int, last: object, refused: Mapping[Read, str]
    ) -> None:
        """Send rows of a dataset; see :func:`pixelcat.io.watch.unknown`.

        Args:
            number: Of the dataset.
            part: The field of :class:`~pixelcat.catalog.records.Scan` that has them.
            known: How many are not to be sent.
            last: The key of the last of these.
            refused: What must not be read, each with the reason.
        """
        scan = self._scans[number]
        with self._watched(f"{scan.dataset.uri} {scan.dataset.layer}".strip(), refused):
            found = unknown(getattr(scan, part), known, last)
            for batch in _batches(found, 0 if part == "items" else _BATCH_BYTES):
                self._say("rows", batch)
        self._say("ended", None)

    def forget(self) -> None:
        """Let go of what was found."""
        self._scans = []

    def _watched(self, place: str, refused: Mapping[Read, str]) -> AbstractContextManager[None]:
        return watched(place, partial(self._say, "reading"), refused)


def _batches(rows: Iterable[object], size: int) -> Iterator[list[bytes]]:
    """Yield rows, pickled, as many together as have about a size in bytes; none waits with 0."""
    batch: list[bytes] = []
    total = 0
    for row in rows:
        batch.append(pickle.dumps(row))
        total += len(batch[-1])
        if total >= size:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
