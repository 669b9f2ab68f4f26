"""What is read next, said to who has it read: reading it may end this process, or never end.

Whoever listens starts another process then, which refuses what ended the first one and passes over
what is known already. Where nobody listens nothing is said, and nothing is refused.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..catalog.errors import ItemError, SourceError
from ..catalog.records import Feature, Item

Row = TypeVar("Row", Feature, Item, tuple[str, str])

_LONGEST = 300
"""Characters of an input that are said: it may be a VRT itself."""
_QUIET_S = 1.0
"""How long what takes long says nothing."""


class Read(NamedTuple):
    """What is read."""

    place: str
    """The input, or the layer of it."""
    name: str | None = None
    """The image in it; None where it is about the input itself."""


Tell = Callable[[Read | None], None]
"""Told what is read next; None says that reading it goes on."""


def place_of(path: Path | str) -> str:
    """Return what an input is called in words."""
    return str(path).strip()[:_LONGEST]


class _Watch:
    """Who listens in this process, and what is known."""

    def __init__(self) -> None:
        self.tell: Tell | None = None
        self.refused: Mapping[Read, str] = {}
        self.now = Read("")
        self.known = 0
        """Rows that are passed over."""
        self.read = 0
        """Rows that came, those among them."""
        self.said = 0.0
        """``time.monotonic()`` of the last word."""
        self.thread: int | None = None


_watch = _Watch()


@contextmanager
def watched(place: str, tell: Tell, refused: Mapping[Read, str]) -> Iterator[None]:
    """Tell somebody what is read of an input meanwhile.

    Args:
        place: The input, or the layer of it.
        tell: Whom.
        refused: What must not be read, each with the reason.
    """
    _watch.tell, _watch.refused, _watch.now = tell, refused, Read(place)
    _watch.thread = threading.get_ident()
    _say(Read(place))
    try:
        yield
    finally:
        _watch.tell, _watch.refused = None, {}


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say that an image is read.

    Raises:
        ItemError: It must not be.
    """
    if _watch.tell is None or _watch.thread != threading.get_ident():
        yield
        return
    before, now = _watch.now, Read(_watch.now.place, name)
    if now in _watch.refused:
        raise ItemError(_watch.refused[now])
    _watch.now = now
    _say(now)
    try:
        yield
    finally:
        _watch.now = before
        _say(before)


def goes_on() -> None:
    """Say that what is read takes its time, and comes to an end."""
    if _watch.tell is not None and time.monotonic() - _watch.said > _QUIET_S:
        _say(None)


def is_wanted(name: str, ahead: int = 0) -> bool:
    """Return whether an image is to be read: neither known nor refused.

    Args:
        name: The image.
        ahead: How many come before it that have not been yielded yet.
    """
    is_known = _watch.read + ahead < _watch.known
    return not is_known and Read(_watch.now.place, name) not in _watch.refused


def is_known() -> bool:
    """Return whether the image that comes next is passed over."""
    return _watch.read < _watch.known


def unknown(rows: Iterable[Row], known: int, last: object) -> Iterator[Row]:
    """Yield rows but those that are known already, of which no image is read.

    Args:
        rows: Of a source, which gives them in the same order each time.
        known: How many.
        last: The key of the last of them.

    Raises:
        SourceError: The last one is another now.
    """
    _watch.known, _watch.read = known, 0
    try:
        for row in rows:
            _watch.read += 1
            if _watch.read == known and key_of(row) != last:
                raise SourceError(f"{_watch.now.place}: changed while it was read; try again")
            if _watch.read > known:
                yield row
    finally:
        _watch.known = _watch.read = 0


def key_of(row: Feature | Item | tuple[str, str]) -> object:
    """Return what tells a row of a source from the others."""
    if isinstance(row, Feature):
        return row.source_fid
    return row.source_key if isinstance(row, Item) else row


def _say(what: Read | None) -> None:
    if _watch.tell is not None:
        _watch.said = time.monotonic()
        _watch.tell(what)
