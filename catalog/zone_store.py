"""The catalog as the command about zones opens it."""

from collections.abc import Sequence

from . import zones
from .connection import translated_errors
from .store import Catalog
from .zone_rows import ClassRow, Zone, ZoneLayer


class ZoneCatalog(Catalog):
    """A catalog file, open, that tables of zones are written to."""

    def classes(self, run_id: int) -> list[ClassRow]:
        """Return the classes of the model of a run, in the order of their values."""
        with translated_errors(self.path):
            return zones.classes(self._connection, run_id)

    def zone_table(self, layer: ZoneLayer, run_id: int, name: str | None) -> str | None:
        """Return the table of a layer where it is up to date, else None; see :mod:`.zones`."""
        with translated_errors(self.path):
            return zones.up_to_date(self._connection, layer, run_id, name)

    def write_zones(
        self,
        layer: ZoneLayer,
        run_id: int,
        rows: Sequence[Zone],
        name: str | None,
        *,
        is_whole: bool,
    ) -> str:
        """Write the table of a layer anew and return its name; see :func:`.zones.write`."""
        with self.transaction() as connection:
            return zones.write(connection, layer, run_id, rows, name, is_whole=is_whole)
