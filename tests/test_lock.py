"""One run at a time, and one copy of SQLite per process on a live catalog."""

import ast
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import pixelcat.catalog
from pixelcat import classify, open_catalog
from pixelcat.catalog.errors import CatalogBusyError, CatalogError, PixelcatError
from pixelcat.catalog.query import query
from pixelcat.catalog.records import Dataset, Item
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io.frames import read_table
from pixelcat.io.image import open_image
from pixelcat.io.probe import probe
from pixelcat.io.raster_facts import georeference
from pixelcat.io.sources import reader, scan

WRITE = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
else:
    print("may write")
"""
OPEN = """
import sys
from pixelcat.catalog.errors import PixelcatError
from pixelcat.catalog.store import Catalog
try:
    Catalog(sys.argv[1], create=True).close()
except PixelcatError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def run(program, path):
    return subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )


def another_process(path):
    """What another process is told that wants to write now."""
    return run(WRITE, path).stdout.strip()


@pytest.fixture
def catalog(tmp_path, photo_bytes):
    """A catalog with one photo, open and in the middle of writing."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(photo_bytes())
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        opened.add(next(scan(tmp_path / "photos")))
        opened._connection.execute("BEGIN IMMEDIATE")
        yield opened
        opened._connection.execute("ROLLBACK")


# --- the sentinel ------------------------------------------------------------------------


def itself(path):
    return path


def symlink(path):
    link = path.with_name("link.gpkg")
    link.symlink_to(path)
    return link


def hard_link(path):
    link = path.with_name("hard.gpkg")
    link.hardlink_to(path)
    return link


def named_like_a_photo(path):
    link = path.with_name("photo.jpg")
    link.hardlink_to(path)
    return link


def fetch(path):
    dataset = Dataset(kind="geopackage", uri=str(path), layer="plots")
    with reader(dataset) as get:
        get(Item(kind="attachment", source_key="photos/1", name="a"))


ENTRIES = {
    "scan": lambda path: list(scan(path)),
    "scan a layer": lambda path: list(scan(path, "plots")),
    "reader": fetch,
    "open_image": open_image,
    "probe": lambda path: probe(
        Item(kind="file", source_key="a", name="a.jpg"), path, claimed=True
    ),
    "georeference": lambda path: georeference(path, "GTiff"),
}


def test_the_sentinel_notices_a_dropped_lock(catalog):
    """What the rule is about: a plain open and close drops the locks of the process."""
    assert another_process(catalog.path) == "database is locked"
    catalog.path.read_bytes()
    assert another_process(catalog.path) == "may write"


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    "link", [itself, symlink, hard_link, named_like_a_photo], ids=lambda link: link.__name__
)
def test_no_entry_touches_a_live_catalog(catalog, link, entry):
    path = link(catalog.path)
    with pytest.raises(CatalogError, match="is the open catalog; give another file"):
        ENTRIES[entry](path)
    assert another_process(catalog.path) == "database is locked"


@pytest.mark.parametrize(
    "link", [itself, symlink, hard_link, named_like_a_photo], ids=lambda link: link.__name__
)
def test_a_folder_with_the_live_catalog_in_it_is_scanned_without_touching_it(catalog, link):
    folder = catalog.path.parent
    link(catalog.path)
    with suppress(CatalogError):
        items = [item for each in scan(folder) for item in each.items]
        ready = [item.name for item in items if item.status == "ready"]
        assert ready == ["a.jpg"]
    assert another_process(catalog.path) == "database is locked"


@pytest.mark.parametrize(
    "read",
    [
        lambda path: query(path, "SELECT count(*) FROM items"),
        lambda path: read_table(path, "items"),
        lambda path: list(scan(path.parent / "photos")),
    ],
    ids=["query", "read_table", "scan of something else"],
)
def test_reading_beside_a_live_catalog_keeps_its_locks(catalog, read):
    assert read(catalog.path) is not None
    assert another_process(catalog.path) == "database is locked"
    with pytest.raises(CatalogError, match="is the open catalog"):
        open_image(catalog.path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model_emd):
    """A folder with photos, a model, and the catalog of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "photos").mkdir()
    for number in range(2):
        noise = Image.effect_noise((64, 48), 100 + number).convert("RGB")
        noise.save(folder / "photos" / f"{number}.png")
    classify(folder / "photos", model=model_emd, output=folder / "r.gpkg")
    return folder


def command(*words):
    """Run a command in this process; its exit code."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    return getattr(result.exception, "exit_code", result.exit_code)


COMMANDS = {
    "classify": lambda f, m: command("classify", f / "photos", "-m", m, "-o", f / "r.gpkg"),
    "classify itself": lambda f, m: command("classify", f / "r.gpkg", "-m", m, "-o", f / "n.gpkg"),
    "scan": lambda f, _: command("scan", f / "photos", "-o", f / "r.gpkg"),
    "scan itself": lambda f, _: command("scan", f / "r.gpkg"),
    "scan a folder": lambda f, _: command("scan", f),
    "resume": lambda f, _: command("resume", f / "r.gpkg", 1),
    "status": lambda f, _: command("status", f / "r.gpkg"),
    "sql": lambda f, _: command("sql", f / "r.gpkg", "select * from footprints"),
    "check": lambda f, _: command("check", f / "r.gpkg", "--deep"),
    "check repair": lambda f, _: command("check", f / "r.gpkg", "--repair"),
    "export photos": lambda f, _: command("export", f / "r.gpkg", "--photos", f / "out"),
    "export gdb": lambda f, _: command("export", f / "r.gpkg", "--file-geodatabase", f / "o.gdb"),
    "export mosaic": lambda f, _: command("export", f / "r.gpkg", "--mosaic", f / "m.vrt"),
    "export stac": lambda f, _: command("export", f / "r.gpkg", "--stac", f / "m.json"),
    "export polygons": lambda f, _: command("export", f / "r.gpkg", "--polygons", f / "p.gpkg"),
    "export layer": lambda f, _: command(
        *("export", f / "r.gpkg", "--layer", "footprints", "--to", f / "l.gpkg")
    ),
    "sql spatial": lambda f, _: command("sql", f / "r.gpkg", "select 1", "--spatial"),
    "report": lambda f, _: command("report", f / "r.gpkg", "-o", f / "r.html"),
    "zones itself": lambda f, _: command("zones", f / "r.gpkg", "--zones", f / "r.gpkg"),
    "diff": lambda f, _: command("diff", f / "r.gpkg", 1, 1),
    "model info": lambda f, _: command("model", "info", f / "r.gpkg"),
    "model check": lambda f, m: command("model", "check", m, "--on", f / "r.gpkg"),
    "model pack": lambda f, _: command("model", "pack", f / "r.gpkg", "-o", f / "m.dlpk"),
    "a mask": lambda f, m: command(
        *("classify", f / "photos", "-m", m, "-o", f / "n.gpkg", "--mask", f / "r.gpkg")
    ),
    "classes": lambda f, m: command("model", "info", m, "--classes", f / "r.gpkg"),
    "in Python": lambda f, _: [
        open_catalog(f / "r.gpkg").table(name)
        for name in ("items", "outputs", "item_results", "features", "footprints")
    ],
}
BUSY = ("classify", "scan", "resume", "check repair")
"""Those that write a catalog."""


def test_every_command_is_among_those_that_are_watched():
    def names(group, prefix=""):
        for name, each in group.commands.items():
            yield from names(each, f"{name} ") if hasattr(each, "commands") else [prefix + name]

    watched = {" ".join(name.split()[: 2 if name.startswith("model") else 1]) for name in COMMANDS}
    assert set(names(cli)) - {"doctor"} <= watched


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_drops_the_locks_of_a_live_catalog(finished, model_emd, name):
    with Catalog(finished / "r.gpkg") as opened:
        opened._connection.execute("BEGIN IMMEDIATE")
        opened._connection.execute("UPDATE runs SET device = device")
        assert another_process(opened.path) == "database is locked"
        code = COMMANDS[name](finished, model_emd)
        assert another_process(opened.path) == "database is locked"
        opened._connection.execute("ROLLBACK")
    assert (code == CatalogBusyError.exit_code) == (name in BUSY)


def test_a_refused_catalog_keeps_the_locks_of_the_open_one(catalog):
    with pytest.raises(CatalogBusyError):
        Catalog(catalog.path)
    assert another_process(catalog.path) == "database is locked"


def test_a_closed_catalog_is_a_file_like_any_other(tmp_path):
    path = tmp_path / "results.gpkg"
    Catalog(path, create=True).close()
    query(path, "SELECT 1")
    with pytest.raises(PixelcatError, match="is a pixelcat catalog, not an input"):
        list(scan(path))


def test_a_refused_file_is_not_live(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no catalog, " * 100)
    with pytest.raises(CatalogError, match="not a usable catalog"):
        Catalog(path)
    (scanned,) = scan(path)
    assert [item.reason for item in scanned.items] == ["not an image but a text file"]


# --- what the catalog package is made of -------------------------------------------------

MODULES = sorted(Path(pixelcat.catalog.__file__).parent.glob("*.py"))
OTHER_COPIES_OF_SQLITE = {
    *("numpy", "rasterio", "fiona", "pyogrio", "geopandas", "pyproj", "tensorflow", "keras"),
    *("osgeo", "pandas", "PIL"),
}
OPENERS = {"open", "read_bytes", "read_text", "write_bytes", "write_text", "touch", "fdopen"}


def imported(tree):
    """Names of imported modules; relative ones start with as many dots as levels."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_the_catalog_imports_nothing_that_brings_another_sqlite(module):
    names = list(imported(ast.parse(module.read_text("utf-8"))))
    assert OTHER_COPIES_OF_SQLITE.isdisjoint(name.partition(".")[0] for name in names)
    assert not [name for name in names if name.startswith(("..", "pixelcat"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_the_catalog_opens_no_file_but_its_lock_and_class_maps(module):
    found = set(called(ast.parse(module.read_text("utf-8"))))
    opens = module.name in ("lock.py", "media.py", "listed_rasters.py")
    assert OPENERS & found == ({"open"} if opens else set())
    assert module.name == "lock.py" or not opens or "assert_not_live" in found


def test_the_lock_file_is_not_the_catalog_and_goes_with_the_run(tmp_path):
    def names():
        return sorted(path.name for path in tmp_path.iterdir())

    with Catalog(tmp_path / "results.gpkg", create=True):
        assert names() == ["results.gpkg", "results.gpkg.lock"]
    assert names() == ["results.gpkg"]


# --- how a catalog is written ------------------------------------------------------------


def test_a_commit_survives_a_power_failure(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        assert catalog.query("PRAGMA journal_mode") == [{"journal_mode": "delete"}]
        assert catalog.query("PRAGMA synchronous") == [{"synchronous": 3}]
        assert catalog.query("PRAGMA foreign_keys") == [{"foreign_keys": 1}]


def test_a_transaction_has_the_right_to_write_from_its_beginning(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog, catalog.transaction():
        assert another_process(catalog.path) == "database is locked"


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        with pytest.raises(KeyboardInterrupt), catalog.transaction() as connection:
            connection.execute("DELETE FROM gpkg_extensions")
            raise KeyboardInterrupt
        assert another_process(catalog.path) == "may write"
        assert catalog.query("SELECT count(*) > 0 AS n FROM gpkg_extensions") == [{"n": 1}]


def test_a_catalog_in_wal_mode_stays_so_and_the_run_says_it(finished, model_emd, tmp_path):
    path = tmp_path / "r.gpkg"
    shutil.copy(finished / "r.gpkg", path)
    shutil.copytree(finished / "r_rasters", tmp_path / "r_rasters")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    run = classify(finished / "photos", model=model_emd, output=path)
    assert (
        "r.gpkg is in WAL mode, as QGIS leaves files that it edits, and stays so" in run.notes[-1]
    )
    assert run.sql("SELECT status FROM runs") == [{"status": "finished"}]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_system_without_locks_is_told_from_a_catalog_in_use(tmp_path, monkeypatch):
    import fcntl

    def refused(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(CatalogError, match="has no locks") as error:
        Catalog(tmp_path / "results.gpkg", create=True)
    assert error.value.exit_code == 74


# --- one run at a time -------------------------------------------------------------------


def test_a_second_process_is_told_who_has_the_catalog(tmp_path):
    path = tmp_path / "results.gpkg"
    with Catalog(path, create=True):
        second = run(OPEN, path)
        assert second.returncode == CatalogBusyError.exit_code == 75
        assert f"is in use by process {os.getpid()}; wait" in second.stderr
    assert run(OPEN, path).returncode == 0


def test_a_second_catalog_in_the_same_process_is_refused(tmp_path):
    path = tmp_path / "results.gpkg"
    with Catalog(path, create=True) as first:
        with pytest.raises(CatalogBusyError, match="in use by process"):
            Catalog(symlink(path))
        assert first.query("SELECT 1 AS one") == [{"one": 1}]
    Catalog(path).close()


def test_a_killed_process_leaves_no_lock(tmp_path):
    path = tmp_path / "results.gpkg"
    hold = (
        "import sys; from pixelcat.catalog.store import Catalog;"
        " held = Catalog(sys.argv[1], create=True); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(CatalogBusyError, match=f"process {holder.pid}"):
            Catalog(path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    Catalog(path).close()


def test_another_program_that_writes_makes_the_catalog_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("pixelcat.catalog.store.BUSY_TIMEOUT_S", 0)
    path = tmp_path / "results.gpkg"
    Catalog(path, create=True).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Catalog(path) as catalog:
        with pytest.raises(CatalogBusyError, match="QGIS, DB Browser"):
            catalog.finish_run(1, "finished")
        other.close()
        catalog.finish_run(1, "finished")


def test_a_program_that_writes_for_a_moment_is_waited_for(tmp_path):
    path = tmp_path / "results.gpkg"
    Catalog(path, create=True).close()
    hold = (
        "import sqlite3, sys, time; other = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " other.execute('BEGIN EXCLUSIVE'); print('writes', flush=True); time.sleep(0.5)"
    )
    with Catalog(path) as catalog:
        command = [sys.executable, "-c", hold, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"writes\n"
            catalog.finish_run(1, "finished")
            assert other.wait() == 0


def test_another_process_reads_a_catalog_that_is_open(tmp_path):
    ask = (
        "import sys; from pixelcat.catalog.query import query;"
        " print(query(sys.argv[1], 'SELECT count(*) FROM items').rows)"
    )
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        assert run(ask, catalog.path).stdout == "[(0,)]\n"


def test_a_folder_in_place_of_the_lock_is_named(tmp_path):
    (tmp_path / "results.gpkg.lock").mkdir()
    with pytest.raises(
        CatalogError, match=r"results\.gpkg\.lock is no file of pixelcat; remove it"
    ):
        Catalog(tmp_path / "results.gpkg", create=True)
