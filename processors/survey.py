"""What is in an input: layers, photos, types, and what cannot be used and why."""

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ..catalog.ingest_items import is_gone
from ..catalog.records import Scan
from ..catalog.store import Catalog
from ..io.scan_options import ScanOptions
from .inputs import as_inputs, check_paths, in_degrees, options_for
from .workers.reading import PATIENCE_S
from .workers.start import start

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What a scan found, a dictionary per row."""

    catalog: Path | None
    """Where it was recorded; None after a dry run."""
    layers: Rows
    """Per layer (or folder, or file): features, with and without photos, photos, usable."""
    types: Rows
    """Per layer and type of image: how many, megabytes, usable."""
    reasons: Rows
    """Per layer and reason: how many images cannot be used, and one of them."""
    notes: tuple[str, ...] = ()
    """What else is to be said about the inputs."""


def scan(
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str] | None = None,
    options: ScanOptions | None = None,
    environment: Mapping[str, Any] | None = None,
    workers: int | None = None,
    item_timeout: float = PATIENCE_S,
) -> Survey:
    """Find out what is in inputs; nothing is classified and no model is needed.

    Args:
        inputs: As for :func:`pixelcat.classify`.
        output: The catalog that records it, made where it does not exist; None records
            nothing.
        options: What the user says about the inputs.
        environment: What of services is looked at: ``extent``, ``extent_crs``, ``cell_size``
            and ``crs``; nothing else counts here.
        workers: 0 to read the inputs in this process, else in one of its own: an image that takes
            it down is unreadable. Default as for :func:`pixelcat.classify`.
        item_timeout: Seconds without a sign of life after which reading an image is given up.

    Raises:
        UsageError: The output cannot be one.
        SourceError: An input is missing or unreadable.
        CatalogError: The catalog cannot be used.
    """
    sought = as_inputs(inputs)
    check_paths(sought, None if output is None else Path(output))
    look = options or ScanOptions()
    with start(workers, item_timeout) as hands:
        place = in_degrees(hands.environment(environment or {}), sought)
        scans = hands.scan([(each, options_for(each, look, place)) for each in sought])
        return _recorded(scans, output)


def _recorded(scans: Sequence[Scan], output: str | os.PathLike[str] | None) -> Survey:
    """Return what scans have found, once a catalog has it."""
    with _catalog(output) as catalog:
        ids = [catalog.add(each).id for each in scans]
        chosen = ", ".join("?" for _ in ids)
        names = _source_names({each.dataset.uri for each in scans})
        layers, types, reasons = (
            [_named(row, names) for row in catalog.query(sql.format(chosen=chosen), ids)]
            for sql in _QUERIES
        )
        remarks = catalog.query(_REMARKS.format(chosen=chosen), ids)
    return Survey(
        catalog=None if output is None else Path(output).resolve(),
        layers=layers,
        types=types,
        reasons=reasons,
        notes=(
            *(o["note"] for each in scans if "note" in (o := each.dataset.options)),
            *(f"{row['name']}: {row['reason']}" for row in remarks),
        ),
    )


def _source_names(uris: Collection[str]) -> dict[str, str]:
    """Return what inputs are called: the end of the path, as long as tells all apart."""
    parts = {uri: PurePath(uri).parts for uri in uris}
    for length in range(1, max(map(len, parts.values()), default=1) + 1):
        names = {uri: str(PurePath(*each[-length:])) for uri, each in parts.items()}
        if len(set(names.values())) == len(uris):
            return names
    return {uri: uri for uri in uris}


def _named(row: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Put the input first; what has no layers goes by the name of its file or folder."""
    uri = row.pop("uri")
    place = uri.partition("#")[0] if "://" in uri else uri
    layer = row.pop("layer") or PurePath(place).name
    return {"source": names[uri], "layer": layer, **row}


@contextmanager
def _catalog(output: str | os.PathLike[str] | None) -> Iterator[Catalog]:
    """Open the catalog, or one that is gone afterwards."""
    if output is not None:
        with Catalog(output, create=True) as catalog:
            yield catalog
        return
    with (
        tempfile.TemporaryDirectory(prefix="pixelcat-scan-") as folder,
        Catalog(Path(folder) / "scan.gpkg", create=True) as catalog,
    ):
        yield catalog


_SHOWN = f"""
WITH shown AS (SELECT d.id AS dataset, d.layer, d.uri, d.kind AS source_kind, i.*,
    (i.status = 'ready') AS usable
  FROM datasets d LEFT JOIN items i ON i.dataset_id = d.id
    AND NOT {is_gone("i.reason")}
  WHERE d.id IN ({{chosen}}))
"""
_LAYERS = (
    _SHOWN
    + """
SELECT s.layer, s.uri,
  (SELECT count(*) FROM features f WHERE f.dataset_id = s.dataset) AS features,
  (SELECT count(DISTINCT l.base_id) FROM features_items l JOIN features f ON f.fid = l.base_id
    WHERE f.dataset_id = s.dataset) AS with_photos,
  (SELECT count(*) FROM features f WHERE f.dataset_id = s.dataset
    AND NOT EXISTS (SELECT 1 FROM features_items l WHERE l.base_id = f.fid)) AS without,
  count(s.id) AS photos, coalesce(sum(s.usable), 0) AS usable,
  count(s.id) - coalesce(sum(s.usable), 0) AS not_usable,
  count(s.id) FILTER (WHERE s.duplicate_of IS NOT NULL) AS copies
FROM shown s GROUP BY s.dataset ORDER BY s.dataset
"""
)
_TYPES = (
    _SHOWN
    + """
SELECT layer, uri, coalesce(content_type, CASE kind WHEN 'service' THEN 'of a service'
  WHEN 'mosaic' THEN iif(usable, 'mosaic', 'no image')
  WHEN 'member' THEN iif(usable, iif(source_kind IN ('tile_tables', 'filegdb_rasters'),
    'raster', 'of a service'), 'no image') ELSE 'no image' END) AS type,
  count(*) AS photos,
  round(total(byte_size) / 1e6, 2) AS megabytes, sum(usable) AS usable
FROM shown WHERE id IS NOT NULL GROUP BY dataset, type ORDER BY dataset, photos DESC
"""
)
_REASONS = (
    _SHOWN
    + """
SELECT layer, uri, status, reason, count(*) AS photos, min(name) AS for_example
FROM shown WHERE NOT usable GROUP BY dataset, status, reason ORDER BY dataset, photos DESC
"""
)
_REMARKS = """
SELECT name, reason FROM items WHERE kind = 'mosaic' AND status = 'ready' AND reason NOT NULL
  AND dataset_id IN ({chosen}) ORDER BY id
"""
_QUERIES = (_LAYERS, _TYPES, _REASONS)
