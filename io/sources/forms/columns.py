"""Which type the cells of a column have; in doubt text, so that nothing is lost."""

import re

from ....catalog.records import SqlValue

_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


class ColumnType:
    """What all cells of a column so far could be.

    A number is a number only where it is written just as it would be written again:
    ``007``, ``1.10`` and ``+3`` stay text.
    """

    def __init__(self, *, is_coordinate: bool = False) -> None:
        """Start without any cell.

        Args:
            is_coordinate: Digits at the end mean nothing, so any number is one.
        """
        self._is_coordinate = is_coordinate
        self._used = False
        self._whole = True
        self._number = True
        self._exact = True

    def see(self, cell: str) -> None:
        """Take a cell into account; an empty one says nothing."""
        if not cell or not self._number:
            return
        self._used = True
        if _WHOLE.fullmatch(cell):
            self._exact = self._exact and int(float(cell)) == int(cell)
            return
        self._whole = False
        self._number = self._is_number(cell)

    @property
    def sql_type(self) -> str:
        """The GeoPackage type of the column."""
        if not self._used or not self._number:
            return "TEXT"
        if self._whole:
            return "INTEGER"
        return "DOUBLE" if self._exact else "TEXT"

    def _is_number(self, cell: str) -> bool:
        try:
            value = float(cell)
        except ValueError:
            return False
        written = repr(value)
        return value - value == 0 and (
            self._is_coordinate or written == cell or (written == f"{cell}.0")
        )


def value(cell: str, sql_type: str) -> SqlValue:
    """Return a cell as its column's type; NULL for an empty one."""
    if not cell:
        return None
    if sql_type == "INTEGER":
        return int(cell)
    return float(cell) if sql_type == "DOUBLE" else cell
