"""`pixelcat sql`: parameters, files, formats, saved queries, SpatiaLite."""

import io
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from own_processes import processor_time_s

from pixelcat import Catalog, open_catalog
from pixelcat.catalog import guard
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import main
from pixelcat.io.sources import scan
from pixelcat.processors.results import Run

PLOTS = [shapely.box(500_000 + 100 * n, 5e6, 500_050 + 100 * n, 5e6 + 40) for n in range(3)]
"""50 m by 40 m each, 100 m apart."""


@pytest.fixture
def catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo_bytes: Any, start_run: Any, done: Any
) -> Path:
    """A catalog of three plots with a photo each, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for n in range(3):
        Path(f"{n}.jpg").write_bytes(photo_bytes(n))
    columns = {
        "plot_id": ["A", "B", "C"],
        "code": ["007", "1.5", "5"],
        "trees": pd.array([1, None, 3], dtype="Int64"),
        "photo": ["0.jpg", "1.jpg", "2.jpg"],
    }
    geopandas.GeoDataFrame(columns, geometry=PLOTS, crs=32632).to_file(
        "plots.gpkg", layer="plots", engine="pyogrio"
    )
    with Catalog("results.gpkg", create=True) as opened:
        (plots,) = (opened.add(each) for each in scan(Path("plots.gpkg").resolve()))
        run = start_run(opened)
        for item in opened.pending(run, [plots.id]):
            opened.record(run, done(item, {1: 30, 2: 70}))
        opened.write_feature_class(plots.id, run)
    return Path("results.gpkg").resolve()


@pytest.fixture
def sql(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return a function that runs the command; what it prints, or the error where it fails."""

    def run(*args: object, code: int = 0, stdin: str = "", note: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["pixelcat", "sql", str(catalog), *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert (ended.value.code or 0) == code, err
        assert err.count("\n") == int(code != 0 or note != "")
        assert note in err
        return err if code else out

    return run


# --- statements and parameters ---------------------------------------------------------------


def test_a_statement_comes_from_a_file_or_standard_input(sql: Callable[..., str]) -> None:
    Path("q.sql").write_text("\ufeff-- how many\nselect count(*) as n from items;\n", "utf-8")
    assert sql("@q.sql", "--format", "csv") == "n\n3\n"
    assert sql("-", "--format", "csv", stdin="select 7 as n") == "n\n7\n"


UNTIMELY = ("0", "-1", "1e300", "inf", "nan")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["@none.sql"], 5, "none.sql: No such file"),
        (["@results.gpkg"], 5, "results.gpkg: no text in UTF-8"),
        ([], 2, "give a STATEMENT"),
        (["select 1", "--saved"], 2, "give no STATEMENT"),
        (["select 1", "--format", "gpkg"], 2, "-o FILE.gpkg"),
        (["select 1", "-o", "x.doc"], 2, "give --format"),
        (["select 1", "-o", "plots.gpkg"], 2, "exists and is left alone"),
        (["birds"], 2, "no table, view or saved query is called birds"),
        *((["select 1", "--timeout", each], 2, "up to 1,000,000") for each in UNTIMELY),
        (["select 1", "--spatial", "--timeout", "nan"], 2, "up to 1,000,000"),
        *(
            ([each], 2, "the statement is empty")
            for each in ("", " ;", "-- a remark", "/* so", "-")
        ),
        (["-- a remark", "--spatial"], 2, "the statement is empty"),
        (["-- a remark", "--save", "mine"], 2, "the statement is empty"),
        (["select 1", "-p", "nosuch=1"], 2, "has no :nosuch; it has no parameters"),
        (["select ':b', :a -- :b", "-p", "a=1", "-p", "b=1"], 2, "no :b; there are: a"),
        (["--formt", "csv", "select 1"], 2, "No such option"),
        (["--formt=csv", "select 1"], 2, "No such option"),
        (["select 1", "-o", "nodir/x.csv"], 2, "there is no folder nodir"),
        (["select ST_Point(1, 1, 'x')"], 2, "ST_Point: 'x' is no number of a reference system"),
        (["select ST_Point(1, 1, 99999999999)"], 2, "ST_Point: 99999999999 is no number"),
        (["select ST_Transform(geom, 1.5) from plots_classified"], 2, "1.5 is no number"),
        (["select 1 as a", "--format", "geojson"], 2, "no column of the answer holds geometries"),
    ],
)
def test_a_mistake_is_one_line(
    sql: Callable[..., str], args: list[str], code: int, message: str
) -> None:
    assert message in sql(*args, code=code)


def test_a_statement_may_begin_with_a_remark(sql: Callable[..., str]) -> None:
    for remark in ("-- how many?\n", "--how many\n", "--\n", "/* how many */"):
        statement = f"{remark}select :a as n, $b as m, count(*) as c from items"
        parameters = ("-p", "a=1", "--param", "b=2")
        assert sql(*parameters, statement, "--format", "csv") == "n,m,c\n1,2,3\n"


def test_help_lists_exit_codes(sql: Callable[..., str]) -> None:
    assert "2    the statement or the command is wrong" in sql("--help")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("7", 7), ("-7", -7), ("0", 0), ("0.20", 0.2), (".2", 0.2), ("1e-3", 0.001)),
        *(("007", "007"), ("'7'", "7"), ("1_000", "1_000"), ("nan", "nan"), ("", "")),
        *(("0x10", "0x10"), ("1.5.2", "1.5.2"), ("9223372036854775808", "9223372036854775808")),
        *(("-0.5", -0.5), ("inf", "inf"), ("1e999", "1e999"), ("٣", "٣")),
    ],
)
def test_a_parameter_is_a_number_where_it_is_written_as_one(
    sql: Callable[..., str], text: str, value: object
) -> None:
    answer = json.loads(sql("select :x as x", "-p", f"x={text}", "--format", "json"))
    assert answer == [{"x": value}]


def test_codes_are_found_by_parameters(sql: Callable[..., str]) -> None:
    statement = "select plot_id from plots_classified where code = :code"
    for code, plot in (("007", "A"), ("1.5", "B"), ("5", "C")):
        assert sql(statement, "-p", f"code={code}", "--format", "csv") == f"plot_id\n{plot}\n"


def test_a_statement_has_so_much_time(sql: Callable[..., str]) -> None:
    endless = "with recursive n(x) as (select 1 union all select x+1 from n) select max(x) from n"
    assert "stopped after 0.3 s" in sql(endless, "--timeout", "0.3", code=2)


SLOW = (
    "with t as materialized (select printf('%.*c', 4000000, 'x') as a,"
    " printf('%.*c', 2000000, 'x') || 'y' as b)"
    " select count(*) from t where instr(a, b) > 0"
)
"""One step of SQLite that takes minutes."""


@pytest.mark.parametrize("spatial", [(), ("--spatial",)], ids=["plain", "spatial"])
def test_time_is_up_inside_one_function(sql: Callable[..., str], spatial: Sequence[str]) -> None:
    message = sql(SLOW, "--timeout", "0.5", *spatial, code=2)
    assert message == "Error: sql: stopped after 0.5 s; narrow the query\n"


@pytest.mark.parametrize("spatial", [(), ("--spatial",)], ids=["plain", "spatial"])
def test_memory_is_limited_inside_one_function(
    sql: Callable[..., str], spatial: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MAX_MEMORY_BYTES", 60 << 20)
    points = (
        "with recursive n(x) as (select 1 union all select x + 1 from n where x < 150000)"
        " select ST_GeomFromText('MULTIPOINT(' || group_concat(x || ' ' || (x % 977)) || ')') as g"
        " from n"
    )
    message = sql(f"select ST_AsText(ST_Buffer(g, 300)) from ({points})", *spatial, code=2)
    assert message == "Error: sql: needs too much memory; narrow the query\n"


def test_few_large_rows_are_an_answer_that_is_too_large(
    sql: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MAX_MEMORY_BYTES", 100 << 20)
    statement = (
        "with recursive n(x) as (select 1 union all select x + 1 from n where x < 20)"
        " select char(0x1F600) || printf('%.*c', 3000000, 'x') as a from n"
    )
    for kind in ("table", "json"):
        message = sql(statement, "--format", kind, code=2)
        assert message == "Error: sql: the answer is larger than 100 MB; narrow the query\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_signal_ends_a_question_at_once(catalog: Path, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "pixelcat", "sql", str(catalog), SLOW]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (child := children.read_text().strip()):
            assert process.poll() is None
        working = Path(f"/proc/{child}/status")
        while processor_time_s(child) < 1:
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stderr is not None
        assert process.stderr.read().split() == (["Error:", "stopped"] if code > 0 else [])
    end = time.monotonic() + 30
    while working.exists() and "(zombie)" not in working.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- formats ---------------------------------------------------------------------------------


def test_geometries_are_text_in_text(sql: Callable[..., str]) -> None:
    statement = "select ST_Centroid(geom) as g, x'00' as b from plots_classified limit 1"
    assert sql(statement, "--format", "tsv") == "g\tb\nPOINT (500025 5000020)\t<blob 1 bytes>\n"
    assert json.loads(sql(statement, "--format", "ndjson"))["g"] == "POINT (500025 5000020)"
    assert "..." in sql("select geom from plots_classified")


def test_geojson_is_in_longitude_and_latitude(sql: Callable[..., str]) -> None:
    statement = "select plot_id, trees, geom, ST_Centroid(geom) as c from plots_classified"
    told = json.loads(sql(statement, "--format", "geojson"))
    assert [each["properties"]["trees"] for each in told["features"]] == [1, None, 3]
    assert told["features"][0]["properties"]["c"] == "POINT (500025 5000020)"
    frame = geopandas.GeoDataFrame.from_features(told, crs=4326).to_crs(32632)
    assert np.allclose(frame.total_bounds, [500_000, 5e6, 500_250, 5_000_040], atol=1e-3)
    assert all(shape.exterior.is_ccw for shape in frame.geometry)
    assert sql("select geom from plots_classified where 0", "--format", "geojson").split() == [
        *('{"type":', '"FeatureCollection",', '"features":', "[", "]}")
    ]


def test_a_geopackage_keeps_types_bytes_and_place(
    sql: Callable[..., str], gpkg_errors: Callable[[Path], list[str]]
) -> None:
    sql(
        "select plot_id, fid, trees, 0.5 as half, x'00ff' as raw, geom, plot_id as PLOT_ID"
        " from plots_classified",
        *("-o", "my answer.gpkg"),
    )
    path = Path("my answer.gpkg")
    frame = pyogrio.read_dataframe(path, layer="my_answer", fid_as_index=True)
    assert frame.crs.to_epsg() == 32632
    assert frame.geometry.geom_equals(geopandas.GeoSeries(PLOTS, frame.index, crs=32632)).all()
    assert frame["PLOT_ID_2"].tolist() == frame["plot_id"].tolist() == ["A", "B", "C"]
    with sqlite3.connect(path) as database:
        row = database.execute("select fid, fid_2, trees, half, raw from my_answer").fetchone()
        types = dict(database.execute("select name, type from pragma_table_info('my_answer')"))
    database.close()
    assert row == (1, 1, 1, 0.5, b"\x00\xff")
    assert (types["trees"], types["half"], types["raw"], types["geom"]) == (
        *("INTEGER", "DOUBLE", "BLOB", "POLYGON"),
    )
    assert gpkg_errors(path) == []


def test_a_geopackage_without_geometry(
    sql: Callable[..., str], gpkg_errors: Callable[[Path], list[str]]
) -> None:
    sql("select name, width from items", "-o", "o.gpkg")
    assert pyogrio.read_dataframe("o.gpkg")["width"].tolist() == [61, 61, 61]
    assert gpkg_errors(Path("o.gpkg")) == []


def test_parquet(sql: Callable[..., str]) -> None:
    pytest.importorskip("pyarrow")
    sql("select plot_id, trees, geom from plots_classified", "-o", "o.parquet")
    frame = geopandas.read_parquet("o.parquet")
    assert (frame.crs.to_epsg(), frame.geometry.name) == (32632, "geom")
    assert frame["trees"].dropna().tolist() == [1, 3]
    sql("select name, width from items", "--format", "parquet", "-o", "plain.pq")
    assert pd.read_parquet("plain.pq")["width"].tolist() == [61, 61, 61]


def test_parquet_names_what_it_needs(
    sql: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "pip install 'pixelcat[parquet]'" in sql("select 1 as a", "-o", "o.parquet", code=2)
    assert not list(Path.cwd().glob("*.parquet"))


def test_a_file_of_text_is_whole_or_not_there(sql: Callable[..., str]) -> None:
    sql("select plot_id from plots_classified", "-o", "o.csv")
    assert Path("o.csv").read_text() == "plot_id\nA\nB\nC\n"
    late = (
        "select json_extract(case when fid = 3 then '{' else '{}' end, '$') from plots_classified"
    )
    assert "malformed JSON" in sql(late, "-o", "bad.csv", code=2)
    assert not list(Path.cwd().glob("*bad*")) + list(Path.cwd().glob(".tmp*"))


# --- functions -------------------------------------------------------------------------------


def test_layers_are_joined_by_place(sql: Callable[..., str]) -> None:
    statement = (
        "select count(*) as n from plots_classified a join plots_classified b"
        " on ST_Distance(a.geom, b.geom) = 50 and ST_Disjoint(a.geom, b.geom) and a.fid < b.fid"
    )
    assert sql(statement, "--format", "csv") == "n\n2\n"
    statement = (
        "select plot_id from plots_classified where ST_Within(ST_Transform(ST_Point(9.0003,"
        " 45.1536), 32632), geom)"
    )
    assert sql(statement, "--format", "csv") == "plot_id\nA\n"


def test_geometries_of_different_systems_are_no_silent_no(sql: Callable[..., str]) -> None:
    statement = (
        "select plot_id from plots_classified p join features f on ST_Within(f.geom, p.geom)"
    )
    message = sql(statement, code=2)
    assert "ST_Within: geometries of reference systems 4326 and 32632" in message


def test_python_has_functions_parameters_and_spatialite(catalog: Path) -> None:
    results = open_catalog(catalog)
    (row,) = results.sql("select ST_Area(geom) as a from plots_classified where code = ?", ("5",))
    assert row == {"a": 2000}
    (row,) = results.sql(
        "select ST_Perimeter(geom) as p from plots_classified where code = :c", {"c": "5"},
        spatial=True,
    )  # fmt: skip
    assert row == {"p": 180}


def test_a_run_is_asked_with_spatialite_too(catalog: Path) -> None:
    run = Run(
        catalog=catalog, id=1, status="finished", done=0, failed=0, skipped=0, classified_now=0,
        rasters=catalog.parent, layers=(), failures=(), notes=(),
    )  # fmt: skip
    query = "select ST_Perimeter(geom) as p from plots_classified where code = ?"
    assert run.sql(query, ["5"], spatial=True) == [{"p": 180}]
    with pytest.raises(UsageError, match="no such function: ST_Perimeter2D"):
        run.sql("select ST_Perimeter2D(geom) from plots_classified")


# --- saved queries ---------------------------------------------------------------------------


def test_a_saved_query_is_a_view(
    sql: Callable[..., str], catalog: Path, gpkg_errors: Callable[[Path], list[str]]
) -> None:
    statement = "select plot_id, round(100 * share_crop) as crop from plots_classified_summary"
    sql(statement + ";\n-- a remark", "--save", "cover")
    assert sql("cover", "--format", "csv") == "plot_id,crop\nA,70.0\nB,70.0\nC,70.0\n"
    sql("select plot_id from plots_classified order by 1 desc", "--save", "Cover")
    assert sql("select * from cover limit 1", "--format", "csv") == "plot_id\nC\n"
    (row,) = json.loads(sql("--saved", "--format", "json"))
    assert row["name"] == "Cover"
    assert row["sql"] == "select plot_id from plots_classified order by 1 desc"
    assert gpkg_errors(catalog) == []
    sql("--forget", "COVER")
    assert json.loads(sql("--saved", "--format", "json")) == []
    assert "no query cover is saved" in sql("--forget", "cover", code=2)


def test_a_saved_query_can_be_a_layer(
    sql: Callable[..., str], catalog: Path, gpkg_errors: Callable[[Path], list[str]]
) -> None:
    statement = "select fid, plot_id, geom from plots_classified_summary where share_crop > 0.5"
    sql(statement, "--save", "crops")
    sql("select item_id, plot_id from plots_classified", "--save", "keys")
    frame = pyogrio.read_dataframe(catalog, layer="crops")
    assert frame["plot_id"].tolist() == ["A", "B", "C"]
    assert (frame.crs.to_epsg(), frame.area.tolist()) == (32632, [2000, 2000, 2000])
    assert "keys" in pyogrio.list_layers(catalog)[:, 0]
    assert gpkg_errors(catalog) == []
    sql("--forget", "crops")
    assert "crops" not in pyogrio.list_layers(catalog)[:, 0]
    assert gpkg_errors(catalog) == []


def test_a_layer_that_is_flat_is_flat_in_other_programs(
    sql: Callable[..., str], catalog: Path
) -> None:
    sql("select fid, geom from plots_classified", "--save", "flat")
    assert pyogrio.read_info(catalog, layer="flat")["geometry_type"] == "Polygon"


def test_a_question_is_listed_for_others_only_where_its_rows_have_a_key(
    sql: Callable[..., str], catalog: Path, gpkg_errors: Callable[[Path], list[str]]
) -> None:
    for column in ("nullif(item_id, 1) as item_id", "trees"):
        with_null = f"select {column}, geom from plots_classified"
        sql(with_null, "--save", "keyless", note="" if "nullif" in column else "repeat")
    twice = "select a.fid, b.geom from plots_classified a, plots_classified b"
    sql(twice, "--save", "twice", note="first column fid are missing or repeat")
    assert sql("select count(*) as n from twice", "--format", "csv") == "n\n9\n"
    assert {"keyless", "twice"}.isdisjoint(pyogrio.list_layers(catalog)[:, 0])
    assert gpkg_errors(catalog) == []


def test_a_question_with_our_functions_is_saved(
    sql: Callable[..., str], catalog: Path, gpkg_errors: Callable[[Path], list[str]]
) -> None:
    statement = "select fid, ST_GeodesicArea(geom) > 0 as ok, geom from plots_classified"
    sql(statement, "--save", "areas", note="functions that they do not have")
    assert sql("select sum(ok) as n from areas", "--format", "csv") == "n\n3\n"
    assert open_catalog(catalog).table("areas")["ok"].tolist() == [1, 1, 1]
    assert "areas" not in pyogrio.list_layers(catalog)[:, 0]
    assert gpkg_errors(catalog) == []
    sql("--forget", "areas")


def test_a_whole_table_is_saved_by_its_name(sql: Callable[..., str], catalog: Path) -> None:
    sql("plots_classified", "--save", "all_plots")
    assert pyogrio.read_dataframe(catalog, layer="all_plots")["plot_id"].tolist() == ["A", "B", "C"]


def test_a_question_that_asks_itself_is_not_saved(sql: Callable[..., str]) -> None:
    sql("select 1 as a", "--save", "mine")
    assert "circularly defined" in sql("select * from mine", "--save", "mine", code=2)
    assert sql("mine", "--format", "csv") == "a\n1\n"


@pytest.mark.parametrize(
    ("statement", "name", "message"),
    [
        ("delete from items", "mine", "syntax error"),
        ("select 1); drop table items; select (1", "mine", "one statement at a time"),
        ("select 1; drop table items", "mine", "syntax error"),
        ("select :x as x", "mine", "bind"),
        ("select * from birds", "mine", "no such table: birds"),
        ("select 1", "items", "is a table or view of the catalog"),
        ("select 1", "Item_Results", "is a table or view of the catalog"),
        ("select 1", "gpkg_mine", "cannot be the name of a query"),
        ("select 1", 'a"; drop table items; --', "cannot be the name of a query"),
        ("select load_extension('x')", "mine", "only reading is allowed"),
    ],
)
def test_only_a_question_of_a_free_name_is_saved(
    sql: Callable[..., str], statement: str, name: str, message: str
) -> None:
    assert message in sql(statement, "--save", name, code=2)
    assert json.loads(sql("--saved", "--format", "json")) == []
    assert sql("select count(*) as n from items", "--format", "csv") == "n\n3\n"


def test_nothing_is_saved_while_a_run_writes(sql: Callable[..., str], catalog: Path) -> None:
    with Catalog(catalog):
        assert "is in use by process" in sql("select 1", "--save", "mine", code=75)


def test_a_saved_query_outlives_the_table_that_a_run_writes_anew(
    sql: Callable[..., str], catalog: Path, start_run: Any
) -> None:
    sql("select plot_id from plots_classified", "--save", "mine")
    with Catalog(catalog) as opened:
        run = start_run(opened, "another")
        opened.write_feature_class(1, run, name="other")
    assert sql("mine", "--format", "csv") == "plot_id\nA\nB\nC\n"


# --- SpatiaLite ------------------------------------------------------------------------------


def test_spatialite_answers_with_parameters(sql: Callable[..., str]) -> None:
    statement = (
        "select plot_id, trees, ST_Buffer(geom, 10) from plots_classified"
        " where code = :code or plot_id = ':code' or plot_id = :quoted"
    )
    parameters = ("-p", "code=007", "-p", "quoted=it's :code")
    told = json.loads(sql(statement, *parameters, "--spatial", "--format", "geojson"))
    (feature,) = told["features"]
    assert feature["properties"] == {"plot_id": "A", "trees": 1}
    shape = geopandas.GeoSeries([shapely.geometry.shape(feature["geometry"])], crs=4326)
    area = 50 * 40 + 2 * 10 * (50 + 40) + np.pi * 100
    assert shape.to_crs(32632).area[0] == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize(
    "statement",
    [
        "attach 'plots.gpkg' as other",
        "attach 'new.db' as other",
        "vacuum into 'copy.gpkg'",
        "select load_extension('mod_spatialite')",
        "select ST_Area(geom) from plots_classified; delete from items",
        "delete from items",
        "pragma user_version = 7",
        "select gdal_get_pixel_value('0.jpg', 1, 'pixel', 0, 0)",
        "select ogr_datasource_load_layers('plots.gpkg')",
        "select BlobToFile(x'00', 'mine')",
        "select ImportSHP('a', 'b', 'utf-8')",
        "select * from virtualshape",
        "select fts3_tokenizer('simple')",
        "explain select 1",
        "create table mine (a)",
    ],
)
def test_spatialite_changes_and_reads_nothing_else(sql: Callable[..., str], statement: str) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in Path.cwd().iterdir()}
    assert sql(statement, "--spatial", code=2).startswith("Error: sql: ")
    assert {path.name: path.stat().st_mtime_ns for path in Path.cwd().iterdir()} == before


def test_spatialite_is_stopped(sql: Callable[..., str]) -> None:
    endless = "with recursive n(x) as (select 1 union all select x+1 from n) select max(x) from n"
    message = sql(endless, "--spatial", "--timeout", "1", code=2)
    assert "stopped after 1 s" in message


def test_spatialite_says_what_is_wrong(sql: Callable[..., str]) -> None:
    assert "no such function: ST_Birds" in sql("select ST_Birds(1)", "--spatial", code=2)


def test_spatialite_never_opens_the_catalog_itself(catalog: Path) -> None:
    with Catalog(catalog) as opened:
        opened._connection.execute("BEGIN IMMEDIATE")
        open_catalog(catalog).sql("select ST_Area(geom) from plots_classified", spatial=True)
        with sqlite3.connect(catalog, timeout=0) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        opened._connection.execute("ROLLBACK")


AWKWARD = [
    "select 1 as n union all select 2.5 union all select 'text' union all select null",
    "select case when fid > 1 then fid / 4.0 else 0 end as share from plots_classified",
    "select fid, plot_id, trees, geom, share_crop from plots_classified_summary",
    "select id, name, width as item_id from items",
    "select count(*) as fid, 7 as item_id, 8 as OGC_FID from items",
    "select 1 as a, 2 as a, 3 as 'b:1', 1 + 1, 'it''s', \"name\" from items limit 1",
    "select x'00ff' as b, x'' as none, 0.1 + 0.2, 1e999, -1e999, 9223372036854775807, 1e-300",
    "select -9223372036854775808, 2.0, cast('3' as real), 'é\n' || char(0, 10), '', '1', 'N'",
    "select geom as shape, geom as other, geom from plots_classified order by fid desc",
    "select plot_id from plots_classified where 0",
    "select null as n from plots_classified",
    "select name, count(*) over () from items -- how many\n;  /* the end",
    "with n as (select 1 as x) select * from n union select 2 order by 1 desc;",
    "values (1, 'b'), (2.5, null)",
    "select 1-:one as n, :half as half, :word, :none, :exact = 0.1 + 0.2, :hidden as h",
    "select code from plots_classified where code = :seven",
    "plots_classified",
    "Items",
]


def test_spatialite_changes_no_value_name_or_order(catalog: Path) -> None:
    values = {"one": -1, "half": -0.5, "word": "it's :one", "none": None, "seven": "007"}
    values |= {"exact": 0.1 + 0.2, "hidden": "a\0b"}
    results = open_catalog(catalog)
    for statement in AWKWARD:
        plain, spatial = (
            [[(name, type(value), value) for name, value in row.items()] for row in rows]
            for rows in (results.sql(statement, values, spatial=each) for each in (False, True))
        )
        assert spatial == plain, statement


def test_geometries_of_spatialite_are_geometries_where_they_stand(sql: Callable[..., str]) -> None:
    statement = (
        "select plot_id, ST_Buffer(ST_Centroid(geom), 1, 1) as circle, x'0001' as b, geom,"
        " ST_Translate(ST_Centroid(geom), 1, 1, 3) as z from plots_classified where fid = 1"
    )
    (row,) = json.loads(sql(statement, "--spatial", "--format", "json"))
    assert list(row) == ["plot_id", "circle", "b", "geom", "z"]
    assert shapely.from_wkt(row["circle"]).area == pytest.approx(2)
    assert row["geom"].startswith("POLYGON ((500050 5000000,")
    assert (row["b"], row["z"]) == ("<blob 2 bytes>", "POINT (500026 5000021)")
    sql(statement, "--spatial", "-o", "circles.gpkg")
    frame = geopandas.read_file("circles.gpkg", engine="pyogrio")
    assert (frame.crs.to_epsg(), frame.area[0]) == (32632, pytest.approx(2))


def test_an_answer_of_spatialite_without_rows_has_columns(sql: Callable[..., str]) -> None:
    statement = "select fid, plot_id, ST_Buffer(geom, 1) from plots_classified where 0"
    assert sql(statement, "--spatial", "--format", "csv") == 'fid,plot_id,"ST_Buffer(geom, 1)"\n'


def test_spatialite_says_what_fails_half_way(sql: Callable[..., str]) -> None:
    late = "json_extract(case when fid = 3 then '{' else '{}' end, '$')"
    many = ", ".join(f"'text {n}'" for n in range(300))
    statement = f"select {many}, {late} from plots_classified"
    assert sql(statement, "--spatial", code=2) == "Error: sql: malformed JSON\n"
    birds = f"select {many}, ST_Birds(geom) from plots_classified"
    assert sql(birds, "--spatial", code=2) == "Error: sql: no such function: ST_Birds\n"


def test_spatialite_takes_one_statement(catalog: Path) -> None:
    with pytest.raises(UsageError, match="one statement at a time"):
        open_catalog(catalog).sql("select ST_Area(null); attach 'x' as y", spatial=True)
