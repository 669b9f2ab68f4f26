"""Commits of an open catalog outlive whatever else this process does with its file.

A process holds several copies of SQLite, and one that closes a file drops the locks of the others.
Each story is told by a process of its own, which is killed at its end.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pixelcat.catalog.store import Catalog

STORY = """
import os, signal, sqlite3, subprocess, sys
from contextlib import suppress
from pathlib import Path

import pixelcat
from pixelcat.catalog import query as queries
from pixelcat.catalog.errors import PixelcatError
from pixelcat.catalog.query import query
from pixelcat.catalog.store import Catalog
from pixelcat.io.frames import read_table
from pixelcat.io.image import open_image
from pixelcat.io.sources import scan
from pixelcat.processors.check import check
from pixelcat.processors.export_layer import export_layer

story, way, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
WRITE = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"

def ours():
    for call in (
        lambda: pixelcat.scan(path),
        lambda: list(scan(path, "footprints")),
        lambda: pixelcat.scan(path.parent),
        lambda: pixelcat.classify(path, model=path, output=path.with_name("other.gpkg")),
        lambda: open_image(path),
        lambda: query(path, "select * from notes"),
        lambda: read_table(path, "footprints"),
        lambda: check(path, deep=True),
        lambda: export_layer(path, "footprints", path.with_name("layer.gpkg")),
        lambda: export_layer(path, "footprints", path),
    ):
        with suppress(PixelcatError):
            call()

def theirs():
    path.read_bytes()

queries.BUSY_TIMEOUT_S = 0.0  # readers need not wait for a transaction that does not end
touch = {"ours": ours, "theirs": theirs}[way]
catalog = Catalog(path)
connection = catalog._connection
if story == "in a transaction":
    connection.execute("PRAGMA cache_size = 5")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE notes SET text = hex(zeroblob(400))")
    touch()
    connection.execute("COMMIT")
else:
    catalog.query("SELECT count(*) FROM notes")
    touch()
    if story == "while another process writes":
        text = "INSERT INTO notes (text) VALUES ('other')"
        subprocess.run([sys.executable, "-c", WRITE, path, text], check=True)
for number in range(5):
    with catalog.transaction():
        connection.execute("INSERT INTO notes (text) VALUES (?)", (f"commit {number}",))
os.kill(os.getpid(), signal.SIGKILL)
"""
STORIES = ("alone", "while another process writes", "in a transaction")


@pytest.fixture(params=["delete", "wal"])
def catalog(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A closed catalog with a table that takes many pages."""
    path = tmp_path / "r.gpkg"
    Catalog(path, create=True).close()
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute(f"PRAGMA journal_mode = {request.param}").fetchone()
        database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        texts = [(str(number) * 200,) for number in range(500)]
        database.executemany("INSERT INTO notes (text) VALUES (?)", texts)
    return path


def told(story: str, way: str, path: Path) -> set[str]:
    """Tell a story; return the rows that are there afterwards, and what is damaged."""
    command = [sys.executable, "-c", STORY, story, way, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT text FROM notes WHERE text GLOB '[co]*'")
        found = {text for (text,) in rows}
        return found | {text for (text,) in database.execute("PRAGMA integrity_check")}


@pytest.mark.parametrize("story", STORIES)
def test_commits_outlive_what_is_done_with_an_open_catalog(catalog: Path, story: str) -> None:
    expected = {"ok", *(f"commit {number}" for number in range(5))}
    if story == "while another process writes":
        expected.add("other")
    assert told(story, "ours", catalog) == expected


@pytest.mark.parametrize("catalog", ["wal"], indirect=True)
def test_a_plain_open_loses_commits_where_that_is_not_refused(catalog: Path) -> None:
    """What the rule is about: the commits were acknowledged, and nobody ever sees them."""
    assert "commit 4" not in told("while another process writes", "theirs", catalog)
