"""Aliases and coded domains, from the source to the output feature class."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyogrio
import pytest

from pixelcat.catalog import column_info
from pixelcat.catalog.records import Column, Dataset, Feature, Scan
from pixelcat.catalog.store import Catalog
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import scan

COLUMNS = (
    Column(name="plot", sql_type="TEXT(10)", alias="Plot number"),
    Column(name="soil", sql_type="MEDIUMINT", alias="Type of soil", domain="Soils"),
    Column(name="subsoil", sql_type="MEDIUMINT", domain="Soils"),
    Column(name="status", sql_type="TEXT(4)", alias="Plot number", domain="States"),
    Column(name="trees", sql_type="MEDIUMINT", domain="a range"),
)
SOILS = {"1": "Sand", "2": "Clay & loam"}
DOMAINS = {"Soils": SOILS, "States": {"ok": "In order", "": "Not visited"}}


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        yield opened


def add(catalog, layer="plots", columns=COLUMNS, domains=DOMAINS):
    """Record a feature class of one feature, by hand."""
    dataset = Dataset(
        kind="filegdb",
        uri="/by/hand.gdb",
        layer=layer,
        columns=columns,
        domains=domains,
        options={"note": "by hand"},
    )
    values = {"plot": "P1", "soil": 2, "subsoil": None, "status": "ok", "trees": 3}
    return catalog.add(Scan(dataset=dataset, features=[Feature(source_fid=1, attributes=values)]))


def rows(catalog, sql):
    return [tuple(row.values()) for row in catalog.query(sql)]


def described(catalog):
    return rows(
        catalog,
        "SELECT column_name, name, title, constraint_name FROM gpkg_data_columns"
        " WHERE table_name = 'plots_classified' ORDER BY rowid",
    )


def constraints(catalog):
    return rows(
        catalog,
        "SELECT constraint_name, constraint_type, value, description"
        " FROM gpkg_data_column_constraints ORDER BY rowid",
    )


def test_output_tables_have_the_aliases_and_domains_of_their_source(
    catalog, start_run, gpkg_errors
):
    for table in catalog.write_feature_class(add(catalog).id, start_run(catalog)):
        names = rows(
            catalog,
            f"SELECT column_name FROM gpkg_data_columns WHERE table_name = '{table}' ORDER BY rowid",
        )
        shares = [("share_water",), ("share_crop",), ("share_built_up",)]
        assert names == [
            *(("plot",), ("soil",), ("subsoil",), ("status_source",)),
            *(shares if table.endswith("_summary") else ()),
        ]
    assert described(catalog) == [
        ("plot", "Plot number", "Plot number", None),
        ("soil", "Type of soil", "Type of soil", "Soils"),
        ("subsoil", None, None, "Soils"),
        ("status_source", None, "Plot number", "States"),
    ]
    assert constraints(catalog) == [
        ("Soils", "enum", "1", "Sand"),
        ("Soils", "enum", "2", "Clay & loam"),
        ("States", "enum", "ok", "In order"),
        ("States", "enum", "", "Not visited"),
    ]
    path = catalog.path
    catalog.close()
    assert gpkg_errors(path) == []


def test_gdal_reads_them_as_aliases_and_field_domains(catalog, start_run):
    pyarrow = pytest.importorskip("pyarrow")
    catalog.write_feature_class(add(catalog).id, start_run(catalog))
    catalog.close()
    with pyogrio.open_arrow(catalog.path, layer="plots_classified") as (_, stream):
        schema = pyarrow.RecordBatchReader.from_stream(stream).schema
    assert schema.field("soil").metadata == {
        b"GDAL:OGR:alternative_name": b"Type of soil",
        b"GDAL:OGR:domain_name": b"Soils",
    }


def test_writing_again_leaves_one_description(catalog, start_run):
    dataset, run = add(catalog), start_run(catalog)
    catalog.write_feature_class(dataset.id, run)
    before = described(catalog), constraints(catalog)
    catalog.write_feature_class(dataset.id, run)
    assert (described(catalog), constraints(catalog)) == before
    catalog.write_feature_class(dataset.id, run, name="other")
    assert described(catalog) == []
    assert constraints(catalog) == before[1]


def test_a_domain_of_other_codes_gets_another_name(catalog, start_run):
    run = start_run(catalog)
    catalog.write_feature_class(add(catalog).id, run)
    codes = {"1": "Granite"}
    other = add(catalog, layer="rocks", columns=COLUMNS[1:2], domains={"Soils": codes})
    catalog.write_feature_class(other.id, run)
    assert ("Soils_2", "enum", "1", "Granite") in constraints(catalog)
    assert described(catalog)[1] == ("soil", "Type of soil", "Type of soil", "Soils")


def test_a_domain_that_nothing_uses_any_more_goes(catalog, start_run):
    run = start_run(catalog)
    catalog.write_feature_class(add(catalog).id, run)
    catalog.write_feature_class(add(catalog, domains={"Soils": SOILS}).id, run)
    assert {name for name, *_ in constraints(catalog)} == {"Soils"}


def test_without_aliases_and_domains_only_share_columns_are_described(catalog, start_run):
    columns = [Column(name=column.name, sql_type=column.sql_type) for column in COLUMNS]
    catalog.write_feature_class(add(catalog, columns=columns).id, start_run(catalog))
    assert rows(catalog, "SELECT column_name, name FROM gpkg_data_columns") == [
        ("share_water", "Water"), ("share_crop", "Crop"), ("share_built_up", "Built Up"),
    ]  # fmt: skip


def test_a_catalog_from_before_opens(catalog, start_run):
    dataset, run = add(catalog), start_run(catalog)
    catalog.close()
    columns = json.dumps([{"name": c.name, "sql_type": c.sql_type} for c in COLUMNS])
    with closing(sqlite3.connect(catalog.path)) as database, database:
        database.execute("UPDATE datasets SET columns = ?, options = '{}'", (columns,))
    with Catalog(catalog.path) as opened:
        table, _ = opened.write_feature_class(dataset.id, run)
        assert rows(opened, f"SELECT plot, soil FROM {table}") == [("P1", 2)]


def test_other_options_stay_beside_the_domains(catalog):
    add(catalog)
    ((options,),) = rows(catalog, "SELECT options FROM datasets")
    assert json.loads(options) == {"note": "by hand", "domains": DOMAINS}


# --- from a GeoPackage -------------------------------------------------------------------

SCHEMA = """
CREATE TABLE gpkg_data_columns (table_name, column_name, name, title, description, mime_type,
  constraint_name);
CREATE TABLE gpkg_data_column_constraints (constraint_name, constraint_type, value, min,
  minIsInclusive, max, maxIsInclusive, description);
INSERT INTO gpkg_data_columns VALUES
  ('PLOTS', 'plot_id', NULL, 'Plot number', NULL, NULL, 'Numbers'),
  ('plots', 'nothing', 'a column that is not there', NULL, NULL, NULL, NULL);
INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value, description)
  VALUES ('Numbers', 'enum', 'P1', 'First'), ('Numbers', 'enum', 'P2', NULL),
  ('Numbers', 'range', NULL, 'no code');
"""


@pytest.mark.parametrize("photo_columns", [(), ("plot_id",)])
def test_those_of_a_geopackage_are_read(make_gpkg, photo_columns):
    path = make_gpkg([], [])
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
    (scanned,) = scan(path, options=ScanOptions(photo_columns=photo_columns))
    assert scanned.dataset.columns == (
        Column(name="plot_id", sql_type="TEXT", alias="Plot number", domain="Numbers"),
    )
    assert scanned.dataset.domains == {"Numbers": {"P1": "First", "P2": "P2"}}


def test_a_table_that_only_has_the_name_is_passed_over(make_gpkg):
    path = make_gpkg([], [])
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE gpkg_data_columns (table_name)")
        assert column_info.describe(database, "plots", COLUMNS[:1]) == [
            Column(name="plot", sql_type="TEXT(10)")
        ]
    assert len(list(scan(path))) == 1


def test_the_documented_question_is_answered(catalog, start_run):
    text = (Path(__file__).parents[1] / "docs" / "catalog.md").read_text(encoding="utf-8")
    (sql,) = re.findall(r"-- what the codes.*?;", text, flags=re.DOTALL)
    dataset = add(catalog, layer="roads", columns=(replace(COLUMNS[1], name="surface"),))
    catalog.write_feature_class(dataset.id, start_run(catalog))
    assert rows(catalog, sql) == list(SOILS.items())
