"""Inputs read in a process of its own, which the files in them may take down.

The process says what it reads. Where it crashes or comes to no end another one goes on, and what
that happened with is refused: an image becomes unreadable, with the reason. Rows come one after
another as they are asked for; what this process has not taken yet waits in the other one.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from ...catalog import lock
from ...catalog.errors import OutputError, SourceError
from ...catalog.records import Scan
from ...io.class_tiles import ClassTile
from ...io.environment import Environment
from ...io.scan_options import ScanOptions
from ...io.watch import Read, key_of, place_of
from ..environment import environment_of
from .process import LostError, Process, hung

Answer = TypeVar("Answer")
Part = Literal["features", "items", "elsewhere"]
"""Of a :class:`~pixelcat.catalog.records.Scan`, what is read lazily."""

TRIES = 3
"""How often an image may take its process down."""
PATIENCE_S = 900.0
"""How long a process may give no sign of life, unless somebody says otherwise."""
_TOGETHER = 500
"""Headers of class rasters that are asked for together."""


class Reading:
    """Reads inputs, one after another."""

    def __init__(
        self, process: Callable[[], Process], drop: Callable[[Process], None], patience: float
    ) -> None:
        """Read nothing yet.

        Args:
            process: Gives the process that reads: a new one where there is none.
            drop: Ends it.
            patience: Seconds without a sign of life after which reading an image is given up.
        """
        self._process = process
        self._drop = drop
        self._patience = patience
        self._now = Read("the input")
        self._lost: Counter[tuple[Read, int]] = Counter()
        self._refused: dict[Read, str] = {}
        self._sought: Sequence[tuple[Path | str, ScanOptions]] = ()
        self._found: list[Scan] = []
        self._reader: Process | None = None
        """The process that has looked at the inputs."""

    def environment(self, given: Mapping[str, Any]) -> Environment:
        """Return the environment that is asked for; see :class:`.Workers`."""
        if all(value is None for value in given.values()):
            return environment_of(given)
        found: Environment = self._tried(
            lambda process: self._ask(process, "environment", given, self._refused)
        )
        return found

    def scan(self, sought: Sequence[tuple[Path | str, ScanOptions]]) -> list[Scan]:
        """Return what is in inputs; see :class:`.Workers`."""
        self._sought, self._found = sought, []
        for path, _ in sought[:1]:
            self._now = Read(place_of(path))  # until the process says what it reads
        self._tried(self._look)
        return [
            replace(
                scan,
                features=self._rows(number, "features"),
                items=self._rows(number, "items"),
                elsewhere=self._rows(number, "elsewhere"),
            )
            for number, scan in enumerate(self._found)
        ]

    def tiles(self, paths: Sequence[Path]) -> Iterator[ClassTile | OutputError | None]:
        """Yield the headers of class rasters; see :class:`.Workers`."""
        for start in range(0, len(paths), _TOGETHER):
            some = paths[start : start + _TOGETHER]
            process = self._process()
            try:
                yield from self._ask(process, "tiles", some)
            except LostError as lost:
                self._drop(process)
                yield from (OutputError(f"cannot read {path}: its process {lost}") for path in some)

    def _look(self, process: Process) -> None:
        """Have a process look at the inputs, unless it has."""
        if process is self._reader:
            return
        found: list[Scan] = self._ask(process, "look", self._sought, self._refused)
        known = [(each.dataset.uri, each.dataset.layer) for each in self._found]
        if known and known != [(each.dataset.uri, each.dataset.layer) for each in found]:
            raise SourceError(f"{known[0][0]}: changed while it was read; try again")
        self._found, self._reader = self._found or found, process

    def _rows(self, number: int, part: Part) -> Iterator[Any]:
        """Yield rows of a dataset: they come in the same order from each process."""
        known, last = 0, None
        while True:
            process = self._process()
            try:
                self._look(process)
                self._say(process, "rows", number, part, known, last, self._refused)
                for row in self._stream(process):
                    known, last = known + 1, key_of(row)
                    yield row
            except LostError as lost:
                self._drop(process)
                self._blame(lost, known)
            except GeneratorExit:  # the rest is on its way
                self._drop(process)
                raise
            else:
                return

    def _stream(self, process: Process) -> Iterator[Any]:
        while True:
            word, given = self._hear(process)
            if word == "ended":
                return
            yield from map(pickle.loads, given)

    def _tried(self, ask: Callable[[Process], Answer]) -> Answer:
        """Ask until a process has answered."""
        while True:
            process = self._process()
            try:
                return ask(process)
            except LostError as lost:
                self._drop(process)
                self._blame(lost)

    def _blame(self, lost: LostError, known: int = 0) -> None:
        """Refuse what a process was lost over, where that was once too often.

        Raises:
            SourceError: It was no image.
        """
        culprit, self._now = self._now, Read(self._now.place)
        self._lost[culprit, known] += 1
        tried = self._lost[culprit, known]
        if tried < TRIES and not lost.is_hung:
            return
        what = "came to no end" if lost.is_hung else "crashed"
        times = f", {tried} times" if tried > 1 else ""
        reason = f"reading it {what}: its process {lost}{times}"
        if culprit.name is None:
            raise SourceError(f"{culprit.place}: {reason}")
        self._refused[culprit] = reason

    def _ask(self, process: Process, word: str, *given: Any) -> Any:
        self._say(process, word, *given)
        return self._hear(process)[1]

    def _say(self, process: Process, word: str, *given: Any) -> None:
        process.say("live", lock.live())
        process.say(word, *given)

    def _hear(self, process: Process) -> tuple[str, Any]:
        """Wait for an answer; what is read meanwhile is noted."""
        while True:
            patience = self._patience if self._now.name else max(self._patience, PATIENCE_S)
            if not process.connection.poll(patience):
                process.stop(hung(patience))
            word, given = process.hear()
            if word == "error":
                raise given
            if word != "reading":
                return word, given
            self._now = given or self._now
