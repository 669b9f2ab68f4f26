"""A new file geodatabase: features, and class maps as their attachments."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..catalog.errors import ItemError, first_line
from ..catalog.geopackage import quote
from ..catalog.listed_rasters import listed_raster
from ..catalog.media import CONTENT_TYPE
from ..catalog.query import read_only
from ..catalog.records import Dataset, Item
from ..io.geodatabase_out import Attachment, Geodatabase, new_geodatabase
from ..io.sources import Fetch, reader
from .geodatabase_layers import output_rows, source_rows
from .stored import datasets, fetched, output_layers

_CLASS_MAPS = """
SELECT t.number, t.image_name, t.classified_image, i.keywords FROM
  (SELECT row_number() OVER (ORDER BY fid) AS number, * FROM {table}) t
  JOIN items i ON i.id = t.item_id
WHERE t.classified_image NOT NULL ORDER BY t.number
"""
_ATTACHMENTS = """
SELECT f.number, i.name, i.kind, i.source_key, coalesce(i.content_type, i.declared_type),
  i.sha256, i.reason, i.keywords, o.raster_path
FROM (SELECT row_number() OVER (ORDER BY source_fid) AS number, fid FROM features
    WHERE dataset_id = :dataset) f
  JOIN features_items l ON l.base_id = f.fid JOIN items i ON i.id = l.related_id
  LEFT JOIN outputs o ON o.item_id = i.id AND o.is_current AND o.run_id IN
    (SELECT r.id FROM runs r JOIN result_layers USING (model_id)
     WHERE table_name = :table AND dataset_id = :dataset)
ORDER BY f.number, l.ordinal, l.id
"""


@dataclass(kw_only=True, slots=True)
class GeodatabaseExport:
    """What was written."""

    layers: list[str] = field(default_factory=list)
    """An output feature class is followed by its summary."""
    class_maps: int = 0
    photos: int = 0
    """Attachments that are no class maps."""
    missing: list[str] = field(default_factory=list)
    """A line for each attachment that could not be had."""


def export_geodatabase(
    catalog: str | os.PathLike[str],
    geodatabase: str | os.PathLike[str],
    *,
    layer: str | Sequence[str] = (),
    overwrite_attachments: bool = False,
) -> GeodatabaseExport:
    """Write features with class maps as attachments into a new file geodatabase.

    The geodatabases that were classified are never written, whatever the arguments.

    Args:
        catalog: A catalog with an output feature class.
        geodatabase: A ``.gdb`` that does not exist.
        layer: The output feature class, or several; default all of them.
        overwrite_attachments: Write the features and attachments of the source, each
            classified photo replaced by its class map, in place of the output feature class.

    Raises:
        UsageError: Something has that name, or there is no such layer.
        SourceError: A source cannot be opened any more.
        OutputError: The disk refused, or a geodatabase cannot hold such a layer.
    """
    path = Path(catalog).resolve()
    done = GeodatabaseExport()
    layers = output_layers(path, layer)
    with new_geodatabase(Path(geodatabase)) as target, read_only(path) as connection:
        export = _Export(connection, path, target, done)
        if overwrite_attachments:
            known = datasets(path)
            for table, dataset_id in layers:
                export.source(table, known[dataset_id])
        else:
            for table in dict.fromkeys(table for table, _ in layers):
                export.output(table)
    return done


class _Export:
    """Layers of a catalog on their way into a geodatabase."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        catalog: Path,
        target: Geodatabase,
        done: GeodatabaseExport,
    ) -> None:
        self._connection = connection
        self._folder = catalog.parent
        self._target = target
        self._done = done

    def output(self, table: str) -> None:
        """Write an output feature class, class maps attached, and its summary."""
        content = output_rows(self._connection, table)
        name = self._target.add_layer(content.layer(), content.rows())
        self._target.add_attachments(name, self._class_maps(table))
        summary = output_rows(self._connection, f"{table}_summary")
        self._done.layers += name, self._target.add_layer(summary.layer(), summary.rows())

    def source(self, table: str, dataset: Dataset) -> None:
        """Write a source; its attachments are class maps, and what has none."""
        content = source_rows(self._connection, dataset.id or 0)
        name = self._target.add_layer(content.layer(), content.rows())
        with reader(dataset) as fetch:
            self._target.add_attachments(name, self._attachments(table, dataset, fetch))
        self._done.layers.append(name)

    def _class_maps(self, table: str) -> Iterator[Attachment]:
        for number, name, raster, keywords in self._connection.execute(
            _CLASS_MAPS.format(table=quote(table))
        ):
            with self._missing(name, number):
                yield self._class_map(number, name, raster, keywords)

    def _attachments(self, table: str, dataset: Dataset, fetch: Fetch) -> Iterator[Attachment]:
        rows = self._connection.execute(_ATTACHMENTS, {"dataset": dataset.id, "table": table})
        for number, name, kind, key, content_type, sha256, reason, keywords, raster in rows:
            with self._missing(name, number):
                if raster is not None:
                    yield self._class_map(number, name, raster, keywords)
                    continue
                item = Item(kind=kind, source_key=key, name=name, sha256=sha256, reason=reason)
                content = fetched(fetch, item)
                data = content if isinstance(content, bytes) else content.read_bytes()
                self._done.photos += 1
                declared = content_type or "application/octet-stream"
                yield Attachment(number, declared, name, keywords, data)

    def _class_map(self, number: int, name: str, raster: str, keywords: str | None) -> Attachment:
        try:
            data = listed_raster(self._folder, raster).read_bytes()
        except (ItemError, OSError) as error:
            raise ItemError(f"its class map {first_line(error)}; classify again") from error
        self._done.class_maps += 1
        return Attachment(number, CONTENT_TYPE, f"{PurePath(name).stem}.tif", keywords, data)

    @contextmanager
    def _missing(self, name: str, number: int) -> Iterator[None]:
        try:
            yield
        except ItemError as error:
            self._done.missing.append(f"{name} of row {number}: {error}")
