"""How to get at a mosaic: its members are looked at when it is asked for."""

from functools import cached_property

from . import srs
from .grid import Grid
from .image import Image
from .members import Member, Members, identity
from .mosaic import Mosaic
from .mosaic_plan import Plan, plan_of


class MosaicReference:
    """How to get at a mosaic. The plan of it is made once."""

    def __init__(self, found: Members, *, skip_missing: bool = False) -> None:
        """Take the members, in their order.

        Args:
            found: The members.
            skip_missing: Make the mosaic of those that are there.
        """
        self._listed = found
        self._skip_missing = skip_missing

    def open(self) -> Image:
        """Open the mosaic: the member that is seen first, to know bands and grid.

        Raises:
            ItemError: A member is missing or cannot be used; says which one.
        """
        return Mosaic(self._plan)

    def content(self) -> tuple[int, str]:
        """Return the bytes of all members, and a hash of their names, sizes, times and order.

        Raises:
            ItemError: A member is missing.
        """
        return identity(self._present, self._found.frame)

    @property
    def grid(self) -> Grid:
        """All of its pixels.

        Raises:
            ItemError: It cannot be put together.
        """
        return self._plan.grid

    def remark(self) -> str | None:
        """Return what is to be said of how it is put together; None for nothing.

        Raises:
            ItemError: It cannot be.
        """
        said = [self._found.remark, self._found.missing()]
        if count := self._plan.resampled():
            system = srs.short_name(self._plan.grid.crs or "") or "no reference system"
            said.append(
                f"{count} of {len(self._plan.members)} members are resampled onto the grid of"
                f" {self._plan.first} ({system})"
            )
        return "; ".join(filter(None, said)) or None

    @cached_property
    def _found(self) -> Members:
        """The members. A server is asked for them where those it lacks may be left out."""
        return self._listed.looked_for() if self._skip_missing else self._listed

    @cached_property
    def _present(self) -> tuple[Member, ...]:
        return self._found.present(skip_missing=self._skip_missing)

    @cached_property
    def _plan(self) -> Plan:
        return plan_of(self._present, self._found.frame)
