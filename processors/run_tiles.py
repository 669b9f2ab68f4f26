"""The rasters of a run that have a place on the ground: what is made of them together."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..catalog import query as catalog_query
from ..catalog.class_mosaic import MEMBERS, Member
from ..catalog.errors import ItemError, OutputError, UsageError
from ..catalog.listed_rasters import listed_raster
from ..catalog.records import ClassDefinition
from ..io.class_tiles import Tile, read_tile
from ..io.extra_tiles import ExtraTile, read_extra_tile
from .class_mosaic import CLASSES, class_definitions

AnyTile = TypeVar("AnyTile", bound=Tile)
_RUN = """
SELECT r.id, m.name AS model, coalesce(r.finished_at, r.started_at) AS at
FROM runs r JOIN models m ON m.id = r.model_id WHERE :run IS NULL OR r.id = :run
ORDER BY EXISTS (SELECT 1 FROM outputs o JOIN items i ON i.id = o.item_id
  WHERE o.run_id = r.id AND o.status = 'done' AND i.transform IS NOT NULL) DESC, r.id DESC LIMIT 1
"""
_EXTRAS = """
SELECT e.output_id, e.kind, e.raster_path, e.data_type, e.bands FROM extra_rasters e
JOIN outputs o ON o.id = e.output_id WHERE o.run_id = ? ORDER BY e.id
"""


class ExtraFile(NamedTuple):
    """A raster beside a class raster, as the catalog has it."""

    kind: str
    location: str
    """Relative to the folder of the catalog."""
    dtype: str
    bands: int


class RunTiles:
    """The class rasters of a run that have a place on the ground, and what lies beside them."""

    def __init__(self, catalog: Path, run: int | None) -> None:
        """Read the headers of class rasters.

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
        self.folder = catalog.parent
        self._name = catalog.name
        number = (self.run["id"],)
        self._members = [Member(*row) for row in catalog_query.query(catalog, MEMBERS, number).rows]
        self.classes: list[ClassDefinition] = class_definitions(
            catalog_query.query(catalog, CLASSES, number).dicts()
        )
        self.extras: defaultdict[int, list[ExtraFile]] = defaultdict(list)
        """By the number of the output."""
        for output, *extra in catalog_query.query(catalog, _EXTRAS, number).rows:
            self.extras[output].append(ExtraFile(*extra))
        self.known, self.missing = self._read(self._members, "class raster", read_tile)

    def of_kind(self, kind: str) -> tuple[list[tuple[Member, ExtraTile]], list[str]]:
        """Return the rasters of a kind that lie beside class rasters, and what is missing.

        Raises:
            UsageError: There is none.
        """
        members = [
            member._replace(location=extra.location)
            for member in self._members
            for extra in self.extras[member.output_id]
            if extra.kind == kind
        ]
        return self._read(members, f"raster of {kind}", read_extra_tile)

    def beside(self, member: Member) -> Iterator[tuple[ExtraFile, str | None]]:
        """Yield the rasters beside a class raster, each with why it is not to be had, else None."""
        for extra in self.extras[member.output_id]:
            try:
                listed_raster(self.folder, extra.location)
            except ItemError as error:
                yield extra, f"{extra.kind} {error}"
            else:
                yield extra, None

    def _read(
        self, members: list[Member], what: str, read: Callable[[Path], AnyTile | None]
    ) -> tuple[list[tuple[Member, AnyTile]], list[str]]:
        known: list[tuple[Member, AnyTile]] = []
        missing: list[str] = []
        for member in members:
            try:
                tile = read(listed_raster(self.folder, member.location))
            except ItemError as error:
                missing.append(f"{member.image_name}: its {what} {error}")
            except OutputError as error:
                missing.append(f"{member.image_name}: {error}")
            else:
                if tile is not None:
                    known.append((member, tile))
                else:
                    missing.append(f"{member.image_name}: {member.location} lost its place")
        if not known:
            raise UsageError(
                f"run {self.run['id']} of {self._name} has no {what} with a place on the ground"
                + (f" that can be read: {missing[0]}" if missing else "")
            )
        return known, missing
