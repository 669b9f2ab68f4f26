"""A catalog that a stranger has written leads no command to a file that is not its own."""

import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from own_processes import INTERRUPTIBLE, processor_time_s, within

from pixelcat import classify, open_catalog
from pixelcat.catalog.errors import PixelcatError
from pixelcat.catalog.geometry import register_functions
from pixelcat.cli import cli
from pixelcat.cli_plugins import rio

Function = Callable[..., Any]
SECRET = b"nobody-may-read-this-42"
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
EXPORTS = [
    *(("--photos", "photos"), ("--file-geodatabase", "o.gdb")),
    *(("--mosaic", "m.vrt"), ("--stac", "s.json"), ("--polygons", "p.gpkg")),
]


def write(catalog: Path, *statements: str) -> None:
    with closing(sqlite3.connect(catalog)) as database, database:
        register_functions(database)
        for statement in statements:
            database.execute(statement)


def points_at(catalog: Path, name: str) -> None:
    """Let all rasters that a catalog lists be one file."""
    write(catalog, f"UPDATE outputs SET raster_path = {name} WHERE status = 'done'")
    with closing(sqlite3.connect(catalog)) as database:
        layers = [row[0] for row in database.execute("SELECT table_name FROM result_layers")]
    for layer in layers:
        write(catalog, f"UPDATE {layer} SET classified_image = {name}")


def told(*words: object) -> str:
    answer = CliRunner().invoke(cli, list(map(str, words)))
    if isinstance(answer.exception, PixelcatError) and answer.exception.exit_code != 70:
        return str(answer.exception)
    assert answer.exit_code in (0, 3), answer.output
    return str(answer.output)


def journal_that_names(catalog: Path, victim: Path) -> bytes:
    """A journal of several databases, as SQLite would leave it: it deletes the file that it names."""
    magic = bytes.fromhex("d9d505f920a163d7")
    head = catalog.read_bytes()[:4096]
    size = int.from_bytes(head[16:18], "big")
    page = catalog.read_bytes()[:size]
    pages = catalog.stat().st_size // size
    check = 1234 + sum(page[at] for at in range(size - 200, 0, -200))
    name = bytes(victim)
    return b"".join(
        [
            (magic + struct.pack(">IIIII", 1, 1234, pages, 512, size)).ljust(512, b"\0"),
            struct.pack(">I", 1) + page + struct.pack(">I", check & 0xFFFFFFFF),
            struct.pack(">I", (1 << 30) // size + 1) + name,
            struct.pack(">II", len(name), sum(name)) + magic,
        ]
    )


def is_clean(folder: Path) -> bool:
    """Return whether nothing that was written below a folder holds the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return not any(SECRET in path.read_bytes() for path in files)


@pytest.fixture(scope="module")
def of_photos(tmp_path_factory: pytest.TempPathFactory, model_emd: Path) -> tuple[Path, Path]:
    """A survey of one plot with one photo, and its catalog."""
    import geopandas
    import shapely
    from PIL import Image

    folder = tmp_path_factory.mktemp("strange")
    Image.new("RGB", (20, 10)).save(folder / "a.jpg")
    frame = geopandas.GeoDataFrame({"photo": ["a.jpg"]}, geometry=[shapely.Point(4, 45)], crs=4326)
    frame.to_file(folder / "survey.gpkg", layer="plots", engine="pyogrio")
    run = classify(folder / "survey.gpkg", model=model_emd, output=folder / "r.gpkg")
    return folder / "survey.gpkg", run.catalog


@pytest.fixture(params=["above", "absolute", "link", "text", "blob", "nul", "long", "vrt"])
def strange(request: Any, tmp_path: Path, canary: str) -> tuple[Path, str]:
    """A folder for a catalog, and SQL of a path that it may not follow."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    secret = tmp_path / "secret.tif"
    secret.write_bytes(b"II*\0" + SECRET)
    (folder / "key.txt").write_bytes(SECRET)
    (folder / "l.tif").symlink_to(secret)
    (folder / "v.tif").write_text(
        '<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>/vsicurl/http://{canary}/{SECRET.decode()}"
        "</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    names = {
        "above": "'../secret.tif'", "absolute": f"'{secret}'", "link": "'l.tif'",
        "text": "'key.txt'", "blob": "x'2e2e'", "nul": "'a' || char(0)",
        "long": f"'{'x' * 300}'", "vrt": "'v.tif'",
    }  # fmt: skip
    return folder, names[request.param]


def test_nothing_is_copied_but_rasters_below_the_folder_of_a_catalog(
    of_photos: tuple[Path, Path], strange: tuple[Path, str], tmp_path: Path
) -> None:
    _, source = of_photos
    folder, name = strange
    catalog = Path(shutil.copy(source, folder / "r.gpkg"))
    points_at(catalog, name)
    out = tmp_path / "out"
    out.mkdir()
    said = [told("export", catalog, way, out / target) for way, target in EXPORTS[:2]]
    for each in said:
        assert "1 could not be had" in each or "its class map" in each, each
    told("report", catalog, "-o", out / "page.html")
    told("check", catalog, "--deep")
    (out / "card.html").write_text(open_catalog(catalog)._repr_html_())
    assert is_clean(out)


def test_nothing_else_is_embedded(
    of_photos: tuple[Path, Path], tmp_path: Path, model_emd: Path
) -> None:
    survey, source = of_photos
    catalog = Path(shutil.copy(source, tmp_path / "r.gpkg"))
    (tmp_path / "key.txt").write_bytes(SECRET)
    points_at(catalog, "'key.txt'")
    assert "1 class maps are not embedded" in told(
        "classify", survey, "-m", model_emd, "-o", catalog, "--embed"
    )
    assert SECRET not in catalog.read_bytes()


def test_rasters_elsewhere_are_no_class_rasters(
    class_catalog: Function, strange: tuple[Path, str], tmp_path: Path
) -> None:
    folder, name = strange
    classes = np.full((9, 9), 1, np.uint8)
    for _ in range(2):
        class_catalog([("a.tif", classes, UTM, "EPSG:32631")], name="catalog/results.gpkg")
    catalog = folder / "results.gpkg"
    points_at(catalog, name)
    zones = tmp_path / "zones.geojson"
    zones.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":'
        '{"type":"Polygon","coordinates":[[[3,45],[3.001,45],[3.001,45.1],[3,45]]]}}]}'
    )
    out = tmp_path / "out"
    out.mkdir()
    for way, target in EXPORTS[2:]:
        assert "no class raster" in told("export", catalog, way, out / target)
    assert "no class raster" in told("zones", catalog, "--zones", zones)
    told("diff", catalog, 1, 2, "--raster", out / "change")
    assert "raster" in told("check", catalog)
    assert CliRunner().invoke(rio, [str(catalog)]).exit_code == 0
    assert is_clean(out)
    assert not [path for path in out.rglob("*") if path.name.startswith(".tmp")]


def test_files_beside_a_class_raster_are_copied_only_from_its_folder(
    of_photos: tuple[Path, Path], tmp_path: Path
) -> None:
    _, source = of_photos
    folder = tmp_path / "catalog"
    shutil.copytree(source.parent, folder)
    (beside,) = folder.rglob("*.tif.aux.xml")
    beside.unlink()
    (tmp_path / "secret.xml").write_bytes(SECRET)
    beside.symlink_to(tmp_path / "secret.xml")
    told("export", folder / "r.gpkg", "--photos", tmp_path / "out")
    assert list((tmp_path / "out").rglob("*_classes.tif"))
    assert is_clean(tmp_path / "out")


def test_a_key_that_no_scan_has_written_is_that_of_an_image_that_is_gone(
    make_gdb: Function, make_gpkg: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    surveys = [
        make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(1))]),
        make_gpkg([("image/jpeg", photo_bytes(2))], [(1, 1)]),
    ]
    catalog = classify(surveys, model=model_emd, output=tmp_path / "r.gpkg").catalog
    for number, key in enumerate(["'x'", "'99999999999999999999'", "x'00ff'", "'a/b/../../c'"]):
        write(catalog, f"UPDATE items SET source_key = {key}")
        said = told("export", catalog, "--photos", tmp_path / f"out{number}")
        assert "wrote 0 photos" in said
        assert said.count("missing: ") == 2


@pytest.mark.parametrize("command", ["status", "check", "sql", "classify"])
def test_a_journal_leads_to_no_other_file(
    of_photos: tuple[Path, Path], model_emd: Path, tmp_path: Path, command: str
) -> None:
    survey, made = of_photos
    catalog = Path(shutil.copy(made, tmp_path / "r.gpkg"))
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    journal = tmp_path / "r.gpkg-journal"
    journal.write_bytes(journal_that_names(catalog, victim))
    words = {
        "sql": ["sql", catalog, "runs"],
        "classify": ["classify", survey, "-m", model_emd, "-o", catalog],
    }.get(command, [command, catalog])
    assert "several databases" in told(*words)
    assert victim.read_text() == "precious"
    journal.unlink()
    assert "several databases" not in told("status", catalog)


@pytest.mark.parametrize("kind", ["link", "pipe", "text"])
@pytest.mark.parametrize("name", ["r.gpkg.lock", "r.gpkg-journal"])
def test_what_is_no_lock_and_no_journal_is_not_written_over(
    of_photos: tuple[Path, Path], model_emd: Path, tmp_path: Path, kind: str, name: str
) -> None:
    survey, made = of_photos
    catalog = Path(shutil.copy(made, tmp_path / "r.gpkg"))
    victim, there = tmp_path / "precious.txt", tmp_path / name
    victim.write_text("precious")
    if kind == "pipe":
        os.mkfifo(there)
    else:
        there.symlink_to(victim) if kind == "link" else there.hardlink_to(victim)
    for words in (["classify", survey, "-m", model_emd, "-o", catalog], ["check", catalog]):
        told(*words)
    assert victim.read_text() == "precious"
    if name == "r.gpkg.lock":
        assert "r.gpkg.lock is no file of pixelcat; remove it" in told("check", catalog, "--repair")
        assert there.exists()
    there.unlink(missing_ok=True)


def test_a_lock_that_cannot_be_written_is_one_line(
    of_photos: tuple[Path, Path], tmp_path: Path
) -> None:
    catalog = Path(shutil.copy(of_photos[1], tmp_path / "r.gpkg"))
    code = (
        "import resource, runpy, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        " runpy.run_module('pixelcat', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--repair", catalog],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        74,
        f"Error: cannot write beside {catalog}: File too large\n",
    )


NO_COMMAND = '"inputs": ["a"], "model": "m", "folder": "f", "options": '


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 40_000, "[]", "{}", "no", "7", f"{{{NO_COMMAND} 3}}"),
        *(f'{{{NO_COMMAND} {{}}, "earlier": {earlier}}}' for earlier in ("[1]", "7", "[{}]")),
    ],
)
def test_a_command_that_is_none_is_one_line(
    of_photos: tuple[Path, Path], tmp_path: Path, text: str
) -> None:
    catalog = Path(shutil.copy(of_photos[1], tmp_path / "r.gpkg"))
    write(catalog, f"UPDATE runs SET command = '{text}', status = 'stopped'")
    for command in ("status", "resume"):
        assert "is no command" in told(command, catalog)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"


@pytest.mark.parametrize(
    "name",
    ["runs", "items", "gpkg_contents", "_sqlite_migrations", "item_results", "plots_classified"],
)
def test_a_view_in_place_of_what_is_ours_is_refused(
    of_photos: tuple[Path, Path], model_emd: Path, tmp_path: Path, name: str
) -> None:
    survey, made = of_photos
    catalog = Path(shutil.copy(made, tmp_path / "r.gpkg"))
    with closing(sqlite3.connect(catalog)) as database:
        register_functions(database)
        database.execute("PRAGMA legacy_alter_table = ON")
        if name == "item_results":
            database.execute("DROP VIEW item_results")
            columns = "1 AS run_id"
        else:
            columns = ", ".join(row[1] for row in database.execute(f"PRAGMA table_info({name})"))
            database.execute(f"ALTER TABLE {name} RENAME TO before")
        source = "n" if name == "item_results" else "before, n"
        database.execute(f"CREATE VIEW {name} AS {ENDLESS} SELECT {columns} FROM {source}")
    for words in (
        *(["status", catalog], ["check", catalog], ["resume", catalog], ["sql", catalog, "runs"]),
        *(["report", catalog, "-o", tmp_path / "r.html"], ["export", catalog, "--mosaic", "m.vrt"]),
        ["classify", survey, "-m", model_emd, "-o", catalog],
    ):
        assert f"{name} in it is not what pixelcat makes" in told(*words)


@pytest.mark.parametrize("table", ["runs", "result_layers", "plots_classified"])
def test_a_column_that_a_stranger_works_out_is_refused(
    of_photos: tuple[Path, Path], tmp_path: Path, table: str
) -> None:
    catalog = Path(shutil.copy(of_photos[1], tmp_path / "r.gpkg"))
    write(catalog, f"ALTER TABLE {table} ADD COLUMN more AS (hex(zeroblob(200000000)))")
    assert f"{table} in it is not what pixelcat makes" in told("status", catalog)


def test_an_output_table_whose_rows_a_program_makes_is_refused(
    of_photos: tuple[Path, Path], tmp_path: Path
) -> None:
    catalog = Path(shutil.copy(of_photos[1], tmp_path / "r.gpkg"))
    write(
        catalog,
        "ALTER TABLE plots_classified RENAME TO before",
        f"CREATE VIEW zz AS {ENDLESS} SELECT x AS a, x AS b FROM n",
        "CREATE VIRTUAL TABLE plots_classified USING fts5(a, content='zz', content_rowid='b')",
    )
    words = ["export", catalog, "--layer", "plots_classified", "--to", tmp_path / "e.csv"]
    assert "plots_classified in it is not what pixelcat makes" in told(*words)


def test_a_folder_of_rasters_elsewhere_is_not_looked_at(
    of_photos: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    catalog = Path(shutil.copy(of_photos[1], tmp_path / "in/r.gpkg"))
    draft = tmp_path / f"out/.tmp-{'0f' * 16}.tif"
    draft.touch()
    (tmp_path / "in/r_rasters").symlink_to(tmp_path / "out")
    said = told("check", catalog, "--repair")
    assert "r_rasters" in said
    assert draft.name not in said
    assert draft.exists()


def test_views_and_triggers_of_a_user_are_read_past(
    of_photos: tuple[Path, Path], tmp_path: Path
) -> None:
    catalog = Path(shutil.copy(of_photos[1], tmp_path / "r.gpkg"))
    write(
        catalog,
        f"CREATE VIEW mine AS {ENDLESS} SELECT x FROM n",
        "CREATE TRIGGER his AFTER UPDATE ON runs BEGIN DELETE FROM outputs; END",
    )
    assert "finished" in told("status", catalog)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_that_a_catalog_would_keep_for_long(
    of_photos: tuple[Path, Path], tmp_path: Path, number: signal.Signals
) -> None:
    catalog = tmp_path / "r.gpkg"
    shutil.copy(of_photos[1], catalog)
    write(
        catalog,
        "INSERT INTO runs (model_id, options, software, device, decoder, started_at, status)"
        " WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 50000)"
        " SELECT model_id, options, software, device, decoder, started_at, 'stopped' FROM runs, n",
    )
    command = [sys.executable, "-c", INTERRUPTIBLE, "status", str(catalog)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert within(60, lambda: processor_time_s(process.pid) > 2 or process.poll() is not None)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert process.stderr is not None
        assert process.stderr.read().strip() == "Error: stopped"
