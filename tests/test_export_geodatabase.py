"""Results carried out of a catalog as a new file geodatabase."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import fiona
import geopandas
import pyogrio
import pytest
import shapely
from click.testing import CliRunner
from fiona._err import CPLE_BaseError

from pixelcat import Run, classify
from pixelcat.catalog.errors import OutputError, UsageError
from pixelcat.catalog.lock import RunLock
from pixelcat.catalog.records import Column, Dataset, Feature, Scan
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io.content import digest
from pixelcat.io.sources import scan
from pixelcat.io.srs import describe
from pixelcat.processors.export_geodatabase import export_geodatabase
from pixelcat.processors.export_photos import export_photos

Function = Callable[..., Any]


@pytest.fixture
def photos(photo_bytes: Function) -> list[bytes]:
    return [photo_bytes(1), photo_bytes(2), b"%PDF-1.4", b"no photo at all"]


@pytest.fixture
def survey(make_gdb: Function, photos: list[bytes]) -> Path:
    """P1 has two photos, P2 a document and a torn photo, P3 nothing; one belongs to no plot."""
    return make_gdb(
        [
            (1, "Photo 1.jpg", "image/jpeg", photos[0]),
            (1, "Photo 2.jpg", "image/jpeg", photos[1]),
            (2, "list.pdf", "application/pdf", photos[2]),
            (2, "torn.jpg", "image/jpeg", photos[3]),
            (77, "orphan.jpg", "image/jpeg", photos[0]),
        ]
    )


@pytest.fixture
def run(survey: Path, model_emd: Path, tmp_path: Path) -> Run:
    return classify(survey, model=model_emd, output=tmp_path / "r.gpkg")


def maps(run: Run) -> list[bytes]:
    return [path.read_bytes() for path in sorted(run.rasters.glob("*.tif"))]


def attached(path: Path, layer: str) -> list[tuple[Any, ...]]:
    with fiona.open(path, layer=f"{layer}__ATTACH") as table:
        names = [name for name in table.schema["properties"] if name != "KEYWORDS"]
        return [tuple(row.properties[name] for name in names) for row in table]


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): digest(p) for p in folder.rglob("*") if p.is_file()}


def test_the_output_feature_class_comes_with_class_maps_attached(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.gdb"
    done = export_geodatabase(run.catalog, path)
    assert (done.layers, done.class_maps, done.photos, done.missing) == (
        ["plots_classified", "plots_classified_summary"], 2, 0, [],
    )  # fmt: skip
    first, second = maps(run)
    assert attached(path, "plots_classified") == [
        (1, "image/tiff", "Photo 1.tif", len(first), first),
        (2, "image/tiff", "Photo 2.tif", len(second), second),
    ]
    ours = geopandas.read_file(run.catalog, layer="plots_classified")
    theirs = pyogrio.read_dataframe(path, layer="plots_classified", fid_as_index=True)
    assert theirs.index.tolist() == [1, 2, 3, 4, 5]
    assert theirs.crs == ours.crs
    assert theirs.geometry.geom_equals(ours.geometry.set_axis(theirs.index)).all()
    theirs = theirs.rename(columns={"OBJECTID_": "OBJECTID"})
    assert list(theirs.columns) == list(ours.columns)
    for name in ours.columns.drop("geometry"):
        expected, found = (
            f[name].astype(object).where(f[name].notna(), None) for f in (ours, theirs)
        )
        assert found.tolist() == expected.tolist(), name
    assert not list(tmp_path.glob(".tmp*"))


def test_attachments_are_overwritten_in_the_new_geodatabase_alone(
    run: Run, survey: Path, photos: list[bytes], tmp_path: Path
) -> None:
    before = content(survey)
    path = tmp_path / "out.gdb"
    done = export_geodatabase(run.catalog, path, overwrite_attachments=True)
    assert (done.layers, done.class_maps, done.photos, done.missing) == (["plots"], 2, 2, [])
    first, second = maps(run)
    assert attached(path, "plots") == [
        (1, "image/tiff", "Photo 1.tif", len(first), first),
        (1, "image/tiff", "Photo 2.tif", len(second), second),
        (2, "application/pdf", "list.pdf", len(photos[2]), photos[2]),
        (2, "image/jpeg", "torn.jpg", len(photos[3]), photos[3]),
    ]
    theirs, ours = (geopandas.read_file(each, layer="plots") for each in (path, survey))
    assert theirs.pop("OBJECTID_").tolist() == [1, 2, 3]
    assert theirs.equals(ours)
    assert content(survey) == before


def test_keywords_stay_with_attachments_and_class_maps(
    survey_with_keywords: Path, model_emd: Path, tmp_path: Path
) -> None:
    run = classify(survey_with_keywords, model=model_emd, output=tmp_path / "r.gpkg")
    for layer, overwrite in (("plots_classified", False), ("plots", True)):
        path = tmp_path / f"{layer}.gdb"
        export_geodatabase(run.catalog, path, overwrite_attachments=overwrite)
        with fiona.open(path, layer=f"{layer}__ATTACH") as table:
            found = [(row.properties["ATT_NAME"], row.properties["KEYWORDS"]) for row in table]
        assert found[:2] == [("a.tif", "canopy photo"), ("b.tif", None)]
        assert found[2:] == ([("list.pdf", "sketch")] if overwrite else [])


def test_our_own_source_reads_what_is_written(run: Run, model_emd: Path, tmp_path: Path) -> None:
    export_geodatabase(run.catalog, tmp_path / "out.gdb", overwrite_attachments=True)
    with Catalog(tmp_path / "again.gpkg", create=True) as catalog:
        (found,) = scan(tmp_path / "out.gdb")
        catalog.add(found)
        names = catalog.query("SELECT name FROM items ORDER BY id")
    assert [row["name"] for row in names] == [
        *("Photo 1.tif", "Photo 2.tif", "list.pdf", "torn.jpg"),
    ]


def test_the_command_writes_and_tells(run: Run, tmp_path: Path) -> None:
    command = ["export", str(run.catalog), "--file-geodatabase", str(tmp_path / "out.gdb")]
    answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 0, answer.output
    assert (
        "wrote plots_classified, plots_classified_summary with 2 class maps and 0 other attachments"
        in answer.output
    )
    again = CliRunner().invoke(cli, command)
    assert isinstance(again.exception, UsageError)
    assert "exists and is left alone" in str(again.exception)
    assert len(attached(tmp_path / "out.gdb", "plots_classified")) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give one of --photos"),
        (["--photos", "p", "--file-geodatabase", "o.gdb"], "give one of --photos"),
        (["--photos", "p", "--overwrite-attachments"], "goes with --file-geodatabase"),
        (["--file-geodatabase", "o.gdb", "--name", "{plot_id}"], "--name goes with --photos"),
        (["--file-geodatabase", "o.gpkg"], "ends in .gdb"),
        (["--file-geodatabase", "absent/o.gdb"], "does not exist"),
        (["--file-geodatabase", "survey.gdb/o.gdb"], "inside a geodatabase"),
        (["--file-geodatabase", "o.gdb", "--layer", "lakes"], "no output feature class lakes"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    survey: Path,
    start_run: Function,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: Sequence[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with Catalog("r.gpkg", create=True) as catalog:
        (found,) = scan(survey)
        catalog.write_feature_class(catalog.add(found).id, start_run(catalog))
    answer = CliRunner().invoke(cli, ["export", "r.gpkg", *options])
    assert isinstance(answer.exception, UsageError)
    assert words in str(answer.exception)
    assert not Path("o.gdb").exists()


def test_a_class_map_that_is_gone_is_told(run: Run, tmp_path: Path) -> None:
    next(iter(sorted(run.rasters.glob("*.tif")))).unlink()
    answer = CliRunner().invoke(
        cli, ["export", str(run.catalog), "--file-geodatabase", str(tmp_path / "out.gdb")]
    )
    assert answer.exit_code == 3
    assert "missing: Photo 1.jpg of row 1: its class map" in answer.output
    assert [row[0] for row in attached(tmp_path / "out.gdb", "plots_classified")] == [2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    from pixelcat.io import geodatabase_out

    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr(geodatabase_out.Geodatabase, "add_attachments", interrupted)
    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OutputError):
        export_geodatabase(run.catalog, tmp_path / "out.gdb")
    assert set(tmp_path.iterdir()) == before


def test_an_export_removes_what_a_killed_one_left(run: Run, tmp_path: Path) -> None:
    killed = """
import os, signal, sys
from pixelcat.io import geodatabase_out
from pixelcat.processors.export_geodatabase import export_geodatabase
geodatabase_out.publish_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
export_geodatabase(sys.argv[1], sys.argv[2])
"""
    command = [sys.executable, "-c", killed, str(run.catalog), str(tmp_path / "out.gdb")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = sorted(tmp_path.glob(".tmp-*"))
    assert [path.suffix for path in left] == [".gdb", ".lock"]
    foreign = tmp_path / ".tmp-mine.gdb"
    foreign.mkdir()
    busy = tmp_path / f".tmp-{'a' * 32}.gdb"
    busy.mkdir()
    lock = RunLock(busy)
    export_geodatabase(run.catalog, tmp_path / "out.gdb")
    lock.release()
    assert sorted(tmp_path.glob(".tmp-*")) == [busy, foreign]
    export_geodatabase(run.catalog, tmp_path / "out_2.gdb")
    assert list(tmp_path.glob(".tmp-*")) == [foreign]


def test_the_summary_comes_along(run: Run, tmp_path: Path) -> None:
    name = "plots_classified_summary"
    assert name in export_geodatabase(run.catalog, tmp_path / "out.gdb").layers
    ours = geopandas.read_file(run.catalog, layer=name)
    theirs = geopandas.read_file(tmp_path / "out.gdb", layer=name)
    theirs = theirs.rename(columns={"OBJECTID_": "OBJECTID"})
    assert list(theirs.columns) == list(ours.columns)
    assert theirs.images.tolist() == [2, 2, 0]
    assert theirs.share_water.dropna().tolist() == ours.share_water.dropna().tolist()
    assert theirs.geometry.geom_equals(ours.geometry).all()


def test_two_sources_of_one_layer_are_a_feature_class_each(
    run: Run, make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    second = make_gdb([(3, "c.jpg", None, photo_bytes(3))], name="survey_2.gdb")
    classify(second, model=model_emd, output=run.catalog, out_features="plots_classified")
    done = export_geodatabase(run.catalog, tmp_path / "one.gdb")
    assert (done.layers[0], done.class_maps) == ("plots_classified", 3)
    done = export_geodatabase(run.catalog, tmp_path / "two.gdb", overwrite_attachments=True)
    assert (done.layers, done.class_maps) == (["plots", "plots_2"], 3)
    assert [row[:3] for row in attached(tmp_path / "two.gdb", "plots_2")] == [
        (3, "image/tiff", "c.tif")
    ]


def test_some_layers_of_several_are_chosen(
    run: Run, make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    for name in ("b", "c"):
        survey = make_gdb([(3, "c.jpg", None, photo_bytes(3))], name=f"{name}.gdb")
        classify(survey, model=model_emd, output=run.catalog, out_features=name)
    command = ["export", str(run.catalog), "--layer", "B", "--layer", "plots_classified"]
    for option, folder in (("--photos", "out"), ("--file-geodatabase", "out.gdb")):
        answer = CliRunner().invoke(cli, [*command, option, str(tmp_path / folder)])
        assert answer.exit_code == 0, answer.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b", "plots_classified"}
    assert "wrote plots_classified, plots_classified_summary, b, b_summary" in answer.output
    with pytest.raises(UsageError, match=r"no output feature class d, e in .*; there are plots"):
        export_photos(run.catalog, tmp_path / "other", layer=["b", "d", "e"])


def test_the_source_may_be_of_any_kind(
    make_gpkg: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    data = photo_bytes(5)
    survey = make_gpkg([("image/jpeg", data), ("text/plain", b"notes")], [(1, 1), (2, 1), (3, 2)])
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    export_geodatabase(run.catalog, tmp_path / "out.gdb", overwrite_attachments=True)
    assert [(row[0], row[4]) for row in attached(tmp_path / "out.gdb", "plots")] == [
        *((1, maps(run)[0]), (2, maps(run)[0]), (3, b"notes")),
    ]
    survey.unlink()
    shutil.rmtree(tmp_path / "out.gdb")
    with pytest.raises(OSError, match=r"survey\.gpkg"):
        export_geodatabase(run.catalog, tmp_path / "out.gdb", overwrite_attachments=True)
    assert not (tmp_path / "out.gdb").exists()
    assert export_geodatabase(run.catalog, tmp_path / "out.gdb").class_maps == 2


# --- columns and shapes, without a model --------------------------------------------------


@pytest.fixture
def exported(tmp_path: Path, start_run: Function) -> Function:
    """Return a function that exports features made by hand and gives the layer as fiona reads it."""

    def write(
        columns: dict[str, str], *rows: dict[str, Any], shapes: Sequence[str | None] = (), **of: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        features = [
            Feature(
                source_fid=number,
                geometry=shapely.to_wkb(shapely.from_wkt(shape), flavor="iso") if shape else None,
                attributes=row,
            )
            for number, (row, shape) in enumerate(
                zip(rows, shapes or [None] * len(rows), strict=True), 1
            )
        ]
        dataset = Dataset(
            kind="filegdb",
            uri="/a.gdb",
            columns=tuple(Column(name=name, sql_type=kind) for name, kind in columns.items()),
            **{"layer": "plots", **of},
        )
        path = tmp_path / "results.gpkg"
        with Catalog(path, create=True) as catalog:
            added = catalog.add(Scan(dataset=dataset, features=features))
            catalog.write_feature_class(added.id, start_run(catalog))
        (name, _) = export_geodatabase(path, tmp_path / "out.gdb").layers
        with fiona.open(tmp_path / "out.gdb", layer=name) as layer:
            assert name in fiona.listlayers(tmp_path / "out.gdb")
            return layer.schema, list(layer)

    return write


def test_values_keep_their_types(exported: Function) -> None:
    columns = {
        "small": "SMALLINT", "whole": "MEDIUMINT", "large": "INTEGER", "huge": "INTEGER",
        "yes": "BOOLEAN", "real": "DOUBLE", "short": "TEXT(5)", "long": "TEXT", "day": "DATE",
        "time": "DATETIME", "bytes": "BLOB", "odd_day": "DATE", "odd_number": "MEDIUMINT",
        "least": "SMALLINT", "lowest": "INTEGER", "lower": "INTEGER",
        "grown": "SMALLINT", "beyond": "INTEGER", "lies": "TEXT(2)",
    }  # fmt: skip
    row = {
        "small": -7, "whole": 70_000, "large": 5, "huge": 2**40, "yes": 1, "real": 0.1,
        "short": "Füße", "long": "x" * 70_000, "day": "2024-02-29",
        "time": "2024-02-29T12:30:15+02:00", "bytes": b"\x00\xff", "odd_day": "yesterday",
        "least": -(2**15), "lowest": -(2**31), "lower": -(2**31) - 1,
        "odd_number": "many", "grown": 70_000, "beyond": 2**60 + 1, "lies": "three",
    }  # fmt: skip
    schema, (first, second) = exported(columns, row, dict.fromkeys(columns))
    kinds = {name: schema["properties"][name] for name in columns}
    assert kinds == {
        "small": "int16", "whole": "int32", "large": "int32", "huge": "float", "yes": "int16",
        "real": "float", "short": "str:5", "long": "str", "day": "datetime", "time": "datetime",
        "bytes": "bytes", "odd_day": "str", "odd_number": "str", "grown": "int32",
        "least": "int16", "lowest": "int32", "lower": "float",
        "beyond": "str", "lies": "str:5",
    }  # fmt: skip
    found = {name: first.properties[name] for name in columns}
    assert found == {
        **row, "day": "2024-02-29T00:00:00", "time": "2024-02-29T10:30:15",
        "beyond": str(2**60 + 1),
    } | {name: found[name] for name in ("day", "time")}  # fmt: skip
    assert found["day"].startswith("2024-02-29T00:00:00")
    assert found["time"].startswith("2024-02-29T10:30:15")
    assert {second.properties[name] for name in columns} == {None}


@pytest.mark.parametrize("name", ["Füße 🌻", "select", "1st", "a b", "OBJECTID", "x" * 200])
def test_names_are_those_that_a_geodatabase_takes(exported: Function, name: str) -> None:
    schema, (row,) = exported({name: "TEXT", f"{name}!": "TEXT"}, {name: "a", f"{name}!": "b"},
                              layer=name)  # fmt: skip
    ours = list(schema["properties"])[:2]
    assert [row.properties[each] for each in ours] == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "shapes", "expected"),
    [
        ("POINT", ["POINT (1 2)", None], "Point"),
        ("POINT", ["POINT Z (1 2 3)"], "3D Point"),
        ("GEOMETRY", ["POINT (1 2)", "MULTIPOINT ((1 2), (3 4))"], "MultiPoint"),
        ("LINESTRING", ["LINESTRING (1 2, 3 4)"], "MultiLineString"),
        ("MULTIPOLYGON", ["POLYGON ((0 0, 2 0, 2 2, 0 0))"], "MultiPolygon"),
        (None, [None], "None"),
    ],
)
def test_shapes_survive(
    exported: Function, kind: str, shapes: list[str | None], expected: str
) -> None:
    schema, rows = exported({}, *[{}] * len(shapes), shapes=shapes, geometry_type=kind)
    assert schema["geometry"] == expected
    for row, shape in zip(rows, shapes, strict=True):
        if shape is None:
            assert row.geometry is None
        else:
            found = shapely.geometry.shape(row.geometry)
            assert found.equals(shapely.from_wkt(shape))
            assert found.has_z == shapely.from_wkt(shape).has_z


@pytest.mark.parametrize("code", [25832, 32632, 27700, 3857])
def test_points_in_any_projection_are_written(exported: Function, code: int) -> None:
    shapes = ["POINT (400000 500000)", "POINT (400100 500200)"]
    _, rows = exported({}, {}, {}, shapes=shapes, geometry_type="POINT",
                       srs=describe(f"EPSG:{code}"))  # fmt: skip
    assert [shapely.geometry.shape(row.geometry).wkt for row in rows] == shapes


def test_what_gdal_refuses_is_one_line(exported: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise CPLE_BaseError(1, 1, "no such luck")

    monkeypatch.setattr("pixelcat.io.geodatabase_out.converted", refused)
    with pytest.raises(OutputError, match=r"cannot write .*out\.gdb: no such luck"):
        exported({"a": "TEXT"}, {"a": "x"})


def test_shapes_of_several_kinds_are_refused_in_one_line(
    exported: Function, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=r"plots_classified has geometries that .* with --layer"):
        exported({}, {}, {}, shapes=["POINT (1 2)", "LINESTRING (1 2, 3 4)"],
                 geometry_type="GEOMETRY")  # fmt: skip
    assert not (tmp_path / "out.gdb").exists()
    assert not list(tmp_path.glob(".tmp*"))


def test_the_catalog_is_opened_by_sqlite3_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = fiona.open
    monkeypatch.setattr(fiona, "open", lambda path, *a, **k: opened.append(str(path))
                        or real(path, *a, **k))  # fmt: skip
    export_geodatabase(run.catalog, tmp_path / "out.gdb")
    assert len(opened) == 3
    assert all(Path(path).name.startswith(".tmp-") for path in opened)
    with closing(sqlite3.connect(run.catalog)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert export_photos(run.catalog, tmp_path / "out").photos == 4
