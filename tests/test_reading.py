"""Inputs read by another process: the same rows, and what becomes of files that take it down."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from own_processes import children, is_alive, within

from pixelcat import classify, scan
from pixelcat.catalog.errors import CatalogError, ItemError, SourceError
from pixelcat.catalog.records import Feature, Item
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io import watch
from pixelcat.io.probe import probe_all

Function = Callable[..., Any]
FAULTS = Path(__file__).parent / "faults"
HEAVY = ("rasterio", "pyogrio", "fiona", "osgeo", "geopandas", "tensorflow", "keras")
DRIVE = f"""
import contextlib, io, json, re, sys
from pixelcat.cli import cli
codes = []
for arguments in json.loads(sys.argv[1]):
    try:
        codes.append(cli.main(arguments, standalone_mode=False))
    except SystemExit as ended:
        codes.append(ended.code)
with open("/proc/self/maps") as maps:
    mapped = sorted(set(re.findall(r"lib(?:gdal|tensorflow)[^/\\s]*", maps.read())))
loaded = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps([codes, loaded, mapped]), file=sys.stderr)
"""
"""Runs commands as ``pixelcat`` does, then says what this process has loaded."""


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs are read in a process of its own, which has faults."""
    monkeypatch.setenv("PIXELCAT_WORKERS", "1")
    monkeypatch.setenv("PYTHONPATH", str(FAULTS))


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert not children(os.getpid())


@pytest.fixture
def model(tmp_path: Path, exact_net: Function) -> Path:
    path = tmp_path / "net.keras"
    exact_net().save(path)
    return path


@pytest.fixture
def scene(tmp_path: Path, write_raster: Function) -> Function:
    """Return a function that writes a raster of 64 x 64 pixels; the second lies east of the first."""

    def write(number: int = 0) -> Path:
        pixels = np.random.default_rng(number).integers(0, 256, (3, 64, 64), np.uint8)
        place = Affine(10, 0, 500_000 + 640 * number, 0, -10, 5_000_000)
        folder = tmp_path / "scenes"
        folder.mkdir(exist_ok=True)
        return write_raster(folder / f"{number}.tif", pixels, crs="EPSG:32632", transform=place)

    return write


def rows(catalog: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(sql).fetchall()


def has_items(catalog: Path) -> bool:
    """Whether the table is there, filled or not."""
    return rows(catalog, "SELECT count(*) FROM sqlite_master WHERE name = 'items'") == [(1,)]


def items(catalog: Path) -> dict[str, tuple[Any, ...]]:
    found = rows(
        catalog,
        "SELECT source_key, name, status, reason, sha256, byte_size, width, height, bands, dtype,"
        " content_type, transform FROM items",
    )
    return {row[0]: row[1:] for row in found}


# --- the same rows -------------------------------------------------------------------------


def test_rows_are_the_same_whichever_process_reads(
    tmp_path: Path, make_gdb: Function, make_gpkg: Function, photo_folder: Function, scene: Function,
    photo_bytes: Function,
) -> None:  # fmt: skip
    folder = photo_folder("1.jpg", "2.jpg")
    (tmp_path / "trees.csv").write_text("id,x,y,photo\n1,4.5,45,photos/1.jpg\n")
    (folder / "cut.jpg").write_bytes((folder / "1.jpg").read_bytes()[:700])
    (folder / "a.txt").write_text("no image")
    attachments = [(1, "a.jpg", "image/jpeg", photo_bytes()), (9, "b.jpg", "image/jpeg", b"")]
    inputs = [
        folder,
        tmp_path / "trees.csv",
        make_gdb(attachments),
        make_gpkg([("image/jpeg", photo_bytes(3)), ("image/png", None)], [(1, 1), (2, 9)]),
        scene(),
    ]
    surveys = [
        scan(inputs, output=tmp_path / f"{workers}.gpkg", workers=workers) for workers in (0, 1)
    ]
    assert surveys[0].layers == surveys[1].layers
    assert surveys[0].reasons == surveys[1].reasons
    assert items(tmp_path / "0.gpkg") == items(tmp_path / "1.gpkg")
    for table in ("features", "features_items", "footprints"):
        here, there = (rows(tmp_path / f"{n}.gpkg", f"SELECT * FROM {table}") for n in (0, 1))
        assert here == there
        assert here


@pytest.mark.usefixtures("apart")
def test_a_catalog_among_the_photos_is_no_part_of_them(
    tmp_path: Path, photo_folder: Function
) -> None:
    folder = photo_folder("1.jpg")
    for _ in range(2):
        scan(folder, output=folder / "out.gpkg")
        assert list(items(folder / "out.gpkg")) == ["1.jpg"]
    with Catalog(folder / "out.gpkg"):
        (folder / "2.jpg").hardlink_to(folder / "out.gpkg")
        with pytest.raises(CatalogError, match="is the open catalog"):
            scan(folder / "2.jpg")


@pytest.mark.usefixtures("apart")
def test_what_is_wrong_with_an_input_is_said_as_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "empty.gdb").mkdir()
    said = []
    for workers in (0, 1):
        with pytest.raises(SourceError) as error:
            scan(tmp_path / "empty.gdb", workers=workers)
        said.append(str(error.value))
    assert said[0] == said[1]


# --- what takes the process down -------------------------------------------------------------


@pytest.mark.usefixtures("apart")
def test_a_photo_that_takes_its_reader_down_is_unreadable_alone(
    tmp_path: Path, photo_folder: Function
) -> None:
    folder = photo_folder(
        "1.jpg", "2_SCAN-SIGSEGV.jpg", "3.jpg", "4_SCAN-ONCE.jpg", "5_SCAN-HANG.jpg", "6.jpg"
    )
    scan(folder, output=tmp_path / "here.gpkg", workers=0)
    scan(folder, output=tmp_path / "apart.gpkg", item_timeout=12.0)
    expected = items(tmp_path / "here.gpkg")
    found = items(tmp_path / "apart.gpkg")
    assert list(found) == list(expected)
    crashed, hung = found.pop("2_SCAN-SIGSEGV.jpg"), found.pop("5_SCAN-HANG.jpg")
    assert crashed[1:3] == (
        "unreadable", "reading it crashed: its process was killed by SIGSEGV, 3 times"
    )  # fmt: skip
    assert hung[1] == "unreadable"
    assert "came to no end: its process gave no sign of life for 12 s; --item-timeout" in hung[2]
    assert found == {name: expected[name] for name in found}
    assert (folder / "4_SCAN-ONCE.jpg.seen").exists()


@pytest.mark.usefixtures("apart")
def test_a_run_goes_on_without_a_photo_that_takes_its_reader_down(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    folder = photo_folder("1.jpg", "2_SCAN-SIGKILL.jpg", "3.jpg")
    run = classify(folder, model=model, output=tmp_path / "out.gpkg")
    assert (run.done, run.failed, run.status) == (2, 1, "finished")
    (failure,) = run.failures
    assert failure.image == "2_SCAN-SIGKILL.jpg"
    assert failure.reason.startswith("reading it crashed: its process was killed by SIGKILL")
    again = classify(
        folder, model=model, output=tmp_path / "out.gpkg", workers=0, retry_failed=True
    )
    assert (again.id, again.done, again.failed) == (run.id, 3, 0)


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("name", ["trees_SIGSEGV.csv", "9_SCAN-SIGSEGV.jpg"])
def test_an_input_that_takes_its_reader_down_is_named(
    tmp_path: Path, photo_folder: Function, name: str
) -> None:
    """A table cannot be read; an image of its own is one that is unreadable."""
    folder = photo_folder(name)
    catalog = tmp_path / "out.gpkg"
    answer = CliRunner().invoke(cli, ["scan", str(folder / name), "-o", str(catalog)])
    if name.endswith("csv"):
        assert isinstance(answer.exception, SourceError)
        assert str(answer.exception).startswith(f"{folder / name}: reading it crashed: its process")
        assert not catalog.exists()
    else:
        assert answer.exit_code == 0
        assert "reading it crashed" in items(catalog)[name][2]


@pytest.mark.usefixtures("apart")
def test_an_input_is_named_whose_reader_never_says_a_word(
    tmp_path: Path, photo_folder: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photo_folder("1.jpg")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(
        SourceError, match=rf"^{folder}: reading it crashed: its process .*3 times$"
    ):
        scan(folder, output=tmp_path / "out.gpkg")


@pytest.mark.usefixtures("apart")
def test_an_environment_that_takes_its_reader_down_is_named(
    tmp_path: Path, photo_folder: Function, model: Path
) -> None:
    extent = photo_folder("extent_SIGSEGV.csv") / "extent_SIGSEGV.csv"
    with pytest.raises(SourceError, match=f"--extent {extent}: reading it crashed"):
        classify(
            photo_folder("1.jpg"), model=model, output=tmp_path / "out.gpkg",
            environment={"extent": extent},
        )  # fmt: skip


@pytest.mark.usefixtures("apart")
def test_a_signal_ends_a_scan_and_its_process(tmp_path: Path, photo_folder: Function) -> None:
    output = tmp_path / "out.gpkg"
    command = [
        sys.executable,
        "-m",
        "pixelcat",
        "scan",
        photo_folder("1_SCAN-HANG.jpg"),
        "-o",
        output,
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        assert within(90, lambda: output.exists() and has_items(output))
        (reader,) = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert within(10, lambda: not is_alive(reader))
    assert items(output) == {}


# --- going on --------------------------------------------------------------------------------


def test_what_is_known_is_not_read_again(tmp_path: Path, photo_bytes: Function) -> None:
    """Two images of which only the third is there: the others were, for who has their rows."""
    (tmp_path / "3.jpg").write_bytes(photo_bytes())
    images = [
        (Item(kind="file", source_key=n, name=f"{n}.jpg"), tmp_path / f"{n}.jpg") for n in "123"
    ]
    said: list[watch.Read | None] = []
    with watch.watched("here", said.append, {}):
        (left,) = watch.unknown(probe_all(images), 2, "2")
    assert (left.source_key, left.status) == ("3", "ready")
    assert {each.name for each in said if each is not None} == {None, "3 3.jpg"}
    assert [each.status for each in probe_all(images)] == ["unreadable", "unreadable", "ready"]


def test_a_source_that_changes_meanwhile_is_noticed() -> None:
    features = [Feature(source_fid=number) for number in (1, 2, 4)]
    with pytest.raises(SourceError, match="changed while it was read"):
        list(watch.unknown(features, 3, 3))
    assert list(watch.unknown(features, 3, 4)) == []


def test_what_is_refused_is_refused_in_its_place_only() -> None:
    refused = {watch.Read("here", "a"): "it crashed"}
    with watch.watched("here", lambda _: None, refused):
        with pytest.raises(ItemError, match="it crashed"), watch.reading("a"):
            pass
        with watch.reading("b"):
            pass
    with watch.watched("there", lambda _: None, refused), watch.reading("a"):
        pass


# --- what the process that holds the catalog loads ---------------------------------------------


def test_the_process_with_the_catalog_loads_neither_gdal_nor_tensorflow(
    tmp_path: Path, model: Path, make_gdb: Function, make_gpkg: Function, photo_folder: Function,
    scene: Function, photo_bytes: Function,
) -> None:  # fmt: skip
    survey = make_gpkg([("image/jpeg", photo_bytes(3))], [(1, 1)])
    first, second = scene(0), scene(1)
    area = tmp_path / "area.geojson"
    area.write_text(
        '{"type": "Polygon", "coordinates": [[[8, 45], [10, 45], [10, 46], [8, 46], [8, 45]]]}'
    )
    rest = ["--model", model, "--workers", 1, "--output"]
    commands = [
        ["classify", survey, *rest, tmp_path / "a.gpkg", "--out-features", "mine", "--verify", 1],
        ["classify", make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes())]), *rest, tmp_path / "b.gpkg", "--embed"],
        ["classify", first.parent, "--mode", "mosaic", *rest, tmp_path / "c.gpkg", "--also", "confidence"],
        ["classify", first, second, photo_folder("1.jpg"), *rest, tmp_path / "d.gpkg", "--extent", first,
         "--mask", area, "--snap", second, "--map-crs", "EPSG:3857", "--max-memory", "3G"],
        ["classify", first, *rest, tmp_path / "d.gpkg"],
        ["resume", tmp_path / "d.gpkg", 1, "--retry-failed"],
        ["scan", survey, first],
    ]  # fmt: skip
    texts = [[str(word) for word in command] for command in commands]
    answer = subprocess.run(
        [sys.executable, "-c", DRIVE, json.dumps(texts)],
        env={**os.environ, "PIXELCAT_WORKERS": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    codes, loaded, mapped = json.loads(answer.stderr.splitlines()[-1])
    assert (codes, loaded, mapped) == ([0] * 6 + [None], [], [])
