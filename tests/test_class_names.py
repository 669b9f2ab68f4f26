"""Class rasters as GDAL, QGIS and ArcGIS read them: names, colours, counts, and COG rules."""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rio_cogeo.cogeo import cog_validate

from pixelcat import classify
from pixelcat.catalog.errors import OutputError, UsageError
from pixelcat.catalog.records import ClassDefinition
from pixelcat.io import sidecars
from pixelcat.io.class_tiles import class_band, read_tile
from pixelcat.io.raster_out import ClassRasterSpec, ClassRasterWriter, raster_type
from pixelcat.io.vrt_out import write_style, write_vrt
from pixelcat.processors.export_photos import export_photos

Function = Callable[..., Any]
PLACE = {
    "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000),
    "crs": rasterio.crs.CRS.from_epsg(32631).to_wkt(),
}
NAMES = {0: "Wald & Flur", 1: "Föhren <5 m", 2: 'a "quoted", one', 9: "water\x07"}
SHOWN = {**NAMES, 9: "water?"}
VALUES = [
    [0, 1, 2, 9], [1, 254], [0, 255], [0, 300], [5, 70_000], [-3, 0, 7], [-40_000, 2],
    [0, 2**32 - 1], [-(2**31), 3],
]  # fmt: skip


def definitions(values: Sequence[int]) -> list[ClassDefinition]:
    return [
        ClassDefinition(value=v, name=NAMES.get(v, f"class {v}"), color=(v % 256, 10, 200))
        for v in values
    ]


def write(path: Path, values: Sequence[int], size: int = 40, **spec: Any) -> dict[int, int]:
    """Write a raster with all classes and NoData; the pixels of each class."""
    dtype, nodata = raster_type(values)
    rng = np.random.default_rng(3)
    pixels = rng.choice(np.array([*values, nodata]), (size, size)).astype(dtype)
    counts = {value: int((pixels == value).sum()) for value in values}
    written = ClassRasterSpec(
        width=size, height=size, classes=definitions(values), **{**PLACE, **spec}
    )
    writer = ClassRasterWriter(path, written)
    writer.write_rows(pixels)
    writer.finish(counts)
    return counts


def as_gdal_reads(path: Path) -> ElementTree.Element:
    """Return the band as GDAL writes it beside a copy in a format without class names."""
    copy = path.with_name("copy.asc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rasterio.shutil.copy(path, copy, driver="AAIGrid", strict=False)
    band = ElementTree.parse(copy.with_name("copy.asc.aux.xml")).find("PAMRasterBand")
    assert band is not None
    return band


def table(band: ElementTree.Element) -> list[dict[str, str]]:
    rat = band.find("GDALRasterAttributeTable")
    assert rat is not None
    names = [each.findtext("Name", "") for each in rat.findall("FieldDefn")]
    return [
        dict(zip(names, [f.text or "" for f in row.findall("F")], strict=True))
        for row in rat.findall("Row")
    ]


@pytest.mark.parametrize("values", VALUES)
def test_gdal_reads_names_colours_and_counts(tmp_path: Path, values: list[int]) -> None:
    counts = write(tmp_path / "c.tif", values)
    band = as_gdal_reads(tmp_path / "c.tif")
    rows = {int(float(row["Value"])): row for row in table(band)}
    assert list(rows) == sorted(values)
    for value, row in rows.items():
        assert row["Class_Name"] == SHOWN.get(value, f"class {value}")
        assert float(row["Count"]) == counts[value]
        assert (row["Red"], row["Green"], row["Blue"]) == (str(value % 256), "10", "200")
    categories = [each.text or "" for each in band.findall("CategoryNames/Category")]
    listed = min(values) >= 0 and max(values) < 1024
    assert {value: categories[value] for value in values if listed} == {
        value: SHOWN.get(value, f"class {value}") for value in values if listed
    }
    assert len(categories) == (max(values) + 1 if listed else 0)


@pytest.mark.parametrize("values", VALUES)
def test_statistics_are_in_the_file_itself(tmp_path: Path, values: list[int]) -> None:
    counts = write(tmp_path / "c.tif", values, sidecars="none")
    pixels = np.repeat(list(counts), list(counts.values()))
    with rasterio.open(tmp_path / "c.tif") as dataset:
        tags, own = dataset.tags(1), dataset.tags()
    assert (int(tags["STATISTICS_MINIMUM"]), int(tags["STATISTICS_MAXIMUM"])) == (
        min(values), max(values)
    )  # fmt: skip
    assert float(tags["STATISTICS_MEAN"]) == pytest.approx(pixels.mean())
    assert float(tags["STATISTICS_STDDEV"]) == pytest.approx(pixels.std())
    assert "PIXELCAT_BESIDE" not in own
    assert json.loads(own["PIXELCAT_CLASSES"]) == {
        str(value): SHOWN.get(value, f"class {value}") for value in values
    }


@pytest.mark.parametrize("values", VALUES)
def test_qgis_shows_the_classes_and_no_others(tmp_path: Path, values: list[int]) -> None:
    """Of a style QGIS reads ``rasterrenderer`` of type paletted, and its entries."""
    write(tmp_path / "c.tif", values)
    root = ElementTree.parse(tmp_path / "c.qml").getroot()
    assert root.tag == "qgis"
    (renderer,) = root.findall("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [
        (int(e.get("value", "")), e.get("label"), e.get("color"))
        for e in renderer.findall("colorPalette/paletteEntry")
    ]
    assert entries == [
        (v, SHOWN.get(v, f"class {v}"), f"#{v % 256:02x}0ac8") for v in sorted(values)
    ]


@pytest.mark.parametrize("values", VALUES)
def test_arcgis_has_its_table(tmp_path: Path, values: list[int]) -> None:
    counts = write(tmp_path / "c.tif", values)
    frame = pyogrio.read_dataframe(tmp_path / "c.tif.vat.dbf")
    assert list(frame.columns) == ["Value", "Count", "Class_Name", "Red", "Green", "Blue"]
    assert frame["Value"].tolist() == sorted(values)
    assert frame["Count"].tolist() == [counts[value] for value in sorted(values)]
    expected = [NAMES.get(value, f"class {value}") for value in sorted(values)]
    assert frame["Class_Name"].tolist() == expected
    assert frame["Red"].tolist() == [value % 256 for value in sorted(values)]


def test_long_names_are_cut_at_a_letter(tmp_path: Path) -> None:
    classes = [ClassDefinition(value=1, name="ä" * 200, color=(1, 2, 3))]
    spec = ClassRasterSpec(width=2, height=2, classes=classes, **PLACE)
    writer = ClassRasterWriter(tmp_path / "c.tif", spec)
    writer.write_rows(np.ones((2, 2), np.uint8))
    writer.finish({1: 4})
    assert pyogrio.read_dataframe(tmp_path / "c.tif.vat.dbf")["Class_Name"].tolist() == ["ä" * 127]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("size", [1, 40, 513, 1100])
def test_rasters_are_cogs_by_the_strict_rules(tmp_path: Path, values: list[int], size: int) -> None:
    write(tmp_path / "c.tif", values, size)
    valid, errors, warned = cog_validate(tmp_path / "c.tif", strict=True, quiet=True)
    assert (valid, errors, warned) == (True, [], [])


@pytest.mark.parametrize(
    ("choice", "placed", "expected"),
    [
        ("auto", True, {".tif.aux.xml", ".qml", ".tif.vat.dbf", ".tif.vat.cpg"}),
        ("auto", False, {".tif.aux.xml"}),
        ("all", False, {".tif.aux.xml", ".qml", ".tif.vat.dbf", ".tif.vat.cpg"}),
        ("none", True, set()),
    ],
)
def test_what_lies_beside_is_chosen(
    tmp_path: Path, choice: str, placed: bool, expected: set[str]
) -> None:
    place = {} if placed else {"transform": None, "crs": None}
    write(tmp_path / "c.tif", [0, 1], sidecars=choice, **place)
    assert {path.name for path in tmp_path.iterdir()} == {"c.tif", *(f"c{x}" for x in expected)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "c.tif") as dataset:
            assert sidecars.lost(tmp_path / "c.tif", dataset.tags()) == []


def test_what_an_older_raster_had_beside_it_goes(tmp_path: Path) -> None:
    write(tmp_path / "c.tif", [0, 1], sidecars="all")
    write(tmp_path / "c.tif", [0, 2], sidecars="none")
    assert [path.name for path in tmp_path.iterdir()] == ["c.tif"]


def test_nothing_is_left_beside_a_raster_that_could_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "c.tif").mkdir()
    with pytest.raises(OutputError):
        write(tmp_path / "c.tif", [0, 1])
    assert [path.name for path in tmp_path.iterdir()] == ["c.tif"]


def test_a_virtual_raster_of_them_has_names_for_any_values(tmp_path: Path) -> None:
    for values in ([0, 300], [-3, 7]):
        write(tmp_path / "c.tif", values)
        tile = read_tile(tmp_path / "c.tif")
        assert tile is not None
        path = tmp_path / f"all{values[0]}.vrt"
        classes = definitions(values)
        write_vrt(path, [tile], [class_band("VRTRasterBand", tile, classes)])
        write_style(path, classes)
        band = ElementTree.parse(path).find("VRTRasterBand")
        assert band is not None
        assert [row["Class_Name"] for row in table(band)] == [
            SHOWN.get(value, f"class {value}") for value in values
        ]
        assert path.with_suffix(".qml").is_file()
        with rasterio.open(path) as dataset, rasterio.open(tmp_path / "c.tif") as single:
            assert (dataset.read() == single.read()).all()
            if min(values) >= 0:
                assert dataset.colormap(1)[300] == (44, 10, 200, 255)


def test_a_run_names_the_classes_of_photos(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    survey = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(1))])
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    (raster,) = run.rasters.glob("*.tif")
    names = [row["Class_Name"] for row in table(as_gdal_reads(raster))]
    assert names == ["Water", "Crop", "Built Up"]
    export_photos(run.catalog, tmp_path / "out")
    assert (tmp_path / "out/1/a_classes.tif.aux.xml").is_file()
    plain = classify(
        survey, model=model_emd, output=tmp_path / "r.gpkg", force=True, sidecars="none"
    )
    assert len(list(plain.rasters.iterdir())) == 1


def test_another_choice_is_refused(model_emd: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="auto, all, none"):
        classify(tmp_path, model=model_emd, output=tmp_path / "r.gpkg", sidecars="some")
