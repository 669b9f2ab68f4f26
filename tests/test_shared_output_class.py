"""One output feature class for several sources: rows, columns, names, reference systems."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from click.testing import CliRunner

from pixelcat import Run, classify
from pixelcat.catalog.errors import UsageError
from pixelcat.catalog.output_columns import union, wider_type
from pixelcat.catalog.records import Column, Dataset, Feature, Scan, Srs
from pixelcat.catalog.result_layers import source_names
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io.srs import describe, reprojection
from pixelcat.processors.export_photos import export_photos

Function = Callable[..., Any]
UTM, DEGREES = describe("EPSG:32631"), describe("EPSG:4326")


def scanned(year: int, columns: dict[str, str], srs: Srs | None = DEGREES, **more: Any) -> Scan:
    """A feature class of one point at 4 E 45 N whose values are its column names."""
    values = more.pop("values", {name: f"{name} of {year}" for name in columns})
    point = shapely.Point(4, 45) if srs == DEGREES else shapely.Point(578_815, 4_983_436)
    dataset = Dataset(
        kind="filegdb",
        uri=f"/data/survey_{year}.gdb",
        layer="plots",
        columns=tuple(Column(name=name, sql_type=kind) for name, kind in columns.items()),
        srs=srs,
        **{"geometry_type": "POINT", **more},
    )
    feature = Feature(source_fid=1, geometry=shapely.to_wkb(point), attributes=values)
    return Scan(dataset=dataset, features=[feature])


@pytest.fixture
def add(tmp_path: Path, start_run: Function) -> Function:
    """Return a function that adds scans to a catalog, all under one name, and closes it."""

    def run(*scans: Scan, model: str = "land", name: str | None = "plots") -> Path:
        with Catalog(tmp_path / "r.gpkg", create=True) as catalog:
            for scan in scans:
                catalog.write_feature_class(
                    catalog.add(scan).id,
                    start_run(catalog, model),
                    name=name,
                    reprojection=reprojection,
                )
        return tmp_path / "r.gpkg"

    return run


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def tables(path: Path) -> list[tuple[str, str]]:
    found = rows(path, "select table_name, uri from result_layers join datasets on"
                       " datasets.id = dataset_id order by result_layers.id")  # fmt: skip
    return [(table, uri[-8:-4]) for table, uri in found]


# --- by hand ------------------------------------------------------------------------------


def test_a_table_has_the_columns_and_rows_of_all_its_sources(
    add: Function, gpkg_errors: Function
) -> None:
    path = add(
        scanned(
            2023, {"plot": "TEXT(9)", "old": "DATE"}, values={"plot": "A", "old": "2023-01-02"}
        ),
        scanned(2024, {"PLOT": "TEXT(20)", "trees": "SMALLINT"}, values={"PLOT": "B", "trees": 7}),
    )
    assert rows(path, "select plot, old, trees, source, source_fid, status from plots") == [
        ("A", "2023-01-02", None, "survey_2023.gdb", 1, "skipped"),
        ("B", None, 7, "survey_2024.gdb", 1, "skipped"),
    ]
    assert rows(path, "select plot, source, images from plots_summary") == [
        ("A", "survey_2023.gdb", 0),
        ("B", "survey_2024.gdb", 0),
    ]
    assert gpkg_errors(path) == []


def test_a_source_again_replaces_its_own_rows(add: Function) -> None:
    first, second = scanned(2023, {"a": "TEXT"}), scanned(2024, {"a": "TEXT"})
    add(first, second)
    path = add(scanned(2023, {"a": "TEXT"}, values={"a": "new"}), name=None)
    assert rows(path, "select source, a from plots") == [
        ("survey_2023.gdb", "new"),
        ("survey_2024.gdb", "a of 2024"),
    ]


def test_a_table_of_one_source_has_no_column_source(add: Function) -> None:
    path = add(scanned(2023, {"source": "TEXT"}))
    assert "source_fid" in geopandas.read_file(path, layer="plots")
    assert rows(path, "select source from plots") == [("source of 2023",)]
    path = add(scanned(2024, {"source": "TEXT"}))
    assert rows(path, "select source, source_source from plots") == [
        ("survey_2023.gdb", "source of 2023"),
        ("survey_2024.gdb", "source of 2024"),
    ]


def test_another_model_has_a_table_of_its_own_for_both_sources(add: Function) -> None:
    scans = [scanned(2023, {}), scanned(2024, {})]
    add(*scans)
    path = add(scanned(2023, {}), scanned(2024, {}), model="water")
    assert tables(path) == [
        ("plots", "2023"), ("plots", "2024"), ("plots_2", "2023"), ("plots_2", "2024"),
    ]  # fmt: skip
    add(scanned(2024, {}), model="water")
    assert len(rows(path, "select 1 from plots_2")) == 2


def test_default_names_never_share_a_table(add: Function) -> None:
    path = add(scanned(2023, {}), scanned(2024, {}), name=None)
    assert [table for table, _ in tables(path)] == ["plots_classified", "plots_classified_2"]


def test_a_name_in_another_case_is_the_same_table(add: Function) -> None:
    add(scanned(2023, {}))
    assert tables(add(scanned(2024, {}), name="PLOTS")) == [("plots", "2023"), ("plots", "2024")]


def test_a_source_that_gets_another_name_leaves_the_others_alone(
    add: Function, gpkg_errors: Function
) -> None:
    add(scanned(2023, {"a": "TEXT"}), scanned(2024, {"b": "TEXT"}))
    path = add(scanned(2023, {"a": "TEXT"}), name="alone")
    assert tables(path) == [("plots", "2024"), ("alone", "2023")]
    assert rows(path, "select * from plots_summary")[0][2] == "b of 2024"
    path = add(scanned(2024, {"b": "TEXT"}), name="alone")
    assert tables(path) == [("alone", "2023"), ("alone", "2024")]
    assert not rows(path, "select 1 from gpkg_contents where table_name like 'plots%'")
    assert gpkg_errors(path) == []


def test_geometries_are_brought_to_the_system_of_the_table(add: Function) -> None:
    layer = geopandas.read_file(add(scanned(2023, {}), scanned(2024, {}, srs=UTM)), layer="plots")
    assert layer.crs.to_epsg() == 4326
    assert layer.geometry[0].equals(shapely.Point(4, 45))
    assert layer.geometry[1].distance(layer.geometry[0]) < 1e-4
    assert layer.geometry[1] != layer.geometry[0]


@pytest.mark.parametrize("order", [1, -1])
def test_a_source_without_reference_system_is_refused_and_changes_nothing(
    add: Function, order: int
) -> None:
    first, second = [scanned(2023, {}), scanned(2024, {}, srs=None)][::order]
    path = add(first)
    before = rows(path, "select * from plots")
    with pytest.raises(UsageError, match=r"cannot be brought to the reference system of .*gdb"):
        add(second)
    assert rows(path, "select * from plots") == before
    with Catalog(path) as catalog, pytest.raises(UsageError, match="choose another --out-feat"):
        hashes = ("definition of land", "weights of land")
        catalog.check_name([second.dataset], hashes, "plots", reprojection=reprojection)


def test_a_table_and_a_feature_class_share_a_table(add: Function, gpkg_errors: Function) -> None:
    path = add(scanned(2023, {}, geometry_type=None, srs=None), scanned(2024, {}, srs=UTM))
    assert rows(path, "select source, geom is null from plots") == [
        ("survey_2023.gdb", 1),
        ("survey_2024.gdb", 0),
    ]
    assert geopandas.read_file(path, layer="plots").crs.to_epsg() == 32631
    assert gpkg_errors(path) == []


def test_shapes_of_two_kinds_share_a_table(add: Function, gpkg_errors: Function) -> None:
    wkb = shapely.to_wkb(shapely.from_wkt("POLYGON Z ((4 45 1, 5 45 1, 5 46 1, 4 45 1))"),
                         flavor="iso")  # fmt: skip
    areas = scanned(2024, {}, geometry_type="POLYGON", has_z=True)
    areas = Scan(dataset=areas.dataset, features=[Feature(source_fid=1, geometry=wkb)])
    path = add(scanned(2023, {}), areas)
    assert rows(path, "select geometry_type_name, z from gpkg_geometry_columns"
                      " where table_name = 'plots'") == [("GEOMETRY", 2)]  # fmt: skip
    kinds = geopandas.read_file(path, layer="plots").geom_type
    assert kinds.tolist() == ["Point", "Polygon"]
    assert gpkg_errors(path) == []


def test_heights_stay_where_geometries_are_moved(add: Function, gpkg_errors: Function) -> None:
    point = shapely.to_wkb(shapely.from_wkt("POINT ZM (578815 4983436 7 9)"), flavor="iso")
    moved = scanned(2024, {}, srs=UTM, has_z=True)
    path = add(
        scanned(2023, {}, has_z=True),
        Scan(dataset=moved.dataset, features=[Feature(source_fid=1, geometry=point)]),
    )
    first, second = geopandas.read_file(path, layer="plots").geometry
    assert not first.has_z
    assert second.z == 7
    assert second.distance(first) < 1e-4
    assert rows(path, "select z, m from gpkg_geometry_columns where table_name = 'plots'"
                ) == [(2, 0)]  # fmt: skip
    assert gpkg_errors(path) == []


def test_bytes_beside_text_become_text(add: Function, gpkg_errors: Function) -> None:
    path = add(
        scanned(2023, {"photo": "TEXT"}, values={"photo": "a.jpg"}),
        scanned(2024, {"photo": "BLOB"}, values={"photo": b"\xff\x00"}),
    )
    assert rows(path, "select photo from plots") == [("a.jpg",), ("/wA=",)]
    assert gpkg_errors(path) == []


@pytest.mark.parametrize(
    ("whole", "kind", "expected"),
    [
        (2**53, "DOUBLE", [2.0**53, 0.1 + 0.2]),
        (-(2**53), "DOUBLE", [-(2.0**53), 0.1 + 0.2]),
        (2**60 + 1, "TEXT", [str(2**60 + 1), str(0.1 + 0.2)]),
        (-(2**63), "TEXT", [str(-(2**63)), str(0.1 + 0.2)]),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_no_digit_of_a_number_is_lost(
    add: Function, order: int, whole: int, kind: str, expected: list[Any]
) -> None:
    scans = [
        scanned(2023, {"n": "INTEGER"}, values={"n": whole}),
        scanned(2024, {"N": "DOUBLE"}, values={"N": 0.1 + 0.2}),
    ]
    path = add(*scans[::order])
    for table in ("plots", "plots_summary"):
        assert rows(path, f"select n from {table}") == [(each,) for each in expected[::order]]
        assert rows(path, f"select type from pragma_table_info('{table}') where lower(name) = 'n'"
                    ) == [(kind,)]  # fmt: skip


def test_a_renamed_column_is_no_column_of_another_source(add: Function) -> None:
    path = add(
        scanned(2023, {"reason": "TEXT"}),
        scanned(2024, {"reason": "TEXT", "reason_source": "TEXT"}),
    )
    assert rows(path, "select reason_source, reason_source_source from plots") == [
        (None, "reason of 2023"),
        ("reason_source of 2024", "reason of 2024"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("SMALLINT", "MEDIUMINT", "MEDIUMINT"),
        ("BOOLEAN", "INTEGER", "INTEGER"),
        ("MEDIUMINT", "FLOAT", "DOUBLE"),
        ("FLOAT", "DOUBLE", "DOUBLE"),
        ("TEXT(9)", "TEXT(20)", "TEXT(20)"),
        ("TEXT(9)", "TEXT", "TEXT"),
        ("TEXT(9)", "MEDIUMINT", "TEXT"),
        ("DATE", "DATETIME", "TEXT"),
        ("BLOB", "BLOB(9)", "BLOB"),
        ("BLOB", "DOUBLE", "TEXT"),
        ("DATE", "DATE", "DATE"),
    ],
)
def test_a_column_takes_the_wider_type(one: str, other: str, both: str) -> None:
    assert wider_type(one, other) == wider_type(other, one) == both


def test_domains_are_put_together_or_left_out() -> None:
    def columns(soil: dict[str, str], use: dict[str, str]) -> Any:
        return (
            [Column(name="soil", sql_type="TEXT", domain="Soils"),
             Column(name="use", sql_type="TEXT", domain="Uses", alias="Land use")],
            {"Soils": soil, "Uses": use},
        )  # fmt: skip

    merged, domains = union([
        columns({"1": "Sand"}, {"1": "Wood"}),
        columns({"2": "Clay"}, {"1": "Meadow"}),
    ])  # fmt: skip
    assert [(column.domain, column.alias) for column in merged] == [
        ("Soils", None),
        (None, "Land use"),
    ]
    assert domains == {"Soils": {"1": "Sand", "2": "Clay"}}


def test_sources_have_the_shortest_names_that_tell_them_apart() -> None:
    assert source_names([("/a/s.gdb", "p"), ("/b/t.gdb", "p")]) == ["s.gdb", "t.gdb"]
    assert source_names([("/a/s.gdb", "p"), ("/a/s.gdb", "q")]) == ["s.gdb/p", "s.gdb/q"]
    assert source_names([("/a/s.gdb", "p"), ("/b/s.gdb", "p")]) == ["/a/s.gdb", "/b/s.gdb"]
    assert source_names([("/a/s", "p"), ("/b/s", "p"), ("/a/s", "q")]) == [
        *("/a/s/p", "/b/s/p", "/a/s/q"),
    ]


def test_a_catalog_of_before_opens_and_its_tables_are_known(add: Function) -> None:
    path = add(scanned(2023, {}))
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DELETE FROM _sqlite_migrations WHERE name IN ('0003_shared_layers', '0007_built_from');"
            "ALTER TABLE result_layers DROP COLUMN built_from;"
            "CREATE TABLE old (id INTEGER PRIMARY KEY AUTOINCREMENT, dataset_id, model_id, run_id,"
            " table_name TEXT UNIQUE, summary_name TEXT UNIQUE);"
            "INSERT INTO old SELECT * FROM result_layers; DROP TABLE result_layers;"
            "ALTER TABLE old RENAME TO result_layers"
        )
    assert tables(add(scanned(2024, {}))) == [("plots", "2023"), ("plots", "2024")]


# --- with a model -------------------------------------------------------------------------


@pytest.fixture
def years(make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path) -> Function:
    """Return a function that classifies the survey of a year into one output feature class."""

    def run(year: int, photos: int) -> Run:
        survey = tmp_path / f"survey_{year}.gdb"
        if not survey.exists():
            make_gdb(
                [
                    (n, f"{n}.jpg", "image/jpeg", photo_bytes(year + n))
                    for n in range(1, photos + 1)
                ],
                name=survey.name,
            )
        return classify(survey, model=model_emd, output=tmp_path / "r.gpkg", out_features="plots")

    return run


def test_two_surveys_are_one_layer_whatever_the_order(
    years: Function, gpkg_errors: Function
) -> None:
    years(2023, 2)
    run = years(2024, 1)
    assert run.layers == ("plots", "plots_summary")
    counted = "select source, count(*), sum(status = 'done') from plots group by 1 order by 1"
    expected = [("survey_2023.gdb", 3, 2), ("survey_2024.gdb", 3, 1)]
    assert rows(run.catalog, counted) == expected
    layer = run.features()
    assert layer.crs.to_epsg() == 3857
    assert (layer.groupby("source").item_id.nunique() == [2, 1]).all()
    again = years(2023, 2)
    assert again.classified_now == 0
    assert rows(run.catalog, counted) == expected
    assert gpkg_errors(run.catalog) == []


def test_photos_of_a_shared_layer_are_exported_once(years: Function, tmp_path: Path) -> None:
    years(2023, 2)
    run = years(2024, 1)
    done = export_photos(run.catalog, tmp_path / "out", folder_name="{source}/{source_fid}")
    assert (done.photos, done.class_maps, done.missing) == (3, 3, [])
    folders = {"survey_2023.gdb_1", "survey_2023.gdb_2", "survey_2024.gdb_1"}
    assert {folder.name for folder in (tmp_path / "out").iterdir()} == folders
    export_photos(run.catalog, tmp_path / "plain")
    assert {folder.name for folder in (tmp_path / "plain").iterdir()} == folders


def test_inputs_of_one_command_share_a_layer(
    make_gdb: Function, make_gpkg: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    first = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(1))], name="survey_2023.gdb")
    second = make_gpkg([("image/jpeg", photo_bytes(2))], [(2, 1)], name="survey_2024.gpkg")
    command = ["classify", str(first), str(second), str(second), "-m", str(model_emd)]
    command += ["-o", str(tmp_path / "r.gpkg"), "--out-features", "plots", "--format", "json"]
    answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)[0]["layers"] == "plots, plots_summary"
    counted = "select source, count(*), sum(status = 'done') from plots group by 1 order by 1"
    expected = [("survey_2023.gdb", 3, 1), ("survey_2024.gpkg", 3, 1)]
    assert rows(tmp_path / "r.gpkg", counted) == expected
    assert geopandas.read_file(tmp_path / "r.gpkg", layer="plots").total_bounds[0] > 1000
    again = classify([second, first], model=model_emd, output=tmp_path / "r.gpkg",
                     out_features="plots")  # fmt: skip
    assert again.classified_now == 0
    assert rows(tmp_path / "r.gpkg", counted) == expected


def test_inputs_that_cannot_share_a_layer_are_refused_before_anything_is_classified(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    first = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(1))], name="survey_2023.gdb")
    (tmp_path / "b.jpg").write_bytes(photo_bytes(2))
    second = tmp_path / "trees.shp"
    geopandas.GeoDataFrame({"photo": ["b.jpg"]}, geometry=[shapely.Point(4, 45)], crs=4326).to_file(
        second, engine="pyogrio"
    )
    second.with_suffix(".prj").unlink()
    with pytest.raises(UsageError, match="choose another --out-features"):
        classify([first, second], model=model_emd, output=tmp_path / "r.gpkg",
                 out_features="plots")  # fmt: skip
    for table in ("outputs", "datasets", "items", "features"):
        assert rows(tmp_path / "r.gpkg", f"select count(*) from {table}") == [(0,)]


def test_an_input_of_several_feature_classes_has_to_say_which(
    tmp_path: Path, model_emd: Path, photo_bytes: Function
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo_bytes(1))
    for name in ("plots", "trees"):
        geopandas.GeoDataFrame(
            {"photo": ["a.jpg"]}, geometry=[shapely.Point(4, 45)], crs=4326
        ).to_file(tmp_path / "survey.gpkg", layer=name, engine="pyogrio")
    with pytest.raises(UsageError, match=r"survey\.gpkg has 2; choose one with --layer"):
        classify(tmp_path / "survey.gpkg", model=model_emd, output=tmp_path / "r.gpkg",
                 out_features="all")  # fmt: skip
