"""The class rasters of a run that have a place on the ground: what is made of them together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalog import query as catalog_query
from ..catalog.class_mosaic import MEMBERS, Member
from ..catalog.errors import OutputError, UsageError
from ..catalog.records import ClassDefinition
from ..io.class_tiles import ClassTile, read_tile
from .class_mosaic import CLASSES, class_definitions

_RUN = """
SELECT r.id, m.name AS model, coalesce(r.finished_at, r.started_at) AS at
FROM runs r JOIN models m ON m.id = r.model_id WHERE :run IS NULL OR r.id = :run
ORDER BY EXISTS (SELECT 1 FROM outputs o JOIN items i ON i.id = o.item_id
  WHERE o.run_id = r.id AND o.status = 'done' AND i.transform IS NOT NULL) DESC, r.id DESC LIMIT 1
"""


class RunTiles:
    """The class rasters of a run that have a place on the ground."""

    def __init__(self, catalog: Path, run: int | None) -> None:
        """Read their headers.

        Args:
            catalog: The catalog, as absolute path.
            run: The run; default the newest that has some with a place.

        Raises:
            UsageError: There is no such run, or it has none.
        """
        rows = catalog_query.query(catalog, _RUN, {"run": run}).dicts()
        if not rows:
            what = "no run yet" if run is None else f"no run {run}"
            raise UsageError(f"{catalog.name} has {what}")
        self.run: Mapping[str, Any] = rows[0]
        number = (self.run["id"],)
        listed = catalog_query.query(catalog, MEMBERS, number).rows
        self.classes: list[ClassDefinition] = class_definitions(
            catalog_query.query(catalog, CLASSES, number).dicts()
        )
        self.known: list[tuple[Member, ClassTile]] = []
        self.missing: list[str] = []
        for member in (Member(*row) for row in listed):
            self._add(catalog.parent, member)
        if not self.known:
            raise UsageError(
                f"run {self.run['id']} of {catalog.name} has no class raster with a place on the"
                " ground" + (f" that can be read: {self.missing[0]}" if self.missing else "")
            )

    def _add(self, folder: Path, member: Member) -> None:
        path = folder / member.location
        if not path.is_file():
            self.missing.append(f"{member.image_name}: its class raster {member.location} is gone")
            return
        try:
            tile = read_tile(path)
        except OutputError as error:
            self.missing.append(f"{member.image_name}: {error}")
            return
        if tile is None:
            self.missing.append(f"{member.image_name}: {member.location} lost its place")
        else:
            self.known.append((member, tile))
