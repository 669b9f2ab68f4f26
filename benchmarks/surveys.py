"""Surveys with any number of photos, written one photo at a time."""

import io
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import fiona
import geopandas
import numpy as np
import shapely
from PIL import Image

PHOTOS_PER_FEATURE = 4
_COMMENT = b"\xff\xfe"
_MOST_PADDING = 4096

_ATTACHMENTS = {
    "geometry": "None",
    "properties": {
        "REL_OBJECTID": "int32",
        "CONTENT_TYPE": "str:150",
        "ATT_NAME": "str:250",
        "DATA_SIZE": "int32",
        "DATA": "bytes",
    },
}
_MEDIA = """
create table photos (id integer primary key autoincrement not null,
  content_type text not null, data blob);
create table plots_photos (base_id integer not null, related_id integer not null);
create table gpkgext_relations (id integer primary key autoincrement,
  base_table_name text not null, base_primary_column text not null default 'id',
  related_table_name text not null, related_primary_column text not null
  default 'id', relation_name text not null, mapping_table_name text not null);
insert into gpkgext_relations values
  (1, 'plots', 'fid', 'photos', 'id', 'media', 'plots_photos');
insert into gpkg_contents (table_name, data_type, identifier) values
  ('photos', 'attributes', 'photos'), ('plots_photos', 'attributes', 'mapping');
"""


def photos(count: int, kilobytes: float) -> Iterator[bytes]:
    """Yield JPEG files of about one size: the same noise, a comment that differs."""
    base = _noise(int(kilobytes * 1000) - _MOST_PADDING // 2)
    for number in range(1, count + 1):
        text = str(number).encode().ljust(16 + number * 37 % _MOST_PADDING, b".")
        segment = _COMMENT + (len(text) + 2).to_bytes(2, "big") + text
        yield base[:2] + segment + base[2:]


def _noise(size: int) -> bytes:
    """Return a square JPEG of noise of about this many bytes, with few pixels to decode."""
    sample = 256
    side = round(sample * (size / len(_encoded(sample))) ** 0.5)
    return _encoded(max(side, 8))


def _encoded(side: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def _features(count: int) -> geopandas.GeoDataFrame:
    numbers = range(1, -(-count // PHOTOS_PER_FEATURE) + 1)
    return geopandas.GeoDataFrame(
        {"plot_id": [f"P{number}" for number in numbers]},
        geometry=[shapely.Point(4 + number / 100_000, 45) for number in numbers],
        crs=4326,
    )


def _feature_of(number: int) -> int:
    return 1 + (number - 1) // PHOTOS_PER_FEATURE


def write_file_geodatabase(path: Path, count: int, kilobytes: float) -> None:
    """Write points and their attachments; the path is to end in ``.gdb``."""
    _features(count).to_file(path, layer="plots", driver="OpenFileGDB", engine="pyogrio")
    with fiona.open(
        path, "w", driver="OpenFileGDB", layer="plots__ATTACH", schema=_ATTACHMENTS
    ) as table:
        table.writerecords(
            {
                "geometry": None,
                "properties": {
                    "REL_OBJECTID": _feature_of(number),
                    "CONTENT_TYPE": "image/jpeg",
                    "ATT_NAME": f"photo{number}.jpg",
                    "DATA_SIZE": len(data),
                    "DATA": data,
                },
            }
            for number, data in enumerate(photos(count, kilobytes), 1)
        )


def write_geopackage(path: Path, count: int, kilobytes: float) -> None:
    """Write points and their photos as related media."""
    write_media(path, count, photos(count, kilobytes))


def write_media(path: Path, count: int, images: Iterable[bytes]) -> None:
    """Write points and these photos as related media."""
    _features(count).to_file(path, layer="plots", driver="GPKG", engine="pyogrio")
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(_MEDIA)
        connection.executemany(
            "insert into photos (content_type, data) values ('image/jpeg', ?)",
            ((data,) for data in images),
        )
        connection.executemany(
            "insert into plots_photos values (?, ?)",
            ((_feature_of(number), number) for number in range(1, count + 1)),
        )
    connection.close()


def read_file_geodatabase(path: Path) -> Iterator[bytes]:
    """Yield every attachment, as fiona alone reads them."""
    with fiona.open(path, layer="plots__ATTACH") as table:
        for row in table:
            yield row.properties["DATA"]


def read_geopackage(path: Path) -> Iterator[bytes]:
    """Yield every photo, as ``sqlite3`` alone reads them."""
    connection = sqlite3.connect(path)
    for (data,) in connection.execute("select data from photos order by id"):
        yield data
    connection.close()
