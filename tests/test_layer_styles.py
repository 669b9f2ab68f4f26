"""Output layers for others: styles that QGIS finds, and values that other formats keep."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas
import pandas as pd
import pyogrio
import pytest
import shapely
from PIL import Image

from pixelcat.catalog.records import ClassDefinition, Dataset, Feature, Item, Scan
from pixelcat.catalog.store import Catalog
from pixelcat.io.sources import scan

Function = Callable[..., Any]
LAYER, SUMMARY = "plots_classified", "plots_classified_summary"


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Plots with a column of photos: two with a photo, one whose photo is gone, one without."""
    (tmp_path / "photos").mkdir()
    for name, color in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (8, 6), color).save(tmp_path / "photos" / name)
    frame = geopandas.GeoDataFrame(
        {
            "plot": ["P1", "Füße <2>", "P3", "P4"],
            "trees": pd.array([1, 2, None, 4], dtype="Int32"),
            "slope": [0.1, 1 / 3, None, 1e-9],
            "big": [2**53 - 1, 0, -5, 7],
            "seen": pd.to_datetime(["2024-05-01", "2023-12-31", None, "2000-02-29"]),
            "photo": ["photos/a.png", "photos/b.png", "photos/none.png", None],
        },
        geometry=[shapely.Point(4 + n / 10, 45) for n in range(4)],
        crs=4326,
    )
    frame.to_file(tmp_path / "survey.gpkg", layer="plots", driver="GPKG")
    return tmp_path / "survey.gpkg"


@pytest.fixture
def catalog_file(survey: Path, start_run: Function, done: Function) -> Path:
    path = survey.with_name("results.gpkg")
    with Catalog(path, create=True) as catalog:
        (dataset,) = [catalog.add(each) for each in scan(survey)]
        run = start_run(catalog)
        pixels_of = ({1: 30, 9: 18}, {2: 48})
        for item, pixels in zip(catalog.pending(run, [dataset.id]), pixels_of, strict=True):
            catalog.record(run, done(item, pixels))
        catalog.settle_unusable(run, [dataset.id])
        catalog.write_feature_class(dataset.id, run)
    return path


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def style(path: Path, table: str) -> ElementTree.Element:
    ((qml,),) = rows(path, f"select styleQML from layer_styles where f_table_name = '{table}'")
    return ElementTree.fromstring(qml)


def legend(root: ElementTree.Element) -> dict[str | None, str | None]:
    """Colours by value, as QGIS puts them together."""
    colors = {
        symbol.get("name"): symbol.find("layer/prop[@k='color']").get("v")  # type: ignore[union-attr]
        for symbol in root.findall("renderer-v2/symbols/symbol")
    }
    categories = root.findall("renderer-v2/categories/category")
    return {each.get("value"): colors[each.get("symbol")] for each in categories}


def test_layers_have_the_colours_of_their_classes(
    catalog_file: Path, gpkg_errors: Function
) -> None:
    for table in (LAYER, SUMMARY, "classified_footprints"):
        root = style(catalog_file, table)
        renderer = root.find("renderer-v2")
        assert renderer is not None
        assert (renderer.get("type"), renderer.get("attr")) == (
            "categorizedSymbol", "dominant_class"
        )  # fmt: skip
        assert legend(root) == {
            "Water": "0,0,255,255", "Crop": "255,255,0,255", "Built Up": "255,0,0,255",
            "": "180,180,180,255",
        }  # fmt: skip
    kinds = [style(catalog_file, table).find("renderer-v2/symbols/symbol") for table in
             (LAYER, "classified_footprints")]  # fmt: skip
    assert [kind is not None and kind.get("type") for kind in kinds] == ["marker", "fill"]
    assert gpkg_errors(catalog_file) == []
    seen = rows(catalog_file, f"select seen from {LAYER} order by source_fid")
    assert seen[0] == ("2024-05-01T00:00:00.000Z",)


def test_forms_show_the_photo_and_its_class_map(catalog_file: Path) -> None:
    root = style(catalog_file, LAYER)
    fields = root.findall("fieldConfiguration/field")
    assert [each.get("name") for each in fields] == ["classified_image", "image_path"]
    for each in fields:
        widget = each.find("editWidget")
        assert widget is not None and widget.get("type") == "ExternalResource"
        viewer = widget.find(".//Option[@name='DocumentViewer']")
        assert viewer is not None and viewer.get("value") == "1"
    tip = root.findtext("mapTip") or ""
    assert "<img" in tip and '"classified_image"' in tip and '"image_path"' in tip
    assert "image_path" not in (
        style(catalog_file, "classified_footprints").findtext("mapTip") or ""
    )


def test_photos_that_are_files_have_a_path(catalog_file: Path, survey: Path) -> None:
    paths = rows(catalog_file, f"select image_path from {LAYER} order by source_fid")
    folder = survey.parent / "photos"
    assert paths == [(str(folder / "a.png"),), (str(folder / "b.png"),), (None,), (None,)]
    assert all(Path(path).is_file() for (path,) in paths if path)


@pytest.mark.parametrize("given", ["", "form.csv"])
def test_photos_of_a_form_export_have_a_path(
    tmp_path: Path, start_run: Function, given: str
) -> None:
    folder = tmp_path / "export"
    (folder / "media").mkdir(parents=True)
    Image.new("RGB", (8, 6), "red").save(folder / "media" / "1.jpg")
    columns = (
        "SubmissionDate,photo,meta-instanceID,KEY,SubmitterID,SubmitterName,AttachmentsPresent,"
        "AttachmentsExpected,Status,ReviewState,DeviceID,Edits,FormVersion"
    )
    row = "2024-05-01T10:00:00Z,1.jpg,uuid:1,uuid:1,5,Ann,1,1,,,d,0,1"
    (folder / "form.csv").write_text(f"{columns}\n{row}\n")
    path = tmp_path / "results.gpkg"
    with Catalog(path, create=True) as catalog:
        (dataset,) = [catalog.add(each) for each in scan(folder / given)]
        table, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
    assert rows(path, f'select image_path from "{table}"') == [(str(folder / "media/1.jpg"),)]


def test_photos_that_a_table_names_elsewhere_have_a_path(
    tmp_path: Path, start_run: Function
) -> None:
    (tmp_path / "table").mkdir()
    photos = [tmp_path / "elsewhere.jpg", tmp_path / "table/beside.jpg"]
    for photo in photos:
        Image.new("RGB", (8, 6), "red").save(photo)
    table = tmp_path / "table/trees.csv"
    table.write_text(f"lon,lat,photo\n4,45,{photos[0]}\n5,45,beside.jpg\n")
    path = tmp_path / "results.gpkg"
    with Catalog(path, create=True) as catalog:
        (dataset,) = [catalog.add(each) for each in scan(table)]
        layer, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
    found = rows(path, f'select image_path from "{layer}" order by source_fid')
    assert found == [(str(photo),) for photo in photos]


def test_styles_of_users_stay_and_are_not_put_back(catalog_file: Path, start_run: Function) -> None:
    with closing(sqlite3.connect(catalog_file)) as database, database:
        database.execute("update layer_styles set useAsDefault = 0")
        database.execute(
            "insert into layer_styles (f_table_catalog, f_table_schema, f_table_name,"
            " f_geometry_column, styleName, styleQML, useAsDefault)"
            " values ('', '', ?, 'geom', 'mine', '<qgis/>', 1)", (LAYER,),
        )  # fmt: skip
    with Catalog(catalog_file) as catalog:
        catalog.write_feature_class(1, start_run(catalog), name="other")
    listed = "select f_table_name, styleName, useAsDefault from layer_styles order by id"
    assert rows(catalog_file, listed) == [
        ("classified_footprints", "pixelcat", 0), ("other", "pixelcat", 1),
        ("other_summary", "pixelcat", 1),
    ]  # fmt: skip


def test_a_rebuilt_layer_keeps_the_style_that_users_chose(
    catalog_file: Path, start_run: Function, done: Function
) -> None:
    with closing(sqlite3.connect(catalog_file)) as database, database:
        database.execute("update layer_styles set styleName = 'mine' where f_table_name = ?",
                         (LAYER,))  # fmt: skip
    with Catalog(catalog_file) as catalog:
        run = start_run(catalog, force=True)
        catalog.record(run, done(next(catalog.pending(run, [1])), {9: 1}))
        catalog.write_feature_class(1, run)
    listed = f"select styleName, useAsDefault from layer_styles where f_table_name = '{LAYER}'"
    assert rows(catalog_file, listed) == [("mine", 1), ("pixelcat", 0)]


@pytest.mark.parametrize(
    ("kind", "shape", "symbol"),
    [
        ("MULTILINESTRING", "MULTILINESTRING ((0 0, 1 1))", "line"),
        ("POLYGON", "POLYGON ((0 0, 1 1, 1 0, 0 0))", "fill"),
        ("GEOMETRY", "POINT (1 2)", None),
        (None, None, None),
    ],
)
def test_symbols_fit_the_geometries(
    tmp_path: Path, start_run: Function, gpkg_errors: Function, kind: Any, shape: Any, symbol: Any
) -> None:
    path = tmp_path / "results.gpkg"
    wkb = shape and shapely.to_wkb(shapely.from_wkt(shape))
    with Catalog(path, create=True) as catalog:
        dataset = catalog.add(
            Scan(
                dataset=Dataset(kind="filegdb", uri="/a.gdb", layer="a", geometry_type=kind),
                features=[Feature(source_fid=1, geometry=wkb)],
                items=[Item(kind="attachment", source_key="1", name="a", feature_keys=("1",))],
            )
        )
        table, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
    found = style(path, table).find("renderer-v2/symbols/symbol")
    assert (found is not None and found.get("type")) == (symbol or False)
    assert gpkg_errors(path) == []


def test_class_names_of_strangers_are_words_in_a_style(tmp_path: Path, start_run: Function) -> None:
    name = "</category><script>\x00\"'"
    with Catalog(tmp_path / "r.gpkg", create=True) as catalog:
        catalog.add_model(
            name="m", framework="Keras", definition_sha256="d", weights_sha256="w",
            definition={}, classes=[ClassDefinition(value=1, name=name, color=(1, 2, 3))],
        )  # fmt: skip
    assert list(legend(style(tmp_path / "r.gpkg", "classified_footprints"))) == [
        name.replace("\x00", "?"), ""
    ]  # fmt: skip


def test_share_columns_say_the_class_by_its_own_name(catalog_file: Path) -> None:
    aliases = rows(
        catalog_file,
        "select column_name, name from gpkg_data_columns where column_name like 'share_%'",
    )
    assert aliases == [
        ("share_water", "Water"), ("share_crop", "Crop"), ("share_built_up", "Built Up")
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # a Shapefile has short names and no times, GDAL says so
@pytest.mark.parametrize("table", [LAYER, SUMMARY])
@pytest.mark.parametrize(
    ("driver", "suffix"),
    [
        ("GPKG", ".gpkg"), ("GeoJSON", ".geojson"), ("FlatGeobuf", ".fgb"),
        ("ESRI Shapefile", ".shp"), ("CSV", ".csv"),
    ],
)  # fmt: skip
def test_other_formats_keep_every_value(
    catalog_file: Path, tmp_path: Path, table: str, driver: str, suffix: str
) -> None:
    ours = pyogrio.read_dataframe(catalog_file, layer=table)
    target = tmp_path / f"copy{suffix}"
    options = {
        ".csv": {"GEOMETRY": "AS_XY", "STRING_QUOTING": "IF_AMBIGUOUS"},
        ".fgb": {"SPATIAL_INDEX": "NO"},  # or rows come in another order
    }.get(suffix, {})
    pyogrio.write_dataframe(ours, target, driver=driver, layer_options=options)
    reading = {"AUTODETECT_TYPE": "YES", "EMPTY_STRING_AS_NULL": "YES"} if suffix == ".csv" else {}
    theirs = pyogrio.read_dataframe(target, **reading)
    shift = 2 if suffix == ".csv" else 0
    assert len(theirs) == len(ours) == 4
    for place, name in enumerate(ours.columns[:-1]):
        own, other = ours[name], theirs.iloc[:, place + shift]
        assert own.isna().tolist() == other.isna().tolist(), name
        for mine, copy in zip(own.dropna(), other.dropna(), strict=True):
            if name == "seen":
                assert pd.Timestamp(copy) == pd.Timestamp(mine)
            else:
                assert (
                    copy == pytest.approx(mine, rel=1e-12)
                    if isinstance(mine, float)
                    else (copy == mine)
                ), name
    if suffix != ".csv":
        assert theirs.geometry.geom_equals(ours.geometry).all()
