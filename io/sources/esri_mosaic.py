"""An Esri mosaic dataset in a file geodatabase, with the table of its exported paths.

Where its rasters lie is in BLOBs that Esri does not document; *Export Mosaic Dataset Paths* of
ArcGIS writes a table of it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import fiona
import numpy as np
import shapely
from fiona.errors import FionaError

from ...catalog.errors import SourceError
from ...catalog.records import Feature, Scan
from ..extent import Extent
from ..gdal_words import in_plain_words
from ..member_paths import MemberFolders
from ..members import Member, Members
from ..ogr import layer_info, read_features
from ..photo_paths import clean_path
from ..scan_options import ScanOptions
from ..tables import Table, open_tables
from ..zipped_geodatabase import gdal_path, is_file_geodatabase
from .mosaics import reader_of, scan_members

KIND = "esri_mosaic"
IS_WHOLE = False

_BEFORE, _AFTER = "AMD_", "_CAT"
_ALL = {"LIST_ALL_TABLES": "YES"}
_PRIMARY = 1
"""Category of what is no overview."""
_SIDECARS = (".ovr", ".aux.xml", ".msk", ".tfw", ".xml", ".prj")


def matches(path: Path) -> bool:
    """Return whether this is a file geodatabase with mosaic datasets and no attachments."""
    if not is_file_geodatabase(path):
        return False
    try:
        names = fiona.listlayers(gdal_path(path), **_ALL)
    except FionaError:
        return False
    return bool(_mosaics(names)) and not any(n.upper().endswith("__ATTACH") for n in names)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield a mosaic dataset as one dataset."""
    return scan_members(KIND, _index, path, options)


reader = partial(reader_of, lambda path, options: _index(path, options))


def _mosaics(names: list[str]) -> list[str]:
    return [
        name[len(_BEFORE) : -len(_AFTER)]
        for name in names
        if name.upper().startswith(_BEFORE) and name.upper().endswith(_AFTER)
    ]


def _index(path: Path, options: ScanOptions) -> Members:
    name = _chosen(path, options.layer)
    if options.paths is None:
        raise SourceError(
            f"{path}: {name} is a mosaic dataset; the paths of its rasters are readable by ArcGIS"
            " alone: run Export Mosaic Dataset Paths there and give its table with --paths"
        )
    file, _, layer = options.paths.partition("|layername=")
    if not Path(file).exists():
        raise SourceError(f"--paths {file}: no such file")
    paths = _paths(Path(file), layer or None)
    folders = MemberFolders(path.parent, options.media, allow_outside=True)  # said by --paths
    return Members(listed=tuple(_members(path, f"{_BEFORE}{name}{_AFTER}", paths, folders)))


def _chosen(path: Path, layer: str | None) -> str:
    try:
        names = _mosaics(fiona.listlayers(gdal_path(path), **_ALL))
    except FionaError as error:
        raise SourceError(f"{path}: cannot be read: {in_plain_words(error)}") from error
    chosen = [n for n in names if layer is None or n.lower() == layer.lower()]
    if len(chosen) != 1:
        listing = ", ".join(names) or "none"
        raise SourceError(f"{path}: which mosaic dataset? --layer says it: {listing}")
    return chosen[0]


def _paths(path: Path, layer: str | None) -> Mapping[int, list[str]]:
    """Return the paths by the number of their item."""
    tables = [t for t in open_tables(path) if layer is None or t.name.lower() == layer.lower()]
    for table in tables:
        number, where = _named(table, "sourceoid"), _named(table, "path", "sourcepath", "filepath")
        if number and where:
            found: defaultdict[int, list[str]] = defaultdict(list)
            for _, (oid, text) in table.rows([number, where]):
                if isinstance(text, str) and str(oid).strip().isdigit():
                    found[int(str(oid))].append(text)
            return found
    listing = ", ".join(c.name for t in tables for c in t.columns) or "none"
    raise SourceError(
        f"--paths {path}: no table with the columns SourceOID and Path, as Export Mosaic Dataset"
        f" Paths writes them; there are {listing}"
    )


def _named(table: Table, *names: str) -> str | None:
    columns = {column.name.lower(): column.name for column in table.columns}
    return next((columns[name] for name in names if name in columns), None)


def _members(
    path: Path, table: str, paths: Mapping[int, list[str]], folders: MemberFolders
) -> Iterator[Member]:
    """Yield the primary items."""
    info = layer_info(path, table, **_ALL)
    columns = tuple(column for column in info.columns if column.sql_type != "BLOB")
    info = replace(info, columns=columns)
    for feature in read_features(path, table, info, global_id=None, **_ALL):
        attributes = {name.lower(): value for name, value in feature.attributes.items()}
        if attributes.get("category", _PRIMARY) == _PRIMARY:
            yield _member(feature, info.crs, paths.get(feature.source_fid, []), folders)


def _member(feature: Feature, crs: str | None, paths: list[str], folders: MemberFolders) -> Member:
    attributes = feature.attributes
    rasters = [p for p in dict.fromkeys(paths) if not clean_path(p).lower().endswith(_SIDECARS)]
    if len(rasters) != 1:
        names = ", ".join(PurePosixPath(clean_path(each)).name for each in rasters[:3])
        reason = f"is made of {len(rasters)} files ({names})" if rasters else "--paths has none"
        key = f"item {feature.source_fid}"
        return Member(key=key, path=None, lost=reason, attributes=attributes)
    key, file, lost = folders.find(rasters[0])
    bounds = shapely.bounds(shapely.from_wkb(feature.geometry)).tolist()
    outline = Extent(bounds=tuple(bounds), crs=crs) if np.isfinite(bounds).all() else None
    return Member(key=key, path=file, lost=lost, attributes=attributes, outline=outline)
