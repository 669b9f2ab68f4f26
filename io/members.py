"""What a mosaic is made of: its members, as an index lists them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..catalog.errors import GoneError, ItemError, SourceError
from ..catalog.records import SqlValue
from .extent import Extent
from .item_table import ItemTable
from .rectangles import Bounds
from .reference import Reference

_SHOWN = 3
"""Missing members that are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What the header of a raster says of its pixels."""

    bands: int
    dtype: str
    size: tuple[int, int] | None = None
    """Width and height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A raster of a mosaic."""

    key: str
    """What names it: its path, relative to the folder of the index where it lies below."""
    path: Path | None
    """None where there is no such file here."""
    reference: Reference | None = None
    """How to get at it where it is no file."""
    lost: str | None = None
    """Why not."""
    attributes: Mapping[str, SqlValue] = field(default_factory=dict)
    """What the index says of it, by column."""
    outline: Extent | None = None
    """Where it lies; None where only its header tells."""
    is_exact: bool = False
    """Whether these are the bounds of its pixels, and not about them."""
    head: Head | None = None
    """None where only its header tells."""

    @property
    def where(self) -> Path | Reference | None:
        """Where it is; None for nowhere."""
        return self.path or self.reference


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What an index says of the grid of its mosaic; None where it does not."""

    crs: str | None = None
    cell: tuple[float, float] | None = None
    bounds: Bounds | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The members of a mosaic."""

    listed: tuple[Member, ...]
    """The first that has data is what is seen."""
    frame: Frame = Frame()
    order: str = "first"
    """How they are ordered where the user does not say: ``first``, ``last``, or a column."""
    remark: str | None = None
    """What else is to be said."""

    def chosen(self, where: str | None, order: str | None, option: str = "--where") -> "Members":
        """Return those that a condition holds for, in an order.

        Args:
            where: SQL over the columns of the index.
            order: ``first`` or ``last`` of the index is seen, or the first by a column,
                ``COLUMN`` or ``COLUMN desc``; None for the order of the index.
            option: Where the condition comes from, for messages.

        Raises:
            UsageError: An unknown column, or SQL that is none.
            SourceError: It holds for none.
        """
        numbers = list(range(len(self.listed)))
        order = order or self.order
        with ItemTable([member.attributes for member in self.listed]) as table:
            if where:
                numbers = table.where(where, option)
            if not numbers:
                raise SourceError(f"no item of {len(self.listed)} has {where} ({option})")
            if order.lower() == "last":
                numbers.reverse()
            elif order.lower() != "first":
                numbers = table.ordered(numbers, order)
        return replace(self, listed=tuple(self.listed[number] for number in numbers), order="first")

    def present(self, *, skip_missing: bool) -> tuple[Member, ...]:
        """Return the members whose files were there when the index was read.

        Raises:
            ItemError: One is missing, and that is not to be passed over; or all are.
        """
        there = tuple(m for m in self.listed if m.where is not None)
        if len(there) == len(self.listed):
            return there
        if not there:
            raise ItemError(self.missing() or "has no members")
        if not skip_missing:
            raise ItemError(f"{self.missing()}; --skip-missing classifies the rest")
        return there

    def looked_for(self) -> "Members":
        """Return them with those missing that a server, once asked, says it does not have."""
        return replace(self, listed=tuple(_looked_for(member) for member in self.listed))

    def missing(self) -> str | None:
        """Return which members are missing, in words; None where none is."""
        lost = [m for m in self.listed if m.where is None]
        if not lost:
            return None
        names = ", ".join(member.key or "unnamed" for member in lost[:_SHOWN])
        more = ", ..." if len(lost) > _SHOWN else ""
        reasons = {member.lost for member in lost}
        reason = f": {lost[0].lost}" if len(reasons) == 1 and lost[0].lost else ""
        verb = "is" if len(lost) == 1 else "are"
        return f"{len(lost)} of {len(self.listed)} members {verb} missing ({names}{more}{reason})"


def identity(members: Sequence[Member], *facts: object) -> tuple[int, str]:
    """Return the bytes of all members, and a hash that changes with any of them.

    Args:
        members: In their order, with their files.
        facts: Whatever else the mosaic depends on.

    Raises:
        ItemError: One cannot be looked at.
    """
    digest = hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape"))
    total = 0
    for key, size, changed in _states(members):
        digest.update(repr((key, size, changed)).encode("utf-8", "surrogateescape"))
        total += size
    return total, digest.hexdigest()


def _states(members: Sequence[Member]) -> Iterator[tuple[str, int, int | str]]:
    for member in members:
        if member.reference is not None:
            yield member.key, *_content(member.key, member.reference)
            continue
        try:
            status = (member.path or Path(member.key)).stat()
        except OSError as error:
            raise ItemError(f"member {member.key} cannot be read: {error.strerror}") from error
        yield member.key, status.st_size, status.st_mtime_ns


def _looked_for(member: Member) -> Member:
    try:
        if member.reference is not None:
            member.reference.content()
    except GoneError as error:
        return replace(member, reference=None, lost=str(error))
    except ItemError:  # there, and not to be used: that is said where it is opened
        return member
    return member


def _content(key: str, reference: Reference) -> tuple[int, str]:
    try:
        size, digest = reference.content()
    except GoneError as error:
        raise ItemError(f"member {key}: {error}; --skip-missing classifies the rest") from error
    except ItemError as error:
        raise ItemError(f"member {key}: {error}") from error
    return size or 0, digest
