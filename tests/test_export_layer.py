"""A layer of a catalog in the formats of others: every value stays."""

import csv
import json
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fiona
import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from click.testing import CliRunner
from pyarrow import parquet

import pixelcat
from pixelcat.catalog.column_info import write
from pixelcat.catalog.geometry import register_functions
from pixelcat.catalog.records import Column
from pixelcat.cli import cli

Function = Callable[..., Any]
UTM = "EPSG:32631"
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
WIDE = 2**62 + 1


@pytest.fixture
def catalog(class_catalog: Function, tmp_path: Path) -> Path:
    """A catalog with a layer of zones: awkward values, a domain, a row without geometry."""
    path = class_catalog([("a.tif", np.full((9, 9), 2, np.uint8), PLACE, UTM)])
    layer = tmp_path / "fields.gpkg"
    frame = geopandas.GeoDataFrame(
        {
            "wide": pd.array([WIDE, None], dtype="Int64"),
            "name": ["Äcker, \"oben\"", None],
            "code": [1, 2],
            "at": pd.to_datetime(["2024-02-29T12:00:01.500Z", None]),
        },
        geometry=[shapely.box(500_000, 4_999_950, 500_050, 5_000_000), None],
        crs=UTM,
    )  # fmt: skip
    frame.to_file(layer, layer="fields", engine="pyogrio")
    with closing(sqlite3.connect(layer)) as database:
        write(database, "fields", [Column(name="code", sql_type="INTEGER", alias="Use", domain="uses")],
              {"uses": {"1": "Arable", "2": "Meadow"}})  # fmt: skip
        database.commit()
    pixelcat.zones(path, layer)
    layer.unlink()
    return path


def export(catalog: Path, name: str, layer: str = "fields_zones") -> Any:
    words = ["export", str(catalog), "--layer", layer, "--to", str(catalog.with_name(name))]
    return CliRunner().invoke(cli, words)


def test_a_geopackage_has_everything(catalog, gpkg_errors):
    before = catalog.read_bytes()
    result = export(catalog, "out.gpkg")
    assert result.exit_code == 0, result.output
    assert "wrote 2 rows of fields_zones" in result.stderr
    target = catalog.with_name("out.gpkg")
    assert gpkg_errors(target) == []
    with closing(sqlite3.connect(target)) as new, closing(sqlite3.connect(catalog)) as old:
        query = "select * from fields_zones order by fid"
        assert new.execute(query).fetchall() == old.execute(query).fetchall()
        described = "select column_name, name, title, constraint_name from gpkg_data_columns"
        assert new.execute(described).fetchall() == [("code", "Use", "Use", "uses")]
        codes = "select value, description from gpkg_data_column_constraints order by 1"
        assert new.execute(codes).fetchall() == [("1", "Arable"), ("2", "Meadow")]
    assert catalog.read_bytes() == before


@pytest.mark.parametrize("name", ["out.geojson", "out.fgb"])
def test_others_keep_the_values(catalog, name):
    assert export(catalog, name).exit_code == 0
    with fiona.open(catalog.with_name(name)) as file:
        rows = list(file)
    first, second = (dict(row.properties) for row in rows)
    assert (first["wide"], second["wide"]) == (WIDE, None)
    assert (first["name"], second["name"]) == ('Äcker, "oben"', None)
    assert first["at"].startswith("2024-02-29T12:00:01.5")
    assert first["pixels"] == pytest.approx(25)
    assert first["area_m2_crop"] == pytest.approx(2500)
    assert second["reason"] == "has no geometry"
    assert rows[1].geometry is None
    if name.endswith(".geojson"):
        assert "crs" not in json.loads(catalog.with_name(name).read_text())


def test_geoparquet_has_the_values_with_their_types(catalog):
    assert export(catalog, "out.parquet").exit_code == 0
    found = geopandas.read_parquet(catalog.with_name("out.parquet"))
    assert found.crs == UTM
    assert found.geometry.name == "geom"
    assert shapely.equals(found.geometry[0], shapely.box(500_000, 4_999_950, 500_050, 5_000_000))
    assert found.geometry[1] is None
    typed = parquet.read_table(catalog.with_name("out.parquet"))
    assert typed["fid"].to_pylist() == [1, 2]
    assert typed["wide"].to_pylist() == [WIDE, None]
    assert typed["name"].to_pylist() == ['Äcker, "oben"', None]
    assert typed["at"].to_pylist() == [datetime(2024, 2, 29, 12, 0, 1, 500_000, UTC), None]
    assert typed["area_m2_crop"].to_pylist() == [pytest.approx(2500), None]
    assert typed["reason"].to_pylist() == [None, "has no geometry"]
    said = json.loads(typed.schema.metadata[b"geo"])["columns"]["geom"]
    assert said["geometry_types"] == ["Polygon"]


def test_parquet_of_a_table_keeps_bytes_and_what_does_not_fit_as_text(catalog):
    with closing(sqlite3.connect(catalog)) as database:
        database.executescript(
            "CREATE TABLE mixed (fid INTEGER PRIMARY KEY, data BLOB, number INTEGER, day DATE);"
            "INSERT INTO mixed VALUES (1, x'00ff', 7, '2024-05-01'), (2, NULL, 'seven', NULL);"
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('mixed', 'attributes');"
        )
    assert export(catalog, "out.parquet", "mixed").exit_code == 0
    typed = parquet.read_table(catalog.with_name("out.parquet"))
    assert typed.to_pylist() == [
        {"fid": 1, "data": b"\x00\xff", "number": "7", "day": date(2024, 5, 1)},
        {"fid": 2, "data": None, "number": "seven", "day": None},
    ]
    assert b"geo" not in (typed.schema.metadata or {})


def test_geoparquet_says_that_it_has_no_curves(catalog):
    arc = struct.pack("<BII6d", 1, 8, 3, 0, 0, 1, 1, 2, 0)
    with closing(sqlite3.connect(catalog)) as database:
        register_functions(database)
        database.execute(
            "UPDATE fields_zones SET geom = ? WHERE fid = 1",
            (struct.pack("<2sBBi", b"GP", 0, 1, 32631) + arc,),
        )
        database.commit()
    result = export(catalog, "out.parquet")
    assert "out.parquet: GeoParquet has no CIRCULARSTRING" in str(result.exception)
    assert not catalog.with_name("out.parquet").exists()


def test_a_table_without_geometry_as_csv(catalog):
    assert export(catalog, "out.csv", "zone_classes").exit_code == 0
    with open(catalog.with_name("out.csv"), encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["class_name"] == "Crop"
    assert float(row["area_m2"]) == pytest.approx(2500)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "x.fgb"], "name it with --layer"),
        (["--layer", "none", "--to", "x.fgb"], "no layer none; there are: class"),
        (["--layer", "fields_zones", "--to", "x.doc"], "ends in .gpkg"),
        (["--layer", "fields_zones", "--to", "x.shp"], ".gpkg opens in ArcGIS and QGIS as well"),
        (["--layer", "fields_zones", "--to", "results.gpkg"], "exists and is left alone"),
    ],
)
def test_mistakes_are_one_line(catalog, words, message, monkeypatch):
    monkeypatch.chdir(catalog.parent)
    result = CliRunner().invoke(cli, ["export", str(catalog), *words])
    assert message in str(result.exception)
    assert not list(catalog.parent.glob("*x.fgb*"))
