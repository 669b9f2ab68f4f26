"""SQL of a user: reads everything, changes nothing, never hangs."""

import hashlib
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pixelcat.catalog.errors import CatalogBusyError, CatalogError, SourceError, UsageError
from pixelcat.catalog.query import query
from pixelcat.catalog.store import Catalog
from pixelcat.io.frames import read_table
from pixelcat.io.sources import scan


@pytest.fixture
def catalog(tmp_path, make_gdb, photo_bytes, start_run):
    """A closed catalog of three plots, two of them with a photo, and its feature class."""
    path = tmp_path / "results.gpkg"
    attachments = [(n, f"{n}.jpg", "image/jpeg", photo_bytes(n)) for n in (1, 3)]
    with Catalog(path, create=True) as opened:
        (plots,) = (opened.add(each) for each in scan(make_gdb(attachments)))
        opened.write_feature_class(plots.id, start_run(opened))
    return path


def everything_below(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT name, width FROM items WHERE name = '3.jpg'", ()),
        ("SELECT name, width FROM items WHERE name = ?", ("3.jpg",)),
        ("SELECT name, width FROM items WHERE name = :n", {"n": "3.jpg"}),
        ("WITH i AS (SELECT * FROM items) SELECT name, width FROM i WHERE id = 2;", ()),
        ("-- a remark\nSELECT name,\n width FROM items WHERE id = 2", ()),
    ],
)
def test_a_question_is_answered(catalog, sql, parameters):
    answer = query(catalog, sql, parameters)
    assert answer.columns == ("name", "width")
    assert answer.rows == [("3.jpg", 61)]
    assert answer.dicts() == [{"name": "3.jpg", "width": 61}]


def test_an_answer_without_rows_still_has_columns(catalog):
    answer = query(catalog, "SELECT name FROM items WHERE 0")
    assert (answer.columns, answer.rows) == (("name",), [])


def test_a_path_with_odd_characters_opens(catalog):
    odd = catalog.rename(catalog.with_name("50% done? #1 é.gpkg"))
    assert query(odd, "SELECT count(*) FROM items").rows == [(2,)]


def test_an_r_tree_is_asked_by_extent(catalog):
    sql = "SELECT count(*) FROM rtree_plots_classified_geom WHERE minx > ? AND maxy < ?"
    assert query(catalog, sql, (500_015, 5_000_010)).rows == [(2,)]


def test_geometry_functions_answer(catalog):
    sql = "SELECT ST_MinX(geom), ST_MaxY(geom), ST_IsEmpty(geom) FROM plots_classified LIMIT 1"
    assert query(catalog, sql).rows == [(500_010, 5_000_001, 0)]


def test_json_columns_are_taken_apart(catalog):
    sql = (
        "SELECT j.value ->> 'name' FROM datasets, json_each(datasets.columns) j"
        " UNION ALL SELECT f.attributes ->> 'plot_id' FROM features f"
    )
    names = ["OBJECTID", "plot_id", "slope", "trees", "P1", "P2", "P3"]
    assert [row[0] for row in query(catalog, sql).rows] == names


def test_aggregates_windows_and_views_answer(catalog):
    sql = (
        "SELECT name, row_number() OVER (ORDER BY id DESC) FROM items"
        " UNION ALL SELECT 'results', count(*) FROM item_results"
    )
    assert query(catalog, sql).rows == [("3.jpg", 1), ("1.jpg", 2), ("results", 0)]


def test_a_catalog_on_read_only_files_answers(catalog):
    catalog.chmod(0o444)
    assert query(catalog, "SELECT count(*) FROM items").rows == [(2,)]
    assert not catalog.with_name("results.gpkg.lock").exists()


# --- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO items (dataset_id, kind, source_key, name, status) VALUES (1,'f','x','x','ready')",
        "INSERT INTO items SELECT * FROM items RETURNING id",
        "UPDATE items SET name = 'x'",
        "WITH x AS (SELECT 1) UPDATE items SET name = 'x'",
        "DELETE FROM items",
        "REPLACE INTO classes SELECT * FROM classes",
        "DROP TABLE items",
        "CREATE TABLE mine (a)",
        "CREATE TEMP TABLE mine (a)",
        "CREATE TEMP VIEW mine AS SELECT 1",
        "CREATE VIRTUAL TABLE temp.mine USING rtree(id, a, b)",
        "CREATE INDEX mine ON items (name)",
        "ALTER TABLE items ADD COLUMN mine",
        "ATTACH 'new.db' AS other",
        "ATTACH 'existing.db' AS other",
        "ATTACH ':memory:' AS other",
        "ATTACH 'file:existing.db?mode=rw' AS other",
        "VACUUM",
        "VACUUM INTO 'copy.gpkg'",
        "PRAGMA user_version = 7",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = WAL",
        "PRAGMA writable_schema = ON",
        "PRAGMA wal_checkpoint",
        "SELECT * FROM pragma_journal_mode('wal')",
        "BEGIN IMMEDIATE",
        "SAVEPOINT mine",
        "REINDEX",
        "ANALYZE",
        "DETACH main",
        "SELECT load_extension('mine.so')",
        "SELECT writefile('mine.txt', 'x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT edit('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT FTS3_Tokenizer('simple', x'00')",
        "SELECT optimize(x) FROM (SELECT 1 AS x)",
        "CREATE VIRTUAL TABLE mine USING fts5(a)",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE TRIGGER mine AFTER INSERT ON items BEGIN SELECT 1; END",
        "PRAGMA hard_heap_limit = 0",
        "PRAGMA table_info = 1; DROP TABLE items",
        "PRAGMA temp_store_directory = '/tmp'",
        "WITH x AS (SELECT 1) DELETE FROM items RETURNING *",
        "SELECT * FROM dbstat",
        "COMMIT",
        "INSERT INTO rtree_features_geom VALUES (9, 0, 0, 0, 0)",
        "DELETE FROM rtree_features_geom",
        "SELECT 1; DELETE FROM items",
        "EXPLAIN DELETE FROM items",
    ],
)
def test_nothing_is_written(catalog, sql, monkeypatch):
    monkeypatch.chdir(catalog.parent)
    with sqlite3.connect("existing.db") as database:
        database.execute("CREATE TABLE secret (a)")
    database.close()
    before = everything_below(catalog.parent)
    with pytest.raises(UsageError) as refusal:
        query(catalog, sql)
    assert "\n" not in str(refusal.value)
    assert everything_below(catalog.parent) == before


def test_a_refusal_says_that_only_reading_is_allowed(catalog):
    with pytest.raises(UsageError, match=r"^sql: only reading is allowed here; use another tool"):
        query(catalog, "DELETE FROM items")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT wingspan FROM items", "no such column: wingspan"),
        ("SELECT locked FROM items", "no such column: locked"),
        ("SELECT * FROM malformed", "no such table: malformed"),
        ("SELECT json_extract('{', '$')", "malformed JSON"),
        ("SELECT ?", "bindings"),
        ("SELECT :name", "bind"),
        ("SELECT 'one\nand two", "unrecognized token"),
        ("SELECT \x00 1", "null character"),
        ("SELECT '\ud800'", "."),
        ("SELECT 1; SELECT 2", "one statement at a time"),
    ],
)
def test_a_mistake_is_one_line(catalog, sql, message):
    with pytest.raises(UsageError, match=f"^sql: .*{message}") as mistake:
        query(catalog, sql)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize(
    "value", [2**63, "\ud800", object()], ids=["too large", "no text", "object"]
)
def test_a_parameter_that_sqlite_cannot_hold_is_a_mistake(catalog, value):
    with pytest.raises(UsageError, match=r"^sql: "):
        query(catalog, "SELECT ?", (value,))


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
        "WITH n AS (SELECT value FROM json_each('[1,2,3,4,5,6,7,8,9,10]'))"
        + f" SELECT count(*) FROM {', '.join(f'n AS n{i}' for i in range(12))}",
    ],
)
def test_a_query_without_end_is_stopped(catalog, sql):
    start = time.monotonic()
    with pytest.raises(UsageError, match=r"stopped after 0\.5 s; narrow the query"):
        query(catalog, sql, time_limit_s=0.5)
    assert 0.4 < time.monotonic() - start < 5


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(printf('%.*c', 60000000, 'x'))",
        "SELECT length(replace(printf('%.*c', 10000000, 'x'), 'x', 'xxxxxxxxxx'))",
        "SELECT zeroblob(60000000)",
        "SELECT randomblob(60000000)",
    ],
)
def test_no_value_fills_the_memory(catalog, sql):
    try:
        answer = query(catalog, sql, time_limit_s=5)
    except UsageError:
        return
    assert answer.rows == [(None,)]


NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
BOMBS = {
    "many columns": "SELECT " + ", ".join(["printf('%.*c', 40000000, 'x')"] * 300),
    "sorting": f"{NUMBERS} SELECT x FROM n ORDER BY -x",
    "many rows": f"{NUMBERS} SELECT x, x, x, x, x, x FROM n",
    "long rows": f"{NUMBERS} SELECT x, printf('%.*c', 1000000, 'x') FROM n",
}
ASK = """
import sys
from pathlib import Path
from pixelcat.catalog.errors import UsageError
from pixelcat.catalog.query import asked
try:
    with asked(sys.argv[1], sys.argv[2], memory_limit_bytes=200 << 20) as answer:
        answer.kept()
except UsageError as refusal:
    print(refusal)
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""
"""What ``resource`` gives counts the process too that started this one."""


@pytest.mark.parametrize("name", BOMBS)
def test_no_statement_fills_the_memory_or_the_disk(catalog, name):
    """The limit is lowered, so that the test is quick; in a process, which keeps the limit."""
    small = "import pixelcat.catalog.guard as guard; guard.MAX_MEMORY_BYTES = 200 << 20\n" + ASK
    done = subprocess.run(
        [sys.executable, "-c", small, str(catalog), BOMBS[name]],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    message, peak = done.stdout.splitlines()
    assert message.startswith("sql: ")
    assert "narrow the query" in message or "too big" in message
    assert "stopped after" not in message
    assert int(peak) < 900


def test_columns_can_be_listed(catalog):
    sql = "SELECT name FROM pragma_table_info('class_stats') LIMIT 2"
    assert query(catalog, sql).rows == [("id",), ("output_id",)]
    assert query(catalog, "PRAGMA table_info(class_stats)").rows[0][1] == "id"


@pytest.mark.parametrize("name", ["items", "Items", " items\n"])
def test_the_name_of_a_table_alone_is_all_of_it(catalog, name):
    assert query(catalog, name).rows == query(catalog, "SELECT * FROM items").rows


# --- which file --------------------------------------------------------------------------


def test_a_catalog_that_is_not_there_is_not_made(tmp_path):
    for ask in (lambda path: query(path, "SELECT 1"), lambda path: read_table(path, "items")):
        with pytest.raises(SourceError, match=r"results\.gpkg: no such catalog"):
            ask(tmp_path / "results.gpkg")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_catalog_is_refused(tmp_path):
    for name, data, words in (
        ("notes.gpkg", b"notes" * 300, "is not a usable catalog"),
        ("empty.gpkg", b"", "is empty: what began it was stopped"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CatalogError, match=f"{name} {words}"):
            query(tmp_path / name, "SELECT 1")
    with closing(sqlite3.connect(tmp_path / "other.gpkg")) as other:
        other.execute("CREATE TABLE items (id)")
    with pytest.raises(CatalogError, match=r"other\.gpkg is not a pixelcat catalog"):
        query(tmp_path / "other.gpkg", "SELECT 1")


def test_a_catalog_that_another_program_writes_is_busy(catalog, monkeypatch):
    monkeypatch.setattr("pixelcat.catalog.query.BUSY_TIMEOUT_S", 0)
    other = sqlite3.connect(catalog, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(CatalogBusyError, match="close it there"):
        query(catalog, "SELECT 1")
    other.close()
    assert query(catalog, "SELECT 1").rows == [(1,)]


def test_an_open_catalog_answers_in_the_same_process(catalog):
    with Catalog(catalog):
        assert query(catalog, "SELECT count(*) FROM items").rows == [(2,)]


# --- frames ------------------------------------------------------------------------------


def test_a_feature_class_becomes_a_geodataframe(catalog):
    frame = read_table(catalog, "Plots_Classified")
    assert frame.crs.to_epsg() == 3857
    assert frame.geometry.x.tolist() == [500_010, 500_020, 500_030]
    assert frame["plot_id"].tolist() == ["P1", "P2", "P3"]
    assert "geom" not in frame


def test_a_table_without_geometry_becomes_a_dataframe(catalog):
    frame = read_table(catalog, "items")
    assert frame["name"].tolist() == ["1.jpg", "3.jpg"]
    assert not hasattr(frame, "crs")


def test_a_table_that_is_not_there_is_named(catalog):
    with pytest.raises(UsageError, match="has no table birds"):
        read_table(catalog, "birds")


# a killed process


def test_a_catalog_can_be_read_after_a_commit_was_killed(tmp_path: Path) -> None:
    """Pages are written before the commit, as in a large transaction; then the process is gone."""
    path = tmp_path / "c.gpkg"
    with Catalog(path, create=True):
        pass
    before = query(path, "SELECT count(*) AS n FROM gpkg_contents").rows
    killed = f"""
import os, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE half (a)")
for _ in range(300):
    connection.execute("INSERT INTO half VALUES (zeroblob(4000))")
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    journal = tmp_path / "c.gpkg-journal"
    assert journal.stat().st_size > 0
    assert query(path, "SELECT count(*) AS n FROM gpkg_contents").rows == before
    assert query(path, "SELECT name FROM sqlite_master WHERE name = 'half'").rows == []
    assert not journal.exists()
